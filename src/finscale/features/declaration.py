"""A digest of what a tier's columns are computed by, so that a changed formula is seen as one.

What counts is what a declaration says (inputs, parameters, lookback, how it is seen) and the
compiled code of its functions and of those of finscale that they call, down to the last; comments,
docstrings and line numbers do not.
"""

from __future__ import annotations

import functools
import hashlib
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

from finscale.features.declared import PARTS
from finscale.features.feature import Feature
from finscale.features.relative import relative_features
from finscale.features.tiers import FEATURES, tier_features

_PLAIN = (int, float, str, bytes, bool, type(None))
_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


@functools.lru_cache(maxsize=64)
def tier_digest(tier: str) -> str:
    """Return a digest of a tier's declarations, its relative columns' too: ``3.11:5f3c…``.

    It begins with the version of Python, whose compiled code another version does not compare with.
    """
    key = hashlib.sha256()
    for feature in (*tier_features(tier), *relative_features(tier)):
        key.update(feature_digest(feature).encode())
    return f"{_PYTHON}:{key.hexdigest()[:24]}"


def feature_digest(feature: Feature) -> str:
    """Return a digest of one declaration, of its functions and of all that it is made of."""
    return _digest_of(feature.name, id(feature), _Held(feature))


class _Held:
    """A feature that compares by identity, for the cache; it is kept alive by it."""

    def __init__(self, feature: Feature) -> None:
        self.feature = feature

    def __hash__(self) -> int:
        return id(self.feature)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and other.feature is self.feature


@functools.lru_cache(maxsize=20_000)
def _digest_of(name: str, number: int, held: _Held) -> str:
    feature = held.feature
    facts = (feature.inputs, feature.lookback, feature.seen, feature.sessions)
    key = hashlib.sha256(f"{name} {facts}".encode())
    for part in _said(feature.compute, set()):
        key.update(part.encode())
    for parameter, value in sorted(feature.parameters.items()):
        key.update(parameter.encode())
        for part in _said(value, set()):
            key.update(part.encode())
    for one in feature.inputs:
        for declared in (PARTS, FEATURES):
            if one in declared and declared[one] is not feature:
                key.update(feature_digest(declared[one]).encode())
    return key.hexdigest()


def _said(value: Any, seen: set[int]) -> Iterator[str]:
    """Yield what a value says: plain ones themselves, functions by their compiled code."""
    if isinstance(value, _PLAIN):
        yield repr(value)
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, functools.partial):
        yield from _said((value.func, value.args, value.keywords), seen)
    elif isinstance(value, types.FunctionType):
        yield from _function(value, seen)
    elif isinstance(value, types.MethodType):
        yield from _said((value.__func__, value.__self__), seen)
    elif isinstance(value, Feature):
        yield feature_digest(value)
    elif isinstance(value, Mapping):
        for name in sorted(value, key=str):
            yield str(name)
            yield from _said(value[name], seen)
    elif isinstance(value, tuple | list):
        yield f"{len(value)} of"
        for part in value:
            yield from _said(part, seen)
    elif isinstance(value, set | frozenset):
        yield repr(sorted(map(repr, value)))
    else:
        # what libraries hold is known by its name; their versions are not a declaration's
        kind = type(value)
        yield f"{getattr(value, '__module__', kind.__module__)}."
        yield str(getattr(value, "__qualname__", getattr(value, "__name__", kind.__qualname__)))


def _function(function: types.FunctionType, seen: set[int]) -> Iterator[str]:
    yield function.__qualname__
    yield from _said((function.__defaults__, function.__kwdefaults__), seen)
    for cell in function.__closure__ or ():
        yield from _said(cell.cell_contents, seen)
    yield from _code(function.__code__, function.__doc__)
    for name in _names(function.__code__):
        known = function.__globals__.get(name)
        ours = getattr(known, "__module__", "") or ""
        if isinstance(known, (*_PLAIN, tuple, functools.partial)) or (
            isinstance(known, types.FunctionType) and not ours.startswith(("numpy", "polars"))
        ):
            yield name
            yield from _said(known, seen)


def _code(code: types.CodeType, doc: str | None) -> Iterator[str]:
    yield code.co_code.hex()
    yield repr(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            inner = constant.co_consts[0] if constant.co_consts else None
            yield from _code(constant, inner if isinstance(inner, str) else None)
        elif constant != doc or doc is None:
            yield repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant)


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)
