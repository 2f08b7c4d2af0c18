"""What training costs, in operations, time and money."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from finscale.errors import FinscaleError

#: Share of a matrix product's speed that training reaches, unless told.
UTILIZATION = 0.3


@dataclass(frozen=True)
class CostModel:
    """What training costs.

    Parameters
    ----------
    flops_per_second : float
        Operations a second that training reaches.
    price_per_hour : float
        Price of an hour of the machine; 0 for one's own.
    flops_per_parameter_sample : float
        k: operations for one parameter and one sample, forward and backward. A sample that is cut
        into P patches passes each weight of the encoder P times: 6 P.
    currency : str
        Of the price, for people.
    """

    flops_per_second: float
    price_per_hour: float = 0.0
    flops_per_parameter_sample: float = 6.0
    currency: str = "$"

    def seconds(self, num_parameters: float, num_samples: float) -> float:
        """Return the time that one training takes."""
        flops = self.flops_per_parameter_sample * num_parameters * num_samples
        return flops / self.flops_per_second

    def products(self, *, hours: float | None, money: float | None) -> float:
        """Return how large N·D may be for a budget of time or money."""
        if (hours is None) == (money is None):
            raise FinscaleError("give a budget in hours or in money, one of the two.")
        if money is not None:
            if self.price_per_hour <= 0:
                raise FinscaleError(
                    "a budget of money needs the price of an hour.", hint="--price 2.50"
                )
            hours = money / self.price_per_hour
        assert hours is not None
        if not hours > 0:
            raise FinscaleError(f"the budget must be positive, not {hours:g} hours.")
        return hours * 3600 * self.flops_per_second / self.flops_per_parameter_sample


def measure_flops(*, seconds: float = 1.0, utilization: float = UTILIZATION) -> float:
    """Return operations a second that training can expect on this machine's processor.

    The best of repeated float32 matrix products, times ``utilization``. A GPU is not seen from
    here: take samples a second from a run there, times the operations of a sample.
    """
    rng = np.random.default_rng(0)
    side = 1024
    a = rng.standard_normal((side, side), dtype=np.float32)
    fastest, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        a @ a
        fastest = min(fastest, time.perf_counter() - start)
    return utilization * 2 * side**3 / fastest
