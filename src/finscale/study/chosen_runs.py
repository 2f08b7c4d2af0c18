"""The runs of one size of a study, from its table of results: what is averaged into a forecast.

The table is read and nothing is planned: bars that have come since would make other datasets, and
with them other runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from finscale.config import format_count
from finscale.config.loading import read_yaml
from finscale.config.quantities import parse_count
from finscale.errors import ConfigError, FinscaleError, did_you_mean
from finscale.runs import Run, RunStore

_SIZE = "size_"


def study_names(studies: Path) -> list[str]:
    """Return the studies of a folder."""
    return sorted(path.parent.name for path in studies.glob("*/registration.json"))


def study_folder(name: str, studies: Path) -> Path | None:
    """Return the folder of a study that is named, or whose folder or file is; None where none is.

    A study's file names it: ``configs/studies/x.yaml`` is the study of the name in it.
    """
    for folder in (Path(name), studies / name):
        if (folder / "registration.json").is_file():
            return folder
    path = Path(name)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        content = read_yaml(path)
        if "axes" in content or "experiment" in content:
            return studies / str(content.get("name"))
    return None


def runs_at_size(
    folder: Path,
    runs: RunStore,
    *,
    sizes: Sequence[str] = (),
    architecture: str = "",
    every_fold: bool = False,
) -> list[Run]:
    """Return a study's networks of one size: all seeds of its latest fold.

    Parameters
    ----------
    folder : Path
        ``studies/<name>``.
    runs : RunStore
        Where its runs lie.
    sizes : sequence of str
        One for each axis that has several: ``2M``, ``a50``.
    architecture : str
        One of those that the study compares.
    every_fold : bool
        All seeds of all folds.

    Raises
    ------
    FinscaleError
        If no run of the study is finished, or a run is not in the store any more.
    ConfigError
        If a size or an architecture is not the study's, or is left open.
    """
    path = folder / "results.parquet"
    if not path.is_file():
        file = folder.name if folder.is_dir() else "FILE"
        raise FinscaleError(
            f"study {folder.name} has no table of its runs yet: {path} is not there.",
            hint=f"finscale study run {file} computes what is missing and writes it",
        )
    table = pl.read_parquet(path, glob=False).filter(pl.col("role") == "network")
    table = _of_architecture(table, architecture, folder.name)
    for axis in (name for name in table.columns if name.startswith(_SIZE)):
        table = _of_size(table, axis, sizes, folder.name)
    for size in sizes:
        if not any(_is(value, size) for value in _sizes(table)):
            known = {_shown(v) for v in _sizes(pl.read_parquet(path, glob=False))}
            raise ConfigError(
                f"{size} is no size of {folder.name}.", hint=did_you_mean(size, known)
            )
    if not every_fold:
        table = table.filter(pl.col("fold") == pl.col("fold").max())
    return [runs[run_id] for run_id in table.sort("fold", "seed")["run_id"]]


def _of_architecture(table: pl.DataFrame, wanted: str, study: str) -> pl.DataFrame:
    column = "family" if "family" in table.columns else "model"
    known = table[column].unique(maintain_order=True).to_list()
    if wanted and wanted not in known:
        raise ConfigError(
            f"{study} has no architecture {wanted}.", hint=did_you_mean(wanted, known)
        )
    if not wanted and len(known) > 1:
        raise ConfigError(
            f"{study} compares {len(known)} architectures.",
            hint=f"--architecture is one of {', '.join(known)}",
        )
    return table.filter(pl.col(column) == (wanted or known[0])) if known else table


def _of_size(table: pl.DataFrame, axis: str, sizes: Sequence[str], study: str) -> pl.DataFrame:
    known = table[axis].unique(maintain_order=True).drop_nulls().to_list()
    wanted = [value for value in known if any(_is(value, size) for size in sizes)]
    if len(wanted) == 1:
        return table.filter(pl.col(axis) == wanted[0])
    if len(known) == 1:
        return table
    named = axis.removeprefix(_SIZE)
    unknown = [size for size in sizes if not any(_is(v, size) for v in _sizes(table))]
    if unknown:
        raise ConfigError(
            f"{unknown[0]} is no size of {study}.",
            hint=did_you_mean(unknown[0], [_shown(v) for v in known]),
        )
    raise ConfigError(
        f"{study} has {len(known)} sizes of {named}.",
        hint=f"--size says which: {', '.join(map(_shown, known))}",
    )


def _sizes(table: pl.DataFrame) -> Iterable[Any]:
    for name in table.columns:
        if name.startswith(_SIZE):
            yield from table[name].drop_nulls().unique(maintain_order=True)


def _is(value: Any, text: str) -> bool:
    if str(value) == text:
        return True
    try:
        return bool(isinstance(value, int | float) and value == parse_count(text))
    except ValueError:
        return False


def _shown(value: Any) -> str:
    return format_count(value) if isinstance(value, int | float) and value >= 1000 else str(value)
