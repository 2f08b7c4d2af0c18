"""What a report says where a plain model failed, or where networks are worse than one."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from finscale.config.baselines import LINEAR_BASELINE
from finscale.evaluation.bootstrap import Metric
from finscale.judging.claims import Known
from finscale.report.markdown import render_markdown
from finscale.report.page import make_page
from finscale.report.static import save
from finscale.study.failed import failed_baselines
from finscale.study.findings import Findings
from finscale.study.results import summary

LOST = Metric(-1.45, -1.7, -1.2)


@pytest.fixture(scope="module")
def failed(findings: Findings) -> Findings:
    """The findings of a study whose logistic lost to the base rate."""
    baselines = tuple(
        replace(one, knows=Known(LOST, ranks=False)) if one.name == "logistic" else one
        for one in findings.baselines
    )
    assert findings.beyond is not None
    beyond = replace(findings.beyond, failed="The logistic baseline failed: it loses 1.45 nats")
    return replace(findings, baselines=baselines, beyond=beyond)


@pytest.fixture(scope="module")
def worse(findings: Findings) -> Findings:
    """The findings of a study whose networks all lose to the best plain model."""
    best = findings.claims.best_baseline
    moved = pl.when(pl.col("over") == best)
    skills = findings.skills.with_columns(
        value=moved.then(-0.02).otherwise(pl.col("value")),
        low=moved.then(-0.03).otherwise(pl.col("low")),
        high=moved.then(-0.01).otherwise(pl.col("high")),
    )
    assert findings.beyond is not None
    gains = tuple(Metric(-0.02, -0.03, -0.01) for _ in findings.beyond.gains)
    return replace(findings, skills=skills, beyond=replace(findings.beyond, gains=gains))


def test_a_size_is_worse_by_the_interval_that_holds_for_all_sizes(worse: Findings) -> None:
    """One rule for the card and the chart: each size alone would be worse here."""
    assert worse.claims.best_baseline == LINEAR_BASELINE
    assert worse.beyond is not None
    assert all(map(worse.is_worse, worse.beyond.sizes))
    gains = tuple(Metric(-0.02, -0.045, 0.005) for _ in worse.beyond.gains)
    together = replace(worse, beyond=replace(worse.beyond, gains=gains))
    assert not any(map(together.is_worse, worse.beyond.sizes))


def test_no_skill_is_said_over_a_failed_baseline(failed: Findings) -> None:
    page = make_page(failed, "")
    text = render_markdown(page)
    assert "Skill over logistic is seen" not in text
    assert "logistic (failed)" in text
    (card,) = [key for key in page.keys if "linear model" in key.label]
    assert card.value == "not said: the logistic failed"
    assert page.decision[-1].startswith("Mend the logistic first")
    drawn = {figure.name: figure for figure in page.figures}
    (panel,) = [one for one in drawn["skill"].panels if "logistic" in one.title]
    assert panel.title == "over the logistic baseline, which failed"
    assert "The logistic baseline failed: it loses 1.45" in drawn["skill"].answer
    assert any("failed" in f"{m.name} {getattr(m, 'label', '')}" for m in _marks(drawn)) or any(
        "failed" in words for one in drawn["scaling"].panels for words in (*one.above, *one.below)
    )


def test_networks_worse_than_the_best_plain_model_are_marked(worse: Findings, tmp_path) -> None:
    page = make_page(worse, "")
    drawn = {figure.name: figure for figure in page.figures}
    best = worse.claims.best_baseline
    assert worse.claims.standing(best) == "worse"
    assert drawn["scaling"].answer.endswith(f"Every size is worse than the {best}.")
    named = [mark.name for mark in _marks(drawn) if f"worse than the {best}" in mark.name]
    assert named
    assert f"Use the {best}: the network at" in page.decision[0]
    assert f"The network is worse than the {best}." in drawn["skill"].answer
    save(drawn["scaling"], tmp_path)


def _marks(drawn) -> list:
    return [mark for panel in drawn["scaling"].panels for mark in panel.marks]


def test_a_sound_study_marks_nothing_and_decides(findings: Findings) -> None:
    page = make_page(findings, "")
    text = render_markdown(page)
    assert "(failed)" not in text
    assert "**What to do.** Use " in text
    assert 2 <= len(page.decision) <= 3


def test_the_table_of_a_study_marks_failed_baselines(study) -> None:
    assert failed_baselines(study.completed()) == {}
    table = study.results()
    (run,) = table.filter(model="logistic")["run_id"]
    beyond = study.beyond_linear()
    rows = summary(
        table, ["parameters"], {("", None): replace(beyond, failed="It failed")}, failed={run}
    )
    names = [row["model"] for row in rows]
    assert "logistic (failed)" in names
    assert [row["beyond linear (nats)"] for row in rows if "PatchTST" in row["model"]] == (
        ["failed"] * 4
    )
