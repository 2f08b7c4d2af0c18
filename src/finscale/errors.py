"""The one error a user meets: what is wrong, where, and how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import ClassVar


class FinscaleError(Exception):
    """Bad input or a state that finscale refuses to work in.

    The terminal prints the message and the hint, without a traceback, and exits with status 1.

    Parameters
    ----------
    message : str
        One sentence: the offending value and its place.
    hint : str, optional
        The way out: a command, a setting, the nearest valid name.
    """

    #: What the process ends with.
    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n       {self.hint}" if self.hint else self.message


class ConfigError(FinscaleError):
    """A setting that does not exist, has the wrong type, or contradicts another."""


class SettingError(ConfigError, ValueError):
    """A mistake in the settings that a config is made of in Python: ``ExperimentConfig(…)``."""


class CallError(FinscaleError, TypeError):
    """A public name called with an argument that it lacks, does not know or cannot use."""


class DataError(FinscaleError):
    """Bars, a manifest or a dataset that cannot be trusted or found."""


class TooFewBarsError(DataError):
    """Bars of one symbol that are fewer than its features look back."""


class BudgetError(FinscaleError):
    """A parameter budget that no architecture of the wanted shape can meet."""


class TrainingError(FinscaleError):
    """A training that cannot start, or had to stop."""


class DivergedError(TrainingError):
    """A training whose loss is not finite: its settings are at fault, not the machine."""


class TrainingPaused(TrainingError):  # noqa: N818 (a pause is no fault)
    """Training stopped before its end, by Ctrl-C, heat or a callback, and can be resumed."""

    #: As a shell reports a process that Ctrl-C ended.
    exit_status = 130


class FinscaleWarning(UserWarning):
    """Something a user should know and that does not stop the work."""


def missing_extra(package: str, extra: str) -> FinscaleError:
    """Return the error for an optional dependency that is not installed."""
    return FinscaleError(
        f"{package} is not installed.", hint=f"pip install 'finscale[{extra}]' brings it"
    )


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like ``name``, or None when none is close.

    One that differs by capitals and spaces alone comes before all others.

    Examples
    --------
    >>> nearest(" A20", ["c20", "a20"])
    'a20'
    """
    names = list(known)
    plain = name.strip().casefold()
    same = next((one for one in names if one.casefold() == plain), None)
    matches = [same] if same else difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return matches[0] if matches else None


#: Names that a hint lists.
_LISTED = 40


def did_you_mean(name: str, known: Iterable[str], *, prefix: str = "") -> str:
    """Return a hint: the nearest known name, else what is known: of very many names the first."""
    known = sorted(known)
    match = nearest(name, known)
    if match:
        return f"Did you mean {prefix}{match}?"
    return "Known: " + listed([prefix + k for k in known])


def listed(names: Sequence[str]) -> str:
    """Return names with commas: of very many the first, and how many there are."""
    more = f" … ({len(names):,} in all)" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
