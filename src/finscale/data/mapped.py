"""Rows in a file that is mapped into memory: data larger than the machine's memory still train.

The file holds float32 numbers [rows, channels] and nothing else; its name says which content. The
system reads the pages that windows touch and drops them when memory is wanted elsewhere. Files are
written once, whole or not at all, and may be removed whenever no training reads them.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from finscale.files import atomic_path

if TYPE_CHECKING:
    from finscale.data.manifest import ManifestEntry

#: Changes when the same datasets would give another file.
_FORMAT = 1
#: In memory a number takes a float64 in the frame, a float32 in the rows and another when scaled.
_BYTES_IN_MEMORY = 16
#: Share of the free memory that a dataset may take before its rows are mapped.
_SHARE = 0.5


def rows_file(folder: Path, entries: Iterable[ManifestEntry]) -> Path:
    """Return where the rows of registered datasets lie, named by their digests."""
    key = hashlib.sha256(f"rows {_FORMAT}".encode())
    for entry in entries:
        key.update(entry.sha256.encode())
    return folder / ".rows" / f"{key.hexdigest()[:32]}.f32"


def too_large(num_numbers: int) -> bool:
    """Tell whether so many numbers leave too little memory for a training."""
    import psutil

    return num_numbers * _BYTES_IN_MEMORY > _SHARE * psutil.virtual_memory().available


def write_rows(path: Path, parts: Iterable[NDArray[np.float32]]) -> None:
    """Write parts [rows, channels] below one another, one at a time in memory.

    A file that is there already is whole and holds the same: it stays, and the parts are only made.
    """
    if path.exists():
        for _ in parts:
            pass
        return
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        for part in parts:
            file.write(np.ascontiguousarray(part).data)


def map_rows(path: Path, num_rows: int, num_channels: int) -> Tensor:
    """Return the rows of a file, read when they are touched; writing to them is an error."""
    rows_RF = np.memmap(path, dtype=np.float32, mode="r", shape=(num_rows, num_channels))
    with warnings.catch_warnings():
        # torch knows no read-only tensors, and says so
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(rows_RF)
