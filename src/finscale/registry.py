"""A registry of declared things: adding one is adding an entry, not editing a dispatcher."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from finscale.errors import FinscaleError, did_you_mean, nearest
from finscale.plugins import load_plugins

T = TypeVar("T")


class Names:
    """Names that a setting may have, known before the things that they name are imported.

    A registry that was made with ``added=names.add`` adds its own; a name that is not known makes
    the plugins load.

    Parameters
    ----------
    kind : str
        What is named, as the error message says it: ``"task"``.
    built_in : iterable of str
        Names that finscale itself declares.

    Examples
    --------
    >>> Names("colour", ["red", "blue"]).check("red")
    'red'
    """

    def __init__(self, kind: str, built_in: Iterable[str]) -> None:
        self.kind = kind
        self.built_in = tuple(built_in)
        self._known = dict.fromkeys(self.built_in)

    def add(self, name: str, thing: object = None) -> None:
        """Admit a name."""
        self._known[name] = None

    def check(self, name: str) -> str:
        """Return the name.

        Raises
        ------
        ValueError
            If nobody declares it; says which names there are.
        """
        if name not in self._known:
            load_plugins()
        if name not in self._known:
            near = nearest(name, self._known)
            found = f"nearest: {near}; " if near else ""
            raise ValueError(f"is not a {self.kind} ({found}known: {', '.join(self._known)})")
        return name

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)


class Registry(Mapping[str, T], Generic[T]):
    """An ordered mapping from name to thing, with a helpful error for unknown names.

    Parameters
    ----------
    kind : str
        What is registered, as the error message names it: ``"loss"``, ``"source"``.
    added : callable, optional
        Told each name and thing before it is registered; may refuse it.
    hint : callable, optional
        Told an unknown name; returns the way out, or nothing where the nearest name is one.

    Examples
    --------
    >>> losses = Registry[float]("loss")
    >>> losses.add("mse", 1.0)
    1.0
    >>> losses["mse"]
    1.0
    """

    def __init__(
        self,
        kind: str,
        added: Callable[[str, T], None] | None = None,
        hint: Callable[[str], str] | None = None,
    ) -> None:
        self.kind = kind
        self._added = added
        self._hint = hint
        self._entries: dict[str, T] = {}

    def add(self, name: str, thing: T) -> T:
        """Register ``thing`` and return it; a name is taken once."""
        if name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is registered already")
        if self._added is not None:
            self._added(name, thing)
        self._entries[name] = thing
        return thing

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            load_plugins()
        try:
            return self._entries[name]
        except KeyError:
            article = "an" if self.kind[0] in "aeiou" else "a"
            raise FinscaleError(
                f"{name!r} is not {article} {self.kind}.",
                hint=(self._hint(name) if self._hint else "") or did_you_mean(name, self._entries),
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
