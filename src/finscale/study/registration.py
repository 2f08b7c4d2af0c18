"""Pre-registration: what a study is, written down before its first run.

``study.yaml`` holds the resolved file with its hash; ``registration.json`` says when it was
registered and every amendment since, with what it changed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from finscale.config import StudyConfig
from finscale.config.recorded import read_recorded
from finscale.errors import FinscaleError
from finscale.files import read_json, write_bytes, write_json

_SHOWN = 4


class Registration:
    """The registered plan of one study.

    Parameters
    ----------
    folder : Path
        ``studies/<name>``.
    config : StudyConfig
        The study as it is now.
    """

    def __init__(self, folder: Path, config: StudyConfig) -> None:
        self.folder, self.config = folder, config
        self.path = folder / "registration.json"

    def read(self) -> dict[str, Any] | None:
        """Return hash, time, study and amendments as registered; None before the first run."""
        if not self.path.exists():
            return None
        content: dict[str, Any] = read_json(self.path)
        return content

    def changes(self) -> list[str]:
        """Return how the study differs from what is registered: ``sesoi: 0.005 → 0.01``."""
        known = self.read()
        if known is None or known["hash"] == self.config.hash():
            return []
        before = known["study"]
        # placement stood in the plans of earlier versions; it changes no result
        experiment = read_recorded(before["experiment"], place=str(self.path)).identity()
        return list(differences({**before, "experiment": experiment}, self.config.resolved()))

    def register(self, *, amend: bool = False) -> None:
        """Write the plan down, once; later it may change by a recorded amendment only.

        Raises
        ------
        FinscaleError
            If the study is not what was registered and ``amend`` is not given.
        """
        known, now = self.read(), dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        if known is not None and known["hash"] == self.config.hash():
            return
        amendments: list[dict[str, Any]] = []
        registered = now
        if known is not None:
            changes = self.changes()
            if not changes:
                return
            if not amend:
                raise self._refusal(known, changes)
            registered = known["registered"]
            amendments = [
                *known["amendments"],
                {"when": now, "from": known["hash"], "to": self.config.hash(), "changes": changes},
            ]
        self._write_yaml(amendments)
        write_json(
            self.path,
            {
                "hash": self.config.hash(),
                "registered": registered,
                "amendments": amendments,
                "study": self.config.resolved(),
            },
        )

    def _refusal(self, known: dict[str, Any], changes: list[str]) -> FinscaleError:
        shown = "; ".join(changes[:_SHOWN])
        more = f"; and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
        return FinscaleError(
            f"study {self.config.name} was registered on {known['registered'][:10]} as "
            f"{known['hash'][:8]} and is another now: {shown}{more}.",
            hint="--amend goes on and records the change; another name makes it a new study",
        )

    def _write_yaml(self, amendments: list[dict[str, Any]]) -> None:
        text = yaml.safe_dump(self.config.resolved(), sort_keys=False, allow_unicode=True)
        amended = f"# amended {len(amendments)} times, see registration.json\n" * bool(amendments)
        header = f"# resolved before the first run; sha256 {self.config.hash()}\n"
        write_bytes(self.folder / "study.yaml", (header + amended + text).encode())


def differences(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """Yield each setting in which two nested contents differ: ``place: old → new``.

    Examples
    --------
    >>> list(differences({"a": {"b": 1}}, {"a": {"b": 2}}))
    ['a.b: 1 → 2']
    """
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            inner = f"{place}.{key}" if place else str(key)
            yield from differences(old.get(key), new.get(key), inner)
    elif old != new:
        yield f"{place}: {_shown(old)} → {_shown(new)}"


def _shown(value: Any) -> str:
    if isinstance(value, dict) and len(value) > _SHOWN:
        return f"{len(value)} settings"
    return "nothing" if value is None else str(value)
