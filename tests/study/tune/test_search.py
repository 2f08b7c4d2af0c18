"""A search from its first trial to the settings of a study: forced, stopped, killed, resumed."""

from __future__ import annotations

import math

import pytest

from finscale.config import StudyConfig
from finscale.config.study import TuningConfig
from finscale.config.tune import SpaceConfig
from finscale.errors import FinscaleError
from finscale.runs import RunStore
from finscale.study import Study
from finscale.study.tune.coordinator import TuneBudget
from finscale.study.tune.tuner import SearchTuner


def open_study(config: StudyConfig, folder) -> tuple[Study, SearchTuner]:
    study = Study(config, studies=folder / "studies", runs=RunStore(folder / "runs"))
    assert isinstance(study.tuner, SearchTuner)
    return study, study.tuner


def rows(study: Study, tuner: SearchTuner) -> list[tuple]:
    (found,) = tuner.found(study.cells).values()
    return [
        (t["number"], t["state"], t["validation_loss"], sorted(t["params"].items()))
        for t in found.trials
    ]


def with_search(config: StudyConfig, **changes) -> StudyConfig:
    tuning = config.tuning.model_dump()
    tuning["search"] |= changes
    return config.model_copy(update={"tuning": TuningConfig.model_validate(tuning)})


@pytest.fixture(scope="module")
def whole():
    """Hold what the search comes to when nothing happens, once it was needed."""
    return {}


def undisturbed(whole, searched, tmp_path_factory, here):
    if not whole:
        folder = tmp_path_factory.mktemp("whole")
        study, tuner = open_study(searched, folder)
        outcome = tuner.search(study.cells, here)
        assert not outcome.failed
        whole["rows"], whole["study"], whole["computed"] = rows(study, tuner), study, here.computed
    return whole


def test_a_search_finds_settings_no_worse_than_the_defaults_and_a_study_takes_them(
    whole, searched, tmp_path_factory, here
) -> None:
    known = undisturbed(whole, searched, tmp_path_factory, here)
    study = known["study"]
    (found,) = study.tuner.found(study.cells).values()
    forced = [trial["forced"] for trial in found.trials if trial["forced"]]
    assert forced[:3] == ["default", "lowest rate", "highest rate"]
    assert forced[3:] == ["deepest"]
    assert found.is_done
    assert found.best_loss <= found.default_loss
    network = next(cell for cell in study.tuner.tune(study.cells) if not cell.is_baseline)
    for name, value in found.sections["training"].items():
        assert getattr(network.config.training, name) == value
    assert study.tuner.num_trials(study.cells) == len(known["rows"])
    assert found.run_ids == study.tuner.run_ids(study.cells)


def test_a_stopped_trial_is_kept_as_such_and_is_no_run(
    whole, searched, tmp_path_factory, here
) -> None:
    known = undisturbed(whole, searched, tmp_path_factory, here)
    study = known["study"]
    (found,) = study.tuner.found(study.cells).values()
    stopped = [trial for trial in found.trials if trial["state"] == "stopped"]
    for trial in stopped:
        assert trial["runs"][0] not in study.runs
        assert trial["epochs_run"] < trial["epochs"]
        assert "behind others" in trial["reason"]
    for trial in found.trials:
        if trial["state"] == "complete":
            info = study.runs[trial["runs"][0]].info["training"]
            assert trial["validation_loss"] == info["best_validation_loss"]


@pytest.mark.parametrize("kill_after", [5])
def test_a_killed_search_goes_on_to_the_same_trials(
    whole, searched, tmp_path_factory, tmp_path, here, kill_after: int
) -> None:
    known = undisturbed(whole, searched, tmp_path_factory, type(here)())
    study, tuner = open_study(searched, tmp_path)
    here.kill_after = kill_after
    with pytest.raises(KeyboardInterrupt):
        tuner.search(study.cells, here)
    here.kill_after = None
    study, tuner = open_study(searched, tmp_path)
    tuner.search(study.cells, here)
    assert rows(study, tuner) == known["rows"]
    assert sorted(here.computed) == sorted(known["computed"])
    before = len(here.computed)
    tuner.search(study.cells, here)
    assert len(here.computed) == before


def test_the_test_days_are_read_by_no_search(whole, searched, tmp_path_factory, here) -> None:
    study = undisturbed(whole, searched, tmp_path_factory, here)["study"]
    for run in study.runs:
        assert {reading.program for reading in run.test_readings()} == {"training"}


def test_a_budget_ends_a_search_and_more_of_it_goes_on(
    whole, searched, tmp_path_factory, tmp_path, here
) -> None:
    known = undisturbed(whole, searched, tmp_path_factory, type(here)())
    # its runs are there: what is told is told without computing anything again
    study = Study(searched, studies=tmp_path, runs=known["study"].runs)
    tuner = study.tuner
    outcome = tuner.search(study.cells, here, budget=TuneBudget(flops=1.0))
    assert "FLOP are spent" in outcome.stopped_by
    (found,) = tuner.found(study.cells).values()
    assert not found.is_done
    assert "not finished" in found.sentence
    late = tuner.search(study.cells, here, budget=TuneBudget(seconds=1e-9))
    assert late.stopped_by == "its time is over"
    assert here.computed == []


def test_another_process_at_the_same_search_is_refused(searched, tmp_path, here) -> None:
    from finscale.study.tune.coordinator import alone

    study, tuner = open_study(searched, tmp_path)
    with alone(study.folder / "tune"), pytest.raises(FinscaleError, match="another process"):
        tuner.search(study.cells, here)


def test_settings_of_other_data_or_another_space_are_not_taken(
    whole, searched, tmp_path_factory, here
) -> None:
    study = undisturbed(whole, searched, tmp_path_factory, here)["study"]
    other = with_search(searched, sampler="random")
    changed = Study(other, studies=study.folder.parent, runs=study.runs)
    assert changed.tuner.record(changed.cells) == []
    longer = with_search(searched, trials=30)
    more = Study(longer, studies=study.folder.parent, runs=study.runs)
    assert len(more.tuner.record(more.cells)) == 1


def test_inner_blocks_end_before_the_first_test_day(searched, tmp_path) -> None:
    from finscale.experiment.preparation import prepare
    from finscale.study.tune.settings import inner_splits

    study, tuner = open_study(searched, tmp_path)
    (base,) = tuner.bases(study.cells).values()
    first = base.planned.prepared
    dates = first.dataset.date_R
    test = dates[first.split.test].min()
    held = []
    for split in list(inner_splits(base.planned, 3))[1:]:
        made = prepare(base.config.model_copy(update={"split": split}))
        assert made.dataset.date_R[made.split.test].max() < test
        held.append(made.dataset.date_R[made.split.validation])
        assert made.dataset.date_R[made.split.train].max() < held[-1].min()
    assert held[1].max() < held[0].min() <= held[0].max() < dates[first.split.validation].min()


def test_a_diverged_trial_is_told_and_chosen_by_nobody(searched, tmp_path, here) -> None:
    wild = with_search(
        searched,
        trials=3,
        space={**dict.fromkeys(SpaceConfig.model_fields), "rate": (1, 1e12)},
    )
    study, tuner = open_study(wild, tmp_path)
    tuner.search(study.cells, here)
    (found,) = tuner.found(study.cells).values()
    assert math.isfinite(found.best_loss)
    assert found.best_loss <= found.default_loss


def test_a_search_is_part_of_the_study_only_where_it_is_the_rule(searched) -> None:
    assert "search" in searched.resolved()["tuning"]
    plain = searched.model_copy(update={"tuning": TuningConfig()})
    assert "search" not in plain.resolved()["tuning"]
