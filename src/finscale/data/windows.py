"""Windows of a dataset: one contiguous tensor, gathered on its device by decision row.

All symbols' rows lie below one another in one float32 tensor. A window is the L rows that end at
its decision row; it is never cut through a frame and never crosses from one symbol to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from finscale.config import ExperimentConfig, SplitConfig, TaskConfig
from finscale.data.controls import controlled_label
from finscale.data.frames import channels, prepared, to_array
from finscale.data.splits import Split, WindowTimes, make_splits
from finscale.data.store import DataStore, dataset_id
from finscale.errors import DataError

if TYPE_CHECKING:
    from finscale.data.manifest import ManifestEntry


def gather_windows(
    rows_RF: Tensor, ends_B: Tensor, length: int, out: Tensor | None = None
) -> Tensor:
    """Copy the windows that end at given rows.

    Parameters
    ----------
    rows_RF : Tensor, shape [R, F]
        Contiguous rows.
    ends_B : Tensor of int64, shape [B]
        Last row of each window, at least ``length - 1``, on the device of ``rows_RF``.
    length : int
        Rows in a window.
    out : Tensor, shape [B or more, length, F], optional
        A contiguous buffer to write into; its first B windows are returned.

    Returns
    -------
    Tensor, shape [B, length, F]
        Window b holds the rows ``ends_B[b] - length + 1 … ends_B[b]``.

    Examples
    --------
    >>> rows = torch.arange(5.0).view(5, 1)
    >>> gather_windows(rows, torch.tensor([2, 4]), 3)[:, :, 0].tolist()
    [[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]]
    """
    x_BLF = out[: ends_B.shape[0]] if out is not None else None
    # strided views are indexed without a copy on the CPU only: elsewhere all windows would be made
    gather = _gather_blocks if rows_RF.device.type == "cpu" else _gather_rows
    return gather(rows_RF, ends_B, length, x_BLF)


def _gather_blocks(rows_RF: Tensor, ends_B: Tensor, length: int, out: Tensor | None) -> Tensor:
    """Gather each window as one block: its ``length * F`` numbers follow one another in memory."""
    num_rows, num_channels = rows_RF.shape
    size = length * num_channels
    blocks = rows_RF.as_strided(
        (num_rows - length + 1, size), (num_channels, 1), rows_RF.storage_offset()
    )
    flat = None if out is None else out.view(-1, size)
    gathered = torch.index_select(blocks, 0, ends_B - (length - 1), out=flat)
    return gathered.view(-1, length, num_channels)


def _gather_rows(rows_RF: Tensor, ends_B: Tensor, length: int, out: Tensor | None) -> Tensor:
    """Gather each window row by row."""
    num_channels = rows_RF.shape[1]
    row_L = torch.arange(1 - length, 1, device=rows_RF.device)
    row_BL = (ends_B[:, None] + row_L).flatten()
    flat = None if out is None else out.view(-1, num_channels)
    return torch.index_select(rows_RF, 0, row_BL, out=flat).view(-1, length, num_channels)


@dataclass(frozen=True, eq=False)
class FinancialDataset:
    """Rows, labels and windows of some symbols at one tier and timescale.

    Make one with :meth:`from_config` or :meth:`from_frames`.

    Parameters
    ----------
    frame : pl.DataFrame
        All rows of all symbols, stacked: date, symbol, adjusted OHLCV and features, unscaled.
    features : tuple of str
        The F channels of a window.
    rows_RF : Tensor of float32, shape [R, F]
        The channels of every row, divided by ``scale_F``.
    target_R : Tensor of float32, shape [R]
        The label of every row, NaN where it has none.
    reach_R : ndarray of int64, shape [R]
        Row of the last bar that the row's label counts.
    date_R : ndarray of datetime64[D], shape [R]
        Session dates.
    symbol_R : ndarray of int64, shape [R]
        Position in ``symbols``.
    symbols : tuple of str
        In the order in which their rows are stacked.
    ends_W : ndarray of int64, shape [W]
        Decision row of every window that exists: full context, a label, one symbol.
    context_length : int
        L, rows in a window.
    task : TaskConfig
        The question that the labels answer.
    timeline : str
        The question in words.
    scale_F : ndarray of float64, shape [F]
        What each channel has been divided by.
    entries : tuple of ManifestEntry
        The registered datasets behind the rows, digests verified; empty for frames from memory.
    """

    frame: pl.DataFrame
    features: tuple[str, ...]
    rows_RF: Tensor
    target_R: Tensor
    reach_R: NDArray[np.int64]
    date_R: NDArray[np.datetime64]
    symbol_R: NDArray[np.int64]
    symbols: tuple[str, ...]
    ends_W: NDArray[np.int64]
    context_length: int
    task: TaskConfig
    timeline: str
    scale_F: NDArray[np.float64]
    entries: tuple[ManifestEntry, ...] = field(default=())

    @classmethod
    def from_frames(
        cls,
        frames: Sequence[pl.DataFrame],
        *,
        context_length: int,
        task: TaskConfig,
        features: Sequence[str] | None = None,
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
            Channels to use; every column but date and symbol when absent.
        entries : sequence of ManifestEntry
            The registered datasets that the frames were read from.

        Raises
        ------
        DataError
            For unknown columns, unsorted or repeated dates, NaN after the warm-up, infinite values,
            a series too short for one window, or a symbol given twice. Each names the place.
        """
        names = channels(frames, features)
        parts = [prepared(frame, names, context_length, task) for frame in frames]
        symbols = tuple(str(part["symbol"][0]) for part in parts)
        repeated = [symbol for symbol in symbols if symbols.count(symbol) > 1]
        if repeated:
            raise DataError(f"{repeated[0]} is given twice.", hint="stack each symbol once")

        heights = np.array([part.height for part in parts])
        offsets = np.r_[0, np.cumsum(heights)]
        labels = [controlled_label(part, task) for part in parts]
        target_R = np.concatenate([part.target_R for part in labels])
        frame = pl.concat(parts, how="vertical", rechunk=False)
        age_R = np.concatenate([np.arange(height) for height in heights])  # rows of its symbol
        return cls(
            frame=frame,
            features=names,
            rows_RF=torch.from_numpy(to_array(frame, names)),
            target_R=torch.from_numpy(target_R),
            reach_R=np.concatenate(
                [part.reach_R + offset for part, offset in zip(labels, offsets, strict=False)]
            ),
            date_R=frame["date"].to_numpy().astype("datetime64[D]"),
            symbol_R=np.repeat(np.arange(len(parts), dtype=np.int64), heights),
            symbols=symbols,
            ends_W=np.flatnonzero((age_R >= context_length - 1) & np.isfinite(target_R)),
            context_length=context_length,
            task=task,
            timeline=labels[0].timeline,
            scale_F=np.ones(len(names)),
            entries=tuple(entries),
        )

    @classmethod
    def from_config(cls, config: ExperimentConfig, store: DataStore) -> FinancialDataset:
        """Read the registered datasets that a config names, their digests verified.

        Raises
        ------
        DataError
            If a dataset is not registered (the hint builds it) or its file has changed.
        """
        data = config.data
        frames, entries = [], []
        for symbol in data.symbols:
            name = dataset_id(symbol, data.tier, data.timescale)
            if not store.processed.has(name):
                raise DataError(
                    f"{name} is not in {store.processed.folder}.",
                    hint="`finscale train` builds it; in Python: finscale.features.build_dataset("
                    f"store, {symbol!r}, tier={data.tier!r}, timescale={data.timescale!r})",
                )
            frame, entry = store.frame(name, data.version)
            frames.append(frame)
            entries.append(entry)
        return cls.from_frames(
            frames, context_length=data.context_length, task=config.task, entries=entries
        )

    @property
    def num_features(self) -> int:
        """F, the channels of a window."""
        return len(self.features)

    @property
    def device(self) -> torch.device:
        """Where rows and targets lie."""
        return self.rows_RF.device

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

        The level is kept (no centring): RevIN centres each window itself, and a window's relative
        spread must survive. A channel that is constant on those rows keeps its values.

        Parameters
        ----------
        train_ends : ndarray of int64
            Decision rows of the training windows; no other row enters the scale.
        """
        seen_R = rows_seen(train_ends, self.context_length, self.date_R.size)
        seen = torch.from_numpy(np.flatnonzero(seen_R)).to(self.device)
        scale_F = np.ones(self.num_features)
        for channel in range(self.num_features):
            values = self.rows_RF[:, channel][seen].cpu().numpy().astype(np.float64)
            deviation = values.std()
            # rounding alone makes a constant channel spread by some float32 epsilons
            if deviation > 4 * np.finfo(np.float32).eps * np.abs(values).max():
                scale_F[channel] = deviation
        scale = torch.from_numpy(scale_F.astype(np.float32)).to(self.device)
        return replace(self, rows_RF=self.rows_RF / scale, scale_F=self.scale_F * scale_F)

    def batch(self, ends_B: Tensor, out: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Gather windows and their targets on the dataset's device.

        Parameters
        ----------
        ends_B : Tensor of int64, shape [B]
            Decision rows, taken from ``ends_W``, on the dataset's device.
        out : Tensor of float32, shape [B or more, L, F], optional
            Buffer for the windows, reused from batch to batch.

        Returns
        -------
        x_BLF : Tensor of float32
        y_B : Tensor of float32
        """
        x_BLF = gather_windows(self.rows_RF, ends_B, self.context_length, out)
        return x_BLF, self.target_R.index_select(0, ends_B)

    def to(self, device: torch.device | str) -> FinancialDataset:
        """Return the dataset with rows and targets on ``device``."""
        return replace(self, rows_RF=self.rows_RF.to(device), target_R=self.target_R.to(device))

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


class WindowDataset(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """Map-style view of a dataset's windows, for a ``DataLoader``.

    Parameters
    ----------
    dataset : FinancialDataset
        The rows.
    ends : ndarray of int64
        Decision rows; item i is the window that ends at ``ends[i]``: (x_LF, y).
    """

    def __init__(self, dataset: FinancialDataset, ends: NDArray[np.int64]) -> None:
        self.dataset = dataset
        self.ends = ends

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        end = int(self.ends[index])
        x_LF = self.dataset.rows_RF[end - self.dataset.context_length + 1 : end + 1]
        return x_LF, self.dataset.target_R[end]


def rows_seen(ends: NDArray[np.int64], length: int, num_rows: int) -> NDArray[np.bool_]:
    """Mark the rows that at least one of the windows sees.

    Examples
    --------
    >>> rows_seen(np.array([2, 3]), 2, 6).tolist()
    [False, True, True, True, False, False]
    """
    edge_R = np.zeros(num_rows + 1, dtype=np.int64)
    np.add.at(edge_R, ends - length + 1, 1)
    np.add.at(edge_R, ends + 1, -1)
    return np.cumsum(edge_R[:-1]) > 0
