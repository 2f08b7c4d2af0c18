"""A fitted law in numbers: its parameters, intervals and predictions."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from finscale.files import null_for_nan
from finscale.scaling.estimates import region_of
from finscale.scaling.fit import Fit
from finscale.scaling.forms import Form
from finscale.scaling.forms.base import Array
from finscale.scaling.intervals import Estimate
from finscale.scaling.outliers import OutlyingRun, outlying_runs
from finscale.scaling.outlying_size import OutlyingSize, outlying_size
from finscale.scaling.prediction import Prediction, with_new_run
from finscale.scaling.profile import Region
from finscale.scaling.table import LawTable


@dataclass(frozen=True)
class Heldout:
    """A held-out size: the law's prediction and the measured loss."""

    x_d: Array
    observed: float
    predicted: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """Predicted minus observed."""
        return self.predicted - self.observed

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        told = ("observed", "predicted", "low", "high", "error")
        return {"x": self.x_d.tolist(), **{k: null_for_nan(getattr(self, k)) for k in told}}


@dataclass(frozen=True, repr=False)
class LawNumbers:
    """A fitted scaling law: parameters, intervals, and what the table cannot tell.

    A law that is not identified has NaN for every number that the table does not tell;
    ``reason`` says why.

    Parameters
    ----------
    table : LawTable
        Everything that was read, held-out sizes included.
    fit : Fit
        The fit to the sizes that were not held out.
    estimates : dict of str to Estimate
        Parameters and derived numbers, each with its intervals.
    replicates_Rp : array, ``[R, p]``
        Parameters of every bootstrap replicate.
    scheme : str
        What was resampled.
    block_length : float or None
        Mean block of days.
    heldout_n : array of bool, ``[n]``
        Sizes that were kept out of the fit.
    level : float
        Of every interval.
    chosen : str
        How the form was chosen, in a sentence; empty where it was named.
    """

    table: LawTable
    fit: Fit
    estimates: dict[str, Estimate]
    replicates_Rp: Array
    scheme: str
    block_length: float | None
    heldout_n: NDArray[np.bool_]
    level: float
    chosen: str = ""

    @property
    def form(self) -> Form:
        """The form that was fitted."""
        return self.fit.form

    @property
    def identified(self) -> bool:
        """Whether the table identifies the law's parameters."""
        return self.fit.identified

    @property
    def reason(self) -> str:
        """Why the law is not identified; empty when it is."""
        return self.fit.reason

    @property
    def outlying(self) -> tuple[OutlyingRun, ...]:
        """Runs that stand apart from the other seeds of their size."""
        return outlying_runs(self.table.runs_nS, self.table.x_nd, self.table.labels)

    @cached_property
    def outlying_size(self) -> OutlyingSize | None:
        """The one size that stands apart from the curve through the others."""
        return outlying_size(self.fit.problem)

    @property
    def params(self) -> dict[str, float]:
        """Parameters by name; NaN where not identified."""
        return self.fit.params

    def __getitem__(self, name: str) -> Estimate:
        """Return an estimate by name: a parameter, ``"gain_x10"``, ``"a"``."""
        return self.estimates[name]

    @cached_property
    def _region(self) -> Region | None:
        return region_of(self.fit, self.level)

    def predict(self, x: ArrayLike, level: float | None = None) -> Prediction:
        """Return the loss at sizes x, with intervals of the curve and of one new run.

        The interval of the curve is of the same kind as those of :class:`Estimate`: by profile
        likelihood where the loss and the form allow it, else from the bootstrap.

        Parameters
        ----------
        x : array, ``[m]`` or ``[m, d]``
            Sizes in the units of the table.
        level : float, optional
            Coverage of both intervals; the law's own by default.

        Returns
        -------
        Prediction
            ``mean, low, high`` and ``run_low, run_high``, each ``[m]``; NaN throughout when the law
            is not identified.
        """
        if level is not None and level != self.level:
            return replace(self, level=level).predict(x)
        curve, kept = self._curve(x), self.table.rows(~self.heldout_n)
        return with_new_run(curve, self.form.columns(x), kept, self.fit, self.level)

    def _curve(self, x: ArrayLike) -> Prediction:
        """Return the loss at sizes x with the interval of the curve."""
        x_nd = self.form.columns(x)
        if not self.identified:
            unknown = np.full(len(x_nd), np.nan)
            return Prediction(unknown, unknown, unknown)
        mean = self.form.predict(x_nd, self.fit.theta_p)
        if self._region is not None:
            x0_d = self.form.reference_sizes(self.fit.problem.x_nd)
            basis_GnK = self.form.basis(x_nd / x0_d, self._region.grid_GQ)
            own = self.form.offset
            offset_Gn = None if own is None else own(x_nd / x0_d, self._region.grid_GQ)
            return Prediction(mean, *self._region.combination(basis_GnK, offset_Gn))
        curves_Rn = self.form.predict(x_nd, self.replicates_Rp)
        tail = (1 - self.level) / 2
        low, high = np.nanquantile(curves_Rn, [tail, 1 - tail], axis=0)
        return Prediction(mean, low, high)

    def size_for(self, loss: float, *others: float) -> float:
        """Return the size at which the law reaches a loss; infinite where it never does."""
        if not self.identified:
            return float("nan")
        return self.form.inverse(loss, self.fit.theta_p, others)

    @property
    def heldout(self) -> list[Heldout]:
        """The law's predictions at the sizes that were held out."""
        if not self.heldout_n.any():
            return []
        kept_out = self.table.rows(self.heldout_n)
        prediction = self.predict(kept_out.x_nd)
        return [
            Heldout(x_d, float(y), *(float(part[i]) for part in prediction))
            for i, (x_d, y) in enumerate(zip(kept_out.x_nd, kept_out.y_n, strict=True))
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the law as plain values for JSON; None where a number is not known.

        Numbers are of what was fitted, which ``measure`` names: of accuracy 1 - accuracy.
        """
        measure = self.table.measure
        return {
            **self.fit.to_dict(),
            "reason": self.reason,
            "axes": list(self.table.axes),
            "loss_column": self.table.loss,
            "num_sizes": int(np.count_nonzero(~self.heldout_n)),
            "num_runs": int(self.table.seeds_n.sum()),
            "level": self.level,
            "bootstrap": {
                "resampled": self.scheme,
                "replicates": len(self.replicates_Rp),
                "block_length": self.block_length,
            },
            "estimates": {name: e.to_dict() for name, e in self.estimates.items()},
            "heldout": [held.to_dict() for held in self.heldout],
            "chosen": self.chosen,
            "outlying": [asdict(run) for run in self.outlying],
            "outlying_size": self.outlying_size and asdict(self.outlying_size),
            "seeds": self.table.seeds,
            "measure": {
                **{name: getattr(measure, name) for name in ("title", "unit", "fitted")},
                "higher_is_better": measure.higher_is_better,
            },
            "notes": list(self.table.notes),
        }
