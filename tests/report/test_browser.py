"""The report in a real browser: drawn, quiet, in place, and safe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

FIGURES = {
    "scaling": 1,
    "skill": 5,
    "years": 3,
    "regimes": 3,
    "calibration": 1,
    "precision_recall": 1,
    "learning": 2,
    "spread": 2,
    "trading": 1,
    "tearsheet": 3,
}


@pytest.fixture(
    scope="module", params=[(1280, False), (390, True)], ids=["desk", "phone in the dark"]
)
def seen(request: pytest.FixtureRequest, look: Any, report: Path) -> dict[str, Any]:
    width, dark = request.param
    return {"dark": dark, "asked": width, **look(report, width=width, dark=dark)}


def test_nothing_goes_wrong_and_nothing_is_loaded(seen: dict[str, Any]) -> None:
    assert seen["wrong"] == []


def test_every_figure_is_drawn_in_the_room_it_has(seen: dict[str, Any]) -> None:
    drawn = [f"plot-{name}-{i}" for name, count in FIGURES.items() for i in range(count)]
    assert [plot["id"] for plot in seen["plots"]] == drawn
    for plot in seen["plots"]:
        assert plot["marks"] >= 2, plot["id"]
        assert plot["ticks"] >= 4, plot["id"]
        assert plot["wide"] == pytest.approx(plot["room"], abs=1), plot["id"]


def test_nothing_overlaps_is_cut_or_sticks_out(seen: dict[str, Any]) -> None:
    assert seen["width"] == seen["asked"]
    assert seen["scroll"] <= seen["width"]
    assert seen["overlaps"] == []
    assert seen["outside"] == []
    for plot in seen["plots"]:
        assert plot["overlaps"] == [], plot["id"]
        assert plot["cut"] == [], plot["id"]


def test_figures_follow_the_theme(seen: dict[str, Any]) -> None:
    page, ink = (
        ("rgb(20, 23, 27)", "rgb(232, 234, 237)")
        if seen["dark"]
        else (
            "rgb(255, 255, 255)",
            "rgb(27, 31, 36)",
        )
    )
    assert (seen["background"], seen["ink"]) == (page, ink)


def test_paper_is_white_open_and_as_wide_as_a_page(seen: dict[str, Any]) -> None:
    printed = seen["printed"]
    assert printed["closed"] == 0
    assert printed["ink"] == "rgb(27, 31, 36)"
    counts = [count for count in FIGURES.values() for _ in range(count)]
    assert printed["wide"] == [680 if count == 1 else 326 for count in counts]
    assert seen["closedAgain"] > 0


def test_a_dot_says_which_run_it_is(seen: dict[str, Any]) -> None:
    assert f"run {seen['click']['run']} (click for its row)" in seen["hover"]
    assert "3k parameters, seed 0" in seen["hover"]


def test_a_click_leads_to_the_row_of_the_run(seen: dict[str, Any]) -> None:
    click = seen["click"]
    assert click["row"] == f"run-{click['run']}"
    assert click["focused"]
    assert click["seen"]
    assert click["rows"] == 13


def test_a_word_is_explained_to_the_keyboard(seen: dict[str, Any]) -> None:
    tip = seen["tip"]
    assert tip["shown"]
    assert tip["text"].startswith("Fixed and hashed before the first run")
    left, _, right, _ = tip["box"]
    assert 0 <= left < right <= seen["width"]
    assert seen["tipGone"]


def test_a_script_in_a_name_stays_text(seen: dict[str, Any]) -> None:
    assert seen["evil"] is None
    assert seen["h1"] == "Does <script>window.evil = 1</script> pay 5 % & more, $x_1$ or `a|b`?"
    # the data, plotly, the report's own, and the two of the test
    assert seen["scripts"] == 5
