"""The runs, on disk or at an address such as ``s3://bucket/runs``: find, read and publish them."""

from __future__ import annotations

import contextlib
import shlex
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from finscale.errors import FinscaleError, nearest
from finscale.files import file_digests, read_json
from finscale.runs.address import address_of, local_folder
from finscale.runs.folder import publish
from finscale.runs.identity import ID_LENGTH
from finscale.runs.remote import Marker, remote_of
from finscale.runs.remote_index import index_entries, packs
from finscale.runs.run import Run

#: What a complete run folder holds at least; a trained network adds its metrics and weights.
RUN_FILES = ("run.json", "predictions.parquet")


class RunStore:
    """The place that holds all runs, each whole or absent.

    Parameters
    ----------
    folder : path or str, default ``"runs"``
        A folder, created when the first run is written, or an address of any protocol that fsspec
        knows: ``s3://bucket/runs``. Runs at an address are computed in a mirror on this machine
        (``finscale.runs.address``), and what is read of them is kept there. Credentials are
        those of the protocol's own library.

    Raises
    ------
    ConfigError
        If the address carries credentials.

    Examples
    --------
    >>> RunStore("s3://bucket/runs").place        # doctest: +SKIP
    's3://bucket/runs'
    """

    def __init__(self, folder: Path | str = "runs") -> None:
        #: The runs at an address; None for those in a folder.
        self.remote = remote_of(folder)
        self.folder = self.remote.mirror if self.remote else local_folder(folder)
        self._seen: set[str] = set()

    @property
    def place(self) -> str:
        """Where the runs lie, as people are told: a folder or an address."""
        return self.remote.url if self.remote else str(self.folder)

    def __contains__(self, run_id: str) -> bool:
        """Tell whether the run is there with all its files; :meth:`is_whole` reads them too."""
        if self.remote is None:
            return all((self.folder / run_id / name).is_file() for name in RUN_FILES)
        if run_id in self._seen:
            return True
        marker = self.remote.marker(run_id)
        if marker is None:
            return False
        self.remote.adopt(marker)
        self._seen.add(run_id)
        return True

    def among(self, run_ids: Iterable[str]) -> set[str]:
        """Return which of some runs are there: at an address, one request tells a thousand."""
        if self.remote is None:
            return {run_id for run_id in run_ids if run_id in self}
        entries = index_entries(self.remote)
        self._seen, found = set(entries), entries.keys() & set(run_ids)
        for run_id in found:
            self.remote.adopt(entries[run_id].marker)
        return found

    def whole(self, run_ids: Iterable[str], *, every_byte: bool = True) -> set[str]:
        """Return which of some runs are whole; see :meth:`is_whole` and :meth:`looks_whole`.

        At an address their markers are asked for, which are written when everything else is.
        """
        if self.remote is not None:
            return self.among(run_ids)
        check = self.is_whole if every_byte else self.looks_whole
        return {run_id for run_id in run_ids if check(run_id)}

    def is_whole(self, run_id: str) -> bool:
        """Tell whether every file of the run is what was written when the run was finished.

        ``run.json``, which is written last, holds the digests of the others. At an address the
        marker and the files' sizes are asked for; digests are checked when a file is fetched.
        """
        if self.remote is None:
            return run_id in self and _is_whole(self.folder / run_id)
        marker = self.remote.marker(run_id)
        return marker is not None and self._is_there(marker)

    def _is_there(self, marker: Marker) -> bool:
        assert self.remote is not None
        self.remote.adopt(marker)
        sizes = self.remote.sizes(marker.run_id, marker.version)
        files = read_json(self.folder / marker.run_id / "run.json").get("files", {})
        return all(sizes.get(name) == file["bytes"] for name, file in files.items())

    def looks_whole(self, run_id: str) -> bool:
        """Tell whether every file of the run is there with as many bytes as were written.

        That takes a moment where :meth:`is_whole` reads every byte.
        """
        if run_id not in self or self.remote is not None:
            return run_id in self
        folder = self.folder / run_id
        try:
            written = read_json(folder / "run.json").get("files", {})
            return all(
                (folder / name).stat().st_size == file["bytes"] for name, file in written.items()
            )
        except (FinscaleError, OSError):
            return False

    def discard(self, run_id: str) -> None:
        """Remove what is left of a damaged run, so that it can be computed again."""
        shutil.rmtree(self.folder / run_id, ignore_errors=True)
        self._seen.discard(run_id)

    def publish(
        self, run_id: str, partial: Path, test_loss: Callable[[Run], float | None] | None = None
    ) -> None:
        """Make a finished partial folder a run of the store: whole at once, or absent.

        Parameters
        ----------
        run_id : str
            Which run.
        partial : Path
            Its folder, with every file.
        test_loss : callable, optional
            Asked for the run's test loss where the runs lie at an address: a list of them then
            reads no predictions.

        Raises
        ------
        FinscaleError
            If the run cannot be uploaded; it is kept here, and :meth:`recover` uploads it.
        """
        final = self.folder / run_id
        if self.remote is not None:
            # another machine was first, and its marker has been read here meanwhile
            shutil.rmtree(final, ignore_errors=True)
        publish(partial, final)
        self._upload(run_id, test_loss)

    def recover(self, run_id: str, test_loss: Callable[[Run], float | None] | None = None) -> bool:
        """Upload a run that is finished on this machine; tell whether there was one.

        A process that was killed while it uploaded, or lost its network, leaves such a run.
        """
        folder = self.folder / run_id
        if self.remote is None or not (folder / "run.json").is_file() or not _is_whole(folder):
            return False
        self._upload(run_id, test_loss)
        return True

    def _upload(self, run_id: str, test_loss: Callable[[Run], float | None] | None) -> None:
        if self.remote is None:
            return
        run = Run(self.folder / run_id)
        loss = None if test_loss is None else test_loss(run)
        facts = {} if test_loss is None else {"test_loss": loss}
        text = (run.folder / "run.json").read_text(encoding="utf-8")
        self.remote.upload(Marker(run_id, text, facts), run.folder)
        self._seen.add(run_id)
        if packs(run_id):
            # a cache that cannot be written is no reason to fail
            with contextlib.suppress(FinscaleError):
                index_entries(self.remote, pack=True)

    def __iter__(self) -> Iterator[Run]:
        """Yield every whole run, ordered by id."""
        if self.remote is None:
            for run_id in self.ids():
                yield Run(self.folder / run_id)
            return
        entries = index_entries(self.remote)
        for run_id in sorted(entries):
            self.remote.adopt(entries[run_id].marker)
            yield Run(self.folder / run_id)

    def __getitem__(self, run_id: str) -> Run:
        if run_id not in self:
            raise FinscaleError(
                f"run {run_id} is not in {self.place}.", hint=f"see `{self._list_verb}`"
            )
        return Run(self.folder / run_id)

    @property
    def _list_verb(self) -> str:
        return "finscale runs list" + (
            f" --runs {shlex.quote(str(self.place))}" if self.remote else ""
        )

    def ids(self) -> list[str]:
        """Return the ids of all whole runs."""
        if self.remote is not None:
            self._seen = set(index_entries(self.remote))
            return sorted(self._seen)
        if not self.folder.is_dir():
            return []
        names = (entry.name for entry in self.folder.iterdir())
        return sorted(name for name in names if len(name) == ID_LENGTH and name in self)

    def find(self, prefix: str) -> Run:
        """Return the one run whose id starts with ``prefix``; a run's folder or address will do.

        Raises
        ------
        FinscaleError
            If none or several runs fit.
        """
        return self.find_all([prefix])[0]

    def find_all(self, prefixes: Iterable[str]) -> list[Run]:
        """Do what :meth:`find` does for many prefixes, reading the folder once."""
        ids: list[str] | None = None
        found = []
        for prefix in prefixes:
            url = address_of(prefix)
            above = url.rpartition("/")[0]
            if url and above != self.place:
                found.append(RunStore(above).find(url.rpartition("/")[2]))
                continue
            ids = self.ids() if ids is None else ids
            found.append(self._found(Path(prefix).name, ids))
        return found

    def _found(self, prefix: str, ids: Sequence[str]) -> Run:
        matches = [run_id for run_id in ids if run_id.startswith(prefix)]
        if len(matches) == 1:
            return self[matches[0]]
        if matches:
            raise FinscaleError(
                f"{len(matches)} runs in {self.place} start with {prefix!r}.",
                hint="give more digits: " + ", ".join(matches[:4]),
            )
        raise FinscaleError(
            f"no run in {self.place} starts with {prefix!r}.",
            hint=_other_than_a_run(prefix, ids, self._list_verb),
        )


def _is_whole(folder: Path) -> bool:
    """Tell whether every file of a run's folder has the digest that its ``run.json`` names."""
    try:
        written = read_json(folder / "run.json").get("files", {})
    except FinscaleError:
        return False
    return all(
        (folder / name).is_file()
        and (folder / name).stat().st_size == file["bytes"]
        and file_digests(folder / name).sha256 == file["sha256"]
        for name, file in written.items()
    )


def _other_than_a_run(name: str, ids: Sequence[str], list_verb: str) -> str:
    """Return what was meant instead of a run's id: a study, a file, or the nearest id."""
    if (Path("studies") / name / "study.yaml").is_file():
        return (
            f"{name} is a study: finscale runs list --study {name} lists its runs, finscale study "
            f"report {name} makes its report"
        )
    if name.endswith((".yaml", ".yml")):
        return (
            f"a run is named by the first digits of its id, as `{list_verb}` shows them; "
            f"{name} looks like a file of settings"
        )
    match = nearest(name, {one[: len(name)] for one in ids})
    return f"Did you mean {match}? See `{list_verb}`" if match else f"see `{list_verb}`"
