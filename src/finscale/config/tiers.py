"""Tiers that are files: the names of features that a person, or a selection, chose.

Such a tier is known by the name of its file and a digest of what it lists, ``mine-3f2a9c01``: an
edited file is another tier. A config that was read holds the names, so a run can be read, continued
and served where the file is not.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from finscale.config.yaml_text import parse_yaml, yaml_problem

#: What a tier file may hold; the last two are written by ``finscale features select``.
_SECTIONS = ("features", "selection", "frequency")
_WRITTEN = "a tier file is `features: [rsi_14, …]`, names as `finscale features list` shows them"
_KEY = re.compile(r"[A-Za-z0-9_]+-[0-9a-f]{8}")
#: Key of each tier file that a config of this process names → its features.
_NOTED: dict[str, tuple[str, ...]] = {}


@dataclass(frozen=True)
class TierFile:
    """What a tier file says."""

    name: str
    features: tuple[str, ...]
    trials: int = 0
    """Choices that a selection weighed against one another before it wrote the file; 0 where
    nobody counted."""

    @property
    def key(self) -> str:
        """Name and digest, as datasets and runs have it."""
        return tier_key(self.name, self.features)


def is_tier_file(tier: object) -> bool:
    """Tell whether a tier is given as a file."""
    return isinstance(tier, str | Path) and str(tier).lower().endswith((".yaml", ".yml"))


def looks_like_file(tier: str) -> bool:
    """Tell whether a tier that is none was meant as a file: ``mine.txt``, ``tiers/mine``."""
    return "/" in tier or tier.lower().endswith((".txt", ".json", ".csv", ".toml"))


def read_tier_file(path: Path | str) -> TierFile:
    """Read a tier file: a YAML list of feature names, or a section with ``features``.

    Raises
    ------
    ValueError
        If it is not there, lists no features, or one twice, or holds what no tier file does; in
        words that follow its name.
    """
    file = Path(path)
    try:
        content: Any = parse_yaml(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ValueError("is a file that does not exist") from None
    except yaml.YAMLError as error:
        reason = ": ".join(part for part in yaml_problem(error) if part)
        raise ValueError(f"cannot be read as YAML ({reason})") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise ValueError(f"cannot be read ({reason})") from None
    section = content if isinstance(content, dict) else {"features": content}
    names = section.get("features")
    if not isinstance(names, list) or not names:
        raise ValueError(f"lists no features: {_WRITTEN}")
    unnamed = next((name for name in names if not isinstance(name, str)), "")
    if unnamed != "":
        raise ValueError(f"lists {json.dumps(unnamed, default=str)}, which is no name: {_WRITTEN}")
    if strange := next((str(key) for key in section if key not in _SECTIONS), None):
        raise ValueError(f"has {strange}:, which no tier file holds: {_WRITTEN}")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"lists {twice} twice")
    selection = section.get("selection")
    trials = selection.get("trials", 0) if isinstance(selection, dict) else 0
    if not isinstance(trials, int) or isinstance(trials, bool) or trials < 0:
        raise ValueError(f"has selection.trials {trials!r}: a count is needed")
    return TierFile(re.sub(r"[^A-Za-z0-9_]+", "_", file.stem) or "tier", tuple(names), trials)


def tier_key(name: str, features: Sequence[str]) -> str:
    """Return the key of a tier of these features, in this order."""
    return f"{name}-{hashlib.sha256(chr(10).join(features).encode()).hexdigest()[:8]}"


def is_tier_key(tier: str, features: Sequence[str]) -> bool:
    """Tell whether a tier is the key of these features."""
    return bool(_KEY.fullmatch(tier)) and tier_key(tier.rpartition("-")[0], features) == tier


def note_tier(key: str, features: Sequence[str]) -> None:
    """Make a tier file's features known to this process by their key."""
    _NOTED[key] = tuple(features)


def noted_tier(key: str) -> tuple[str, ...] | None:
    """Return the features behind a key; None where no config of this process names it."""
    return _NOTED.get(key)
