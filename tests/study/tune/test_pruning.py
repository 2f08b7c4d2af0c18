"""Hyperband's limits, known before a trial starts, stop what Optuna's pruner stops."""

from __future__ import annotations

import numpy as np
import pytest

from finscale.experiment.stop_rule import stops_at
from finscale.study.tune.pruning import Hyperband
from finscale.study.tune.trials import SearchTrial

optuna = pytest.importorskip("optuna")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("most", "first", "reduction"), [(9, 1, 3), (12, 2, 3), (16, 1, 2)])
def test_the_limits_are_those_of_optunas_hyperband(
    seed: int, most: int, first: int, reduction: int
) -> None:
    rng = np.random.default_rng(seed)
    ours = Hyperband("a search", most, first, reduction)
    pruner = optuna.pruners.HyperbandPruner(
        min_resource=first, max_resource=most, reduction_factor=reduction
    )
    study = optuna.create_study(study_name="a search", pruner=pruner)
    known: list[SearchTrial] = []
    ends = []
    for number in range(40):
        losses = np.minimum.accumulate(rng.normal(size=most)).tolist()
        trial, theirs = study.ask(), None
        for epoch, loss in enumerate(losses, 1):
            trial.report(loss, epoch)
            if epoch < most and trial.should_prune():
                theirs = epoch
                break
        stopped = stops_at(losses, ours.limits(number, most, known))
        assert stopped == theirs
        state = optuna.trial.TrialState.COMPLETE if theirs is None else None
        study.tell(
            trial,
            losses[-1] if state else None,
            state=state or optuna.trial.TrialState.PRUNED,
        )
        ran = tuple(losses[: theirs or most])
        end = "complete" if theirs is None else "stopped"
        known.append(
            SearchTrial(number, {}, number, state=end, value=min(ran), losses=ran, epochs=most)
        )
        ends.append(theirs)
    assert any(ends)
    assert None in ends


def test_a_shorter_training_has_its_rungs_at_the_same_share() -> None:
    rungs = Hyperband("x", most_epochs=12, first_rung=4, reduction=3)
    early = [number for number in range(50) if rungs.bracket(number) == 0]
    losses = (1.0, 0.9, 0.8, 0.1)
    known = [
        SearchTrial(n, {}, 0, state="complete", value=0.1, losses=losses, epochs=12)
        for n in early[:3]
    ]
    limits = rungs.limits(early[3], 3, known)
    assert limits == ((1, 0.1),)


def test_a_trial_without_earlier_ones_is_never_stopped() -> None:
    assert Hyperband("x", 8).limits(0, 8, []) == ()
