"""Tell a header of bars from other lines."""

from __future__ import annotations

from collections.abc import Sequence

from finscale.data.sources.csv_columns import field_of

# Fields that a line names if it is the header.
_ENOUGH = 3


def num_fields(names: Sequence[str], symbol: str) -> int:
    """Return how many fields of bars a line of names holds; 0 for fewer than three."""
    found = {field for name in names if (field := field_of(name, symbol)) is not None}
    return len(found) if len(found) >= _ENOUGH else 0
