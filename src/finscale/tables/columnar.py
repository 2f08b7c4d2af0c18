"""Parquet, Feather and Arrow files as tables of strings."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from finscale.errors import DataError
from finscale.tables.content import Content
from finscale.tables.table import CellTable, with_levels
from finscale.tables.values import column_texts

if TYPE_CHECKING:
    import pyarrow as pa

_PARQUET, _ARROW, _FEATHER_1, _STREAM = b"PAR1", b"ARROW1", b"FEA1", b"\xff\xff\xff\xff"
_NAMES = {
    _PARQUET: "parquet",
    _ARROW: "Arrow (Feather)",
    _FEATHER_1: "Feather (version 1)",
    _STREAM: "Arrow stream",
}


def is_columnar(data: bytes) -> bool:
    """Tell whether bytes begin like a parquet, Feather or Arrow file."""
    return data.startswith(tuple(_NAMES))


def columnar_table(content: Content) -> CellTable:
    """Return a parquet, Feather or Arrow file as strings, the index of a pandas frame first.

    Raises
    ------
    DataError
        If it is damaged or has no rows.
    """
    kind = next(kind for kind in _NAMES if content.data.startswith(kind))
    import pyarrow as pa

    try:
        table = _read(kind, content.data)
        names, columns = _columns(table)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{content.place} is a {_NAMES[kind]} file that cannot be read: {reason.rstrip('.')}.",
            hint="it may be cut off or damaged: copy or write it again",
        ) from None
    if not table.num_rows or not table.num_columns:
        raise DataError(f"{content.place} has no rows.")
    if len(names) == 1:
        raise DataError(
            f"{content.place} has one column: {names[0]!r}.",
            hint="a table needs several",
        )
    return CellTable(
        place=content.place,
        headers=with_levels(names),
        rows=tuple(zip(*columns, strict=True)),
        lines=tuple(range(1, table.num_rows + 1)),
        delimiter=" ",
        sha256=content.sha256,
        typed=True,
    )


def _read(kind: bytes, data: bytes) -> pa.Table:
    import pyarrow as pa

    if kind == _PARQUET:
        from pyarrow import parquet

        return parquet.read_table(io.BytesIO(data))
    if kind == _ARROW:
        return pa.ipc.open_file(data).read_all()
    if kind == _STREAM:
        return pa.ipc.open_stream(data).read_all()
    from pyarrow import feather

    return feather.read_table(io.BytesIO(data))


def _columns(table: pa.Table) -> tuple[tuple[str, ...], list[list[str]]]:
    """Return names and texts of the columns; those of a pandas index first, moments before all."""
    import pyarrow as pa

    about: dict[str, Any] = table.schema.pandas_metadata or {}
    index = [name for name in about.get("index_columns", []) if isinstance(name, str)]

    def rank(name: str) -> int:
        if name not in index:
            return 2
        return 0 if pa.types.is_temporal(table.schema.field(name).type) else 1

    names = sorted(table.column_names, key=rank)
    texts = [_texts(table.column(table.column_names.index(name))) for name in names]
    # an index without a name is written as __index_level_0__
    plain = ["" if name.startswith("__index_level_") else name.strip() for name in names]
    return tuple(plain), texts


def _texts(column: pa.ChunkedArray) -> list[str]:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        # the shortest number that single precision holds for it: 472.55, not 472.54998779296875
        return [
            "" if value != value else str(value)
            for value in column.fill_null(float("nan")).to_numpy()
        ]
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        # Python's moments have microseconds; what is finer does not tell a session
        column = column.cast(pa.timestamp("us", tz=kind.tz), safe=False)
    return column_texts(column.to_pylist())
