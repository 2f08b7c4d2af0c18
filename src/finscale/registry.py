"""A registry of declared things: adding one is adding an entry, not editing a dispatcher."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from finscale.errors import FinscaleError, did_you_mean

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """An ordered mapping from name to thing, with a helpful error for unknown names.

    Parameters
    ----------
    kind : str
        What is registered, as the error message names it: ``"loss"``, ``"source"``.

    Examples
    --------
    >>> losses = Registry[float]("loss")
    >>> losses.add("mse", 1.0)
    1.0
    >>> losses["mse"]
    1.0
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def add(self, name: str, thing: T) -> T:
        """Register ``thing`` and return it; a name is taken once."""
        if name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is registered already")
        self._entries[name] = thing
        return thing

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except KeyError:
            raise FinscaleError(
                f"{name!r} is not a {self.kind}.", hint=did_you_mean(name, self._entries)
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
