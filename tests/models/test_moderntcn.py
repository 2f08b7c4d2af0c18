"""ModernTCN: each step mixes one dimension alone, and its products are convolutions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from finscale.config import validate
from finscale.config.architectures import ModernTCNConfig
from finscale.errors import ConfigError
from finscale.models import build_model
from finscale.models.grouped import DepthwiseConv, GroupedProduct

M, D, B, N = 3, 4, 2, 10


def moderntcn(head: Any = None, **settings: Any) -> Any:
    torch.manual_seed(0)
    config = ModernTCNConfig(**{"width": D, "dropout": 0.0, **settings})
    return build_model(config, num_features=M, context_length=4 * N, **(head or {}))


def reached(step: Any, x: torch.Tensor, place: tuple[int, ...]) -> torch.Tensor:
    """Return where a step's output changes when its input does at one place."""
    moved = x.clone()
    moved[place] += 1
    with torch.no_grad():
        return (step(moved) - step(x)).abs() > 1e-6


def test_the_depthwise_step_mixes_patches_of_one_number_of_one_variable() -> None:
    block = moderntcn(kernel=5).blocks[0]
    x_CBN = torch.randn(M * D, B, N)
    where = reached(block.over_time, x_CBN, (7, 1, 4)).nonzero()
    assert where[:, 0].unique().tolist() == [7]
    assert where[:, 1].unique().tolist() == [1]
    # a kernel of five patches reaches two to either side
    assert where[:, 2].tolist() == [2, 3, 4, 5, 6]


def test_the_first_feed_forward_stays_within_its_variable_and_patch() -> None:
    block = moderntcn().blocks[0]
    where = reached(block.within, torch.randn(M, D, B * N), (1, 2, 5)).nonzero()
    assert where[:, 0].unique().tolist() == [1]
    assert where[:, 1].tolist() == list(range(D))
    assert where[:, 2].unique().tolist() == [5]


def test_the_second_mixes_variables_of_one_number() -> None:
    block = moderntcn().blocks[0]
    where = reached(block.across, torch.randn(D, M, B * N), (2, 1, 5)).nonzero()
    assert where[:, 0].unique().tolist() == [2]
    assert where[:, 1].tolist() == list(range(M))
    assert where[:, 2].unique().tolist() == [5]


def test_groups_have_weights_of_their_own() -> None:
    block = moderntcn(ff_ratio=2, mixing_width=7).blocks[0]
    assert tuple(block.within[0].weight.shape) == (M * 2 * D, D, 1)
    assert tuple(block.across[0].weight.shape) == (D * 7, M, 1)
    assert [block.within[0].groups, block.across[0].groups] == [M, D]


@pytest.mark.parametrize(("kernel", "patches"), [(19, 10), (5, 10), (5, 11), (7, 3), (1, 2)])
def test_a_depthwise_product_is_the_convolution(kernel: int, patches: int) -> None:
    step = DepthwiseConv(6, kernel)
    x_CBN = torch.randn(6, B, patches, requires_grad=True)
    y_CBN = step(x_CBN)
    wanted_BCN = functional.conv1d(
        x_CBN.transpose(0, 1), step.weight, step.bias, padding=kernel // 2, groups=6
    )
    torch.testing.assert_close(y_CBN, wanted_BCN.transpose(0, 1))
    cotangent = torch.randn_like(y_CBN)
    wanted = torch.autograd.grad(
        wanted_BCN, (x_CBN, step.weight), cotangent.transpose(0, 1), retain_graph=True
    )
    torch.testing.assert_close(torch.autograd.grad(y_CBN, (x_CBN, step.weight), cotangent), wanted)


def test_a_grouped_product_is_the_convolution() -> None:
    step = GroupedProduct(3, 4, 5)
    x_BCN = torch.randn(2, 12, 7)
    wanted_BCN = functional.conv1d(x_BCN, step.weight, step.bias, groups=3)
    x_GIS = x_BCN.view(2, 3, 4, 7).permute(1, 2, 0, 3).flatten(2)
    y_BCN = step(x_GIS).view(3, 5, 2, 7).permute(2, 0, 1, 3).flatten(1, 2)
    torch.testing.assert_close(y_BCN, wanted_BCN)


def test_patches_are_the_stems_convolution_of_each_variable_with_its_last_row_repeated() -> None:
    model = moderntcn().eval()
    z_BLM = torch.randn(B, 4 * N, M)
    x_MDBN = model.patches(z_BLM)
    assert tuple(x_MDBN.shape) == (M, D, B, N)
    series_BL = z_BLM[:, :, 1]
    padded_BL = torch.cat([series_BL, series_BL[:, -1:].expand(-1, 4)], dim=1)
    windows_BNP = padded_BL.unfold(1, 8, 4)
    conv = model.stem[0]
    by_hand = windows_BNP @ conv.weight.squeeze(1).T + conv.bias
    # batch norm is new: mean 0, variance 1
    torch.testing.assert_close(
        x_MDBN[1].permute(1, 2, 0), by_hand / (1 + 1e-5) ** 0.5, rtol=1e-4, atol=1e-5
    )


def test_no_weight_of_a_kernel_lies_beyond_the_window() -> None:
    model = moderntcn()
    assert model.blocks[0].over_time.kernel_size == (2 * N - 1,)
    model(torch.randn(B, 4 * N, M)).sum().backward()
    assert (model.blocks[0].over_time.weight.grad != 0).any(0).all()


def test_a_forecast_is_read_by_weights_that_the_variables_share() -> None:
    model = moderntcn({"head": "forecast", "forecast_length": 6})
    assert tuple(model.head.weight.shape) == (6, D * N)


def test_the_budgets_fine_dial_is_ff_ratio_times_the_variables_by_default() -> None:
    made = build_model(ModernTCNConfig(width=2, ff_ratio=3), num_features=5, context_length=40)
    assert made.blocks[0].across[0].weight.shape[0] == 2 * 3 * 5  # type: ignore[index, union-attr]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 4, "kernel": 8}, "kernel 8 is even"),
        ({"width": 4, "stride": 9}, "stride 9 exceeds patch_length"),
        ({"mixing_width": 4}, "mixing_width needs width"),
    ],
)
def test_contradictions_are_sentences(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        validate(ModernTCNConfig, settings, place="a test")


def test_a_window_shorter_than_a_stride_is_refused() -> None:
    with pytest.raises(ConfigError, match="windows of 3 rows hold no patch"):
        build_model(ModernTCNConfig(width=4), num_features=2, context_length=3)
