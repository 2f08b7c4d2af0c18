"""Extensions from other packages: entry points of the group ``finscale.plugins``.

An entry point names a module, which adds entries to registries when it is imported, or a function
of a module, which is called without arguments. Entry points are metadata of what is installed, so
worker processes find the same ones. Scripts and notebooks can name modules in the environment
variable ``FINSCALE_PLUGINS`` instead, separated by commas.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import EntryPoint, entry_points

from finscale.errors import FinscaleWarning

GROUP = "finscale.plugins"
VARIABLE = "FINSCALE_PLUGINS"

_loaded = False


def load_plugins() -> None:
    """Load every plugin, once a process.

    Called by the command line, by workers, by ``run_experiment`` and ``Study``, and by whatever
    looks up a name that it does not know. A plugin that fails is named in a warning; the others
    are loaded.
    """
    global _loaded
    if _loaded:
        return
    _loaded = True  # first: a plugin looks things up itself while it is loaded
    for who, load in _plugins():
        try:
            load()
        except Exception as error:
            warnings.warn(
                f"{who} could not be loaded ({type(error).__name__}: {error}); "
                "what it declares is not known.",
                FinscaleWarning,
                stacklevel=2,
            )


def _plugins() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield each plugin's name for people and what loads it."""
    for entry in sorted(entry_points(group=GROUP)):
        owner = f" of {entry.dist.name} {entry.dist.version}" if entry.dist is not None else ""
        yield f"plugin {entry.name!r}{owner}", partial(_load, entry)
    for module in filter(None, map(str.strip, os.environ.get(VARIABLE, "").split(","))):
        yield f"plugin {module!r} of {VARIABLE}", partial(importlib.import_module, module)


def _load(entry: EntryPoint) -> None:
    loaded = entry.load()
    if callable(loaded):
        loaded()
