"""Pre-registration: the plan is written once, and changes by recorded amendments only."""

from __future__ import annotations

import json

import pytest

from finscale.config import StudyConfig
from finscale.errors import FinscaleError
from finscale.study.registration import Registration, differences


@pytest.fixture
def config() -> StudyConfig:
    return StudyConfig(name="plan", axes={"parameters": (5_000, 50_000)})


def test_a_plan_is_registered_once(config, tmp_path) -> None:
    registration = Registration(tmp_path, config)
    assert registration.read() is None
    registration.register()
    first = registration.path.read_bytes()
    assert config.hash() in (tmp_path / "study.yaml").read_text()
    registration.register()
    assert registration.path.read_bytes() == first
    assert json.loads(first)["amendments"] == []


def test_a_changed_plan_is_refused_or_amended(config, tmp_path) -> None:
    Registration(tmp_path, config).register()
    changed = config.model_copy(update={"sesoi": 0.01, "seeds": (0, 1)})
    registration = Registration(tmp_path, changed)
    assert registration.changes() == ["seeds: [0, 1, 2] → [0, 1]", "sesoi: 0.005 → 0.01"]
    with pytest.raises(FinscaleError, match=r"sesoi: 0\.005 → 0\.01") as refusal:
        registration.register()
    assert "--amend" in refusal.value.hint
    assert Registration(tmp_path, config).changes() == []

    registration.register(amend=True)
    record = registration.read()
    assert record is not None
    assert record["hash"] == changed.hash()
    assert record["amendments"][0]["from"] == config.hash()
    assert record["amendments"][0]["changes"] == [
        "seeds: [0, 1, 2] → [0, 1]",
        "sesoi: 0.005 → 0.01",
    ]
    assert "amended 1 times" in (tmp_path / "study.yaml").read_text()


def test_a_plan_of_an_earlier_version_that_held_placement_is_the_same_plan(
    config, tmp_path
) -> None:
    registration = Registration(tmp_path, config)
    registration.register()
    record = json.loads(registration.path.read_text())
    record["hash"] = "of that version"
    record["study"]["experiment"]["training"] |= {"device": "cuda", "threads": 4, "recording": True}
    record["study"]["experiment"]["model"] |= {"attention": "narrow"}
    registration.path.write_text(json.dumps(record))
    assert registration.changes() == []
    registration.register()
    longer = config.model_copy(update={"seeds": (0, 1)})
    assert Registration(tmp_path, longer).changes() == ["seeds: [0, 1, 2] → [0, 1]"]


def test_what_appears_and_what_goes() -> None:
    assert list(differences({"a": 1}, {"b": {"c": 2}})) == [
        "a: 1 → nothing",
        "b: nothing → {'c': 2}",
    ]
