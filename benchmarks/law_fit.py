"""Bootstrap refits of the Hoffmann surface: one batch here, L-BFGS-B from a grid of starts there.

The field's way (Hoffmann et al. 2022, appendix D.3; Besiroglu et al. 2024): for every bootstrap
replicate, L-BFGS-B on the log-sum-exp form of the law under Huber's loss, from each of 4,500
starts, and the best end is kept. It is written here on scipy with an analytic gradient. The PyPI
package `chinchilla` does the same with numeric gradients in long doubles; it is timed when it is
installed.

Data are the published Chinchilla points where `../shared/reference` holds them, else as many points
of a surface like theirs. Rounds are interleaved, and CPU time is what is compared, so that other
work on the machine does not decide.

    python benchmarks/law_fit.py [--rounds 3] [--batch 4000] [--every 1]
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import platform
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import minimize

from finscale.files import write_json
from finscale.scaling import fit_batch
from finscale.scaling.robust import DELTA, huber

ROOT = Path(__file__).resolve().parents[1]
POINTS = ROOT / "../shared/reference/chinchilla_svg_extracted_data.csv"
WANTED_RATIO = 100.0
Array = NDArray[np.float64]

#: Besiroglu et al.'s grid of starts: a = ln A, b = ln B, e = ln E, alpha, beta.
STARTS = np.array(
    list(
        itertools.product(
            np.arange(0.0, 30.0, 5.0),
            np.arange(0.0, 30.0, 5.0),
            np.arange(-1.0, 1.5, 0.5),
            np.arange(0.0, 2.5, 0.5),
            np.arange(0.0, 2.5, 0.5),
        )
    )
)


def points() -> tuple[Array, Array, str]:
    """Return sizes ``[240, 2]``, losses ``[240]`` and where they come from."""
    if POINTS.exists():
        frame = pl.read_csv(POINTS).sort("loss").head(240)
        size = frame["Model Size"].to_numpy()
        data = frame["Training FLOP"].to_numpy() / 6 / size
        return np.column_stack([size, data]), frame["loss"].to_numpy(), "Chinchilla, 240 points"
    rng = np.random.default_rng(0)
    size = np.exp(rng.uniform(np.log(5e7), np.log(1.6e10), 240))
    data = np.exp(rng.uniform(np.log(8e8), np.log(3e11), 240))
    loss = 1.817 + 477.8 * size**-0.347 + 2143 * data**-0.367
    noise = 0.01 * rng.standard_t(3, 240)
    return np.column_stack([size, data]), loss * np.exp(noise), "a surface like Chinchilla's"


def field_objective(p: Array, log_x: Array, log_y: Array, weight: Array) -> tuple[float, Array]:
    """Return summed Huber loss and its gradient in (a, b, e, alpha, beta)."""
    a, b, e, alpha, beta = p
    terms = np.stack([a - alpha * log_x[:, 0], b - beta * log_x[:, 1], np.full(len(log_y), e)])
    top = terms.max(axis=0)
    parts = np.exp(terms - top)
    total = parts.sum(axis=0)
    share = parts / total
    residual = top + np.log(total) - log_y
    pull = weight * np.clip(residual, -DELTA, DELTA)
    gradient = np.array(
        [
            pull @ share[0],
            pull @ share[1],
            pull @ share[2],
            -pull @ (share[0] * log_x[:, 0]),
            -pull @ (share[1] * log_x[:, 1]),
        ]
    )
    return float(weight @ huber(residual)), gradient


def field_fit(x: Array, y: Array, weight: Array, starts: Array) -> float:
    """Return the least objective over all starts."""
    arguments = (np.log(x), np.log(y), weight)
    return min(
        minimize(field_objective, start, args=arguments, jac=True, method="L-BFGS-B").fun
        for start in starts
    )


def package_fit(x: Array, y: Array, weight: Array, starts: Array) -> float:
    """Return the objective that the PyPI package `chinchilla` reaches on one replicate."""
    from chinchilla import Chinchilla
    from chinchilla._metrics import log_huber

    rows = np.repeat(np.arange(len(y)), weight.astype(int))
    grid = {
        name: np.unique(starts[:, i]) for i, name in enumerate(("a", "b", "e", "alpha", "beta"))
    }
    with tempfile.TemporaryDirectory() as folder:
        frame = pl.DataFrame({"N": x[rows, 0], "D": x[rows, 1], "loss": y[rows]})
        frame = frame.select(C=6 * pl.col("N") * pl.col("D"), N="N", D="D", loss="loss")
        frame.write_csv(Path(folder) / "df.csv")
        fitter = Chinchilla(
            folder,
            param_grid={name: grid[name] for name in ("e", "a", "b", "alpha", "beta")},
            seed_ranges={"C": (1e18, 1e19), "N_to_D": (1, 100)},
            loss_fn=partial(log_huber, delta=DELTA),
            log_level=50,
        )
        fitter.fit(parallel=False)
    p = [np.log(fitter.A), np.log(fitter.B), np.log(fitter.E), fitter.alpha, fitter.beta]
    found = np.asarray(p, dtype=np.float64)
    return field_objective(found, np.log(x), np.log(y), weight)[0]


def timed(work: Any, *arguments: Any) -> tuple[Any, float, float]:
    """Return the result, CPU seconds and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = work(*arguments)
    return result, time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="replicates fitted the field's way")
    parser.add_argument("--batch", type=int, default=4000, help="replicates in each of our batches")
    parser.add_argument("--every", type=int, default=1, help="use each n-th start of the grid")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/law_fit.json")
    options = parser.parse_args()
    x, y, source = points()
    starts = STARTS[:: options.every]
    peers = {"L-BFGS-B from a grid": field_fit}
    skipped = {}
    if importlib.util.find_spec("chinchilla"):
        peers["chinchilla (PyPI)"] = package_fit
    else:
        skipped["chinchilla (PyPI)"] = "not installed: pip install chinchilla"
        print("chinchilla (PyPI) is not installed and is left out")
    rng = np.random.default_rng(1)
    n = len(y)
    rounds = []
    for index in range(options.rounds):
        drawn = rng.multinomial(n, np.full(n, 1 / n), size=options.batch).astype(np.float64)
        batch, cpu, wall = timed(
            lambda weights: fit_batch("hoffmann", x, y, loss="huber", weights=weights), drawn
        )
        found: dict[str, Any] = {
            "finscale": {
                "cpu_s_per_replicate": cpu / options.batch,
                "wall_s_of_batch": wall,
                "cpu_s_of_batch": cpu,
                "objective": float(batch.objective_R[0]),
                "converged": float(batch.converged_R.mean()),
            }
        }
        for name, fit in peers.items():
            objective, cpu, wall = timed(fit, x, y, drawn[0], starts)
            ours = found["finscale"]
            found[name] = {
                "cpu_s_per_replicate": cpu,
                "wall_s_per_replicate": wall,
                "objective": objective,
                "times_slower": cpu / ours["cpu_s_per_replicate"],
                "finscale_objective_no_worse": ours["objective"] <= objective * (1 + 1e-9),
            }
            print(
                f"round {index + 1}: {name}: {cpu:.2f} s against "
                f"{1e3 * ours['cpu_s_per_replicate']:.2f} ms a replicate "
                f"(×{found[name]['times_slower']:.0f}); objective {objective:.9f} against "
                f"{ours['objective']:.9f}"
            )
        rounds.append(found)
    ratios = [r["L-BFGS-B from a grid"]["times_slower"] for r in rounds]
    seconds = [r["finscale"]["cpu_s_of_batch"] for r in rounds]
    print(
        f"{options.batch} refits on {n} points: {np.median(seconds):.2f} s of CPU; the field's way "
        f"takes {np.median(ratios):.0f} times as long a replicate (wanted: {WANTED_RATIO:.0f})"
    )
    write_json(
        options.out,
        {
            "command": f"python benchmarks/law_fit.py --rounds {options.rounds} "
            f"--batch {options.batch} --every {options.every}",
            "data": source,
            "starts": len(starts),
            "batch": options.batch,
            "median_times_slower": float(np.median(ratios)),
            "median_cpu_s_of_batch": float(np.median(seconds)),
            "skipped": skipped,
            "rounds": rounds,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "processor": platform.machine(),
        },
    )


if __name__ == "__main__":
    main()
