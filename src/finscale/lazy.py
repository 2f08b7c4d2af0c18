"""Names of a package that are loaded on first use, so that importing it stays fast."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return a package's ``__getattr__``, ``__dir__`` and ``__all__``.

    Parameters
    ----------
    package : str
        The package's ``__name__``.
    homes : mapping of str to str
        Public name → the module that holds it: a full name, or one below the package
        (``".store"``). A name that its module does not hold is the module itself; so is one that
        is a room of the package, whatever that holds: its import puts it there anyway.

    Examples
    --------
    >>> homes = {"sqrt": "math"}
    >>> load, names, public = lazy_names("json", homes)
    >>> load("sqrt")(4.0), public
    (2.0, ['sqrt'])
    """
    public = sorted(homes)

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(homes[name], package)
        is_room = module.__name__ == f"{package}.{name}"
        value = module if is_room else getattr(module, name, module)
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: public, public
