"""A finished study's findings: what is judged, chosen and compared, in the order of the report."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import polars as pl

from finscale.config import StudyConfig
from finscale.config.redraws import REDRAWS
from finscale.config.titles import title
from finscale.data import DataStore
from finscale.errors import FinscaleError
from finscale.evaluation.bootstrap import Metric, mean_interval
from finscale.evaluation.calibration import calibration_error, reliability_diagram
from finscale.evaluation.evaluation import evaluate
from finscale.evaluation.predictions import Predictions
from finscale.judging.claims import Known, failed_of, known_by_baselines
from finscale.judging.gather import bars_of, market_of
from finscale.scaling import Verdict
from finscale.study.analysis import loss_covariance
from finscale.study.axes import AXES, largest, nominal
from finscale.study.beyond import BeyondLinear
from finscale.study.control_runs import control_outcomes
from finscale.study.daily import Completed, study_values, trade_of
from finscale.study.data_surface import surface_of
from finscale.study.economic import economic_scaling
from finscale.study.families import of_family
from finscale.study.family_results import FamilyComparison
from finscale.study.findings import facts
from finscale.study.findings.cost import tenfold_cost
from finscale.study.findings.curve import REACH, fitted_curve, seed_luck
from finscale.study.findings.findings import BaselineFinding, Findings
from finscale.study.findings.panel import panel_findings
from finscale.study.findings.reach import Reach, auc_reach, gain_reach, sharpe_reach, skill_reach
from finscale.study.findings.skill import (
    group_by_size,
    skill_by_group,
    skill_by_size,
    volatility_known,
)
from finscale.study.findings.tested import (
    gather,
    median_by_validation,
    same_draw,
    same_windows,
    seed_ensemble,
    validation_loss,
)
from finscale.study.findings.trading import MODEL, Trading, trade
from finscale.study.holdings import holdings
from finscale.study.interaction import interaction
from finscale.study.outcomes import costs_of, loss_measure, measure_of, outcome_of
from finscale.study.study import Study
from finscale.study.telling import Tell, silent


def find(study: Study, tell: Tell = silent) -> Findings:
    """Compute everything that the report of a study shows; ``tell`` is told what is at work.

    Raises
    ------
    FinscaleError
        If no network of the study is finished.
    """
    families, not_compared = _compared(study)
    lead = families.lead if families else _first_finished(study)
    everything = study.completed()
    completed = of_family(everything, lead) if lead else everything
    all_baselines, networks = gather(completed)
    if not networks:
        raise FinscaleError(
            f"study {study.config.name} has no finished network to report on.",
            hint="finscale study run FILE",
        )
    # of several architectures, the one that validation prefers is told in full
    config, table = study.config.of_family(lead) if lead else study.config, study.results(tell)
    axis, level = next(iter(config.axes)), config.level
    tell("the verdict, and the size that validation prefers", 0, 0)
    verdict, no_verdict = _verdict(study)
    groups = group_by_size(networks)
    # ten times a horizon is another question, not a larger size
    other_questions = any(AXES[name].relative for name in config.axes)
    against = all_baselines if other_questions else []
    best = min(groups, key=lambda group: validation_loss(group, against))
    chosen = median_by_validation(best)
    baselines = same_windows(all_baselines, chosen)
    known = known_by_baselines(baselines, level=1 - level)
    luck = seed_luck(loss_covariance(config, completed), level) if verdict else {}
    skills = pl.concat(
        skill_by_size(group, [same_windows(all_baselines, one) for one in group], luck, level=level)
        for group in groups
    )
    evaluation = evaluate(chosen, baselines, level=1 - level)
    symbols = chosen.test["symbol"].unique().to_list()
    market = market_of(bars_of(study.runs[chosen.runs[0]], study.data), symbols)
    num_trials = families.num_series if families else len(networks)
    # features that were chosen among many are tried before the first run
    num_trials += max(run.config.data.selection_trials for _, run in everything)
    num_trials += study.tuner.num_trials(study.cells)
    # baselines beside it read the chosen one's features, and the symbols that it is trained on
    own = same_draw(best, chosen)
    traded = seed_ensemble(own)
    trading = trade(traded, baselines, market, costs=costs_of(config), num_trials=num_trials)
    beyond = study.beyond_linear(family=lead)
    tell("the audit of the data", 0, 0)
    certificate = facts.certificate(study, chosen)
    tell("controls", 0, 0)
    controls = tuple(control_outcomes(study))
    tell("what else the runs tell", 0, 0)
    is_event = chosen.target.is_event
    dates, target, logit = chosen.arrays("test")
    return Findings(
        study=study.config,
        measure=measure_of(config),
        loss=loss_measure(config),
        axis=axis,
        first=evaluation.first,
        last=evaluation.last,
        num_days=evaluation.num_days,
        num_windows=evaluation.num_rows,
        base_rate=evaluation.metric("base_rate") if is_event else None,
        runs=table,
        missing=tuple(planned.cell.label for planned in study.missing()),
        verdict=verdict,
        no_verdict=no_verdict,
        along={str(size): v for size, v in study.verdicts().items()} if verdict else {},
        curve=fitted_curve(verdict, reach=1.0 if other_questions else REACH) if verdict else None,
        seeds=_seeds(config, study.data, completed, networks, all_baselines),
        baselines=_baselines(study, baselines, known),
        skills=skills,
        chosen=chosen,
        groups=skill_by_group(own, baselines, volatility_known(market), level=level),
        evaluation=evaluation,
        reliability=reliability_diagram(target, logit) if is_event else pl.DataFrame(),
        calibration=calibration_error(target, logit, dates, overlap=chosen.horizon)
        if is_event
        else None,
        sweep=facts.sweep(chosen) if is_event else pl.DataFrame(),
        learning=facts.learning(networks, study.runs, axis),
        trading=trading,
        reaches=_reaches(verdict, skills, chosen, trading, failed=failed_of(known), level=level),
        cost=tenfold_cost(_judged(study, table, lead), axis),
        certificate=certificate,
        controls=controls,
        searched=tuple(study.tuner.searched(study.cells)),
        failures=study.failures.read(),
        registration=study.registration.read() or {},
        data=facts.distinct(entry for _, run in everything for entry in run.info["data"]),
        windows=facts.windows(chosen, study.runs),
        environments=facts.distinct(run.info["environment"] for _, run in everything),
        beyond=beyond,
        interaction=interaction(config, completed, study.data) if verdict else None,
        surface=surface_of(config, completed, study.data) if verdict else None,
        holdings=holdings(config, completed, study.data) if verdict else None,
        beyond_chosen=_beyond_chosen(study, chosen, beyond, lead),
        families=families,
        not_compared=not_compared,
        lead=lead,
        **panel_findings(chosen, baselines, market, evaluation, config, level=level),
        economic=economic_scaling(config, completed, study.data) if len(symbols) > 1 else None,
    )


def _beyond_chosen(
    study: Study, chosen: Predictions, beyond: BeyondLinear | None, lead: str
) -> Metric | None:
    """Return what the chosen size gains on the linear model, at its own size of a second axis."""
    first, *others = chosen.budget
    if others:
        beyond = study.beyond_linear(chosen.budget[others[0]], family=lead)
    return beyond.at(chosen.sizes[first]) if beyond else None


def _compared(study: Study) -> tuple[FamilyComparison | None, str]:
    if not study.config.architectures:
        return None, ""
    try:
        return study.compare(), ""
    except FinscaleError as error:
        return None, error.message


def _first_finished(study: Study) -> str:
    """Return the first architecture with a finished run; empty where the study has one alone."""
    there = {planned.cell.family for planned, _ in study.completed()}
    return next((name for name in study.config.families if name in there), "")


def _judged(study: Study, table: pl.DataFrame, lead: str) -> pl.DataFrame:
    """Return the networks at the size of the second axis that the verdict is about: the largest.

    Of several architectures, those of the one that leads.
    """
    second = list(study.config.axes.items())[1:]
    at: dict[str, Any] = {f"size_{axis}": largest(axis, sizes) for axis, sizes in second}
    if lead:
        at["family"] = lead
    return table.filter(role="network", **at)


def _verdict(study: Study) -> tuple[Verdict | None, str]:
    try:
        return study.verdict(), ""
    except FinscaleError as error:
        return None, error.message


def _seeds(
    config: StudyConfig,
    data: DataStore,
    completed: Completed,
    networks: Sequence[Predictions],
    baselines: Sequence[Predictions],
) -> pl.DataFrame:
    """Return one row a size and seed; values are those that the verdict is made of."""
    axis = next(iter(config.axes))
    daily = study_values(config, completed, data)
    sizes = [name for name in daily.columns if name.startswith("size_")]
    drawn = [one.noun for one in REDRAWS if one.noun in daily.columns]
    values = daily.group_by(*sizes, *drawn, "seed").agg(pl.col("value").mean())
    rows = pl.DataFrame(
        {
            **{f"size_{name}": nominal(name, size) for name, size in network.budget.items()},
            "size": network.sizes[axis],
            **_level(network, axis),
            "label": AXES[axis].words(network.budget[axis]),
            **{noun: getattr(network, noun) for noun in drawn},
            "seed": network.seed,
            "run_id": network.runs[0],
            "run_ids": " ".join(network.runs),
            "validation_loss": network.validation_loss,
            **{
                f"skill_{name}": float((other.losses_N - network.losses_N).mean())
                for name, other in same_windows(baselines, network).items()
            },
        }
        for network in networks
    )
    same = [*sizes, *drawn, "seed"]
    return rows.join(values, on=same, how="left", maintain_order="left").drop(sizes)


def _level(network: Predictions, axis: str) -> dict[str, str | float]:
    """Return the size of the second axis, in words and as a number; nothing with one axis."""
    for other, size in network.budget.items():
        if other != axis:
            words = f"{AXES[other].title} {AXES[other].words(size)}"
            return {"level": words, "level_size": nominal(other, size)}
    return {"level": "", "level_size": 0.0}


def _baselines(
    study: Study, baselines: Mapping[str, Predictions], known: Mapping[str, Known]
) -> tuple[BaselineFinding, ...]:
    """Return the outcome of each baseline."""
    config, outcome = study.config, outcome_of(study.config)
    found = []
    for baseline in baselines.values():
        run = study.runs[baseline.runs[0]]
        prices = trade_of(outcome, run, costs_of(config), study.data)
        daily = outcome.daily(outcome.rows(baseline, prices))
        value = mean_interval(
            daily["day"].to_numpy(),
            daily["value"].to_numpy(),
            overlap=baseline.horizon,
            level=1 - config.level,
        )
        axis = next(iter(config.axes))
        found.append(
            BaselineFinding(
                baseline.name,
                run.id,
                value,
                known.get(baseline.name),
                tuple(baseline.runs),
                of=AXES[axis].words(baseline.budget[axis]) if axis in baseline.budget else "",
            )
        )
    return tuple(found)


def _reaches(
    verdict: Verdict | None,
    skills: pl.DataFrame,
    chosen: Predictions,
    trading: Trading,
    *,
    failed: Collection[str],
    level: float,
) -> tuple[Reach, ...]:
    unit = chosen.target.words.unit
    found = [gain_reach(verdict)] if verdict else []
    own = skills.filter(*(pl.col(axis) == size for axis, size in chosen.sizes.items()))
    for row in own.iter_rows(named=True):
        if row["over"] in failed:
            continue  # no yardstick
        metric = Metric(row["value"], row["low"], row["high"])
        over = title(row["over"])
        found.append(skill_reach(over, metric, level=level, unit=unit))
    if chosen.target.is_event:
        found.append(auc_reach(chosen, level=level))
    sharpe, result = trading.measured[MODEL].sharpe, trading.results[MODEL]
    found.append(sharpe_reach(len(result.dates), sharpe, level=level, periods=result.periods))
    return tuple(found)
