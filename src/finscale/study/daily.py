"""A study's outcome day by day: one value for each size, seed and test day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from finscale.config import BaselineConfig, StudyConfig
from finscale.config.redraws import REDRAWS, draw_numbers
from finscale.config.titles import title
from finscale.data import DataStore
from finscale.errors import FinscaleError
from finscale.evaluation.backtest import Costs
from finscale.evaluation.predictions import Predictions
from finscale.judging.gather import bars_of, market_of, predictions_of
from finscale.runs import Run
from finscale.study.axes import AXES, nominal
from finscale.study.outcomes import OUTCOMES, Outcome, Trade, costs_of, outcome_of
from finscale.study.planned import Planned, windows_key

Completed = Sequence[tuple[Planned, Run]]


def daily_losses(completed: Completed) -> pl.DataFrame:
    """Return one row per network's size, seed and test day: the loss.

    Columns: those of :func:`daily_values`, with ``loss`` for ``value``.
    """
    return daily_values(completed, OUTCOMES["loss"]).rename({"value": "loss"})


def study_values(
    study: StudyConfig,
    completed: Completed,
    data: DataStore | None,
    *,
    common: bool = False,
    over: str = "",
) -> pl.DataFrame:
    """Return :func:`daily_values` of the outcome that a study is about."""
    outcome, costs = outcome_of(study), costs_of(study)
    return daily_values(completed, outcome, costs=costs, data=data, common=common, over=over)


def daily_values(
    completed: Completed,
    outcome: Outcome,
    *,
    costs: Costs | None = None,
    data: DataStore | None = None,
    common: bool = False,
    over: str = "",
) -> pl.DataFrame:
    """Return one row per network's size, seed and test day: what the day adds to the outcome.

    The folds of a size and seed make one series; the mean of its days' values is its outcome
    exactly. Along an axis whose sizes ask different questions (horizon) losses are differences from
    the base rate's.

    Parameters
    ----------
    completed : sequence of (Planned, Run)
        Finished runs.
    outcome : Outcome
        What is asked.
    costs : Costs, optional
        Of trading, where the outcome trades.
    data : DataStore, optional
        Where the bars lie; the runs' own folder when absent.
    common : bool
        Whether only days count that every series has.
    over : str
        A baseline whose values on the same days and windows are taken away; none when empty.

    Returns
    -------
    polars.DataFrame
        ``size_<axis>``, the size as the study file names it (a tier by its features); ``<axis>``,
        what was measured of it (:class:`finscale.study.axes.Axis`), averaged over its runs;
        ``parameters`` (built), ``seed``, ``fold``, ``day``, ``value``; where a study compares
        architectures, ``family`` before them, and where it has several nestings or draws,
        ``nesting`` or ``draw``.

    Raises
    ------
    FinscaleError
        If no network is finished, or a baseline is missing that values are compared with.
    """
    series = series_of(completed)
    if not series:
        raise FinscaleError("no network of this study is finished yet.")
    axes = list(series[0][0].cell.sizes)
    # tiers and histories have the same prices
    trade = trade_of(outcome, series[0][1][0], costs or Costs(), data)
    tested = [predictions_of(runs) for _, runs in series]
    rows = [outcome.rows(one, trade) for one in tested]
    if common:
        rows = _on_common_days(rows)
    values = [outcome.daily(own) for own in rows]
    if not over and not outcome.comparable and any(AXES[axis].relative for axis in axes):
        over = "base_rate"
    if over:
        known = baseline_runs(completed, over)
        values = [
            _less_baseline(own, _beside(planned, runs, known, over), outcome, trade)
            for own, (planned, runs) in zip(values, series, strict=True)
        ]
    table = pl.concat(
        _placed(own, planned, runs, one)
        for own, one, (planned, runs) in zip(values, tested, series, strict=True)
    )
    table = table.drop(one.noun for one in REDRAWS if table[one.noun].n_unique() == 1)
    sizes = [f"size_{axis}" for axis in axes] + ["family"] * ("family" in table.columns)
    # what a size measures varies a little between runs: the law has one x for each size
    return table.with_columns(pl.col(axis).mean().over(sizes) for axis in axes)


def replicates(table: pl.DataFrame) -> pl.DataFrame:
    """Return :func:`daily_values` with one series for each independent replicate of a size.

    Seeds of one nesting share its features, and those of one draw its symbols, so they are
    averaged, and the draw takes the place of the seed: the variance between such means is that of
    the choice plus what is left of the seeds', which is how much another draw of both would change
    a size's outcome.
    """
    draw = next((one.noun for one in REDRAWS if one.noun in table.columns), None)
    if draw is None:
        return table
    same = [name for name in table.columns if name not in (draw, "seed", "parameters", "value")]
    means = table.group_by(*same, draw, maintain_order=True).agg(
        pl.col("parameters", "value").mean()
    )
    return means.rename({draw: "seed"})


def series_of(completed: Completed) -> list[tuple[Planned, list[Run]]]:
    """Return the networks' runs by size and seed, folds in order, in the order of the grid."""
    groups: dict[str, list[tuple[Planned, Run]]] = {}
    for planned, run in completed:
        if not planned.cell.is_baseline:
            groups.setdefault(series_key(planned), []).append((planned, run))
    return [(members[0][0], in_folds(members)) for members in groups.values()]


def in_folds(members: Completed) -> list[Run]:
    """Return the runs of one model, folds in order."""
    return sorted((run for _, run in members), key=lambda run: run.config.split.fold)


def trade_of(outcome: Outcome, run: Run, costs: Costs, data: DataStore | None) -> Trade | None:
    """Return the prices of a run's symbols, and the costs, where an outcome trades."""
    if not outcome.trades:
        return None
    bars = bars_of(run, data or DataStore(run.config.data.root))
    return market_of(bars, run.config.data.symbols), costs


def _on_common_days(rows: Sequence[pl.DataFrame]) -> list[pl.DataFrame]:
    shared = set.intersection(*(set(own["day"]) for own in rows))
    if not shared:
        raise FinscaleError("the sizes have no test day in common, and cannot be compared.")
    return [own.filter(pl.col("day").is_in(shared)) for own in rows]


def _beside(
    planned: Planned, runs: Sequence[Run], known: Mapping[str, Run], over: str
) -> Predictions:
    """Return a baseline's predictions on the windows of a network's runs."""
    keys = [windows_key(run.config) for run in runs]
    if not set(keys) <= set(known):
        raise FinscaleError(
            f"{planned.cell.label} cannot be compared: its {title(over)} is not there.",
            hint=f"name {over} among the baselines, and `finscale study run` again",
        )
    return predictions_of([known[key] for key in keys], beside=runs[0].config)


def _less_baseline(
    values: pl.DataFrame,
    baseline: Predictions,
    outcome: Outcome,
    trade: Trade | None,
) -> pl.DataFrame:
    rows = outcome.rows(baseline, trade)
    # an outcome that is no mean over days depends on which days it is of
    other = outcome.daily(rows.filter(pl.col("day").is_in(values["day"].to_list())))
    joined = values.join(other, on="day", suffix="_baseline", maintain_order="left")
    return joined.select("day", value=pl.col("value") - pl.col("value_baseline"))


def _placed(
    values: pl.DataFrame, planned: Planned, runs: Sequence[Run], tested: Predictions
) -> pl.DataFrame:
    """Add to a series' values what it is: its sizes, seed, and the fold of each day."""
    folds = tested.test.group_by(day="date").agg(pl.col("fold").first())
    table = values.join(folds, on="day", how="left", maintain_order="left")
    # a session on which nothing was decided belongs to the decisions before it
    table = table.with_columns(pl.col("fold").forward_fill())
    facts: dict[str, float | int | str] = {}
    if planned.cell.family:
        facts["family"] = planned.cell.family
    facts["parameters"] = float(runs[0].info["parameters"]["total"])
    for axis, size in planned.cell.sizes.items():
        facts[f"size_{axis}"] = nominal(axis, size)
        facts[axis] = sum(map(AXES[axis].measure, runs)) / len(runs)
    facts |= {one.noun: one.number(runs[0].config) for one in REDRAWS}
    facts["seed"] = runs[0].config.seed
    return table.with_columns(pl.lit(value).alias(name) for name, value in facts.items())


def baseline_runs(completed: Completed, name: str) -> dict[str, Run]:
    """Return a baseline's runs by what decides their windows."""
    return {
        windows_key(run.config): run
        for _, run in completed
        if isinstance(run.config.model, BaselineConfig) and run.config.model.name == name
    }


def has_baseline(completed: Completed, name: str) -> bool:
    """Tell whether a baseline is finished on the windows of every network, and there is one."""
    known = baseline_runs(completed, name)
    networks = [run for planned, run in completed if not planned.cell.is_baseline]
    return bool(networks) and all(windows_key(run.config) in known for run in networks)


def series_key(planned: Planned) -> str:
    """Return what all folds of one architecture, size and seed share."""
    cell = planned.cell
    replicate = *draw_numbers(cell.config), cell.config.seed
    return f"{cell.family} {sorted(cell.sizes.items())} {replicate}"
