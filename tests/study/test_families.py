"""Several architectures in one study: cells, identities, what is left out, planted differences."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from finscale.config import ExperimentConfig, StudyConfig
from finscale.data import DataStore
from finscale.errors import BudgetError, FinscaleError
from finscale.runs import RunStore
from finscale.study import Study
from finscale.study.families import family_title, fitting_cells
from finscale.study.family_comparison import compare_families
from finscale.study.family_results import AT_BEST, FamilyComparison
from finscale.study.family_words import answer, sentence
from finscale.study.grid import Cell, expand
from finscale.study.planned import plan_cells
from finscale.study.planning import plan_study
from finscale.study.tuning import Tuner

FAMILIES = ("patchtst", {"kind": "mlp", "depth": 2})


def study_of(experiment: ExperimentConfig, **changes: Any) -> StudyConfig:
    content = {
        "name": "families",
        "experiment": experiment,
        "architectures": FAMILIES,
        "axes": {"parameters": (3_000, 6_000)},
        "seeds": (0, 1),
        "baselines": ("base_rate",),
        **changes,
    }
    return StudyConfig.model_validate(content)


def test_every_architecture_has_every_size_seed_and_fold_and_baselines_are_shared() -> None:
    walk = {"method": "walk_forward", "folds": 2}
    config = study_of(ExperimentConfig.model_validate({"split": walk}))
    cells = expand(config)
    assert [cell.label for cell in cells[:6]] == [
        "base_rate-fold0",
        "base_rate-fold1",
        "patchtst-parameters3000-seed0-fold0",
        "patchtst-parameters3000-seed0-fold1",
        "patchtst-parameters3000-seed1-fold0",
        "patchtst-parameters3000-seed1-fold1",
    ]
    assert len(cells) == 2 + 2 * 2 * 2 * 2
    assert len({cell.label for cell in cells}) == len(cells)
    assert [cell.family for cell in cells] == [""] * 2 + ["patchtst"] * 8 + ["mlp"] * 8
    assert {cell.config.network.kind for cell in cells if cell.family == "mlp"} == {"mlp"}
    assert cells[-1].config.network.budget == 6_000


def test_runs_are_those_of_the_study_of_each_architecture_alone(tiny, tmp_path) -> None:
    both = Study(study_of(tiny), runs=RunStore(tmp_path))
    alone = study_of(tiny, architectures=())
    own = Study(alone, runs=RunStore(tmp_path))
    assert {one.run_id for one in own.plan} < {one.run_id for one in both.plan}
    # a study of one architecture has the labels, hash and identities that it had before
    assert [cell.label for cell in own.cells] == [
        "base_rate",
        *(f"parameters{size}-seed{seed}" for size in (3000, 6000) for seed in (0, 1)),
    ]
    assert "architectures" not in alone.resolved()
    assert own.left_out == ()
    with pytest.raises(FinscaleError, match="has one architecture: nothing is compared"):
        own.compare()


def test_a_rate_is_transferred_from_an_architectures_own_smallest_size(tiny, tmp_path) -> None:
    training = tiny.training.model_copy(update={"learning_rate": 0.004})
    config = study_of(tiny.model_copy(update={"training": training}), seeds=(0,))
    data = DataStore(tiny.data.root)
    planned = plan_cells(Tuner(config, data, RunStore(tmp_path)).tune(expand(config)), data)
    rates: dict[str, list[float]] = {}
    for one in planned:
        if not one.cell.is_baseline:
            rate = float(one.prepared.config.training.learning_rate)
            rates.setdefault(one.cell.family, []).append(rate)
    assert [first for first, _ in rates.values()] == [0.004, 0.004]


def test_a_size_that_an_architecture_cannot_have_is_left_out_and_named(tiny, tmp_path) -> None:
    config = study_of(tiny, axes={"parameters": (600, 3_000)}, seeds=(0,))
    study = Study(config, studies=tmp_path / "studies", runs=RunStore(tmp_path / "runs"))
    networks = [cell.label for cell in study.cells if not cell.is_baseline]
    assert networks == [
        "patchtst-parameters600-seed0",
        "patchtst-parameters3000-seed0",
        "mlp-parameters3000-seed0",
    ]
    (left,) = study.left_out
    assert left.sentence.startswith(
        "mlp at 600 parameters: No MLP on 26 features has 600 parameters (the nearest"
    )
    plan = plan_study(study, seconds=0.01)
    assert plan.left_out == (left.sentence,)
    assert {name: one.runs for name, one in plan.families.items()} == {"patchtst": 2, "mlp": 1}
    content = plan.to_dict()
    assert [size["family"] for size in content["sizes"]] == ["patchtst"] * 2 + ["mlp", ""]
    # nothing at all is the study's fault
    none = study_of(tiny, axes={"parameters": (20,)})
    with pytest.raises(BudgetError, match="20 parameters"):
        fitting_cells(none, study.data)


def test_a_plan_of_one_architecture_says_nothing_of_families(tiny, tmp_path) -> None:
    config = study_of(tiny, architectures=(), seeds=(0,), axes={"parameters": (3_000,)})
    content = plan_study(Study(config, runs=RunStore(tmp_path)), seconds=0.01).to_dict()
    assert not {"families", "left_out"} & set(content)
    assert all("family" not in size for size in content["sizes"])


def test_each_architecture_has_its_own_controls_and_shares_their_baselines(tiny, tmp_path) -> None:
    config = study_of(
        tiny, axes={"parameters": (600, 3_000)}, seeds=(0,), controls=["permuted_labels"]
    )
    study = Study(config, studies=tmp_path / "studies", runs=RunStore(tmp_path / "runs"))
    assert list(study.controls) == ["patchtst permuted_labels", "mlp permuted_labels"]
    labels = [one.cell.label for one in study.missing()]
    assert len(labels) == len(set(labels))
    assert [label for label in labels if label.startswith("permuted")] == [
        "permuted-base_rate",
        "permuted-patchtst-parameters600-seed0",
        "permuted-patchtst-parameters3000-seed0",
        "permuted-mlp-parameters3000-seed0",
    ]


# --- planted predictions ------------------------------------------------------------------------

DAYS = 500
SIZES = (1_000, 4_000, 16_000, 64_000)


def planted(
    config: StudyConfig,
    skill: dict[str, tuple[float, ...]],
    *,
    validation: Any = None,
    baselines: dict[str, float] | None = None,
) -> list[tuple[Any, Any]]:
    """Return finished runs whose logits are right by a known strength, for family and size.

    Seeds differ by a hundredth of a logit, so that their luck is small.
    """
    rng = np.random.default_rng(11)
    first = dt.date(2020, 1, 1)
    days = [first + dt.timedelta(days=day) for day in range(2 * DAYS)]
    target_T = rng.integers(0, 2, 2 * DAYS).astype(np.float32)
    noise_T = rng.normal(0.0, 1.0, 2 * DAYS)
    completed = []
    for cell in expand(config):
        strength = np.zeros(2 * DAYS)
        if cell.is_baseline:
            strength[:] = (baselines or {}).get(cell.config.model.name, 0.0)
        else:
            place = SIZES.index(int(cell.sizes["parameters"]))
            strength[DAYS:] = skill[cell.family][place]
            strength[:DAYS] = (validation or skill)[cell.family][place]
        own_T = np.random.default_rng(cell.config.seed).normal(0.0, 0.01, 2 * DAYS)
        logit_T = strength * (2 * target_T - 1 + noise_T) + own_T * (not cell.is_baseline)
        table = pl.DataFrame({"date": days, "target": target_T, "logit": logit_T}).with_columns(
            symbol=pl.lit("A"),
            fold=pl.lit(0, pl.Int32),
            split=pl.Series(["validation"] * DAYS + ["test"] * DAYS),
        )
        completed.append((SimpleNamespace(cell=cell), _run(cell, table)))
    return completed


def _run(cell: Cell, table: pl.DataFrame) -> Any:
    size = float(cell.sizes.get("parameters", 0))
    return SimpleNamespace(
        id=cell.label,
        config=cell.config,
        info={"parameters": {"total": size}, "windows": {"train_mean": 0.5}},
        predictions=lambda: table,
    )


def planted_study(**changes: Any) -> StudyConfig:
    return study_of(
        ExperimentConfig(), architectures=("patchtst", "mlp"), axes={"parameters": SIZES}, **changes
    )


def losses(strength: float) -> np.ndarray:
    """Return the test losses of a planted run without its seed's noise."""
    config = planted_study(seeds=(0,))
    every = dict.fromkeys(("patchtst", "mlp"), (strength,) * 4)
    _, run = planted(config, every)[-1]
    test = run.predictions().filter(split="test")
    sign_T = 2 * test["target"].to_numpy() - 1
    return np.log1p(np.exp(-sign_T * test["logit"].to_numpy()))


@pytest.fixture(scope="module")
def found() -> FamilyComparison:
    config = planted_study()
    return compare_families(config, planted(config, {"patchtst": (0.5,) * 4, "mlp": (0.2,) * 4}))


def test_a_planted_gain_is_found_at_every_size_with_the_right_amount(found) -> None:
    gain = float((losses(0.2) - losses(0.5)).mean())
    assert [one.at for one in found.differences] == [
        "1k parameters",
        "4k parameters",
        "16k parameters",
        "64k parameters",
        AT_BEST,
    ]
    for one in found.differences:
        assert (one.first, one.second) == ("PatchTST", "MLP")
        assert one.gain.value == pytest.approx(gain, abs=5e-4)
        assert 0 < one.gain.low < gain < one.gain.high
        assert one.is_seen
        assert one.p_value < 0.01
    assert found.lead == "patchtst"
    assert found.num_days == DAYS
    assert found.seeds_count


def test_the_answer_names_the_architecture_and_not_size(found) -> None:
    assert {one.verdict_name for one in found.families} == {"NO-LAW"}
    assert answer(found) == "The architecture matters; size makes no difference worth having."
    said = sentence(found)
    assert said.startswith("PatchTST at ")
    assert "nats better than MLP (" in said
    assert "All 5 intervals of differences hold together with 95 % confidence." in said
    assert "Size, from 1k to 64k parameters: PatchTST" in said
    content = found.to_dict()
    assert content["families"]["mlp"]["verdict"]["name"] == "NO-LAW"
    assert len(content["families"]["mlp"]["sizes"]) == 4


def test_each_architecture_is_held_against_the_linear_model() -> None:
    config = planted_study(baselines=("base_rate", "logistic"))
    skill = {"patchtst": (0.5,) * 4, "mlp": (0.2, 0.2, 0.2, 0.4)}
    found = compare_families(config, planted(config, skill, baselines={"logistic": 0.3}))
    better, worse = found["patchtst"], found["mlp"]
    assert better.beyond is not None
    assert worse.beyond is not None
    assert better.beyond.headline == "Every size beats the linear model"
    assert worse.beyond.headline == "The largest size beats the linear model"
    gain = float((losses(0.3) - losses(0.2)).mean())
    assert worse.beyond.gains[0].value == pytest.approx(gain, abs=5e-4)
    assert worse.beyond_best == worse.beyond.gains[-1]
    assert worse.verdict is not None
    assert "beats the linear model" in worse.verdict.sentence
    content = found.to_dict()["families"]["mlp"]["beyond_linear"]
    assert content["headline"] == worse.beyond.headline
    # of a study without a linear model nothing is said
    plain = planted_study()
    assert compare_families(plain, planted(plain, skill))["mlp"].beyond is None


def test_equals_are_told_to_be_equal() -> None:
    config = planted_study()
    same = {"patchtst": (0.3,) * 4, "mlp": (0.3,) * 4}
    found = compare_families(config, planted(config, same))
    assert not any(one.is_seen for one in found.differences)
    assert answer(found) == (
        "The architecture makes no difference worth having; size makes no difference worth having."
    )


def test_size_that_pays_is_not_taken_for_the_architecture() -> None:
    config = planted_study()
    rising = (0.02, 0.08, 0.16, 0.30)
    found = compare_families(config, planted(config, {"patchtst": rising, "mlp": rising}))
    assert not any(one.is_seen for one in found.at_best)
    gains = [one.verdict.gain for one in found.families if one.verdict]
    assert all(gain.low > 0 for gain in gains)
    assert found.families[0].best.words == "64k"


def test_the_best_size_is_chosen_on_validation_and_not_on_test() -> None:
    config = planted_study()
    test = {"patchtst": (0.1, 0.1, 0.1, 0.5), "mlp": (0.3,) * 4}
    validation = {"patchtst": (0.4, 0.1, 0.1, 0.1), "mlp": (0.2, 0.3, 0.2, 0.2)}
    found = compare_families(config, planted(config, test, validation=validation))
    assert [one.best.words for one in found.families] == ["1k", "4k"]
    assert found.lead == "patchtst"
    # what validation preferred is the worse one on test, and that is said
    (best,) = found.at_best
    assert (best.first_size, best.second_size) == ("1k parameters", "4k parameters")
    assert best.gain.high < 0
    assert "nats worse than MLP (4k parameters)" in sentence(found)


def test_one_seed_says_that_its_luck_is_left_out() -> None:
    config = planted_study(seeds=(0,))
    found = compare_families(config, planted(config, {"patchtst": (0.5,) * 4, "mlp": (0.2,) * 4}))
    assert not found.seeds_count
    assert "They leave out the luck of seeds" in sentence(found)
    assert "PatchTST has no verdict (one seed" in sentence(found)


def test_one_finished_architecture_is_not_compared() -> None:
    config = planted_study()
    completed = planted(config, {"patchtst": (0.5,) * 4, "mlp": (0.2,) * 4})
    one = [(p, run) for p, run in completed if p.cell.family != "mlp"]
    with pytest.raises(FinscaleError, match="fewer than two architectures"):
        compare_families(config, one)


def test_a_size_that_one_lacks_is_compared_among_those_that_have_it() -> None:
    config = planted_study()
    completed = planted(config, {"patchtst": (0.5,) * 4, "mlp": (0.2,) * 4})
    some = [
        (p, run)
        for p, run in completed
        if p.cell.family != "mlp" or p.cell.sizes["parameters"] != SIZES[0]
    ]
    found = compare_families(config, some)
    assert [one.at for one in found.differences][:2] == ["4k parameters", "16k parameters"]
    assert [len(one.sizes) for one in found.families] == [4, 3]


def test_titles_tell_two_of_a_kind_apart() -> None:
    config = study_of(ExperimentConfig(), architectures=("dlinear", "mlp", FAMILIES[1]))
    titles = [family_title(config, name) for name in config.families]
    assert titles == ["DLinear", "MLP, depth 1", "MLP, depth 2"]
