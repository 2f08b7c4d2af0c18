"""A study's numbers as tidy tables for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl

from finscale.files import atomic_path

if TYPE_CHECKING:
    from finscale.study.study import Study


def export_study(study: Study, folder: Path, *, format: Literal["csv", "parquet"]) -> list[Path]:
    """Write one row per run, and one row per size, seed and test day.

    Parameters
    ----------
    study : Study
        With finished runs.
    folder : Path
        Where ``<name>_runs`` and ``<name>_daily_losses`` go; of a study about something else than
        loss, ``<name>_daily_<outcome>`` too: its mean over days is the outcome.
    format : {"csv", "parquet"}
        Of both files.

    Returns
    -------
    list of Path
        The files, runs first.
    """
    from finscale.study.analysis import daily_losses, daily_values
    from finscale.study.outcomes import costs_of, outcome_of
    from finscale.study.results import results_table

    completed = study.completed()
    tables = {"runs": results_table(completed), "daily_losses": daily_losses(completed)}
    outcome = outcome_of(study.config)
    if outcome.name != "loss":
        tables[f"daily_{outcome.name}"] = daily_values(
            completed, outcome, costs=costs_of(study.config), data=study.data
        )
    return [
        _write(table, folder / f"{study.config.name}_{name}.{format}", format)
        for name, table in tables.items()
    ]


def _write(table: pl.DataFrame, target: Path, format: str) -> Path:
    with atomic_path(target) as path:
        if format == "csv":
            table.write_csv(path)
        else:
            table.write_parquet(path)
    return target
