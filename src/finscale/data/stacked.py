"""Symbols below one another: the fields of a dataset from prepared frames and their labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from finscale.config import TaskConfig
from finscale.data.manifest import ManifestEntry
from finscale.data.targets import Labels
from finscale.errors import DataError


def stack(
    parts: Sequence[pl.DataFrame],
    labels: Labels,
    rows_RF: Tensor,
    names: tuple[str, ...],
    context_length: int,
    task: TaskConfig,
    entries: Sequence[ManifestEntry],
    groups: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the fields of a dataset whose symbols' prepared frames follow one another.

    A row on which its symbol is no member of the universe has no label, and no window ends there.

    Raises
    ------
    DataError
        If a symbol is given twice.
    """
    symbols = tuple(str(part["symbol"][0]) for part in parts)
    repeated = [symbol for symbol, count in Counter(symbols).items() if count > 1]
    if repeated:
        raise DataError(f"{repeated[0]} is given twice.", hint="stack each symbol once")
    heights = np.array([part.height for part in parts])
    symbol_R = np.repeat(np.arange(len(parts), dtype=np.int64), heights)
    first_R = (np.cumsum(heights) - heights)[symbol_R]  # first row of the row's symbol
    frame = pl.concat(parts, how="vertical", rechunk=False)
    age_R = np.arange(symbol_R.size) - first_R
    return {
        "frame": frame,
        "features": names,
        "rows_RF": rows_RF,
        "target_R": torch.from_numpy(labels.target_R),
        "reach_R": labels.reach_R,
        "date_R": frame["date"].to_numpy().astype("datetime64[D]"),
        "symbol_R": symbol_R,
        "symbols": symbols,
        "groups": None if groups is None else tuple(groups.get(one, "") for one in symbols),
        "ends_W": np.flatnonzero((age_R >= context_length - 1) & np.isfinite(labels.target_R)),
        "context_length": context_length,
        "task": task,
        "timeline": labels.timeline,
        "scale_F": np.ones(len(names)),
        "entries": tuple(entries),
    }
