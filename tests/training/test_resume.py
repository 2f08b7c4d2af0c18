import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from safetensors import safe_open
from safetensors.torch import load_file

from finscale.errors import FinscaleError, FinscaleWarning, TrainingError
from finscale.training import Callback, TrainingPaused, fit, save_tensors, state

KILLED = Path(__file__).with_name("killed.py")


class PauseAt(Callback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, trainer):
        if trainer.num_steps == self.step:
            trainer.request_pause("a pause")


@pytest.mark.timeout(900)  # a loaded machine takes its time
def test_killed_at_random_moments_it_ends_with_the_same_bits(tmp_path):
    def run(*arguments):
        done = subprocess.run(
            [sys.executable, KILLED, *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    _, expected = run(tmp_path / "undisturbed")
    num_kills, digest = run(tmp_path / "killed", "1")
    assert int(num_kills) >= 3
    assert digest == expected


@pytest.mark.parametrize("step", [1, 5, 8, 9, 15])
def test_paused_at_any_step_it_goes_on_to_the_same_bits(make_trainer, tmp_path, outcome, step):
    whole = make_trainer(epochs=2)
    expected = outcome(whole, whole.fit())
    with pytest.raises(TrainingPaused, match="a pause; a resume point is written"):
        make_trainer(tmp_path, epochs=2, callbacks=[PauseAt(step)]).fit()
    resumed = make_trainer(tmp_path, epochs=2)
    assert outcome(resumed, resumed.fit()) == expected


def test_the_best_weights_of_a_large_model_wait_in_a_file(
    make_trainer, tmp_path, outcome, monkeypatch
):
    settings = {"epochs": 5, "learning_rate": 0.1, "schedule": "constant", "clip_norm": None}
    whole = make_trainer(**settings)
    expected = outcome(whole, whole.fit())
    monkeypatch.setattr(state, "_KEEP_IN_MEMORY", 0)
    with pytest.raises(TrainingPaused):
        make_trainer(tmp_path, **settings, callbacks=[PauseAt(20)]).fit()
    resumed = make_trainer(tmp_path, **settings)
    result = resumed.fit()
    assert outcome(resumed, result) == expected
    assert not resumed.state.best_weights
    assert (tmp_path / f"best-{result.best_epoch}.safetensors").exists()


def test_a_finished_training_is_not_repeated(make_trainer, tmp_path, outcome, monkeypatch):
    first = make_trainer(tmp_path)
    expected = outcome(first, first.fit())
    again = make_trainer(tmp_path)
    monkeypatch.setattr(fit, "step", None)
    assert outcome(again, again.fit()) == expected


def pause(make_trainer, folder, step=12):
    with pytest.raises(TrainingPaused):
        make_trainer(folder, callbacks=[PauseAt(step)]).fit()


def flip_byte(path, position=-5):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def points(folder):
    """Files of the resume points, newest first."""
    index = json.loads((folder / "resume.json").read_text())
    return [folder / point["file"] for point in index["points"]]


def test_a_corrupt_point_falls_back_to_the_one_before_and_ends_the_same(
    make_trainer, tmp_path, outcome
):
    whole = make_trainer()
    expected = outcome(whole, whole.fit())
    pause(make_trainer, tmp_path)
    newest, _ = points(tmp_path)
    flip_byte(newest)
    resumed = make_trainer(tmp_path)
    with pytest.warns(FinscaleWarning, match=f"{newest.name} is damaged.*the point before it"):
        result = resumed.fit()
    assert outcome(resumed, result) == expected


def test_without_an_undamaged_point_it_refuses(make_trainer, tmp_path):
    pause(make_trainer, tmp_path)
    newest, older = points(tmp_path)
    flip_byte(newest)
    older.unlink()
    with (
        pytest.warns(FinscaleWarning, match="is damaged"),
        pytest.warns(FinscaleWarning, match="is missing"),
        pytest.raises(TrainingError, match=r"No resume point in .* is undamaged") as error,
    ):
        make_trainer(tmp_path).fit()
    assert "delete that folder" in error.value.hint


def test_a_damaged_index_is_refused(make_trainer, tmp_path):
    pause(make_trainer, tmp_path)
    (tmp_path / "resume.json").write_text('{"identity": ')
    with pytest.raises(TrainingError, match=r"resume.json is damaged"):
        make_trainer(tmp_path).fit()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"learning_rate": 1e-3}, "training.learning_rate was 0.003, is 0.001"),
        ({"epochs": 9}, "training.epochs was 3, is 9"),
        ({"seed": 1}, "seed was 0, is 1"),
    ],
)
def test_the_resume_point_of_another_training_is_refused(make_trainer, tmp_path, change, named):
    pause(make_trainer, tmp_path)
    before = {path: path.read_bytes() for path in points(tmp_path)}
    with pytest.raises(TrainingError, match="a resume point of a different training") as error:
        make_trainer(tmp_path, **change).fit()
    assert named in error.value.message
    assert {path: path.read_bytes() for path in points(tmp_path)} == before


def test_where_and_how_it_is_computed_may_change(make_trainer, tmp_path):
    pause(make_trainer, tmp_path)
    placement = {"threads": 2, "evaluation_batch_size": 64}
    make_trainer(tmp_path, checkpoint_minutes=1.0, thermal={"stop": 90.0}, **placement).fit()


def written_on(device, folder):
    """Make the newest point one that another device has written: its generator is unknown here."""
    path, _ = points(folder)
    with safe_open(path, framework="pt") as file:
        facts = json.loads(file.metadata()["facts"])
    tensors = load_file(path)
    tensors[f"rng.{device}"] = torch.zeros(16, dtype=torch.uint8)
    header = {"facts": json.dumps({**facts, "device": device})}
    index = json.loads((folder / "resume.json").read_text())
    index["points"][0]["sha256"] = {path.name: save_tensors(path, tensors, header)}
    (folder / "resume.json").write_text(json.dumps(index))


def test_begun_on_another_device_it_goes_on_and_says_so(make_trainer, tmp_path, outcome):
    whole = make_trainer()
    expected = whole.fit()

    def resumed(folder):
        pause(make_trainer, folder)
        written_on("cuda", folder)
        torch.manual_seed(int(folder.name))  # what the process has drawn does not matter
        trainer = make_trainer(folder)
        with pytest.warns(FinscaleWarning, match="was begun on cuda and goes on on cpu"):
            return outcome(trainer, trainer.fit()), trainer

    first, trainer = resumed(tmp_path / "1")
    second, _ = resumed(tmp_path / "2")
    assert first == second
    # up to the pause it is the same training, then dropout draws other masks
    losses = [record["train_loss"] for record in trainer.state.history]
    assert losses[0] == expected.history[0]["train_loss"]
    assert losses[-1] != expected.history[-1]["train_loss"]
    assert losses[-1] == pytest.approx(expected.history[-1]["train_loss"], abs=0.02)


def test_a_point_of_an_older_format_is_refused(make_trainer, tmp_path):
    pause(make_trainer, tmp_path)
    index = json.loads((tmp_path / "resume.json").read_text())
    del index["format"]
    (tmp_path / "resume.json").write_text(json.dumps(index))
    with pytest.raises(TrainingError, match="resume points of format 1, written by another"):
        make_trainer(tmp_path).fit()


def test_a_point_holds_the_ordinary_state_of_adamw(make_trainer, tmp_path):
    pause(make_trainer, tmp_path)
    trainer = make_trainer(tmp_path)
    fit.setup(trainer)
    tensors = load_file(points(tmp_path)[0])
    state = trainer.state.optimizer.state_dict()["state"]
    assert {name for name in tensors if name.startswith("optimizer.")} == {
        f"optimizer.{number}.{name}" for number, one in state.items() for name in one
    }
    assert set(state[0]) == {"step", "exp_avg", "exp_avg_sq"}
    assert all(torch.equal(tensors[f"optimizer.{k}.exp_avg"], state[k]["exp_avg"]) for k in state)
    assert state[0]["step"].item() == 12


def test_parts_of_a_killed_write_are_swept_up(make_trainer, tmp_path):
    pause(make_trainer, tmp_path)
    (tmp_path / ".point-9.safetensors.abc.tmp").write_bytes(b"half")
    (tmp_path / "point-9.safetensors").write_bytes(b"not in the index yet")
    make_trainer(tmp_path).fit()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"resume.json", ".lock", *(path.name for path in points(tmp_path))}


def test_two_processes_do_not_train_into_one_folder(make_trainer, tmp_path):
    with (
        FileLock(tmp_path / ".lock"),
        pytest.raises(TrainingError, match="another process trains into it"),
    ):
        make_trainer(tmp_path).fit()


def test_a_folder_that_cannot_be_written_is_refused_before_training(
    make_trainer, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("not a folder")
    trainer = make_trainer(tmp_path / "file" / "resume")
    monkeypatch.setattr(fit, "step", None)
    with pytest.raises(FinscaleError, match="cannot be written"):
        trainer.fit()


def test_a_full_disk_is_one_clear_error_and_the_old_point_stays(make_trainer, tmp_path, outcome):
    whole = make_trainer()
    expected = outcome(whole, whole.fit())
    pause(make_trainer, tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(FinscaleError, match=r"point-\d.safetensors cannot be written: .*large"):
            make_trainer(tmp_path).fit()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    resumed = make_trainer(tmp_path)
    assert outcome(resumed, resumed.fit()) == expected


def test_sigterm_writes_a_resume_point(make_trainer, tmp_path):
    class Terminate(Callback):
        def on_step_end(self, trainer):
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(TrainingPaused, match="step 1: SIGTERM was received"):
        make_trainer(tmp_path, callbacks=[Terminate()]).fit()
    assert len(points(tmp_path)) == 1
