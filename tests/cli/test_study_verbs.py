"""``finscale study`` and ``finscale runs`` as a person types them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from typer.testing import CliRunner

import finscale as fs
from finscale.cli import study_progress
from finscale.cli.app import app
from finscale.config import StudyConfig, load_study
from finscale.config.baselines import DEFAULT_BASELINES
from finscale.data.bars import Bars, conform
from finscale.errors import FinscaleError
from finscale.study.axes import nominal

runner = CliRunner()

STUDY = """
name: small
question: Does it pay? <script>
experiment:
  base: {base}
  data: {{root: data}}
  training: {{epochs: 2, batch_size: 256, threads: 1, thermal: {{enabled: false}}}}
axes: {{parameters: [3k, 5k]}}
seeds: 1
baselines: [base_rate]
controls: {{kinds: [permuted_labels], sizes: [3k]}}
quick: {{axes: {{parameters: [3k]}}, controls: []}}
"""


def say(*words: str, code: int = 0) -> str:
    result = runner.invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def desk(root, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("desk")
    (folder / "small.yaml").write_text(
        STUDY.format(base=root / "configs/daily/threshold_1pct.yaml")
    )
    return folder


@pytest.fixture
def small(desk, monkeypatch) -> None:
    """Have the small study run, whichever test comes first; run again it computes nothing."""
    monkeypatch.chdir(desk)
    say("study", "run", "small.yaml")


@pytest.fixture(autouse=True)
def _at_the_desk(desk, monkeypatch) -> None:
    monkeypatch.chdir(desk)


def test_before_anything_is_spent() -> None:
    output = say("study", "plan", "small.yaml")
    assert "at most" in output
    assert "on this machine" in output
    assert "controls" in output
    assert "power  not said" in output
    plan = json.loads(say("study", "plan", "small.yaml", "--quick", "--json"))
    assert plan["runs"] == 2
    assert plan["sizes"][0]["seconds"] > 0
    assert "0 of 5 runs are there" in say("study", "status", "small.yaml", "--runs", "none")


def test_run_status_report_export_and_diff(monkeypatch) -> None:
    output = say("study", "run", "small.yaml")
    assert "5 runs to compute" in output
    assert "control   labels shuffled within calendar quarters" in output
    assert "No verdict" in output or "INDETERMINATE" in output
    status = say("study", "status", "small.yaml")
    assert "5 of 5 runs are there" in status
    assert "control permuted_labels" in status
    assert "permuted-parameters3000-seed0" in say("study", "status", "small", "--each")
    assert "permuted-parameters3000-seed0" not in status
    (listed,) = json.loads(say("study", "list", "--json"))
    assert (listed["study"], listed["state"], listed["runs"]) == ("small", "finished", 5)
    assert "small  finished" in say("study", "list")

    # a study is found by its name, and by the file that it wrote down
    for place in ("small", "studies/small", "studies/small/study.yaml"):
        assert "5 of 5" in say("study", "status", place)
    assert "0 runs to compute" in say("study", "run", "studies/small/study.yaml")
    # in a log a report that takes minutes says every minute where it is
    with monkeypatch.context() as patched:
        patched.setattr(study_progress, "LINE_SECONDS", -1.0)
        told = say("study", "report", "small")
    for what in ("scores of each run (1 of 3)", "the audit of the data", "controls", "figure"):
        assert f"writing the report: {what}" in told
    facts = json.loads(say("study", "report", "small", "--json"))
    assert len(facts["runs"]) == 3
    # without a linear model among the baselines nothing is said of one
    assert facts["beyond_linear"] is None
    assert "linear" not in output
    assert facts["controls"][0]["control"] == "permuted_labels"

    # another study over the same runs computes what it lacks: here nothing
    assert "0 runs to compute" in say("study", "run", "small.yaml", "--quick")
    difference = say("study", "diff", "small", "small_quick")
    assert "axes.parameters: [3000, 5000] → [3000]" in difference
    assert json.loads(say("study", "diff", "small", "small_quick", "--json"))["losses"]

    say("study", "export", "small.yaml", "--out", "tables")
    assert len(pl.read_csv("tables/small_runs.csv")) == 3


@pytest.mark.usefixtures("small")
def test_a_name_that_is_no_study_is_answered_with_the_nearest() -> None:
    with pytest.raises(FinscaleError, match="smal is no file or recipe, and no study") as refused:
        say("study", "status", "smal")
    assert refused.value.hint == "Did you mean small?"
    with pytest.raises(FinscaleError, match="momentum is no file") as refused:
        say("study", "report", "momentum")
    assert "study list" in refused.value.hint


@pytest.mark.usefixtures("small")
def test_asking_how_far_a_study_is_reads_no_data(monkeypatch) -> None:
    before = say("study", "status", "small.yaml", "--each")

    def read(*_: object, **__: object) -> None:
        raise AssertionError("the data were read")

    monkeypatch.setattr("finscale.study.planned.prepare", read)
    assert say("study", "status", "small.yaml", "--each") == before
    # another study has other runs
    with pytest.raises(AssertionError, match="the data were read"):
        say("study", "status", "small.yaml", "--set", "seeds=2")
    # a run that is damaged is told by its size, and by its content if that is asked for
    run = json.loads(say("study", "status", "small.yaml", "--json"))[0]["run"]
    path = Path("runs") / run / "predictions.parquet"
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-1])
        assert "4 of 5 runs" in say("study", "status", "small.yaml")
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert "5 of 5 runs" in say("study", "status", "small.yaml")
        assert "4 of 5 runs" in say("study", "status", "small.yaml", "--verify")
    finally:
        path.write_bytes(content)


def test_a_run_that_was_begun_says_where_it_goes_on() -> None:
    words = ["small.yaml", "--set", "name=begun", "--set", "seeds=[7]", "--set", "controls=[]"]
    words += ["--set", "axes.parameters=[3k]"]
    run = json.loads(say("study", "status", *words, "--json"))[-1]["run"]
    resume = Path(f"runs/.{run}.partial/resume")
    resume.mkdir(parents=True)
    (resume / "resume.json").write_text('{"points": [{"epoch": 3, "step": 12}]}')
    try:
        assert "1 begun" in say("study", "status", *words)
        assert "begun, epoch 4, step 12" in say("study", "status", *words, "--each")
    finally:
        shutil.rmtree(resume.parent)


def test_each_size_is_held_against_the_linear_model() -> None:
    words = ["small.yaml", "--set", "name=lined", "--set", "controls=[]"]
    words += ["--set", "baselines=[base_rate,logistic]", "--json"]
    facts = json.loads(say("study", "run", *words))
    beyond = facts["beyond_linear"]
    # networks begin with the linear answer, and in two epochs the largest finds little more
    assert beyond["headline"].startswith(("No size", "Only sizes below the largest"))
    means = {row["model"]: row["log_loss"] for row in facts["runs"]}
    losses = [row["log_loss"] for row in facts["runs"] if row["role"] == "network"]
    for loss, one in zip(losses, beyond["sizes"], strict=True):
        assert one["value"] == pytest.approx(means["logistic"] - loss, abs=1e-7)
        assert one["low"] < one["value"] < one["high"]
        # a gain of rounding's size may lie either side of zero, by the processor's products
        assert one["low"] <= 1e-6


def _beyond(family: dict) -> list[dict]:
    return family["beyond_linear"]["sizes"]


def test_architectures_are_told_apart_in_every_verb() -> None:
    words = ["small.yaml", "--set", "name=families", "--set", "controls=[]"]
    words += ["--set", "experiment.training.epochs=1"]
    words += ["--set", "architectures=[patchtst,mlp]", "--set", "axes.parameters=[600,3k]"]
    words += ["--set", "baselines=[logistic]"]
    plan = say("study", "plan", *words)
    assert "patchtst · 600" in plan
    assert "patchtst  2 runs · " in plan
    assert "mlp  1 run · " in plan
    left = "left out  mlp at 600 parameters: No MLP on 26 features has 600 parameters (the nearest"
    assert left in plan
    status = json.loads(say("study", "status", *words, "--json"))
    assert [row["family"] for row in status] == ["", "patchtst", "patchtst", "mlp"]

    facts = json.loads(say("study", "run", *words, "--json"))
    assert [run["family"] for run in facts["runs"]] == [None, "patchtst", "patchtst", "mlp"]
    assert set(facts["architectures"]["families"]) == {"patchtst", "mlp"}
    assert facts["verdict"].startswith(("The architecture", "No architecture"))
    # each architecture is held against the linear model, the leading one in front
    families = facts["architectures"]["families"]
    means = [run["log_loss"] for run in facts["runs"]]
    assert [
        size["value"] for name in ("patchtst", "mlp") for size in _beyond(families[name])
    ] == pytest.approx([means[0] - loss for loss in means[1:]], abs=1e-7)
    assert facts["beyond_linear"] == families[facts["architectures"]["lead"]]["beyond_linear"]
    told = say("study", "status", *words)
    assert "patchtst: 2 of 2 runs are there" in told
    assert "mlp: 1 of 1 runs are there" in told
    say("study", "export", *words, "--out", "tables")
    days = pl.read_csv("tables/families_daily_losses.csv")
    assert set(days["family"].unique()) == {"patchtst", "mlp"}


def test_quiet_says_the_result_and_nothing_else() -> None:
    output = say("study", "run", "small.yaml", "--quick", "-q")
    assert output.splitlines() == [
        "No verdict: a verdict needs two sizes or more, positive and each once."
    ]


@pytest.mark.slow
def test_a_sweep_is_told() -> None:
    words = ["small.yaml", "--quick", "--set", "name=swept", "--set", "tuning.rule=sweep"]
    words += ["--set", "tuning.rate_factors=[0.5,1,2]", "--set", "experiment.training.epochs=1"]
    words += ["--set", "tuning.batch_sizes=[128,256,512]"]
    plan = say("study", "plan", *words)
    assert "then batch sizes 128, 256, 512" in plan
    output = say("study", "run", *words)
    assert "tuned     parameters3000: learning rate" in output
    assert "tuned" in say("study", "report", *words)


_LISTING = """
import sys
from typer.testing import CliRunner
from finscale.cli.app import app
for words in (["--help"], ["study", "status", "--help"], ["study", "list"], ["runs", "list"],
              ["study", "status", "small"]):
    assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0, words
    heavy = {"torch", "matplotlib", "scipy", "pandas", "polars", "numpy", "arch"} & set(sys.modules)
    assert not heavy, (words, heavy)
"""


@pytest.mark.usefixtures("small")
def test_what_only_lists_loads_nothing_heavy() -> None:
    say("runs", "list")  # reads the test losses that nobody knew yet
    done = subprocess.run([sys.executable, "-c", _LISTING], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("small")
def test_a_changed_plan_asks_for_an_amendment() -> None:
    with pytest.raises(FinscaleError, match=r"sesoi: 0\.005 → 0\.01"):
        say("study", "run", "small.yaml", "--set", "sesoi=0.01")
    assert "changed since" in say("study", "status", "small.yaml", "--set", "sesoi=0.01")
    say("study", "run", "small.yaml", "--set", "sesoi=0.01", "--amend")
    say("study", "run", "small.yaml", "--amend")
    record = json.loads(Path("studies/small/registration.json").read_text())
    assert [len(a["changes"]) for a in record["amendments"]] == [1, 1]


def run_to_nan() -> list[str]:
    """Run a study at a rate at which the loss is not a number; return its words."""
    words = ["study", "run", "small.yaml", "--set", "name=broken", "--set", "controls=[]"]
    words += ["--set", "experiment.training.lr=1e30", "--set", "tuning=fixed"]
    words += ["--set", "experiment.training.clip_norm=1e30", "--set", "axes.parameters=[3k]"]
    say(*words, code=1)
    return words


def test_a_failed_run_is_recorded_and_the_study_goes_on() -> None:
    words = run_to_nan()
    failures = json.loads(Path("studies/broken/failures.json").read_text())
    (failure,) = failures.values()
    assert "Traceback" in failure["traceback"]
    assert failure["label"] == "parameters3000-seed0"
    status = say("study", "status", *words[2:])
    assert "✗" in status


@pytest.mark.usefixtures("small")
def test_runs_are_listed_compared_and_cleared(desk, tmp_path, monkeypatch) -> None:
    # in a copy: other tests keep their runs
    for name in ("runs", "studies", "data"):
        shutil.copytree(desk / name, tmp_path / name)
    shutil.copy(desk / "small.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    run_to_nan()
    rows = json.loads(say("runs", "list", "--json"))
    networks = [row["id"] for row in rows if row["model"] == "patchtst"]
    output = say("runs", "compare", networks[0], networks[1])
    assert "log loss" in output
    found = json.loads(say("runs", "compare", networks[0], networks[0], "--json"))
    assert found["settings"] == []
    assert found["gain"]["value"] == 0

    # what the failed run left behind; every finished run belongs to a study
    left = say("runs", "gc", "--unused-by-studies", "--yes")
    assert left.count("its process is gone") == len(left.splitlines()) == 1
    assert "nothing to remove" in say("runs", "gc", "--unused-by-studies")
    garbage = json.loads(say("runs", "gc", "--older-than=-1", "--json", "--yes"))
    assert len(garbage) == len(rows)
    assert json.loads(say("runs", "list", "--json")) == []


def test_gc_asks_first() -> None:
    Path("runs/.ffff000000000000.partial").mkdir(parents=True)
    result = runner.invoke(app, ["runs", "gc"], input="n\n")
    assert result.exit_code == 1
    assert Path("runs/.ffff000000000000.partial").is_dir()
    assert runner.invoke(app, ["runs", "gc"], input="y\n").exit_code == 0
    assert not Path("runs/.ffff000000000000.partial").exists()


@pytest.mark.parametrize("axis", ["parameters", "compute", "rows", "context_length", "horizon"])
def test_a_new_study_is_a_study(axis: str) -> None:
    say("study", "new", f"new_{axis}", "--axis", axis, "--question", "Does it: pay?")
    study = load_study(f"new_{axis}.yaml")
    assert list(study.axes) == [axis]
    assert study.question == "Does it: pay?"
    assert study.num_folds == 3
    assert "#" in Path(f"new_{axis}.yaml").read_text()
    with pytest.raises(FinscaleError, match="exists already"):
        say("study", "new", f"new_{axis}", "--axis", axis)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sizes", "5k,50k"], "2 sizes along axis parameters can show no law"),
        (["--axis", "assets", "--symbols", "SP500"], "1 size along axis assets"),
        (["--axis", "tier", "--sizes", "a20"], "1 size along axis tier"),
        (["--sizes", "5k,6k,7k,8k"], "span ×1.6"),
        (["--seeds", "1"], "1 seed a size"),
        (["--axis", "speed"], "'speed' is not a scale axis"),
        (["--task", "luck"], "name = 'luck': is not a task"),
    ],
)
def test_a_new_study_that_cannot_conclude_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(FinscaleError, match=message) as refused:
        say("study", "new", "unfit", *words)
    assert refused.value.hint
    assert not Path("unfit.yaml").exists()


def test_a_new_study_scales_the_symbols_that_it_is_given() -> None:
    words = ["--axis", "assets", "--source", "synthetic:garch", "--symbols"]
    say("study", "new", "four", *words, "S000,S001,S002,S003")
    assert load_study("four.yaml").axes["assets"] == (1, 2, 3, 4)
    assert load_study("four.yaml").experiment.data.source == "synthetic:garch"
    assert load_study("four.yaml", quick=True).name == "four_quick"


def _own_bars(symbol: str, days: int) -> None:
    """Import so many bars of one's own."""
    luck = np.random.default_rng(3).normal(0.0003, 0.012, days)
    close = 100 * np.exp(luck.cumsum())
    sessions = pd.bdate_range("2001-01-01", periods=days)
    bars = {"open": close, "high": close * 1.01, "low": close * 0.99, "close": close}
    frame = pd.DataFrame({"date": sessions, **bars, "volume": 1e6 + np.arange(days)})
    fs.import_frame(frame, symbol, adjustment="split+dividend", calendar="none")


@pytest.mark.parametrize(("days", "folds", "block"), [(2400, 3, 252), (760, 2, 80)])
def test_a_new_study_fits_the_bars_that_there_are(days, folds, block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _own_bars("ON", days)  # YAML reads a bare ON as true
    told = say("study", "new", "own.yaml", "--symbols", "on", "--sizes", "3k,6k,12k,24k")
    assert f"ON {days:,} bars, 2001-01-01" in told
    study = load_study("own.yaml")
    assert study.name == "own"
    assert study.experiment.data.symbols == ("ON",)
    assert study.experiment.data.source == "frame"
    split = study.experiment.split
    assert (split.method, split.folds, split.test_days) == ("walk_forward", folds, block)
    # what it writes can be planned
    plan = fs.Study.from_file("own.yaml", {"controls.kinds": [], "seeds": 1}).plan
    assert len(plan) == folds * (4 + len(study.baselines))


def test_a_new_study_that_its_bars_do_not_hold_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    _own_bars("MINE", 460)
    for words, said in (
        ([], "45 are left to test on"),
        (["--symbols", "NOPE"], "NOPE has no bars in data"),
        (["--folds", "3"], "3 folds of the"),
        (["--axis", "rows"], "too few for axis rows"),
        (["--symbols", "VIX", "--axis", "rows", "--sizes", "1,2,4,40"], "axis rows"),
        (["--symbols", "SP500", "--folds", "60"], "60 folds of the"),
        (["--source", "bundeld"], "'bundeld' is not a source"),
    ):
        with pytest.raises(FinscaleError, match=said) as refused:
            say(
                "study",
                "new",
                "unfit",
                *(["--symbols", "MINE"] if "SP500" not in words else []),
                *words,
            )
        assert refused.value.hint
    assert not Path("unfit.yaml").exists()


def test_a_new_study_of_a_universe_compares_its_members(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    store, names = fs.DataStore("data"), [f"M{number:02}" for number in range(12)]
    rng = np.random.default_rng(0)
    days = pl.date_range(pl.date(2015, 1, 1), pl.date(2017, 12, 31), eager=True)
    for name in names:
        close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, len(days))))
        frame = conform(name, pl.DataFrame({"date": days, "close": close}))
        about = {"calendar": "none"}
        store.add_bars(Bars(name, frame, "split+dividend", "csv", provenance=about))
    Path("data/universes").mkdir()
    Path("data/universes/mine.csv").write_text("\n".join(["symbol", *names]))

    words = ("--folds", "1", "--no-controls", "--sizes", "2k,5k,10k,20k")
    told = say("study", "new", "across", "--universe", "mine", *words)
    assert "outperform on 12 symbols of mine" in told
    assert "12 symbols of csv (M00" in told
    study = load_study("across.yaml")
    data = study.experiment.data
    assert (data.universe, data.cross_section, data.tier) == ("mine", "ranks", "c50")
    assert (study.tuning.rule, study.sesoi) == ("sweep", 1e-4)
    assert "0 of" in say("study", "status", "across.yaml", "--quick")

    # an absolute question may be asked of it too, and of some members alone
    words = ("--universe", "mine", "--symbols", "M03,M04", "--task", "direction", "--folds", "1")
    say("study", "new", "some", *words, "--sizes", "3k,5k,10k,20k", "--no-controls")
    study = load_study("some.yaml")
    assert study.experiment.data.symbols == ("M03", "M04")
    assert study.experiment.network.kind == "patchtst"
    with pytest.raises(FinscaleError, match="XX is no member of the universe mine"):
        say("study", "new", "other", "--universe", "mine", "--symbols", "XX")


def test_the_page_shows_what_a_new_study_is(root) -> None:
    page = (root / "docs/howto/study-file.md").read_text()
    command = "study new index_parameters --axis parameters --symbols SP500 --task threshold_1pct"
    assert f"finscale {command}\n" in page
    assert "parameters: 5k, 17k" in say(*command.split())
    assert f"```yaml\n{Path('index_parameters.yaml').read_text()}```" in page


@pytest.mark.parametrize(
    ("task", "outcome", "sesoi"),
    [
        ("threshold_1pct", "auc", 0.01),
        ("threshold_1pct", "sharpe", 0.2),
        ("regression", "r2", 0.001),
        ("regression", "loss", 1e-7),
    ],
)
def test_a_new_study_states_its_outcome(task: str, outcome: str, sesoi: float) -> None:
    name = f"new_{task}_{outcome}"
    say("study", "new", name, "--task", task, "--outcome", outcome)
    study = load_study(f"{name}.yaml")
    assert (study.outcome, study.sesoi) == (outcome, sesoi)
    text = Path(f"{name}.yaml").read_text()
    assert f"outcome: {outcome}" in text
    assert "sesoi: " in text


def test_a_new_study_refuses_an_outcome_that_does_not_fit() -> None:
    with pytest.raises(FinscaleError, match="outcome auc does not fit a task that forecasts a num"):
        say("study", "new", "unfit", "--task", "regression", "--outcome", "auc")
    with pytest.raises(FinscaleError, match="'f1' is not a study outcome"):
        say("study", "new", "unfit", "--outcome", "f1")
    assert not Path("unfit.yaml").exists()


@pytest.mark.parametrize(
    "name",
    ["parameters", "auc", "rows", "context", "horizon", "surface", "features", "architectures"],
)
def test_every_recipe_can_be_read_whole_and_quick(root, name: str) -> None:
    path = root / f"configs/studies/sp500_{name}.yaml"
    whole, quick = load_study(path), load_study(path, quick=True)
    assert whole.num_folds == 3
    assert quick.name == f"sp500_{name}_quick"
    assert size(quick) < size(whole)
    for axis, sizes in whole.axes.items():
        assert list(sizes) == sorted(sizes, key=lambda size: nominal(axis, size)), axis


def size(study: StudyConfig) -> int:
    """Return how many networks the study trains, epochs counted."""
    number = len(study.seeds) * len(study.run_folds) * study.experiment.training.epochs
    number *= len(study.architectures) or 1
    for sizes in study.axes.values():
        number *= len(sizes)
    return number


def test_the_default_study_is_what_the_project_promises(root) -> None:
    study = load_study(root / "configs/studies/sp500_parameters.yaml")
    sizes = study.axes["parameters"]
    assert len(sizes) >= 6
    assert (sizes[0], sizes[-1]) == (5_000, 2_000_000)
    assert len(study.seeds) == 5
    assert study.baselines == DEFAULT_BASELINES
    assert study.controls.kinds == ("permuted_labels", "planted_signal")
