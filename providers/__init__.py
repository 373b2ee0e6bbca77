"""Translators to payment companies. Every module here that subclasses ``Provider`` is a provider.

So is what an installed package offers as an entry point of the group ``paysaga.providers``: a module or a
class, which is loaded with the others.
"""

import pkgutil
from importlib import import_module
from importlib.metadata import entry_points

for _module in pkgutil.walk_packages(__path__, f"{__name__}."):
    import_module(_module.name)
for _point in entry_points(group="paysaga.providers"):
    _point.load()
