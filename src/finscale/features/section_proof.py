"""The proof that a column across the section sees no future: a panel's days after t are changed.

As ``finscale.features.causality`` proves a symbol's features, with the bars of all symbols after a
day's close changed at once; and beside its changes those that only a panel knows: who is a member
tomorrow, and symbols that halt, are late or disappear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from finscale.config.data import CrossSectionName
from finscale.data.cross_section import MEMBER
from finscale.data.frames import KEYS, relative_names
from finscale.data.section_features import across, with_section
from finscale.features.causality import CHANGES, CausalityReport, Change, prove_all


def prove_section(
    parts: Sequence[pl.DataFrame],
    cross_section: CrossSectionName,
    groups: Mapping[str, str] | None = None,
    *,
    num_cuts: int = 8,
    seed: int = 0,
) -> list[CausalityReport]:
    """Change the panel after some days in every known way, and compare all columns up to them.

    Parameters
    ----------
    parts : sequence of polars.DataFrame
        One a symbol: date, symbol, close, relative columns; ``member`` where not all are.
    cross_section : {"ranks", "market", "both"}
        Which columns.
    groups : mapping of str to str, optional
        Symbol → its group.
    num_cuts : int
        Days after which the future is changed: the first, the last but one, and others drawn.
    seed : int
        Of the drawn days and changes.

    Returns
    -------
    list of CausalityReport
        One a column; values are compared to the bit.
    """
    names = relative_names(parts[0].columns)
    kept = [*KEYS, "close", *(n for n in (MEMBER,) if n in parts[0].columns), *names]
    panel = pl.concat([part.select(kept) for part in parts]).sort("date", maintain_order=True)
    symbols = [str(part["symbol"][0]) for part in parts]
    made = _Made(names, cross_section, symbols, groups)
    columns = [n for n in across(names, cross_section, made.of(panel)) if n not in names]
    day_ends = np.flatnonzero(panel["date"].to_numpy()[1:] != panel["date"].to_numpy()[:-1])
    drawn = np.random.default_rng(seed).choice(day_ends, num_cuts)
    cuts = sorted({int(day_ends[0]), int(day_ends[-1]), *(int(cut) for cut in drawn)})
    return prove_all(
        {name: made.column(name) for name in columns},
        panel,
        cuts=cuts,
        seed=seed,
        changes={**CHANGES, **SECTION_CHANGES},
    )


class _Made:
    """The columns of a panel, made at one go for each panel that is asked for."""

    def __init__(
        self,
        names: Sequence[str],
        cross_section: CrossSectionName,
        symbols: Sequence[str],
        groups: Mapping[str, str] | None,
    ) -> None:
        self.names, self.cross_section = names, cross_section
        self.symbols, self.groups = symbols, groups
        self.panel: pl.DataFrame | None = None

    def column(self, name: str) -> Any:
        return lambda panel: self.of(panel)[name]

    def of(self, panel: pl.DataFrame) -> pl.DataFrame:
        if panel is not self.panel:
            numbered = panel.with_row_index("row")
            parts = numbered.partition_by("symbol", maintain_order=True)
            # as the dataset stacks them: those that are gone are gone
            by_name = {str(part["symbol"][0]): part for part in parts}
            parts = [by_name[symbol] for symbol in self.symbols if symbol in by_name]
            made = with_section(parts, self.names, self.cross_section, self.groups)
            self.panel, self.columns = panel, pl.concat(made).sort("row")
        return self.columns


def _halted(future: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Leave out every symbol's bars on days of its own."""
    return future.filter(pl.Series(rng.random(future.height) < 0.5))


def _delisted(future: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Leave out all later bars of half of the symbols."""
    symbols = future["symbol"].unique().sort().to_list()
    gone = [symbol for symbol in symbols if rng.random() < 0.5]
    return future.filter(~pl.col("symbol").is_in(gone))


def _late(future: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Leave out the first day after t of half of the symbols."""
    first = future["date"][0] if future.height else None
    late = pl.Series(rng.random(future.height) < 0.5)
    return future.filter(~((pl.col("date") == first) & late))


def _other_members(future: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Let others be members."""
    if MEMBER not in future.columns:
        return future
    drawn = pl.Series(rng.random(future.height) < 0.5)
    return future.with_columns(drawn.cast(future[MEMBER].dtype).alias(MEMBER))


#: Beside :data:`finscale.features.causality.CHANGES`: what may happen to a panel after t.
SECTION_CHANGES: dict[str, Change] = {
    "halted": _halted,
    "delisted": _delisted,
    "late": _late,
    "of other members": _other_members,
}
