"""Numbers, words, tables and figures as text: literal expectations."""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest

from finscale.evaluation.bootstrap import Metric
from finscale.report.figure import Figure, FigureAxis, FigureBand, FigurePanel, Line, Points, Rule
from finscale.report.html import _interval_cell, _json
from finscale.report.interactive import specification
from finscale.report.latex import latex, latex_table
from finscale.report.markdown import markdown_table, text
from finscale.report.numbers import duration, fixed, flops, interval, number, percent
from finscale.report.palette import BASELINE_ROLES, DARK, LIGHT, ramp
from finscale.report.static import save
from finscale.report.table import Column, Table, count, csv, estimate
from finscale.report.words import GLOSSARY, VERDICTS, explained, slug, used
from finscale.scaling.decision import VERDICTS as POSSIBLE


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.012345, ".0123"),
        (-0.5, "−.5"),
        (12.34, "12.3"),
        (123456.7, "123,457"),
        (0.0, "0"),
        (4e-7, "4.00e−7"),
        (math.nan, "–"),
        (None, "–"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
    ],
)
def test_number(value: float | None, said: str) -> None:
    assert number(value) == said


def test_intervals_have_the_decimals_that_the_estimate_deserves() -> None:
    assert interval(Metric(0.0906, 0.0706, 0.11236)) == ".0906 [.0706, .1124]"
    assert interval(Metric(0.00177, -0.0126, 0.0175), sign=True) == "+.0018 [−.0126, +.0175]"
    assert interval(Metric(0.36684, 0.34, 0.39), digits=4) == ".3668 [.3400, .3900]"
    assert interval(Metric(0.5, math.nan, math.nan)) == ".5"
    assert interval(Metric(0.0, 0.0, 0.0)) == ".000 [.000, .000]"
    assert fixed(-0.00001, 3) == ".000"


def test_other_units() -> None:
    assert [percent(v) for v in (0.2178, -0.05, 12.5, None)] == ["21.8 %", "−5 %", "1,250 %", "–"]
    assert percent(0.1, sign=True) == "+10 %"
    assert [duration(s) for s in (5.4, 130, 7300, 2e5)] == [
        "5.4 s",
        "2.17 min",
        "2.03 h",
        "2.31 days",
    ]
    assert flops(6.184e11) == "6.18e11 FLOP"


def test_words_are_explained_once_and_markup_stays_text() -> None:
    marked = str(explained("Skill <b> is skill, in nats (p = .03)"))
    assert marked.count('class="term"') == 3
    assert "&lt;b&gt;" in marked
    assert 'aria-describedby="word-skill"' in marked
    assert slug("95 % interval") == "word-95-interval"
    assert used(["no jargon at all", "the AUC of two seeds"]) == ["AUC", "seed"]
    # a p without a value is no term
    assert used(["p of nothing"]) == []


def test_every_meaning_is_a_sentence() -> None:
    assert set(VERDICTS) == {*POSSIBLE, "MIXED", "NO VERDICT"}
    for term, meaning in [*GLOSSARY.items(), *VERDICTS.items()]:
        assert meaning.endswith("."), term
        assert meaning[0].isupper() or not meaning[0].isalpha(), term


def _table(name: str = "<script>") -> Table:
    data = pl.DataFrame(
        {
            "what": [name, "b_c"],
            "n": [1234, None],
            "value": [0.1, -0.2],
            "low": [0.0, -0.3],
            "high": [0.2, -0.1],
            "list": [["a"], ["b"]],
        }
    )
    columns = (
        Column("what", lambda row: row["what"], numeric=False),
        count("how many", "n"),
        estimate("gain (nats)", sign=True),
    )
    return Table("small", "A small table", data, columns, "what")


def test_markdown_table() -> None:
    assert markdown_table(_table()) == (
        "| what | how many | gain (nats) |\n"
        "|---|---:|---:|\n"
        "| \\<script\\> | 1,234 | +.100 \\[.000, +.200\\] |\n"
        "| b\\_c | – | −.200 \\[−.300, −.100\\] |"
    )
    assert text("a|b *c* #1") == r"a\|b \*c\* \#1"


def test_latex_table_is_booktabs() -> None:
    assert latex_table(_table("5 % & $x^2$")) == (
        "% A small table; needs booktabs and amssymb\n"
        "\\begin{tabular}{lrr}\n"
        "\\toprule\n"
        "what & how many & gain (nats) \\\\\n"
        "\\midrule\n"
        "5 \\% \\& \\$x\\textasciicircum{}2\\$ & 1,234 & +.100 [.000, +.200] \\\\\n"
        "b\\_c & -- & $-$.200 [$-$.300, $-$.100] \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
    )
    assert latex("a\\b{~}") == r"a\textbackslash{}b\{\textasciitilde{}\}"


def test_csv_has_raw_values() -> None:
    assert csv(_table("x,y")) == (
        'what,n,value,low,high,list\n"x,y",1234,0.1,0.0,0.2,"[""a""]"\n'
        'b_c,,-0.2,-0.3,-0.1,"[""b""]"\n'
    )
    assert _table().ids == ["<script>", "b_c"]


def test_json_cannot_end_its_script_element() -> None:
    assert _json({"a": "</script>&\u2028"}) == '{"a": "\\u003c/script\\u003e\\u0026\\u2028"}'
    assert _interval_cell("<1 [0, 2]") == '&lt;1 <span class="i">[0, 2]</span>'


def _figure() -> Figure:
    marks = (
        FigureBand("band", [1.0, 10.0], [0.1, 0.2], [0.3, 0.4], "model"),
        Line("line", [1.0, 10.0], [0.2, math.nan], "other", dash="dash", faint=True),
        Rule("rule", 0.25, "null"),
        Points(
            "dots",
            [1.0, 10.0],
            [0.2, 0.3],
            "model",
            hover=["<b>one</b>\nline", "two"],
            runs=["r1", "r2"],
            low=[0.1, 0.2],
            high=[0.4, 0.4],
            hollow=True,
        ),
        Points("", [1.0], [0.2], "bad", shape="cross"),
    )
    x = FigureAxis("size", kind="log", ticks=((1.0, "1"), (10.0, "<10>")), limits=(1.0, 100.0))
    y = FigureAxis("cost in $", form="percent", limits=(0.0, 1.0))
    panel = FigurePanel("title $", x, y, marks, above=("far <away>",), below=("low",))
    return Figure("example", "Does it cost $5?", "Yes.", "A caption.", (panel, panel), wide=True)


def test_plotly_specification() -> None:
    figure = _figure()
    [first, _] = specification(figure)
    band, line, dots, cross = first["data"]
    assert band["x"] == [1.0, 10.0, 10.0, 1.0]
    assert band["y"] == [0.3, 0.4, 0.2, 0.1]
    assert band["fillcolor"] == "@model/0.16"
    assert line["y"] == [0.2, None]
    assert line["line"] == {"color": "@other/0.45", "width": 2.0, "dash": "dash"}
    assert dots["text"] == ["&lt;b&gt;one&lt;/b&gt;<br>line", "two"]
    assert dots["customdata"] == ["r1", "r2"]
    assert dots["marker"]["color"] == "@paper"
    assert dots["error_y"]["array"] == pytest.approx([0.2, 0.1])
    assert cross["marker"]["symbol"] == "x"
    assert cross["hoverinfo"] == "skip"
    layout = first["layout"]
    assert layout["xaxis"]["range"] == [0.0, 2.0]
    assert layout["xaxis"]["ticktext"] == ["1", "&lt;10&gt;"]
    assert layout["yaxis"]["tickformat"] == ".0%"
    assert [shape["y0"] for shape in layout["shapes"]] == [0.25]
    assert [note["text"] for note in layout["annotations"]] == ["↑ far &lt;away&gt;", "↓ low"]
    assert [mark.name for mark in figure.legend()] == ["band", "line", "rule", "dots"]


def test_static_figures_are_the_same_bits_twice(tmp_path: Path) -> None:
    first, second = (save(_figure(), tmp_path / name) for name in "ab")
    assert first.read_bytes().startswith(b"\x89PNG")
    assert first.read_bytes() == second.read_bytes()
    svg = first.with_suffix(".svg").read_text(encoding="utf-8")
    assert svg == second.with_suffix(".svg").read_text(encoding="utf-8")
    assert "Does it cost $5?" in svg
    assert "far &lt;away&gt;" in svg


def _luminance(color: str) -> float:
    parts = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_marks_can_be_told_from_the_paper(palette: dict[str, str]) -> None:
    """WCAG 2: 4.5 for text, 3 for marks."""

    def contrast(role: str) -> float:
        light, dark = sorted((_luminance(palette[role]), _luminance(palette["paper"])))[::-1]
        return (light + 0.05) / (dark + 0.05)

    for role in ("ink", "quiet", "accent", "good", "bad", "warn"):
        assert contrast(role) >= 4.5, role
    for role in ("model", *BASELINE_ROLES):
        assert contrast(role) >= 3, role
    assert [ramp(i, 3) for i in range(3)] == ["ramp0", "ramp2", "ramp4"]
    assert ramp(0, 1) == "ramp2"
