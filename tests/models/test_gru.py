"""The GRU: its cell written out, what it costs, and why several are never one program."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from finscale.config.architectures import GRUConfig
from finscale.models import ARCHITECTURES, build_model, design


def gru(head: Any = None, **settings: Any) -> Any:
    torch.manual_seed(0)
    config = GRUConfig(**{"width": 6, "dropout": 0.0, **settings})
    return build_model(config, num_features=3, context_length=12, **(head or {})).eval()


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def states(cells: Any, x_LI: np.ndarray, layer: int) -> np.ndarray:
    """Return a layer's states by the equations: reset, update, candidate."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    w, u, b, c = (getattr(cells, f"{name}_l{layer}").detach().double().numpy() for name in names)
    width = u.shape[1]
    h_W = np.zeros(width)
    found = []
    for x_I in x_LI:
        reset_in, update_in, new_in = np.split(w @ x_I + b, 3)
        reset_h, update_h, new_h = np.split(u @ h_W + c, 3)
        reset, update = sigmoid(reset_in + reset_h), sigmoid(update_in + update_h)
        candidate = np.tanh(new_in + reset * new_h)
        h_W = (1 - update) * candidate + update * h_W
        found.append(h_W)
    return np.array(found)


def test_statistics_are_not_heard_at_first() -> None:
    assert not gru().head.given.weight.any()


@pytest.mark.parametrize("depth", [1, 2])
def test_the_output_is_that_of_the_cells_written_out(depth: int) -> None:
    model = gru(depth=depth)
    with torch.no_grad():
        for parameter in model.parameters():  # biases too
            parameter.add_(0.1 * torch.randn_like(parameter))
    x_BLF = 50 + torch.randn(4, 12, 3).cumsum(1)
    z_BLF, stats_BFk, _, _ = model.prepare(x_BLF)
    weight_I = torch.cat([model.head.project.weight[0], model.head.given.weight[0]])
    bias = model.head.project.bias[0]
    for window in range(4):
        h_LW = z_BLF[window].double().numpy()
        for layer in range(depth):
            h_LW = states(model.cells, h_LW, layer)
        read_I = np.concatenate([h_LW[-1], stats_BFk[window].flatten().numpy()])
        by_hand = read_I @ weight_I.detach().double().numpy() + bias.item()
        assert model(x_BLF)[window].item() == pytest.approx(by_hand, rel=1e-4, abs=1e-5)


class WrittenOut(nn.Module):
    """The products of a GRU, each as torch's counter knows it."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.read, self.turn = nn.Linear(inputs, 3 * width), nn.Linear(width, 3 * width)
        self.width = width

    def forward(self, x_BLI: Tensor) -> Tensor:
        h_BW = x_BLI.new_zeros(len(x_BLI), self.width)
        for x_BI in x_BLI.unbind(1):
            h_BW = (self.read(x_BI) + self.turn(h_BW))[:, : self.width].tanh()
        return h_BW


def test_flops_are_those_of_the_cells_written_out() -> None:
    made = design(GRUConfig(width=20, depth=2), num_features=25, context_length=80)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        h_BW = WrittenOut(25, 20)(torch.randn(1, 80, 25))
        WrittenOut(20, 20)(torch.randn(1, 80, 20))
        nn.Linear(20 + 75, 1)(torch.cat([h_BW, torch.randn(1, 75)], dim=1))
    assert made.flops == counter.get_total_flops()
    # gates × (reading + turning) × rows, a multiply-add counted as two, and the head
    assert made.flops == 2 * 80 * 3 * (20 * (25 + 20) + 20 * (20 + 20)) + 2 * 95


def test_signals_reach_a_wide_state_as_they_reach_a_narrow_one() -> None:
    sizes = []
    for width in (16, 512):
        model = gru(width=width)
        states_BLD, _ = model.cells(torch.randn(32, 12, 3))
        sizes.append(states_BLD[:, -1].std().item())
    assert sizes[1] == pytest.approx(sizes[0], rel=0.3)


def test_dropout_drops_the_last_state_and_between_layers() -> None:
    model = gru(dropout=0.5, depth=2)
    assert model.cells.dropout == 0.5
    assert gru(dropout=0.5).cells.dropout == 0.0
    x_BLF = torch.randn(4, 12, 3)
    torch.testing.assert_close(model(x_BLF), model(x_BLF))
    model.train()
    assert not torch.equal(model(x_BLF), model(x_BLF))


def test_recurrent_matrices_decay_and_biases_do_not() -> None:
    from finscale.models.groups import parameter_groups

    groups = {group["name"]: group["params"] for group in parameter_groups(gru(), "standard")}
    assert {p.ndim for p in groups["matrices"]} == {2}
    assert {p.ndim for p in groups["vectors"]} == {1}


def test_it_says_that_torch_cannot_stack_it() -> None:
    assert [kind for kind, about in ARCHITECTURES.items() if not about.vmaps] == ["gru"]
