"""Do two sizes of a study act on one another? The plain table, and the law with a product term.

The plain answer needs no law: what the largest size of the first axis gains over its smallest, at
the largest size of the second, less the same gain at the smallest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from finscale.config import StudyConfig
from finscale.data import DataStore
from finscale.errors import FinscaleError
from finscale.evaluation.bootstrap import Metric
from finscale.scaling import size_covariance
from finscale.scaling.digits import signed
from finscale.study.analysis import longest_horizon, surface, whole
from finscale.study.axes import AXES, nominal
from finscale.study.daily import Completed, replicates, study_values
from finscale.study.outcomes import measure_of

if TYPE_CHECKING:
    from finscale.scaling import Law
    from finscale.scaling.measure import Measure


#: The parameter of the product in the law ``interaction``.
PRODUCT = "G"


@dataclass(frozen=True)
class Interaction:
    """What two axes bring together beyond what each brings alone."""

    axes: tuple[str, str]
    table: pl.DataFrame
    """One row a size of the first axis, one column a size of the second (in words): the outcome."""
    gain: Metric
    """Gain along the first axis at the largest size of the second, less that at the smallest."""
    law: Law | None
    """The surface with a product of its two terms; None where ``why_no_law`` says why."""
    why_no_law: str
    measure: Measure
    ends: tuple[str, str]
    """The second axis' smallest and largest size, in words."""

    @property
    def sentence(self) -> str:
        """Return what the difference of the gains says."""
        first, second = (AXES[axis].title for axis in self.axes)
        amount = self.measure.amount(signed(self.gain, self.measure.digits))
        said = (
            "Yes, they help one another"
            if self.gain.low > 0
            else "Yes, they stand in for one another"
            if self.gain.high < 0
            else "That is not seen"
        )
        small, large = self.ends
        return (
            f"Do {first} and {second} interact? {said}: growing along {first} gains {amount} more "
            f"at {large} than at {small}."
        )

    @property
    def law_sentence(self) -> str:
        """Return what the law with a product of its two terms says, or why it says nothing."""
        from finscale.scaling.law_text import interval, number

        law = self.law
        if law is None:
            return f"The law with a product of both terms cannot be fitted: {self.why_no_law}"
        first, second = (AXES[axis].title for axis in self.axes)
        one, other = law.form.axes
        equation = law.form.equation.replace("^-alpha", "^−α").replace("^-beta", "^−β")
        told = f"The law with a product, {equation} ({one}: {first}, {other}: {second})"
        if not law.identified:
            reason = law.reason.replace("alpha", "α").replace("beta", "β")
            return f"{told}, is not identified by these runs: {reason}."
        numbers = ", ".join(
            f"{name} = {number(law[name].value)} {interval(law[name].interval)}"
            for name in law.params
        )
        low, high = law[PRODUCT].interval
        said = (
            f"{PRODUCT} < 0: a larger size of either makes more of the other"
            if high < 0
            else f"{PRODUCT} > 0: what one brings, the other need not bring again"
            if low > 0
            else f"the interval of {PRODUCT} holds 0, so that no interaction is seen"
        )
        return f"{told}, has {numbers}: {said}."

    def law_rows(self) -> list[dict[str, Any]]:
        """Return one row for each parameter of the law: name, meaning, value, low and high."""
        if self.law is None or not self.law.identified:
            return []
        found = (self.law[name] for name in self.law.params)
        return [
            {"name": e.name, "meaning": e.meaning, "value": e.value, "low": e.low, "high": e.high}
            for e in found
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "axes": list(self.axes),
            "table": self.table.to_dicts(),
            "gain": vars(self.gain),
            "law": self.law.to_dict() if self.law else None,
            "why_no_law": self.why_no_law,
            "sentence": self.sentence,
            "law_sentence": self.law_sentence,
        }


def interaction(
    study: StudyConfig, completed: Completed, data: DataStore | None = None
) -> Interaction | None:
    """Return how a study's two axes act on one another; None with one axis or an unfinished grid.

    Raises
    ------
    FinscaleError
        If too few runs are finished to say how sure the gains are.
    """
    from scipy.stats import t

    if len(study.axes) != 2 or min(map(len, study.axes.values())) < 2:
        return None
    first, second = study.axes
    values = replicates(study_values(study, whole(study, completed)[0], data, common=True))
    places = [f"size_{first}", f"size_{second}"]
    rows, columns = (values[name].unique().sort().to_list() for name in places)
    if len(rows) < len(study.axes[first]) or len(columns) < len(study.axes[second]):
        return None
    measure = measure_of(study)
    loss_GST, keys = _cells(values, places)
    if len(keys) < len(rows) * len(columns):
        return None
    found = size_covariance(
        loss_GST if not measure.higher_is_better else -loss_GST, horizon=longest_horizon(study)
    )
    weight_G = np.zeros(len(keys))
    for size, other in ((0, -1), (0, 0), (-1, -1), (-1, 0)):
        # loss saved: the smaller size's less the larger's; at the second's smallest, taken away
        sign = (1.0 if size == 0 else -1.0) * (1.0 if other == -1 else -1.0)
        weight_G[keys.index((rows[size], columns[other]))] = sign
    value, error, degrees = found.contrast(weight_G)
    half = error * float(t.ppf(1 - study.level / 2, degrees))
    law, why = _law(study, completed, data)
    words = {nominal(second, size): AXES[second].words(size) for size in study.axes[second]}
    return Interaction(
        axes=(first, second),
        table=_table(values, study, places, words),
        gain=Metric(value, value - half, value + half),
        law=law,
        why_no_law=why,
        measure=measure,
        ends=(AXES[second].sized(words[columns[0]]), AXES[second].sized(words[columns[-1]])),
    )


def _law(
    study: StudyConfig, completed: Completed, data: DataStore | None
) -> tuple[Law | None, str]:
    try:
        return surface(study, completed, data, form="interaction"), ""
    except FinscaleError as error:
        return None, error.message


def _cells(
    values: pl.DataFrame, places: list[str]
) -> tuple[np.ndarray[Any, np.dtype[np.float64]], list[tuple[float, float]]]:
    """Return values ``[cells, replicates, days]``, NaN where none is, and the cells' sizes."""
    wide = values.pivot(on="day", index=[*places, "seed"], values="value", sort_columns=True)
    keys = sorted({(row[0], row[1]) for row in wide.select(places).iter_rows()})
    seeds = values["seed"].unique().sort().to_list()
    array_GST = np.full((len(keys), len(seeds), wide.width - 3), np.nan)
    for one, other, seed, *days in wide.iter_rows():
        array_GST[keys.index((one, other)), seeds.index(seed)] = days
    return array_GST, keys


def _table(
    values: pl.DataFrame, study: StudyConfig, places: list[str], words: dict[float, str]
) -> pl.DataFrame:
    means = values.group_by(places).agg(pl.col("value").mean()).sort(places)
    first = next(iter(study.axes))
    rows = []
    for size in sorted(study.axes[first], key=lambda size: nominal(first, size)):
        own = means.filter(pl.col(places[0]) == nominal(first, size))
        cells = {words[other]: value for _, other, value in own.iter_rows()}
        rows.append({first: AXES[first].words(size), **cells})
    return pl.DataFrame(rows)
