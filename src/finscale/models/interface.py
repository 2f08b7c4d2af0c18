"""What data, task and training ask of a network: inputs, head, outputs, parametrisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from finscale.config.names import Parametrisation
from finscale.errors import ConfigError

HeadName = Literal["classification", "regression", "forecast"]
HEAD_NAMES: tuple[HeadName, ...] = ("classification", "regression", "forecast")
#: Statistics of a window that are fed back per channel; see ``revin.window_statistics``.
STATS_PER_CHANNEL = 3


@dataclass(frozen=True, kw_only=True)
class Interface:
    """The windows that a network reads and the numbers that it has to write.

    Parameters
    ----------
    num_features, context_length : int
        F and L of the windows ``[B, L, F]``.
    head : {"classification", "regression", "forecast"}
        A logit ``[B]``; a number ``[B]`` or Q numbers ``[B, Q]``; rows to come ``[B, H, F]``.
    num_outputs : int
        Q: one, or one per quantile.
    forecast_length : int, optional
        H, rows of the forecast head.
    normalise : bool
        Whether a network should give each window mean 0 and deviation 1: yes for prices, whose
        level drifts; no for columns that are stationary already.
    num_relative : int
        K, relative columns of the last row that a linear path reads; without any there is none.
    parametrisation : {"mup", "standard"}
        How initial weights and multipliers follow from its sizes.

    Raises
    ------
    ConfigError
        If ``forecast_length`` and the head contradict each other.
    """

    num_features: int
    context_length: int
    head: HeadName = "classification"
    num_outputs: int = 1
    forecast_length: int | None = None
    normalise: bool = True
    num_relative: int = 0
    parametrisation: Parametrisation = "mup"

    def __post_init__(self) -> None:
        if (self.head == "forecast") != (self.forecast_length is not None):
            raise ConfigError("forecast_length belongs to head 'forecast', which needs it.")

    @property
    def num_numbers(self) -> int:
        """Numbers written for one window: Q, or H·F."""
        if self.forecast_length is None:
            return self.num_outputs
        return self.forecast_length * self.num_features
