"""Steps in the world. Each is one atomic phase: at most one foreign call, then at most one transaction."""
