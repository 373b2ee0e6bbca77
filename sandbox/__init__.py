"""A pretend payment company: its own process, storage and ports, reached over HTTP and in no other way."""
