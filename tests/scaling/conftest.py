"""IsoFLOP sets of a Hoffmann surface whose exponent is known."""

import numpy as np
import pytest


def _isoflops(
    alpha=0.34, beta=0.28, *, levels=5, sizes=7, reach=8.0, drift=0.0, noise=0.0, jitter=0.0, seed=0
):
    """Return a, and runs at equal compute whose sizes drift off the best one as compute grows."""
    rng = np.random.default_rng(seed)
    a, scale = beta / (alpha + beta), 400.0
    height = (alpha / beta) ** (1 / (alpha + beta))
    compute = np.repeat(np.geomspace(6e18, 3e21, levels), sizes)
    step = np.repeat(np.arange(levels) - (levels - 1) / 2, sizes)
    around = np.tile(np.geomspace(1 / reach, reach, sizes), levels)
    N = height * (compute / 6) ** a * around * np.exp(drift * step)
    compute = compute * np.exp(jitter * rng.uniform(-1, 1, len(N)))
    D = compute / 6 / N
    loss = 1.7 + scale * N**-alpha + scale * D**-beta + noise * rng.standard_normal(len(N))
    return a, {"N": N, "D": D, "C": compute, "loss": loss}


@pytest.fixture
def isoflops():
    """Return the maker of such sets."""
    return _isoflops
