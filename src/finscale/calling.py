"""A wrong call of a public name, in a sentence: which argument lacks, is unknown, or cannot be."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterable
from typing import Any, Literal, ParamSpec, TypeVar, get_args, get_origin

from finscale.errors import CallError, FinscaleError, did_you_mean, nearest

P = ParamSpec("P")
R = TypeVar("R")

_KINDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def spoken(example: str = "") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a public function, or a class's ``__init__``, answer a wrong call in one sentence.

    Nothing is checked beforehand: only where a call fails with an error that is not ours, it is
    looked at. Arguments that do not fit the signature, or whose kind is not the annotated one, are
    named in a :class:`~finscale.errors.CallError`, which is a ``TypeError`` too. Other errors pass.

    Parameters
    ----------
    example : str
        A right call, for the hint.

    Examples
    --------
    >>> @spoken("half(8)")
    ... def half(number: int) -> int:
    ...     return number // 2
    >>> half(numbr=8)
    Traceback (most recent call last):
    finscale.errors.CallError: half takes no numbr.
           Did you mean number? As in half(8)
    >>> half("8")
    Traceback (most recent call last):
    finscale.errors.CallError: half takes number as int, not '8'.
           as in half(8)
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def called(*args: P.args, **options: P.kwargs) -> R:
            try:
                return function(*args, **options)
            except FinscaleError:
                raise
            except Exception as error:
                fault = _fault(function, args, options, example)
                if fault is None:
                    raise
                raise fault from error.__cause__

        return called

    return decorate


def unknown(what: str, names: Iterable[str], known: Collection[str], example: str) -> CallError:
    """Return the error of arguments that nobody takes, the first of them with its right name."""
    first = next(iter(names))
    match = nearest(first, known)
    hint = f"Did you mean {match}? As in {example}" if match else _known(known, example)
    return CallError(f"{what} takes no {first}.", hint=hint)


def missing(what: str, names: Collection[str], example: str) -> CallError:
    """Return the error of arguments that are needed and absent."""
    *others, last = names
    told = f"{', '.join(others)} and {last}" if others else last
    return CallError(f"{what} needs {told}.", hint=f"as in {example}" if example else "")


def one_of(what: str, value: object, known: Collection[str]) -> None:
    """Refuse a value that is none of those known."""
    if value not in known:
        hint = did_you_mean(str(value), known)
        raise CallError(f"{what} is {value!r}, which is no choice.", hint=hint)


def whole(what: str, value: Any, least: int = 1) -> int:
    """Return a whole number of at least ``least``; anything else is refused."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < least:
        raise CallError(f"{what} is {value!r}: a whole number of {least} or more is needed.")
    return int(value)


def _known(known: Collection[str], example: str) -> str:
    names = f"it takes {', '.join(known)}" if known else "it takes nothing"
    return f"{names}; as in {example}" if example else names


def _fault(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    options: dict[str, Any],
    example: str,
) -> CallError | None:
    """Return what is wrong with the arguments themselves; None where that was not it."""
    signature = inspect.signature(function)
    what = function.__qualname__.removesuffix(".__init__")
    takes = [one for one in signature.parameters.values() if one.name not in ("self", "cls")]
    known = [one.name for one in takes if one.kind in _KINDS]
    open_ended = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in takes)
    if not open_ended and (others := [name for name in options if name not in known]):
        return unknown(what, others, known, example or f"{what}({', '.join(known)})")
    try:
        bound = signature.bind_partial(*args, **options)
    except TypeError as error:
        hint = f"as in {example}" if example else ""
        by_name = not any(one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for one in takes)
        if by_name and args:
            return CallError(f"{what} takes its arguments by name.", hint=hint)
        return CallError(f"{what} cannot be called so: {error}.", hint=hint)
    needed = [
        one.name
        for one in takes
        if one.kind in _KINDS and one.default is one.empty and one.name not in bound.arguments
    ]
    if needed:
        return missing(what, needed, example)
    for one in takes:
        if one.name in bound.arguments and one.kind in _KINDS:
            value = bound.arguments[one.name]
            if fault := _misfit(function, one, value):
                hint = f"as in {example}" if example else ""
                return CallError(f"{what} takes {one.name} as {fault}.", hint=hint)
    return None


def _misfit(function: Callable[..., Any], one: inspect.Parameter, value: Any) -> str:
    """Return what a value should have been, where it cannot be that."""
    if not isinstance(one.annotation, str):
        annotation = one.annotation
    else:
        try:
            annotation = eval(one.annotation, inspect.unwrap(function).__globals__)
        except (NameError, TypeError, AttributeError):  # known to type checkers alone
            return ""
    if annotation is one.empty or _may_be(value, annotation):
        return ""
    shown = repr(value)
    short = shown if len(shown) <= 40 else f"a {type(value).__name__}"
    words = str(one.annotation).strip("'").replace(" | ", " or ")
    return f"{words}, not {short}"


def _may_be(value: Any, annotation: Any) -> bool:
    """Tell whether a value can be what an annotation says; what is not understood can be."""
    origin = get_origin(annotation)
    if origin is Literal:
        return value in get_args(annotation)
    if isinstance(annotation, type) and origin is None:
        if annotation in (float, complex):
            return isinstance(value, int | float) or hasattr(value, "__float__")
        if annotation is int:
            return hasattr(value, "__index__")
        return _is_instance(value, annotation)
    if annotation is None:
        return value is None
    parts = get_args(annotation)
    if origin is not None and isinstance(origin, type) and "Union" not in origin.__name__:
        text_for_list = isinstance(value, str) and origin is not str
        return _is_instance(value, origin) and not text_for_list
    return any(_may_be(value, part) for part in parts) if parts else True


def _is_instance(value: Any, kind: type) -> bool:
    try:
        return isinstance(value, kind)
    except TypeError:  # a protocol that cannot be asked
        return True
