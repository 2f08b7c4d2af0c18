"""What a study's runs allow to be said: its outcome by size, seed and day, and the verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from finscale.config import StudyConfig
from finscale.config.baselines import LINEAR_BASELINE
from finscale.config.redraws import redraw_of, replicates_in_words
from finscale.data import DataStore
from finscale.errors import FinscaleError
from finscale.evaluation.bootstrap import Floats
from finscale.evaluation.targets import target_of
from finscale.judging.claims import failure
from finscale.judging.gather import model_name, predictions_of
from finscale.judging.scoring import is_collapsed
from finscale.scaling import Law, SizeCovariance, Verdict, decide, fit_law, size_covariance
from finscale.study.axes import AXES, largest
from finscale.study.beyond import BeyondLinear, judge_beyond
from finscale.study.daily import (
    Completed,
    daily_values,
    has_baseline,
    replicates,
    series_key,
    study_values,
)
from finscale.study.failed import failed_baselines
from finscale.study.outcomes import OUTCOMES, measure_of, outcome_of
from finscale.study.outlying import without_outlying


def verdict(study: StudyConfig, completed: Completed, data: DataStore | None = None) -> Verdict:
    """Judge the study along its first axis by the statement that it made before its first run.

    Where the linear model is among the baselines the sentence says what size brings beyond it
    (:func:`beyond_linear`). Of a second axis, its largest size counts; :func:`verdicts` judges
    each. ``data`` is where the bars lie, for an outcome that trades; the runs' own folder when
    absent.

    Raises
    ------
    FinscaleError
        If too few runs are finished to judge.
    """
    return _judge(study, completed, None, data)


def verdicts(
    study: StudyConfig, completed: Completed, data: DataStore | None = None
) -> dict[int | str, Verdict]:
    """Return the verdict along the first axis at each size of the second; {} with one axis."""
    if len(study.axes) < 2:
        return {}
    second = list(study.axes)[1]
    return {size: _judge(study, completed, size, data) for size in study.axes[second]}


def beyond_linear(
    study: StudyConfig,
    completed: Completed,
    level: int | str | None = None,
    data: DataStore | None = None,
) -> BeyondLinear | None:
    """Return what each size of the first axis gains on the linear model, in the study's outcome.

    ``level`` is a size of the second axis, its largest when None. None is returned where the linear
    model is not among the finished baselines, or the sizes have no day in common.
    """
    kept, _ = at_level(study, completed, level)
    if not has_baseline(kept, LINEAR_BASELINE):
        return None
    measure, axis = measure_of(study), next(iter(study.axes))
    try:
        table = replicates(study_values(study, kept, data, common=True, over=LINEAR_BASELINE))
    except FinscaleError:
        return None
    difference_GST, size_G = values_by_size(table, axis)
    return judge_beyond(
        difference_GST if measure.higher_is_better else -difference_GST,
        size_G,
        noun=AXES[axis].unit,
        sesoi=study.sesoi,
        level=study.level,
        horizon=longest_horizon(study),
        nested=redraw_of(study) is not None,
        measure=measure,
        failed=_linear_failure(kept),
    )


def _linear_failure(completed: Completed) -> str:
    """Return that the linear model lost to the base rate; empty where it did not, at any size."""
    failed = failed_baselines(completed)
    for _, run in completed:
        if run.id in failed and model_name(run.config) == LINEAR_BASELINE:
            unit = target_of(run.config).words.unit
            return failure(LINEAR_BASELINE, failed[run.id], unit)
    return ""


def surface(
    study: StudyConfig,
    completed: Completed,
    data: DataStore | None = None,
    *,
    form: str = "auto",
) -> Law:
    """Fit the loss over both axes: E + A·N^-α + B·D^-β, or another form of two axes.

    An outcome that is the better the higher is fitted as what its best value lacks: 1 - AUC.

    Raises
    ------
    FinscaleError
        If the study has one axis, or too few runs are finished.
    """
    axes: list[str] = list(study.axes)
    if len(axes) < 2:
        raise FinscaleError(f"study {study.name} has one axis: a surface needs two.")
    # horizons end on other days, and their folds begin on others: runs are paired on the days that
    # all have, each in one fold
    table = replicates(study_values(study, whole(study, completed)[0], data, common=True))
    table = table.with_columns(pl.col("fold").min().over("day"))
    return law_over(study, table, axes, form=form)


def law_over(study: StudyConfig, table: pl.DataFrame, axes: list[str], *, form: str) -> Law:
    """Fit a form to the outcome of a study's replicates, day by day, over columns of a table."""
    measure = measure_of(study)
    loss = pl.Series("loss", measure.as_loss(table["value"].to_numpy()))
    return fit_law(
        table.select(*axes, "seed", "fold", "day").with_columns(loss),
        axes,
        form=form,
        horizon=study.experiment.task.horizon,
        # a day's value may lie beyond the best outcome, and a difference has either sign
        signed=measure.higher_is_better or is_relative(study),
        # networks that no epoch improved are alike; they are runs of their own all the same
        drop_duplicates=False,
        num_replicates=500,
    )


def at_level(
    study: StudyConfig, completed: Completed, level: int | str | None
) -> tuple[Completed, tuple[str, ...]]:
    """Return the runs at one size of the second axis, its largest for None, as `whole` does."""
    if len(study.axes) == 2:
        second, sizes = list(study.axes.items())[1]
        wanted = largest(second, sizes) if level is None else level
        completed = [(p, run) for p, run in completed if p.cell.sizes.get(second, wanted) == wanted]
    return whole(study, completed)


def whole(study: StudyConfig, completed: Completed) -> tuple[Completed, tuple[str, ...]]:
    """Leave out what stated rules exclude, and sizes' seeds that lack a fold; say who was."""
    left_out: list[str] = []
    if "collapsed" in study.exclusions:
        kept = [
            (planned, run)
            for planned, run in completed
            if planned.cell.is_baseline or not is_collapsed(predictions_of([run]))
        ]
        if len(kept) < len(completed):
            left_out.append(f"{len(completed) - len(kept)} runs that hug the base rate")
        completed = kept
    folds: dict[str, set[int]] = {}
    for planned, run in completed:
        if not planned.cell.is_baseline:
            folds.setdefault(series_key(planned), set()).add(run.config.split.fold)
    broken = {series for series, there in folds.items() if there != set(study.run_folds)}
    if broken:
        left_out.append(f"{len(broken)} seeds of which a fold is missing")
    whole = [(p, r) for p, r in completed if p.cell.is_baseline or series_key(p) not in broken]
    counted, outlying = without_outlying(study, whole)
    return counted, (*left_out, *outlying)


def is_relative(study: StudyConfig) -> bool:
    """Tell whether values are differences from the base rate's: sizes ask different questions."""
    return not outcome_of(study).comparable and any(AXES[axis].relative for axis in study.axes)


def loss_covariance(study: StudyConfig, completed: Completed) -> tuple[SizeCovariance, Floats]:
    """Return the covariance of the sizes' mean losses, whatever the outcome, and the sizes.

    Raises
    ------
    FinscaleError
        If too few runs are finished to judge.
    """
    kept, _ = at_level(study, completed, None)
    table = replicates(daily_values(kept, OUTCOMES["loss"], common=True))
    losses_GST, size_G = values_by_size(table, next(iter(study.axes)))
    nested = redraw_of(study) is not None
    return size_covariance(losses_GST, horizon=longest_horizon(study), nested=nested), size_G


def verdict_at(
    study: StudyConfig,
    completed: Completed,
    size_G: Floats,
    title: str,
    data: DataStore | None = None,
) -> Verdict:
    """Judge the study as :func:`verdict` does, at other numbers for the sizes of its first axis.

    Parameters
    ----------
    size_G : array, ``[G]``
        What each size of the first axis stands for, rising with it.
    title : str
        What that is, in words.

    Raises
    ------
    FinscaleError
        If too few runs are finished to judge.
    """
    return _decided(study, completed, None, data, (size_G, title))


def _decided(
    study: StudyConfig,
    completed: Completed,
    level: int | str | None,
    data: DataStore | None,
    instead: tuple[Floats, str] | None = None,
) -> Verdict:
    measure, axis = measure_of(study), next(iter(study.axes))
    kept, exclusions = at_level(study, completed, level)
    table = replicates(study_values(study, kept, data, common=True))
    values_GST, size_G = values_by_size(table, axis)
    size_G, title = instead or (size_G, AXES[axis].title)
    return decide(
        measure.as_loss(values_GST),
        size_G,
        sesoi=study.sesoi,
        axis=title,
        level=study.level,
        horizon=longest_horizon(study),
        exclusions=exclusions,
        nested=redraw_of(study) is not None,
        labels=table["seed"].unique().sort().to_list(),
        measure=measure,
    )


def _judge(
    study: StudyConfig, completed: Completed, level: int | str | None, data: DataStore | None
) -> Verdict:
    judged = _decided(study, completed, level, data)
    if means := replicates_in_words(study):
        told = judged.sentence.replace("seeds a size", f"{study.replicate_noun} a size")
        judged = replace(judged, sentence=f"{told} {means}")
    beyond = beyond_linear(study, completed, level, data)
    if beyond is None:
        return judged
    said = beyond.sentence(pays=judged.name == "LAW")
    return replace(judged, sentence=f"{judged.sentence} {said}")


def longest_horizon(study: StudyConfig) -> int:
    """Return the longest horizon that a run of the study looks ahead."""
    return max(map(int, study.axes.get("horizon", (study.experiment.task.horizon,))))


def values_by_size(table: pl.DataFrame, axis: str) -> tuple[Floats, Floats]:
    """Return values by size, seed and day, and the sizes as measured, rising; NaN: no such seed."""
    sizes = table.group_by(axis).len().sort(axis)[axis].to_numpy()
    seeds = table["seed"].unique().sort()
    wide = table.pivot(on="day", index=[axis, "seed"], values="value", sort_columns=True)
    values_GST = np.full((len(sizes), len(seeds), wide.width - 2), np.nan)
    for size, seed, *values in wide.iter_rows():
        values_GST[int(np.searchsorted(sizes, size)), int(seeds.index_of(seed) or 0)] = values
    return values_GST, sizes
