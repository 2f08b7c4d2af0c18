"""Blocks of a panel's train days, each held out once to choose a penalty by."""

from __future__ import annotations

import numpy as np
import polars as pl

from finscale.models.baselines.baseline import Ints

#: How many blocks the train days are cut into.
NUM_BLOCKS = 5
#: Fewest sessions of a block: a month of them.
_FEWEST = 21
#: The block of rows that belong to none.
GAP = -1


def held_out_blocks(frame: pl.DataFrame, ends: Ints, horizon: int) -> Ints | None:
    """Return the block of days that each train window of a panel belongs to.

    Labels of one day share that day's luck, so that a year of validation holds 252 observations of
    a panel, however many symbols it has: too few to choose a penalty by alone. The train days are
    cut into blocks of equal length, as in a cross-validation with purging (Lopez de Prado 2018,
    section 7.4): the last sessions of a block, whose labels reach into the next, belong to none.

    Parameters
    ----------
    frame : DataFrame
        Stacked rows with ``date`` and ``symbol``.
    ends : array
        Rows that train windows end at, [B].
    horizon : int
        Sessions that a label spans.

    Returns
    -------
    array or None
        0, 1, … or ``GAP``, [B]; None for a single symbol, whose validation has chosen well, and for
        fewer days than five months of sessions.

    Examples
    --------
    >>> days = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 5, 29), eager=True)
    >>> panel = pl.concat(pl.DataFrame({"date": days, "symbol": name}) for name in "AB")
    >>> blocks = held_out_blocks(panel, np.arange(300), horizon=5)
    >>> np.unique(blocks, return_counts=True)[1].tolist()
    [40, 50, 50, 50, 50, 60]
    """
    rows = frame.select("date", "symbol")[ends]
    if rows["symbol"].n_unique() == 1:
        return None
    day_B = rows["date"].rank("dense").to_numpy().astype(np.int64) - 1
    num_days = int(day_B.max()) + 1
    if num_days < NUM_BLOCKS * (_FEWEST + horizon):
        return None
    block_B: Ints = day_B * NUM_BLOCKS // num_days
    reached_B = np.minimum(day_B + horizon, num_days - 1) * NUM_BLOCKS // num_days
    return np.where(reached_B == block_B, block_B, GAP)
