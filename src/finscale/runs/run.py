"""One finished run: its files, its facts and what it predicted."""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finscale.config import ExperimentConfig
from finscale.config.recorded import read_recorded
from finscale.errors import ConfigError, FinscaleError, FinscaleWarning
from finscale.files import read_json
from finscale.runs.reads import SealedReading, note_reading, readings
from finscale.runs.remote import remote_of

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Run:
    """One finished run: a training, or a baseline's fit.

    Parameters
    ----------
    folder : Path
        ``runs/<run-id>``; of a run that lies at an address, its place in the mirror.
    """

    folder: Path

    @property
    def id(self) -> str:
        """The run's identity: 16 hex digits."""
        return self.folder.name

    @property
    def place(self) -> str:
        """Where the run lies, as people are told: its folder or its address."""
        remote = remote_of(self.folder.parent)
        return remote.path(self.id) if remote else str(self.folder)

    def path(self, name: str) -> Path:
        """Return a file of the run; one that lies at an address is fetched the first time.

        Raises
        ------
        FinscaleError
            If it cannot be fetched, or is not what was written.
        """
        path = self.folder / name
        if not path.is_file():
            remote = remote_of(self.folder.parent)
            if remote is not None:
                remote.fetch(self.id, name)
        return path

    @functools.cached_property
    def info(self) -> dict[str, Any]:
        """The content of ``run.json``."""
        content: dict[str, Any] = read_json(self.path("run.json"))
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

        path = self.path(name)
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
