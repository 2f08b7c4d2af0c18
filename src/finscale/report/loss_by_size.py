"""The first figure of a study: test loss against size, every seed a dot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from finscale.config import StudyConfig, format_count
from finscale.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NETWORK = "#1f6feb"
_BASELINES = ("#b35900", "#57606a", "#116329", "#8250df")


def draw_loss_by_size(table: pl.DataFrame, study: StudyConfig, folder: Path) -> Path:
    """Draw test loss against parameters and write PNG and SVG.

    Parameters
    ----------
    table : pl.DataFrame
        A study's results: one row per run.
    study : StudyConfig
        For the question in the title.
    folder : Path
        Where ``loss_by_size.png`` and ``.svg`` go.

    Returns
    -------
    Path
        The PNG.
    """
    from matplotlib.figure import Figure

    outcome, title = _outcome(table)
    figure = Figure(figsize=(7.2, 4.4), dpi=150, layout="constrained")
    axes: Axes = figure.subplots()
    networks = table.filter(pl.col("role") == "network")
    _draw_networks(axes, networks, outcome)
    _draw_baselines(axes, table.filter(pl.col("role") == "baseline"), outcome)
    axes.set_xlabel("parameters")
    axes.set_ylabel(title)
    axes.set_title(study.question or study.name, fontsize=11, loc="left")
    axes.grid(axis="y", color="#d0d7de", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    for suffix in ("svg", "png"):
        with atomic_path(folder / f"loss_by_size.{suffix}") as path:
            figure.savefig(
                path, format=suffix, metadata={"Date": None} if suffix == "svg" else None
            )
    return folder / "loss_by_size.png"


def _outcome(table: pl.DataFrame) -> tuple[str, str]:
    if "log_loss" in table.columns:
        return "log_loss", "test log loss (nats per decision)"
    return "rmse", "test RMSE"


def _draw_networks(axes: Axes, networks: pl.DataFrame, outcome: str) -> None:
    axes.set_xscale("log")
    axes.scatter(
        networks["parameters"],
        networks[outcome],
        s=26,
        color=_NETWORK,
        alpha=0.55,
        linewidths=0,
        label="one run (seed, fold)",
        zorder=3,
    )
    means = (
        networks.group_by("parameters")
        .agg(pl.col(outcome).mean(), pl.col("size_parameters").first())
        .sort("parameters")
    )
    axes.plot(means["parameters"], means[outcome], color=_NETWORK, label="mean", zorder=2)
    sizes = means["parameters"].to_list()
    axes.set_xticks(sizes, [format_count(size) for size in means["size_parameters"]])
    axes.minorticks_off()
    if len(sizes) > 1:
        # room for the baselines' names at the right
        axes.set_xlim(sizes[0] * 0.75, sizes[-1] * (sizes[-1] / sizes[0]) ** 0.28)


def _draw_baselines(axes: Axes, baselines: pl.DataFrame, outcome: str) -> None:
    """Draw a line for each baseline; one that is far off is named at the edge instead.

    A base rate .09 nats above everything else would flatten the curve that the figure is about.
    """
    low, high = axes.get_ylim()
    reach = 1.5 * (high - low)
    near = baselines.filter(pl.col(outcome).is_between(low - reach, high + reach))
    for row, color in zip(near.sort(outcome).iter_rows(named=True), _BASELINES * 4, strict=False):
        axes.axhline(row[outcome], color=color, linestyle="--", linewidth=1.1, zorder=1)
        _name(axes, row["model"], row[outcome], color, at=(1.0, row[outcome]), above=True)
    bounds = axes.get_ylim()
    axes.set_ylim(bounds[0], bounds[1] + 0.08 * (bounds[1] - bounds[0]))
    far = baselines.filter(~pl.col(outcome).is_between(low - reach, high + reach))
    for place, row in enumerate(far.sort(outcome).iter_rows(named=True)):
        side = 1.0 if row[outcome] > high else 0.0
        at = (1.0, side - 0.05 * place if side else 0.05 * place)
        arrow = "↑ off the scale:" if side else "↓ off the scale:"
        _name(axes, f"{arrow} {row['model']}", row[outcome], "#57606a", at=at, above=not side)
    axes.legend(frameon=False, fontsize=8.5, loc="upper left")


def _name(
    axes: Axes, name: str, value: float, color: str, *, at: tuple[float, float], above: bool
) -> None:
    on_line = at[1] == value
    axes.annotate(
        f"{name.replace('_', ' ')} {value:.4f}",
        at,
        xycoords=("axes fraction", "data" if on_line else "axes fraction"),
        xytext=(-2, 3 if above else -3),
        textcoords="offset points",
        ha="right",
        va="bottom" if above else "top",
        fontsize=8.5,
        color=color,
    )
