"""Memory-mapped rows, to train on data larger than the machine's memory.

The file holds float32 numbers [rows, channels] and nothing else; its name is a hash of its content.
The system reads the pages that windows touch and drops them when memory is needed elsewhere. Files
are written once, atomically, and may be deleted while no training reads them.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from finscale.data.manifest import ManifestEntry
from finscale.files import atomic_path

#: Increased when the same datasets would give a different file.
_FORMAT = 1
#: In memory each number is a float64 in the frame, a float32 in the rows and one more when scaled:
#: 8 + 4 + 4.
_BYTES_IN_MEMORY = 16
#: A dataset that would take more than this share of the free memory is mapped.
_SHARE = 0.5


def rows_file(folder: Path, entries: Iterable[ManifestEntry]) -> Path:
    """Return where the rows of registered datasets lie, named by their digests."""
    key = hashlib.sha256(f"rows {_FORMAT}".encode())
    for entry in entries:
        key.update(entry.sha256.encode())
    return folder / ".rows" / f"{key.hexdigest()[:32]}.f32"


def too_large(num_numbers: int) -> bool:
    """Tell whether this many numbers would leave too little memory for training."""
    import psutil

    return num_numbers * _BYTES_IN_MEMORY > _SHARE * psutil.virtual_memory().available


def write_rows(path: Path, parts: Iterable[NDArray[np.float32]]) -> None:
    """Write parts [rows, channels] one below the other, holding one at a time in memory.

    An existing file is complete and has the same content: it is kept, and the parts are consumed
    without being written.
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
        # torch has no read-only tensors and warns about it
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(rows_RF)
