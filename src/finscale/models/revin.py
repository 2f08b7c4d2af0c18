"""Reversible instance normalisation, and the statistics that it takes out of a window."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

#: Smallest standard deviation, as a share of the window's mean: a constant channel becomes zeros.
_RELATIVE_FLOOR = 1e-5


class Moments(NamedTuple):
    """Mean and standard deviation of each window's channels, both ``[B, 1, F]``."""

    mean: Tensor
    std: Tensor


def window_moments(x_BLF: Tensor) -> Moments:
    """Return each channel's moments over the window.

    The floor under the standard deviation is relative to the mean, so that rescaling a channel
    rescales its moments and nothing else.
    """
    # torch.var_mean takes one number at a time along this dimension: 16 times as long
    mean_B1F = x_BLF.mean(1, keepdim=True)
    var_B1F = (x_BLF - mean_B1F).square().mean(1, keepdim=True)
    floor_B1F = (_RELATIVE_FLOOR * mean_B1F).square()
    return Moments(mean_B1F, (var_B1F + floor_B1F + 1e-20).sqrt())


def normalised(x_BLF: Tensor, moments: Moments) -> Tensor:
    """Return the window with mean 0 and standard deviation 1 per channel."""
    return (x_BLF - moments.mean) / moments.std


class RevIN(nn.Module):
    """Normalise a window by its own moments, and undo it on a forecast.

    Parameters
    ----------
    num_features : int
        F, channels.
    affine : bool
        Learn a scale and shift per channel, applied after normalising.

    References
    ----------
    Kim et al. (2022), "Reversible instance normalization", ICLR.
    """

    def __init__(self, num_features: int, *, affine: bool = False) -> None:
        super().__init__()
        self.scale_F = nn.Parameter(torch.ones(num_features)) if affine else None
        self.shift_F = nn.Parameter(torch.zeros(num_features)) if affine else None

    def forward(self, x_BLF: Tensor, moments: Moments) -> Tensor:
        """Return the window with mean 0 and standard deviation 1 per channel, then rescaled."""
        return self.rescale(normalised(x_BLF, moments))

    def rescale(self, z_BLF: Tensor) -> Tensor:
        """Apply the learned scale and shift, if there are any, to a normalised window."""
        if self.scale_F is None or self.shift_F is None:
            return z_BLF
        return z_BLF * self.scale_F + self.shift_F

    def undo(self, y_BHF: Tensor, moments: Moments) -> Tensor:
        """Return a forecast in the window's own units."""
        if self.scale_F is not None and self.shift_F is not None:
            y_BHF = (y_BHF - self.shift_F) / self.scale_F
        return y_BHF * moments.std + moments.mean


def window_statistics(x_BLF: Tensor, moments: Moments) -> Tensor:
    """Return what RevIN hides: how volatile each channel of a window is.

    Three numbers per channel, of order one and bounded, so that an unheard-of window cannot throw
    the encoder. Those after the first are relative to the channel's level, and no rescaling changes
    them:

    - the log of the standard deviation over the window,
    - the log of the relative spread, standard deviation over level,
    - the log of the roughness, root mean square of one-row changes over level: on prices the
      volatility of daily returns,

    where the level is the absolute mean plus the standard deviation.

    Returns
    -------
    Tensor, shape [B, F, 3]
    """
    mean_BF, std_BF = moments.mean.squeeze(1), moments.std.squeeze(1)
    level_BF = mean_BF.abs() + std_BF
    change_BF = (x_BLF[:, 1:] - x_BLF[:, :-1]).square().mean(1).sqrt()
    sizes_BF3 = torch.stack([std_BF, std_BF / level_BF, change_BF / level_BF], dim=2)
    # in units of the training rows' deviation, windows spread from about e^-7 to e
    return ((sizes_BF3.clamp_min(1e-12).log() + 3) / 2).clamp(-4, 4)


def prepare_windows(
    x_BLF: Tensor, *, normalise: bool = True, statistics: bool, moments: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what a network reads of windows; it depends on no parameter and is made once.

    Parameters
    ----------
    x_BLF : Tensor
        Windows as the dataset has them.
    normalise : bool
        Whether each channel gets mean 0 and standard deviation 1 over the window.
    statistics : bool
        Whether the network reads the windows' statistics.
    moments : bool
        Whether a forecast has to be put back in the windows' units.

    Returns
    -------
    z_BLF : Tensor
        The windows, normalised or as they are.
    stats_BFk : Tensor
        Their statistics; ``[B, F, 0]`` where the network gets none.
    mean_B1F, std_B1F : Tensor
        Their moments; ``[B, 1, 0]`` where nothing is put back.
    """
    found = window_moments(x_BLF)
    stats_BFk = (
        window_statistics(x_BLF, found)
        if statistics
        else x_BLF.new_empty(*found.mean.squeeze(1).shape, 0)
    )
    z_BLF = normalised(x_BLF, found) if normalise else x_BLF
    if not moments:
        found = Moments(*(moment[..., :0] for moment in found))
    return z_BLF, stats_BFk, found.mean, found.std


def restored(y_BHF: Tensor, mean_B1F: Tensor, std_B1F: Tensor) -> Tensor:
    """Return a forecast of normalised rows in the windows' own units."""
    return y_BHF * std_B1F + mean_B1F
