"""How often clean bars are refused, and how often planted defects are seen: 1 to 6 % a day."""

import datetime as dt
from collections import defaultdict

import numpy as np
import polars as pl
import pytest

from finscale.data.acceptance import Wishes, accept
from finscale.data.synthetic import simulate
from finscale.errors import DataError

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
PRICES = ("open", "high", "low", "close")
VOLATILITIES = (0.01, 0.02, 0.03, 0.04, 0.05, 0.06)
DAYS = 500


def _symbols(number):
    """GARCH-t5 bars at prices between 5 and 300, rounded to cents, as a vendor's file has them."""
    for volatility in VOLATILITIES:
        names = [f"S{i:03}" for i in range(number // len(VOLATILITIES))]
        panel = simulate("garch", names, seed=14, num_days=DAYS, volatility=volatility)
        for i, frame in enumerate(panel.frames()):
            rng = np.random.default_rng([i, round(100 * volatility)])
            level = np.exp(rng.uniform(np.log(5), np.log(300))) / frame["close"][0]
            rows = frame.with_columns((pl.col(name) * level).round(2) for name in PRICES)
            if rows["low"].min() >= 0.5:
                yield (
                    rows.select(
                        pl.int_range(2, DAYS + 2, dtype=pl.Int64).alias("line"),
                        "date",
                        *PRICES,
                        "volume",
                    ),
                    rng,
                )


def _accept(rows):
    wishes = Wishes("split", calendar="24/5", now=NOW)
    return accept("X", rows, wishes, source="csv", place="x.csv", provenance={})


def _seen(rows, day):
    """Whether a defect is refused, or repaired and listed with its day."""
    try:
        return any(repair.date == day for repair in _accept(rows).repairs)
    except DataError:
        return True


def _times(rows, at, columns, times):
    return rows.with_columns(
        pl.when(at).then((pl.col(name) * times).round(4)).otherwise(name).alias(name)
        for name in columns
    )


def _defects(rows, rng):
    """Yield the name of a defect, rows that have it, and its day."""
    position, at = pl.int_range(pl.len()), int(rng.integers(100, 400))
    day = rows["date"][at]
    for halt in (1, 5, 14, 30, 60):
        ratio = rng.choice([2.0, 3.0, 5.0, 10.0])
        split = _times(
            _times(rows, position >= at, PRICES, 1 / ratio), position >= at, ["volume"], ratio
        )
        since = day - dt.timedelta(days=halt)
        yield (
            "split after a halt",
            split.filter(~pl.col("date").is_between(since, day, closed="none")),
            day,
        )
    for times in (100.0, 0.01):
        column = str(rng.choice(PRICES))
        yield "price of another unit", _times(rows, position == at, [column], times), day
        yield "day of another unit", _times(rows, position == at, PRICES, times), day
    usual = float((rows["high"] / rows["low"]).log().median())
    if usual < np.log(1.5) / 10:
        yield "high of 1.5 times", _times(rows, position == at, ["high"], 1.5), day
        yield "low of .6 times", _times(rows, position == at, ["low"], 0.6), day
    text = f"{rows['close'][-1]:.2f}"
    for length in range(1, len(text) - 2):
        cut = float(text[:length])
        # what lies in the day's range is a plausible price
        if not rows["low"][-1] - 0.02 <= cut <= rows["high"][-1] + 0.02:
            last = pl.when(position == DAYS - 1).then(cut).otherwise("close")
            yield (
                "last price cut off",
                rows.drop("volume").with_columns(close=last),
                rows["date"][-1],
            )


@pytest.mark.parametrize("number", [12, pytest.param(300, marks=pytest.mark.slow)])
def test_rates(number):
    clean, seen = [], defaultdict(list)
    for rows, rng in _symbols(number):
        for form in (rows, rows.drop("volume")):
            try:
                clean.append(_accept(form).repairs == ())
            except DataError:
                clean.append(False)
        for name, spoilt, day in _defects(rows, rng):
            seen[name].append(_seen(spoilt, day))
    rates = {name: float(np.mean(found)) for name, found in seen.items()}
    print(f"clean {np.mean(clean):.4f} of {len(clean)}", rates)
    assert np.mean(clean) >= 0.99
    assert len(rates) == 6
    assert min(rates.values()) >= 0.95, rates
