"""Secrets hidden before a text or a setting leaves: for a tracker, a log or an error's sentence."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"

_SECRET = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)
# to the last @ before the path: a password may hold one
_CREDENTIALS_IN_URL = re.compile(r"(?<=://)[^/\s]+(?=@)")
_SECRET_IN_QUERY = re.compile(
    r"([?&][^=&\s]*(?:key|token|secret|passw|credential|signature)[^=&\s]*=)[^&\s]+", re.IGNORECASE
)
#: A shorter value of the environment may be a word of any sentence.
_LEAST = 6


def hide_in_text(text: str) -> str:
    """Return a text without credentials in URLs and without secret values of the environment.

    Examples
    --------
    >>> hide_in_text("http://user:word@host/x is down")
    'http://***@host/x is down'
    >>> hide_in_text("postgresql://host/x?user=me&password=word")
    'postgresql://host/x?user=me&password=***'
    """
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) >= _LEAST:
            text = text.replace(value, HIDDEN)
    return _without_credentials(text)


def hide_secrets(content: Any, *, name: str = "") -> Any:
    """Return ``content`` with values under secret-looking keys and credentials in URLs hidden."""
    if isinstance(content, Mapping):
        return {str(key): hide_secrets(value, name=str(key)) for key, value in content.items()}
    if _SECRET.search(name) and isinstance(content, str | bytes):
        return HIDDEN
    if isinstance(content, list | tuple):
        return [hide_secrets(item, name=name) for item in content]
    if isinstance(content, str):
        return _without_credentials(content)
    return content


def hide_in_query(url: str) -> str:
    """Return a URL whose query names no secret: ``?password=***``."""
    return _SECRET_IN_QUERY.sub(rf"\g<1>{HIDDEN}", url)


def _without_credentials(text: str) -> str:
    return hide_in_query(_CREDENTIALS_IN_URL.sub(HIDDEN, text))
