"""Ladders whose width and depth rise in turn, and what many features may cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from finscale.errors import ConfigError
from finscale.models.interface import Interface
from finscale.models.patchtst.budget import INPUT_SHARE, round_numbers

#: What a section's ``feature_embedding`` may say.
Mixing = int | Literal["auto"] | None
_MOST_STEPS = 2**12


def widths(step: int) -> Iterator[int]:
    """Yield 1, 2, 3, 4, 6, 8, 12, 16, 24 … steps.

    Examples
    --------
    >>> list(widths(8))[:6]
    [8, 16, 24, 32, 48, 64]
    """
    return (step * number for number in round_numbers(_MOST_STEPS))


def rising(widths: Iterable[int], *, aspect: int) -> Iterator[tuple[int, int]]:
    """Yield (width, depth), one of the two rising at a time, depth about width / aspect.

    Examples
    --------
    >>> list(rising([8, 16, 32], aspect=8))
    [(8, 1), (16, 1), (16, 2), (32, 2), (32, 3), (32, 4)]
    """
    depth = 1
    for width in widths:
        yield width, depth
        while depth < round(width / aspect):
            depth += 1
            yield width, depth


def mixed_channels(
    setting: Mixing,
    interface: Interface,
    *,
    body: int,
    per_channel: int,
    share: float = INPUT_SHARE,
) -> int | None:
    """Return how many channels a rung mixes the features to, None where it reads them themselves.

    Parameters
    ----------
    setting : int, None or "auto"
        Anything but auto is returned as it is.
    interface : Interface
        A forecast's channels are what it predicts: they are never mixed.
    body : int
        About how many parameters the rung has whatever the channels.
    per_channel : int
        About how many it has for each channel that it reads.
    share : float
        Largest share of all parameters that the channels may take before they are mixed.
    """
    if setting != "auto":
        return setting
    affordable = body * share / (1 - share)
    num_features = interface.num_features
    if interface.head == "forecast" or num_features * per_channel <= affordable:
        return None
    best = 1
    for channels in round_numbers(num_features):
        if channels * (num_features + 1 + per_channel) > affordable:
            break
        best = channels
    return best


def settled_mixing(setting: Mixing, interface: Interface) -> int | None:
    """Return the setting with ``auto`` decided: without a budget, features are not mixed.

    Raises
    ------
    ConfigError
        If channels are to be mixed whose rows are forecast.
    """
    if setting is None or setting == "auto":
        return None
    if interface.head == "forecast":
        raise ConfigError(
            f"feature_embedding {setting} mixes channels, and a forecast needs each of them.",
            hint="set model.feature_embedding: null",
        )
    return setting
