"""Which learning rate an architecture's base model likes: validation loss against rate.

    python benchmarks/base_rate.py [--architecture mlp,gru] [--markets SP500,NASDAQ,garch] [--quick]

The base model (width 32, depth 2) is trained on each market, threshold 1 %, for every rate and
seed, as ``finscale train`` would; the score is the lowest validation loss of an epoch, the linear
answer that the network starts from (epoch 0) left out. Markets
are the bundled ones and those of ``synthetic:``. A market's losses are taken relative to its
lowest, so that markets count alike; the rate with the lowest mean is what
``Architecture.base_rate`` should be, if it is not at the edge of what was tried. Test windows are
never read.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from machine import write_results
from transfer import at_base

from finscale.config import ExperimentConfig, load_config
from finscale.experiment import prepare
from finscale.experiment.trainers import make_trainer
from finscale.models import ARCHITECTURES

RECIPE = Path(__file__).parents[1] / "configs/daily/threshold_1pct.yaml"
BUNDLED = ("SP500", "NASDAQ")
RATES = tuple(2.0**power for power in range(-13, -4))


def validation_loss(market: str, kind: str, rate: float, seed: int, epochs: int) -> float:
    """Return the lowest validation loss of an epoch of the base model."""
    source = "bundled" if market in BUNDLED else f"synthetic:{market}"
    settings = [
        f"data.symbols=[{market if market in BUNDLED else 'A'}]",
        f"data.source={source}",
        f"training.learning_rate={rate}",
        f"training.epochs={epochs}",
        "training.threads=1",
        f"seed={seed}",
    ]
    config = load_config(ExperimentConfig, RECIPE, settings)
    asked = prepare(config.model_copy(update={"model": at_base(kind, SHAPE)}))
    return min(record["validation_loss"] for record in make_trainer(asked).fit().history)


#: Base sizes are the same for any windows; these only have to be long enough.
SHAPE: dict[str, Any] = {"num_features": 25, "context_length": 80}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--architecture", default=",".join(ARCHITECTURES))
    parser.add_argument("--markets", default="SP500,NASDAQ,garch")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--every", type=int, default=1, help="try every N-th rate")
    parser.add_argument("--quick", action="store_true", help="one market, one seed, few epochs")
    options = parser.parse_args()
    for kind in options.architecture.split(","):
        tune(kind, options)


def tune(kind: str, options: argparse.Namespace) -> None:
    """Try every rate on one architecture, print what came out and write it down."""
    ARCHITECTURES[kind]  # an unknown name ends here, with its neighbours
    markets = options.markets.split(",")[: 1 if options.quick else None]
    seeds, epochs = (1, 2) if options.quick else (options.seeds, options.epochs)
    rates = RATES[:: 2 if options.quick else options.every]
    losses_MRS = np.array(
        [
            [[validation_loss(m, kind, rate, s, epochs) for s in range(seeds)] for rate in rates]
            for m in markets
        ]
    )
    above_MR = losses_MRS.mean(2) - losses_MRS.mean(2).min(1, keepdims=True)
    mean_R = above_MR.mean(0)
    best = int(mean_R.argmin())
    print("rate      mean     " + "  ".join(f"{market:7}" for market in markets))
    for rate, *above in zip(rates, mean_R, *above_MR, strict=True):
        print(f"{rate:.2e}  " + "  ".join(f"{one:+.4f}" for one in above))
    edge = "" if 0 < best < len(rates) - 1 else " (at the edge of what was tried)"
    print(f"{kind}: base rate {rates[best]:.2e}{edge}", flush=True)
    content = {
        "architecture": kind,
        "markets": markets,
        "seeds": seeds,
        "epochs": epochs,
        "rates": list(rates),
        "validation losses": losses_MRS.tolist(),
        "best rate": rates[best],
        "interior": not edge,
    }
    name = f"base_rate_{kind}"
    print(write_results(f"{name}_quick" if options.quick else name, content), flush=True)


if __name__ == "__main__":
    main()
