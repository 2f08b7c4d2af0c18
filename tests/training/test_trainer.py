import dataclasses
import math
import signal

import numpy as np
import pytest
import torch

from finscale.config import ModelConfig
from finscale.errors import TrainingError
from finscale.models import build_model
from finscale.training import Callback, TrainingPaused
from finscale.training.devices import supports
from finscale.training.fit import setup


class Recorder(Callback):
    def __init__(self):
        self.events = []

    def on_fit_start(self, trainer):
        self.events.append("start")

    def on_epoch_end(self, trainer, record):
        self.events.append(record["epoch"])

    def on_fit_end(self, trainer, result):
        self.events.append(result and result.stopped)


class At(Callback):
    """Do something to the trainer after a given number of steps."""

    def __init__(self, step, action):
        self.step, self.action = step, action

    def on_step_end(self, trainer):
        if trainer.num_steps == self.step:
            self.action(trainer)


def test_training_lowers_the_loss_below_that_of_the_base_rate(make_trainer):
    trainer = make_trainer(epochs=12, learning_rate=1e-2)
    result = trainer.fit()
    y = trainer.dataset.targets(trainer.split.validation)
    rate = trainer.dataset.base_rate(trainer.split.train)
    base = float(-(y * math.log(rate) + (1 - y) * math.log(1 - rate)).mean())
    assert result.best_validation_loss < base - 0.05
    assert result.history[0]["validation_loss"] > result.best_validation_loss


def test_the_result_counts_epochs_steps_and_samples(make_trainer):
    trainer = make_trainer(epochs=2)
    result = trainer.fit()
    windows = len(trainer.split.train)
    assert windows % 32, "the last step of an epoch is meant to be a smaller one"
    assert result.steps == 2 * math.ceil(windows / 32)
    assert result.samples == 2 * windows
    assert result.stopped == "all 2 epochs are done"
    assert [record["epoch"] for record in result.history] == [1, 2]
    assert result.history[-1]["learning_rate"] == pytest.approx(0.1 * 3e-3)


def test_the_model_ends_with_its_best_weights(make_trainer, ruin_after):
    trainer = make_trainer(epochs=4, callbacks=[ruin_after(2)])
    result = trainer.fit()
    losses = [record["validation_loss"] for record in result.history]
    assert result.best_epoch == 1 + int(np.argmin(losses)) == 2
    assert trainer.validate() == result.best_validation_loss == min(losses)


def test_patience_ends_training_and_says_so(make_trainer):
    trainer = make_trainer(epochs=50, learning_rate=0.1, schedule="constant", patience=2)
    result = trainer.fit()
    assert result.stopped == "validation has not improved for 2 epochs"
    assert len(result.history) == result.best_epoch + 2 < 50


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(make_trainer, outcome):
    def run(seed):
        trainer = make_trainer(seed=seed)
        return outcome(trainer, trainer.fit())

    first = run(0)
    torch.rand(5)  # what the process has drawn before does not matter
    assert run(0) == first
    assert run(1) != first


def test_accumulated_micro_batches_train_as_one_large_batch(make_trainer):
    def run(**settings):
        network = ModelConfig(depth=1, width=8, heads=2, patch_length=8, stride=4, dropout=0.0)
        torch.manual_seed(3)
        model = build_model(network, num_features=5, context_length=16)
        return make_trainer(model=model, **settings).fit()

    whole, parts = run(batch_size=32), run(batch_size=8, accumulate=4)
    assert whole.steps == parts.steps
    for one, other in zip(whole.history, parts.history, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-5)
        assert one["validation_loss"] == pytest.approx(other["validation_loss"], rel=1e-5)


def test_each_epoch_sees_every_training_window_once_in_its_own_order(make_trainer):
    trainer = make_trainer()
    setup(trainer)
    orders = [trainer._epoch_order(epoch).numpy() for epoch in (0, 1)]
    for order in orders:
        assert np.array_equal(np.sort(order), np.sort(trainer.split.train))
    assert not np.array_equal(*orders)


def test_predictions_follow_the_order_of_the_rows_asked_for(make_trainer):
    trainer = make_trainer(evaluation_batch_size=7)
    ends = trainer.split.test
    logit = trainer.predict(ends)
    assert logit.shape == ends.shape
    assert logit.dtype == np.float64
    assert np.allclose(trainer.predict(ends[::-1].copy()), logit[::-1], atol=1e-6)


def test_fit_leaves_threads_random_state_and_signals_as_they_were(make_trainer):
    threads, handler = torch.get_num_threads(), signal.getsignal(signal.SIGINT)
    torch.manual_seed(5)
    expected = torch.rand(3)
    trainer = make_trainer(threads=2)
    torch.manual_seed(5)
    trainer.fit()
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads
    assert signal.getsignal(signal.SIGINT) is handler


def test_callbacks_hear_of_start_epochs_and_end(make_trainer):
    recorder = Recorder()
    make_trainer(epochs=2, callbacks=[recorder]).fit()
    assert recorder.events == ["start", 1, 2, "all 2 epochs are done"]


def test_callbacks_hear_of_the_end_even_after_an_error(make_trainer):
    recorder = Recorder()
    break_it = At(2, lambda trainer: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make_trainer(callbacks=[recorder, break_it]).fit()
    assert recorder.events == ["start", None]


def test_a_callback_can_end_training_after_the_epoch(make_trainer):
    stop = At(2, lambda trainer: trainer.request_stop("two steps are enough"))
    result = make_trainer(callbacks=[stop]).fit()
    assert result.stopped == "two steps are enough"
    assert len(result.history) == 1


def test_a_pause_without_a_folder_says_that_nothing_was_kept(make_trainer):
    pause = At(2, lambda trainer: trainer.request_pause("lunch"))
    with pytest.raises(TrainingPaused, match="epoch 1, step 2: lunch; nothing was kept"):
        make_trainer(callbacks=[pause]).fit()


def test_ctrl_c_ends_after_the_step(make_trainer, tmp_path):
    interrupt = At(3, lambda trainer: signal.raise_signal(signal.SIGINT))
    with pytest.raises(TrainingPaused, match="step 3: Ctrl-C was received; a resume point"):
        make_trainer(tmp_path / "resume", callbacks=[interrupt]).fit()


def test_a_second_ctrl_c_ends_at_once(make_trainer):
    def twice(trainer):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        make_trainer(callbacks=[At(1, twice)]).fit()


def poison(dataset, end):
    """Make the windows that see row ``end`` infinite."""
    rows_RF = dataset.rows_RF.clone()
    rows_RF[end] = torch.inf
    return dataclasses.replace(dataset, rows_RF=rows_RF)


def test_a_loss_that_is_not_finite_names_step_dates_and_resume_point(
    make_trainer, windows, tmp_path
):
    dataset, split = windows
    first_row = int(split.train[0])
    trainer = make_trainer(tmp_path / "resume", dataset=poison(dataset, first_row))
    with pytest.raises(TrainingError, match=r"The loss is nan at step \d+ of epoch 1") as error:
        trainer.fit()
    step = int(error.value.message.split("at step ")[1].split()[0])
    ends = trainer._epoch_order(0)[32 * (step - 1) : 32 * step].numpy()
    dates = sorted(str(date) for date in dataset.dates(ends))
    assert f"decided from {dates[0]} to {dates[-1]}" in error.value.message
    # the named step is the first whose windows see the bad row
    sees = [first_row <= end < first_row + 16 for end in trainer._epoch_order(0).numpy()]
    assert step == 1 + sees.index(True) // 32
    assert "Last good resume point: none yet" in error.value.message
    assert not list((tmp_path / "resume").glob("point-*"))


def test_a_validation_loss_that_is_not_finite_stops_too(make_trainer, windows):
    dataset, split = windows
    with pytest.raises(TrainingError, match="The validation loss is nan"):
        make_trainer(dataset=poison(dataset, int(split.validation[-1]))).fit()


def test_a_split_without_validation_is_refused(make_trainer, windows):
    _, split = windows
    empty = dataclasses.replace(split, validation=split.validation[:0])
    with pytest.raises(TrainingError, match="0 validation windows"):
        make_trainer(split=empty).fit()


def test_the_learning_rate_follows_the_schedule(make_trainer):
    seen = []

    class Watch(Callback):
        def on_step_end(self, trainer):
            groups = trainer.state.optimizer.param_groups
            seen.append({round(group["lr"] / group["lr_factor"], 12) for group in groups})

    trainer = make_trainer(callbacks=[Watch()], schedule="constant", warmup=0.5, epochs=2)
    trainer.fit()
    half = len(seen) // 2
    assert all(len(rates) == 1 for rates in seen)
    assert [max(rates) for rates in seen[:half]] == pytest.approx(
        [3e-3 * (k + 1) / half for k in range(half)]
    )
    assert all(rates == {3e-3} for rates in seen[half:])


def test_bf16_trains_close_to_fp32_and_keeps_fp32_weights(make_trainer):
    if not supports("cpu", "bf16-mixed"):
        pytest.skip("this CPU has no bf16 products")
    trainers = [make_trainer(precision=precision) for precision in ("fp32", "bf16-mixed")]
    exact, mixed = (trainer.fit().best_validation_loss for trainer in trainers)
    assert exact != mixed
    assert mixed == pytest.approx(exact, abs=0.02)
    assert {p.dtype for p in trainers[1].model.parameters()} == {torch.float32}
    assert trainers[1].predict(trainers[1].split.test).dtype == np.float64


@pytest.mark.parametrize(("loss", "shape"), [("mse", ()), ("huber", ()), ("quantile", (3,))])
def test_regression_trains_and_predicts_one_number_or_one_a_quantile(
    make_regression_trainer, loss, shape
):
    trainer = make_regression_trainer(loss, num_outputs=math.prod(shape))
    result = trainer.fit()
    assert result.history[-1]["train_loss"] < result.history[0]["train_loss"]
    assert trainer.predict(trainer.split.test).shape == (len(trainer.split.test), *shape)


def test_compiling_without_a_compiler_is_refused(make_trainer, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(TrainingError, match=r"needs the C\+\+ compiler no-such-compiler"):
        make_trainer(compile=True).fit()


@pytest.mark.slow
def test_a_compiled_model_trains_like_the_plain_one(make_trainer):
    plain, compiled = (make_trainer(compile=flag, seed=0).fit() for flag in (False, True))
    assert compiled.history[0]["train_loss"] == pytest.approx(
        plain.history[0]["train_loss"], rel=0.05
    )
