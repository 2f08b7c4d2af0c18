"""Which runs were chosen among how many: ``runs/.searches/<name>.json``, one file a search.

The best of a hundred settings looks good by chance. A test of a run that a search has chosen has
to count all that it was chosen among, also those that were stopped early and left no run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from finscale.config import content_hash
from finscale.errors import FinscaleError
from finscale.files import read_json, write_json


@dataclass(frozen=True)
class SearchRecord:
    """A search for settings by validation loss.

    Attributes
    ----------
    search : str
        Its name.
    trials : int
        Settings that were tried, those that were stopped early among them.
    runs : tuple of str
        Ids of the runs of its trials.
    chosen : tuple of str
        Ids of the runs that were made with the settings that it found.
    """

    search: str
    trials: int
    runs: tuple[str, ...]
    chosen: tuple[str, ...] = ()


def note_search(folder: Path, record: SearchRecord) -> None:
    """Record a search beside the runs; of one with the same name the newest stands."""
    content = {
        "search": record.search,
        "trials": record.trials,
        "runs": sorted(record.runs),
        "chosen": sorted(record.chosen),
    }
    write_json(_folder(folder) / f"{content_hash(record.search)[:16]}.json", content)


def searches(folder: Path) -> list[SearchRecord]:
    """Return every search on record; files that cannot be read are passed over."""
    found = []
    for path in sorted(_folder(folder).glob("*.json")):
        try:
            known = read_json(path)
            lists = tuple(known["runs"]), tuple(known["chosen"])
            found.append(SearchRecord(known["search"], int(known["trials"]), *lists))
        except (FinscaleError, KeyError, TypeError, ValueError):
            continue
    return found


def trials_behind(folder: Path, run_ids: Iterable[str]) -> int:
    """Return how many settings were tried to choose among runs, those runs themselves left out."""
    wanted = set(run_ids)
    return sum(
        record.trials - len(wanted & set(record.runs))
        for record in searches(folder)
        if wanted & {*record.runs, *record.chosen}
    )


def _folder(runs: Path) -> Path:
    return runs / ".searches"
