"""What a report writes: all its files, whole, the same words and numbers in each."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from finscale.config.titles import title
from finscale.errors import FinscaleError
from finscale.report import write_report
from finscale.report.figure import Rule
from finscale.report.figures.scaling import scaling
from finscale.report.html import render_html
from finscale.report.markdown import render_markdown
from finscale.report.page import make_page
from finscale.runs import RunStore
from finscale.scaling import decide
from finscale.scaling.digits import signed
from finscale.study import Study
from finscale.study.control_runs import ControlOutcome
from finscale.study.findings import Findings, find
from finscale.study.findings.curve import fitted_curve

FIGURES = [
    "calibration",
    "learning",
    "precision_recall",
    "regimes",
    "scaling",
    "skill",
    "spread",
    "tearsheet",
    "trading",
    "years",
]
TABLES = [
    "baselines",
    "certificate",
    "data",
    "environment",
    "monthly",
    "reach",
    "reliability",
    "runs",
    "scores",
    "seeds",
    "sizes",
    "skill_by_volatility",
    "skill_by_year",
    "trading",
    "windows",
]


def test_all_files_are_there_and_whole(report: Path) -> None:
    folder = report.parent
    assert report.name == "report.html"
    assert report.stat().st_size < 8_000_000
    assert sorted(p.stem for p in (folder / "figures").glob("*.svg")) == FIGURES
    for name in FIGURES:
        assert (folder / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(p.stem for p in (folder / "tables").glob("*.csv")) == TABLES
    assert sorted(p.stem for p in (folder / "tables").glob("*.tex")) == TABLES
    assert not list(folder.rglob("*.tmp"))


def test_html_loads_nothing_and_holds_no_foreign_markup(report: Path) -> None:
    page = report.read_text(encoding="utf-8")
    head, _, rest = page.partition("<script type=")
    assert "default-src 'none'" in head
    assert "<script>window.evil" not in page
    assert "&lt;script&gt;window.evil" in head
    own = rest.split("</script>")[-1]
    for text in (head, own):
        assert 'src="http' not in text
        assert "@import" not in text


def test_markdown_says_the_same(report: Path, findings: Findings) -> None:
    text = (report.parent / "report.md").read_text(encoding="utf-8")
    assert text.startswith(
        r"# Does \<script\>window.evil = 1\</script\> pay 5 % & more, \$x\_1\$ or \`a\|b\`?"
    )
    assert findings.verdict is not None
    assert f"**{findings.verdict.name}. " in text
    assert (
        "![Does a larger network lose less on days that it has never seen?](figures/scaling.png)"
        in text
    )
    for name in FIGURES:
        assert f"(figures/{name}.png)" in text
    for run in findings.runs["run_id"]:
        assert f"| {run} |" in text
    assert findings.study.hash() in text
    assert "- **skill**: Log loss gained over a baseline on the same days." in text


def test_tables_hold_the_runs_raw_numbers(report: Path, findings: Findings) -> None:
    stored = pl.read_csv(report.parent / "tables" / "runs.csv")
    assert stored["run_id"].to_list() == findings.runs["run_id"].to_list()
    assert stored["log_loss"].to_list() == pytest.approx(findings.runs["log_loss"].to_list())
    tex = (report.parent / "tables" / "sizes.tex").read_text(encoding="utf-8")
    assert r"\toprule" in tex
    assert tex.count(r"\\") == 5
    assert "parameters & seeds &" in tex


def test_numbers_in_the_report_are_the_runs(findings: Findings, study: Study) -> None:
    assert findings.num_days == 1005
    assert {b.name for b in findings.baselines} == set(findings.study.baselines)
    volatility = next(b for b in findings.baselines if b.name == "volatility")
    assert volatility.value.value == pytest.approx(0.3705, abs=5e-4)
    losses = findings.seeds.group_by("size").agg(pl.col("value").mean()).sort("size")["value"]
    assert findings.verdict is not None
    np.testing.assert_allclose(losses, findings.verdict.covariance.mean_G)
    # the least validation loss chose the size, and the test set had no say
    means = findings.seeds.group_by("size").agg(pl.col("validation_loss").mean())
    best = means.sort("validation_loss")["size"][0]
    assert findings.chosen.sizes["parameters"] == best
    skill = findings.skill("volatility")
    assert skill is not None
    own = findings.seeds.filter(pl.col("size") == best)["value"].mean()
    assert skill.value == pytest.approx(volatility.value.value - own)
    assert skill.low < skill.value < skill.high
    assert [findings.words(s) for s in sorted(findings.seeds["size"].unique())] == [
        "3k",
        "5k",
        "9k",
        "15k",
    ]
    assert findings.words(150_000) == "150k"


def test_every_size_is_held_against_the_linear_model(
    findings: Findings, study: Study, report: Path
) -> None:
    beyond, verdict = findings.beyond, findings.verdict
    assert beyond is not None
    assert verdict is not None
    # by hand, from the runs: the logistic's loss less the mean over seeds
    runs = findings.runs
    linear = runs.filter(pl.col("model") == "logistic")["log_loss"].item()
    losses = runs.filter(pl.col("role") == "network").group_by("parameters")
    means = losses.agg(pl.col("log_loss").mean()).sort("parameters")
    assert list(beyond.sizes) == means["parameters"].to_list()
    values = [gain.value for gain in beyond.gains]
    # a day on which a network stayed at its linear start counts as none, to fp32's rounding
    np.testing.assert_allclose(values, linear - means["log_loss"].to_numpy(), atol=1e-7)
    # one interval for one size, holding four at once, is wider than for itself alone
    alone = findings.skills.filter(pl.col("over") == "logistic").sort("parameters")
    for gain, low, high in zip(beyond.gains, alone["low"], alone["high"], strict=True):
        assert gain.high - gain.low > 0.95 * (high - low)
    # the sentence, the words above it, the first screen, the tables, the file
    said = beyond.sentence(pays=verdict.name == "LAW")
    assert verdict.sentence.endswith(said)
    page = make_page(findings, "plan")
    assert page.plain.endswith(f" {beyond.headline}.")
    assert page.sentence.endswith(said)
    key = next(key for key in page.keys if key.label == "Beyond the linear model")
    assert key.value.endswith(" nats")
    assert findings.beyond_chosen == beyond.at(findings.chosen.sizes["parameters"])
    sizes = next(table for table in page.tables if table.name == "sizes")
    titles = [column.title for column in sizes.columns]
    assert titles[-1] == "beyond the linear model, all sizes at once (nats)"
    assert "skill over logistic" not in titles
    stored = json.loads((study.folder / "law.json").read_text(encoding="utf-8"))
    assert stored["beyond_linear"]["headline"] == beyond.headline
    assert [one["value"] for one in stored["beyond_linear"]["sizes"]] == pytest.approx(values)
    printed = {row["model"]: row["beyond linear (nats)"] for row in study.summary()}
    assert {printed.pop(name) for name in findings.study.baselines} == {"–"}
    assert [cell.split(" [")[0] for cell in printed.values()] == [
        signed(gain, 4).split(" [")[0] for gain in beyond.gains
    ]


def test_without_a_linear_model_nothing_is_said_of_it(
    regression: Findings, horizons: Findings
) -> None:
    for findings in (regression, horizons):
        assert findings.beyond is None
        assert "linear" not in render_markdown(make_page(findings, "plan")).split("```")[0]


def test_baselines_are_named_at_their_lines(findings: Findings) -> None:
    panel = make_page(findings, "plan").figures[0].panels[0]
    rules = [mark for mark in panel.marks if isinstance(mark, Rule) and mark.label]
    named = [rule.label.rsplit(" ", 1)[0] for rule in rules]
    edges = [words.split(" baseline ")[0] for words in (*panel.above, *panel.below)]
    assert sorted([*named, *edges]) == sorted(title(b.name) for b in findings.baselines)
    low, high = panel.y.limits or (0.0, 0.0)
    middles = sorted(rule.label_y for rule in rules)
    assert all(later - first > 0.05 * (high - low) for first, later in pairwise(middles))
    assert all(low < middle < high for middle in middles)


def test_without_a_curve_the_legend_names_baselines_and_hides_no_dot(findings: Findings) -> None:
    figure = scaling(replace(findings, curve=None, verdict=None, no_verdict="one seed"))
    (panel,) = figure.panels
    rules = [mark for mark in panel.marks if isinstance(mark, Rule)]
    assert all(rule.name and not rule.label for rule in rules)
    low, high = panel.y.limits or (0.0, 0.0)
    values = findings.seeds["value"]
    assert max(values) < high - 0.05 * len(panel.above) * (high - low)
    assert min(values) > low + 0.05 * len(panel.below) * (high - low)


def test_curve_is_the_verdicts_and_its_band_holds_it(findings: Findings) -> None:
    curve, verdict = findings.curve, findings.verdict
    assert curve is not None
    assert verdict is not None
    assert (curve.low <= curve.value).all()
    assert (curve.value <= curve.high).all()
    assert curve.x[-1] == pytest.approx(10 * curve.size_G[-1])
    at_last = np.interp(curve.size_G[-1], curve.x, curve.value)
    assert at_last - curve.value[-1] == pytest.approx(verdict.next_tenfold.value, abs=2e-3)
    missed = abs(curve.mean_G[-1] - curve.foretold)
    assert missed == pytest.approx(verdict.held_out[0], rel=1e-9)


def test_second_report_reads_the_certificate_that_the_first_one_proved(
    study: Study, findings: Findings
) -> None:
    path = study.folder / "certificate.json"
    before = path.stat().st_mtime_ns
    assert write_report(study) == study.folder / "report.html"
    assert path.stat().st_mtime_ns == before
    assert findings.certificate["clean"]


def _valley(sizes: np.ndarray) -> np.ndarray:
    return 0.36 + 0.01 * np.log10(sizes / 2e4) ** 2


def test_a_valley_names_its_best_size(findings: Findings) -> None:
    rng = np.random.default_rng(0)
    sizes = np.geomspace(1e3, 1e6, 13)
    noise = 0.01 * rng.standard_normal((13, 3, 800))
    verdict = decide(_valley(sizes)[:, None, None] + noise, sizes, sesoi=0.005)
    assert verdict.name == "TURNS"
    curve = fitted_curve(verdict)
    assert curve.x[-1] == pytest.approx(1e6)
    page = make_page(replace(findings, verdict=verdict, curve=curve), "plan")
    assert page.plain.startswith("Size pays up to a point, and hurts beyond it. ")
    best = next(key for key in page.keys if key.label == "Best size")
    assert 10 <= float(best.value.split("k")[0]) <= 40
    assert "Up to the best size" in render_markdown(page)
    # beyond a valley nothing is predicted, and nothing is said to be held out
    tenfold = next(key for key in page.keys if "×10" in key.label)
    assert tenfold.value == "not known: the curve turns before it"
    assert tenfold.note.startswith("cost: ")
    names = [mark.name for mark in page.figures[0].legend()]
    assert "mean over seeds" in names
    assert not {"carried on to ×10", "predicted without it", "largest size, held out"} & set(names)
    assert "held out" not in page.figures[0].caption


def test_what_is_missing_failed_or_leaked_is_said_first(findings: Findings) -> None:
    outcome = ControlOutcome("permuted_labels", "shuffled", "no law", "LAW", False, {"p": 0.001})
    troubled = replace(
        findings,
        missing=("parameters9000-seed1",),
        failures={"0" * 16: {"label": "parameters15000-seed0", "error": "out of memory"}},
        certificate={**findings.certificate, "clean": False},
        controls=(outcome, replace(outcome, control="planted_signal", ok=None)),
    )
    page = make_page(troubled, "plan")
    assert [warning.split(":")[0] for warning in page.warnings] == [
        "1 planned run is missing",
        "1 run failed",
        "The audit found a leak",
        "A control did not come out as it should",
    ]
    text = render_markdown(page)
    assert "✗ not as expected" in text
    assert "? not finished" in text
    assert 'role="alert"' in render_html(page)
    values = {key.label: key.value for key in page.keys}
    assert values["Controls"] == "0 of 2 as expected"
    assert values["Leakage"] == "leak found"


def test_without_a_verdict_the_report_still_says_what_is_known(regression: Findings) -> None:
    assert regression.verdict is None
    page = make_page(regression, "plan")
    assert page.verdict == "NO VERDICT"
    # no run is missing, so that it would be wrong to call it unfinished
    assert not regression.missing
    assert page.plain == "This study is too small to tell whether size pays."
    begun = make_page(replace(regression, missing=("parameters9000-seed1",)), "plan")
    assert begun.plain == "The study is not finished."
    assert page.question == "What does more parameters bring?"
    assert {figure.name for figure in page.figures} == {
        "scaling",
        "skill",
        "years",
        "regimes",
        "learning",
        "trading",
        "tearsheet",
    }
    assert "squared return" in render_markdown(page)
    # two folds are one series of days
    assert len(regression.chosen.runs) == 2
    assert regression.num_days == 504
    assert len(regression.windows) == 2
    assert sorted(regression.seeds["level"].unique()) == [
        "context length 40 bars",
        "context length 80 bars",
    ]


def test_horizons_are_held_against_their_own_base_rates(horizons: Findings) -> None:
    page = make_page(horizons, "plan")
    labels = [key.label for key in page.keys]
    assert labels[0] == "Loss saved from 1 bar ahead to 5 bars ahead, against the base rate"
    # ten times a horizon is no larger size of the same thing
    assert not any("×10" in label for label in labels)
    assert horizons.curve is not None
    assert horizons.curve.x[-1] == pytest.approx(5)
    panel = page.figures[0].panels[0]
    assert panel.y.title == "test loss less the base rate's (nats per decision)"
    assert panel.x.title == "horizon (bars ahead)"
    assert [label for _, label in panel.x.ticks] == ["1", "5"]
    skills = horizons.seeds["skill_base_rate"].to_numpy()
    np.testing.assert_allclose(horizons.seeds["value"], -skills, atol=1e-3)


def test_a_study_shows_itself(study: Study, tmp_path: Path) -> None:
    page = study.report(tmp_path / "told")
    assert page == tmp_path / "told" / "report.html"
    assert (tmp_path / "told" / "figures" / "scaling.png").exists()
    (axes,) = study.plot().axes
    assert axes.get_xscale() == "log"
    assert axes.lines or axes.collections


def test_nothing_finished_is_said_in_a_sentence(study: Study, tmp_path: Path) -> None:
    empty = Study(study.config, studies=tmp_path, runs=RunStore(tmp_path / "runs"), data=study.data)
    with pytest.raises(FinscaleError, match="no finished network"):
        write_report(empty)


def test_a_report_speaks_of_its_own_outcome(study: Study, tmp_path: Path) -> None:
    """The same runs, judged by AUC: the sentence, axes, numbers and tables follow."""
    config = study.config.model_copy(update={"outcome": "auc", "sesoi": 0.01})
    ranked = find(Study(config, studies=tmp_path, runs=study.runs, data=study.data))
    page = make_page(ranked, "plan")
    figure = page.figures[0]
    assert figure.question == "Does a larger network rank days better that it has never seen?"
    assert figure.panels[0].y.title.startswith("test AUC")
    assert page.keys[0].label == "AUC gained from 3k to 15k parameters"
    assert "stated before: ±.01; minimum detectable effect: ." in page.keys[0].note
    assert page.keys[1].value.endswith("in AUC")
    assert "AUC" in page.sentence
    assert "loss" not in page.sentence
    # one number everywhere: the verdict's, the dots', the table's
    assert ranked.verdict is not None
    means = ranked.seeds.group_by("size").agg(pl.col("value").mean()).sort("size")["value"]
    np.testing.assert_allclose(means, ranked.verdict.mean_G)
    auc = ranked.runs.filter(pl.col("role") == "network").group_by("parameters")
    of_runs = auc.agg(pl.col("auc").mean()).sort("parameters")["auc"]
    np.testing.assert_allclose(of_runs, means)
    values = {baseline.name: baseline.value for baseline in ranked.baselines}
    assert values["base_rate"].value == 0.5
    assert values["volatility"].value == pytest.approx(0.777, abs=2e-3)
    curve = ranked.curve
    assert curve is not None
    assert (curve.low <= curve.value).all()
    assert (curve.value <= curve.high).all()
    assert 0.5 < curve.value[0] < 1
    hover = [mark.hover for mark in figure.panels[0].marks if getattr(mark, "runs", ())]
    assert "test AUC ." in hover[0][0]
    assert "validation loss ." in hover[0][0]
    # skill stays in nats, and no effect of interest was stated for it
    skill = next(figure for figure in page.figures if figure.name == "skill")
    assert skill.panels[0].y.title == "skill (nats per decision)"
    assert "smallest effect of interest" not in skill.caption
    text = render_markdown(page)
    assert "the outcome is the test AUC" in text
    assert "test AUC, lowest to highest seed" in text


def test_years_of_a_few_days_are_not_drawn(findings: Findings) -> None:
    few = findings.groups.with_columns(
        days=pl.when(pl.col("label") == "2015").then(3).otherwise(pl.col("days"))
    )
    figure = make_page(replace(findings, groups=few), "plan").figures[2]
    assert figure.name == "years"
    assert figure.panels[0].marks[1].x == ["2016", "2017", "2018"]
    assert "Left out for fewer than 20 test days: 2015." in figure.caption
    assert "of 3 years" in figure.answer
