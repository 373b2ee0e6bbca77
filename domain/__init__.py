"""Values and rules. Imports the standard library and pydantic, nothing else, ever."""
