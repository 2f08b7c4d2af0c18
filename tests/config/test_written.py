"""Files that finscale writes can be read again, and a file for another verb is recognised."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from finscale.config import ExperimentConfig, StudyConfig, load_config, load_study, validate
from finscale.errors import ConfigError
from finscale.study.registration import Registration

_STUDIES: dict[str, dict] = {
    "symbols": {
        "experiment": {"data": {"symbols": ["A", "B", "C", "D"]}},
        "axes": {"assets": [1, 2, 4]},
        "draws": 2,
    },
    "asset-days": {
        "experiment": {"data": {"symbols": ["A", "B", "C", "D"]}},
        "axes": {"data": [0.25, 0.5, 1]},
    },
    "plain": {"axes": {"parameters": ["3k", "5k"]}},
    "controls": {
        "axes": {"parameters": ["3k", "5k"]},
        "controls": {"kinds": ["permuted_labels", "planted_signal"], "sizes": ["3k"]},
    },
    "sharpe": {
        "axes": {"parameters": ["3k", "5k"]},
        "outcome": "sharpe",
        "controls": ["planted_signal"],
        "costs": {"commission": 2.0},
    },
    "blocks": {"axes": {"rows": [1, 2]}, "experiment": {"split": {"method": "chunks"}}},
    "two axes": {"axes": {"context_length": [20, 40], "parameters": ["3k", "5k"]}, "seeds": 2},
    "compute": {"axes": {"compute": ["3e10", "1e11"]}, "tuning": "sweep"},
    "architectures": {
        "axes": {"parameters": ["3k", "5k"]},
        "architectures": ["patchtst", {"kind": "dlinear", "moving_average": 5}],
    },
    "number": {"axes": {"horizon": [1, 5]}, "experiment": {"task": {"name": "regression"}}},
}


@pytest.mark.parametrize("case", _STUDIES)
def test_what_a_study_writes_down_is_the_same_study_again(case, tmp_path: Path) -> None:
    study = validate(StudyConfig, {"name": "one", **_STUDIES[case]}, place="here")
    Registration(tmp_path, study).register()
    for name in ("study.yaml", "registration.json"):
        again = load_study(tmp_path / name)
        assert again.hash() == study.hash(), name
        assert Registration(tmp_path, again).changes() == []


def test_every_recipe_of_a_study_survives(root, us431_data, tmp_path: Path) -> None:
    for recipe in (root / "configs/studies").glob("*.yaml"):
        study = load_study(recipe, us431_data if "us431" in recipe.stem else ())
        Registration(tmp_path / study.name, study).register()
        assert load_study(tmp_path / study.name / "study.yaml").hash() == study.hash()


@pytest.mark.parametrize(
    "model", [{"kind": "patchtst", "budget": "50k"}, {"kind": "baseline", "name": "logistic"}]
)
def test_the_record_of_a_run_is_the_same_run_again(model, tmp_path: Path) -> None:
    run = validate(ExperimentConfig, {"model": model, "split": {"method": "chunks"}}, place="here")
    record = {"id": "0" * 16, "config": run.model_dump(mode="json"), "seconds": 1.0}
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert load_config(ExperimentConfig, tmp_path / "run.json") == run
    (tmp_path / "identity.yaml").write_text(yaml.safe_dump(run.identity()))
    assert load_config(ExperimentConfig, tmp_path / "identity.yaml").hash() == run.hash()


def test_a_study_says_what_its_symbols_are_for(tmp_path: Path) -> None:
    content = validate(StudyConfig, {"name": "one", **_STUDIES["symbols"]}, place="x").resolved()
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({**content, "assets": "the first ones"}))
    with pytest.raises(ConfigError, match="assets = 'the first ones'"):
        load_study(tmp_path / "study.yaml")


def test_what_finscale_works_out_cannot_be_changed_by_hand(tmp_path: Path) -> None:
    study = validate(StudyConfig, {"name": "one", **_STUDIES["controls"]}, place="here")
    content = study.resolved()
    content["controls"]["expected"]["planted_signal"] = "nothing at all"
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match=r"expected .* is not what") as refused:
        load_study(tmp_path / "study.yaml")
    assert "leave controls.expected out" in refused.value.hint
    # an outcome that does not exist is the mistake that is named
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({**content, "outcome": "profit"}))
    with pytest.raises(ConfigError, match="outcome = 'profit'"):
        load_study(tmp_path / "study.yaml")
    blocks = validate(StudyConfig, {"name": "one", **_STUDIES["blocks"]}, place="here").resolved()
    blocks["experiment"]["split"]["counted"] = "from the start"
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(blocks))
    with pytest.raises(ConfigError, match=r"split\.counted = 'from the start'"):
        load_study(tmp_path / "study.yaml")


def test_a_file_for_the_other_verb_is_recognised(root, tmp_path: Path) -> None:
    path = root / "configs/studies/sp500_first.yaml"
    with pytest.raises(ConfigError, match="is a study, not one training") as refused:
        load_config(ExperimentConfig, path)
    assert f"finscale study run {path}" in refused.value.hint
    path = root / "configs/daily/threshold_1pct.yaml"
    with pytest.raises(ConfigError, match="is one training, not a study") as refused:
        load_study(path)
    assert f"finscale train {path}" in refused.value.hint


def test_only_a_file_of_the_wanted_kind_and_name_is_proposed(tmp_path: Path) -> None:
    (tmp_path / "momentum.yaml").write_text("axes: {parameters: [3k, 5k]}\n")
    (tmp_path / "docker-compose.yaml").write_text("services: {}\n")
    (tmp_path / "experiment.yaml").write_text("seed: 3\n")

    def hint(kind, name: str) -> str:
        with pytest.raises(ConfigError, match="does not exist") as refused:
            load_config(kind, tmp_path / name)
        return refused.value.hint

    assert hint(StudyConfig, "momentm.yaml") == f"Did you mean {tmp_path / 'momentum.yaml'}?"
    assert hint(StudyConfig, "momentum") == f"Did you mean {tmp_path / 'momentum.yaml'}?"
    assert hint(ExperimentConfig, "momentm.yaml") == ""
    assert hint(ExperimentConfig, "docker-compos.yaml") == ""
    assert hint(ExperimentConfig, "other.yaml") == ""
    assert hint(ExperimentConfig, "experimnt.yaml").endswith("experiment.yaml?")
