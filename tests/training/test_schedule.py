from typing import get_args

import pytest

from finscale.config import TrainingConfig
from finscale.training.schedule import SCHEDULES, learning_rates


def rates(num_steps, **settings):
    return learning_rates(TrainingConfig(learning_rate=1.0, **settings), num_steps)


def test_cosine_warms_up_to_the_peak_and_falls_to_its_last_share():
    assert rates(8, warmup=0.25, final_rate=0.2) == pytest.approx(
        # a linear rise of two steps, then .2 + .8 · (1 + cos πk/5) / 2
        [0.5, 1.0, 1.0, 0.9236068, 0.7236068, 0.4763932, 0.2763932, 0.2]
    )


def test_one_cycle_rises_from_a_25th_and_ends_at_the_share():
    one_cycle = rates(12, schedule="one_cycle", warmup=0.5, final_rate=0.0)
    # (1 - cos π/6) / 2 = .0669873 of the way from .04 to 1
    assert one_cycle[0] == pytest.approx(0.04 + 0.96 * 0.0669873)
    assert max(one_cycle) == one_cycle[5] == 1.0
    assert one_cycle[-1] == 0.0


def test_constant_stays_at_the_peak_after_the_warm_up():
    assert rates(5, schedule="constant", warmup=0.4) == [0.5, 1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("schedule", list(SCHEDULES))
@pytest.mark.parametrize("num_steps", [1, 2, 3, 100])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.99])
def test_every_step_has_a_rate_and_none_exceeds_the_peak(schedule, num_steps, warmup):
    found = rates(num_steps, schedule=schedule, warmup=warmup)
    assert len(found) == num_steps
    assert all(0 < rate <= 1 for rate in found)


def test_the_config_knows_every_schedule():
    assert set(get_args(TrainingConfig.model_fields["schedule"].annotation)) == set(SCHEDULES)
