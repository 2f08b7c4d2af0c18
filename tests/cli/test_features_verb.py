from __future__ import annotations

import json
from dataclasses import replace

import polars as pl
import pytest
from typer.testing import CliRunner

from finscale.cli.feature_facts import sparkline
from finscale.cli.features import features_app
from finscale.data import DataStore, fetch_bars
from finscale.errors import FinscaleError, TooFewBarsError
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
        "family": "momentum",
        "words": "",
        "inputs": ["close"],
        "parameters": {"timeperiod": 14},
        "sessions": 5,
        "lookback": 74,
        "recursive": True,
        "seen": "bounded",
        "source": "TA-Lib RSI; Wilder 1978",
    }


def test_a_family_of_a_large_tier_is_listed_in_words(finscale):
    done = finscale("list", "--tier", "a200", "--family", "volatility")
    assert done.exit_code == 0, done.output
    assert "vol_gk_20_value" in done.output
    assert "ema_20_gap" not in done.output
    held = sum(FEATURES[name].family == "volatility" for name in TIERS["a200"])
    assert f"{held} features: {held} volatility" in done.output
    refused = finscale("list", "--family", "volatilty").exception
    assert isinstance(refused, FinscaleError)
    assert "no family is called volatilty" in str(refused)
    assert "volatility" in refused.hint


def test_show_says_what_a_feature_is_and_draws_it(finscale, tmp_path):
    done = finscale("show", "vol_gk_20_rank", "--plot", tmp_path / "v.png")
    assert done.exit_code == 0, done.output
    assert "from a100 on" in done.output
    assert "Garman and Klass" in done.output
    assert (tmp_path / "v.png").read_bytes().startswith(b"\x89PNG")
    facts = json.loads(finscale("show", "rsi_14_change", "--json").output)
    assert facts["lookback"] == 19
    assert facts["neighbours"][0]["correlation"] != 1.0


def test_quality_counts_what_a_tier_really_holds(finscale):
    done = finscale("quality", "SP500", "--tier", "a20", "--tier", "a50", "--json")
    rows = json.loads(done.output)
    assert [row["num_features"] for row in rows] == [20, 50]
    assert 1 < rows[0]["effective"] < rows[1]["effective"] < 50
    assert rows[1]["share_missing"] == 0


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
    finscale("build", "VIX", "--tier", "c20", "--data-root", tmp_path)
    words = ("--symbol", "VIX", "--tier", "c20", "--data-root", tmp_path, "-q")
    done = finscale("prove", *words)
    assert done.output == "22 of 22 features proven causal on VIX, 1,259 bars\n"


def test_show_draws_the_last_years_in_a_line_and_a_figure(finscale, tmp_path):
    figure = tmp_path / "v.png"
    done = finscale("show", "vol_gk_20_rank", "--figure", figure)
    assert done.exit_code == 0, done.output
    line = next(line for line in done.output.splitlines() if "last years" in line)
    assert set(line.split()[2]) <= set("▁▂▃▄▅▆▇█")
    assert len(line.split()[2]) == 60
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert sparkline([1.0, 1.0, None, float("nan")]) == "▁▁  1 … 1"
    assert sparkline([None]) == "no values"


def test_a_tier_may_be_a_file_or_a_nesting(finscale, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("features: [rsi_14, obv]\n")
    rows = json.loads(finscale("list", "--tier", path, "--json").output)
    assert [row["name"] for row in rows] == ["rsi_14", "obv"]
    built = finscale("build", "SP500", "--tier", path, "--data-root", tmp_path)
    assert "SP500.dataset.mine-" in built.output
    nested = json.loads(finscale("list", "--tier", "a50.n1", "--json").output)
    assert len(nested) == 50
    path.write_text("features: [rsi_15]\n")
    refused = finscale("list", "--tier", path)
    assert refused.exit_code != 0
    assert "'rsi_15' is not a feature" in str(refused.output) + str(refused.exception)
    assert "the tier file mine lists it" in str(refused.exception)
    missing = finscale("list", "--tier", tmp_path / "none.yaml")
    assert "does not exist" in missing.output


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        (("show", "RSI_14"), "Did you mean rsi_14?"),
        (("show", "a20"), "a20 is a tier; finscale features list --tier a20"),
        (("show", "volume"), "volume is a family"),
        (("show", "close"), "close is a column of the bars"),
        (("show", "true_range"), "true_range is a column that features are made of"),
        (("show", "zzzzzz"), "finscale features list --tier a2000 shows all 2,0"),
        (("show", "rel_rsi_14"), "name the feature, rsi_14"),
        (("list", "--tier", "A20"), "Did you mean a20?"),
        (("list", "--tier", "a100.n0"), "a100 is the declared order; others are a100.n1"),
        (("list", "--tier", "mine.txt"), "the name of a tier file ends in .yaml"),
        (("list", "--tier", "c20", "--family", "volume"), "it has trend, momentum"),
        (("list", "--family", "Trend"), "Did you mean trend?"),
        (("show", "rsi_14", "--figure", "a.xyz"), "end it in .png, .svg or .pdf"),
    ],
)
def test_what_is_not_known_is_refused_with_the_way_out(finscale, words, way_out):
    refused = finscale(*words).exception
    assert isinstance(refused, FinscaleError)
    assert refused.hint.startswith(way_out)


def test_a_selection_is_refused_before_it_is_made_where_its_file_cannot_be(finscale, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("features: [rsi_14]\n")
    refused = finscale("select", "threshold_1pct", "--out", path).exception
    assert "exists already" in str(refused)
    assert path.read_text() == "features: [rsi_14]\n"


@pytest.mark.parametrize(
    ("rows", "tier", "way_out"),
    [
        (300, "a200", "tiers that fit: a20, a50, c20, c50"),
        (120, "a20", "no declared tier is shorter"),
    ],
)
@pytest.mark.parametrize("verb", [("build", "SP500"), ("prove", "--symbol", "SP500")])
def test_bars_that_are_too_few_are_refused_with_the_tiers_that_fit(
    finscale, tmp_path, rows, tier, way_out, verb
):
    bars = fetch_bars("bundled", "SP500")
    DataStore(tmp_path).add_bars(replace(bars, frame=bars.frame[:rows]))
    refused = finscale(*verb, "--tier", tier, "--data-root", tmp_path).exception
    assert isinstance(refused, TooFewBarsError)
    assert f"SP500 has {rows} daily bars; {tier} needs more than" in refused.message
    assert way_out in refused.hint


def test_a_tier_file_is_told_which_of_its_features_the_bars_cannot_have(finscale, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("features: [rsi_14, obv]\n")
    refused = finscale("build", "VIX", "--tier", path, "--data-root", tmp_path).exception
    assert "needs volume for obv, and VIX has" in refused.message
