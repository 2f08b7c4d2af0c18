"""The sizes that ``PatchTST(…)`` asks for, each checked before anything is built."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from finscale.calling import missing, one_of, unknown, whole
from finscale.config.quantities import parse_count
from finscale.errors import BudgetError, CallError
from finscale.models.patchtst.budget import solve_budget
from finscale.models.patchtst.sizes import PatchTSTSizes

PATCHTST_CALL = 'PatchTST(budget="2M", num_features=25, context_length=80)'

#: What a budget decides on.
_SOLVED = ("depth", "width", "heads", "ff_width")


def asked_sizes(budget: Any, sizes: Mapping[str, Any]) -> PatchTSTSizes:
    """Return the sizes that are asked for, or those that meet a budget.

    Raises
    ------
    CallError
        If one is missing, unknown or of a wrong kind.
    BudgetError
        If the budget is no count, or nothing meets it.
    """
    declared = {one.name: one for one in fields(PatchTSTSizes)}
    needed = [name for name, one in declared.items() if one.default is MISSING]
    known = list(declared)
    if budget is not None:
        solver = list(inspect.signature(solve_budget).parameters)
        known = [name for name in dict.fromkeys((*known, *solver)) if name not in _SOLVED]
        known = [name for name in known if name not in ("budget", "options")]
        needed = [name for name in needed if name not in _SOLVED]
    if solved := [name for name in sizes if name in _SOLVED and budget is not None]:
        raise CallError(
            f"PatchTST takes a budget or {solved[0]}, not both.",
            hint="leave the budget out and give depth, width, heads and ff_width",
        )
    if others := [name for name in sizes if name not in known]:
        raise unknown("PatchTST", others, ["budget", *known], PATCHTST_CALL)
    if absent := [name for name in needed if name not in sizes]:
        raise missing("PatchTST", absent, PATCHTST_CALL)
    hints = get_type_hints(PatchTSTSizes)
    for name, value in sizes.items():
        _check(name, value, hints.get(name))
    return PatchTSTSizes(**sizes) if budget is None else solve_budget(_count(budget), **sizes)


def _count(budget: Any) -> int:
    try:
        count = parse_count(budget)
    except ValueError as error:
        raise BudgetError(f"budget: {error}.") from None
    if isinstance(count, float) and count.is_integer():
        count = int(count)
    return whole("budget", count)


def _check(name: str, value: Any, hint: Any) -> None:
    if get_origin(hint) is Literal:
        one_of(name, value, get_args(hint))
    elif hint is int:
        whole(name, value)
    elif hint is float and not (isinstance(value, int | float) and 0 <= value < 1):
        raise CallError(f"{name} is {value!r}: a share of 0 or more and below 1 is needed.")
    elif hint is bool and value not in (True, False):
        raise CallError(f"{name} is {value!r}: True or False is needed.")
