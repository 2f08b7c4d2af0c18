"""Bytes of a file: read, unpacked by what they are rather than by their name."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from finscale.errors import DataError, did_you_mean

_LFS = b"version https://git-lfs.github.com/spec/"
_GZIP, _BZ2, _XZ, _ZSTD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"
#: First bytes of Excel's workbooks before .xlsx, and of encrypted ones.
OLD_WORKBOOK = b"\xd0\xcf\x11\xe0"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
#: First bytes of what is read neither as a table nor as text, its name, and the way out.
_FOREIGN = (
    (b"%PDF", "a PDF", "copy the table into a spreadsheet and save it as CSV"),
    (b"{\\rtf", "a rich text document", "save it as plain text"),
    (b"SQLite format 3", "an SQLite database", "export the table as CSV"),
    (b"\x89HDF", "an HDF5 file", "pandas.read_hdf(FILE).to_parquet(NEW)"),
    (b"\x93NUMPY", "a NumPy array", "save it as CSV with a header line"),
    (b"Obj\x01", "an Avro file", "save it as parquet or CSV"),
    (b"RDX", "an R data file", "write.csv(DATA, FILE, row.names = FALSE) in R"),
    (b"X\n\0\0", "an R data file", "write.csv(DATA, FILE, row.names = FALSE) in R"),
    (b"Rar!", "a RAR archive", "unpack it first"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "unpack it first"),
    (b"\x80\x04\x95", "a Python pickle", "pandas.read_pickle(FILE).to_parquet(NEW)"),
    (b"\x80\x05\x95", "a Python pickle", "pandas.read_pickle(FILE).to_parquet(NEW)"),
    (b"<stata_dta>", "a Stata file", "pandas.read_stata(FILE).to_parquet(NEW)"),
    (b"\x71\x02\x01", "a Stata file", "pandas.read_stata(FILE).to_parquet(NEW)"),
    (b"\x72\x02\x01", "a Stata file", "pandas.read_stata(FILE).to_parquet(NEW)"),
    (b"\x73\x02\x01", "a Stata file", "pandas.read_stata(FILE).to_parquet(NEW)"),
    (b"\0" * 12 + b"\xc2\xea", "a SAS data set", "pandas.read_sas(FILE).to_parquet(NEW)"),
    (b"HEADER RECORD***", "a SAS transport file", "pandas.read_sas(FILE).to_parquet(NEW)"),
    (b"MATLAB 5.0 MAT", "a Matlab file", "writetable(T, 'bars.csv') in Matlab"),
    (b"\x89PNG", "a picture", "export the data themselves"),
    (b"\xff\xd8\xff", "a picture", "export the data themselves"),
)
_MOST_LAYERS = 4
_LARGEST = 4 * 1024**3
# in an archive these stand beside the data
_BESIDE = re.compile(
    r"(?i)(^|/)(__MACOSX/|\.|readme|licen[cs]e|copying|thumbs\.db)|\.(md|pdf|html?)$"
)
_ENDINGS = re.compile(
    r"(?i)(\.(csv|txt|tsv|jsonl?|ndjson|parquet|feather|arrow|xlsx|gz|bz2|xz|zst))+$"
)


@dataclass(frozen=True)
class Content:
    """The bytes of the data themselves, out of whatever they were packed in."""

    data: bytes
    place: str
    """The file's name, with the member's where it is an archive of several."""
    name: str
    """Name of the innermost file."""
    sha256: str
    """Digest of the file as it lies on the disk."""
    member: str = ""
    """Which member of an archive was taken, where it holds several."""


def read_content(path: Path, *, member: str | None = None, symbol: str = "") -> Content:
    """Return a file's bytes, decompressed and out of its archive.

    ``member`` names the file in an archive that holds several; without it the one named like
    ``symbol`` is taken.

    Raises
    ------
    DataError
        If the file is missing, unreadable, empty, cut off, of a kind that cannot be read, or an
        archive of several files none of which is named.
    """
    packed = _bytes(path)
    content = Content(packed, path.name, path.name, hashlib.sha256(packed).hexdigest())
    for _ in range(_MOST_LAYERS):
        inner = _unpacked(content, member, symbol)
        if inner is None:
            break
        content = inner
    if member is not None and content.member != member and not _same(content.name, member):
        raise DataError(
            f"{path.name} is no archive with a file {member}.", hint="leave --member away"
        )
    if not content.data.strip(b" \t\r\n\0"):
        raise DataError(f"{content.place} is empty.")
    for magic, what, hint in _FOREIGN:
        if content.data.startswith(magic):
            raise DataError(f"{content.place} is {what}, not a table.", hint=hint)
    return content


def is_workbook(data: bytes) -> bool:
    """Tell whether bytes are an Excel (.xlsx, .xls) or OpenDocument workbook."""
    if data.startswith(OLD_WORKBOOK):
        return True
    if not data.startswith(_ZIP):
        return False
    try:
        names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    except zipfile.BadZipFile:
        return False
    return any(name.startswith("xl/") for name in names) or "content.xml" in names


def _bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, names) if 0 < len(names) < 100 else ""
        raise DataError(f"{path} does not exist.", hint=hint) from None
    except IsADirectoryError:
        names = sorted(p.name for p in path.iterdir() if p.is_file() and p.name[0] not in "._")
        some = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
        raise DataError(
            f"{path} is a folder, not a file.", hint=f"it holds {some}" if names else ""
        ) from None
    except PermissionError:
        raise DataError(
            f"{path} may not be read by you.", hint=f"chmod u+r {path}, or ask its owner"
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    if not content.strip():
        raise DataError(f"{path.name} is empty.")
    if content.startswith(_LFS):
        size = re.search(rb"size (\d+)", content)
        real = f" of a file of {int(size[1]):,} bytes" if size else ""
        raise DataError(
            f"{path.name} is a Git LFS pointer{real}, not the file itself.",
            hint="run `git lfs pull` where it came from, or download the file itself",
        )
    return content


def _unpacked(content: Content, member: str | None, symbol: str) -> Content | None:
    """Return what is one layer further in; None where nothing is packed."""
    data, place = content.data, content.place
    try:
        if data.startswith(_GZIP):
            return _inside(content, gzip.decompress(data))
        if data.startswith(_BZ2) and data[4:10] == b"1AY&SY":
            return _inside(content, bz2.decompress(data))
        if data.startswith(_XZ):
            return _inside(content, lzma.decompress(data))
        if data.startswith(_ZSTD):
            import pyarrow

            stream = pyarrow.CompressedInputStream(pyarrow.BufferReader(data), "zstd")
            return _inside(content, stream.read())
        if data.startswith(_ZIP) and not is_workbook(data):
            return _from_zip(content, member, symbol)
        if data[257:262] == b"ustar":
            return _from_tar(content, member, symbol)
    except (OSError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, tarfile.TarError):
        raise DataError(
            f"{place} is packed and cannot be unpacked: it is damaged or cut off.",
            hint="download or copy it again",
        ) from None
    return None


def _inside(content: Content, data: bytes) -> Content:
    name = re.sub(r"\.(gz|bz2|xz|zst|zstd)$", "", content.name, flags=re.IGNORECASE)
    return Content(data, content.place, name, content.sha256, content.member)


def _from_zip(content: Content, member: str | None, symbol: str) -> Content:
    with zipfile.ZipFile(io.BytesIO(content.data)) as archive:
        files = {info.filename: info for info in archive.infolist() if not info.is_dir()}
        name = _chosen(list(files), content.place, member, symbol)
        if files[name].flag_bits & 1:
            raise DataError(f"{content.place} is encrypted.", hint="unpack it with its password")
        if files[name].file_size > _LARGEST:
            raise DataError(f"{content.place}: {name} is too large to be read from an archive.")
        return _of_archive(content, archive.read(name), name, len(files))


def _from_tar(content: Content, member: str | None, symbol: str) -> Content:
    with tarfile.open(fileobj=io.BytesIO(content.data)) as archive:
        files = {info.name: info for info in archive.getmembers() if info.isfile()}
        name = _chosen(list(files), content.place, member, symbol)
        stream = archive.extractfile(files[name])
        assert stream is not None  # it is a file
        return _of_archive(content, stream.read(), name, len(files))


def _of_archive(content: Content, data: bytes, name: str, num_files: int) -> Content:
    if num_files == 1:
        return Content(data, content.place, name, content.sha256, "")
    return Content(data, f"{content.place} ({name})", name, content.sha256, name)


def _chosen(names: Sequence[str], place: str, member: str | None, symbol: str) -> str:
    """Return the member to read: the only one, the one asked for, or the symbol's."""
    if member is not None:
        mine = [name for name in names if _same(name, member)]
        if len(mine) == 1:
            return mine[0]
        some = _some(names)
        raise DataError(
            f"{place} holds {'no' if not mine else 'more than one'} file {member}.",
            hint=f"it holds {some}",
        )
    data = [name for name in names if not _BESIDE.search(name)]
    if not data:
        raise DataError(f"{place} is an archive without a data file.")
    if len(data) == 1:
        return data[0]
    mine = [name for name in data if symbol and _stem(name) == symbol.upper()]
    if len(mine) == 1:
        return mine[0]
    raise DataError(
        f"{place} holds {len(data)} files: {_some(data)}.", hint=f"name one: --member {data[0]}"
    )


def _same(name: str, wanted: str) -> bool:
    return wanted in (name, PurePosixPath(name).name)


def _stem(name: str) -> str:
    """Return a file's name without its endings: AAPL for data/aapl.csv and aapl.us.txt."""
    return _ENDINGS.sub("", PurePosixPath(name).name).upper().removesuffix(".US")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
