"""The runs on disk: find them, read them, list them."""

from __future__ import annotations

import functools
import shutil
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finscale.config import ExperimentConfig
from finscale.config.recorded import read_recorded
from finscale.errors import ConfigError, FinscaleError, FinscaleWarning, nearest
from finscale.files import file_digests, read_json
from finscale.runs.identity import ID_LENGTH
from finscale.runs.reads import SealedReading, note_reading, readings

if TYPE_CHECKING:
    import polars as pl

#: What a complete run folder holds at least; a trained network adds its metrics and weights.
RUN_FILES = ("run.json", "predictions.parquet")


@dataclass(frozen=True)
class Run:
    """One finished run: a training, or a baseline's fit.

    Parameters
    ----------
    folder : Path
        ``runs/<run-id>``.
    """

    folder: Path

    @property
    def id(self) -> str:
        """The run's identity: 16 hex digits."""
        return self.folder.name

    @functools.cached_property
    def info(self) -> dict[str, Any]:
        """The content of ``run.json``."""
        content: dict[str, Any] = read_json(self.folder / "run.json")
        return content

    @functools.cached_property
    def config(self) -> ExperimentConfig:
        """The resolved config; what earlier versions recorded is read as far as it is known."""
        return read_recorded(self.info["config"], place=str(self.folder / "run.json"))

    @property
    def is_known(self) -> bool:
        """Whether its config can be read here: a plugin that its model needs may not be loaded."""
        try:
            return bool(self.config)
        except ConfigError as error:
            warnings.warn(
                f"run {self.id} is left out: {error.message}", FinscaleWarning, stacklevel=2
            )
            return False

    def metrics(self) -> pl.DataFrame:
        """Return one row per epoch."""
        return self._table("metrics.parquet")

    def predictions(self, split: str | None = None) -> pl.DataFrame:
        """Return date, symbol, fold, split, target and logit of each held-out window.

        Where test windows are among them, the reading is recorded; see ``runs.reads``.

        Parameters
        ----------
        split : {"validation", "test"}, optional
            Read one part alone.
        """
        if split != "validation":
            note_reading(self.folder.parent, self.id)
        return self._table("predictions.parquet", split)

    def decisions(self, split: str) -> pl.DataFrame:
        """Return date, symbol and fold of each window of a part, without label and prediction.

        That tells what was scored and nothing of how it came out: it is no reading.
        """
        return self._table("predictions.parquet", split, ("date", "symbol", "fold"))

    def test_readings(self) -> list[SealedReading]:
        """Return who has read the test part, as far as that is on record."""
        return readings(self.folder.parent, self.id)

    def _table(
        self, name: str, split: str | None = None, columns: tuple[str, ...] = ()
    ) -> pl.DataFrame:
        import polars as pl

        path = self.folder / name
        try:
            stat = path.stat()
            # frames do not change, and a file made anew is another file
            stamp = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            return _read(path, stamp, split, columns)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise FinscaleError(
                f"{self.folder / name} cannot be read ({type(error).__name__}).",
                hint=f"remove {self.folder} and run again: the same bits come back",
            ) from None


@functools.lru_cache(maxsize=32)
def _read(
    path: Path, stamp: tuple[int, ...], split: str | None, columns: tuple[str, ...]
) -> pl.DataFrame:
    """Read a table; a run's are asked for by each of its scores, a baseline's by every run."""
    import polars as pl

    table = pl.scan_parquet(path, glob=False)
    if split is not None:
        table = table.filter(pl.col("split") == split)
    return (table.select(columns) if columns else table).collect()


class RunStore:
    """The folder that holds all runs, each whole or absent.

    Parameters
    ----------
    folder : path, default ``"runs"``
        Created when the first run is written.
    """

    def __init__(self, folder: Path | str = "runs") -> None:
        self.folder = Path(folder)

    def __contains__(self, run_id: str) -> bool:
        """Tell whether the run is there with all its files; :meth:`is_whole` reads them too."""
        return all((self.folder / run_id / name).is_file() for name in RUN_FILES)

    def is_whole(self, run_id: str) -> bool:
        """Tell whether every file of the run is what was written when the run was finished.

        ``run.json``, which is written last, holds the digests of the others.
        """
        if run_id not in self:
            return False
        folder = self.folder / run_id
        try:
            written = read_json(folder / "run.json").get("files", {})
        except FinscaleError:
            return False
        return all(
            (folder / name).is_file()
            and (folder / name).stat().st_size == file["bytes"]
            and file_digests(folder / name).sha256 == file["sha256"]
            for name, file in written.items()
        )

    def looks_whole(self, run_id: str) -> bool:
        """Tell whether every file of the run is there with as many bytes as were written.

        That takes a moment where :meth:`is_whole` reads every byte.
        """
        if run_id not in self:
            return False
        folder = self.folder / run_id
        try:
            written = read_json(folder / "run.json").get("files", {})
            return all(
                (folder / name).stat().st_size == file["bytes"] for name, file in written.items()
            )
        except (FinscaleError, OSError):
            return False

    def discard(self, run_id: str) -> None:
        """Remove what is left of a damaged run, so that it can be computed again."""
        shutil.rmtree(self.folder / run_id, ignore_errors=True)

    def __iter__(self) -> Iterator[Run]:
        """Yield every whole run, ordered by id."""
        for run_id in self.ids():
            yield Run(self.folder / run_id)

    def __getitem__(self, run_id: str) -> Run:
        if run_id not in self:
            raise FinscaleError(
                f"run {run_id} is not in {self.folder}.", hint="see `finscale runs list`"
            )
        return Run(self.folder / run_id)

    def ids(self) -> list[str]:
        """Return the ids of all whole runs."""
        if not self.folder.is_dir():
            return []
        names = (entry.name for entry in self.folder.iterdir())
        return sorted(name for name in names if len(name) == ID_LENGTH and name in self)

    def find(self, prefix: str) -> Run:
        """Return the one run whose id starts with ``prefix``; a run folder's path will do too.

        Raises
        ------
        FinscaleError
            If none or several runs fit.
        """
        return self.find_all([prefix])[0]

    def find_all(self, prefixes: Iterable[str]) -> list[Run]:
        """Do what :meth:`find` does for many prefixes, reading the folder once."""
        ids = self.ids()
        return [self._found(Path(prefix).name, ids) for prefix in prefixes]

    def _found(self, prefix: str, ids: Sequence[str]) -> Run:
        matches = [run_id for run_id in ids if run_id.startswith(prefix)]
        if len(matches) == 1:
            return Run(self.folder / matches[0])
        if matches:
            raise FinscaleError(
                f"{len(matches)} runs in {self.folder} start with {prefix!r}.",
                hint="give more digits: " + ", ".join(matches[:4]),
            )
        raise FinscaleError(
            f"no run in {self.folder} starts with {prefix!r}.", hint=_other_than_a_run(prefix, ids)
        )


def _other_than_a_run(name: str, ids: Sequence[str]) -> str:
    """Return what was meant instead of a run's id: a study, a file, or the nearest id."""
    if (Path("studies") / name / "study.yaml").is_file():
        return (
            f"{name} is a study: finscale runs list --study {name} lists its runs, finscale study "
            f"report {name} makes its report"
        )
    if name.endswith((".yaml", ".yml")):
        return (
            "a run is named by the first digits of its id, as `finscale runs list` shows them; "
            f"{name} looks like a file of settings"
        )
    match = nearest(name, {one[: len(name)] for one in ids})
    return (
        f"Did you mean {match}? See `finscale runs list`" if match else "see `finscale runs list`"
    )
