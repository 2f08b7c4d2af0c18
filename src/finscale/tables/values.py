"""Values of typed files as the strings that stand for exactly them."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
from collections.abc import Sequence
from typing import Any


def cell_text(value: Any) -> str:
    """Return a value as text: nothing for null and NaN, floats so that they read back exactly.

    A moment is written in ISO form with its offset; one at midnight without a zone is a date.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    if isinstance(value, decimal.Decimal):
        return "" if value.is_nan() else format(value, "f")
    if isinstance(value, dt.datetime):
        if value.tzinfo is None and value.time() == dt.time():
            return value.date().isoformat()
        return value.isoformat()
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").strip()
    if isinstance(value, (dict, list)):
        return json.dumps(value, default=str)
    return str(value)


def column_texts(values: Sequence[Any]) -> list[str]:
    """Return a column as text; moments without a zone are dates only if all are at midnight."""
    moments = [v for v in values if isinstance(v, dt.datetime)]
    if moments and any(v.time() != dt.time() for v in moments):
        return [v.isoformat() if isinstance(v, dt.datetime) else cell_text(v) for v in values]
    return [cell_text(value) for value in values]
