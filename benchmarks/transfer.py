"""Whether one learning rate serves every width: training loss against rate, in µP and without.

    python benchmarks/transfer.py [--architecture mlp] [--quick] [--figure FILE.png]

A student learns its teacher, a sum of cosines of four random projections of a window, by squared
error: small enough to be learned in some hundred steps, and nothing that a linear map could say. No
window comes twice, so that the training loss is the test loss. Every width from 32 to 512 is
trained at every rate, from the same seeds, with schedule and clipping of ``training`` and without
dropout; the score is the mean loss of the last fifth of the steps. A width's *best rate* is
the lowest point of the parabola through the best rate tried and its neighbours, in logarithms of
rate and loss. Compared are the parametrisations ``mup`` and ``standard``, in which one rate holds
for all parameters (what ``learning_rate: auto`` is there stands beside the results). *Drift* is the
largest best rate over the smallest.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from machine import write_results
from matplotlib.figure import Figure
from torch import Tensor, nn

from finscale.config import NetworkConfig, TrainingConfig, validate
from finscale.config.names import Parametrisation
from finscale.models import ARCHITECTURES, NetworkDesign, design
from finscale.models.base_sizes import BASE_DEPTH, BASE_WIDTH
from finscale.report.palette import LIGHT
from finscale.training.optimizer import make_optimizer, set_learning_rate
from finscale.training.resolve import learning_rate_for
from finscale.training.schedule import learning_rates

ROWS, FEATURES, BATCH = 8, 2, 32
#: Directions of a window that the teacher looks at.
PROJECTIONS = 4
WIDTHS = (32, 64, 128, 256, 512)
PARAMETRISATIONS: tuple[Parametrisation, ...] = ("mup", "standard")
#: Powers of two.
RATES = range(-11, -2)
INK, QUIET, LINE = LIGHT["ink"], LIGHT["quiet"], LIGHT["line"]
COLORS = [LIGHT[role] for role in ("model", "other", "third", "fourth", "bad")]


def at_base(kind: str, shape: dict[str, Any], times: int = 1, **settings: Any) -> NetworkConfig:
    """Return the section of an architecture whose widths are ``times`` those of its base model."""
    section = ARCHITECTURES[kind].config
    start: dict[str, Any] = {"kind": kind, **dict.fromkeys(section.SIZES, BASE_WIDTH)}
    given = {"depth": BASE_DEPTH, **settings}
    start |= {name: value for name, value in given.items() if name in section.model_fields}
    any_size = design(validate(section, start, place=kind), **shape)
    base = ARCHITECTURES[kind].base(any_size.config, any_size.interface)
    sizes = {name: times * value for name, value in base.items()}
    return validate(section, start | sizes, place=kind)


def student(kind: str, width: int, parametrisation: Parametrisation) -> NetworkDesign:
    """Return an architecture at a multiple of its base sizes, without dropout."""
    shape: dict[str, Any] = {
        "num_features": FEATURES,
        "context_length": ROWS,
        "head": "regression",
    }
    settings = {"dropout": 0.0, "patch_length": 4, "stride": 2}
    config = at_base(kind, shape, width // BASE_WIDTH, **settings)
    return design(config, **shape, parametrisation=parametrisation)


class Teacher(nn.Module):
    """Cosines of projections of each window, seen relative to itself; of mean 0, deviation 1."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(ROWS * FEATURES, PROJECTIONS)
        nn.init.normal_(self.project.weight, std=1 / math.sqrt(ROWS * FEATURES))
        nn.init.normal_(self.project.bias)
        self.mean, self.spread = 0.0, 1.0
        y_N = self(torch.randn(4096, ROWS, FEATURES))
        self.mean, self.spread = float(y_N.mean()), float(y_N.std())

    @torch.no_grad()
    def forward(self, x_BLF: Tensor) -> Tensor:
        """Return one number a window."""
        z_BLF = (x_BLF - x_BLF.mean(1, keepdim=True)) / x_BLF.std(1, keepdim=True)
        y_B: Tensor = self.project(z_BLF.flatten(1)).cos().sum(1)
        return (y_B - self.mean) / self.spread


def loss_of(made: NetworkDesign, rate: float, num_steps: int, seed: int) -> float:
    """Return the loss that a training comes to; NaN where it diverges."""
    torch.manual_seed(seed)
    teacher, model = Teacher(), made.build()
    parametrisation = made.interface.parametrisation
    config = TrainingConfig(learning_rate=rate, parametrisation=parametrisation)
    optimizer = make_optimizer(model, config)
    tail: list[float] = []
    for step, now in enumerate(learning_rates(config, num_steps)):
        x_BLF = torch.randn(BATCH, ROWS, FEATURES)
        loss = (model(x_BLF) - teacher(x_BLF)).square().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), float(config.clip_norm or math.inf))
        set_learning_rate(optimizer, now)
        optimizer.step()
        optimizer.zero_grad()
        if step >= 0.8 * num_steps:
            tail.append(loss.item())
    found = sum(tail) / len(tail)
    return found if math.isfinite(found) else math.nan


def best_rate(losses: dict[int, float]) -> float:
    """Return the rate at the lowest point of the parabola through the three best-placed rates."""
    finite = {power: math.log(loss) for power, loss in losses.items() if math.isfinite(loss)}
    best = min(finite, key=lambda power: finite[power])
    if not {best - 1, best + 1} <= {*finite}:
        return 2.0**best
    left, middle, right = (finite[best + k] for k in (-1, 0, 1))
    return float(2 ** (best + 0.5 * (left - right) / (left - 2 * middle + right)))


def measure(kind: str, widths: tuple[int, ...], num_steps: int, seeds: int) -> dict[str, Any]:
    """Return every parametrisation's losses by width and rate, its best rates and their drift."""
    found: dict[str, Any] = {}
    for parametrisation in PARAMETRISATIONS:
        curves: dict[int, dict[int, float]] = {}
        for width in widths:
            made = student(kind, width, parametrisation)
            curves[width] = {
                power: sum(loss_of(made, 2.0**power, num_steps, s) for s in range(seeds)) / seeds
                for power in RATES
            }
        best = {width: best_rate(curve) for width, curve in curves.items()}
        drift = max(best.values()) / min(best.values())
        found[parametrisation] = {
            "losses": {
                width: {f"2^{power}": loss for power, loss in curve.items()}
                for width, curve in curves.items()
            },
            "best rate": best,
            "lowest loss": {width: min_of(curve) for width, curve in curves.items()},
            "drift": drift,
        }
        shown = ", ".join(f"{width}: {rate:.2g}" for width, rate in best.items())
        print(f"{kind}, {parametrisation}: best rate {shown}; drift {drift:.2f}")
    return found


def min_of(curve: dict[int, float]) -> float:
    """Return the lowest finite loss."""
    return min(loss for loss in curve.values() if math.isfinite(loss))


def draw(found: dict[str, Any], kind: str, path: str) -> None:
    """Write the figure: a panel for each parametrisation, a curve for each width."""
    style = {"font.size": 8.5, "axes.edgecolor": LINE, "text.color": INK, "axes.labelcolor": INK,
             "xtick.color": QUIET, "ytick.color": QUIET, "axes.spines.top": False,
             "axes.spines.right": False}  # fmt: skip
    titles = {"mup": "µP: one base rate for every width", "standard": "Standard: one rate for all"}
    with mpl.rc_context(style):
        figure = Figure(figsize=(9.6, 3.4), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for panel, (name, part) in zip(panels, found.items(), strict=True):
            for color, (width, curve) in zip(COLORS, part["losses"].items(), strict=False):
                rates = [2.0 ** int(power.removeprefix("2^")) for power in curve]
                panel.loglog(rates, list(curve.values()), "o-", color=color, lw=1.4, ms=3,
                             label=f"width {width}")  # fmt: skip
                panel.axvline(part["best rate"][width], color=color, lw=0.8, ls=":")
            drift = f"best rates within a factor of {part['drift']:.1f}"
            panel.set_title(f"{titles[name]} ({drift})", loc="left", fontsize=9, color=INK)
            panel.set_xlabel("peak learning rate" if name == "standard" else "base learning rate")
            panel.grid(color=LINE, lw=0.4, alpha=0.6)
        panels[0].set_ylabel(f"loss of {ARCHITECTURES[kind].title} on a teacher")
        panels[1].legend(frameon=False, fontsize=7.5)
        figure.savefig(path, dpi=150, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--architecture", default="patchtst", choices=list(ARCHITECTURES))
    parser.add_argument("--quick", action="store_true", help="three widths, fewer steps, one seed")
    parser.add_argument("--figure", type=Path, help="where to draw")
    options = parser.parse_args()
    torch.set_num_threads(1)
    widths = (32, 128, 512) if options.quick else WIDTHS
    num_steps, seeds = (200, 1) if options.quick else (300, 3)
    started = time.perf_counter()
    found = measure(options.architecture, widths, num_steps, seeds)
    rule = {width: learning_rate_for(width) for width in widths}
    content = {
        "architecture": options.architecture,
        "steps": num_steps,
        "seeds": seeds,
        "batch": BATCH,
        "seconds": time.perf_counter() - started,
        "standard rule's rate": rule,
        "parametrisations": found,
    }
    name = "transfer" if options.architecture == "patchtst" else f"transfer_{options.architecture}"
    print(write_results(f"{name}_quick" if options.quick else name, content))
    if options.figure:
        draw(found, options.architecture, str(options.figure))


if __name__ == "__main__":
    main()
