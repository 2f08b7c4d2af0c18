"""A family of features while it is declared: parts, features, and the rows that they need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from finscale.features.feature import INPUTS, Array, Feature


def by_priority(*axes: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return all combinations, those first whose members come early in their axes.

    Examples
    --------
    >>> by_priority("ab", (1, 2))
    [('a', 1), ('a', 2), ('b', 1), ('b', 2)]
    """
    places = product(*(range(len(axis)) for axis in axes))
    ordered = sorted(places, key=lambda place: (sum(place), place))
    return [tuple(axis[i] for axis, i in zip(axes, place, strict=True)) for place in ordered]


class Family:
    """Features of one kind, in the order in which tiers take them in.

    Lookbacks are counted, not written: a feature needs the rows of its slowest input and ``extra``
    ones of its own. What depends on a recursive input is recursive.

    Parameters
    ----------
    name : str
        As ``finscale features list --family`` calls it.
    *others : Family
        Families whose parts and features may be inputs here.

    Examples
    --------
    >>> family = Family("example")
    >>> _ = family.part("mean_3", "close", lambda close: close, extra=2)
    >>> family.add("gap_3", "close mean_3", lambda c, m: c / m - 1, "close over its mean of 3")
    >>> family.features["gap_3"].lookback
    2
    """

    def __init__(self, name: str, *others: Family) -> None:
        self.name = name
        self.parts: dict[str, Feature] = {}
        self.features: dict[str, Feature] = {}
        self._others = others

    def take(self, features: Iterable[Feature]) -> None:
        """Take in features that are declared in full."""
        for feature in features:
            self._check(feature.name)
            self.features[feature.name] = feature

    def part(
        self,
        name: str,
        inputs: str,
        compute: Callable[..., Array],
        *,
        extra: int = 0,
        recursive: bool = False,
        **parameters: Any,
    ) -> str:
        """Declare what features are made of, and return its name; declared again it is the same."""
        if name not in self.parts:
            self._check(name)
            self.parts[name] = self._made(name, inputs, compute, extra, recursive, parameters)
        return name

    def add(
        self,
        name: str,
        inputs: str,
        compute: Callable[..., Array],
        words: str,
        source: str = "finscale",
        *,
        extra: int = 0,
        seen: str = "bounded",
        recursive: bool = False,
        sessions: int = 1,
        **parameters: Any,
    ) -> None:
        """Declare a feature.

        Parameters
        ----------
        name : str
            Of its column.
        inputs : str
            Names of what ``compute`` takes, in order, with blanks between them.
        compute : callable
            As in :class:`Feature`.
        words, source : str
            The formula in words; paper or library.
        extra : int
            Rows that it needs beyond those of its slowest input.
        seen : str
            A view of ``finscale.features.VIEWS``; "bounded" for what has no unit.
        recursive : bool
            Whether the value depends on every bar before.
        sessions : int
            Sessions in a bar; above 1, inputs are columns of bars and ``extra`` counts slow ones.
        **parameters
            Keyword arguments of ``compute``.
        """
        self._check(name)
        made = self._made(name, inputs, compute, extra, recursive, parameters)
        lookback = sessions * made.lookback + sessions - 1
        self.features[name] = replace(
            made, seen=seen, source=source, words=words, lookback=lookback, sessions=sessions
        )

    def _made(
        self,
        name: str,
        inputs: str,
        compute: Callable[..., Array],
        extra: int,
        recursive: bool,
        parameters: dict[str, Any],
    ) -> Feature:
        names = tuple(inputs.split())
        made_of = [self._find(one) for one in names if one not in (*INPUTS, "date")]
        return Feature(
            name=name,
            inputs=names,
            compute=compute,
            lookback=extra + max((one.lookback for one in made_of), default=0),
            source="",
            parameters=parameters,
            recursive=recursive or any(one.recursive for one in made_of),
            family=self.name,
        )

    def _find(self, name: str) -> Feature:
        for family in (self, *self._others):
            for declared in (family.parts, family.features):
                if name in declared:
                    return declared[name]
        raise ValueError(f"{self.name}: nothing is called {name}; declare the part first")

    def _check(self, name: str) -> None:
        if name in self.parts or name in self.features:
            raise ValueError(f"{self.name} declares {name} twice")
