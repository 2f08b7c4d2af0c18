"""Files that are whole or absent, and their digests."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finscale.errors import FinscaleError

_CHUNK = 1 << 20
_FIGURES = ("png", "svg", "pdf")


@dataclass(frozen=True)
class Digests:
    """MD5 (short, for people) and SHA-256 (for identity) of one file."""

    md5: str
    sha256: str


def figure_format(path: Path) -> str:
    """Return the format of a figure from its file's ending: png, svg or pdf.

    Raises
    ------
    FinscaleError
        If the file ends otherwise.
    """
    ending = path.suffix.lstrip(".").lower()
    if ending not in _FIGURES:
        raise FinscaleError(f"{path} is no figure.", hint="end it in .png, .svg or .pdf")
    return ending


def file_digests(path: Path) -> Digests:
    """Return both digests of a file, read once."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            md5.update(chunk)
            sha256.update(chunk)
    return Digests(md5.hexdigest(), sha256.hexdigest())


def bytes_digests(content: bytes) -> Digests:
    """Return both digests that a file with this content has."""
    md5 = hashlib.md5(content, usedforsecurity=False)
    return Digests(md5.hexdigest(), hashlib.sha256(content).hexdigest())


@contextmanager
def atomic_path(target: Path, *, flush: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``target``; on success it becomes ``target``, else it vanishes.

    The content is flushed to disk before the rename, so a crash leaves the old file or the new one,
    never a part of either. Without ``flush`` that holds for a crash of this process, not for one of
    the machine: enough for what can be made again.

    Raises
    ------
    FinscaleError
        If the folder cannot be written or the disk is full.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
        os.close(handle)
    except OSError as error:
        raise _unwritable(target, error) from error
    temporary = Path(name)
    try:
        yield temporary
        if flush:
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(target)
    except OSError as error:
        raise _unwritable(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _unwritable(target: Path, error: OSError) -> FinscaleError:
    reason = error.strerror or str(error)
    return FinscaleError(
        f"{target} cannot be written: {reason}.",
        hint="free some space or choose another folder; what was there before is untouched",
    )


def write_bytes(target: Path, content: bytes, *, flush: bool = True) -> None:
    """Write ``content`` atomically; see :func:`atomic_path`."""
    with atomic_path(target, flush=flush) as temporary:
        temporary.write_bytes(content)


def write_json(target: Path, content: Any, *, flush: bool = True) -> None:
    """Write ``content`` as indented JSON, atomically; NaN is refused, not written."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(target, (text + "\n").encode(), flush=flush)


def null_for_nan(content: Any) -> Any:
    """Return ``content`` with None for every number that is not finite: JSON has no other word."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {key: null_for_nan(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [null_for_nan(value) for value in content]
    return content


def read_json(path: Path) -> Any:
    """Read JSON, with a one-sentence error for a file that is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FinscaleError(f"{path} does not exist.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FinscaleError(f"{path} is not valid JSON ({error}).") from error
