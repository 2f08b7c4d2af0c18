"""How often a law's 95 % intervals hold the truth, by how many sizes and seeds it rests on.

    python benchmarks/law_coverage.py [--draws 300] [--noise .01] [--replicates 100]

The world is a power law with a floor, L = .5 + A·x^-alpha, over three decades of sizes from 10k,
falling by .3 from the smallest to the largest; each seed adds normal noise, ``--noise`` as a share
of that fall. Each draw is fitted as ``finscale law fit`` does without options. Counted are the
exponent, the floor and the gain of the next tenfold, by the interval that is quoted (``quoted``)
and by both bootstrap intervals, among the laws that are identified; and by the quoted interval
among all draws (``all``), where a law that is not identified has open ends. A share of 300 draws at
95 % has a standard error of 1.3 points.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from finscale.files import write_json
from finscale.scaling import fit_law

ROOT = Path(__file__).resolve().parents[1]
SIZES, SEEDS, EXPONENTS = (4, 5, 7), (1, 2, 3, 5), (0.1, 0.3, 0.6)
FLOOR, FALL = 0.5, 0.3
LEAST, MOST = 0.90, 0.98
KINDS = ("quoted", "percentile", "bca")


def coverage(
    num_sizes: int, num_seeds: int, exponent: float, noise: float, draws: int, replicates: int
) -> dict[str, Any]:
    """Return the shares of one design."""
    size_n = np.geomspace(1e4, 1e7, num_sizes)
    scale = FALL / (size_n[0] ** -exponent - size_n[-1] ** -exponent)
    x = np.repeat(size_n, num_seeds)
    tenfold = scale * size_n[-1] ** -exponent * (1 - 10**-exponent)
    truth = {"alpha": exponent, "E": FLOOR, "gain_x10": tenfold}
    held = {name: dict.fromkeys((*KINDS, "all"), 0) for name in truth}
    identified = rejected = usual = 0
    for draw in range(draws):
        rng = np.random.default_rng([draw, num_sizes, num_seeds])
        loss = FLOOR + scale * x**-exponent + noise * FALL * rng.standard_normal(len(x))
        law = fit_law({"parameters": x, "loss": loss}, num_replicates=replicates)
        identified += law.identified
        rejected += law.fit.lack_of_fit is not None and law.fit.lack_of_fit.rejected
        usual += law.form.name == "power_floor"
        for name, true in truth.items():
            estimate = law.estimates.get(name)
            if estimate is None:
                continue
            ends = (estimate.interval, estimate.percentile, estimate.bca)
            inside = [bool(low <= true <= high) for low, high in ends]
            held[name]["all"] += inside[0]
            for kind, hit in zip(KINDS, inside, strict=True):
                held[name][kind] += hit and law.identified
    shares = {
        name: {
            kind: round(hits / (draws if kind == "all" else max(identified, 1)), 4)
            for kind, hits in counts.items()
        }
        for name, counts in held.items()
    }
    return {
        "sizes": num_sizes,
        "seeds": num_seeds,
        "exponent": exponent,
        "identified": identified / draws,
        "misfit_rejected": rejected / draws,
        "usual_form": usual / draws,
        **shares,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--replicates", type=int, default=100)
    parser.add_argument("--noise", type=float, default=0.01, help="share of the whole fall")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/law_coverage.json")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    every = [(n, s, exponent) for exponent in EXPONENTS for n in SIZES for s in SEEDS]
    shared = asked.noise, asked.draws, asked.replicates
    designs = []
    print(f"{'sizes':>5} {'seeds':>5} {'alpha':>5} {'ident.':>6}  {'quoted (percentile, BCa)':>26}")
    with ProcessPoolExecutor(asked.workers) as pool:
        for found in pool.map(coverage, *zip(*(design + shared for design in every), strict=True)):
            designs.append(found)
            shown = "  ".join(
                f"{name} {found[name]['quoted']:.1%} ({found[name]['percentile']:.1%}, "
                f"{found[name]['bca']:.1%})"
                for name in ("alpha", "E", "gain_x10")
            )
            design = f"{found['sizes']:>5} {found['seeds']:>5} {found['exponent']:>5}"
            print(f"{design} {found['identified']:>6.0%}  {shown}", flush=True)
    quoted = [found[name]["quoted"] for found in designs for name in ("alpha", "E", "gain_x10")]
    print(f"quoted intervals: {min(quoted):.1%} to {max(quoted):.1%}")
    command = (
        f"python benchmarks/law_coverage.py --draws {asked.draws} --noise {asked.noise} "
        f"--replicates {asked.replicates}"
    )
    within = [LEAST <= share <= MOST for share in quoted]
    content = {
        "command": command,
        "wanted": [LEAST, MOST],
        "share_within": sum(within) / len(within),
        "lowest": min(quoted),
        "highest": max(quoted),
        "designs": designs,
    }
    write_json(asked.out, content)


if __name__ == "__main__":
    main()
