"""What is read once for several runs, as long as it fits.

A study's runs ask for the same windows again and again. Those of one index are small, and all that
a process has read lately may stay; of 431 stocks with their features two data sets would take as
much memory as a laptop has.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """The last values that were made, by key; the oldest go first.

    Parameters
    ----------
    most : int
        How many are kept at most.
    most_bytes : int
        What they may take together. One alone may take more.
    size : callable
        Returns the bytes of a value.

    Examples
    --------
    >>> kept = Kept(most=2, most_bytes=10, size=len)
    >>> [kept.get(key, lambda: key * 4) for key in ("ab", "c", "ab")], len(kept)
    (['abababab', 'cccc', 'abababab'], 1)
    """

    def __init__(self, *, most: int, most_bytes: int, size: Callable[[T], int]) -> None:
        self._most, self._most_bytes, self._size = most, most_bytes, size
        self._values: dict[Hashable, T] = {}

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of ``key``, made if it is not kept.

        Room is made beforehand, for one as large as the largest that is kept: else the old and the
        new would lie in memory together.
        """
        if key in self._values:
            self._values[key] = self._values.pop(key)  # the youngest now
            return self._values[key]
        largest = max(map(self._size, self._values.values()), default=0)
        self._drop(self._most - 1, self._most_bytes - largest)
        made = make()
        self._drop(self._most - 1, self._most_bytes - self._size(made))
        self._values[key] = made
        return made

    def clear(self) -> None:
        """Keep nothing."""
        self._values.clear()

    def _drop(self, most: int, most_bytes: int) -> None:
        while self._values and (
            len(self._values) > most or sum(map(self._size, self._values.values())) > most_bytes
        ):
            del self._values[next(iter(self._values))]
