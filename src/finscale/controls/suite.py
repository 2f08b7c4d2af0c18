"""Run controls many times and hold what the instrument says against what is true."""

from __future__ import annotations

import datetime as dt
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from finscale.controls import digits, exact, market, noise, panel, runs, shapes, tiers
from finscale.controls.case import CONTROLS, Control, ControlCheck, Losses, Truth
from finscale.errors import FinscaleError
from finscale.evaluation.blas import one_blas_thread
from finscale.scaling.decision import VERDICTS
from finscale.scaling.trend import FINE_EXPONENTS, SizeAxis
from finscale.scaling.verdict import Verdict, decide

#: Importing these modules registers their controls.
SOURCES = (noise, panel, shapes, runs, digits, market, exact, tiers)
#: What came of a world: a verdict, or none.
OUTCOMES = (*VERDICTS, "refused")

#: Replicates of the whole suite, and of the quick one.
FULL, QUICK = 300, 24
#: Cheap controls that the quick suite runs: one of each kind.
QUICK_CONTROLS = ("flat, 5 seeds", "garch, direction", "advertised law", "motifs, size")


@dataclass(frozen=True)
class Checked:
    """A check with what was measured."""

    measure: str
    rate: float
    limits: str
    passed: bool
    excused: bool


@dataclass(frozen=True)
class ControlResult:
    """All replicates of one control.

    The share of each verdict, of intervals that hold the truth and of other measures; where a law
    is planted, that truth and the median exponent found.
    """

    name: str
    about: str
    kind: str
    num_replicates: int
    rates: dict[str, float]
    exponent: float | None
    truth: Truth | None
    checks: tuple[Checked, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether every acceptance figure was met."""
        return all(check.passed or check.excused for check in self.checks)


@dataclass(frozen=True)
class ControlsReport:
    """The whole suite."""

    results: tuple[ControlResult, ...]
    num_replicates: int
    seed: int
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether every control passed."""
        return all(result.passed for result in self.results)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        content = asdict(self)
        for entry, result in zip(content["results"], self.results, strict=True):
            entry["passed"] = result.passed
        today = dt.datetime.now(dt.UTC).date().isoformat()
        return {"passed": self.passed, "measured": today, **content}


def run_controls(
    names: Sequence[str] | None = None,
    *,
    num_replicates: int = FULL,
    workers: int = 1,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> ControlsReport:
    """Run controls and check their acceptance figures.

    Parameters
    ----------
    names : sequence of str, optional
        Controls to run; all of them when absent.
    num_replicates : int
        Worlds drawn for each control. Below 200 a figure may be missed by chance: a check then
        fails only where it is missed by more than two standard errors.
    workers : int
        Processes. The result does not depend on their number.
    seed : int
        Seed of the suite.
    progress : callable, optional
        Told the control's name, replicates done and replicates in all.
    """
    started = time.perf_counter()
    order = ("null", "shape", "runs", "power", "exact", "digits", "market")
    by_kind = sorted(CONTROLS.values(), key=lambda control: order.index(control.kind))
    chosen = [CONTROLS[name] for name in names] if names else by_kind
    with ExitStack() as stack:
        # two processes whose products take two threads each cost three times the CPU time of one
        stack.enter_context(one_blas_thread())
        pool = None
        if workers > 1:
            pool = stack.enter_context(ProcessPoolExecutor(workers))
        results = tuple(_run(each, num_replicates, pool, seed, progress) for each in chosen)
    return ControlsReport(results, num_replicates, seed, time.perf_counter() - started)


def _run(
    control: Control,
    num_replicates: int,
    pool: ProcessPoolExecutor | None,
    seed: int,
    progress: Callable[[str, int, int], None] | None,
) -> ControlResult:
    started = time.perf_counter()
    one, numbers = partial(_replicate, control.name, seed), range(num_replicates)
    outcomes = []
    for outcome in pool.map(one, numbers, chunksize=8) if pool else map(one, numbers):
        outcomes.append(outcome)
        if progress is not None:
            progress(control.name, len(outcomes), num_replicates)
    verdicts, exponents, measures = zip(*outcomes, strict=True)
    counts: dict[str, int] = {name: verdicts.count(name) for name in OUTCOMES}
    counts |= {name: sum(1 for m in measures if m[name]) for name in measures[0]}
    rates = {name: count / num_replicates for name, count in counts.items()}
    truth = truth_of(control) if control.truth_G is not None else None
    return ControlResult(
        name=control.name,
        about=control.about,
        kind=control.kind,
        num_replicates=num_replicates,
        rates=rates,
        exponent=_middle(exponents) if truth else None,
        truth=truth,
        checks=tuple(_checked(check, rates, num_replicates) for check in control.checks),
        seconds=time.perf_counter() - started,
    )


def _middle(exponents: Sequence[float]) -> float | None:
    """Return the median of what was found; None where every world was refused."""
    found = [value for value in exponents if not np.isnan(value)]
    return float(np.median(found)) if found else None


def _replicate(name: str, seed: int, number: int) -> tuple[str, float, dict[str, bool]]:
    """Return one world's verdict, its exponent, and what else was measured."""
    control = CONTROLS[name]
    rng = np.random.default_rng([seed, zlib.crc32(name.encode()), number])
    drawn = control.draw(rng)
    measures = dict(drawn.measures)
    verdict = _judged(control, drawn, number)
    if control.truth_G is not None:
        measures |= _coverage(verdict, truth_of(control))
    for measure, says in control.says.items():
        measures[measure] = verdict is not None and says(verdict)
    if verdict is None:
        return "refused", float("nan"), measures
    return verdict.name, verdict.exponent.value, measures


def _judged(control: Control, drawn: Losses, seed: int) -> Verdict | None:
    """Return the verdict on one world; None where the instrument refuses to give one."""
    sizes = drawn.sizes if isinstance(drawn.losses_GST, np.ndarray) else None
    stated = {"sesoi": control.sesoi, "settle": False, "seed": seed, **control.options}
    try:
        return decide(drawn.losses_GST, sizes, **stated)
    except FinscaleError:
        return None


def _coverage(verdict: Verdict | None, truth: Truth) -> dict[str, bool]:
    found = {}
    for name, true in asdict(truth).items():
        if verdict is None:
            found[f"covers {name}"] = False
            continue
        metric = verdict.next_tenfold if name == "tenfold" else getattr(verdict, name)
        found[f"covers {name}"] = metric.low <= true <= metric.high
    return found


def truth_of(control: Control) -> Truth:
    """Return the exponent and gains of a control's true curve."""
    return control.truth or _nearest_law(control.name)


@cache
def _nearest_law(name: str) -> Truth:
    """Return the exponent and gains of the power law nearest to a control's true curve.

    Nearest with the weights that the verdict itself uses: those of one replicate's covariance.
    """
    control = CONTROLS[name]
    assert control.truth_G is not None
    drawn = control.draw(np.random.default_rng([zlib.crc32(name.encode())]))
    verdict = _judged(control, drawn, 0)
    assert verdict is not None
    curve_G = control.truth_G(drawn.sizes)
    axis = SizeAxis(tuple(drawn.sizes.tolist()), FINE_EXPONENTS)
    fall = axis.fit(curve_G[None], verdict.covariance.matrix_GG[None]).fall
    return Truth(
        exponent=float(-fall.exponent_B[0]),
        gain=float(curve_G[0] - curve_G[-1]),
        tenfold=float(-fall.step(10.0)[0]),
    )


def _checked(check: ControlCheck, rates: dict[str, float], num_replicates: int) -> Checked:
    rate = rates[check.measure]
    passed = check.at_least <= rate <= check.at_most
    bound = check.at_least if rate < check.at_least else check.at_most
    error = np.sqrt(bound * (1 - bound) / num_replicates)
    excused = not passed and num_replicates < 200 and abs(rate - bound) <= 2 * error
    return Checked(check.measure, rate, check.limits(), passed, bool(excused))
