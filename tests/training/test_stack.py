"""Trainings in a stack: the same bits as alone, whatever their neighbours do."""

import dataclasses
import signal

import numpy as np
import pytest
import torch

from finscale.config import ModelConfig
from finscale.errors import TrainingError
from finscale.models import build_model
from finscale.models.replicas import Replicas, can_stack
from finscale.training import Callback, TrainingPaused, stack
from finscale.training.playing import Player
from finscale.training.stack import Stack, fit_together
from finscale.training.together import why_not_together


@pytest.fixture
def alone_and_together(make_trainer, outcome):
    """Return what trainers come to alone, and in one stack."""

    def compare(*settings):
        alone = [make_trainer(**one) for one in settings]
        expected = [outcome(trainer, trainer.fit()) for trainer in alone]
        together = [make_trainer(**one) for one in settings]
        results = fit_together(together)
        found = [outcome(t, result) for t, result in zip(together, results, strict=True)]
        return expected, found

    return compare


@pytest.mark.parametrize("precision", ["fp32", "bf16-mixed"])
def test_every_training_has_the_same_bits_as_alone(alone_and_together, precision):
    settings = [{"seed": seed, "epochs": 2, "precision": precision} for seed in range(3)]
    expected, found = alone_and_together(*settings)
    assert found == expected
    assert len({repr(one) for one in found}) == 3


def test_each_keeps_its_own_rate_decay_patience_and_clipping(alone_and_together):
    expected, found = alone_and_together(
        {"seed": 0, "learning_rate": 1e-3, "epochs": 12, "patience": 1},
        {"seed": 0, "learning_rate": 0.1, "epochs": 12, "schedule": "constant", "patience": 1},
        {"seed": 1, "weight_decay": 0.5, "epochs": 12, "clip_norm": None},
    )
    assert found == expected
    lengths = [len(history) for _, history, *_ in found]
    assert len(set(lengths)) > 1, "they are meant to leave the stack at different times"


def test_each_keeps_its_own_dropout(make_trainer, outcome):
    def make():
        for rate in (0.0, 0.2, 0.5):
            torch.manual_seed(0)
            network = ModelConfig(depth=1, width=8, heads=2, patch_length=8, stride=4, dropout=rate)
            model = build_model(network, num_features=5, context_length=16)
            yield make_trainer(model=model, epochs=2)

    expected = [outcome(trainer, trainer.fit()) for trainer in make()]
    together = list(make())
    results = fit_together(together)
    assert [outcome(t, r) for t, r in zip(together, results, strict=True)] == expected


NETWORK = ModelConfig(depth=1, width=8, heads=2, patch_length=8, stride=4, dropout=0.2)
#: Fused, as auto is from 65 tokens on.
LONG = {"patch_length": 4, "stride": 1, "attention": "fused", "depth": 1, "width": 8, "heads": 2}


@pytest.mark.parametrize("played", [True, False], ids=["played", "side by side"])
@pytest.mark.parametrize("rates", [(0.2, 0.2), (0.2, 0.4)], ids=str)
def test_each_drops_attention_weights_by_its_own_generator(
    make_trainer, outcome, monkeypatch, rates, played
):
    def make():
        for seed, rate in enumerate(rates):
            torch.manual_seed(seed)
            network = ModelConfig(**LONG, attention_dropout=rate)
            model = build_model(network, num_features=5, context_length=16)
            yield make_trainer(model=model, seed=seed, epochs=2)

    expected = [outcome(trainer, trainer.fit()) for trainer in make()]
    if not played:
        monkeypatch.setattr(stack, "player_of", lambda *_: None)
    together = list(make())
    results = fit_together(together)
    assert [outcome(t, r) for t, r in zip(together, results, strict=True)] == expected


@pytest.mark.parametrize("precision", ["fp32", "bf16-mixed"])
@pytest.mark.parametrize("channels", ["mixing", "independent"])
def test_recomputed_layers_over_strided_patches_have_the_bits_of_each_alone(
    make_trainer, outcome, precision, channels
):
    """What is recomputed is not played; torch rounds strided products in bf16 in its own way."""
    embedding = {"feature_embedding": 3} if channels == "mixing" else {}
    network = NETWORK.model_copy(
        update={"activation_checkpointing": True, "channels": channels, **embedding}
    )

    def make():
        for seed in range(2):
            torch.manual_seed(seed)
            model = build_model(network, num_features=5, context_length=16)
            yield make_trainer(model=model, seed=seed, epochs=2, precision=precision)

    expected = [outcome(trainer, trainer.fit()) for trainer in make()]
    together = list(make())
    results = fit_together(together)
    assert [outcome(t, r) for t, r in zip(together, results, strict=True)] == expected


def test_each_keeps_its_own_labels(make_trainer, windows, outcome):
    dataset, split = windows
    generator = np.random.default_rng(0)
    permuted = dataset.target_R.clone()
    permuted[split.train] = permuted[generator.permutation(split.train)]
    datasets = [dataset, dataclasses.replace(dataset, target_R=permuted)]
    alone = [make_trainer(dataset=one, epochs=2) for one in datasets]
    expected = [outcome(trainer, trainer.fit()) for trainer in alone]
    together = [make_trainer(dataset=one, epochs=2) for one in datasets]
    results = fit_together(together)
    found = [outcome(t, r) for t, r in zip(together, results, strict=True)]
    assert found == expected
    assert found[0] != found[1]


def test_micro_batches_and_odd_batches_too(alone_and_together):
    accumulated = [
        {"seed": seed, "epochs": 2, "batch_size": 32, "accumulate": 2} for seed in (0, 1)
    ]
    expected, found = alone_and_together(*accumulated)
    assert found == expected
    odd = [{"seed": seed, "epochs": 2, "batch_size": 23} for seed in (0, 1)]
    expected, found = alone_and_together(*odd)
    assert found == expected


def test_200_steps_stay_together_in_fp32(make_trainer):
    """The looser promise for machines whose kernels round differently: 1e-5 relative."""
    settings = {"epochs": 30, "batch_size": 32}
    alone = make_trainer(seed=1, **settings)
    expected = alone.fit()
    assert expected.steps >= 200
    results = fit_together([make_trainer(seed=seed, **settings) for seed in range(4)])
    for one, other in zip(expected.history, results[1].history, strict=True):
        assert other["train_loss"] == pytest.approx(one["train_loss"], rel=1e-5)


class Act(Callback):
    """Do something at one step."""

    def __init__(self, step, action):
        self.step, self.action = step, action

    def on_step_end(self, trainer):
        if trainer.num_steps == self.step:
            self.action(trainer)


def pause(trainer):
    trainer.request_pause("lunch")


@pytest.mark.parametrize("step", [3, 9, 14])
def test_a_pause_of_one_pauses_all_and_all_go_on_to_the_same_bits(
    make_trainer, tmp_path, outcome, step
):
    whole = [make_trainer(seed=seed, epochs=2) for seed in range(3)]
    expected = [outcome(t, r) for t, r in zip(whole, fit_together(whole), strict=True)]

    def make(callbacks=()):
        return [
            make_trainer(
                tmp_path / str(seed), seed=seed, epochs=2, callbacks=callbacks if seed == 1 else ()
            )
            for seed in range(3)
        ]

    with pytest.raises(TrainingPaused, match="lunch; a resume point is written"):
        fit_together(make([Act(step, pause)]))
    resumed = make()
    assert [outcome(t, r) for t, r in zip(resumed, fit_together(resumed), strict=True)] == expected


@pytest.mark.parametrize(
    "change",
    [{"heads": 4}, {"revin": False}, {"attention": "explicit"}, {"attention_dropout": 0.2}],
    ids=str,
)
def test_models_that_compute_differently_are_no_stack(make_trainer, change):
    """Their parameters have the same shapes, so that the first one's way would do for all."""

    def make(network):
        model = build_model(network, num_features=5, context_length=16)
        return make_trainer(model=model)

    trainers = [make(NETWORK), make(NETWORK.model_copy(update=change))]
    with pytest.raises(TrainingError, match="their models, batches, epochs or arithmetic differ"):
        fit_together(trainers)
    # what is dropped how often is each one's own
    rates = NETWORK.model_copy(update={"dropout": 0.0, "head_dropout": 0.3})
    assert why_not_together([make(NETWORK), make(rates)]) == ""


def test_those_behind_catch_up_first(make_trainer, tmp_path, outcome):
    whole = [make_trainer(seed=seed) for seed in range(3)]
    expected = [outcome(trainer, trainer.fit()) for trainer in whole]
    for seed, step in ((0, 3), (1, 12)):
        with pytest.raises(TrainingPaused):
            make_trainer(tmp_path / str(seed), seed=seed, callbacks=[Act(step, pause)]).fit()
    make_trainer(tmp_path / "2", seed=2).fit()
    together = [make_trainer(tmp_path / str(seed), seed=seed) for seed in range(3)]
    results = fit_together(together)
    assert [outcome(t, r) for t, r in zip(together, results, strict=True)] == expected


def test_ctrl_c_reaches_all(make_trainer, tmp_path):
    interrupt = Act(3, lambda trainer: signal.raise_signal(signal.SIGINT))
    trainers = [
        make_trainer(tmp_path / str(seed), seed=seed, callbacks=[interrupt] if seed == 0 else ())
        for seed in range(2)
    ]
    with pytest.raises(TrainingPaused, match="step 3: Ctrl-C was received"):
        fit_together(trainers)
    assert all(list((tmp_path / str(seed)).glob("point-*")) for seed in range(2))


def test_one_that_fails_leaves_the_others_alone(make_trainer, outcome):
    healthy = make_trainer(seed=1, epochs=2)
    expected = outcome(healthy, healthy.fit())

    def spoil(trainer):
        next(trainer.model.parameters()).data.fill_(torch.nan)

    together = [
        make_trainer(seed=0, epochs=2, callbacks=[Act(4, spoil)]),
        make_trainer(seed=1, epochs=2),
    ]
    failed, result = fit_together(together)
    assert isinstance(failed, TrainingError)
    assert "The loss is nan at step 5 of epoch 1" in failed.message
    assert outcome(together[1], result) == expected


def test_what_cannot_be_stacked_is_refused_with_its_reason(make_trainer, windows):
    dataset, split = windows
    with pytest.raises(TrainingError, match="models, batches, epochs or arithmetic differ"):
        fit_together([make_trainer(epochs=2), make_trainer(epochs=3)])
    shorter = dataclasses.replace(split, train=split.train[:-1])
    with pytest.raises(TrainingError, match="their windows differ"):
        fit_together([make_trainer(), make_trainer(split=shorter)])
    other = dataclasses.replace(dataset, rows_RF=dataset.rows_RF * 2)
    with pytest.raises(TrainingError, match="their rows differ"):
        fit_together([make_trainer(), make_trainer(dataset=other)])
    batch_norm = ModelConfig(depth=1, width=8, heads=2, patch_length=8, stride=4, norm="batch")
    models = [build_model(batch_norm, num_features=5, context_length=16) for _ in range(2)]
    assert not can_stack(models[0])
    with pytest.raises(TrainingError, match="parts that no stack knows"):
        fit_together([make_trainer(model=model) for model in models])


def test_a_stack_takes_whole_batches_as_one_program(make_trainer, monkeypatch):
    calls = []
    play = Player.play
    monkeypatch.setattr(Player, "play", lambda self, *x: calls.append(1) or play(self, *x))
    trainers = [make_trainer(seed=seed, epochs=1) for seed in range(2)]
    fit_together(trainers)
    assert len(calls) == 2 * (len(trainers[0].split.train) // 32)


def test_a_stack_that_cannot_be_played_goes_on_side_by_side(make_trainer, monkeypatch):
    def losses(trainers):
        fit_together(trainers)
        return [trainer.state.losses_S.tolist() for trainer in trainers]

    def group():
        return [make_trainer(seed=seed, epochs=1) for seed in range(2)]

    wanted = losses(group())
    monkeypatch.setattr(stack, "player_of", lambda *_: None)
    monkeypatch.setattr(Player, "play", lambda *_: pytest.fail("played all the same"))
    encoded = []
    encode = Replicas.encode
    monkeypatch.setattr(Replicas, "encode", lambda self, *x: encoded.append(1) or encode(self, *x))
    trainers = group()
    assert losses(trainers) == wanted
    assert len(encoded) == len(trainers[0].split.train) // 32


def test_a_stack_of_one_is_the_model_itself(make_trainer):
    trainer = make_trainer()
    trainer.setup()
    alone = Stack((trainer,))
    assert alone._replicas is None
