"""Memory-mapped rows, to train on data larger than the machine's memory.

The file holds float32 numbers [rows, channels] and nothing else; its name is a hash of its content.
The system reads the pages that windows touch and drops them when memory is needed elsewhere. Files
are written once, atomically, and may be deleted while no training reads them.
"""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from finscale.config.data import DataConfig, InputsName
from finscale.data.manifest import ManifestEntry
from finscale.files import atomic_path

#: Increased when the same datasets would give a different file.
_FORMAT = 1
#: In memory each number is a float64 in the frame, a float32 in the rows and one more when scaled:
#: 8 + 4 + 4.
_BYTES_IN_MEMORY = 16
#: A dataset that would take more than this share of the free memory is mapped.
_SHARE = 0.5


def rows_file(
    folder: Path,
    entries: Iterable[ManifestEntry],
    inputs: InputsName = "level",
    warm_up: int | None = None,
) -> Path:
    """Return where the rows of registered datasets lie, named by digests, columns and warm-up."""
    later = "" if warm_up is None else f" after {warm_up}"
    key = hashlib.sha256(f"rows {_FORMAT} {inputs}{later}".encode())
    for entry in entries:
        key.update(entry.sha256.encode())
    return folder / ".rows" / f"{key.hexdigest()[:32]}.f32"


def is_mapped(data: DataConfig, folder: Path, entries: Sequence[ManifestEntry]) -> bool:
    """Tell whether a config's rows are read from a file: where it says so, or memory is short.

    Rows whose columns compare the symbols of a day lie in memory.
    """
    if data.cross_section != "none":
        return False
    if data.memory_map != "auto":
        return data.memory_map
    file = folder / entries[0].path
    # a file that is missing is reported where it is read
    num_columns = 0
    if file.exists():
        num_columns = len(pl.scan_parquet(file, glob=False).collect_schema())
    return _too_large(num_columns * sum(entry.rows for entry in entries))


def _too_large(num_numbers: int) -> bool:
    """Tell whether this many numbers would leave too little memory for training."""
    import psutil

    return num_numbers * _BYTES_IN_MEMORY > _SHARE * psutil.virtual_memory().available


def write_rows(paths: Sequence[Path], parts: Iterable[Sequence[NDArray[np.float32]]]) -> None:
    """Write parts [rows, channels] one below the other, holding one at a time in memory.

    Each part is one array for each file. An existing file is complete and has the same content: it
    is kept, and the parts are consumed without being written.
    """
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    with contextlib.ExitStack() as stack:
        temporary = {number: stack.enter_context(atomic_path(paths[number])) for number in missing}
        files = {n: stack.enter_context(path.open("wb")) for n, path in temporary.items()}
        for part in parts:
            for number, file in files.items():
                file.write(np.ascontiguousarray(part[number]).data)


def map_rows(path: Path, num_rows: int, num_channels: int) -> Tensor:
    """Return the rows of a file, read when they are touched; writing to them is an error."""
    if not num_channels:
        return torch.empty(num_rows, 0)  # no file can be mapped that is empty
    rows_RF = np.memmap(path, dtype=np.float32, mode="r", shape=(num_rows, num_channels))
    with warnings.catch_warnings():
        # torch has no read-only tensors and warns about it
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(rows_RF)
