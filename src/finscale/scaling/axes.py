"""What the axes of a form stand for, and whether a table's sizes can be that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from finscale.config.quantities import format_count
from finscale.errors import DataError, FinscaleError
from finscale.scaling.forms import FORMS, Form
from finscale.scaling.table import LawTable

#: What the letters of equations stand for.
MEANINGS = {
    "N": "parameters",
    "D": "samples that a training sees, repeats counted",
    "U": "unique samples",
    "C": "compute",
    "M": "samples per parameter",
    "X": "experts or another second size",
}
_AUTOMATIC = {1: "power_floor", 2: "hoffmann"}


def form_for(name: str, table: LawTable) -> Form:
    """Return a form by its name; ``auto`` is the usual one for one or two axes.

    Raises
    ------
    FinscaleError
        If ``auto`` is asked for three axes, which could stand for anything, or for more.
    """
    num = len(table.axes)
    if name == "auto" and num not in _AUTOMATIC:
        known = [form for form in FORMS.values() if len(form.axes) == num]
        if not known:
            raise FinscaleError(f"no form has {num} size axes.", hint="name at most three")
        ways = "; ".join(f"--form {form.name} takes {_described(form)}" for form in known)
        raise FinscaleError(
            f"what the {num} size columns {', '.join(table.axes)} stand for is not told by their "
            "number: a form is named for them.",
            hint=f"{ways}, in this order of --x; or fit along one or two of them, with --where "
            "COLUMN=VALUE for the rest",
        )
    return FORMS[_AUTOMATIC[num] if name == "auto" else name]


def _described(form: Form) -> str:
    return ", ".join(f"{axis} ({MEANINGS.get(axis, axis)})" for axis in form.axes)


def with_axes_checked(table: LawTable, form: Form) -> LawTable:
    """Return the table with a note on what a form takes its columns for, unless it is N and D.

    Raises
    ------
    DataError
        If there are more unique samples than samples, naming the row.
    """
    if len(form.axes) == len(table.axes) and {"D", "U"} <= set(form.axes):
        seen, unique = form.axes.index("D"), form.axes.index("U")
        bad = np.flatnonzero(table.x_nd[:, unique] > table.x_nd[:, seen] * (1 + 1e-9))
        if len(bad):
            bad = bad[np.argsort(table.row_n[bad])] if len(table.row_n) else bad
            x_d = table.x_nd[bad[0]]
            row = f" in row {table.row_n[bad[0]]}" if len(table.row_n) else ""
            more = f", as in {len(bad) - 1} rows more" if len(bad) > 1 else ""
            raise DataError(
                f"{table.axes[unique]} is {x_d[unique]:g}{row}, above {table.axes[seen]} = "
                f"{x_d[seen]:g}{more}: {form.name} takes {table.axes[unique]} for the unique "
                f"samples among those that were seen.",
                hint=f"it takes {_described(form)}, in this order of --x",
            )
    form.columns(table.x_nd)
    if len(form.axes) < 2 or form.axes == ("N", "D"):
        return table
    named = ", ".join(
        f"{column} ({format_count(low)} … {format_count(high)}) as {axis}, "
        f"{MEANINGS.get(axis, axis)}"
        for column, axis, low, high in zip(
            table.axes, form.axes, table.x_nd.min(axis=0), table.x_nd.max(axis=0), strict=True
        )
    )
    return replace(table, notes=(*table.notes, f"{form.name} takes {named}"))
