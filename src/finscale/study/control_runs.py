"""A study's controls, judged: what had to come out was stated before the first run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.config.study import expected
from finscale.data.controls import quarters
from finscale.data.cross_section import group_map
from finscale.data.panel_labels import stacked_optimum
from finscale.errors import FinscaleError
from finscale.evaluation.bootstrap import mean_interval
from finscale.evaluation.predictions import Predictions
from finscale.evaluation.targets import target_of
from finscale.judging.gather import predictions_of
from finscale.registry import Registry
from finscale.scaling.digits import number
from finscale.scaling.sentences import interval, p_text
from finscale.study.axes import largest
from finscale.study.control_grid import CONTROL_KINDS
from finscale.study.daily import Completed, baseline_runs, series_of
from finscale.study.outcomes import OUTCOMES, outcome_of
from finscale.study.planned import windows_key
from finscale.study.study import Study

Floats = NDArray[np.float64]
#: Shuffles at most, and hits after which no more are needed: a p value of .05 is known to a tenth.
_NUM_SHUFFLES, _OFTEN = 2_000, 100


@dataclass(frozen=True)
class ControlOutcome:
    """A control, held against what is known of it."""

    control: str  #: ``permuted_labels`` or ``planted_signal``
    label: str  #: The control in words
    expected: str  #: What has to come out; stated before the first run
    found: str  #: What did; why nothing can be said when ``ok`` is None
    ok: bool | None  #: Whether they agree; None while runs are missing
    facts: dict[str, Any]  #: The numbers behind ``found``

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


#: A control's study and the level of its tests → what was found, whether it is right, and facts.
ControlJudge = Callable[[Study, float], tuple[str, bool, dict[str, Any]]]
#: How each of ``finscale.study.control_grid.CONTROL_KINDS`` is judged.
CONTROL_JUDGES: Registry[ControlJudge] = Registry("control")


def control_outcomes(study: Study) -> list[ControlOutcome]:
    """Return each of a study's controls: what had to come out, what did, and whether they agree."""
    level = study.config.controls.level
    return [_outcome(name, control, level) for name, control in study.controls.items()]


def _outcome(name: str, study: Study, level: float) -> ControlOutcome:
    """Hold a control's finished runs against what is known of it."""
    kind = study.config.name
    # of several architectures, a control's name says whose it is
    said = CONTROL_KINDS[kind].said(study.config.experiment.task)
    label = f"{name.removesuffix(kind)}{said}"
    awaited = expected(kind, study.config.outcome)  # type: ignore[arg-type]
    missing = sum(planned.run_id not in study.runs for planned in study.plan)
    if missing:
        found = f"{missing} of {len(study.plan)} runs are missing"
        return ControlOutcome(kind, label, awaited, found, None, {})
    return ControlOutcome(kind, label, awaited, *CONTROL_JUDGES[kind](study, level))


def _judge_permuted(study: Study, level: float) -> tuple[str, bool, dict[str, Any]]:
    try:
        name: str = study.verdict().name
    except FinscaleError:  # too few sizes or seeds: no law is claimed
        name = "too few runs for a verdict"
    if study.config.experiment.task.is_cross_sectional:
        what, p_value = "ranking of symbols within days", within_days(_networks(study))
    else:
        what, p_value = "ranking of days within quarters", within_quarters(_networks(study))
    found = f"{name}; {what} better than chance: {p_text(p_value)}"
    facts = {"verdict": name, "p_within": p_value, "level": level}
    return found, p_value > level and name != "LAW", facts


def _judge_planted(study: Study, level: float) -> tuple[str, bool, dict[str, Any]]:
    """See whether the largest size beats the base rate: folds together, seeds averaged.

    By the study's own outcome where planted labels can show it; no price follows from them, so
    that a study of trading is judged by its loss.
    """
    outcome = outcome_of(study.config)
    if outcome.trades:
        outcome = OUTCOMES["loss"]
    measure = outcome.measure(target_of(study.config.experiment))
    networks = series_of(_largest(study))
    folds, known = networks[0][1], baseline_runs(study.completed(), "base_rate")
    base_rate = predictions_of(
        [known[windows_key(run.config)] for run in folds], beside=folds[0].config
    )
    best = replace(base_rate, table=_with_optimum(base_rate.table, study))

    def losses_T(tested: Predictions) -> Floats:
        value_T = outcome.by_day(outcome.rows(tested, None))[1]
        return np.asarray(measure.as_loss(value_T))

    network_T = np.mean([losses_T(predictions_of(runs)) for _, runs in networks], axis=0)
    base_T = losses_T(base_rate)
    days = base_rate.test["date"].unique().sort().to_numpy()
    gain = mean_interval(days, base_T - network_T, overlap=base_rate.horizon, level=1 - level)
    possible = float((base_T - losses_T(best)).mean())
    what = "skill" if outcome.name == "loss" else measure.gain
    seen = "seen" if gain.low > 0 else "not seen"
    found = (
        f"{what} {seen}: {interval(gain)}, {100 * gain.value / possible:.0f} % of the "
        f"{number(possible)} that the best possible model gains"
    )
    facts = {"gain": asdict(gain), "possible": possible, "level": level}
    return found, gain.low > 0, facts


def _with_optimum(predictions: pl.DataFrame, study: Study) -> pl.DataFrame:
    """Return the same rows with the best possible predictions for them."""
    prepared = study.plan[0].prepared
    dataset = prepared.dataset
    parts = dataset.frame.partition_by("symbol", maintain_order=True)
    groups = group_map(dataset.symbols, dataset.groups)
    best_R = stacked_optimum(parts, prepared.config.task, groups)
    optima = dataset.frame.select("date", "symbol", best=pl.Series(best_R))
    joined = predictions.join(optima, on=["date", "symbol"], how="left", maintain_order="left")
    return joined.with_columns(logit="best").drop("best")


def within_quarters(networks: Completed, *, seed: int = 0) -> float:
    """Return the p value of models ranking the days within calendar quarters better than chance.

    Within a quarter shuffled labels are exchangeable whatever the models know of its level, so the
    test shuffles them again and counts how often the association is as strong. The outputs of all
    runs are averaged first.
    """
    table = _averaged(networks)
    quarter_N = quarters(table["date"].to_numpy().astype("datetime64[D]"))
    symbol_N = table["symbol"].rank("dense").to_numpy()
    return _better_than_chance(table, np.stack([quarter_N, symbol_N]), seed)


def within_days(networks: Completed, *, seed: int = 0) -> float:
    """Return the p value of models ranking the symbols of a day better than chance.

    For labels that were shuffled among each day's members, which are exchangeable whatever the
    models know of the day.
    """
    table = _averaged(networks)
    return _better_than_chance(table, table["date"].rank("dense").to_numpy()[None], seed)


def _averaged(networks: Completed) -> pl.DataFrame:
    """Return each decision's label and the mean output of all runs."""
    return (
        pl.concat(run.predictions("test") for _, run in networks)
        .group_by("date", "symbol", maintain_order=True)
        .agg(pl.col("target").first(), pl.col("logit").mean())
        .sort("symbol", "date")
    )


def _better_than_chance(table: pl.DataFrame, groups_KN: NDArray[Any], seed: int) -> float:
    """Return how often labels shuffled within groups are as strongly associated with outputs.

    It ends as soon as that has happened often (Besag and Clifford 1991): of 431 stocks a shuffle
    sorts half a million numbers, and what chance does often needs no two thousand of them.
    """
    group_N = np.unique(groups_KN, axis=1, return_inverse=True)[1].ravel()
    order_N = np.argsort(group_N, kind="stable")
    group_N = group_N[order_N]
    score_N = table["logit"].to_numpy()[order_N]
    score_N = score_N - (np.bincount(group_N, weights=score_N) / np.bincount(group_N))[group_N]
    target_N = table["target"].to_numpy().astype(np.float64)[order_N]
    rng = np.random.default_rng(seed)
    observed = float(score_N @ target_N)
    as_strong = 0
    for done in range(1, _NUM_SHUFFLES + 1):
        # sorting random numbers within each group shuffles within groups
        shuffled_N = target_N[np.argsort(group_N + rng.random(len(group_N)))]
        as_strong += float(score_N @ shuffled_N) >= observed
        if as_strong == _OFTEN:
            return as_strong / done
    return (1 + as_strong) / (1 + _NUM_SHUFFLES)


def _networks(study: Study) -> Completed:
    return [(p, run) for p, run in study.completed() if not p.cell.is_baseline]


def _largest(study: Study) -> Completed:
    """Return the networks of the largest size along the first axis."""
    axis, sizes = next(iter(study.config.axes.items()))
    most = largest(axis, sizes)
    return [(p, run) for p, run in _networks(study) if p.cell.sizes[axis] == most]


CONTROL_JUDGES.add("permuted_labels", _judge_permuted)
CONTROL_JUDGES.add("planted_signal", _judge_planted)
