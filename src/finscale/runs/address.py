"""Where a run store lies: a folder here, or an address such as ``s3://bucket/runs``.

A remote store has a *mirror* on this machine: a folder in which runs are computed, resume points
lie and what was read once is kept. A file in the mirror says whose it is, so a worker process that
is handed the folder finds the store behind it.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from finscale.errors import ConfigError, FinscaleError
from finscale.files import read_json, write_json

#: Environment variable that names the folder of caches.
CACHE = "FINSCALE_CACHE"
_MIRROR = ".remote.json"
#: One letter is a drive of Windows; ``pathlib`` folds slashes into one.
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+(?:::[a-z0-9+.-]+)*):/+(.*)", re.DOTALL | re.IGNORECASE)
#: Whose addresses begin with the name of a bucket.
_BUCKETS = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az")
#: A client's settings, beside the address, that say which server it means.
_SERVERS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_PROFILE", "STORAGE_EMULATOR_HOST")


def address_of(place: Path | str) -> str:
    """Return the address of a remote store, without a slash at its end; empty for a folder.

    Raises
    ------
    ConfigError
        If the address carries credentials or settings, which belong to the environment, or names
        no bucket.

    Examples
    --------
    >>> address_of("s3://bucket/runs/"), address_of(Path("s3://bucket/runs")), address_of("runs")
    ('s3://bucket/runs', 's3://bucket/runs', '')
    """
    match = _ADDRESS.fullmatch(str(place))
    if match is None:
        protocol, colon, _ = str(place).partition(":")
        if colon and protocol.lower() in _BUCKETS:
            # without repeating it: it may hold credentials
            raise ConfigError(
                f"the runs' place begins with {protocol}: and is no address.",
                hint=f"write {protocol.lower()}://bucket/runs",
            )
        return ""
    protocol = match[1].lower()
    if protocol in ("file", "local"):
        return ""
    if "::" in match[1]:
        raise ConfigError(
            f"{match[1]}: an address of one protocol is asked for.",
            hint="give s3://bucket/runs; what is read is kept on this machine anyway",
        )
    # a client would take "a//b" for another place than pathlib does
    url = f"{protocol}://{re.sub('/+', '/', match[2]).rstrip('/')}"
    parts = urlsplit(url)
    if ":" in parts.netloc.rpartition("@")[0] or (parts.scheme == "s3" and "@" in parts.netloc):
        raise ConfigError(
            f"the address of the runs in {parts.scheme}://…{parts.path} carries credentials, which "
            "a shell's history and a list of processes would show.",
            hint="leave them to the environment (AWS_ACCESS_KEY_ID …) or to `aws configure`",
        )
    if ".." in parts.path.split("/"):
        raise ConfigError(
            f"the address {url} goes up by '..', which an object store does not know.",
            hint="write the address that it means",
        )
    if protocol in _BUCKETS and not parts.netloc:
        raise ConfigError(
            f"{place} names no bucket.", hint=f"name it as in {protocol}://bucket/runs"
        )
    if parts.query or parts.fragment:
        raise ConfigError(
            f"the address {parts.scheme}://{parts.netloc}{parts.path} goes on with settings.",
            hint="leave them to the environment (AWS_ENDPOINT_URL, AWS_PROFILE …)",
        )
    return url


def local_folder(place: Path | str) -> Path:
    """Return the folder of a local store; ``file:///x`` is ``/x``."""
    match = _ADDRESS.fullmatch(re.sub(":/+", ":/", str(place), count=1))
    if match is not None and match[1].lower() in ("file", "local"):
        return Path("/" + match[2])
    return Path(place)


def mirror_of(url: str) -> Path:
    """Return this machine's folder of a remote store, made where it is missing.

    It lies in ``~/.cache/finscale/runs``, or in ``runs`` of the folder that ``FINSCALE_CACHE``
    names.
    """
    # one bucket's name may be another server's bucket as well
    whose = "\n".join([url, *(os.environ.get(name, "") for name in _SERVERS)])
    digest = hashlib.sha256(whose.encode()).hexdigest()[:8]
    name = re.sub(r"[^\w.-]+", "-", url)[-60:].strip("-.")
    folder = _cache() / "runs" / f"{name}-{digest}"
    try:
        if not (folder / _MIRROR).is_file():
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / _MIRROR, {"runs": url})
    except (OSError, FinscaleError) as error:
        raise FinscaleError(
            f"{folder}, where runs of {url} are computed, cannot be written: "
            f"{getattr(error, 'strerror', None) or error}.",
            hint=f"name a folder that you can write to by the environment variable {CACHE}",
        ) from None
    return folder


def mirrored(folder: Path) -> str:
    """Return the address that a folder is the mirror of; empty for every other folder."""
    path = folder / _MIRROR
    return str(read_json(path)["runs"]) if path.is_file() else ""


def _cache() -> Path:
    named = os.environ.get(CACHE)
    if named:
        return Path(named).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "finscale"
