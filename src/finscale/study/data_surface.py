r"""Parameters and data together: exponents of a surface, and where tenfold compute is best spent.

Two forms are fitted to the sizes of a study along ``parameters`` and along ``rows``, ``assets`` or
``data``. *Hoffmann's*, over parameters N and training windows U:
:math:`L = E + A N^{-\alpha} + B U^{-\beta}`, whose best size grows as
:math:`C^a, a = \beta / (\alpha + \beta)`. The *data-constrained* one (Muennighoff et al. 2023) over
N, the windows D that a training sees, repeats counted, and U, the different ones among them: D is
worth :math:`D' = U + U R^* (1 - e^{-(D/U - 1)/R^*})`. Where all trainings repeat their windows
equally often, D' is a multiple of U, and what a repeat is worth is not told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from finscale.config import StudyConfig
from finscale.data import DataStore
from finscale.errors import FinscaleError
from finscale.evaluation.bootstrap import Metric
from finscale.scaling import Law
from finscale.scaling.cost import CostModel
from finscale.scaling.digits import flops
from finscale.scaling.plan import Plan, plan
from finscale.scaling.sentences import interval, size
from finscale.study.analysis import law_over, whole
from finscale.study.axes import nominal
from finscale.study.daily import Completed, replicates, study_values

#: Axes that move how many windows a training sees.
DATA_AXES = ("rows", "assets", "data")
#: Epochs that differ by less than this factor do not tell what a repeat is worth.
_LEAST_REPEATS = 1.5


@dataclass(frozen=True)
class DataSurface:
    """A study's outcome over parameters and training windows."""

    law: Law
    """Hoffmann's form over parameters and different windows."""
    constrained: Law | None
    """The data-constrained form; None where ``why_not_constrained`` says why."""
    why_not_constrained: str
    plan: Plan | None
    """For ten times the compute of the most expensive training; None as ``why_no_plan`` says."""
    why_no_plan: str
    epochs: float
    """Times that a training sees each of its windows, on average."""
    most_windows: float
    """Different windows that the largest size of the data trains on."""
    compute: float
    """FLOPs of the most expensive size's training."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """Return what the surface says: exponents, repeats, and the plan."""
        return (self._exponents(), self._repeats(), self._planned())

    def _exponents(self) -> str:
        if not self.law.identified:
            return (
                "Over parameters N and training windows U, Hoffmann's form E + A·N^−α + B·U^−β "
                f"(2022) is not settled by these runs: {self.law.reason}."
            )
        names = {"alpha": "α", "beta": "β", "a": "a"}
        shown = ", ".join(
            f"{words} = {_estimate(self.law, name)}"
            for name, words in names.items()
            if name in self.law.estimates
        )
        return (
            "Over parameters N and training windows U the outcome follows E + A·N^−α + B·U^−β "
            f"(Hoffmann et al. 2022) with {shown}; a is the compute-optimal exponent: the best N "
            "grows as compute^a."
        )

    def _repeats(self) -> str:
        if self.constrained is None:
            return f"What a repeated window is worth is not told: {self.why_not_constrained}."
        source = "the data-constrained form (Muennighoff et al. 2023)"
        if not self.constrained.identified:
            return f"What a repeat is worth {source} does not settle: {self.constrained.reason}."
        return (
            f"By {source} a window is worth 1/e less after R* = "
            f"{_estimate(self.constrained, 'R*')} repeats; trainings here see each "
            f"{self.epochs:.1f} times."
        )

    def _planned(self) -> str:
        if self.plan is None:
            return f"How to spend ten times the compute is not said: {self.why_no_plan}."
        best, data = self.plan.num_parameters, self.plan.num_samples
        said = (
            f"Ten times the compute of the most expensive training ({flops(10 * self.compute)} "
            f"with {self.epochs:.1f} epochs) is best spent on {_sized(best)} parameters and "
            f"{_sized(data)} different windows"
        )
        share = data.value / self.most_windows
        if share > 1:
            return f"{said}: ×{share:.2g} as many as the largest size of the data has here."
        return f"{said}; the largest size of the data has {size(self.most_windows)}."

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "law": self.law.to_dict(),
            "data_constrained": self.constrained.to_dict() if self.constrained else None,
            "why_not_constrained": self.why_not_constrained,
            "tenfold_plan": self.plan.to_dict() if self.plan else None,
            "why_no_plan": self.why_no_plan,
            "sentences": list(self.sentences),
        }


def data_axis(study: StudyConfig) -> str | None:
    """Return the axis of data of a study along parameters and data; None of another study."""
    others = [str(axis) for axis in study.axes if axis != "parameters"]
    is_surface = len(study.axes) == 2 and len(others) == 1 and others[0] in DATA_AXES
    return others[0] if is_surface else None


def data_surface(
    study: StudyConfig, completed: Completed, data: DataStore | None = None
) -> DataSurface | None:
    """Return the surface of a study along parameters and data; None of another or unfinished one.

    Raises
    ------
    FinscaleError
        If too few runs are finished to fit a surface.
    """
    axis = data_axis(study)
    if axis is None:
        return None
    kept, _ = whole(study, completed)
    values = replicates(study_values(study, kept, data))
    return fit_surface(study, values.join(windows_seen(kept, axis), on=list(_places(axis))))


def surface_of(
    study: StudyConfig, completed: Completed, data: DataStore | None = None
) -> DataSurface | None:
    """Return :func:`data_surface`, and None too where too few runs are finished to fit one."""
    try:
        return data_surface(study, completed, data)
    except FinscaleError:
        return None


def windows_seen(kept: Completed, axis: str) -> pl.DataFrame:
    """Return per size the different windows, those seen with repeats, and FLOPs: means over runs.

    Columns: ``size_parameters``, ``size_<axis>``, ``windows``, ``samples``, ``flops``.
    """
    rows = []
    for planned, run in kept:
        if planned.cell.is_baseline:
            continue
        sizes = {f"size_{name}": nominal(name, one) for name, one in planned.cell.sizes.items()}
        windows, training = float(run.info["windows"]["train"]), run.info["training"]
        samples = windows * float(training.get("epochs") or 1)
        flops = float(training.get("flops") or 0.0)
        rows.append({**sizes, "windows": windows, "samples": samples, "flops": flops})
    return pl.DataFrame(rows).group_by(*_places(axis)).mean()


def fit_surface(study: StudyConfig, values: pl.DataFrame) -> DataSurface:
    """Fit both forms to values by size, replicate and day, and plan for ten times the compute.

    Parameters
    ----------
    values : polars.DataFrame
        Columns ``parameters, windows, samples, flops, seed, fold, day, value``.
    """
    cells = values.select("parameters", "windows", "samples", "flops").unique()
    law = law_over(study, values, ["parameters", "windows"], form="hoffmann")
    constrained, why = _constrained(study, values, cells)
    epochs = float((cells["samples"] / cells["windows"]).mean())  # type: ignore[arg-type]
    most, compute = float(cells["windows"].max()), float(cells["flops"].max())  # type: ignore
    planned, why_no_plan = _plan(law, cells, compute)
    return DataSurface(law, constrained, why, planned, why_no_plan, epochs, most, compute)


def _constrained(
    study: StudyConfig, values: pl.DataFrame, cells: pl.DataFrame
) -> tuple[Law | None, str]:
    epochs = (cells["samples"] / cells["windows"]).to_numpy()
    if epochs.max() < _LEAST_REPEATS * epochs.min():
        return None, (
            f"every size sees its windows about {epochs.mean():.1f} times, and only trainings that "
            "repeat them less and more often can tell"
        )
    names = ["parameters", "samples", "windows"]
    try:
        return law_over(study, values, names, form="data_constrained"), ""
    except FinscaleError as error:
        return None, error.message.rstrip(".")


def _plan(law: Law, cells: pl.DataFrame, compute: float) -> tuple[Plan | None, str]:
    """Plan by FLOPs: the operations of a parameter and different window are the study's own."""
    if not law.identified:
        return None, f"the exponents are not settled ({law.reason})"
    if compute <= 0:
        return None, "its runs did not record what they computed"
    own = (cells["flops"] / (cells["parameters"] * cells["windows"])).to_numpy()
    a_second = CostModel(flops_per_second=1.0, flops_per_parameter_sample=float(np.median(own)))
    return plan(law, a_second, hours=10 * compute / 3600), ""


def _places(axis: str) -> tuple[str, str]:
    return ("size_parameters", f"size_{axis}")


def _estimate(law: Law, name: str) -> str:
    estimate = law[name]
    return interval(Metric(estimate.value, *estimate.interval))


def _sized(metric: Metric) -> str:
    return f"{size(metric.value)} [{size(metric.low)}, {size(metric.high)}]"
