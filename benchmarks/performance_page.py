"""Writes the tables of docs/performance.md from benchmarks/results.

    python benchmarks/performance_page.py [--machine here]

Between ``<!-- begin NAME -->`` and ``<!-- end NAME -->`` stands what the results of NAME say; a
block whose results are missing stays as it is. Goals are those of the issue that asked for speed;
each is held against its figure here, so that the page cannot claim what was not measured.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent / "docs" / "performance.md"
_MACHINE = re.compile(r"results/\*-(\S+?)\.json")
_BLOCK = re.compile(r"(<!-- begin (\w+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)


def render(page: str, machine: str, folder: Path = FOLDER / "results") -> str:
    """Return the page with its tables renewed."""

    def renewed(block: re.Match[str]) -> str:
        name = block[2]
        path = folder / f"{name}-{machine}.json"
        if not path.exists():
            return block[0]
        return f"{block[1]}\n{TABLES[name](json.loads(path.read_text()))}\n{block[3]}"

    return _BLOCK.sub(renewed, page)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def verdict(value: float, goal: float, *, most: bool = False) -> str:
    """Say a goal and whether it is reached."""
    reached = value <= goal if most else value >= goal
    return f"{goal:g}" if reached else f"{goal:g}, **not reached**"


def panel(content: Sequence[dict[str, Any]]) -> str:
    rows = [
        (
            f"{row['symbols']}",
            f"{row['rows']:,}",
            f"{row['build_cpu_s']:.1f} s",
            f"{row['memory']['made_s']:.1f} s",
            f"{row['memory']['peak_gb']:.2f} GB",
            f"{row['mapped']['peak_gb']:.2f} GB",
            f"{row['memory']['gather_share']:.1%}",
        )
        for row in content
    ]
    head = (
        "symbols",
        "rows",
        "datasets built, CPU",
        "windows made",
        "peak in memory",
        "peak mapped",
        "gather, of a step",
    )
    return f"{table(head, rows)}\nGoals: 431 symbols within 3 GB, gather at most 2 % of a step.\n"


#: Goals of a step: over fp32 peers, over transformers in bf16, share of the peak by precision.
STEP_GOALS: dict[str, dict[str, float]] = {
    "independent-2M": {"fp32": 3.0, "transformers bf16": 2.0},
    "independent-20M": {"fp32": 2.0, "bf16": 2.0},
    "mixing-2M": {"share bf16": 0.70},
    "mixing-20M": {"share bf16": 0.82, "share fp32": 0.88},
    "mixing-200M": {"share bf16": 0.85},
}


def training(content: dict[str, Any]) -> str:
    parts = []
    for case, found in content["training step"].items():
        peaks = ", ".join(f"{p} {peak:.0f}" for p, peak in found["peak GFLOP/s"].items())
        rows = []
        for title, row in found["steps"].items():
            ratio = found.get(f"finscale's best over {title}")
            rows.append(
                (
                    title,
                    f"{row['windows/s']:,.1f}",
                    f"{row['share of peak']:.0%}",
                    f"{ratio:.2f} ×" if ratio else "",
                )
            )
        head = (f"{case}, batch {found['batch']} (peak {peaks})", "windows/s", "of peak", "ours")
        parts.append(f"{table(head, rows)}\n{_step_goals(case, found)}\n")
    return "\n".join(parts)


def _step_goals(case: str, found: dict[str, Any]) -> str:
    goals, words = STEP_GOALS[case], []
    ratios = {
        title.removeprefix("finscale's best over "): value
        for title, value in found.items()
        if title.startswith("finscale's best over ") and "compiled" not in title
    }
    for precision in ("fp32", "bf16"):
        if precision in goals:
            least = min(value for title, value in ratios.items() if title.endswith(precision))
            said = verdict(least, goals[precision])
            words.append(f"over the peers in {precision} at least {least:.1f} × (goal {said})")
        if f"share {precision}" in goals:
            share = found["steps"][f"finscale {precision}"]["share of peak"]
            said = verdict(100 * share, 100 * goals[f"share {precision}"])
            words.append(f"{share:.0%} of the {precision} peak (goal {said})")
    if "transformers bf16" in goals:
        ratio = ratios["transformers bf16"]
        said = verdict(ratio, goals["transformers bf16"])
        words.append(f"over transformers in bf16 {ratio:.1f} × (goal {said})")
    return f"{'; '.join(words).capitalize()}."


def fit_overhead(content: dict[str, Any]) -> str:
    parts = ("steps", "validation", "preparing", "saving", "callbacks", "loop")
    rows = []
    for size, row in content["shares of a fit"].items():
        inside = row["steps"] + row["validation"]
        rows.append(
            (
                size,
                f"{row['seconds']:.1f}",
                *(f"{row[part]:.1%}" for part in parts),
                f"{inside:.1%} (goal {verdict(100 * inside, 95)})",
            )
        )
    said = table(("parameters", "s", *parts, "steps and validation"), rows)
    for case, found in content.items():
        if not case.startswith("independent"):
            continue
        best = max(row["windows/s"] for title, row in found.items() if "finscale" in title)
        lines = [
            (
                title,
                f"{row['windows/s']:,.1f}",
                f"{1 - row['steps'] - row['validation']:.1%}",
                "" if "finscale" in title else f"{best / row['windows/s']:.1f} ×",
            )
            for title, row in found.items()
        ]
        head = (f"whole fit, {case}", "windows/s", "outside of steps and validation", "ours")
        said += f"\n{table(head, lines)}"
    return said


def bf16_agreement(content: dict[str, Any]) -> str:
    rows = []
    for budget, scores in content["scores"].items():
        for name, found in scores.items():
            low, high = found["95 % interval"]
            rows.append(
                (
                    f"{budget}, {name}",
                    f"{sum(found['fp32']) / len(found['fp32']):.4f}",
                    f"{found['mean difference']:+.5f} [{low:+.5f}, {high:+.5f}]",
                    f"{found['fp32 seed deviation']:.4f}",
                    "yes" if found["agree"] else "**no**",
                )
            )
    head = ("", "fp32", "bf16 − fp32", "from seed to seed", "within seed noise")
    return table(head, rows)


def memory(content: dict[str, Any]) -> str:
    rows = [
        (
            title,
            f"{found['process'] / 1e9:.2f}",
            f"{found['predicted'] / 1e9:.2f}",
            f"{found['error']:+.0%}",
        )
        for title, found in content["bytes"].items()
    ]
    largest = max(found["process"] for found in content["bytes"].values()) / 1e9
    worst = max(abs(found["error"]) for found in content["bytes"].values())
    said = table((f"batch {content['batch']}", "peak, GB", "predicted", "error"), rows)
    return (
        f"{said}\n200M at most {largest:.1f} GB (goal {verdict(largest, 5, most=True)}); "
        f"predictions within {worst:.0%} (goal {verdict(100 * worst, 10, most=True)} %).\n"
    )


def study(content: dict[str, Any]) -> str:
    rows = [
        (
            {"plain": "one after another, eager fp32"}.get(way, f"the {way}"),
            f"{found['seconds']:.0f} s",
            f"{found['runs']}",
            found["name"],
            f"{_estimate(found['gain'])}",
        )
        for way, found in content["ways"].items()
    ]
    head = ("", "wall time", "runs", "verdict", "gain, nats")
    same = "the same verdict" if content["same verdict"] else "**verdicts differ**"
    ratios = "; ".join(f"the {way} {ratio:.2f} ×" for way, ratio in content["ratios"].items())
    best = verdict(max(content["ratios"].values()), 2.5)
    return f"{table(head, rows)}\nAs fast as one after another: {ratios} (goal {best}), {same}.\n"


def _estimate(gain: Any) -> str:
    if isinstance(gain, dict):
        return f"{gain['value']:.4f} [{gain['low']:.4f}, {gain['high']:.4f}]"
    return str(gain)


def kernels(content: dict[str, Any]) -> str:
    figures = content["figures"]
    names = list(next(iter(next(iter(figures.values()))["steps"].values()))["over all kernels"])
    rows = [
        (
            found["processor"]["vectors"],
            step,
            f"{row['ms a step']:.2f}",
            *(f"{row['over all kernels'][name]:.2f}" for name in names),
        )
        for found in figures.values()
        for step, row in found["steps"].items()
    ]
    return table(("processor", "step", "ms", *names), rows)


def spinning(content: dict[str, Any]) -> str:
    rows = [
        (way, f"{found['quiet']:,}", f"{found['busy']:,}")
        for way, found in content["windows a second"].items()
    ]
    return table(("threads wait", "quiet machine, windows/s", "beside another training"), rows)


def windows(content: dict[str, Any]) -> str:
    rows = [
        (
            features,
            f"{found['buffer share']:.2%}",
            f"{found['gather share']:.2%}",
            f"{found['buffer batches/s'] / found['DataLoader batches/s']:.1f} ×",
        )
        for features, found in content["figures"].items()
    ]
    head = ("features", "into a buffer, of a step", "into fresh memory", "over DataLoader")
    return f"{table(head, rows)}\nGoal: 2 % of a step.\n"


def features(content: dict[str, Any]) -> str:
    found = content["figures"]
    rows = [
        (name, f"{row['wall'] * 1e3:,.1f} ms", f"{row['ratio']:.2f}") for name, row in found.items()
    ]
    ratio, wall = found["finscale, frames"]["ratio"], content["end_to_end"]["wall"]
    return (
        f"{table(('a20', 'wall', '× bare TA-Lib, an asset'), rows)}\n"
        f"Goal {verdict(ratio, 1.5, most=True)}. From parquet to {content['assets']} registered "
        f"datasets of {content['rows']:,} rows: {wall:.1f} s "
        f"(goal {verdict(wall, 3, most=True)}).\n"
    )


def feature_tiers(content: dict[str, Any]) -> str:
    taken, beside = content["seconds"], content["beside"]
    one, many = content["datasets"][0], content["datasets"][-1]
    goals = {"TA-Lib and polars": 2.0, "pandas-ta-classic": 0.1}
    rows = [
        ("a20; a200 of one symbol", f"{taken['a20'] * 1e3:.1f} ms; {taken['a200']:.2f} s", ""),
        ("a2000 of one symbol", f"{taken['a2000']:.1f} s", verdict(taken["a2000"], 15, most=True)),
        *(
            (
                f"{found['columns']} columns of a200, over {name}",
                f"{found['finscale']['ratio']:.3g} ×",
                verdict(found["finscale"]["ratio"], goals[name], most=True),
            )
            for name, found in beside.items()
        ),
        (
            f"datasets of a2000, a symbol: 1 process; {many['workers']}",
            f"{one['cpu'] / one['symbols']:.1f} s; {many['cpu'] / many['symbols']:.1f} s",
            "alike",
        ),
        (
            f"memory of all {many['workers'] + 1} processes together",
            f"{many['peak']:.2f} GiB",
            verdict(many["peak"], 2, most=True),
        ),
        ("a dataset that is unchanged", f"{many['again'] / many['symbols']:.2f} s", ""),
    ]
    head = (f"{content['rows']:,} daily bars, seconds of CPU", "measured", "goal")
    return f"{table(head, rows)}\n"


def startup(content: dict[str, Any]) -> str:
    goals = {"import finscale": 0.3, "finscale --help": 0.3, "finscale runs list": 0.5}
    rows = [
        (
            f"`{name}`",
            f"{row['wall']:.2f} s",
            verdict(row["wall"], goals[name], most=True) if name in goals else "",
        )
        for name, row in content["figures"].items()
    ]
    return table(("", "wall", "goal, s"), rows)


def evaluate(content: dict[str, Any]) -> str:
    found = content["command"]
    wall = found["text_wall_s"]
    return table(
        ("", "wall", "goal, s"),
        [
            (
                f"`finscale evaluate`, {content['runs']} runs",
                f"{wall:.1f} s",
                verdict(wall, 5, most=True),
            ),
            ("the same with `--json`", f"{found['json_wall_s']:.1f} s", ""),
            ("one run", f"{found['one_run_wall_s']:.1f} s", ""),
            (
                "`study.results()`, a run; remembered",
                f"{content['results_first']['wall_s'] * 1e3:.0f} ms; "
                f"{content['results_again']['wall_s'] * 1e3:.1f} ms",
                "",
            ),
        ],
    )


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    one.__name__: one
    for one in (
        training,
        fit_overhead,
        bf16_agreement,
        memory,
        study,
        kernels,
        spinning,
        windows,
        features,
        feature_tiers,
        panel,
        startup,
        evaluate,
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--machine", help="as in the files' names, or here; the page's own if absent"
    )
    machine = parser.parse_args().machine
    page = PAGE.read_text()
    if machine == "here":
        from machine import machine_name

        machine = machine_name()
    named = _MACHINE.search(page)
    assert named is not None, "the page does not say whose figures it shows"
    machine = machine or named[1]
    page = page.replace(named[0], f"results/*-{machine}.json")
    PAGE.write_text(render(page, machine))


if __name__ == "__main__":
    main()
