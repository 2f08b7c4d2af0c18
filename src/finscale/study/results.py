"""A study's runs as one table: what was run, what it scored, what it cost."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from finscale.config import BaselineConfig, ExperimentConfig, content_hash, format_count
from finscale.config.baselines import LINEAR_BASELINE
from finscale.config.losses import quantile_levels, target_name
from finscale.config.redraws import REDRAWS, Redraw
from finscale.evaluation.blas import one_blas_thread
from finscale.evaluation.targets import score_target
from finscale.files import atomic_path, write_bytes
from finscale.judging.gather import model_name, predictions_of
from finscale.judging.scoring import is_collapsed, skill, test_scores
from finscale.models import ARCHITECTURES
from finscale.runs import Run
from finscale.scaling.digits import signed
from finscale.study.axes import AXES
from finscale.study.beyond import BeyondLinear
from finscale.study.daily import Completed
from finscale.study.planned import Planned, windows_key
from finscale.study.remembered import RememberedScores, score_key
from finscale.study.telling import Tell, silent

#: An architecture (empty where the study has one) and a size of the second axis (None with one).
BeyondKey = tuple[str, int | str | None]
#: Head of the column that has what a size gains on the linear model.
BEYOND = "beyond linear"


def written_results(completed: Completed, folder: Path, tell: Tell = silent) -> pl.DataFrame:
    """Return :func:`results_table` of a study, written to its folder with the scores it took."""
    remembered = RememberedScores(folder / ".scores.json")
    table = results_table(completed, remembered, tell)
    remembered.save()
    write_results(table, folder)
    return table


def results_table(
    completed: Completed, remembered: RememberedScores | None = None, tell: Tell = silent
) -> pl.DataFrame:
    """Return one row per run, baselines first, in the order of the grid.

    Skill is the loss gained over a baseline on the same windows, paired by decision day, with its
    95 % interval: columns ``skill_<baseline>``, ``…_low``, ``…_high``. ``size_<axis>`` is the size
    as the study file names it, ``x_<axis>`` what was measured of the run. Scores that are
    ``remembered`` are not computed again. Where architectures are compared, ``family`` is the
    network's.
    """
    baselines: dict[str, dict[str, Run]] = {}
    for _, run in completed:
        if isinstance(run.config.model, BaselineConfig):
            baselines.setdefault(windows_key(run.config), {})[run.config.model.name] = run
    # all runs answer what the networks were trained for
    network = next((run for planned, run in completed if not planned.cell.is_baseline), None)
    families = any(planned.cell.family for planned, _ in completed)
    several = [one for one in REDRAWS if len({one.number(run.config) for _, run in completed}) > 1]
    with one_blas_thread():
        rows = []
        for number, (planned, run) in enumerate(completed):
            tell("scores of each run", number, len(completed))
            others = baselines.get(windows_key(run.config), {})
            beside = (network or run).config
            scores = _remembered_scores(run, others, beside, remembered)
            place = _place(planned, run, families=families, several=several)
            rows.append({**place, **scores, **_cost(run)})
    return pl.DataFrame(rows, infer_schema_length=None)


def _place(
    planned: Planned, run: Run, *, families: bool, several: Sequence[Redraw]
) -> dict[str, Any]:
    sizes, is_baseline = planned.cell.sizes, planned.cell.is_baseline
    training = None if is_baseline else run.config.training
    counts = ("total", "non_embedding", "input_and_head")
    total, non_embedding, input_and_head = map(run.info["parameters"].get, counts)
    return {
        "run_id": run.id,
        "role": "baseline" if is_baseline else "network",
        "model": model_name(run.config),
        **({"family": planned.cell.family or None} if families else {}),
        "label": planned.cell.label,
        **{f"size_{axis}": size for axis, size in sizes.items()},
        **{f"x_{axis}": AXES[axis].measure(run) for axis in sizes if not is_baseline},
        **{one.noun: one.number(run.config) for one in several},
        "seed": run.config.seed,
        "fold": run.config.split.fold,
        "parameters": total,
        "non_embedding": non_embedding,
        "input_and_head": input_and_head,
        "train_windows": run.info["windows"]["train"],
        "test_windows": run.info["windows"]["test"],
        **{
            name: getattr(training, name, None)
            for name in ("learning_rate", "weight_decay", "batch_size")
        },
    }


def _remembered_scores(
    run: Run,
    baselines: dict[str, Run],
    beside: ExperimentConfig,
    remembered: RememberedScores | None,
) -> dict[str, Any]:
    if remembered is None:
        return _scores(run, baselines, beside)
    key = score_key(run, list(baselines.values()))
    if key is not None:
        # a baseline's scores are those of the networks' target, which its own run does not tell
        key = content_hash([key, target_name(beside), quantile_levels(beside)])
    return remembered.row(key, lambda: _scores(run, baselines, beside))


def _scores(run: Run, baselines: dict[str, Run], beside: ExperimentConfig) -> dict[str, Any]:
    own = predictions_of([run], beside=beside)
    row: dict[str, Any] = {"validation_loss": own.validation_loss}
    metrics = test_scores(own) | {
        f"skill_{name}": skill(own, predictions_of([baseline], beside=beside))
        for name, baseline in baselines.items()
    }
    for name, metric in metrics.items():
        row |= {name: metric.value, f"{name}_low": metric.low, f"{name}_high": metric.high}
    if own.target.is_event:
        row["collapsed"] = is_collapsed(own)
    return row


def _cost(run: Run) -> dict[str, Any]:
    training = run.info["training"]
    return {
        "epochs": training.get("epochs"),
        "best_epoch": training.get("best_epoch"),
        "training_flops": training.get("flops"),
        "seconds": run.info["seconds"],
    }


def write_results(table: pl.DataFrame, folder: Path) -> None:
    """Write ``results.parquet`` and ``tables/results.csv`` atomically."""
    with atomic_path(folder / "results.parquet") as path:
        table.write_parquet(path)
    write_bytes(folder / "tables" / "results.csv", table.write_csv().encode())


def summary(
    table: pl.DataFrame,
    axes: Sequence[str],
    beyond: Mapping[BeyondKey, BeyondLinear | None] | None = None,
    failed: Collection[str] = (),
    *,
    digits: int = 4,
) -> list[dict[str, str]]:
    """Return one printable row per baseline and per size: means over its seeds and folds.

    Of several architectures each has its sizes after one another. ``beyond`` has what the sizes of
    the first axis gain on the linear model, by the architecture (empty where the study has one) and
    the size of the second axis (None with one axis). ``failed`` has the ids of baseline runs that
    lose to the base rate: they are marked, and nothing is claimed over them. Losses and their
    differences have ``digits`` decimals, or more where the target wants more.
    """
    known = {key: one for key, one in (beyond or {}).items() if one is not None}
    sizes = [f"size_{axis}" for axis in axes]
    baselines = table.filter(pl.col("role") == "baseline")
    networks = table.filter(pl.col("role") == "network")
    family = ["family"] * ("family" in table.columns)
    parts = networks.partition_by(family, maintain_order=True) if family else [networks]
    measured = [f"x_{axis}" if f"x_{axis}" in table.columns else "parameters" for axis in axes]
    networks = pl.concat(part.sort(measured) for part in parts) if len(networks) else networks
    of_data = [size for size, axis in zip(sizes, axes, strict=True) if AXES[axis].of_data]
    groups = [
        *baselines.partition_by(["model", *of_data], maintain_order=True),
        *(networks.partition_by(family + sizes, maintain_order=True) if len(networks) else ()),
    ]
    return [_summary_row(group, axes, known, failed, digits) for group in groups]


def _summary_row(
    group: pl.DataFrame,
    axes: Sequence[str],
    beyond: Mapping[BeyondKey, BeyondLinear],
    failed: Collection[str],
    digits: int,
) -> dict[str, str]:
    first = group.row(0, named=True)
    mark = " (failed)" if first["run_id"] in failed else ""
    target = score_target(group.columns)
    in_loss = any(one.measure.title == "loss" for one in beyond.values())
    row = {
        "model": _title(first, axes) + mark,
        "runs": str(len(group)),
        target.words.first: _mean(group[target.first], f".{max(target.digits, digits)}f"),
        "over runs": _range(group[target.first], f".{max(target.range_digits, digits - 1)}f"),
        target.words.second: _mean(group[target.second], ".3f"),
    }
    for name in group.columns:
        if name == f"skill_{LINEAR_BASELINE}" and in_loss:
            continue  # the last column says it, with its interval
        if name.startswith("skill_") and f"{name}_low" in group.columns:
            title = name.removeprefix("skill_").replace("_", " ")
            row[f"vs {title}"] = _mean(group[name].drop_nulls(), f"+.{digits}f")
    if beyond:
        measure = next(iter(beyond.values())).measure
        row[f"{BEYOND} ({measure.unit or measure.title})"] = _beyond(group, axes, beyond)
    if "collapsed" in group.columns:
        row["collapsed"] = str(sum(group["collapsed"]))
    return row


def _beyond(
    group: pl.DataFrame, axes: Sequence[str], beyond: Mapping[BeyondKey, BeyondLinear]
) -> str:
    first = group.row(0, named=True)
    level = first[f"size_{axes[1]}"] if len(axes) > 1 else None
    one = beyond.get((first.get("family") or "", level))
    if first["role"] == "baseline" or one is None:
        return "–"
    gain = one.at(sum(group[f"x_{axes[0]}"]) / len(group))
    if one.failed:
        return "failed"
    return "–" if gain is None else signed(gain, one.measure.digits)


def _title(row: dict[str, Any], axes: Sequence[str]) -> str:
    """Return a row's name: its sizes in words, or the baseline and what it was fitted to."""
    of_data = [
        AXES[axis].words(row[f"size_{axis}"])
        for axis in axes
        if AXES[axis].of_data and row.get(f"size_{axis}") is not None
    ]
    if row["role"] == "baseline":
        return " · ".join([row["model"], *of_data])
    scaled = [axis for axis in axes if not AXES[axis].of_data]
    compute = [f"{format_count(row['size_compute'])}FLOP"] if "compute" in scaled else []
    count = [f"{ARCHITECTURES[row['model']].title} {row['parameters']:,}"] if scaled else []
    # of two architectures of one kind the title says too little
    family = row.get("family")
    own = [family] if family and (not scaled or family != row["model"]) else []
    return " · ".join([*compute, *own, *count, *of_data])


def _mean(values: pl.Series, form: str) -> str:
    if values.is_empty() or not values.is_finite().all():
        return "–"  # a constant ranks nothing
    return f"{sum(values) / len(values):{form}}".replace("0.", ".", 1)


def _range(values: pl.Series, form: str) -> str:
    """Return the least and the largest of several runs."""
    if len(values) == 1:
        return "–"
    return "–".join(f"{end:{form}}".replace("0.", ".", 1) for end in (min(values), max(values)))
