"""Windows of a dataset: one contiguous tensor, gathered on its device by decision row.

All symbols' rows lie below one another in one float32 tensor. A window is the L rows that end at
its decision row; it is never cut through a frame and never crosses from one symbol to the next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from finscale.config import ExperimentConfig, SplitConfig, TaskConfig
from finscale.config.data import InputsName
from finscale.data.controls import controlled_label
from finscale.data.frames import (
    KEYS,
    channels,
    polars_frame,
    prepared,
    relative_names,
    stacked_array,
)
from finscale.data.gather import gather_windows
from finscale.data.manifest import ManifestEntry
from finscale.data.mapped import map_rows, rows_file, too_large, write_rows
from finscale.data.registered import registered_entries
from finscale.data.splits import Split, WindowTimes, make_splits
from finscale.data.spread import channel_deviations, rows_seen
from finscale.data.store import DataStore
from finscale.data.targets import Labels
from finscale.errors import DataError

#: What a mapped dataset keeps in memory, beside dates and symbols.
BARS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, eq=False)
class FinancialDataset:
    """Rows, labels and windows of some symbols at one tier and timescale.

    Make one with :meth:`from_config` or :meth:`from_frames`.
    """

    frame: pl.DataFrame
    """All rows of all symbols, stacked: date, symbol, adjusted OHLCV and features, unscaled. Of a
    mapped dataset: without the features."""
    features: tuple[str, ...]
    """The F channels of a window."""
    rows_RF: Tensor
    """float32: the channels of every row, divided by ``scale_F``; undivided where mapped."""
    target_R: Tensor
    """float32: the label of every row, NaN where it has none."""
    reach_R: NDArray[np.int64]
    """Row of the last bar that the row's label counts."""
    date_R: NDArray[np.datetime64]
    """Session dates."""
    symbol_R: NDArray[np.int64]
    """Position in ``symbols``."""
    symbols: tuple[str, ...]
    """In the order in which their rows are stacked."""
    ends_W: NDArray[np.int64]
    """Decision row of every window that exists: full context, a label, one symbol."""
    context_length: int
    """L, rows in a window."""
    task: TaskConfig
    """The question that the labels answer."""
    timeline: str
    """The question in words."""
    scale_F: NDArray[np.float64]
    """What each channel has been divided by."""
    entries: tuple[ManifestEntry, ...] = ()
    """The registered datasets behind the rows, digests verified; empty for frames from memory."""
    relative: tuple[str, ...] = ()
    """The K relative columns, which a linear path and the linear baselines read."""
    relative_RK: Tensor = field(default_factory=lambda: torch.empty(0, 0))
    """float32: the relative columns of every row, as they are."""
    mapped: bool = False
    """Whether ``rows_RF`` is a read-only file: windows are then divided when they are gathered."""

    @classmethod
    def from_frames(
        cls,
        frames: Sequence[pl.DataFrame],
        *,
        context_length: int,
        task: TaskConfig,
        features: Sequence[str] | None = None,
        inputs: InputsName = "level",
        entries: Sequence[ManifestEntry] = (),
    ) -> FinancialDataset:
        """Stack frames of one symbol each.

        Parameters
        ----------
        frames : sequence of pl.DataFrame
            Each with date, symbol, adjusted OHLCV and feature columns, sorted by date. Leading rows
            on which a feature is still NaN are its warm-up and are left out.
        context_length : int
            L, rows in a window.
        task : TaskConfig
            The label.
        features : sequence of str, optional
            Channels to use; those that ``inputs`` names when absent.
        inputs : {"level", "relative", "both"}
            Bars and features as they are, the relative columns (``rel_*``), or both.
        entries : sequence of ManifestEntry
            The registered datasets that the frames were read from.

        Raises
        ------
        DataError
            For unknown columns, unsorted or repeated dates, NaN after the warm-up, infinite values,
            a series too short for one window, or a symbol given twice. Each names the place.
        """
        names = channels(frames, features, inputs)
        relative = relative_names(frames[0].columns)
        needed = tuple(dict.fromkeys((*names, *relative)))
        parts = [prepared(frame, needed, context_length, task) for frame in frames]
        labels = [controlled_label(part, task) for part in parts]
        rows_RF, relative_RK = (
            torch.from_numpy(stacked_array(parts, part)) for part in (names, relative)
        )
        stacked = _stacked(parts, labels, rows_RF, names, context_length, task, entries)
        return replace(stacked, relative=relative, relative_RK=relative_RK)

    @classmethod
    def from_pandas(
        cls, frames: Any, *, symbol: str | None = None, **options: Any
    ) -> FinancialDataset:
        """Do what :meth:`from_frames` does with one pandas frame, or one a symbol.

        Dates may be the index, names of bars have any case; ``symbol`` names it where no column
        does. ``options`` are those of ``from_frames``: context_length, task, features, inputs.
        """
        several = frames if isinstance(frames, list | tuple) else [frames]
        if isinstance(options.get("task"), str):
            options["task"] = TaskConfig(name=options["task"])
        return cls.from_frames([polars_frame(one, symbol) for one in several], **options)

    @classmethod
    def memory_mapped(
        cls,
        frames: Iterable[pl.DataFrame],
        path: Path,
        *,
        context_length: int,
        task: TaskConfig,
        features: Sequence[str] | None = None,
        inputs: InputsName = "level",
        entries: Sequence[ManifestEntry] = (),
    ) -> FinancialDataset:
        """Do what :meth:`from_frames` does with one frame in memory at a time.

        The windows are the same bits. What stays in memory is the bars of ``frame``, labels and
        dates; the channels lie in ``path``, a file of ``4 · R · F`` bytes, and the relative columns
        in one beside it. One that exists is taken to hold them; one that cannot be written is a
        FinscaleError. Each frame is let go before the next is asked for.
        """
        parts: list[pl.DataFrame] = []
        labels: list[Labels] = []
        names: tuple[str, ...] = ()
        relative: tuple[str, ...] = ()

        def arrays() -> Iterator[Sequence[NDArray[np.float32]]]:
            nonlocal names, relative
            for frame in frames:
                names = channels([frame], names or features, inputs)
                relative = channels([frame], relative or relative_names(frame.columns))
                needed = tuple(dict.fromkeys((*names, *relative)))
                part = prepared(frame, needed, context_length, task)
                labels.append(controlled_label(part, task))
                parts.append(part.select(*KEYS, *(name for name in BARS if name in part.columns)))
                yield [stacked_array([part], columns) for columns in (names, relative)]

        paths = (path, path.with_suffix(f".relative{path.suffix}"))
        write_rows(paths, arrays())
        if not parts:
            channels([], features)
        num_rows = sum(part.height for part in parts)
        rows_RF, relative_RK = (
            map_rows(one, num_rows, len(columns))
            for one, columns in zip(paths, (names, relative), strict=True)
        )
        dataset = _stacked(parts, labels, rows_RF, names, context_length, task, entries)
        return replace(dataset, relative=relative, relative_RK=relative_RK, mapped=True)

    @classmethod
    def from_config(cls, config: ExperimentConfig, store: DataStore) -> FinancialDataset:
        """Read the registered datasets that a config names, their digests verified.

        Raises
        ------
        DataError
            If a dataset is not registered (the hint builds it) or its file has changed.
        """
        data = config.data
        entries = registered_entries(config, store)
        frames = (store.frame(entry.id, entry.version)[0] for entry in entries)
        about: Any = {
            "context_length": data.context_length,
            "task": config.task,
            "inputs": data.inputs,
        }
        memory_map = data.memory_map
        if memory_map == "auto":
            file = store.processed.folder / entries[0].path
            # a file that is missing is reported where it is read
            num_columns = 0
            if file.exists():
                num_columns = len(pl.scan_parquet(file, glob=False).collect_schema())
            memory_map = too_large(num_columns * sum(entry.rows for entry in entries))
        if memory_map:
            path = rows_file(store.processed.folder, entries, data.inputs)
            return cls.memory_mapped(frames, path, entries=entries, **about)
        return cls.from_frames(list(frames), entries=entries, **about)

    @property
    def num_features(self) -> int:
        """F, the channels of a window."""
        return len(self.features)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that a model may read: channels, then the linear path's."""
        return tuple(dict.fromkeys((*self.features, *self.relative)))

    @property
    def device(self) -> torch.device:
        """Where windows and targets are made; mapped rows stay where they are."""
        return self.target_R.device

    @cached_property
    def window_times(self) -> WindowTimes:
        """Where every window lies among the sessions, sorted by (date, symbol)."""
        sessions, session_R = np.unique(self.date_R, return_inverse=True)
        ends_W = self.ends_W[np.lexsort((self.symbol_R[self.ends_W], session_R[self.ends_W]))]
        return WindowTimes(
            sessions=sessions,
            ends_W=ends_W,
            first_W=session_R[ends_W - (self.context_length - 1)],
            decision_W=session_R[ends_W],
            reach_W=session_R[self.reach_R[ends_W]],
        )

    def splits(self, config: SplitConfig) -> list[Split]:
        """Return every fold of a split; see ``finscale.data.splits.make_splits``."""
        return make_splits(config, self.window_times)

    def split(self, config: SplitConfig) -> Split:
        """Return the fold that the config names."""
        return self.splits(config)[config.fold]

    def scaled(self, train_ends: NDArray[np.int64]) -> FinancialDataset:
        """Divide each channel by its standard deviation over the rows that train windows see.

        ``train_ends`` are their decision rows; no other row enters the scale. The level is kept (no
        centring): RevIN centres each window itself, and a window's relative spread must survive. A
        channel that is constant on those rows keeps its values.
        """
        seen_R = rows_seen(train_ends, self.context_length, self.date_R.size)
        scale_F = channel_deviations(self.rows_RF, seen_R)
        if self.mapped:
            return replace(self, scale_F=scale_F)
        scale = torch.from_numpy(scale_F.astype(np.float32)).to(self.device)
        return replace(self, rows_RF=self.rows_RF / scale, scale_F=self.scale_F * scale_F)

    @cached_property
    def _divisor_F(self) -> Tensor | None:
        """What gathered windows are still to be divided by."""
        if not self.mapped or (self.scale_F == 1).all():
            return None
        return torch.from_numpy(self.scale_F.astype(np.float32)).to(self.device)

    def batch(self, ends_B: Tensor, out: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Gather windows and their targets on the dataset's device.

        Parameters
        ----------
        ends_B : Tensor of int64, shape [B]
            Decision rows, taken from ``ends_W``, on the dataset's device.
        out : Tensor of float32, shape [B or more, L, F], optional
            Buffer for the windows, reused from batch to batch.
        """
        rows = ends_B.to(self.rows_RF.device)
        x_BLF = gather_windows(self.rows_RF, rows, self.context_length, out).to(self.device)
        if self._divisor_F is not None:
            x_BLF /= self._divisor_F
        return x_BLF, self.target_R.index_select(0, ends_B)

    def last_rows(self, ends_B: Tensor) -> Tensor:
        """Return the relative columns of decision rows, ``[B, K]``, on the dataset's device."""
        rows = ends_B.to(self.relative_RK.device)
        return self.relative_RK.index_select(0, rows).to(self.device)

    def buffer(self, num_windows: int) -> Tensor | None:
        """Return memory for the ``out`` of :meth:`batch`: windows written over, batch after batch.

        On the CPU large batches are eight times slower without one, since the allocator gives their
        pages back each time. Elsewhere the allocator keeps them, and there is None.
        """
        if self.rows_RF.device.type != "cpu":
            return None
        return torch.empty(num_windows, self.context_length, self.num_features)

    def to(self, device: torch.device | str) -> FinancialDataset:
        """Return the dataset with rows and targets on ``device``; mapped rows stay on disk."""
        rows_RF, relative_RK = self.rows_RF, self.relative_RK
        if not self.mapped:
            rows_RF, relative_RK = rows_RF.to(device), relative_RK.to(device)
        target_R = self.target_R.to(device)
        return replace(self, rows_RF=rows_RF, relative_RK=relative_RK, target_R=target_R)

    def targets(self, ends: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the labels of windows."""
        target_R: NDArray[np.float32] = self.target_R.cpu().numpy()
        return target_R[ends]

    def dates(self, ends: NDArray[np.int64]) -> NDArray[np.datetime64]:
        """Return the decision dates of windows."""
        return self.date_R[ends]

    def symbol_names(self, ends: NDArray[np.int64]) -> NDArray[np.str_]:
        """Return the symbols of windows."""
        return np.array(self.symbols)[self.symbol_R[ends]]

    def base_rate(self, ends: NDArray[np.int64]) -> float:
        """Return the mean label of windows: the share of yes."""
        return float(self.targets(ends).mean(dtype=np.float64))

    def as_torch(self, ends: NDArray[np.int64]) -> WindowDataset:
        """Return a map-style torch dataset of the windows that end at ``ends``."""
        return WindowDataset(self, ends)


@dataclass(frozen=True, eq=False)
class WindowDataset(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """Map-style view of a dataset's windows, for a ``DataLoader``: item i is (x_LF, y)."""

    dataset: FinancialDataset
    ends: NDArray[np.int64]
    """Decision rows; window i ends at ``ends[i]``."""

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        end = int(self.ends[index])
        x_LF = self.dataset.rows_RF[end - self.dataset.context_length + 1 : end + 1]
        if self.dataset._divisor_F is not None:
            x_LF = x_LF / self.dataset._divisor_F
        return x_LF, self.dataset.target_R[end]


def _stacked(
    parts: Sequence[pl.DataFrame],
    labels: Sequence[Labels],
    rows_RF: Tensor,
    names: tuple[str, ...],
    context_length: int,
    task: TaskConfig,
    entries: Sequence[ManifestEntry],
) -> FinancialDataset:
    """Return the dataset of symbols whose prepared frames and labels follow one another."""
    symbols = tuple(str(part["symbol"][0]) for part in parts)
    repeated = [symbol for symbol, count in Counter(symbols).items() if count > 1]
    if repeated:
        raise DataError(f"{repeated[0]} is given twice.", hint="stack each symbol once")
    heights = np.array([part.height for part in parts])
    symbol_R = np.repeat(np.arange(len(parts), dtype=np.int64), heights)
    first_R = (np.cumsum(heights) - heights)[symbol_R]  # first row of the row's symbol
    target_R = np.concatenate([part.target_R for part in labels])
    frame = pl.concat(parts, how="vertical", rechunk=False)
    age_R = np.arange(symbol_R.size) - first_R
    return FinancialDataset(
        frame=frame,
        features=names,
        rows_RF=rows_RF,
        target_R=torch.from_numpy(target_R),
        reach_R=np.concatenate([part.reach_R for part in labels]) + first_R,
        date_R=frame["date"].to_numpy().astype("datetime64[D]"),
        symbol_R=symbol_R,
        symbols=symbols,
        ends_W=np.flatnonzero((age_R >= context_length - 1) & np.isfinite(target_R)),
        context_length=context_length,
        task=task,
        timeline=labels[0].timeline,
        scale_F=np.ones(len(names)),
        entries=tuple(entries),
    )
