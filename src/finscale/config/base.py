"""What every section of a config shares: frozen, no unknown key, canonical form."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen section of a config; unknown keys and numbers that are not finite are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False
    )


def canonical_json(content: Any) -> str:
    """Return JSON with sorted keys and no spaces: equal content gives equal text."""
    return json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def content_hash(content: Any) -> str:
    """Return the SHA-256 (hex) of the canonical JSON of ``content``."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()
