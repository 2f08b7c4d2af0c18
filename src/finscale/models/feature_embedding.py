"""Many features as fewer channels, each a mixture of all of them."""

from __future__ import annotations

from torch import Tensor, nn

from finscale.errors import ConfigError
from finscale.models.interface import Interface


class FeatureEmbedding(nn.Module):
    """Project the rows of windows, and what each feature's statistics are, to E channels.

    Parameters
    ----------
    num_features, channels : int
        F and E.
    """

    def __init__(self, num_features: int, channels: int) -> None:
        super().__init__()
        self.rows = nn.Linear(num_features, channels)
        self.statistics = nn.Linear(num_features, channels)

    def forward(self, z_BLF: Tensor, stats_BFk: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``[B, L, E]`` and ``[B, E, k]``."""
        return self.rows(z_BLF), self.statistics(stats_BFk.transpose(1, 2)).transpose(1, 2)


def make_embedding(
    channels: int | str | None, interface: Interface, title: str
) -> FeatureEmbedding | None:
    """Return the embedding that a resolved section asks for, if any.

    Raises
    ------
    ConfigError
        If rows are forecast: every feature is written, so every feature has to be kept apart.
    """
    if not isinstance(channels, int):
        return None
    if interface.head == "forecast":
        raise ConfigError(
            f"a {title} that forecasts rows keeps its features apart.",
            hint="leave model.feature_embedding out",
        )
    return FeatureEmbedding(interface.num_features, channels)
