"""Count the sessions of every exchange calendar: the figures in ``session_counts.json``.

They must come from a pandas that exchange_calendars was written for, so from an environment of
their own::

    python3 -m venv pandas2
    pandas2/bin/pip install "pandas<3" exchange_calendars==4.13.2
    pandas2/bin/python tests/data/count_sessions.py > tests/data/session_counts.json

Each year is built alone. In one piece from 1990, pandas 2 leaves out 2009-01-11, a Sunday on which
Moscow had a session.
"""

import hashlib
import json
import sys
import warnings

import exchange_calendars
import pandas as pd


def main() -> None:
    """Write one line per calendar: sessions of each year, and a digest of their dates."""
    if not pd.__version__.startswith("2."):
        sys.exit(f"this is pandas {pd.__version__}: see the text above")
    warnings.simplefilter("ignore")
    print(f'{{\n"exchange_calendars": "{exchange_calendars.__version__}",')
    print(f'"pandas": "{pd.__version__}",\n"calendars": {{')
    names = sorted(exchange_calendars.get_calendar_names(include_aliases=False))
    lines = (f' "{name}": {json.dumps(facts(name))}' for name in names)
    print(",\n".join(lines) + "\n}\n}")


def facts(name: str) -> dict:
    """Return the counts of each year from ``from`` on, and the digest."""
    calendar = exchange_calendars.get_calendar(name, start="2024-01-01", end="2024-12-31")
    first, last = pd.Timestamp("1990-01-01"), pd.Timestamp("2025-12-31")
    first = max(first, calendar.bound_min() or first)
    last = min(last, calendar.bound_max() or last)
    years = [
        exchange_calendars.get_calendar(
            name,
            start=max(first, pd.Timestamp(year, 1, 1)),
            end=min(last, pd.Timestamp(year, 12, 31)),
        ).sessions
        for year in range(first.year, last.year + 1)
    ]
    days = " ".join(str(day.date()) for sessions in years for day in sessions)
    return {
        "from": first.year,
        "sessions": [len(sessions) for sessions in years],
        "md5": hashlib.md5(days.encode()).hexdigest(),
    }


if __name__ == "__main__":
    main()
