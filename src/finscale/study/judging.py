"""The tables of a judgement, each from predictions alone, and the options that they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import polars as pl
from scipy.stats import norm

from finscale.evaluation.backtest import Costs, Market, Strategy, backtest, buy_and_hold
from finscale.evaluation.bootstrap import (
    LEVEL,
    NUM_REPLICATES,
    Metric,
    paired_difference_interval,
)
from finscale.evaluation.calibration import (
    CALIBRATORS,
    calibrated,
    calibration_error,
    reliability_diagram,
)
from finscale.evaluation.conformal import CONFIDENCE, adaptive_intervals, adaptive_sets, coverage
from finscale.evaluation.evaluation import Evaluation
from finscale.evaluation.evaluation import evaluate as evaluate_predictions
from finscale.evaluation.inference import diebold_mariano
from finscale.evaluation.operating import OperatingRule
from finscale.evaluation.performance import (
    break_even_cost,
    performance,
    performance_table,
    sharpe_difference,
)
from finscale.evaluation.power import power_table, same_day_correlation, smallest_difference
from finscale.evaluation.predictions import aligned, part
from finscale.evaluation.scores import log_losses, squared_errors

#: Strategies that are shown; each counts as a trial.
STRATEGIES = ("long_flat", "long_short", "volatility_scaled")


@dataclass(frozen=True)
class Options:
    """How runs are judged.

    Attributes
    ----------
    baselines : tuple of str or None
        Names in ``finscale.models.baselines``; the quick ones when None, every one for
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
    def bootstrap(self) -> dict[str, Any]:
        """Options of every bootstrap."""
        return {"num_replicates": self.num_replicates, "level": self.level, "seed": self.seed}


def _columns(table: pl.DataFrame) -> tuple[Any, Any, Any]:
    return table["date"].to_numpy(), table["target"].to_numpy(), table["logit"].to_numpy()


def baseline_table(
    predictions: pl.DataFrame,
    references: Mapping[str, pl.DataFrame],
    evaluation: Evaluation,
    options: Options,
) -> pl.DataFrame:
    """Return each baseline's own scores and the skill over it."""
    loss = log_losses if evaluation.kind == "classification" else squared_errors
    first = "log_loss" if evaluation.kind == "classification" else "rmse"
    second = "auc" if evaluation.kind == "classification" else "rank_correlation"
    dates_N, target_N, output_N = _columns(part(predictions, "test"))
    lines = []
    for name, table in references.items():
        own = evaluate_predictions(
            table, kind=evaluation.kind, overlap=evaluation.overlap, num_replicates=0
        )
        other_N = aligned(predictions, table, name)["logit"].to_numpy()
        test = diebold_mariano(
            dates_N, loss(target_N, other_N), loss(target_N, output_N), horizon=evaluation.overlap
        )
        skill = evaluation.metric("skill", over=name)
        lines.append(
            {
                "name": name,
                first: own.metric(first).value,
                second: own.metric(second).value,
                "skill": skill.value,
                "skill_low": skill.low,
                "skill_high": skill.high,
                "p_value": test.p_value,
                "smallest": smallest_difference(_standard_error(skill, options.level)),
            }
        )
    return pl.DataFrame(lines)


def _standard_error(metric: Metric, level: float) -> float:
    """Return the standard error that an interval of this width stands for."""
    return (metric.high - metric.low) / (2 * float(norm.ppf((1 + level) / 2)))


def calibration_table(predictions: pl.DataFrame, overlap: int, options: Options) -> pl.DataFrame:
    """Return what each calibration would have brought on test, fitted on validation."""
    dates_N, target_N, raw_N = _columns(part(predictions, "test"))
    lines = []
    for method in ("none", *CALIBRATORS):
        after = predictions if method == "none" else calibrated(predictions, method)
        logit_N = part(after, "test")["logit"].to_numpy()
        gain = paired_difference_interval(
            dates_N,
            log_losses(target_N, raw_N),
            log_losses(target_N, logit_N),
            overlap=overlap,
            **options.bootstrap,
        )
        error = calibration_error(target_N, logit_N, dates_N, overlap=overlap, **options.bootstrap)
        lines.append(
            {
                "method": method,
                "gain": gain.value,
                "gain_low": gain.low,
                "gain_high": gain.high,
                "ece": error.error.value,
                "ece_low": error.error.low,
                "ece_high": error.error.high,
                "ece_expected": error.expected,
                "p_value": error.p_value,
            }
        )
    return pl.DataFrame(lines)


def reliability(predictions: pl.DataFrame, options: Options) -> pl.DataFrame:
    """Return the reliability diagram of the test rows, with consistency bands."""
    _, target_N, logit_N = _columns(part(predictions, "test"))
    return reliability_diagram(
        target_N, logit_N, level=options.level, num_replicates=max(1, options.num_replicates)
    )


def coverage_table(predictions: pl.DataFrame, kind: str, overlap: int) -> pl.DataFrame:
    """Return how often adaptive sets or intervals held the outcome; each fold starts afresh."""
    covered, dates = [], []
    for fold in predictions.partition_by("fold", maintain_order=True):
        validation, test = part(fold, "validation"), part(fold, "test")
        _, known_target, known_output = _columns(validation)
        dates_N, target_N, output_N = _columns(test)
        rows = known_target, known_output, dates_N, target_N, output_N
        if kind == "classification":
            sets = adaptive_sets(*rows, overlap=overlap)
            held_N = sets[np.arange(len(target_N)), (target_N > 0.5).astype(int)]
        else:
            held_N = adaptive_intervals(*rows, overlap=overlap).covers(target_N)
        covered.append(held_N)
        dates.append(dates_N)
    table = coverage(np.concatenate(covered), np.concatenate(dates), overlap=overlap)
    return table.with_columns(nominal=pl.lit(CONFIDENCE))


def power_of_test(predictions: pl.DataFrame, overlap: int) -> pl.DataFrame:
    """Return what this test set, and longer ones, can see."""
    dates_N, target_N, _ = _columns(part(predictions, "test"))
    num_days = len(np.unique(dates_N))
    return power_table(
        num_days,
        base_rate=float(target_N.mean()),
        overlap=overlap,
        num_symbols=len(target_N) / num_days,
        correlation=same_day_correlation(dates_N, target_N),
    )


def backtest_table(
    predictions: pl.DataFrame,
    frame: pl.DataFrame,
    evaluation: Evaluation,
    num_trials: int,
    options: Options,
) -> pl.DataFrame:
    """Return the strategies at the operating point, and two that need no predictions."""
    market = Market.of(frame)
    if evaluation.kind == "classification":
        margin_TS = market.margins(predictions, evaluation.thresholds or 0.5)
    else:
        # the prediction is a return: long where it is positive
        margin_TS = market.margins(predictions, 0.5)
    hold = buy_and_hold(market, margin_TS, options.costs)
    results = {
        rule: backtest(
            market,
            margin_TS,
            Strategy(rule, entry=options.entry, holding=evaluation.overlap),
            options.costs,
        )
        for rule in (*STRATEGIES, "volatility_timing")
    }
    benchmarks = {"hold": hold, "timing": results["volatility_timing"]}
    lines = []
    for result in (*results.values(), hold):
        trials = num_trials if result.name in STRATEGIES else 1
        figures = performance(result, num_trials=trials, **options.bootstrap)
        (line,) = performance_table([figures]).to_dicts()
        for name, benchmark in benchmarks.items():
            difference = sharpe_difference(result, benchmark, **options.bootstrap)
            line |= {
                f"versus_{name}": difference.value,
                f"versus_{name}_low": difference.low,
                f"versus_{name}_high": difference.high,
                f"break_even_{name}": break_even_cost(result, benchmark),
            }
        lines.append(line)
    return pl.DataFrame(lines)
