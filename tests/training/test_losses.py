import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from finscale.config.names import LOSS_NAMES
from finscale.errors import ConfigError
from finscale.training.losses import LOSSES, loss_name, make_loss, num_outputs

LOGIT = torch.tensor([0.0, 2.0, -1.0])
TARGET = torch.tensor([1.0, 1.0, 0.0])


def value(name, kind="classification", output=LOGIT, target=TARGET, **options):
    return make_loss(name, kind, options)(output, target).item()


def test_every_loss_that_the_config_knows_is_registered():
    assert set(LOSS_NAMES) == set(LOSSES)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        # ln 2, ln(1 + e^-2), ln(1 + e^-1)
        ("cross_entropy", {}, (0.693147 + 0.126928 + 0.313262) / 3),
        # each term times (1 - p_t)^2, p_t = .5, .880797, .731059
        ("focal", {}, (0.25 * 0.693147 + 0.0142093 * 0.126928 + 0.0723295 * 0.313262) / 3),
        # + epsilon/2 times the logit's push against its label: 0, 2, 1
        ("label_smoothing", {"epsilon": 0.1}, (1.133337 + 0.05 * 3) / 3),
        # two pairs: margins 0 - (-1) and 2 - (-1)
        ("soft_auc", {}, (math.log1p(math.exp(-1)) + math.log1p(math.exp(-3))) / 2),
    ],
)
def test_classification_losses_have_their_textbook_values(name, options, expected):
    assert value(name, **options) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "output", "expected"),
    [
        ("mse", [0.01, 0.0], (0.0001 + 0.0004) / 2),
        # inside delta a parabola, outside delta * (|error| - delta / 2)
        ("huber", [0.005, -0.01], (0.5 * 0.005**2 + 0.01 * (0.03 - 0.005)) / 2),
        # the first target costs nothing, the second .02 times each level
        ("quantile", [[0.0] * 3, [0.0] * 3], 0.02 * (0.1 + 0.5 + 0.9) / 6),
    ],
)
def test_regression_losses_have_their_textbook_values(name, output, expected):
    target = torch.tensor([0.0, 0.02])
    loss = value(name, "regression", torch.tensor(output), target)
    assert loss == pytest.approx(expected, rel=1e-5)


@given(st.lists(st.tuples(st.floats(-30, 30), st.sampled_from([0.0, 1.0])), min_size=1))
def test_focal_without_focus_is_cross_entropy(pairs):
    output, target = torch.tensor(pairs).unbind(dim=1)
    plain = value("cross_entropy", output=output, target=target)
    focal = value("focal", output=output, target=target, gamma=0.0)
    assert focal == pytest.approx(plain, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", [n for n, loss in LOSSES.items() if loss.kind == "classification"])
def test_extreme_logits_give_finite_losses_and_gradients(name):
    logit = torch.tensor([1e4, -1e4, 1e4, -1e4], requires_grad=True)
    loss = make_loss(name, "classification", {})(logit, torch.tensor([1.0, 0.0, 0.0, 1.0]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logit.grad).all()


def test_soft_auc_of_one_class_is_zero_and_has_no_gradient():
    logit = torch.tensor([0.3, -0.2], requires_grad=True)
    loss = make_loss("soft_auc", "classification", {})(logit, torch.ones(2))
    loss.backward()
    assert loss.item() == 0.0
    assert logit.grad.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", ["cross_entropy", "mse", "quantile"])
def test_a_proper_loss_is_least_at_the_truth(name):
    assert LOSSES[name].proper
    target = torch.tensor([1.0] * 3 + [0.0] * 7)
    kind = LOSSES[name].kind
    # of ten outcomes three are 1: p = .3, mean .3, and the .2-quantile 0
    truth = {"cross_entropy": math.log(0.3 / 0.7), "mse": 0.3, "quantile": 0.0}[name]
    options = {"quantiles": (0.2,)} if name == "quantile" else {}
    shape = (10, 1) if name == "quantile" else (10,)

    def at(output):
        return value(name, kind, torch.full(shape, output), target, **options)

    assert all(at(truth) < at(truth + step) for step in (-0.4, -0.1, 0.1, 0.4))


def test_defaults_follow_the_task():
    assert loss_name(None, "classification") == "cross_entropy"
    assert loss_name(None, "regression") == "mse"
    assert loss_name("huber", "regression") == "huber"


def test_a_quantile_model_has_one_output_each():
    assert num_outputs("quantile", {}) == 3
    assert num_outputs("quantile", {"quantiles": (0.5,)}) == 1
    assert num_outputs("mse", {}) == 1


def test_a_loss_for_another_task_is_refused():
    with pytest.raises(
        ConfigError, match=r"mse is for regression, the task is classification"
    ) as e:
        make_loss("mse", "classification", {})
    assert "focal" in e.value.hint


def test_an_unknown_option_names_the_nearest():
    with pytest.raises(ConfigError, match=r"no option gama") as error:
        make_loss("focal", "classification", {"gama": 1.0})
    assert "gamma" in error.value.hint


def test_a_single_quantile_reads_a_head_of_one_output():
    target = torch.tensor([0.0, 0.02])
    column = value("quantile", "regression", torch.zeros(2, 1), target, quantiles=(0.1,))
    assert value("quantile", "regression", torch.zeros(2), target, quantiles=(0.1,)) == column
    assert column == pytest.approx(0.02 * 0.1 / 2)
