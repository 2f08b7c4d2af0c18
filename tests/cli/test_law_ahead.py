"""`finscale law predict, score, isoflop, curve`: what lies beyond the runs of a table."""

import json

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from finscale.cli.app import app


def run(*arguments):
    return CliRunner().invoke(app, ["law", *map(str, arguments)])


@pytest.fixture
def sizes(tmp_path):
    rng = np.random.default_rng(0)
    x = np.repeat(np.geomspace(1e4, 1e7, 8), 3)
    loss = 0.5 + 4 * x**-0.4 + 0.002 * rng.standard_normal(24)
    path = tmp_path / "runs.csv"
    pl.DataFrame({"parameters": x, "seed": np.tile(range(3), 8), "loss": loss}).write_csv(path)
    return path


@pytest.fixture
def splits(tmp_path):
    rng = np.random.default_rng(0)
    compute = np.repeat(np.geomspace(6e12, 6e15, 5), 9)
    N = 0.5 * (compute / 6) ** 0.5 * np.tile(np.geomspace(1 / 8, 8, 9), 5)
    D = compute / 6 / N
    loss = 1.7 + 100 * N**-0.3 + 100 * D**-0.3 + 0.002 * rng.standard_normal(45)
    path = tmp_path / "splits.parquet"
    frame = pl.DataFrame({"parameters": N, "tokens": D, "flops": compute, "loss": loss})
    frame.write_parquet(path)
    return path


def test_predict_names_both_intervals(sizes):
    result = run(
        "predict", sizes, "--x", "parameters", "--at", "2M", "--at", "1e9", "--level", ".9"
    )
    assert result.exit_code == 0
    assert "90% of the curve" in result.stdout
    assert "90% of a new run" in result.stdout
    assert "100 × the largest size fitted" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_predict_as_json_and_in_one_number(sizes):
    result = run("predict", sizes, "--x", "parameters", "--at", "1e9", "--json")
    (told,) = json.loads(result.stdout)["predictions"]
    assert told["at"] == {"parameters": 1e9}
    assert told["mean"] == pytest.approx(0.501, abs=0.003)
    assert told["new_run"][0] < told["curve"][0] < told["mean"]
    assert told["times_the_largest"] == {"parameters": pytest.approx(100)}
    quiet = run("predict", sizes, "--x", "parameters", "--at", "1e9", "-q")
    assert float(quiet.stdout) == pytest.approx(told["mean"], abs=1e-6)


def test_predict_each_of_several_curves(sizes, tmp_path):
    one = pl.read_csv(sizes)
    two = one.with_columns(loss=pl.col("loss") + 0.1)
    both = pl.concat([one.with_columns(model=pl.lit("gru")), two.with_columns(model=pl.lit("tst"))])
    both.write_csv(tmp_path / "both.csv")
    asked = ("predict", tmp_path / "both.csv", "--x", "parameters", "--at", "1e9", "--by", "model")
    curves = json.loads(run(*asked, "--replicates", 60, "--json").stdout)["curves"]
    means = {name: each["predictions"][0]["mean"] for name, each in curves.items()}
    assert means["tst"] - means["gru"] == pytest.approx(0.1, abs=1e-3)
    quiet = run(*asked, "--replicates", 60, "-q")
    assert [line.split(":")[0] for line in quiet.stdout.splitlines()] == ["gru", "tst"]


@pytest.mark.parametrize("at", ["N=1e8,D=1e8", "tokens=1e8, parameters=100M", "1e8,1e8"])
def test_predict_on_a_surface(splits, at):
    both = ("--x", "parameters", "--x", "tokens", "--ignore", "flops")
    result = run("predict", splits, *both, "--at", at, "--replicates", 60, "-q")
    assert result.exit_code == 0
    assert float(result.stdout) == pytest.approx(1.7 + 200 * 1e8**-0.3, abs=0.01)


def test_predict_reads_tables_as_fit_does(sizes):
    few = run("predict", sizes, "--x", "parameters", "--at", "1B", "--where", "seed=0", "--json")
    assert json.loads(few.stdout)["law"]["num_runs"] == 8


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--at", "1q"), "'1q' is not a size"),
        (("--at", "N=1e8,D=1e8"), "no size axis"),
        (("--at", "1e8", "--form", "power_rising"), "nothing can be predicted: "),
    ],
)
def test_predict_refuses_in_one_sentence(sizes, options, reason):
    result = run("predict", sizes, "--x", "parameters", *options)
    assert result.exit_code == 1
    assert reason in str(result.exception)


def test_a_level_of_significance_is_refused(sizes):
    result = run("predict", sizes, "--x", "parameters", "--at", "1e8", "--level", ".05")
    assert result.exit_code == 2


def test_score_ranks_forms_at_several_cuts(sizes):
    forms = [word for name in ("constant", "power_floor") for word in ("--form", name)]
    result = run("score", sizes, "--x", "parameters", *forms)
    assert result.exit_code == 0
    assert "power_floor extrapolates best: RMSLE" in result.stdout
    assert "sizes below, beyond" in result.stdout
    named = run("score", sizes, "--x", "parameters", *forms, "--share", ".75", "--json")
    content = json.loads(named.stdout)
    assert [cut["num_predicted"] for cut in content["cuts"]] == [2]
    assert content["forms"][0]["name"] == "power_floor"
    wrong = run("score", sizes, "--x", "parameters", *forms, "--share", "1.5")
    assert "nothing to fit or nothing to predict" in str(wrong.exception)


def test_isoflop_by_formula_and_by_column(splits):
    both = ("--x", "parameters", "--x", "tokens")
    formula = run("isoflop", splits, *both, "--ignore", "flops", "--replicates", 60)
    assert formula.exit_code == 0
    assert "6·N·D with N = parameters, D = tokens" in formula.stdout
    column = run(
        "isoflop", splits, "--x", "parameters", "--compute", "flops", "--ignore", "tokens",
        "--replicates", 60, "--at", "1e18", "--json",
    )  # fmt: skip
    content = json.loads(column.stdout)
    assert content["isoflop"]["size"]["exponent"] == pytest.approx(0.5, abs=0.02)
    assert content["at"][0]["beyond"] == pytest.approx(1e18 / 6e15, rel=1e-6)
    low, high = content["at"][0]["size_interval"]
    assert low < content["at"][0]["size"] < high
    quiet = run("isoflop", splits, *both, "--compute", "flops", "--replicates", 60, "-q")
    assert quiet.stdout.startswith("Best parameters ∝ compute^0.")


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_isoflop_draws_valleys_and_best_sizes(splits, tmp_path, ending):
    figure = tmp_path / f"isoflop.{ending}"
    both = ("--x", "parameters", "--x", "tokens", "--ignore", "flops")
    result = run("isoflop", splits, *both, "--replicates", 60, "--plot", figure)
    assert f"figure       {figure}" in result.stdout.replace("\n", "")
    assert figure.stat().st_size > 5_000
    if ending == "svg":
        drawn = figure.read_text(encoding="utf-8")
        assert drawn.count("<!-- ") > 20
        assert "best size" in drawn


def test_isoflop_compares_under_one_loss(splits):
    result = run(
        "isoflop", splits, "--x", "parameters", "--x", "tokens", "--ignore", "flops",
        "--loss", "least_squares", "--replicates", 60, "--compare",
    )  # fmt: skip
    assert "loss by least_squares" in result.stdout.split("approach ")[0]
    assert "isoflop − parametric" in result.stdout
    assert "The approaches agree" in result.stdout


def test_isoflop_sees_all_sizes_if_told_so(splits):
    """The window's help names inf, which was refused as "not above 1"."""
    asked = ("isoflop", splits, "--x", "parameters", "--x", "tokens", "--ignore", "flops")
    asked += ("--replicates", 60, "--window")
    whole = run(*asked, "inf")
    assert whole.exit_code == 0
    assert "lie outside of the windows" not in whole.stdout
    assert run(*asked, "1").exit_code == 2
    unbounded = run("score", splits, "--x", "parameters", "--level", "inf")
    assert unbounded.exit_code == 2


def test_isoflop_without_compute_says_how(splits):
    result = run("isoflop", splits, "--x", "parameters", "--ignore", "flops")
    assert "--x parameters --compute flops" in str(result.exception)
    wrong = run("isoflop", splits, "--x", "parameters", "--x", "tokens", "--compute-formula", "6XY")
    assert "not a formula for compute" in str(wrong.exception)


def test_curve_by_run(tmp_path):
    rng = np.random.default_rng(0)
    step = np.geomspace(100, 1e5, 40)
    parts = [
        pl.DataFrame(
            {"run": name, "step": step, "loss": 0.5 + 5 * step**-0.4 + 0.002 * rng.normal(size=40)}
        )
        for name in ("a", "b", "c")
    ]
    path = tmp_path / "curves.csv"
    pl.concat(parts).write_csv(path)
    result = run("curve", path, "--along", "step", "--group", "run", "--replicates", 60)
    assert result.exit_code == 0
    assert "over runs    alpha 0.4" in result.stdout
    assert "rows of one run are one training" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100
    later = run("curve", path, "--group", "run", "--skip", "1k", "--replicates", 60, "--json")
    assert "rows up to step 1000 are skipped" in json.loads(later.stdout)["notes"][0]
    mixed = run("curve", path)
    assert "--group COLUMN tells runs apart" in str(mixed.exception)
    one = run("curve", path, "--where", "run=b", "--replicates", 60)
    assert "run=b: 40 of 120 rows are kept" in one.stdout
    unknown = run("curve", path, "--group", "run", "--form", "powr")
    assert "there is no form 'powr'" in str(unknown.exception)


def test_the_help_of_law_is_one_screen_that_teaches_it():
    told = CliRunner().invoke(app, ["law", "--help"], env={"COLUMNS": "100"}).stdout
    assert len(told.splitlines()) <= 48
    for verb in ("fit", "predict", "score", "isoflop", "curve", "decide", "power"):
        assert f" {verb} " in told
    for example in ("--at 1B --at 7B --level .9", "--compute flops", "--along step"):
        assert example in told
