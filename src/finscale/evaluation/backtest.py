"""What predictions would have earned, after costs, with positions that only the past decides.

Everything is arrays of shape (T, S): T sessions, S symbols. A position is decided at the close of
session t from what is known then, and taken at that close or at the next open. Weights are shares
of equity, set anew at every decision; between decisions they drift with prices, and the drift is
traded back. Cash earns nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from finscale.errors import DataError
from finscale.evaluation.blocks import Floats
from finscale.evaluation.losses import probabilities
from finscale.evaluation.market import Market, returns_between
from finscale.evaluation.operating import OperatingRule, operating_points
from finscale.evaluation.predictions import Predictions
from finscale.evaluation.sharpe import PERIODS, sharpe_block_length
from finscale.registry import Registry

_BP = 1e-4
#: Sessions without a bar after which a symbol counts as gone, at its last price.
_LONGEST_HALT = 21
#: Sessions without a decision, beyond those that the last one lasts, that do not end a test.
_PAUSE = 5


@dataclass(frozen=True)
class Costs:
    """What trading costs, in basis points.

    Attributes
    ----------
    commission, half_spread, slippage : float
        Of the value traded, each way.
    borrow : float
        Of the value held short, a year.
    """

    commission: float = 0.5
    half_spread: float = 1.0
    slippage: float = 1.0
    borrow: float = 50.0

    @property
    def one_way(self) -> float:
        """Cost of trading one unit of value, as a fraction."""
        return (self.commission + self.half_spread + self.slippage) * _BP


FREE = Costs(0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Strategy:
    """How margins become positions.

    Attributes
    ----------
    rule : str
        An entry of :data:`RULES`.
    entry : {"close", "open"}
        Take the position at the close at which it is decided, or at the next open.
    holding : int
        Sessions that a decision lasts; positions average the last so many decisions. The label's
        horizon is the natural choice.
    target_volatility : float
        Annualised, for rules that scale by volatility.
    most : float
        Largest weight of a symbol before symbols share the equity: 1 borrows nothing.
    """

    rule: str = "long_flat"
    entry: Literal["close", "open"] = "close"
    holding: int = 1
    target_volatility: float = 0.15
    most: float = 1.0


def _scaled(margin_TS: Floats, volatility_TS: Floats, strategy: Strategy) -> Floats:
    with np.errstate(divide="ignore"):
        return np.minimum(strategy.target_volatility / volatility_TS, strategy.most)


def _fifths(margin_TS: Floats) -> Floats:
    """Hold the fifth of the day's symbols with the highest margins, and be short of the lowest.

    Half of equity each way, in equal parts; symbols with equal margins share a rank, and where no
    fifth can be told from the rest nothing is held.
    """
    from scipy.stats import rankdata

    known_TS = np.isfinite(margin_TS)
    num_T1 = known_TS.sum(axis=1, keepdims=True)
    rank_TS = rankdata(np.where(known_TS, margin_TS, np.inf), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share_TS = np.where(known_TS, (rank_TS - 0.5) / num_T1, np.nan)
        high_TS, low_TS = share_TS > 0.8, share_TS < 0.2
        sides_TS = high_TS / high_TS.sum(axis=1, keepdims=True) - low_TS / low_TS.sum(
            axis=1, keepdims=True
        )
    # symbols share the equity: an exposure is so many times the n-th part that each would have
    return np.where(np.isfinite(sides_TS), sides_TS * num_T1 / 2, 0.0)


#: margins, volatility known at the close, strategy -> exposure of each symbol, all (T, S).
PositionRule = Callable[[Floats, Floats, Strategy], Floats]
RULES: Registry[PositionRule] = Registry("position rule")
RULES.add("long_flat", lambda m, v, strategy: np.where(m >= 0, 1.0, 0.0))
RULES.add("long_short", lambda m, v, strategy: np.where(m >= 0, 1.0, -1.0))
RULES.add("volatility_scaled", lambda m, v, strategy: (m >= 0) * _scaled(m, v, strategy))
#: The baseline without predictions: always long, less of it when markets are wild.
RULES.add("volatility_timing", _scaled)
RULES.add("fifths", lambda m, v, strategy: _fifths(m))
RULES.add("always_long", lambda m, v, strategy: np.ones_like(m))


def positions(market: Market, margin_TS: Floats, strategy: Strategy) -> Floats:
    """Return the weights decided at each close: shares of equity, shape (T, S).

    Row t is a function of prices and margins up to row t alone. Symbols with a prediction share the
    equity equally; the others have no position. A symbol without a bar, as on another exchange's
    holiday, keeps the last decision about it for up to 21 sessions.
    """
    halted_TS = np.arange(len(market.dates))[:, None] - market.last_bars
    margin_TS = np.take_along_axis(margin_TS, market.last_bars, axis=0)
    traded_TS = np.isfinite(market.last_closes) & (halted_TS <= _LONGEST_HALT)
    live_TS = np.isfinite(margin_TS) & traded_TS
    volatility_TS = market.volatility
    exposure_TS = RULES[strategy.rule](margin_TS, volatility_TS, strategy)
    exposure_TS = np.where(live_TS & np.isfinite(exposure_TS), exposure_TS, 0.0)
    share_T1 = np.maximum(live_TS.sum(axis=1, keepdims=True), 1)
    weights_TS: Floats = exposure_TS / share_T1
    if strategy.holding == 1:
        return weights_TS
    total_TS = np.cumsum(weights_TS, axis=0)
    total_TS[strategy.holding :] -= total_TS[: -strategy.holding].copy()
    return np.asarray(total_TS / strategy.holding)


@dataclass(frozen=True)
class Backtest:
    """Daily results of a strategy; entry t belongs to the session that ends at the close of t.

    Attributes
    ----------
    name : str
        Of the strategy or benchmark.
    dates : ndarray of shape (T,)
        Sessions.
    returns : ndarray of shape (T,)
        Net of all costs.
    gross : ndarray of shape (T,)
        Before trading costs, net of borrowing.
    turnover : ndarray of shape (T,)
        Value traded over equity: 1 when all cash is invested, 2 when long turns to short.
    exposure : ndarray of shape (T,)
        Sum of absolute weights held into the next session.
    periods : float
        Sessions in a year.
    """

    name: str
    dates: NDArray[np.datetime64]
    returns: Floats
    gross: Floats
    turnover: Floats
    exposure: Floats
    periods: float = PERIODS

    @cached_property
    def block_length(self) -> float:
        """Mean block length that the Sharpe ratio of the net returns calls for, days."""
        return sharpe_block_length(self.returns)


def backtest(
    market: Market,
    margin_TS: Floats,
    strategy: Strategy | None = None,
    costs: Costs | None = None,
    *,
    name: str = "",
) -> Backtest:
    """Simulate a strategy over the sessions from the first decision to the one after the last.

    Where decisions pause for long, as between the chunks of a chunked split, everything is sold and
    the sessions without decisions are left out.

    Parameters
    ----------
    market : Market
        Prices. A symbol whose next bar is missing keeps its value until it trades again.
    margin_TS : ndarray of shape (T, S)
        Predictions over their thresholds, in logits; NaN where there is no decision.
    strategy, costs
        Long or flat at the close, at 2.5 bp a way, when absent.
    name : str
        Of the result; the rule's when empty.

    Raises
    ------
    DataError
        If no decision has a session after it, or the strategy enters at opens and there are none.
    """
    strategy, costs = strategy or Strategy(), costs or Costs()
    if strategy.entry == "open" and np.isnan(market.open).all():
        raise DataError(
            "the strategy enters at the open, and the bars have none.",
            hint="entry: close (--entry close) acts at the close that decides",
        )
    # the last decision is held to its end, and left at the open where it was entered at one
    spans = _spans(market, margin_TS, strategy.holding + (strategy.entry == "open"))
    # volatility is estimated on all earlier bars, so positions come before the spans are cut
    target_TS = positions(market, margin_TS, strategy)
    settled = [
        _settled(market, span, target_TS[span].copy(), strategy.entry, costs) for span in spans
    ]
    return _joined(settled, name or strategy.rule, market)


def follow(
    predictions: Predictions, market: Market, costs: Costs | None = None, *, name: str = ""
) -> Backtest:
    """Simulate acting on predictions where validation said to, after costs.

    Long at and above the threshold that validation chose (a number: above zero), else in cash; a
    position is taken at the close that decides it and lasts as long as the label looks ahead.
    Where the label compares the symbols of a day: long its highest fifth, short its lowest.
    """
    if predictions.compares:
        fifths = Strategy("fifths", holding=predictions.horizon)
        return backtest(market, market.margins(predictions), fifths, costs, name=name)
    points = operating_points(predictions, OperatingRule())
    limits = {fold: float(probabilities(logit)) for fold, logit in points.items()}
    strategy = Strategy(holding=predictions.horizon)
    return backtest(market, market.margins(predictions, limits), strategy, costs, name=name)


def buy_and_hold(market: Market, margin_TS: Floats, costs: Costs | None = None) -> Backtest:
    """Buy all symbols at the close of the first decision, hold to the session after the last.

    Equal shares at the start, drifting freely after it: two trades in all, or two for each span of
    decisions. Parameters are those of :func:`backtest`.
    """
    close_TS = market.last_closes
    settled = []
    for span in _spans(market, margin_TS, 1):
        value_TS = np.nan_to_num(close_TS[span] / close_TS[span.start])
        target_TS = value_TS / value_TS.sum(axis=1, keepdims=True)
        settled.append(_settled(market, span, target_TS, "close", costs or Costs()))
    return _joined(settled, "buy and hold", market)


def _spans(market: Market, margin_TS: Floats, lasts: int) -> list[slice]:
    """Return the sessions from the first of decisions without a long pause to the last one's end.

    A decision earns in ``lasts`` sessions after it.
    """
    decided = np.flatnonzero(np.isfinite(margin_TS).any(axis=1))
    starts = np.flatnonzero(np.diff(decided, prepend=-len(market.dates)) > lasts + _PAUSE)
    parts = np.split(decided, starts[1:])
    spans = [
        slice(int(part[0]), min(len(market.dates), int(part[-1]) + 1 + lasts))
        for part in parts
        if len(part) and part[0] + 1 < len(market.dates)
    ]
    if not spans:
        raise DataError("no prediction is followed by a session in which it could earn anything.")
    return spans


def _settled(market: Market, span: slice, target_TS: Floats, entry: str, costs: Costs) -> Backtest:
    """Simulate target weights over a span of sessions and take the costs off."""
    target_TS[-1] = 0.0  # the last session only closes what is open
    earned_T, turnover_T = _simulate(market.open[span], market.last_closes[span], target_TS, entry)
    short_T = np.append(0.0, np.maximum(-target_TS[:-1], 0).sum(axis=1))
    gross_T = earned_T - costs.borrow * _BP / market.periods * short_T
    net_T = (1 + gross_T) * (1 - costs.one_way * turnover_T) - 1
    exposure_T = np.abs(target_TS).sum(axis=1)
    return Backtest("", market.dates[span], net_T, gross_T, turnover_T, exposure_T)


def _joined(parts: Sequence[Backtest], name: str, market: Market) -> Backtest:
    """Return spans of sessions one after the other."""
    columns = ("dates", "returns", "gross", "turnover", "exposure")
    joined = {column: np.concatenate([vars(part)[column] for part in parts]) for column in columns}
    return Backtest(name=name, periods=market.periods, **joined)


def _simulate(
    open_TS: Floats, close_TS: Floats, target_TS: Floats, entry: str
) -> tuple[Floats, Floats]:
    """Return gross returns and turnover of target weights, decided at each close.

    ``close_TS`` is without gaps once a symbol has begun.
    """
    held_TS = np.vstack([np.zeros((1, target_TS.shape[1])), target_TS[:-1]])
    if entry == "close":
        # yesterday's weights earn from close to close, and are traded to today's at today's close
        gross_T, drifted_TS = _earn(held_TS[1:], close_TS[:-1], close_TS[1:])
        gross_T = np.append(0.0, gross_T)
        drifted_TS = np.vstack([held_TS[:1], drifted_TS])
        return gross_T, np.abs(target_TS - drifted_TS).sum(axis=1)
    # yesterday's decision is carried out at today's open; until then what was left is held
    last_close_TS = np.vstack([close_TS[:1], close_TS[:-1]])
    open_TS = np.where(np.isfinite(open_TS), open_TS, last_close_TS)
    day_T, closing_TS = _earn(held_TS, open_TS, close_TS)
    overnight_TS = np.vstack([np.zeros((1, target_TS.shape[1])), closing_TS[:-1]])
    night_T, drifted_TS = _earn(overnight_TS, last_close_TS, open_TS)
    turnover_T = np.abs(held_TS - drifted_TS).sum(axis=1)
    turnover_T[-1] += np.abs(closing_TS[-1]).sum()
    return (1 + night_T) * (1 + day_T) - 1, turnover_T


def _earn(weights_TS: Floats, before_TS: Floats, after_TS: Floats) -> tuple[Floats, Floats]:
    """Return what weights earn between two prices, and what prices then make of them."""
    growth_TS = returns_between(before_TS, after_TS)
    growth_TS = np.where(np.isfinite(growth_TS), growth_TS, 0.0)
    earned_T = np.einsum("ts,ts->t", weights_TS, growth_TS)
    return earned_T, weights_TS * (1 + growth_TS) / (1 + earned_T)[:, None]
