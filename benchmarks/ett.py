"""Every architecture on ETTh1 against the test MSE that its paper published.

The field's customary split, 12, 4 and 4 months; rows standardised by the training rows; every test
window counts (none dropped to fill a batch); the weights are those of the epoch with the best
validation MSE, and the test windows are read once, at the end. Settings are each paper's own, see
ett_recipes.py, which also says what is ours instead.

    python benchmarks/ett.py --architecture nlinear,dlinear [--horizons 96,192] [--seeds 3]
    python benchmarks/ett.py            # prints what is there, trains nothing
    python benchmarks/ett.py --page docs/zoo.md

Every finished cell, an architecture at a horizon with a seed, is kept in the results file at once
and is not trained again unless its settings have changed since. Seconds per epoch are wall time;
CPU seconds say what it costs where other work shares the machine.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from ett_recipes import HORIZONS, RECIPES
from torch import Tensor, nn

from finscale.config import validate
from finscale.files import read_json, write_json
from finscale.models import ARCHITECTURES, build_model
from finscale.models.kernels.accelerate import accelerate
from finscale.training.allocator import keep_freed_memory

#: Hours of the split: 12, 4 and 4 months of 30 days.
TRAIN, VALIDATION, TEST = 12 * 720, 4 * 720, 4 * 720
#: How far above the paper's figure still counts as meeting it.
MARGIN = 0.03
ROOT = Path(__file__).resolve().parents[1]
Cell = dict[str, Any]


@dataclass(frozen=True)
class Series:
    """Standardised rows and the row at which each window's forecast begins."""

    rows_RF: Tensor
    look_back: int
    horizon: int

    def starts(self, part: str) -> Tensor:
        """Return the first rows to come of a part's windows; their look-backs may lie before it."""
        first, end = {
            "train": (self.look_back, TRAIN),
            "validation": (TRAIN, TRAIN + VALIDATION),
            "test": (TRAIN + VALIDATION, TRAIN + VALIDATION + TEST),
        }[part]
        return torch.arange(first, end - self.horizon + 1)

    def batch(self, starts_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return look-backs ``[B, L, F]`` and what followed them, ``[B, H, F]``."""
        windows = self.rows_RF.unfold(0, self.look_back + self.horizon, 1)
        window_BLF = windows[starts_B - self.look_back].transpose(1, 2)
        return window_BLF[:, : self.look_back].contiguous(), window_BLF[:, self.look_back :]


def load(path: Path) -> Tensor:
    """Read ETTh1, ``[R, F]``; the mean and the deviation are those of the training rows alone."""
    if not path.is_file():
        raise SystemExit(
            f"error: {path} is not there. It is ETTh1.csv of github.com/zhouhaoyi/ETDataset; "
            "give its place with --data."
        )
    rows = pl.read_csv(path).drop("date").to_numpy()[: TRAIN + VALIDATION + TEST]
    rows = (rows - rows[:TRAIN].mean(0)) / rows[:TRAIN].std(0)
    return torch.tensor(rows, dtype=torch.float32)


def network(kind: str, settings: dict[str, Any], horizon: int, num_features: int = 7) -> nn.Module:
    """Return an architecture as its paper sizes it for ETTh1."""
    section = {"kind": kind, "linear_path": "none", **settings["model"]}
    config = validate(ARCHITECTURES[kind].config, section, place="ett_recipes.py")
    return build_model(
        config,
        num_features=num_features,
        context_length=settings["look_back"],
        head="forecast",
        forecast_length=horizon,
        normalise=settings["normalise"],
        parametrisation="standard",
    )


def rate(settings: dict[str, Any], epoch: int) -> float:
    """Return the learning rate of an epoch, counted from one, where no cycle runs."""
    halvings = {
        "constant": 0,
        "halving": max(0, epoch - 2),
        "thirds": 3 * (epoch - 1) // settings["epochs"],
    }
    lr: float = settings["lr"]
    return lr * 0.5 ** halvings[settings["schedule"]]


@torch.no_grad()
def errors(model: nn.Module, series: Series, part: str) -> tuple[float, float]:
    """Return MSE and MAE over every window, step and channel."""
    model.eval()
    squared = absolute = 0.0
    starts = series.starts(part)
    for chunk in starts.split(256):
        x_BLF, y_BHF = series.batch(chunk)
        residual = (model(x_BLF) - y_BHF).double()
        squared += residual.square().sum().item()
        absolute += residual.abs().sum().item()
    count = len(starts) * series.horizon * series.rows_RF.shape[1]
    return squared / count, absolute / count


def train(kind: str, settings: dict[str, Any], series: Series, seed: int) -> Cell:
    """Train one seed and return its scores; the test windows are read once, at the end."""
    torch.manual_seed(seed)
    model = accelerate(network(kind, settings, series.horizon, series.rows_RF.shape[1]))
    loss_of = {"mse": F.mse_loss, "mae": F.l1_loss}[settings["loss"]]
    optimiser = torch.optim.Adam(model.parameters(), lr=settings["lr"], fused=True)
    starts, batch, epochs = series.starts("train"), settings["batch"], settings["epochs"]
    steps = settings.get("steps") or len(starts) // batch
    cycle = None
    if settings["schedule"] == "cycle":
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, max_lr=settings["lr"], total_steps=steps * epochs, pct_start=0.3
        )
    best, best_epoch, weights = float("inf"), 0, {}
    seconds, cpu_seconds = [], []
    for epoch in range(1, epochs + 1):
        if cycle is None:
            optimiser.param_groups[0]["lr"] = rate(settings, epoch)
        model.train()
        began, cpu_began, total = time.perf_counter(), time.process_time(), 0.0
        for part in starts[torch.randperm(len(starts))].split(batch)[:steps]:
            x_BLF, y_BHF = series.batch(part)
            with torch.autocast("cpu", torch.bfloat16, enabled=settings["precision"] != "fp32"):
                output_BHF = model(x_BLF)
            loss = loss_of(output_BHF.float(), y_BHF)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if cycle is not None:
                cycle.step()
            total += loss.item()
        seconds.append(time.perf_counter() - began)
        cpu_seconds.append(time.process_time() - cpu_began)
        validation, _ = errors(model, series, "validation")
        print(
            f"{kind} {series.look_back} → {series.horizon}, seed {seed}, epoch {epoch:3d}: "
            f"train {total / steps:.4f}, validation {validation:.4f}, {seconds[-1]:.1f} s "
            f"({cpu_seconds[-1]:.1f} CPU s)",
            flush=True,
        )
        if validation < best:
            best, best_epoch = validation, epoch
            weights = {name: value.clone() for name, value in model.state_dict().items()}
        elif epoch - best_epoch >= settings["patience"]:
            break
    model.load_state_dict(weights)
    mse, mae = errors(model, series, "test")
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "validation_mse": best,
        "test_mse": mse,
        "test_mae": mae,
        "test_windows": len(series.starts("test")),
        "best_epoch": best_epoch,
        "epochs": len(seconds),
        "seconds_per_epoch": float(np.median(seconds)),
        "cpu_seconds_per_epoch": float(np.median(cpu_seconds)),
    }


def current(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells that the recipes of today would train."""
    return [
        cell
        for cell in cells
        if cell["recipe"] in RECIPES
        and cell["settings"] == RECIPES[cell["recipe"]].settings(cell["horizon"])
    ]


def summary(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Return ours, the paper's and their ratio by recipe and horizon, without what was not run."""
    rows = []
    for name, recipe in RECIPES.items():
        for horizon in HORIZONS:
            found = [
                cell["test_mse"]
                for cell in current(cells)
                if (cell["recipe"], cell["horizon"]) == (name, horizon)
            ]
            if found:
                ours, paper = float(np.mean(found)), recipe.published[horizon]
                rows.append(
                    {
                        "recipe": name,
                        "look_back": recipe.settings(horizon)["look_back"],
                        "horizon": horizon,
                        "seeds": len(found),
                        "ours": ours,
                        "paper": paper,
                        "ratio": ours / paper,
                        "within": ours <= paper * (1 + MARGIN),
                    }
                )
    return rows


def table(cells: Sequence[Cell]) -> str:
    """Return the page's table: ours (seeds) / the paper's by horizon; a dash where none was run."""
    rows = {(row["recipe"], row["horizon"]): row for row in summary(cells)}
    lines = [
        "| model | rows read | " + " | ".join(str(horizon) for horizon in HORIZONS) + " |",
        "|---" * (2 + len(HORIZONS)) + "|",
    ]
    for name, recipe in RECIPES.items():
        reads = sorted({recipe.settings(horizon)["look_back"] for horizon in HORIZONS})
        ends = [str(length) for length in dict.fromkeys((reads[0], reads[-1]))]
        shown = [ARCHITECTURES[name.split(":")[0]].title, "–".join(ends)]
        for horizon in HORIZONS:
            row, paper = rows.get((name, horizon)), f"{recipe.published[horizon]:.3f}".lstrip("0")
            ours = "–"
            if row is not None:
                figure = f"{row['ours']:.3f}".lstrip("0")
                ours = f"**{figure}**" if row["within"] else figure
                ours += f" ({row['seeds']})"
            shown.append(f"{ours} / {paper}")
        lines.append("| " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


def paged(text: str, cells: Sequence[Cell]) -> str:
    """Return a page with its table between the two marks made anew."""
    begin, end = "<!-- ett -->\n", "<!-- /ett -->"
    return re.sub(
        f"{begin}.*?{end}", lambda _: f"{begin}{table(cells)}{end}", text, flags=re.DOTALL
    )


def kept(path: Path) -> list[Cell]:
    """Return the cells of a results file; none where there is no file."""
    return list(read_json(path)["cells"]) if path.is_file() else []


def keep(path: Path, cell: Cell) -> None:
    """Add a cell to a results file, in place of an older one of the same name."""

    def name(one: Cell) -> tuple[Any, ...]:
        return one["recipe"], one["horizon"], one["seed"]

    cells = [one for one in kept(path) if name(one) != name(cell)] + [cell]
    order = list(RECIPES)
    cells.sort(key=lambda one: (order.index(one["recipe"]), one["horizon"], one["seed"]))
    write_json(path, {"benchmark": "ETTh1, test MSE of all windows", "cells": cells})


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's choices."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--architecture", default="", help=f"of {', '.join(RECIPES)}")
    parser.add_argument("--horizons", default="96,192,336,720")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.add_argument("--page", type=Path, help="rewrite the table on this page")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data/bench/ETTh1.csv")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/ett.json")
    args = parser.parse_args(arguments)
    args.architecture = [name for name in args.architecture.split(",") if name]
    args.horizons = [int(horizon) for horizon in args.horizons.split(",")]
    for name in args.architecture:
        if name not in RECIPES:
            parser.error(f"no recipe for {name!r}; there are: {', '.join(RECIPES)}")
    for horizon in args.horizons:
        if horizon not in HORIZONS:
            parser.error(f"no paper's figure for horizon {horizon}")
    return args


def run(args: argparse.Namespace) -> None:
    """Train the cells that are missing; the first seed of every horizon comes first."""
    torch.set_num_threads(args.threads)
    keep_freed_memory()
    rows_RF = load(args.data)
    for name in args.architecture:
        for seed in range(args.seeds):
            for horizon in args.horizons:
                settings = RECIPES[name].settings(horizon)
                place = {"recipe": name, "horizon": horizon, "seed": seed}
                if any(place.items() <= cell.items() for cell in current(kept(args.out))):
                    continue
                series = Series(rows_RF, settings["look_back"], horizon)
                scores = train(name.split(":")[0], settings, series, seed)
                about = {"torch": torch.__version__, "machine": platform.machine()}
                keep(args.out, {**place, **scores, "settings": settings, **about})
                print(f"{name} → {horizon}, seed {seed}: test MSE {scores['test_mse']:.4f}\n")


def main(arguments: Sequence[str] | None = None) -> None:
    args = parsed(arguments)
    if args.architecture:
        run(args)
    cells = kept(args.out)
    if args.page is not None:
        args.page.write_text(paged(args.page.read_text("utf-8"), cells), encoding="utf-8")
    rows = summary(cells)
    if args.json:
        print(json.dumps(rows, indent=2))
        return
    print("model          look-back  horizon  seeds    ours   paper   ratio")
    for row in rows:
        print(
            f"{row['recipe']:14} {row['look_back']:9d} {row['horizon']:8d} {row['seeds']:6d}  "
            f"{row['ours']:.4f}   {row['paper']:.3f}  {row['ratio']:6.3f}"
            f"{'' if row['within'] else f'  NOT within {MARGIN:.0%}'}"
        )


if __name__ == "__main__":
    main()
