"""Trainings as one program end as they do alone, whatever the model."""

import dataclasses
import functools
import math

import pytest
import torch
from torch import nn

from finscale.config import ModelConfig
from finscale.errors import TrainingError
from finscale.models import build_model
from finscale.training import Callback, TrainingPaused
from finscale.training.devices import supports
from finscale.training.ensemble import fit_ensemble, why_not_together
from finscale.training.stack import adamw_, clip_each_

TIMED = ("seconds", "samples_per_second")


class Perceptron(nn.Module):
    """A plain network with dropout, batch norm and attention of torch's own."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Linear(5, 8)
        self.qkv = nn.Linear(8, 24)
        self.norm = nn.BatchNorm1d(16 * 8)
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(16 * 8, 1)

    def forward(self, x_BLF):
        x_BLD = self.drop(torch.tanh(self.rows(x_BLF)))
        q, k, v = self.qkv(x_BLD).view(*x_BLD.shape[:2], 3, 2, 4).permute(2, 0, 3, 1, 4)
        y_BHLE = nn.functional.scaled_dot_product_attention(
            q, k, v, dropout_p=0.1 if self.training else 0.0
        )
        x_BLD = x_BLD + y_BHLE.transpose(1, 2).flatten(2)
        return self.out(self.drop(self.norm(x_BLD.flatten(1)))).squeeze(1)


def perceptron(seed):
    torch.manual_seed(100 + seed)
    return Perceptron()


def patchtst(seed):
    torch.manual_seed(seed)
    network = ModelConfig(depth=1, width=8, heads=2, patch_length=8, stride=4, dropout=0.3)
    return build_model(network, num_features=5, context_length=16)


class PauseAt(Callback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, trainer):
        if trainer.num_steps == self.step:
            trainer.request_pause("a pause")


class Heard(Callback):
    def __init__(self):
        self.events = []

    def on_fit_start(self, trainer):
        self.events.append("start")

    def on_step_end(self, trainer):
        self.events.append(trainer.num_steps)

    def on_epoch_end(self, trainer, record):
        self.events.append(f"epoch {record['epoch']}")

    def on_fit_end(self, trainer, result):
        self.events.append(result and result.stopped)


#: Seeds, learning rates and weight decays of the members.
MEMBERS = [
    {"seed": 0},
    {"seed": 1, "learning_rate": 1e-3},
    {"seed": 2, "weight_decay": 0.3},
]


@pytest.fixture(params=["perceptron", "patchtst"])
def make(request, make_trainer):
    """Return a maker of trainers of one model."""

    def made(folder=None, callbacks=(), **settings):
        settings = {"kernels": "torch", **settings}
        seed = settings.get("seed", 0)
        model = perceptron(seed) if request.param == "perceptron" else patchtst(seed)
        return make_trainer(folder, callbacks=callbacks, model=model, **settings)

    return made


def losses(result):
    return [(one["train_loss"], one["validation_loss"]) for one in result.history]


def test_each_member_agrees_with_itself_alone_after_200_steps(make):
    settings = {"epochs": 30, "patience": None}
    alone = [make(**member, **settings).fit() for member in MEMBERS]
    together = fit_ensemble([make(**member, **settings) for member in MEMBERS])
    for one, other in zip(alone, together, strict=True):
        assert one.steps == other.steps >= 200
        torch.testing.assert_close(losses(other), losses(one), rtol=1e-5, atol=0.0)
        assert one.best_epoch == other.best_epoch
    assert len({result.best_validation_loss for result in together}) == len(MEMBERS)


def test_predictions_are_those_of_the_member_alone(make):
    alone = [make(**member) for member in MEMBERS]
    together = [make(**member) for member in MEMBERS]
    for trainer in alone:
        trainer.fit()
    fit_ensemble(together)
    for one, other in zip(alone, together, strict=True):
        test = one.split.test
        assert other.predict(test) == pytest.approx(one.predict(test), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16-mixed"])
def test_accumulated_micro_batches(make, precision):
    if not supports("cpu", precision):
        pytest.skip("this CPU has no bf16 products")
    settings = {"batch_size": 8, "accumulate": 3, "precision": precision, "epochs": 2}
    alone = [make(**member, **settings).fit() for member in MEMBERS]
    together = fit_ensemble([make(**member, **settings) for member in MEMBERS])
    for one, other in zip(alone, together, strict=True):
        # bf16 keeps eight bits: another order of sums is another rounding
        torch.testing.assert_close(losses(other), losses(one), rtol=5e-3, atol=0.0)


def test_each_stops_early_by_itself(make):
    settings = {"epochs": 50, "patience": 2, "schedule": "constant"}
    rates = (0.1, 3e-3, 1e-4)
    alone = [make(seed=s, learning_rate=r, **settings).fit() for s, r in enumerate(rates)]
    together = fit_ensemble(
        [make(seed=s, learning_rate=r, **settings) for s, r in enumerate(rates)]
    )
    assert len({len(result.history) for result in alone}) > 1
    for one, other in zip(alone, together, strict=True):
        assert (one.stopped, one.best_epoch, one.steps) == (
            other.stopped,
            other.best_epoch,
            other.steps,
        )


def test_a_loss_that_is_not_finite_ends_one_member_and_no_other(make):
    def members():
        trainers = [make(**member) for member in MEMBERS]
        with torch.no_grad():
            next(trainers[1].model.parameters()).fill_(torch.nan)
        return trainers

    first, failed, last = fit_ensemble(members())
    assert isinstance(failed, TrainingError)
    assert "The loss is nan at step 1 of epoch 1" in failed.message
    for member, result in ((MEMBERS[0], first), (MEMBERS[2], last)):
        torch.testing.assert_close(
            losses(result), losses(make(**member).fit()), rtol=1e-5, atol=0.0
        )


@pytest.mark.parametrize("step", [3, 8, 12])
def test_paused_together_they_are_resumed_together_or_alone(make, tmp_path, step):
    expected = [make(**member).fit() for member in MEMBERS]
    with pytest.raises(TrainingPaused, match="a pause; a resume point is written"):
        fit_ensemble(
            [
                make(tmp_path / str(i), callbacks=[PauseAt(step)] if i == 1 else [], **member)
                for i, member in enumerate(MEMBERS)
            ]
        )
    # one goes on alone, to another step than the others are at
    with pytest.raises(TrainingPaused):
        make(tmp_path / "0", callbacks=[PauseAt(step + 2)], **MEMBERS[0]).fit()
    resumed = fit_ensemble([make(tmp_path / str(i), **member) for i, member in enumerate(MEMBERS)])
    for one, other in zip(expected, resumed, strict=True):
        torch.testing.assert_close(losses(other), losses(one), rtol=1e-5, atol=0.0)


def test_begun_alone_it_goes_on_together(make, tmp_path):
    with pytest.raises(TrainingPaused):
        make(tmp_path, callbacks=[PauseAt(9)]).fit()
    (resumed, _) = fit_ensemble([make(tmp_path), make(seed=1)])
    torch.testing.assert_close(losses(resumed), losses(make().fit()), rtol=1e-5, atol=0.0)


def test_callbacks_hear_of_their_own_training_alone(make):
    heard = [Heard(), Heard()]
    fit_ensemble([make(seed=seed, epochs=1, callbacks=[one]) for seed, one in enumerate(heard)])
    steps = list(range(1, len(heard[0].events) - 2))
    for one in heard:
        assert one.events == ["start", *steps, "epoch 1", "all 1 epochs are done"]


def test_the_process_has_its_random_state_back(make):
    torch.manual_seed(5)
    expected = torch.rand(3)
    trainers = [make(seed=seed, epochs=1) for seed in (0, 1)]
    torch.manual_seed(5)
    fit_ensemble(trainers)
    assert torch.equal(torch.rand(3), expected)


def test_what_cannot_be_one_program_is_refused(make_trainer, windows):
    make_trainer = functools.partial(make_trainer, kernels="torch")
    dataset, split = windows
    with pytest.raises(TrainingError, match=r"they differ in training\.epochs"):
        fit_ensemble([make_trainer(epochs=2), make_trainer(epochs=3)])
    fast = [make_trainer(kernels="fast"), make_trainer(kernels="fast")]
    assert "CPU kernels compute one model at a time" in why_not_together(fast)
    cells = [make_trainer(model=nn.GRU(5, 1)) for _ in range(2)]
    assert why_not_together(cells) == "torch cannot stack recurrent layers"
    shorter = dataclasses.replace(split, train=split.train[1:])
    assert why_not_together([make_trainer(), make_trainer(split=shorter)]) == (
        "they differ in windows"
    )
    other = dataclasses.replace(dataset, rows_RF=dataset.rows_RF + 1)
    assert why_not_together([make_trainer(), make_trainer(dataset=other)]) == "their rows differ"
    assert "differ in model" in why_not_together([make_trainer(), make_trainer(model=Perceptron())])


def test_updates_are_those_of_torch_adamw():
    torch.manual_seed(0)
    rates, decays = torch.tensor([1e-2, 3e-3, 1e-1]), torch.tensor([0.1, 0.0, 0.5])
    alone = [[nn.Parameter(torch.randn(4, 3)), nn.Parameter(torch.randn(5))] for _ in range(3)]
    stacked = [torch.stack([p.detach() for p in ps]) for ps in zip(*alone, strict=True)]
    moments = [[torch.zeros_like(one) for one in stacked] for _ in range(2)]
    optimizers = [
        torch.optim.AdamW(params, lr=rate, weight_decay=decay, betas=(0.9, 0.95))
        for params, rate, decay in zip(alone, rates.tolist(), decays.tolist(), strict=True)
    ]
    for step in range(1, 6):
        for one, *own in zip(stacked, *alone, strict=True):
            one.grad = torch.randn_like(one)
            for grad, parameter in zip(one.grad, own, strict=True):
                parameter.grad = grad.clone()
        adamw_(
            stacked,
            *moments,
            step=step,
            rate_R=rates,
            decay_R=decays,
            betas=(0.9, 0.95),
            eps=1e-8,
        )
        for optimizer in optimizers:
            optimizer.step()
    for one, *own in zip(stacked, *alone, strict=True):
        torch.testing.assert_close(one, torch.stack(list(own)).detach(), rtol=1e-6, atol=1e-6)


def test_gradients_are_clipped_as_torch_clips_each_model():
    torch.manual_seed(0)
    grads = [torch.randn(3, 4, 2) * torch.tensor([0.01, 1, 9.0]).view(3, 1, 1), torch.randn(3, 5)]
    expected = []
    for row in range(3):
        params = [nn.Parameter(grad[row]) for grad in grads]
        for parameter, grad in zip(params, grads, strict=True):
            parameter.grad = grad[row].clone()
        norm = nn.utils.clip_grad_norm_(params, 2.0)
        expected.append([parameter.grad for parameter in params])
        assert math.isfinite(norm)
    clip_each_(grads, 2.0)
    for row in range(3):
        for grad, own in zip(grads, expected[row], strict=True):
            torch.testing.assert_close(grad[row], own)
