"""How `make docs` builds the site."""
