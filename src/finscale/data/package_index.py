"""A file of a Python package index, found as pip finds it: its mirrors, its certificates.

The file is taken as it is: no metadata is built and no code of it runs. A download that was broken
off goes on where it stopped; what comes counts only if its SHA-256 is the one expected.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from html import unescape
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urldefrag, urljoin
from urllib.request import Request, urlopen

from finscale.data.sources.base import SourceUnavailableError
from finscale.errors import DataError

_DEFAULT = "https://pypi.org/simple"
_JSON = "application/vnd.pypi.simple.v1+json"
_ACCEPT = f"{_JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_LINK = re.compile(r'<a\s[^>]*href="([^"]+)"', re.IGNORECASE)
_CHUNK, _PATIENCE = 1 << 18, 60


def fetch_file(
    package: str,
    name: str,
    sha256: str,
    folder: Path,
    *,
    told: Callable[[int, int], None] = lambda *done: None,
) -> Path:
    """Return a file of a package, fetched into ``folder`` unless it is there.

    Parameters
    ----------
    package, name : str
        As the index lists them: ``cvxportfolio``, ``cvxportfolio-1.5.1.tar.gz``.
    sha256 : str
        What the file must have.
    folder : Path
        Where it is kept.
    told : callable, optional
        Told how many bytes have come, of how many (0 where that is not known).

    Raises
    ------
    SourceUnavailableError
        If no index answers, or none has the file.
    DataError
        If a file of that name is there, or came, with another content.
    """
    target = folder / name
    if target.is_file():
        if _digest(target) != sha256:
            raise DataError(
                f"{target} is not the file that is expected: its SHA-256 is another one.",
                hint="remove it, and it is fetched again",
            )
        return target
    part = folder / f"{name}.part"
    reasons: list[str] = []
    folder.mkdir(parents=True, exist_ok=True)
    for address in _addresses(package, name, reasons):
        try:
            _download(address, part, told)
        except (OSError, HTTPException, ValueError) as error:
            reasons.append(f"{address}: {_said(error)}")
            continue
        if _digest(part) == sha256:
            part.replace(target)
            return target
        part.unlink()
        reasons.append(f"{address}: another file (its SHA-256 differs)")
    raise SourceUnavailableError(
        f"{name} could not be fetched from the package index"
        f"{': ' + '; '.join(reasons[:3]) if reasons else ''}.",
        hint="try again where there is a network (pip's settings are honoured), or put "
        f"{name} into {folder}",
    )


def _addresses(package: str, name: str, reasons: list[str]) -> Iterator[str]:
    """Yield where the indices that pip knows keep a file."""
    for index in _indices():
        page = f"{index.rstrip('/')}/{package}/"
        try:
            with _open(page, accept=_ACCEPT) as answer:
                found = _links(answer.read(), answer.headers.get("Content-Type", ""), page)
        except (OSError, HTTPException, ValueError) as error:
            reasons.append(f"{page}: {_said(error)}")
            continue
        mine = [address for address in found if address.rpartition("/")[2] == name]
        if not mine:
            reasons.append(f"{page} does not list it")
        yield from mine


def _links(content: bytes, kind: str, page: str) -> list[str]:
    text = content.decode("utf-8", errors="replace")
    if "json" in kind:
        urls = [str(file["url"]) for file in json.loads(text)["files"]]
    else:
        urls = [unescape(url) for url in _LINK.findall(text)]
    return [urldefrag(urljoin(page, url)).url for url in urls]


def _indices() -> list[str]:
    """Return the addresses of pip's indices: environment first, then its files, else PyPI."""
    settings = _pip_settings()
    first = os.environ.get("PIP_INDEX_URL") or settings.get("index-url") or _DEFAULT
    more = os.environ.get("PIP_EXTRA_INDEX_URL") or settings.get("extra-index-url") or ""
    return [first, *more.split()]


def _pip_settings() -> dict[str, str]:
    words = [sys.executable, "-m", "pip", "config", "list"]
    try:
        told = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return {}  # an environment without pip
    found = {}
    for line in told.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found[name.rpartition(".")[2]] = value.strip().strip("'\"")
    return found


def _download(address: str, part: Path, told: Callable[[int, int], None]) -> None:
    there = part.stat().st_size if part.is_file() else 0
    try:
        answer = _open(address, start=there)
    except HTTPError as error:
        if error.code != 416:  # the part is no beginning of this file
            raise
        there, answer = 0, _open(address)
    with answer:
        goes_on = there and getattr(answer, "status", None) == 206
        done = there if goes_on else 0
        length = int(answer.headers.get("Content-Length") or 0)
        total = length + done if length else 0
        with part.open("ab" if goes_on else "wb") as file:
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                told(done, total)
    if total and done < total:
        raise ValueError(f"broken off after {done:,} of {total:,} bytes")


def _open(address: str, *, accept: str = "*/*", start: int = 0):  # type: ignore[no-untyped-def]
    headers = {"Accept": accept, "User-Agent": "finscale"}
    if start:
        headers["Range"] = f"bytes={start}-"
    secure = address.startswith("https:")
    context = ssl.create_default_context(cafile=_certificates()) if secure else None
    return urlopen(Request(address, headers=headers), timeout=_PATIENCE, context=context)


def _certificates() -> str | None:
    found = os.environ.get("PIP_CERT") or _pip_settings().get("cert")
    return found if found and Path(found).is_file() else None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _said(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error).rstrip(".")
