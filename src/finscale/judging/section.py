"""The tables of a judgement that a panel has: day by day across symbols, and symbol by symbol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from finscale.evaluation.bootstrap import LEVEL
from finscale.evaluation.days import Days
from finscale.evaluation.evaluation import Evaluation
from finscale.evaluation.market import Market
from finscale.evaluation.predictions import Predictions, aligned
from finscale.evaluation.score_power import same_day_correlation
from finscale.evaluation.section import (
    QUANTILES,
    DailyMean,
    PanelForecasts,
    fama_macbeth,
    mean_over_days,
    quantile_returns,
    rank_correlations,
)

_BP = 1e4


def section_table(
    predictions: Predictions, market: Market, *, level: float = LEVEL
) -> pl.DataFrame:
    """Return what forecasts tell of a day's symbols; empty where there is no panel.

    Returns
    -------
    polars.DataFrame
        score, value, low, high, t, p_value, per_day (mean over deviation of a day), days. Scores:
        ``rank_ic``; ``slope``, Fama and MacBeth's, basis points of an H-session return a standard
        deviation of the forecast; ``quantile_1`` to ``quantile_5``, basis points a session beyond
        the mean symbol, the highest forecasts last; ``spread``, the last less the first, before
        costs.
    """
    panel = PanelForecasts.of(predictions, market)
    if not panel.is_panel:
        return pl.DataFrame()
    earned_TQ = _BP * quantile_returns(panel)
    series = {"rank_ic": rank_correlations(panel), "slope": _BP * fama_macbeth(panel)}
    series |= {f"quantile_{q + 1}": earned_TQ[:, q] for q in range(QUANTILES)}
    series["spread"] = earned_TQ[:, -1] - earned_TQ[:, 0]
    return pl.DataFrame(
        [
            _line(name, mean_over_days(values_T, panel.horizon, level=level))
            for name, values_T in series.items()
        ]
    )


def _line(name: str, found: DailyMean) -> dict[str, Any]:
    return {
        "score": name,
        **vars(found.mean),
        "t": found.t,
        "p_value": found.p_value,
        "per_day": found.ratio,
        "days": found.num_days,
    }


def symbols_yardstick(references: Mapping[str, Predictions], evaluation: Evaluation) -> str:
    """Return the baseline that symbols are compared with: the best one; empty without any."""
    skills = {name: evaluation.metric("skill", over=name).value for name in references}
    return min(skills, key=lambda name: skills[name], default="")


def effective_table(predictions: Predictions) -> pl.DataFrame:
    """Return how many symbols a day has, and for how many they count; empty of one symbol.

    Columns: symbols (a day, on average), correlation (of two labels of one day), effective,
    ``N / (1 + (N − 1) ρ)``.
    """
    dates_N, target_N, _ = predictions.arrays("test")
    symbols = len(target_N) / len(np.unique(dates_N))
    if symbols < 2:
        return pl.DataFrame()
    rho = same_day_correlation(dates_N, target_N)
    effective = symbols / (1 + (symbols - 1) * rho)
    return pl.DataFrame([{"symbols": symbols, "correlation": rho, "effective": effective}])


def symbol_table(
    predictions: Predictions,
    reference: Predictions | None,
    name: str,
    groups: Mapping[str, str] | None = None,
    *,
    level: float = LEVEL,
) -> pl.DataFrame:
    """Return loss and gain of each symbol, and of each group; empty of one symbol.

    Parameters
    ----------
    predictions : Predictions
        Of the model.
    reference : Predictions, optional
        Of the baseline ``name``, on the same windows; no gain when absent.
    name : str
        Of the baseline.
    groups : mapping of str to str, optional
        Symbol → its group.
    level : float
        Of the intervals.

    Returns
    -------
    polars.DataFrame
        kind (symbol or group), name, rows, loss, gain (over the baseline) with gain_low and
        gain_high, t. Rows of a group's day are averaged first.
    """
    test = predictions.test
    if test["symbol"].n_unique() < 2:
        return pl.DataFrame()
    losses_N = predictions.losses_N
    gain_N = np.full(len(losses_N), np.nan)
    if reference is not None:
        gain_N = predictions.target.loss(aligned(predictions, reference, name)) - losses_N
    table = test.select("date", "symbol").with_columns(
        loss=pl.Series(losses_N), gain=pl.Series(gain_N)
    )
    lines = [
        _own(part, "symbol", str(symbol), predictions.horizon, level)
        for (symbol,), part in table.group_by("symbol", maintain_order=True)
    ]
    if groups:
        named = table.with_columns(group=pl.col("symbol").replace_strict(groups, default=""))
        lines += [
            _own(part, "group", str(group), predictions.horizon, level)
            for (group,), part in named.filter(pl.col("group") != "").group_by(
                "group", maintain_order=True
            )
        ]
    return pl.DataFrame(lines).sort("kind", "name", descending=[True, False])


def _own(part: pl.DataFrame, kind: str, name: str, horizon: int, level: float) -> dict[str, Any]:
    days = Days.of(part["date"].to_numpy())
    found = mean_over_days(days.means(part["gain"].to_numpy()), horizon, level=level)
    return {
        "kind": kind,
        "name": name,
        "rows": part.height,
        "loss": float(part["loss"].mean()),  # type: ignore[arg-type]
        **found.mean.columns("gain"),
        "t": found.t,
    }
