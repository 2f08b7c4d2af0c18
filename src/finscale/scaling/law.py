"""`fit_law`: a scaling law from a table, in the manner of the field's estimators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from finscale.calling import spoken
from finscale.scaling import law_plot, law_text
from finscale.scaling.axes import form_for, with_axes_checked
from finscale.scaling.dropping import drop_runs, drops_unfinished, with_seeds
from finscale.scaling.estimates import estimates_of, unidentified_estimates
from finscale.scaling.fit import Fit, fit_form
from finscale.scaling.form_choice import choose_form
from finscale.scaling.forms import Form
from finscale.scaling.forms.fixed import fixed
from finscale.scaling.grouped import num_groups
from finscale.scaling.law_draws import redrawn
from finscale.scaling.law_numbers import LawNumbers
from finscale.scaling.outlying_size import outlying_size, outlying_size_words
from finscale.scaling.problem import problem_of
from finscale.scaling.table import LawTable, read_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, repr=False)
class Law(LawNumbers):
    """A fitted scaling law, with its words and its figure; made by :func:`fit_law`.

    Numbers and parameters are those of :class:`LawNumbers`.
    """

    def summary(self) -> str:
        """Return a table of estimates and diagnostics, 100 columns wide."""
        return law_text.summary(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw points, curve, band and held-out sizes on matplotlib axes, and return them."""
        return law_plot.plot(self, ax)

    def __repr__(self) -> str:
        return law_text.one_line(self)


@spoken('fit_law("runs.csv", x="parameters", y="loss")')
def fit_law(
    table: Any,
    x: str | Sequence[str] = "parameters",
    y: str = "loss",
    *,
    form: str | Form = "auto",
    loss: str = "auto",
    seed: str | None = None,
    fold: str | None = None,
    day: str | None = None,
    signed: bool = False,
    covariance: ArrayLike | None = None,
    holdout: int = 0,
    horizon: int = 1,
    block_length: float | None = None,
    num_replicates: int = 2000,
    level: float = 0.95,
    random_seed: int = 0,
    fix: Mapping[str, float | str] | None = None,
    drop: Sequence[str] = (),
    seeds: Literal["mean", "median"] = "mean",
    **reading: Any,
) -> Law:
    r"""Fit a scaling law to a table of runs, with bootstrap intervals.

    Rows of equal size are averaged to one point; the bootstrap resamples seeds, days and folds.

    Parameters
    ----------
    table : path, polars or pandas DataFrame, mapping of columns, or LawTable
        One row a run; or one row a run and day, with a ``day`` column.
    x : str or sequence of str
        Size column, or two for a surface: ``("parameters", "tokens")``.
    y : str
        Loss column.
    form : str or Form
        A name of ``FORMS``; ``"auto"``: Hoffmann's surface for two axes; for one a power with a
        floor, unless the table rejects it and another form is far better by AICc and at the
        largest size (``finscale.scaling.form_choice``). A form of three axes is named.
    loss : {"auto", "least_squares", "log_least_squares", "gls", "huber"}
        What is minimised. ``"auto"``: GLS with the covariance across sizes where daily losses or a
        ``covariance`` are given, else Huber for surfaces (as the literature has it) and least
        squares for one axis: at financial signal sizes Huber's 1e-3 is as large as the signal.
    seed, fold, day : str, optional
        Columns of independent runs, folds and decision days, recognised by usual names where None.
    signed : bool
        Losses are differences from a baseline: they, and the floor, may be negative.
    covariance : array, ``[n, n]``, optional
        Covariance of the mean losses across sizes (ascending), when it is known.
    holdout : int
        How many of the largest sizes (first axis) to keep out and predict.
    horizon : int
        Bars that a label looks ahead: labels of neighbouring days overlap.
    block_length : float, optional
        Mean block of days; Politis and White's choice by default.
    num_replicates, level, random_seed
        Of the bootstrap.
    fix : mapping of str to float or str, optional
        Parameters to hold at a number or tied to another: ``{"E": 0, "alpha": "beta"}``; see
        ``fixed``. They are not estimated and count in nothing.
    drop : sequence of str
        Rules by which runs are left out, ``"diverged"`` or ``"outlying"``, or single runs as
        ``SIZE:SEED`` (:func:`drop_runs`).
    seeds : {"mean", "median"}
        What a size's loss is: over its seeds. A median is not moved by a run that blew up.
    **reading
        What else :func:`read_table` is told: ``higher_is_better``, ``average``, ``where`` …

    Raises
    ------
    DataError
        For a table that cannot be read as sizes and losses; see :func:`read_table`.

    References
    ----------
    Hoffmann et al. 2022, Training Compute-Optimal Large Language Models; Besiroglu et al. 2024,
    Chinchilla Scaling: A replication attempt; Golub and Pereyra 1973 for variable projection.

    Examples
    --------
    >>> import numpy as np
    >>> sizes = np.geomspace(1e4, 1e7, 8)
    >>> rows = {"parameters": np.repeat(sizes, 3), "loss": 0.5 + 4 * np.repeat(sizes, 3) ** -0.4}
    >>> rows["loss"] = rows["loss"] + 1e-4 * np.tile([-1.0, 0.0, 1.0], 8)
    >>> law = fit_law(rows, num_replicates=200)
    >>> round(law.params["alpha"], 3)
    0.4
    """
    if not isinstance(table, LawTable):
        columns: dict[str, Any] = {"seed": seed, "fold": fold, "day": day}
        unfinished = drops_unfinished(drop)
        table = read_table(
            table, x=x, y=y, **columns, signed=signed, unfinished=unfinished, **reading
        )
    table = with_seeds(drop_runs(table, drop), seeds)
    signed = signed or table.signed
    is_chosen = form == "auto" and len(table.axes) == 1 and not fix
    named = None if is_chosen else fixed(_form(form, table, signed), fix or {})
    table = table if named is None else with_axes_checked(table, named)
    heldout_n = table.largest(holdout)
    kept = table.rows(~heldout_n)
    known = None if covariance is None else np.asarray(covariance, dtype=np.float64)
    if known is not None:
        known = known[np.ix_(~heldout_n, ~heldout_n)]
    problem = problem_of(kept, loss, covariance=known, horizon=horizon, signed=signed)
    if known is None and kept.errors_nS is not None:
        known = problem.covariance_nn
    chosen = ""
    if named is None:
        choice = choose_form(problem, signed=signed, level=level)
        fit, chosen = choice.fit, choice.sentence
    else:
        fit = fit_form(named, problem, level=level)
    fit = replace(fit, flags=(*fit.flags, *_of_one_run(kept)))
    if len(kept.axes) == 1 and kept.seeds_n.max() == 1 and num_groups(kept) != 1:
        fit = replace(fit, flags=(*fit.flags, "one seed a size: luck of the seed is not seen"))
    if apart := outlying_size(problem):
        fit = replace(fit, flags=(*fit.flags, outlying_size_words(apart, kept)))
    if not fit.identified:
        return _unidentified_law(table, fit, heldout_n, level, chosen)
    draws, left = redrawn(
        kept,
        fit,
        known,
        num_replicates=num_replicates,
        seed=random_seed,
        block_length=block_length,
    )
    batch = fit.problem.batch(fit.form, draws.y_Rn, draws.weights_Rn)
    estimates = estimates_of(fit, batch, left, table.axes, level)
    drawn = batch.params_Rp, draws.scheme, draws.block_length
    return Law(table, fit, estimates, *drawn, heldout_n, level, chosen)


def _of_one_run(table: LawTable) -> tuple[str, ...]:
    """Return the caveat of a learning curve: rows that are all checkpoints of one run."""
    if num_groups(table) != 1:
        return ()
    return (
        "all rows are checkpoints of one run: the curve and its intervals describe that run, and "
        "say nothing of how another would go",
    )


def _form(form: str | Form, table: LawTable, signed: bool) -> Form:
    form = form_for(form, table) if isinstance(form, str) else form
    return form.relaxed(form.floor) if signed and form.floor else form


def _unidentified_law(
    table: LawTable, fit: Fit, heldout_n: NDArray[np.bool_], level: float, chosen: str
) -> Law:
    estimates = unidentified_estimates(fit, table.axes, level)
    nothing = np.full((0, fit.form.num_parameters), np.nan)
    return Law(table, fit, estimates, nothing, "nothing", None, heldout_n, level, chosen)
