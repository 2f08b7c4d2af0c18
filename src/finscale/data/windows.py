"""Windows of a dataset: one contiguous tensor, gathered on its device by decision row.

All symbols' rows lie below one another in one float32 tensor. A window is the L rows that end at
its decision row; it is never cut through a frame and never crosses from one symbol to the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from finscale.calling import spoken, whole
from finscale.config import ExperimentConfig, SplitConfig, TaskConfig
from finscale.config.data import CrossSectionName, InputsName
from finscale.data.asked import (
    FRAMES_CALL,
    PANDAS_CALL,
    asked_task,
    check_columns,
    polars_frames,
)
from finscale.data.frames import (
    bars_of,
    channels,
    prepared,
    relative_names,
    stacked_array,
)
from finscale.data.gather import gather_windows
from finscale.data.manifest import ManifestEntry
from finscale.data.mapped import is_mapped, map_rows, rows_file, write_rows
from finscale.data.membership import universe_of, with_members
from finscale.data.panel_labels import stacked_labels
from finscale.data.registered import registered_entries, registered_frames
from finscale.data.section_features import across, with_section
from finscale.data.splits import Split, WindowTimes, make_splits
from finscale.data.spread import channel_deviations, rows_seen
from finscale.data.stacked import stack
from finscale.data.store import DataStore
from finscale.data.torch_view import WindowDataset, windows_at
from finscale.data.train_part import parts_asked_for


@dataclass(frozen=True, eq=False)
class FinancialDataset:
    """Rows, labels and windows of some symbols at one tier and timescale.

    Make one with :meth:`from_config` or :meth:`from_frames`.
    """

    frame: pl.DataFrame
    """All rows of all symbols, stacked: date, symbol, adjusted bars and features, unscaled; of a
    universe also the Boolean ``member``. Of a mapped dataset: without the features."""
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
    """Decision row of every window that exists: full context, a label, one symbol, a member."""
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
    groups: tuple[str, ...] | None = None
    """Each symbol's group, such as its sector; None where nobody says."""
    membership: str = ""
    """The universe and what is known of members that failed, in words; empty without one."""
    relative: tuple[str, ...] = ()
    """The K relative columns, which a linear path and the linear baselines read."""
    relative_RK: Tensor = field(default_factory=lambda: torch.empty(0, 0))
    """float32: the relative columns of every row, as they are."""
    cross_section: CrossSectionName = "none"
    """What the relative columns tell of the day's other symbols."""
    mapped: bool = False
    """Whether ``rows_RF`` is a read-only file: windows are then divided when they are gathered."""

    @classmethod
    @spoken(FRAMES_CALL)
    def from_frames(
        cls,
        frames: Sequence[pl.DataFrame],
        *,
        context_length: int,
        task: TaskConfig,
        features: Sequence[str] | None = None,
        inputs: InputsName = "level",
        cross_section: CrossSectionName = "none",
        entries: Sequence[ManifestEntry] = (),
        groups: Mapping[str, str] | None = None,
    ) -> FinancialDataset:
        """Stack frames of one symbol each.

        Parameters
        ----------
        frames : sequence of pl.DataFrame
            Each with date, symbol, adjusted OHLCV and feature columns, sorted by date. Leading rows
            on which a feature is still NaN are its warm-up and are left out. A Boolean column
            ``member`` says on which days the symbol belongs to the universe: windows end there
            alone, and may look back beyond.
        context_length : int
            L, rows in a window.
        task : TaskConfig
            The label.
        features : sequence of str, optional
            Channels to use; those that ``inputs`` names when absent.
        inputs : {"level", "relative", "both"}
            Bars and features as they are, the relative columns (``rel_*``), or both.
        cross_section : {"none", "ranks", "market", "both"}
            What relative columns tell of the day's other symbols; see ``data.section_features``.
        entries : sequence of ManifestEntry
            The registered datasets that the frames were read from.
        groups : mapping of str to str, optional
            Symbol → its group.

        Raises
        ------
        DataError
            For unknown columns, unsorted or repeated dates, NaN after the warm-up, infinite values,
            a series too short for one window, or a symbol given twice. Each names the place.
        """
        context_length, task = whole("context_length", context_length), asked_task(task)
        check_columns(features, inputs)
        names = channels(frames, features, inputs)
        relative = relative_names(frames[0].columns)
        needed = tuple(dict.fromkeys((*names, *relative)))
        parts = [prepared(frame, needed, context_length, task) for frame in frames]
        labels = stacked_labels(parts, task, groups)
        parts = with_section(parts, needed, cross_section, groups)
        names, relative = (across(n, cross_section, parts[0]) for n in (names, relative))
        rows_RF, relative_RK = (
            torch.from_numpy(stacked_array(parts, part)) for part in (names, relative)
        )
        about = stack(parts, labels, rows_RF, names, context_length, task, entries, groups)
        return replace(
            cls(**about), relative=relative, relative_RK=relative_RK, cross_section=cross_section
        )

    @classmethod
    @spoken(PANDAS_CALL)
    def from_pandas(
        cls,
        frames: Any,
        *,
        context_length: int,
        task: TaskConfig | str,
        symbol: str | None = None,
        features: Sequence[str] | None = None,
        inputs: InputsName = "level",
    ) -> FinancialDataset:
        """Do what :meth:`from_frames` does with one pandas frame, or one a symbol.

        Dates may be the index, names of bars have any case; ``symbol`` names it where no column
        does. ``task`` may be a name: ``"direction"``. The rest is as in :meth:`from_frames`.
        """
        return cls.from_frames(
            polars_frames(frames, symbol),
            context_length=context_length,
            task=asked_task(task),
            features=features,
            inputs=inputs,
        )

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
        groups: Mapping[str, str] | None = None,
    ) -> FinancialDataset:
        """Do what :meth:`from_frames` does with one frame in memory at a time.

        The windows are the same bits. What stays in memory is the bars of ``frame``, labels and
        dates; the channels lie in ``path``, a file of ``4 · R · F`` bytes, and the relative columns
        in one beside it. One that exists is taken to hold them; one that cannot be written is a
        FinscaleError. Each frame is let go before the next is asked for.
        """
        parts: list[pl.DataFrame] = []
        names: tuple[str, ...] = ()
        relative: tuple[str, ...] = ()

        def arrays() -> Iterator[Sequence[NDArray[np.float32]]]:
            nonlocal names, relative
            for frame in frames:
                names = channels([frame], names or features, inputs)
                relative = channels([frame], relative or relative_names(frame.columns))
                needed = tuple(dict.fromkeys((*names, *relative)))
                part = prepared(frame, needed, context_length, task)
                parts.append(bars_of(part))
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
        labels = stacked_labels(parts, task, groups)
        about = stack(parts, labels, rows_RF, names, context_length, task, entries, groups)
        return replace(cls(**about), relative=relative, relative_RK=relative_RK, mapped=True)

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
        universe = universe_of(data, store.root)
        frames = registered_frames(entries, store, warm_up=data.warm_up)
        frames = (with_members(frame, universe) for frame in frames)
        about: Any = {
            "groups": universe.groups if universe is not None else None,
            "context_length": data.context_length,
            "task": config.task,
            "inputs": data.inputs,
        }
        if is_mapped(data, store.processed.folder, entries):
            path = rows_file(store.processed.folder, entries, data.inputs, data.warm_up)
            made = cls.memory_mapped(frames, path, entries=entries, **about)
        else:
            about["cross_section"] = data.cross_section
            made = cls.from_frames(list(frames), entries=entries, **about)
        said = "" if universe is None else universe.in_words(len(data.symbols))
        return replace(made, membership=said)

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

    def __repr__(self) -> str:
        names = f"{len(self.symbols)} symbols" if len(self.symbols) > 3 else " ".join(self.symbols)
        shape = f"{len(self):,} windows of {self.context_length} rows × {self.num_features}"
        return f"FinancialDataset({names}: {shape} features; {self.timeline})"

    def __len__(self) -> int:
        """Return how many windows there are."""
        return len(self.ends_W)

    def __getitem__(self, index: int | slice) -> tuple[Tensor, Tensor]:
        """Return window ``index`` and its label, ``[L, F]`` and a number; of a slice a batch."""
        return windows_at(self, index)

    def __bool__(self) -> bool:
        """Tell that it is there, with windows or without."""
        return True

    def splits(self, config: SplitConfig) -> list[Split]:
        """Return every fold of a split; see ``finscale.data.splits.make_splits``."""
        rows = config, self.symbols, self.symbol_R, self.date_R
        return [parts_asked_for(f, *rows) for f in make_splits(config, self.window_times)]

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
