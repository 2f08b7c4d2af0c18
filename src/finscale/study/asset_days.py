"""Symbols and days together: how a size of axis data is split between the two.

A share *s* of a panel's asset-days is √s of its symbols over √s of its training days, so that both
grow alike, by the logarithm, as the size does. Symbols are counted in wholes: the days make up for
what rounding took from them, and the product is *s* where the panel is whole.
"""

from __future__ import annotations

import math
from typing import Any

from finscale.config import ExperimentConfig


def shares_of_both(share: float, num_symbols: int) -> tuple[int, float | None]:
    """Return how many symbols, and which share of the days, are a share of all asset-days.

    Parameters
    ----------
    share : float
        Above 0, up to 1.
    num_symbols : int
        That there are to train on.

    Returns
    -------
    symbols : int
        At least 1.
    days : float or None
        Share of the newest days; None is all of them.

    Examples
    --------
    >>> shares_of_both(0.25, 20)
    (10, 0.5)
    >>> shares_of_both(1.0, 20)
    (20, None)
    """
    wanted = round(num_symbols * math.sqrt(share))
    # fewer symbols than this, over all days, would be less than the share
    symbols = min(max(wanted, math.ceil(num_symbols * share - 1e-9), 1), num_symbols)
    days = share * num_symbols / symbols
    return symbols, None if days > 1 - 1e-9 else days


def asset_day_split(config: ExperimentConfig, share: float) -> dict[str, Any]:
    """Return the settings of a split that train on a share of all asset-days."""
    num = len(config.data.symbols)
    symbols, days = shares_of_both(share, num - config.split.num_unseen(num))
    return {"train_symbols": symbols, "train_share": days}
