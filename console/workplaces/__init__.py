"""The console's workplaces: what people of a tenant, and the platform's operator, look after."""
