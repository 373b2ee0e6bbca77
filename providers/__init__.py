"""Translators to payment companies. Every module here that subclasses ``Provider`` is a provider.

So is whatever an installed package offers under the entry points of the group ``paysaga.providers``: each
names a module or a class, which is loaded with the others.
"""

import pkgutil
from importlib import import_module
from importlib.metadata import entry_points

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
for _point in entry_points(group="paysaga.providers"):
    _point.load()
