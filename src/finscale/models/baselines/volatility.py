"""Volatility timing: the baselines that a threshold task has to beat.

On returns without any directional signal, knowing today's volatility alone separates days that move
more than 1 % from days that do not. A model is worth something where it adds to that.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.models.baselines.baseline import Floats, Ints, Setting, columns_at, symbol_slices
from finscale.models.baselines.linear import LinearBaseline

RETURN = pl.col("close").log().diff()
RANGE = (pl.col("high") / pl.col("low")).log()

#: Below this daily volatility (a hundredth of a basis point …) a series stands still.
_FLOOR = 1e-6


def log_size(values: pl.Expr, decay: float) -> pl.Expr:
    """Return the log of the exponentially weighted root mean square.

    ``decay`` is λ of RiskMetrics (J.P. Morgan 1996): .94 remembers about a month, .8 a week. The
    weights of what has been seen add up to one, so the first bars need no starting value.
    """
    mean_square = values.pow(2).ewm_mean(alpha=1 - decay, adjust=True, ignore_nulls=True)
    return mean_square.sqrt().clip(lower_bound=_FLOOR).log()


LOG_VOLATILITY = log_size(RETURN, 0.94)


def volatility(setting: Setting) -> LinearBaseline:
    """Return the logistic on log EWMA volatility of returns (RiskMetrics, λ = .94)."""
    return LinearBaseline(setting, lambda frame, ends: columns_at(frame, [LOG_VOLATILITY], ends))


def volatility_ranges(setting: Setting) -> LinearBaseline:
    """Return the logistic on volatility, ranges and the day's return.

    Ranges over the day, the week and the month as in Corsi's HAR (2009), with Parkinson's (1980)
    high-to-low range as the measure; the return with its sign and size carries the leverage effect.
    Bars of closes alone have no range: the size of the return is then the measure.
    """

    def design(frame: pl.DataFrame, ends: Ints) -> Floats:
        size = RANGE if {"high", "low"} <= set(frame.columns) else RETURN.abs()
        expressions = [
            LOG_VOLATILITY,
            size.clip(lower_bound=_FLOOR).log(),
            log_size(size, 0.8),
            log_size(size, 0.94),
            RETURN,
            RETURN.abs(),
        ]
        return columns_at(frame, expressions, ends)

    return LinearBaseline(setting, design)


class GarchVolatility(LinearBaseline):
    """The logistic on the log of tomorrow's GARCH(1,1) volatility.

    The parameters of each symbol are fitted by quasi-maximum likelihood (arch) on the returns of
    its train decision days; the variance is then filtered forward, from day to day. A symbol with
    fewer than ``min_days`` train days, or whose estimate is not stationary, uses RiskMetrics'.

    References
    ----------
    Bollerslev (1986), "Generalized autoregressive conditional heteroskedasticity".
    """

    def __init__(self, setting: Setting, *, min_days: int = 250) -> None:
        super().__init__(setting, self._log_volatility)
        self.min_days = min_days

    def fit(self, frame: pl.DataFrame, ends: Ints, target: NDArray[Any]) -> Self:
        """Fit GARCH on the train days' returns, then the logistic on its volatility."""
        return_R = _returns(frame)
        self.parameters: dict[str, tuple[float, float, float]] = {}
        ends = np.asarray(ends)
        for rows in symbol_slices(frame):
            own = np.sort(ends[(ends >= rows.start) & (ends < rows.stop)])
            symbol = str(frame["symbol"][rows.start])
            self.parameters[symbol] = _garch(return_R[own], self.min_days)
        return super().fit(frame, ends, target)

    def _log_volatility(self, frame: pl.DataFrame, ends: Ints) -> Floats:
        variance_R = np.empty(frame.height)
        return_R = _returns(frame)
        for rows in symbol_slices(frame):
            omega, alpha, beta = self.parameters.get(str(frame["symbol"][rows.start]), _RISKMETRICS)
            # h(t+1) = ω + α·r(t)² + β·h(t), unrolled: an EWMA of squares with decay β
            squares = pl.Series(return_R[rows] ** 2).ewm_mean(alpha=1 - beta, adjust=True)
            variance_R[rows] = (omega + alpha * squares.to_numpy()) / (1 - beta)
        return 0.5 * np.log(np.maximum(variance_R[ends], _FLOOR**2))[:, None]


_RISKMETRICS = (0.0, 0.06, 0.94)


def _returns(frame: pl.DataFrame) -> Floats:
    returns: Floats = frame.select(RETURN.over("symbol").fill_null(0.0)).to_series().to_numpy()
    return returns


def _garch(returns: Floats, min_days: int) -> tuple[float, float, float]:
    """Return ω, α and β of zero-mean GARCH(1,1), for returns in natural units."""
    if returns.size < min_days or np.ptp(returns) == 0:
        return _RISKMETRICS
    from arch import arch_model

    model = arch_model(returns * 100, mean="Zero", vol="GARCH", p=1, q=1, rescale=False)
    result = model.fit(disp="off", show_warning=False)
    omega, alpha, beta = (float(value) for value in result.params)
    if result.convergence_flag != 0 or not 0 < beta < 1 or alpha + beta >= 1:
        return _RISKMETRICS
    return omega / 100**2, alpha, beta
