"""Runs in the JSON that trackers write: nested records that hold lists beside their figures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from finscale.tables.table import Cells
from finscale.tables.values import cell_text


def run_tables(node: Any) -> Iterator[tuple[Cells, tuple[Cells, ...]]]:
    """Yield names and rows of every list of nested records in a document, the outermost first.

    A record's levels become names with points, ``{"model": {"params": 5}}`` has ``model.params``;
    a list of objects with ``key`` and ``value``, as MLflow has them, is such a level too. Other
    lists stay in one cell. Of an object of such records its keys are their names.
    """
    if isinstance(node, list):
        if len(node) > 1 and all(isinstance(item, dict) for item in node):
            yield _table([dict(_flat(item, "")) for item in node])
        for item in node:
            yield from run_tables(item)
    elif isinstance(node, dict):
        inner = list(node.values())
        if len(inner) > 1 and all(isinstance(item, dict) for item in inner):
            yield _table([{"name": key, **dict(_flat(item, ""))} for key, item in node.items()])
        for item in inner:
            yield from run_tables(item)


def _table(records: list[dict[str, str]]) -> tuple[Cells, tuple[Cells, ...]]:
    names = tuple(dict.fromkeys(name for record in records for name in record))
    return names, tuple(tuple(record.get(name, "") for name in names) for record in records)


def _flat(record: Mapping[str, Any], above: str) -> Iterator[tuple[str, str]]:
    for key, value in record.items():
        pairs = _pairs(value)
        if pairs:
            value = pairs
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        elif isinstance(value, list):
            yield f"{above}{key}", json.dumps(value)
        else:
            yield f"{above}{key}", cell_text(value)


def _pairs(value: Any) -> dict[str, Any]:
    """Return a list of objects with key and value as one object."""
    if not isinstance(value, list):
        return {}
    if not all(isinstance(item, dict) and {"key", "value"} <= item.keys() for item in value):
        return {}
    return {str(item["key"]): item["value"] for item in value}
