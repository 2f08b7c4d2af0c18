"""Frames as parquet files whose bytes depend only on their content."""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass

import polars as pl

from finscale.files import Digests, bytes_digests

# Fixed, because polars otherwise cuts row groups along the frame's chunks.
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
    """Return a frame as parquet; equal frames give equal bytes, however they are chunked."""
    content = io.BytesIO()
    frame.rechunk().write_parquet(content, row_group_size=_ROW_GROUP, metadata=metadata)
    return content.getvalue()


def encode_frame(frame: pl.DataFrame) -> EncodedFrame:
    """Encode a frame with a sorted ``date`` column, and compute its digests from memory.

    Encoding and hashing release the GIL, so several threads can work at once.
    """
    content = frame_bytes(frame)
    return EncodedFrame(
        content=content,
        digests=bytes_digests(content),
        rows=frame.height,
        first_date=frame["date"][0],
        last_date=frame["date"][-1],
    )
