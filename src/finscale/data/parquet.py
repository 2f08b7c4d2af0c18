"""Frames as parquet files whose bytes depend on nothing but their content."""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from finscale.files import Digests, bytes_digests

# Written down, since polars cuts row groups along the frame's chunks otherwise.
_ROW_GROUP = 100_000


@dataclass(frozen=True)
class EncodedFrame:
    """A frame as the bytes of its parquet file, with what a manifest says of it."""

    content: bytes
    digests: Digests
    rows: int
    first_date: dt.date
    last_date: dt.date


def frame_bytes(frame: pl.DataFrame, *, metadata: dict[str, str] | None = None) -> bytes:
    """Return a frame as parquet; equal frames give equal bytes, however they were put together."""
    content = io.BytesIO()
    frame.rechunk().write_parquet(content, row_group_size=_ROW_GROUP, metadata=metadata)
    return content.getvalue()


def encode_frame(frame: pl.DataFrame) -> EncodedFrame:
    """Encode a frame with a ``date`` column in order, and take the digests while it is in memory.

    Encoder and digests let go of Python's lock: several threads encode at once.
    """
    content = frame_bytes(frame)
    return EncodedFrame(
        content=content,
        digests=bytes_digests(content),
        rows=frame.height,
        first_date=frame["date"][0],
        last_date=frame["date"][-1],
    )


def write_frame(frame: pl.DataFrame, path: Path, *, metadata: dict[str, str] | None = None) -> None:
    """Write a frame; equal frames give equal bytes, however they were put together."""
    # By way of memory: a full disk is an OSError here, where polars has an error of its own.
    path.write_bytes(frame_bytes(frame, metadata=metadata))
