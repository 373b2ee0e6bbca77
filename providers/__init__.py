"""Translators to payment companies. Every module here that subclasses ``Provider`` is a provider."""

import pkgutil
from importlib import import_module

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
