"""All that a finished study found, gathered for its report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from finscale.config import StudyConfig, format_count
from finscale.errors import FinscaleError
from finscale.evaluation.bootstrap import Metric, mean_interval
from finscale.evaluation.calibration import CalibrationError, calibration_error, reliability_diagram
from finscale.evaluation.evaluation import Evaluation, evaluate
from finscale.evaluation.operating import Sweep
from finscale.evaluation.scores import probabilities
from finscale.files import read_json, write_json
from finscale.study.analysis import daily_losses
from finscale.study.axes import AXES, nominal
from finscale.study.findings.cost import TenfoldCost, tenfold_cost
from finscale.study.findings.curve import REACH, Curve, fitted_curve
from finscale.study.findings.reach import Reach, auc_reach, gain_reach, sharpe_reach, skill_reach
from finscale.study.findings.series import Series, gather, median_by_validation, same_windows
from finscale.study.findings.skill import (
    group_by_size,
    market_of,
    skill_by_group,
    skill_by_size,
    volatility_known,
)
from finscale.study.findings.trading import MODEL, Trading, trade

if TYPE_CHECKING:
    from finscale.runs import Run
    from finscale.scaling import Verdict
    from finscale.study.control_runs import ControlOutcome
    from finscale.study.study import Planned, Study


@dataclass(frozen=True)
class Baseline:
    """A model without scale and its loss on the test days."""

    name: str
    run_id: str
    loss: Metric


@dataclass(frozen=True)
class Findings:
    """What a report says, in numbers.

    Parameters
    ----------
    study : StudyConfig
        The study as it was fixed before its first run.
    unit : str
        Of losses and skills.
    axis : str
        The first scale axis.
    first, last : date
        First and last test day.
    num_days, num_windows : int
        Test days and test windows.
    base_rate : Metric or None
        Share of yes on the test days; None for regression.
    runs : polars.DataFrame
        The results table: one row a run.
    missing : tuple of str
        Planned runs that are not there.
    verdict : Verdict or None
        None where too few runs are finished; ``no_verdict`` then says why.
    along : mapping of str to Verdict
        The verdict at each size of a second axis; empty with one axis.
    curve : Curve or None
        The curve behind the verdict.
    seeds : polars.DataFrame
        size (as measured), label (as the study file has it), level and level_size (of a second
        axis, in words and as a number), seed, run_id (of the first fold), loss (what the verdict
        is made of), validation_loss, skill over each baseline.
    baselines : tuple of Baseline
        On the chosen size's windows.
    skills : polars.DataFrame
        Size columns, over, seeds, value, low, high.
    chosen : Series
        The size with the least validation loss, and of its seeds the median one.
    groups : polars.DataFrame
        group, label, over, days, value, low, high of the chosen size.
    evaluation : Evaluation
        All scores of the chosen run.
    reliability : polars.DataFrame
        The reliability diagram of the chosen run; empty for regression.
    calibration : CalibrationError or None
        Of the chosen run.
    sweep : polars.DataFrame
        threshold, precision, recall, flagged on test; empty for regression.
    learning : polars.DataFrame
        run_id, size, seed, fold, epoch, train_loss, validation_loss, best.
    trading : Trading or None
        Backtests; None where no bars are registered.
    reaches : tuple of Reach
        What could have been seen.
    cost : TenfoldCost or None
        Of the next tenfold.
    certificate : mapping
        The leakage audit, as ``Certificate.to_dict`` has it, with its ``verdict``.
    controls : tuple of ControlOutcome
        What each control had to show and what it showed; empty where the study has none.
    failures : mapping
        Run → label and error of each run whose last attempt failed.
    registration : mapping
        When the study was registered, its hash and its amendments.
    data, windows, environments : tuple of mapping
        Registered datasets, windows of each fold of the chosen series, and where runs took place.
    """

    study: StudyConfig
    unit: str
    axis: str
    first: dt.date
    last: dt.date
    num_days: int
    num_windows: int
    base_rate: Metric | None
    runs: pl.DataFrame
    missing: tuple[str, ...]
    verdict: Verdict | None
    no_verdict: str
    along: Mapping[str, Verdict]
    curve: Curve | None
    seeds: pl.DataFrame
    baselines: tuple[Baseline, ...]
    skills: pl.DataFrame
    chosen: Series
    groups: pl.DataFrame
    evaluation: Evaluation
    reliability: pl.DataFrame
    calibration: CalibrationError | None
    sweep: pl.DataFrame
    learning: pl.DataFrame
    trading: Trading | None
    reaches: tuple[Reach, ...]
    cost: TenfoldCost | None
    certificate: Mapping[str, Any]
    controls: tuple[ControlOutcome, ...]
    failures: Mapping[str, Any]
    registration: Mapping[str, Any]
    data: tuple[Mapping[str, Any], ...]
    windows: tuple[Mapping[str, Any], ...]
    environments: tuple[Mapping[str, Any], ...]

    @property
    def is_classification(self) -> bool:
        """Whether the task is a yes or no."""
        return self.study.experiment.task.kind == "classification"

    @property
    def is_relative(self) -> bool:
        """Whether losses are differences from the base rate's: sizes ask different questions."""
        return any(AXES[axis].relative for axis in self.study.axes)

    def words(self, size: float) -> str:
        """Return a measured size as people write it: ``5k`` for 5,010 built, ``10 years``."""
        near = self.seeds.sort((pl.col("size") - size).abs()).row(0, named=True)
        if abs(near["size"] - size) <= 1e-6 * size:
            return str(near["label"])
        if self.axis in ("parameters", "compute"):
            return format_count(size)
        return f"{size:,.0f} {AXES[self.axis].unit}"

    def skill(self, over: str) -> Metric | None:
        """Return the chosen size's skill over a baseline, if the study has that baseline."""
        place = {axis: pl.col(axis) == size for axis, size in self.chosen.sizes.items()}
        found = self.skills.filter(pl.col("over") == over, *place.values())
        return None if found.is_empty() else Metric(*found.select("value", "low", "high").row(0))


def find(study: Study) -> Findings:
    """Compute everything that the report of a study shows.

    Raises
    ------
    FinscaleError
        If no network of the study is finished.
    """
    completed = study.completed()
    all_baselines, networks = gather(completed)
    if not networks:
        raise FinscaleError(
            f"study {study.config.name} has no finished network to report on.",
            hint="finscale study run FILE",
        )
    config, table = study.config, study.results()
    axis, level = next(iter(config.axes)), config.level
    verdict, no_verdict = _verdict(study)
    groups = group_by_size(networks)
    relative = any(AXES[name].relative for name in config.axes)
    against = all_baselines if relative else []
    best = min(groups, key=lambda group: _validation_loss(group, against))
    chosen = median_by_validation(best)
    baselines = same_windows(all_baselines, chosen)
    unit = "nats" if chosen.kind == "classification" else "squared return"
    skills = pl.concat(
        skill_by_size([group], same_windows(all_baselines, group[0]), verdict, level=level)
        for group in groups
    )
    evaluation = evaluate(
        chosen.predictions,
        {name: series.predictions for name, series in baselines.items()},
        kind=chosen.runs[0].config.task.kind,
        overlap=config.experiment.task.horizon,
        level=1 - level,
    )
    bars = _bars(study, chosen)
    market = market_of(chosen, bars)
    trading = trade(chosen, baselines, market, num_trials=len(networks))
    classified = chosen.kind == "classification"
    target, logit = chosen.test["target"].to_numpy(), chosen.test["logit"].to_numpy()
    return Findings(
        study=config,
        unit=unit,
        axis=axis,
        first=evaluation.first,
        last=evaluation.last,
        num_days=evaluation.num_days,
        num_windows=evaluation.num_rows,
        base_rate=evaluation.metric("base_rate") if classified else None,
        runs=table,
        missing=tuple(planned.cell.label for planned in study.missing()),
        verdict=verdict,
        no_verdict=no_verdict,
        along={str(size): v for size, v in study.verdicts().items()} if verdict else {},
        # ten times a horizon is another question, not a larger size
        curve=fitted_curve(verdict, reach=1.0 if relative else REACH) if verdict else None,
        seeds=_seeds(completed, networks, all_baselines, axis),
        baselines=tuple(_baseline(series, level) for series in baselines.values()),
        skills=skills,
        chosen=chosen,
        groups=skill_by_group(best, baselines, volatility_known(market), level=level),
        evaluation=evaluation,
        reliability=reliability_diagram(target, logit) if classified else pl.DataFrame(),
        calibration=calibration_error(target, logit, chosen.test["date"].to_numpy())
        if classified
        else None,
        sweep=_sweep(chosen) if classified else pl.DataFrame(),
        learning=_learning(networks, axis),
        trading=trading,
        reaches=_reaches(verdict, skills, chosen, evaluation, trading, unit=unit, level=level),
        cost=tenfold_cost(_judged(table, config), axis),
        certificate=_certificate(study, chosen),
        controls=tuple(study.control_outcomes()),
        failures=study.failures.read(),
        registration=study.registration.read() or {},
        data=_distinct(entry for _, run in completed for entry in run.info["data"]),
        windows=_windows(chosen),
        environments=_distinct(run.info["environment"] for _, run in completed),
    )


def _validation_loss(group: Sequence[Series], against: Sequence[Series]) -> float:
    """Return a size's mean validation loss, less the base rate's where sizes ask other things."""
    base_rate = same_windows(against, group[0]).get("base_rate")
    mean = sum(series.validation_loss for series in group) / len(group)
    return mean - base_rate.validation_loss if base_rate else mean


def _judged(table: pl.DataFrame, study: StudyConfig) -> pl.DataFrame:
    """Return the networks at the size of the second axis that the verdict is about: the largest."""
    networks = table.filter(pl.col("role") == "network")
    for other, sizes in list(study.axes.items())[1:]:
        largest = max(sizes, key=lambda size: nominal(other, size))
        networks = networks.filter(pl.col(f"size_{other}") == largest)
    return networks


def _verdict(study: Study) -> tuple[Verdict | None, str]:
    try:
        return study.verdict(), ""
    except FinscaleError as error:
        return None, error.message


def _seeds(
    completed: Sequence[tuple[Planned, Run]],
    networks: Sequence[Series],
    baselines: Sequence[Series],
    axis: str,
) -> pl.DataFrame:
    """Return one row a size and seed; losses are those that the verdict is made of."""
    daily = daily_losses(completed)
    sizes = [name for name in daily.columns if name.startswith("size_")]
    losses = daily.group_by(*sizes, "seed").agg(pl.col("loss").mean())
    rows = pl.DataFrame(
        {
            **{f"size_{name}": nominal(name, size) for name, size in series.budget.items()},
            "size": series.sizes[axis],
            **_level(series, axis),
            "label": AXES[axis].words(series.budget[axis]),
            "seed": series.seed,
            "run_id": series.runs[0].id,
            "validation_loss": series.validation_loss,
            **{
                f"skill_{name}": float((other.losses_N - series.losses_N).mean())
                for name, other in same_windows(baselines, series).items()
            },
        }
        for series in networks
    )
    return rows.join(losses, on=[*sizes, "seed"], how="left", maintain_order="left").drop(sizes)


def _level(series: Series, axis: str) -> dict[str, str | float]:
    """Return the size of the second axis, in words and as a number; nothing with one axis."""
    for other, size in series.budget.items():
        if other != axis:
            words = f"{AXES[other].title} {AXES[other].words(size)}"
            return {"level": words, "level_size": nominal(other, size)}
    return {"level": "", "level_size": 0.0}


def _baseline(series: Series, level: float) -> Baseline:
    dates, horizon = series.test["date"].to_numpy(), series.runs[0].config.task.horizon
    loss = mean_interval(dates, series.losses_N, overlap=horizon, level=1 - level)
    return Baseline(series.name, series.runs[0].id, loss)


def _sweep(chosen: Series) -> pl.DataFrame:
    """Return what each threshold finds on test; fewer than ten alarms are luck and left out."""
    test = chosen.test
    sweep = Sweep.of(test["target"].to_numpy(), test["logit"].to_numpy())
    kept = sweep.count >= 10
    return pl.DataFrame(
        {
            "threshold": probabilities(sweep.logit[kept]),
            "precision": sweep.precision[kept],
            "recall": sweep.recall[kept],
            "flagged": sweep.flagged[kept],
        }
    )


def _learning(networks: Sequence[Series], axis: str) -> pl.DataFrame:
    return pl.concat(
        run.metrics()
        .select("epoch", "train_loss", "validation_loss", "best")
        .with_columns(
            run_id=pl.lit(run.id),
            size=pl.lit(series.sizes[axis]),
            seed=pl.lit(series.seed),
            fold=pl.lit(run.config.split.fold),
        )
        for series in networks
        for run in series.runs
    )


def _bars(study: Study, chosen: Series) -> pl.DataFrame:
    """Return date, symbol, open, close of the dataset's rows."""
    frames: list[pl.DataFrame] = []
    for entry in chosen.runs[0].info["data"]:
        frame, _ = study.data.frame(entry["id"], entry["version"])
        frames.append(frame.select("date", "symbol", "open", "close"))
    return pl.concat(frames)


def _reaches(
    verdict: Verdict | None,
    skills: pl.DataFrame,
    chosen: Series,
    evaluation: Evaluation,
    trading: Trading,
    *,
    unit: str,
    level: float,
) -> tuple[Reach, ...]:
    found = [gain_reach(verdict)] if verdict else []
    own = skills.filter(*(pl.col(axis) == size for axis, size in chosen.sizes.items()))
    for row in own.iter_rows(named=True):
        metric = Metric(row["value"], row["low"], row["high"])
        over = row["over"].replace("_", " ")
        found.append(skill_reach(over, metric, level=level, unit=unit))
    if chosen.kind == "classification":
        found.append(auc_reach(chosen, evaluation.metric("auc"), level=level))
    sharpe = trading.measured[MODEL].sharpe
    found.append(sharpe_reach(len(trading.results[MODEL].dates), sharpe, level=level))
    return tuple(found)


def _certificate(study: Study, chosen: Series) -> Mapping[str, Any]:
    """Return the leakage certificate; computed once for the same data and the same study."""
    from finscale.study.audit import audit

    path = study.folder / "certificate.json"
    subject = {
        "study": study.config.hash(),
        "data": {entry["id"]: entry["sha256"] for entry in chosen.runs[0].info["data"]},
    }
    if path.is_file():
        stored = read_json(path)
        if stored.get("of") == subject:
            return dict(stored)
    certificate = audit(study.config.experiment, data=study.data, runs=study.runs)
    content = {"of": subject, "verdict": certificate.verdict(), **certificate.to_dict()}
    write_json(path, content)
    return content


def _windows(chosen: Series) -> tuple[Mapping[str, Any], ...]:
    """Return per fold the counts of windows and the days of validation and test."""
    rows = []
    for run in chosen.runs:
        row = {"fold": run.config.split.fold, **run.info["windows"]}
        for split in ("validation", "test"):
            dates = run.predictions(split)["date"]
            row[f"{split}_days"] = (dates.min(), dates.max())
        rows.append(row)
    return tuple(rows)


def _distinct(items: Any) -> tuple[Mapping[str, Any], ...]:
    """Return the distinct ones of some mappings, in order."""
    kept: list[Mapping[str, Any]] = []
    for item in items:
        if item not in kept:
            kept.append(item)
    return tuple(kept)
