"""The markets by name, and their rendering as daily bars."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.data.bars import conform
from finscale.data.synthetic.bars import Ohlcv, render
from finscale.data.synthetic.motifs import ZipfMotifs
from finscale.data.synthetic.processes import (
    Draw,
    Garch,
    Process,
    RegimeSwitching,
    Reversal,
    Streams,
    StudentT,
)
from finscale.data.synthetic.teacher import VolumeTeacher
from finscale.errors import ConfigError, did_you_mean
from finscale.registry import Registry

#: Thirty years of 252 sessions.
THIRTY_YEARS = 7560

#: Market name → the process with its default parameters.
MARKETS: Registry[Process] = Registry("synthetic market")
MARKETS.add("student", StudentT())
MARKETS.add("garch", Garch())
MARKETS.add("gjr", Garch(alpha=0.03, beta=0.90, leverage=0.10))
MARKETS.add("regime", RegimeSwitching())
MARKETS.add("reversal", Reversal())
MARKETS.add("teacher", VolumeTeacher())
MARKETS.add("zipf", ZipfMotifs())


@dataclass(frozen=True)
class SimulatedPanel:
    """A simulated market: bars of every symbol, and the truth behind them."""

    symbols: tuple[str, ...]
    """S names."""
    date_T: NDArray[np.datetime64]
    """Sessions [T]: weekdays, for a synthetic market has no holidays."""
    bars: Ohlcv
    """Prices and volume, ``[T, S]`` each."""
    draw: Draw
    """Log returns and their true conditional mean and volatility, ``[T, S]`` each."""
    process: Process
    """What drew it, with all its parameters."""

    def frame(self, symbol: str) -> pl.DataFrame:
        """Return one symbol's bars in the columns that every source has."""
        if symbol not in self.symbols:
            raise ConfigError(
                f"{symbol!r} is not a symbol of this market.",
                hint=did_you_mean(symbol, self.symbols),
            )
        column = self.symbols.index(symbol)
        names = ("open", "high", "low", "close", "volume")
        prices = {n: np.ascontiguousarray(getattr(self.bars, f"{n}_TS")[:, column]) for n in names}
        return conform(symbol, pl.DataFrame({"date": self.date_T, **prices}))

    def frames(self) -> list[pl.DataFrame]:
        """Return every symbol's bars."""
        return [self.frame(symbol) for symbol in self.symbols]


def simulate(
    market: str | Process,
    symbols: int | Sequence[str] = 1,
    *,
    seed: int = 0,
    num_days: int = THIRTY_YEARS,
    first_date: dt.date = dt.date(1990, 1, 2),
    **parameters: Any,
) -> SimulatedPanel:
    """Simulate a market of known truth as daily bars.

    Parameters
    ----------
    market : str or Process
        A name in :data:`MARKETS`, or a process with parameters of one's own.
    symbols : int or sequence of str
        How many symbols (``S000``, ``S001`` …) or their names. A symbol's bars depend on the
        seed and its name only, not on which other symbols are simulated beside it.
    seed : int
        Seed of the market.
    num_days : int
        T, the bars of each symbol.
    first_date : date
        First weekday at which bars may begin.
    **parameters
        Parameters of the process that differ from its defaults.

    Raises
    ------
    ConfigError
        For an unknown parameter, no symbol or no day.

    Examples
    --------
    >>> panel = simulate("garch", ["A", "B"], seed=1, num_days=500)
    >>> panel.frame("A").shape
    (500, 8)
    """
    process = MARKETS[market] if isinstance(market, str) else market
    known = [field.name for field in dataclasses.fields(process)]  # type: ignore[arg-type]
    for name in parameters:
        if name not in known:
            raise ConfigError(
                f"{name} is not a parameter of {type(process).__name__}.",
                hint=did_you_mean(name, known),
            )
    process = dataclasses.replace(process, **parameters)  # type: ignore[type-var]
    names = (
        tuple(f"S{i:03d}" for i in range(symbols)) if isinstance(symbols, int) else tuple(symbols)
    )
    if not names or num_days < 1:
        raise ConfigError("A synthetic market needs at least one symbol and one day.")
    streams = Streams(seed, names, num_days)
    draw = process.draw(streams)
    date_T = np.busday_offset(np.datetime64(first_date), np.arange(num_days), roll="forward")
    return SimulatedPanel(names, date_T, render(draw, streams), draw, process)
