"""The tables of a judgement, each from predictions alone, and the options that they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import polars as pl
from scipy.special import ndtri

from finscale.config.baselines import DEFAULT_BASELINES
from finscale.errors import DataError
from finscale.evaluation.backtest import Backtest, Costs, Strategy, backtest, buy_and_hold
from finscale.evaluation.bootstrap import LEVEL, NUM_REPLICATES, mean_intervals
from finscale.evaluation.calibration import (
    calibrated_test,
    calibration_errors,
    reliability_diagram,
)
from finscale.evaluation.calibrators import CALIBRATORS
from finscale.evaluation.conformal import CONFIDENCE, adaptive_intervals, adaptive_sets, coverage
from finscale.evaluation.evaluation import Evaluation
from finscale.evaluation.inference import diebold_mariano
from finscale.evaluation.market import Market
from finscale.evaluation.operating import OperatingRule
from finscale.evaluation.performance import (
    break_even_cost,
    performance,
    performance_line,
    sharpe_difference,
)
from finscale.evaluation.predictions import Predictions, aligned
from finscale.evaluation.score_power import power_table, same_day_correlation, smallest_difference
from finscale.evaluation.scores import log_losses
from finscale.evaluation.section import LEAST
from finscale.judging.claims import Known, known_by_baselines, settled

#: Strategies that are shown; each counts as a trial.
STRATEGIES = ("long_flat", "long_short", "volatility_scaled")
#: Of a panel also: long the highest fifth of the day's forecasts, short the lowest.
PANEL_STRATEGIES = (*STRATEGIES, "fifths")

#: What a baseline knows beyond the base rate.
_KNOWS = {
    "knows": pl.Float64,
    "knows_low": pl.Float64,
    "knows_high": pl.Float64,
    "ranks": pl.Boolean,
}


@dataclass(frozen=True)
class Options:
    """How runs are judged.

    Attributes
    ----------
    baselines : tuple of str or None
        Names in ``finscale.models.baselines``; the default ones when None, all at hand for
        ``("all",)``.
    rule : OperatingRule
        How the threshold is chosen on validation.
    entry : {"close", "open"}
        When the backtest takes its positions.
    costs : Costs
        Of the backtest.
    num_replicates, level, seed
        Of every bootstrap.
    """

    baselines: tuple[str, ...] | None = None
    rule: OperatingRule = field(default_factory=OperatingRule)
    entry: Literal["close", "open"] = "close"
    costs: Costs = field(default_factory=Costs)
    num_replicates: int = NUM_REPLICATES
    level: float = LEVEL
    seed: int = 0

    @property
    def baseline_names(self) -> tuple[str, ...]:
        """The baselines to be reported."""
        if self.baselines == ("all",):
            from finscale.models.baselines import BASELINES

            return tuple(name for name, kind in BASELINES.items() if kind.is_at_hand)
        return DEFAULT_BASELINES if self.baselines is None else self.baselines

    @property
    def bootstrap(self) -> dict[str, Any]:
        """Options of every bootstrap."""
        return {"num_replicates": self.num_replicates, "level": self.level, "seed": self.seed}


def baseline_table(
    predictions: Predictions,
    references: Mapping[str, Predictions],
    own_scores: Mapping[str, Evaluation],
    evaluation: Evaluation,
    options: Options,
) -> pl.DataFrame:
    """Return each baseline's own scores and the skill over it."""
    target = predictions.target
    dates_N, losses_N = predictions.test["date"].to_numpy(), predictions.losses_N
    # of an interval, in standard errors
    width = 2 * float(ndtri((1 + options.level) / 2))
    known = known_by_baselines(references, level=options.level)
    lines = []
    for name, reference in references.items():
        own = own_scores[name]
        other_N = target.loss(aligned(predictions, reference, name))
        test = diebold_mariano(dates_N, other_N, losses_N, horizon=evaluation.overlap)
        skill = settled(evaluation.metric("skill", over=name), float(other_N.mean()))
        lines.append(
            {
                "name": name,
                target.first: own.metric(target.first).value,
                target.second: own.metric(target.second).value,
                **skill.columns("skill"),
                "p_value": test.p_value,
                "smallest": smallest_difference((skill.high - skill.low) / width),
                **_knows(known.get(name)),
            }
        )
    return pl.DataFrame(lines, schema_overrides=_KNOWS)


def _knows(known: Known | None) -> dict[str, Any]:
    if known is None:
        return dict.fromkeys(_KNOWS)
    return {**known.gain.columns("knows"), "ranks": known.ranks}


def calibration_table(predictions: Predictions, options: Options) -> pl.DataFrame:
    """Return what each calibration would have brought on test, fitted on validation."""
    dates_N, target_N, raw_N = predictions.arrays("test")
    logits = [raw_N, *(calibrated_test(predictions, method) for method in CALIBRATORS)]
    losses_NM = np.column_stack([log_losses(target_N, logit_N) for logit_N in logits])
    gains_NM = losses_NM[:, :1] - losses_NM
    common = {"overlap": predictions.horizon, **options.bootstrap}
    gains = mean_intervals(dates_N, gains_NM, **common)
    errors = calibration_errors(target_N, logits, dates_N, **common)
    lines = [
        {
            "method": method,
            **gain.columns("gain"),
            **error.error.columns("ece"),
            "ece_expected": error.expected,
            "p_value": error.p_value,
        }
        for method, gain, error in zip(("none", *CALIBRATORS), gains, errors, strict=True)
    ]
    return pl.DataFrame(lines)


def reliability(predictions: Predictions, options: Options) -> pl.DataFrame:
    """Return the reliability diagram of the test rows, with consistency bands."""
    _, target_N, logit_N = predictions.arrays("test")
    return reliability_diagram(
        target_N, logit_N, level=options.level, num_replicates=max(1, options.num_replicates)
    )


def coverage_table(predictions: Predictions) -> pl.DataFrame:
    """Return how often adaptive sets or intervals held the outcome; each fold starts afresh.

    Raises
    ------
    DataError
        If a fold's validation has too few rows, or does not come before its test.
    """
    covered, dates, overlap = [], [], predictions.horizon
    for fold in predictions.folds:
        known_dates, known_target, known_output = predictions.arrays("validation", fold)
        dates_N, target_N, output_N = predictions.arrays("test", fold)
        if len(known_dates) and known_dates.max() >= dates_N.min():
            raise DataError(
                "conformal coverage is not shown: validation days lie among the test days, and "
                "sets would know what comes after them."
            )
        rows = known_target, known_output, dates_N, target_N, output_N
        if predictions.target.is_event:
            sets = adaptive_sets(*rows, overlap=overlap)
            held_N = sets[np.arange(len(target_N)), (target_N > 0.5).astype(int)]
        else:
            held_N = adaptive_intervals(*rows, overlap=overlap).covers(target_N)
        covered.append(held_N)
        dates.append(dates_N)
    table = coverage(np.concatenate(covered), np.concatenate(dates), overlap=overlap)
    return table.with_columns(nominal=pl.lit(CONFIDENCE))


def power_of_test(predictions: Predictions, periods: float) -> pl.DataFrame:
    """Return what this test set, and longer ones, can see; ``periods`` of its days make a year."""
    dates_N, target_N, _ = predictions.arrays("test")
    num_days = len(np.unique(dates_N))
    return power_table(
        num_days,
        base_rate=float(target_N.mean()),
        overlap=predictions.horizon,
        num_symbols=len(target_N) / num_days,
        correlation=same_day_correlation(dates_N, target_N),
        periods=periods,
    )


@dataclass(frozen=True)
class Benchmarks:
    """The two strategies that need no predictions, and their lines of the backtest table."""

    results: dict[str, Backtest]
    lines: list[dict[str, Any]]

    @classmethod
    def of(cls, predictions: Predictions, market: Market, options: Options) -> Benchmarks:
        """Hold all symbols, or more of them when markets are calm, on the days of the test."""
        margin_TS = market.margins(predictions)
        holding = predictions.horizon
        timing = Strategy("volatility_timing", entry=options.entry, holding=holding)
        results = {
            "timing": backtest(market, margin_TS, timing, options.costs),
            "hold": buy_and_hold(market, margin_TS, options.costs),
        }
        lines = [_backtest_line(result, results, 1, options) for result in results.values()]
        return cls(results, lines)


def strategies(market: Market) -> tuple[str, ...]:
    """Return the strategies that are shown of a market."""
    return PANEL_STRATEGIES if len(market.symbols) >= LEAST else STRATEGIES


def backtest_table(
    predictions: Predictions,
    market: Market,
    benchmarks: Benchmarks,
    evaluation: Evaluation,
    num_trials: int,
    options: Options,
) -> pl.DataFrame:
    """Return the strategies at the operating point, and two that need no predictions."""
    # without thresholds: long where an event is likelier than not, or a return positive
    margin_TS = market.margins(predictions, evaluation.thresholds or 0.5)
    lines = []
    for rule in strategies(market):
        strategy = Strategy(rule, entry=options.entry, holding=evaluation.overlap)
        result = backtest(market, margin_TS, strategy, options.costs)
        lines.append(_backtest_line(result, benchmarks.results, num_trials, options))
    return pl.DataFrame([*lines, *benchmarks.lines])


def _backtest_line(
    result: Backtest, benchmarks: Mapping[str, Backtest], num_trials: int, options: Options
) -> dict[str, Any]:
    line = performance_line(performance(result, num_trials=num_trials, **options.bootstrap))
    for name in ("hold", "timing"):
        difference = sharpe_difference(result, benchmarks[name], **options.bootstrap)
        line |= difference.columns(f"versus_{name}")
        line[f"break_even_{name}"] = break_even_cost(result, benchmarks[name])
    return line
