"""How several devices hold a model follows from their memory; how they are started and ended."""

from __future__ import annotations

import sys
import time

import psutil
import pytest

from finscale.config import BaselineConfig, ModelConfig, TrainingConfig
from finscale.errors import TrainingError
from finscale.experiment.place import placement_words
from finscale.experiment.together import lead
from finscale.models import design
from finscale.training import devices, distributed_launch
from finscale.training.distributed import Ranks
from finscale.training.distributed_launch import launch
from finscale.training.distributed_plan import choose_strategy, device_plan

MADE = design(ModelConfig(budget="2M"), num_features=5, context_length=80)


def decided(**settings) -> TrainingConfig:
    asked = {"device": "cpu", "batch_size": 64, "learning_rate": 1e-3, **settings}
    return TrainingConfig.model_validate(asked)


@pytest.fixture
def memory(monkeypatch):
    """Return a function that sets the machine's memory in bytes."""
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    return lambda size: monkeypatch.setattr(devices, "total_memory", lambda device: int(size))


def test_ddp_where_it_fits_into_each_and_else_shares(memory) -> None:
    ddp, fsdp = (
        device_plan(MADE, devices=4, strategy=strategy, batch_size=64)
        for strategy in ("ddp", "fsdp")
    )
    assert fsdp.total < ddp.total
    # four processes share a CPU's memory, of which nine tenths may be planned with
    memory(4 * ddp.total / 0.89)
    assert choose_strategy(MADE, decided(), 4) == "ddp"
    memory(4 * ddp.total / 0.91)
    assert choose_strategy(MADE, decided(), 4) == "fsdp"
    assert choose_strategy(MADE, decided(strategy="fsdp"), 4) == "fsdp"
    with pytest.raises(TrainingError, match="2M parameters on 4 devices"):
        choose_strategy(MADE, decided(strategy="ddp"), 4)
    memory(4 * fsdp.total / 0.91)
    with pytest.raises(TrainingError, match="ddp or fsdp") as error:
        choose_strategy(MADE, decided(), 4)
    assert "more devices" in error.value.hint


def test_more_devices_have_less_each_and_bf16_gathers_half() -> None:
    plans = [
        device_plan(MADE, devices=count, strategy="fsdp", batch_size=64) for count in (2, 4, 8)
    ]
    assert plans[0].weights == pytest.approx(4 * plans[2].weights)
    assert plans[0].total > plans[1].total > plans[2].total
    half = device_plan(MADE, devices=4, strategy="fsdp", batch_size=64, precision="bf16-mixed")
    assert half.gathered < plans[1].gathered
    assert half.weights == plans[1].weights


def test_a_placement_of_several_is_said(tiny) -> None:
    assert "devices" not in placement_words(tiny)
    training = tiny.training.model_copy(update={"devices": 4, "strategy": "fsdp"})
    words = placement_words(tiny.model_copy(update={"training": training}))
    assert words.startswith("4 devices by FSDP")


def test_a_baseline_is_no_work_for_several(tiny) -> None:
    from finscale.experiment import prepare

    baseline = tiny.model_copy(update={"model": BaselineConfig(name="base_rate")})
    with pytest.raises(TrainingError, match="fitted by one process"):
        lead(prepare(baseline), Ranks(0, 2))


#: The second of three is killed, or ends with a status; the others wait.
LOST = """
import os, pathlib, signal, sys, time
rank = os.environ["RANK"]
pathlib.Path(sys.argv[1], rank).write_text(str(os.getpid()))
if rank == "1":
    time.sleep(0.2)
    {how}
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("how", "outcome"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "Process 2 of 3 killed by signal 9"),
        ("os._exit(3)", 3),
    ],
)
def test_one_that_ends_is_the_end_of_all(how, outcome, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(distributed_launch, "_GRACE", 0.3)
    command = [sys.executable, "-c", LOST.format(how=how), str(tmp_path)]
    began = time.monotonic()
    if isinstance(outcome, str):
        with pytest.raises(TrainingError, match=outcome) as error:
            launch(command, 3, again="finscale train mine.yaml --devices 3")
        assert error.value.hint.endswith("finscale train mine.yaml --devices 3")
    else:
        assert launch(command, 3, again="") == outcome
    assert time.monotonic() - began < 60
    for file in tmp_path.iterdir():
        assert not psutil.pid_exists(int(file.read_text()))


def test_all_end_well_together() -> None:
    assert launch([sys.executable, "-c", "pass"], 2, again="") == 0
