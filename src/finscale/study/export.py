"""A study's numbers as tidy tables for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl

from finscale.files import atomic_path

if TYPE_CHECKING:
    from finscale.study.study import Study


def export_study(study: Study, folder: Path, *, format: Literal["csv", "parquet"]) -> list[Path]:
    """Write one row per run, and one row per run and test day.

    Parameters
    ----------
    study : Study
        With finished runs.
    folder : Path
        Where ``<name>_runs`` and ``<name>_daily_losses`` go.
    format : {"csv", "parquet"}
        Of both files.

    Returns
    -------
    list of Path
        The files, runs first.
    """
    from finscale.study.analysis import daily_losses
    from finscale.study.results import results_table

    completed = study.completed()
    tables = {"runs": results_table(completed), "daily_losses": daily_losses(completed)}
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
