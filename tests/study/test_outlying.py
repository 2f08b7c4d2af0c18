"""A registered rule leaves out the runs that blew up, all folds of each, and counts them."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import polars as pl
import pytest

from finscale.config import StudyConfig
from finscale.runs import Run
from finscale.study.analysis import verdict, whole
from finscale.study.grid import expand
from finscale.study.planned import Planned

SIZES = (3_000, 10_000, 30_000, 100_000)
FIRST = dt.date(2020, 1, 1)


def study_of(tiny, **changes) -> StudyConfig:
    content = {
        "name": "outlying",
        "experiment": tiny,
        "axes": {"parameters": SIZES},
        "seeds": (0, 1, 2, 5),
        "baselines": (),
        **changes,
    }
    return StudyConfig(**content)


def finished(study: StudyConfig, folder, bad: dict[str, float]):
    """Return runs on disk whose forecasts are the better the larger, but for the bad ones."""
    rng = np.random.default_rng(0)
    num_days = 120
    target = (rng.random(num_days) < 0.5).astype(float)
    completed = []
    for cell in expand(study):
        size = float(cell.sizes["parameters"])
        # every run is right by some log odds, and wrong by as many on the bad ones
        odds = bad.get(cell.label, 0.4 + 0.1 * np.log10(size / 3_000) + 0.002 * rng.normal())
        logit = odds * (2 * target - 1) + 0.01 * rng.normal(size=num_days)
        parts = [
            pl.DataFrame(
                {
                    "date": [FIRST + dt.timedelta(days=shift + i) for i in range(num_days)],
                    "symbol": "A",
                    "fold": 0,
                    "split": split,
                    "target": target,
                    "logit": logit,
                }
            )
            for split, shift in (("validation", 0), ("test", num_days))
        ]
        run = folder / cell.label.replace(".", "_")
        run.mkdir(parents=True)
        pl.concat(parts).write_parquet(run / "predictions.parquet")
        info = {
            "config": cell.config.model_dump(mode="json"),
            "parameters": {"total": size},
            "windows": {"train_mean": 0.5},
        }
        (run / "run.json").write_text(json.dumps(info))
        completed.append((Planned(cell, None, None), Run(run)))  # type: ignore[arg-type]
    return completed


BAD = {"parameters10000-seed2": -2.0, "parameters30000-seed5": 3.0}


@pytest.mark.parametrize(
    ("rules", "gone"),
    [
        ((), set()),
        (("diverged",), {"parameters10000-seed2"}),
        (("outlying",), set(BAD)),
        (("collapsed", "diverged"), {"parameters10000-seed2"}),
    ],
)
def test_rules_leave_out_what_they_say(tiny, tmp_path, rules, gone) -> None:
    study = study_of(tiny, exclusions=rules)
    completed = finished(study, tmp_path, BAD)
    kept, words = whole(study, completed)
    assert {p.cell.label for p, _ in completed} - {p.cell.label for p, _ in kept} == gone
    assert len(words) == (1 if gone else 0)
    if gone:
        assert words[0].startswith(f"{len(gone)} of 16 runs ({rules[-1]}: ")
        assert "10k seed 2" in words[0]


def test_the_verdict_counts_who_was_left_out_and_names_who_stays(tiny, tmp_path) -> None:
    study = study_of(tiny, exclusions=("diverged",))
    judged = verdict(study, finished(study, tmp_path, BAD))
    assert "Left out: 1 of 16 runs (diverged: far worse than the other seeds" in judged.sentence
    assert judged.covariance.seeds_G.tolist() == [4, 3, 4, 4]
    # the seed by its own number, not by its place
    assert "1 run stands apart from the other seeds of their size (30k, seed 5:" in judged.sentence
    assert judged.statement.exclusions[0].endswith("10k seed 2")


def test_a_study_that_states_no_rule_is_the_study_it_was(tiny) -> None:
    content = study_of(tiny).resolved()
    assert content["exclusions"] == []
    assert study_of(tiny, exclusions=("diverged",)).hash() != study_of(tiny).hash()
