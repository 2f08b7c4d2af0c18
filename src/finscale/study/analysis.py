"""What a study's runs allow to be said: daily losses by size and seed, and the verdict on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from finscale.config import BaselineConfig, ExperimentConfig, StudyConfig
from finscale.errors import FinscaleError
from finscale.evaluation.bootstrap import day_means
from finscale.scaling import Law, Verdict, decide, fit_law
from finscale.study.axes import AXES, nominal
from finscale.study.scoring import is_collapsed, losses

if TYPE_CHECKING:
    from finscale.runs import Run
    from finscale.study.planned import Planned

Completed = Sequence[tuple["Planned", "Run"]]


def windows_key(config: ExperimentConfig) -> str:
    """Return what decides the windows: a network is held against baselines with the same key."""
    return config.model_dump_json(include={"data", "task", "split"})


def daily_losses(completed: Completed) -> pl.DataFrame:
    """Return one row per network run and test day.

    Columns: ``size_<axis>``, the size as the study file names it (a tier by its features);
    ``<axis>``, what was measured of it (:class:`finscale.study.axes.Axis`), averaged over its runs;
    ``parameters`` (built), ``seed``, ``fold``, ``day``, ``loss``. Several symbols on one day are
    averaged: a day is one observation. Along an axis whose sizes ask different questions (horizon)
    losses are differences from the base rate's; along ``assets`` only the symbols that all sizes
    have are judged.
    """
    networks = [(planned, run) for planned, run in completed if not planned.cell.is_baseline]
    if not networks:
        raise FinscaleError("no network of this study is finished yet.")
    axes = list(networks[0][0].cell.sizes)
    shared = _shared_symbols(networks) if "assets" in axes else None
    base_rates = _base_rates(completed) if any(AXES[axis].relative for axis in axes) else None
    table = pl.concat(_one_run(planned, run, shared, base_rates) for planned, run in networks)
    sizes = [f"size_{axis}" for axis in axes]
    # what a size measures varies a little between folds: the law has one x for each size
    return table.with_columns(pl.col(axis).mean().over(sizes) for axis in axes)


def _one_run(
    planned: Planned,
    run: Run,
    shared: frozenset[str] | None,
    base_rates: Mapping[str, Run] | None,
) -> pl.DataFrame:
    table = _day_losses(run, shared)
    if base_rates is not None:
        base_rate = base_rates.get(windows_key(run.config))
        if base_rate is None:
            raise FinscaleError(
                f"{planned.cell.label} cannot be compared: its base rate is not there.",
                hint="name base_rate among the baselines, and `finscale study run` again",
            )
        other = _day_losses(base_rate, shared)
        table = table.join(other, on="day", suffix="_base_rate", maintain_order="left")
        table = table.select("day", loss=pl.col("loss") - pl.col("loss_base_rate"))
    facts: dict[str, float | int] = {"parameters": float(run.info["parameters"]["total"])}
    for axis, size in planned.cell.sizes.items():
        facts[f"size_{axis}"] = nominal(axis, size)
        facts[axis] = AXES[axis].measure(run)
    facts |= {"seed": run.config.seed, "fold": run.config.split.fold}
    return table.with_columns(pl.lit(value).alias(name) for name, value in facts.items())


def _day_losses(run: Run, shared: frozenset[str] | None) -> pl.DataFrame:
    test, loss_N = run.predictions("test"), losses(run, "test")
    date_N = test["date"].to_numpy()
    if shared is not None:
        kept_N = test["symbol"].is_in(list(shared)).to_numpy()
        date_N, loss_N = date_N[kept_N], loss_N[kept_N]
    days, means = day_means(date_N, loss_N)
    return pl.DataFrame({"day": days, "loss": means})


def _shared_symbols(networks: Completed) -> frozenset[str]:
    return frozenset.intersection(*(frozenset(run.config.data.symbols) for _, run in networks))


def _base_rates(completed: Completed) -> dict[str, Run]:
    return {
        windows_key(run.config): run
        for _, run in completed
        if isinstance(run.config.model, BaselineConfig) and run.config.model.name == "base_rate"
    }


def verdict(study: StudyConfig, completed: Completed) -> Verdict:
    """Judge the study along its first axis by the statement that it made before its first run.

    Of a second axis, its largest size counts; :func:`verdicts` judges each.

    Raises
    ------
    FinscaleError
        If too few runs are finished to judge.
    """
    return _judge(study, *_at_level(study, completed, None))


def verdicts(study: StudyConfig, completed: Completed) -> dict[int | str, Verdict]:
    """Return the verdict along the first axis at each size of the second; {} with one axis."""
    if len(study.axes) < 2:
        return {}
    second = list(study.axes)[1]
    return {size: _judge(study, *_at_level(study, completed, size)) for size in study.axes[second]}


def surface(study: StudyConfig, completed: Completed, *, num_replicates: int = 500) -> Law:
    """Fit the loss over both axes: E + A·N^-α + B·D^-β.

    Raises
    ------
    FinscaleError
        If the study has one axis, or too few runs are finished.
    """
    axes: list[str] = list(study.axes)
    if len(axes) < 2:
        raise FinscaleError(f"study {study.name} has one axis: a surface needs two.")
    table = daily_losses(_whole(study, completed)[0])
    return fit_law(
        table.select(*axes, "seed", "fold", "day", "loss"),
        axes,
        horizon=study.experiment.task.horizon,
        signed=_is_relative(study),
        num_replicates=num_replicates,
    )


def _at_level(
    study: StudyConfig, completed: Completed, level: int | str | None
) -> tuple[Completed, tuple[str, ...]]:
    """Return the runs at one size of the second axis that may be judged, and who was left out."""
    if len(study.axes) == 2:
        second, sizes = list(study.axes.items())[1]
        largest = max(sizes, key=lambda size: nominal(second, size))
        wanted = largest if level is None else level
        completed = [
            (planned, run)
            for planned, run in completed
            if planned.cell.sizes.get(second, wanted) == wanted
        ]
    return _whole(study, completed)


def _whole(study: StudyConfig, completed: Completed) -> tuple[Completed, tuple[str, ...]]:
    """Leave out what a stated rule excludes, then sizes' seeds that lack a fold."""
    left_out: list[str] = []
    if "collapsed" in study.exclusions:
        kept = [(p, r) for p, r in completed if p.cell.is_baseline or not is_collapsed(r)]
        if len(kept) < len(completed):
            left_out.append(f"{len(completed) - len(kept)} runs that hug the base rate")
        completed = kept
    folds: dict[str, set[int]] = {}
    for planned, run in completed:
        if not planned.cell.is_baseline:
            folds.setdefault(_series(planned), set()).add(run.config.split.fold)
    broken = {series for series, there in folds.items() if there != set(study.run_folds)}
    if broken:
        left_out.append(f"{len(broken)} seeds of which a fold is missing")
    whole = [(p, r) for p, r in completed if p.cell.is_baseline or _series(p) not in broken]
    return whole, tuple(left_out)


def _series(planned: Planned) -> str:
    """Return what all folds of one size and seed share."""
    return f"{sorted(planned.cell.sizes.items())} {planned.cell.config.seed}"


def _is_relative(study: StudyConfig) -> bool:
    return any(AXES[axis].relative for axis in study.axes)


def _judge(study: StudyConfig, completed: Completed, exclusions: tuple[str, ...]) -> Verdict:
    table = daily_losses(completed)
    axis = next(iter(study.axes))
    losses_GST, size_G = _array(table, axis)
    return decide(
        losses_GST,
        size_G,
        sesoi=study.sesoi,
        axis=AXES[axis].title,
        level=study.level,
        horizon=max(_horizons(study)),
        exclusions=exclusions,
        unit="nats" if study.experiment.task.kind == "classification" else "squared return",
    )


def _horizons(study: StudyConfig) -> list[int]:
    sizes: Sequence[Any] = study.axes.get("horizon", (study.experiment.task.horizon,))
    return [int(size) for size in sizes]


def _array(table: pl.DataFrame, axis: str) -> tuple[np.ndarray, np.ndarray]:
    """Return losses by size, seed and day, and the sizes as measured, rising.

    A day is tested in one fold only, so the folds of a size and seed make one series. Where sizes
    differ in their last days (a longer horizon has fewer), the days that all of them have count.
    """
    sizes = table.group_by(axis).len().sort(axis)[axis].to_numpy()
    seeds = table["seed"].unique().sort()
    days = table["day"].unique().sort()
    wide = table.pivot(on="day", index=[axis, "seed"], values="loss", sort_columns=True)
    losses_GST = np.full((len(sizes), len(seeds), len(days)), np.nan)
    there_GS = np.zeros(losses_GST.shape[:2], dtype=bool)
    for size, seed, *values in wide.iter_rows():
        place = int(np.searchsorted(sizes, size)), int(seeds.index_of(seed) or 0)
        losses_GST[place] = values
        there_GS[place] = True
    common_T = np.isfinite(losses_GST[there_GS]).all(axis=0)
    return losses_GST[:, :, common_T], sizes
