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
    """The registered plan of one study, in its folder, beside the study as it is now."""

    def __init__(self, folder: Path, config: StudyConfig) -> None:
        self.folder, self.config = folder, config
        self.path = folder / "registration.json"

    def read(self) -> dict[str, Any] | None:
        """Return hash, time, study and amendments as registered; None before the first run."""
        if not self.path.exists():
            return None
        return dict(read_json(self.path))

    def changes(self) -> list[str]:
        """Return how the study differs from what is registered: ``sesoi: 0.005 → 0.01``."""
        known = self.read()
        if known is None or known["hash"] == self.config.hash():
            return []
        before = known["study"]
        # placement stood in the plans of earlier versions; it changes no result
        experiment = read_recorded(before["experiment"], place=str(self.path)).identity()
        return list(differences({**before, "experiment": experiment}, self.config.resolved()))

    def _written(self, plan: dict[str, Any]) -> dict[str, Any]:
        """Return a plan with the name of its universe, whose members alone are science."""
        universe = self.config.experiment.data.universe
        if universe is None:
            return plan
        experiment = plan["experiment"]
        data = {"universe": universe, **experiment["data"]}
        return {**plan, "experiment": {**experiment, "data": data}}

    def register(self, *, amend: bool = False) -> None:
        """Write the plan down, once; later it may change by a recorded amendment only.

        Raises
        ------
        FinscaleError
            If the study is not what was registered and ``amend`` is not given.
        """
        known, changes = self.read(), self.changes()
        if known and not changes:
            return
        if known and not amend:
            shown = "; ".join(changes[:_SHOWN])
            more = f"; and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
            raise FinscaleError(
                f"study {self.config.name} was registered on {known['registered'][:10]} as "
                f"{known['hash'][:8]} and is another now: {shown}{more}.",
                hint="--amend goes on and records the change; another name makes it a new study",
            )
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        hashed, plan = self.config.hash(), self.config.resolved()
        header = f"# resolved before the first run; sha256 {hashed}\n"
        registered, amendments = now, []
        if known:
            amendment = {"when": now, "from": known["hash"], "to": hashed, "changes": changes}
            registered, amendments = known["registered"], [*known["amendments"], amendment]
            header += f"# amended {len(amendments)} times, see registration.json\n"
        text = yaml.safe_dump(self._written(plan), sort_keys=False, allow_unicode=True)
        write_bytes(self.folder / "study.yaml", (header + text).encode())
        content = {
            "hash": hashed,
            "registered": registered,
            "amendments": amendments,
            "study": plan,
        }
        write_json(self.path, content)


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
