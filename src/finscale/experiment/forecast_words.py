"""What is forecast, and which sessions decide, in words."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from finscale.config import ExperimentConfig
from finscale.data import calendar
from finscale.data.targets import TASKS, task_reach, task_title
from finscale.errors import DataError

if TYPE_CHECKING:
    from finscale.experiment.new_bars import NewBars

#: Calendar days in which a session more must come, holidays included.
_DAYS_A_SESSION, _DAYS_MORE = 2, 12


def question_words(config: ExperimentConfig) -> str:
    """Return what is forecast, in a few words."""
    bars = "" if config.data.timescale == "daily" else f", bars {config.data.timescale}"
    return f"{task_title(config.task)} ({config.task.name}, H = {config.task.horizon}{bars})"


def label_words(config: ExperimentConfig, bars: NewBars, date: dt.date) -> str:
    """Return what decides on the row of a date: from which close, to the end of which session.

    Dates of sessions to come are those of the exchange's calendar; a market without one has none.
    """
    reach = task_reach(config.task)
    words = TASKS[config.task.name].words(config.task)
    ahead = "t+1" if reach == 1 else f"t+1 … t+{reach}"
    when = _sessions_ahead(date, reach, bars, config.data.timescale)
    verb = "is" if reach == 1 else "are"
    return f"decided at the close of {date} (t): {words}; {ahead} {verb} {when}"


def _sessions_ahead(date: dt.date, reach: int, bars: NewBars, timescale: str) -> str:
    if timescale != "daily":
        return f"the next {timescale} bar" if reach == 1 else f"the next {reach} {timescale} bars"
    unknown = "the next session" if reach == 1 else f"the next {reach} sessions"
    if bars.calendar == calendar.NONE:
        return unknown
    until = date + dt.timedelta(_DAYS_A_SESSION * reach + _DAYS_MORE)
    try:
        days = calendar.sessions(bars.calendar, date + dt.timedelta(1), until)[:reach]
    except DataError:
        return unknown
    if len(days) < reach:
        return unknown
    return str(days[0]) if reach == 1 else f"{days[0]} … {days[-1]}"
