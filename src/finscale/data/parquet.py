"""Frames as parquet files whose bytes depend on nothing but their content."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl

# Written down, since polars cuts row groups along the frame's chunks otherwise.
_ROW_GROUP = 100_000


def write_frame(frame: pl.DataFrame, path: Path, *, metadata: dict[str, str] | None = None) -> None:
    """Write a frame; equal frames give equal bytes, however they were put together."""
    # By way of memory: a full disk is an OSError here, where polars has an error of its own.
    content = io.BytesIO()
    frame.rechunk().write_parquet(content, row_group_size=_ROW_GROUP, metadata=metadata)
    path.write_bytes(content.getbuffer())
