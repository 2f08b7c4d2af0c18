"""N-HiTS: knots and straight lines between them, backcasts that leave a remainder, rates."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from finscale.config import validate
from finscale.config.architectures import NHiTSConfig
from finscale.errors import ConfigError
from finscale.models import build_model
from finscale.models.nhits import interpolated

SMALL: dict[str, Any] = {"width": 6, "dropout": 0.0}
FORECAST: dict[str, Any] = {"head": "forecast", "forecast_length": 6}


def nhits(num_features: int = 2, length: int = 16, head: Any = None, **settings: Any) -> Any:
    torch.manual_seed(0)
    config = NHiTSConfig(**{**SMALL, **settings})
    return build_model(
        config, num_features=num_features, context_length=length, **(head or FORECAST)
    )


@pytest.mark.parametrize(("knots", "length"), [(2, 7), (3, 5), (4, 24), (5, 5)])
def test_knots_on_a_ramp_give_the_ramp(knots: int, length: int) -> None:
    ends = torch.tensor([[-1.0, 3.0], [10.0, 10.0]])
    coefficients = torch.stack([torch.linspace(*row.tolist(), knots) for row in ends])
    ramp = torch.stack([torch.linspace(*row.tolist(), length) for row in ends])
    torch.testing.assert_close(interpolated(coefficients, length), ramp)


def test_a_single_knot_is_a_constant_and_a_bend_lies_on_its_knot() -> None:
    assert interpolated(torch.tensor([[2.5]]), 4).tolist() == [[2.5] * 4]
    assert interpolated(torch.tensor([[0.0, 4.0, 0.0]]), 5).tolist() == [[0, 2, 4, 2, 0]]


def test_a_block_subtracts_what_it_says_of_the_past() -> None:
    model = nhits()
    block = model.blocks[0]
    with torch.no_grad():
        block.past.weight.zero_()
        block.past.bias.fill_(0.75)
    rest_SL = torch.randn(3, 16)
    _, left_SL, _ = block(rest_SL, torch.empty(3, 0))
    torch.testing.assert_close(left_SL, rest_SL - 0.75)


def test_blocks_see_what_those_before_could_not_explain_and_their_futures_add_up() -> None:
    model = nhits().eval()
    x_BLF = 50 + torch.randn(3, 16, 2)
    z_BLF, _, mean, std = model.prepare(x_BLF)
    by_hand = torch.empty(3, 6, 2)
    with torch.no_grad():
        for feature in range(2):
            rest_BL, sum_BH = z_BLF[:, :, feature].flip(1), 0
            for block in model.blocks:
                _, left_BL, future_BH = block(rest_BL, torch.empty(3, 0))
                rest_BL, sum_BH = left_BL, sum_BH + future_BH
            by_hand[:, :, feature] = sum_BH + z_BLF[:, -1:, feature]
        torch.testing.assert_close(model(x_BLF), by_hand * std + mean)


def test_a_new_network_forecasts_about_the_last_row() -> None:
    model = nhits(width=64).eval()
    x_BLF = 50 + torch.randn(8, 16, 2).cumsum(1)
    assert (model(x_BLF) - x_BLF[:, -1:]).abs().max() < 0.3 * x_BLF.std(1).max()


def test_channels_are_series_of_their_own_with_one_set_of_weights() -> None:
    x_BLF = torch.randn(3, 16, 2)
    model = nhits().eval()
    torch.testing.assert_close(model(x_BLF.flip(2)), model(x_BLF).flip(2))
    moved = x_BLF.clone()
    moved[:, :, 1] += torch.randn(3, 16)
    torch.testing.assert_close(model(moved)[:, :, 0], model(x_BLF)[:, :, 0])


def test_rates_set_what_is_read_and_written() -> None:
    model = nhits(length=20, pooling=(8, 1), rows_per_knot=(5, 1), blocks=2)
    read = [block.read.in_features for block in model.blocks]
    assert read == [3, 3, 20, 20]
    assert [block.future.out_features for block in model.blocks] == [2, 2, 6, 6]
    # 20 rows of past at one knot in five; the last block's past is read by nothing
    assert [block.past and block.past.out_features for block in model.blocks] == [4, 4, 20, None]


def test_pooling_keeps_the_largest_of_rows_counted_from_the_newest() -> None:
    model = nhits(length=5, pooling=(2,), rows_per_knot=(1,))
    seen: list[torch.Tensor] = []
    model.blocks[0].read.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    z_BLF = torch.tensor([5.0, 1, 4, 2, 3]).view(1, 5, 1).expand(-1, -1, 2)
    model.encode(z_BLF, torch.empty(1, 2, 0), torch.zeros(1, 1, 2), torch.ones(1, 1, 2))
    assert seen[0][0].tolist() == [3, 4, 5]


def test_contradictions_are_sentences() -> None:
    with pytest.raises(ConfigError, match="pooling names 3 stacks and rows_per_knot 2"):
        validate(NHiTSConfig, {"width": 4, "rows_per_knot": [2, 1]}, place="a test")
    with pytest.raises(ConfigError, match="keeps its features apart"):
        nhits(feature_embedding=1)
