"""RevIN, and the moments that it takes out of a window."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from finscale.models.revin import RevIN, window_moments, window_statistics


def test_moments_are_those_of_each_channel_over_the_window() -> None:
    x_BLF = torch.tensor([[[1.0, 10.0], [3.0, 10.0], [5.0, 40.0]]])
    moments = window_moments(x_BLF)
    torch.testing.assert_close(moments.mean, torch.tensor([[[3.0, 20.0]]]))
    torch.testing.assert_close(moments.std, torch.tensor([[[1.6329932, 14.1421356]]]))


def test_normalised_channels_have_mean_zero_and_deviation_one() -> None:
    x_BLF = 50 + 7 * torch.randn(4, 64, 3)
    z_BLF = RevIN(3)(x_BLF, window_moments(x_BLF))
    torch.testing.assert_close(z_BLF.mean(1), torch.zeros(4, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(z_BLF.std(1, correction=0), torch.ones(4, 3))


@given(level=st.floats(-1e4, 1e4), scale=st.floats(1e-3, 1e3), affine=st.booleans())
def test_undoing_returns_the_window(level: float, scale: float, affine: bool) -> None:
    x_BLF = level + scale * torch.randn(2, 32, 3, generator=torch.Generator().manual_seed(0))
    revin = RevIN(3, affine=affine)
    if affine:
        torch.nn.init.uniform_(revin.scale_F, 0.5, 2.0)
        torch.nn.init.normal_(revin.shift_F)
    moments = window_moments(x_BLF)
    size = abs(level) + scale
    torch.testing.assert_close(
        revin.undo(revin(x_BLF, moments), moments), x_BLF, atol=1e-5 * size, rtol=1e-5
    )


@pytest.mark.parametrize("level", [0.0, 3.0, -1e6])
def test_a_constant_channel_becomes_zeros(level: float) -> None:
    x_BLF = torch.full((1, 80, 1), level)
    z_BLF = RevIN(1)(x_BLF, window_moments(x_BLF))
    torch.testing.assert_close(z_BLF, torch.zeros(1, 80, 1), atol=0.05, rtol=0)


@pytest.mark.parametrize("factor", [1e-6, 1e-2, 1e5])
def test_rescaling_a_channel_changes_nothing(factor: float) -> None:
    x_BLF = 3 + torch.randn(2, 40, 2)
    rescaled_BLF = x_BLF * torch.tensor([factor, 1.0])
    torch.testing.assert_close(
        RevIN(2)(rescaled_BLF, window_moments(rescaled_BLF)),
        RevIN(2)(x_BLF, window_moments(x_BLF)),
        atol=1e-4,
        rtol=1e-4,
    )


def test_statistics_of_a_window_worked_out_by_hand() -> None:
    x_BLF = torch.tensor([10.0, 12.0, 14.0, 12.0]).view(1, 4, 1)
    # standard deviation √2, mean 12, every change 2
    sizes = torch.tensor([2**0.5, 2**0.5 / (12 + 2**0.5), 2 / (12 + 2**0.5)])
    stats_BF3 = window_statistics(x_BLF, window_moments(x_BLF))
    torch.testing.assert_close(stats_BF3, ((sizes.log() + 3) / 2).view(1, 1, 3))


def test_units_change_the_first_statistic_only_and_volatility_all() -> None:
    x_BLF = 3 + 0.1 * torch.randn(2, 40, 4, generator=torch.Generator().manual_seed(0))
    stats = window_statistics(x_BLF, window_moments(x_BLF))
    in_cents = window_statistics(100 * x_BLF, window_moments(100 * x_BLF))
    torch.testing.assert_close(in_cents[..., 1:], stats[..., 1:])
    assert (in_cents[..., 0] > stats[..., 0] + 2).all()
    wild_BLF = 3 + 2 * (x_BLF - 3)
    assert (window_statistics(wild_BLF, window_moments(wild_BLF)) > stats + 0.2).all()


def test_statistics_of_a_constant_or_enormous_window_are_bounded() -> None:
    for x_BLF in (torch.zeros(1, 9, 2), torch.full((1, 9, 2), 5.0), 1e18 * torch.randn(1, 9, 2)):
        stats = window_statistics(x_BLF, window_moments(x_BLF))
        assert stats.abs().max() <= 4
