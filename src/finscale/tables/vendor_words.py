"""What a vendor says instead of data: a limit, an unknown symbol, a missing key."""

from __future__ import annotations

import re
from typing import Any

from finscale.errors import DataError

_KEYS = re.compile(
    r"(?i)(information|notes?|errors?[ _]?(message|msg)?|message|msg|detail|description|reason)"
)
_WORDS = re.compile(
    r"(?i)api[ _-]?(key|call|request|token)|rate limit|limit|exceeded|too many requests|quota"
    r"|unauthori[sz]ed|unauthenticated|forbidden|access denied|not found|no data|brak danych"
    r"|invalid|unknown symbol|error|premium|subscription|upgrade|thank you for using|throttl"
)
_MOST_LINES = 6
_SHOWN = 160


def refusal(place: str, said: str) -> DataError:
    """Return the error that quotes what the vendor says."""
    plain = " ".join(said.split())
    plain = plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN].rstrip()} …"
    return DataError(
        f"{place} is not data: the vendor says {plain!r}.",
        hint="download it again once that is settled, and look into the file before importing it",
    )


def said_in_json(node: Any) -> str | None:
    """Return the message in a document that holds no table, or None."""
    if isinstance(node, dict):
        for key, value in node.items():
            if _KEYS.fullmatch(key.strip()):
                texts = value if isinstance(value, list) else [value]
                said = "; ".join(text for text in texts if isinstance(text, str) and text.strip())
                if said:
                    return said
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    found = (said_in_json(child) for child in children)
    return next((text for text in found if text), None)


def said_in_text(text: str) -> str | None:
    """Return a short text that is a message rather than a table, or None."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) <= _MOST_LINES and _WORDS.search(text):
        return text
    return None
