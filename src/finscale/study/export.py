"""A study's numbers as tidy tables for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from finscale.files import atomic_path
from finscale.study.daily import daily_losses, study_values
from finscale.study.results import results_table
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
    completed, outcome = study.completed(), study.config.outcome
    tables = {"runs": results_table(completed), "daily_losses": daily_losses(completed)}
    if outcome != "loss":
        tables[f"daily_{outcome}"] = study_values(study.config, completed, study.data)
    files = []
    for name, table in tables.items():
        files.append(folder / f"{study.config.name}_{name}.{format}")
        with atomic_path(files[-1]) as path:
            getattr(table, f"write_{format}")(path)
    return files
