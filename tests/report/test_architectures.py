"""The report of a study that compares architectures: what is said, drawn and written."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from finscale.evaluation.bootstrap import Metric
from finscale.files import read_json
from finscale.report import write_findings
from finscale.report.figure import spread
from finscale.report.figures import figures
from finscale.report.figures.architectures import architectures
from finscale.report.page import make_page
from finscale.report.palette import DARK, LIGHT, family
from finscale.study import Study
from finscale.study.family_results import FamilyComparison
from finscale.study.findings import Findings, find
from finscale.study.study_diff import StudyRecord

EIGHT = ("PatchTST", "iTransformer", "TSMixer", "DLinear", "NLinear", "TiDE", "N-HiTS", "GRU")


@pytest.fixture(scope="module")
def findings(compared: Study) -> Findings:
    return find(compared)


def test_the_first_screen_answers_whether_it_is_size_or_the_architecture(findings) -> None:
    page = make_page(findings, "plan")
    assert findings.families is not None
    lead = findings.families[findings.lead]
    assert page.question == "Is it size, or PatchTST?"
    assert "architecture" in page.plain
    assert findings.beyond == lead.beyond
    answered, _, beyond = page.plain.rpartition(f" {lead.title}: ")
    assert answered.endswith(("is not settled.", "worth having."))
    assert f"{beyond[:1].upper()}{beyond[1:]}" == f"{lead.beyond.headline}."
    assert any(key.label == f"{lead.title}: Beyond the linear model" for key in page.keys)
    assert page.sentence.startswith(f"{lead.title} at {lead.best.label} has the least validation")
    assert [key.label for key in page.keys][:2] == [
        "Least validation loss",
        f"{lead.title} against {'MLP' if lead.name == 'patchtst' else 'PatchTST'}",
    ]
    # what is about one architecture says whose it is
    assert any(key.label.startswith(f"{lead.title}: Skill over") for key in page.keys)
    assert page.verdict in ("INDETERMINATE", "NO-LAW", "NO VERDICT", "MIXED")


def test_sections_tables_and_what_is_left_out(findings) -> None:
    page = make_page(findings, "plan")
    names = [section.name for section in page.sections]
    assert names[:2] == ["architectures", "scaling"]
    first, scaling = page.sections[:2]
    assert any("Left out: mlp at 600 parameters: No MLP" in text for text in first.paragraphs)
    assert scaling.paragraphs[0].startswith("This and all that follows is about ")
    tables = {table.name: table for table in page.tables}
    assert [row[0] for row in tables["architectures"].rows] == ["PatchTST", "MLP"]
    linear = tables["architectures"].data["beyond_linear"]
    assert linear.to_list() == [one.beyond_best.value for one in findings.families.families]
    assert len(tables["architecture_sizes"].rows) == 3
    assert [row[0] for row in tables["architecture_differences"].rows] == [
        "3k parameters",
        "their best sizes",
    ]
    runs = tables["runs"].data
    assert runs.filter(role="network")["family"].unique().sort().to_list() == ["mlp", "patchtst"]
    # figures of one architecture show its runs alone
    assert set(findings.learning["run_id"]) == set(
        findings.own_runs.filter(role="network")["run_id"]
    )
    assert "spread" in figures(findings)


def test_the_figure_has_a_curve_and_a_verdict_for_each(findings) -> None:
    figure = architectures(findings)
    assert figure is not None
    (panel,) = figure.panels
    assert [label.text.split("\n")[0] for label in panel.labels] == ["PatchTST", "MLP"]
    assert all(label.text.count("\n") == 1 for label in panel.labels)
    assert [label for _, label in panel.x.ticks] == ["600", "3k"]
    # the second axis of colours: every curve has a marker of its own
    assert len({(m.role, m.shape) for m in panel.marks if hasattr(m, "shape")}) == 2


def test_the_record_holds_every_verdict_and_older_readers_find_what_they_know(compared) -> None:
    compared.verdict()
    law = read_json(compared.folder / "law.json")
    assert set(law["families"]["families"]) == {"patchtst", "mlp"}
    assert law["families"]["left_out"][0]["family"] == "mlp"
    record = StudyRecord.read(compared.folder)
    assert record.verdict == law["verdict"]
    table = compared.results()
    means = record.mean_losses()
    own = table.filter(role="network", family="mlp")["log_loss"].mean()
    assert means["mlp · parameters 3000"] == pytest.approx(own)
    assert means["patchtst · parameters 3000"] != means["mlp · parameters 3000"]
    titles = [row["model"] for row in compared.summary()]
    assert [title.split()[0] for title in titles[3:]] == ["PatchTST", "PatchTST", "MLP"]
    # every row of a network has its own architecture's gain on the linear model
    column = [row["beyond linear (nats)"] for row in compared.summary()]
    assert column[:3] == ["–"] * 3
    # (one that stayed at its linear start has gained nothing, without a sign)
    assert len(column[3:]) == 3
    assert all("[" in cell for cell in column[3:])


def test_one_finished_architecture_is_reported_and_the_other_is_missed(compared, tmp_path) -> None:
    study = Study(compared.config, studies=tmp_path, runs=compared.runs)
    study.plan = [one for one in study.plan if one.cell.family != "mlp"]
    found = find(study)
    assert found.families is None
    page = make_page(found, "plan")
    assert page.sections[0].name == "scaling"
    assert "nothing is compared yet: fewer than two" in page.sections[0].paragraphs[0]


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]),
        ([1.0, 1.0], [0.5, 1.5]),
        ([1.0, 0.9, 5.0], [1.45, 0.45 + 0.05, 5.0]),
        ([0.0, 0.0], [0.5, 1.5]),
        ([10.0, 10.0], [8.5, 9.5]),
    ],
)
def test_names_are_moved_apart_as_little_as_can_be(places: list, expected: list) -> None:
    moved = spread(places, 1.0, (0.0, 10.0))
    assert moved == pytest.approx(expected, abs=0.06)
    ordered = sorted(moved)
    assert all(b - a >= 1 - 1e-9 for a, b in itertools.pairwise(ordered))


#: Machado, Oliveira and Fernandes (2009), table 1, full deficiency.
VISION = {
    "normal": np.eye(3),
    "no green": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "no red": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "no blue": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def _linear(color: str) -> np.ndarray:
    parts = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def _lab(linear: np.ndarray) -> np.ndarray:
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ np.clip(linear, 0, 1) / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("vision", VISION)
def test_architectures_can_be_told_apart_by_any_eye(palette: dict, vision: str) -> None:
    colors = [palette[family(index)] for index in range(8)]
    seen = [_lab(np.array(VISION[vision]) @ _linear(color)) for color in colors]
    for (i, a), (j, b) in itertools.combinations(enumerate(seen), 2):
        assert np.linalg.norm(a - b) > 20, (colors[i], colors[j])
    for color in colors:
        one, other = (_linear(c) @ [0.2126, 0.7152, 0.0722] for c in (color, palette["paper"]))
        assert (max(one, other) + 0.05) / (min(one, other) + 0.05) > 4.5, color


def crowd(findings: Findings) -> Findings:
    """Return findings of eight architectures whose curves end at nearly the same place."""
    found = findings.families
    assert isinstance(found, FamilyComparison)
    one = found["patchtst"]
    families = tuple(
        replace(
            one,
            name=title.lower(),
            title=title,
            sizes=tuple(
                replace(size, value=Metric(0.3 + i / 1e4, 0.29, 0.31)) for size in one.sizes
            ),
        )
        for i, title in enumerate(EIGHT)
    )
    families = tuple(replace(each, best=each.sizes[-1]) for each in families)
    return replace(findings, families=replace(found, families=families, lead="patchtst"))


@pytest.fixture(scope="module")
def written(findings: Findings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_findings(crowd(findings), tmp_path_factory.mktemp("crowd"))


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)], ids=["desk", "phone"])
def test_eight_names_stand_beside_their_curves(
    written: Path, look: Any, width: int, dark: bool
) -> None:
    seen = look(written, width=width, dark=dark)
    assert seen["wrong"] == []
    assert seen["scroll"] <= seen["width"]
    assert seen["overlaps"] == []
    assert seen["outside"] == []
    plot = seen["plots"][0]
    assert plot["id"] == "plot-architectures-0"
    assert plot["marks"] >= 16
    assert plot["overlaps"] == []
    assert plot["cut"] == []


def test_of_many_architectures_the_first_screen_tells_the_verdicts_alone(findings) -> None:
    said = make_page(crowd(findings), "plan").sentence
    names = f"{', '.join(EIGHT[:-1])} and {EIGHT[-1]}"
    verdict = findings.families["patchtst"].verdict_name
    assert said.endswith(f"Size: {verdict} for {names}.")


def test_the_files_of_the_comparison_are_written(written: Path) -> None:
    assert (written.parent / "figures" / "architectures.png").stat().st_size > 5_000
    assert "## Is it size, or the architecture?" in written.with_suffix(".md").read_text()
    table = pl.read_csv(written.parent / "tables" / "architecture_differences.csv")
    assert {"at", "first", "second", "value", "low", "high", "p_value"} <= set(table.columns)
