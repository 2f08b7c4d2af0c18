"""Make the table and the figures of docs/scaling-laws.md, whose truth is known exactly.

python docs/figures/scaling_laws.py
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.figure import Figure

from finscale.scaling import decide, fit_law
from finscale.scaling.law_plot import CURVE, DOT, FLOOR, INK
from finscale.scaling.sentences import size as short_size

DOCS = Path(__file__).resolve().parents[1]
SIZES = np.geomspace(5e3, 5e6, 8)
NO_DATE = {"Date": None}


def runs() -> pl.DataFrame:
    """Return 8 sizes × 5 seeds of L = .36 + 3·x^-.45 with seed noise .004."""
    rng = np.random.default_rng(0)
    size = np.repeat(SIZES, 5)
    loss = 0.36 + 3 * size**-0.45 + 0.004 * rng.standard_normal(40)
    return pl.DataFrame(
        {
            "parameters": size.round().astype(int),
            "seed": np.tile(range(5), 8),
            "loss": loss.round(5),
        }
    )


def untold(figure: Figure) -> None:
    """Draw four tables that tell no law, with what the fitter says of each."""
    rng = np.random.default_rng(6)
    few = SIZES[[0, 2, 4]]
    tables = {
        "three sizes": (few, 0.36 + 3 * few**-0.45),
        "no effect, noise of .004": (SIZES, 0.4 + 0.004 * rng.standard_normal(8)),
        "a loss that rises": (SIZES, 0.42 - 3 * SIZES**-0.45),
        "one lucky small model": (SIZES, np.r_[0.46, 0.4 + 0.0005 * rng.standard_normal(7)]),
    }
    for ax, (title, (size, loss)) in zip(figure.subplots(2, 2).flat, tables.items(), strict=True):
        law = fit_law({"parameters": size, "loss": loss}, num_replicates=200)
        law.plot(ax)
        text = textwrap.fill(f"{title}: {law.reason or 'a law'}", 62)
        ax.set_title(text, fontsize=8, loc="left", color=FLOOR)
        if legend := ax.get_legend():
            legend.remove()


def verdicts(figure: Figure) -> None:
    """Draw one study for each of the five verdicts."""
    rng = np.random.default_rng(4)
    log_size = np.log10(SIZES / SIZES[0])
    curves = {
        "falls": 0.36 + 0.05 * (SIZES / SIZES[0]) ** -0.45,
        "turns": 0.38 + 0.01 * (log_size - 1.5) ** 2,
        "rises": 0.42 - 0.03 * (SIZES / SIZES[0]) ** -0.45,
        "flat, well measured": np.full(8, 0.38),
        "flat, too few days": np.full(8, 0.38),
    }
    days = [1000, 1000, 1000, 1000, 60]
    axes = figure.subplots(1, 5, sharey=True)
    for ax, (title, curve), num_days in zip(axes, curves.items(), days, strict=True):
        market = 0.2 * rng.standard_normal(num_days)
        own = 0.05 * rng.standard_normal((8, 1, num_days))
        seeds = 0.0015 * rng.standard_normal((8, 5, 1))
        verdict = decide(curve[:, None, None] + market + own + seeds, SIZES, sesoi=0.01)
        covariance = verdict.covariance
        error = np.sqrt(np.diag(covariance.matrix_GG) - covariance.common_variance)
        level = covariance.mean_G - covariance.mean_G.mean()
        ax.axhspan(-0.005, 0.005, color=DOT, alpha=0.12, lw=0)
        ax.errorbar(SIZES, level, 1.96 * error, fmt="o", color=INK, ecolor=DOT, ms=4, lw=1)
        ax.plot(SIZES, curve - curve.mean(), color=CURVE, lw=1.6)
        ax.set_xscale("log")
        ax.set_xticks([1e4, 1e6], [short_size(1e4), short_size(1e6)])
        ax.minorticks_off()
        ax.set_title(f"{verdict.name}\n", fontsize=10, color=FLOOR, loc="left", fontweight="bold")
        ax.text(0, 1.02, title, transform=ax.transAxes, fontsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("loss over its mean, nats")
    axes[2].set_xlabel("parameters")


def main() -> None:
    """Write docs/examples/runs.csv and the figures."""
    mpl.rcParams["svg.hashsalt"] = "finscale"
    runs().write_csv(DOCS / "examples/runs.csv")
    for name, draw, shape in (
        ("untold", untold, (9.0, 5.6)),
        ("verdicts", verdicts, (10.0, 2.9)),
    ):
        figure = Figure(figsize=shape, layout="constrained")
        draw(figure)
        figure.savefig(DOCS / f"figures/{name}.svg", metadata=NO_DATE)


if __name__ == "__main__":
    main()
