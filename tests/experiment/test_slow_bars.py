"""Weekly bars that an earlier version imported are refused before anything is trained."""

import dataclasses
import datetime as dt

import numpy as np
import polars as pl
import pytest

from finscale.data import DataStore
from finscale.data.bars import Bars, conform
from finscale.errors import DataError
from finscale.experiment import prepare


def _weekly(symbol):
    close = 100 * np.exp(np.random.default_rng(0).normal(0, 0.02, 1300).cumsum())
    start = dt.date(1995, 1, 6)
    frame = pl.DataFrame(
        {
            "date": [start + dt.timedelta(weeks=n) for n in range(close.size)],
            "open": close,
            "high": close * 1.01,
            "low": close * 0.99,
            "close": close,
            "volume": np.full(close.size, 1e6),
        }
    )
    provenance = {"calendar": "none"}
    return Bars(symbol, conform(symbol, frame), "split", "csv", provenance=provenance)


def test_prepare_refuses_weekly_bars_unless_they_are_said_to_be_days(tiny, tmp_path):
    store = DataStore(tmp_path)
    store.add_bars(_weekly("WEEK"))
    data = tiny.data.model_copy(update={"symbols": ("WEEK",), "root": tmp_path})
    config = tiny.model_copy(update={"data": data})
    with pytest.raises(DataError, match="the bars of WEEK: these are weekly bars") as caught:
        prepare(config, store)
    assert "--cadence daily" in caught.value.hint
    said = dataclasses.replace(
        _weekly("THIN"), provenance={"calendar": "none", "cadence": "daily, as the user says"}
    )
    store.add_bars(said)
    thin = config.model_copy(update={"data": data.model_copy(update={"symbols": ("THIN",)})})
    assert len(prepare(thin, store).split.train) > 0
