"""``finscale model``: what there is, and what a budget buys."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from finscale.cli.app import app
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
        (["dlinear"], "model show dlinear: a DLinear of what size?"),
        (["dlinear", "2M", "--shape", "deep"], "shape is not a setting"),
    ],
)
def test_a_mistake_is_one_sentence(words: list[str], message: str) -> None:
    with pytest.raises(FinscaleError, match=r".*") as refusal:
        runner.invoke(app, ["model", "show", *words], catch_exceptions=False)
    assert message in refusal.value.message
