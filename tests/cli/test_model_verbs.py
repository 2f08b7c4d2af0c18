"""``finscale model``: what there is, and what a budget buys."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from finscale.cli.app import app
from finscale.cli.options import console
from finscale.errors import FinscaleError
from finscale.models import ARCHITECTURES

runner = CliRunner()


def shown(*words: str) -> list[dict]:
    result = runner.invoke(app, ["model", *words, "--json"], catch_exceptions=False)
    return json.loads(result.stdout)


def test_list_names_every_architecture_with_its_smallest_budget() -> None:
    rows = {row["kind"]: row for row in shown("list")}
    assert list(rows) == list(ARCHITECTURES)
    for row in rows.values():
        assert row["smallest_budget"] <= 5_000
        assert "classification" in row["heads"]
        assert row["source"]
    assert "Zeng et al. (2023)" in rows["dlinear"]["source"]


def printed(*words: str, columns: int) -> str:
    environment = {"COLUMNS": str(columns)}
    return runner.invoke(app, ["model", *words], env=environment, catch_exceptions=False).stdout


def test_the_list_fits_a_narrow_terminal_and_cuts_nothing() -> None:
    text = printed("list", columns=60)
    assert max(map(len, text.splitlines())) <= 60
    words = text.replace("\n", " ").split()
    for kind, about in ARCHITECTURES.items():
        assert kind in words
        assert {*about.source.split()} <= {*words}


@pytest.mark.parametrize(
    ("columns", "width"), [("60", 60), ("", 100), ("wide", 100), ("0", 100), (None, 100)]
)
def test_without_a_terminal_there_are_as_many_columns_as_stated_or_100(
    columns: str | None, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    assert console().width == width


@pytest.mark.parametrize("kind", ["gru", "moderntcn", "nhits", "patchtst"])
def test_one_budget_is_shown_a_fact_a_line(kind: str) -> None:
    text = printed("show", kind, "--budget", "200k", "--features", "200", columns=60)
    assert max(map(len, text.splitlines())) <= 60
    (facts,) = shown("show", kind, "200k", "--features", "200")
    assert f"{facts['total']:,} (" in text
    assert f"{facts['non_embedding']:,} without the input side" in text
    assert f"200 as {facts['feature_embedding']}" in text
    for name in ARCHITECTURES[kind].config.SIZES:
        assert any(
            line.split() == [*name.split("_"), str(facts[name])] for line in text.splitlines()
        )
    assert " ".join(facts["source"].split()[:4]) in text
    # weight, gradient and two moments, four bytes each
    assert facts["training_bytes"] == 16 * facts["total"]
    assert facts["training_bytes_per_sample"] > 4 * 80 * facts["feature_embedding"]
    assert facts["flops_per_sample"] > 0


def test_show_takes_a_kind_and_budgets_in_any_order_of_words() -> None:
    (named,) = shown("show", "mlp", "--budget", "2M")
    assert named["kind"] == "mlp"
    assert named["total"] == pytest.approx(2_000_000, rel=0.05)
    assert shown("show", "mlp", "2M") == [named]
    assert [row["budget"] for row in shown("show", "dlinear", "5k", "--budget", "2M")] == [
        5_000,
        2_000_000,
    ]


def test_budgets_alone_are_a_patchtsts() -> None:
    (row,) = shown("show", "2M")
    sizes = {name: row[name] for name in ("kind", "depth", "width", "heads", "ff_width")}
    assert sizes == {"kind": "patchtst", "depth": 2, "width": 256, "heads": 8, "ff_width": 1312}
    assert shown("show", "patchtst", "2M") == [row]
    assert shown("show", "2M", "--shape", "deep")[0]["depth"] == 8


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dlinaer", "2M"], "'dlinaer' is not a"),
        (["dlinear"], "model show dlinear: DLinear, of what size?"),
        (["dlinear", "2M", "--shape", "deep"], "shape is not a setting"),
        ([""], "'' is not an architecture"),
    ],
)
def test_a_mistake_is_one_sentence(words: list[str], message: str) -> None:
    with pytest.raises(FinscaleError, match=r".*") as refusal:
        runner.invoke(app, ["model", "show", *words], catch_exceptions=False)
    assert message in refusal.value.message


@pytest.mark.parametrize(
    ("budget", "said"), [("2M", "32.1 MB for weights"), ("2B", "31.9 GB for weights")]
)
def test_memory_is_told_in_units_that_can_be_read(budget: str, said: str) -> None:
    shown_design = runner.invoke(app, ["model", "show", budget], catch_exceptions=False)
    assert said in shown_design.output
