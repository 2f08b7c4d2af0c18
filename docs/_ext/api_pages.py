"""One page for each room's public names, and one for each class and function.

Public names are loaded on first use, so the lists are read from ``__all__`` of the live packages; a
module without one (the statistics of ``evaluation``) is public as far as its names are.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

from pydantic import BaseModel

#: Rooms from the top floor down; the page of each says what lives there.
ROOMS = (
    "finscale.report",
    "finscale.study",
    "finscale.judging",
    "finscale.audit",
    "finscale.controls",
    "finscale.experiment",
    "finscale.features",
    "finscale.training",
    "finscale.runs",
    "finscale.data",
    "finscale.data.synthetic",
    "finscale.models",
    "finscale.models.baselines",
    "finscale.evaluation",
    "finscale.scaling",
    "finscale.config",
    "finscale.errors",
    "finscale.registry",
)
#: Public functions that live beside a room's own list.
BESIDE = {
    "finscale.scaling": ("finscale.scaling.plan",),
    "finscale.judging": ("finscale.judging.judge",),
}


def pages() -> dict[str, str]:
    """Return the text of every room's page by its name."""
    known: dict[int, str] = {}
    texts = {room: _room(room, known) for room in ROOMS}
    texts["finscale"] = _top(known)
    return texts


def public(module: Any) -> dict[str, Any]:
    """Return the public names of a module: what it lists, else what it defines itself."""
    names = getattr(module, "__all__", None)
    if names is not None:
        return {name: getattr(module, name) for name in names}
    return {
        name: thing
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(thing) or inspect.isfunction(thing))
        and thing.__module__ == module.__name__
    }


def _room(room: str, known: dict[int, str]) -> str:
    module = importlib.import_module(room)
    lines = [*_title(room), _first_paragraph(module), ""]
    groups = _groups(module)
    for place, names in groups:
        if place != room:
            heading = place.removeprefix(f"{room}.")
            lines += [heading, "-" * len(heading), ""]
            lines += [_first_paragraph(importlib.import_module(place)), ""]
        lines += _listing(place, names, known)
    return "\n".join(lines)


def _groups(module: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return places and their public names: the room's own, or those of each of its modules."""
    room = module.__name__
    own = public(module)
    if own or not hasattr(module, "__path__"):
        places = BESIDE.get(room, ())
    else:
        found = sorted(one.name for one in pkgutil.iter_modules(module.__path__))
        places = tuple(f"{room}.{name}" for name in found if not name.startswith("_"))
    beside = [(place, public(importlib.import_module(place))) for place in places]
    return [(room, own), *beside] if own else beside


def filenames() -> dict[str, str]:
    """Return another file name for each name that differs from a neighbour's by case alone.

    ``Plan`` and ``plan`` would be one file on the disks of macOS and Windows.
    """
    changed, taken = {}, set()
    for room in ROOMS:
        for place, names in _groups(importlib.import_module(room)):
            for name in sorted(names):  # capitals first
                path = f"{place}.{name}"
                if path.lower() in taken:
                    changed[path] = f"{path}-function"
                taken.add(path.lower())
    return changed


def _listing(place: str, names: dict[str, Any], known: dict[int, str]) -> list[str]:
    """Return one summary table of classes and functions, then a line for each constant."""
    documented = []
    constants = []
    for name, thing in sorted(names.items(), key=lambda item: item[0].lower()):
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            constants += _constant(name, thing)
        elif id(thing) in known:
            constants += [f"``{name}``", f"   See :py:obj:`{known[id(thing)]}`.", ""]
        else:
            known[id(thing)] = f"{place}.{name}"
            documented.append(name)
    lines = []
    if documented:
        lines += [f".. currentmodule:: {place}", "", ".. autosummary::", "   :toctree: ."]
        lines += ["   :signatures: none", ""]
        lines += [f"   {name}" for name in documented] + [""]
    return lines + constants


def _constant(name: str, thing: Any) -> list[str]:
    """Return a registry with its entries, a tuple with its items, anything else by its name."""
    from finscale.registry import Registry

    if inspect.ismodule(thing):
        return [f"``{name}``", f"   The module :doc:`{thing.__name__}`.", ""]
    if isinstance(thing, Registry):
        entries = ", ".join(f"``{entry}``" for entry in thing)
        return [f"``{name}``", f"   Registry, one {thing.kind} an entry: {entries}.", ""]
    if isinstance(thing, tuple):
        return [f"``{name}``", "   " + ", ".join(f"``{item}``" for item in thing) + ".", ""]
    return [f"``{name}``", f"   Type alias: ``{thing}``.".replace("typing.", ""), ""]


def _top(known: dict[int, str]) -> str:
    """Return the page of ``import finscale as fs``: each name and where it is documented."""
    import finscale

    lines = [*_title("finscale"), _first_paragraph(finscale), ""]
    lines += [".. list-table::", "   :widths: 30 70", "   :class: names", ""]
    for name, thing in sorted(public(finscale).items(), key=lambda item: item[0].lower()):
        if inspect.ismodule(thing):
            target = f":doc:`fs.{name} <{thing.__name__}>`"
        else:
            target = f":py:obj:`fs.{name} <{known[id(thing)]}>`"
        lines += [f"   * - {target}", f"     - {_first_paragraph(thing)}"]
    return "\n".join(lines) + "\n"


def summaries() -> str:
    """Return a table of all rooms and what lives in each, for the page above them."""
    rows = ["| room | what lives there |", "|---|---|"]
    for room in ("finscale", *ROOMS):
        about = _first_paragraph(importlib.import_module(room)).replace("``", "`")
        rows.append(f"| [{room}](generated/{room}.rst) | {about} |")
    return "\n".join(rows) + "\n"


def _title(name: str) -> list[str]:
    return [name, "=" * len(name), ""]


def _first_paragraph(thing: Any) -> str:
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


def short_signature(
    app: Any, what: str, name: str, thing: Any, options: Any, signature: str, returns: str
) -> tuple[str, str] | None:
    """Leave out the signature of settings: their fields follow, with meanings."""
    if what == "class" and isinstance(thing, type) and issubclass(thing, BaseModel):
        return "(**settings)", ""
    return None
