from __future__ import annotations

import json

import polars as pl
import pytest
from typer.testing import CliRunner

from finscale.cli.features import features_app
from finscale.features import FEATURES, TIERS, Feature, tiers


@pytest.fixture
def finscale():
    runner = CliRunner()
    return lambda *words: runner.invoke(features_app, [str(word) for word in words])


def test_list_fits_a_hundred_columns(finscale):
    done = finscale("list")
    assert done.exit_code == 0
    assert "stochrsi_k_5d" in done.output
    assert "20 features; with open, high, low, close and volume 25 channels" in done.output
    assert max(len(line.rstrip()) for line in done.output.splitlines()) <= 100


def test_list_as_json(finscale):
    rows = json.loads(finscale("list", "--json").output)
    assert len(rows) == 20
    assert rows[10] == {
        "name": "rsi_14_5d",
        "inputs": ["close"],
        "parameters": {"timeperiod": 14},
        "sessions": 5,
        "lookback": 74,
        "recursive": True,
        "seen": "bounded",
        "source": "TA-Lib RSI; Wilder 1978",
    }


def test_build_registers_bundled_bars_by_itself(finscale, tmp_path):
    done = finscale("build", "SP500", "--data-root", tmp_path)
    assert done.exit_code == 0, done.output
    assert "SP500.dataset.a20@v1  4,832 rows  1999-10-18 … 2018-12-31" in done.output
    quiet = finscale("build", "SP500", "--data-root", tmp_path, "-q").output.strip()
    assert pl.read_parquet(quiet).height == 4832
    [entry] = json.loads(finscale("build", "SP500", "--data-root", tmp_path, "--json").output)
    assert entry["version"] == "v1"


def test_prove_prints_a_line_for_each_feature(finscale, tmp_path):
    done = finscale("prove", "--data-root", tmp_path)
    assert done.exit_code == 0
    lines = done.output.splitlines()
    assert lines[-1] == "46 of 46 features proven causal on SP500, 5,031 bars"
    assert all(line.startswith("✓ ") for line in lines[:-1])
    assert not list(tmp_path.iterdir())


def test_prove_fails_on_a_feature_that_looks_ahead(finscale, tmp_path, monkeypatch):
    name = "tomorrow"
    leak = Feature(
        name, ("close",), lambda close: close[::-1].cumsum()[::-1], 0, "planted", "price"
    )
    monkeypatch.setattr(FEATURES, "_entries", {**FEATURES, name: leak})
    monkeypatch.setattr(TIERS, "_entries", {"bad": ("obv", name)})
    done = finscale("prove", "--tier", "bad", "--data-root", tmp_path)
    assert tiers.tier_features("bad")[1] is leak
    assert done.exit_code == 1
    assert "✗ tomorrow sees the future: row 0 (1999-01-04)" in done.output
    reports = json.loads(finscale("prove", "--tier", "bad", "--json").output)
    caught = [report["feature"] for report in reports if not report["causal"]]
    assert caught == ["tomorrow", "rel_tomorrow"]


def test_prove_uses_registered_bars(finscale, tmp_path):
    finscale("build", "VIX", "--data-root", tmp_path)
    done = finscale("prove", "--symbol", "VIX", "--data-root", tmp_path, "-q")
    assert done.output == "46 of 46 features proven causal on VIX, 1,259 bars\n"
