"""Years of other calendars in a column of dates: Republic of China, Japanese eras."""

from __future__ import annotations

import re
from collections.abc import Sequence

# 113/01/02, as TWSE and TPEx write 2024-01-02; no other three-digit year is in use.
_MINGUO = re.compile(r"(1\d\d)([/.-])(\d\d?)\2(\d\d?)")
_MINGUO_WORDS = re.compile(r"(?:民國)?(1\d\d)年(\d\d?)月(\d\d?)日")
_FIRST_MINGUO = 1911
# R6.1.2, 令和6年1月2日: the year before an era's first.
_ERAS = {"R": 2018, "H": 1988, "S": 1925, "令和": 2018, "平成": 1988, "昭和": 1925}
_JAPANESE = re.compile(r"(R|H|S|令和|平成|昭和)(\d\d?|元)[年./-](\d\d?)[月./-](\d\d?)日?")


def in_common_years(cells: Sequence[str]) -> tuple[list[str], str]:
    """Return dates with the years of the common calendar, and a note on what was done.

    Only a column that is all of one calendar is changed.

    Examples
    --------
    >>> in_common_years(["113/01/02", "113/12/31"])[0]
    ['2024-01-02', '2024-12-31']
    >>> in_common_years(["R6.1.2"])[0]
    ['2024-01-02']
    """
    if not cells or not (
        _MINGUO.fullmatch(cells[0]) or not cells[0][:1].isdigit() or "年" in cells[0]
    ):
        return list(cells), ""
    for pattern, groups in ((_MINGUO, (1, 3, 4)), (_MINGUO_WORDS, (1, 2, 3))):
        found = [pattern.fullmatch(cell) for cell in cells]
        if all(found):
            parts = [[int(each[i]) for i in groups] for each in found if each]
            dates = [f"{y + _FIRST_MINGUO:04}-{m:02}-{d:02}" for y, m, d in parts]
            return dates, f"years of the Republic of China: {cells[0]} is {dates[0]}"
    eras = [_JAPANESE.fullmatch(cell) for cell in cells]
    if all(eras):
        dates = [
            f"{_ERAS[each[1]] + (1 if each[2] == '元' else int(each[2])):04}"
            f"-{int(each[3]):02}-{int(each[4]):02}"
            for each in eras
            if each
        ]
        return dates, f"years of Japanese eras: {cells[0]} is {dates[0]}"
    return list(cells), ""
