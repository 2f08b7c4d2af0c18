"""One fitting problem: sizes, losses and the metric by which a curve is fitted to them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from finscale.errors import FinscaleError, did_you_mean
from finscale.scaling.batch import BatchFit, fit_batch
from finscale.scaling.covariance import (
    SizeCovariance,
    least_bandwidth,
    long_run_covariance,
    size_covariance,
)
from finscale.scaling.forms import Form
from finscale.scaling.forms.base import Array
from finscale.scaling.measure import LOSS, Measure
from finscale.scaling.robust import DELTA
from finscale.scaling.run_errors import RunRows
from finscale.scaling.seed_median import median_parts
from finscale.scaling.table import LawTable
from finscale.scaling.weighing import known_covariance, point_groups, point_weights, run_rows

#: Loss functions: what is added up over points.
LOSSES = {
    "least_squares": "squares of L - fitted, weighted by seeds",
    "log_least_squares": "squares of ln L - ln fitted, weighted by seeds",
    "gls": "Mahalanobis distance with the covariance across sizes",
    "huber": "Huber (1e-3) of ln L - ln fitted",
}


@dataclass(frozen=True)
class SeedError:
    """Squares of seeds about their size's mean, ``[n]``, and their degrees of freedom, ``[n]``."""

    squares_n: Array
    degrees_n: NDArray[np.int64] | Array

    @property
    def squares(self) -> float:
        """Sum of squares over all sizes."""
        return float(self.squares_n.sum())

    @property
    def degrees(self) -> int:
        """Degrees of freedom over all sizes."""
        return int(self.degrees_n.sum())


@dataclass(frozen=True)
class Problem:
    """Points and a metric, to which any form can be fitted.

    Parameters
    ----------
    x_nd : array, ``[n, d]``
        Sizes.
    y_n : array, ``[n]``
        Losses.
    loss : str
        A key of ``LOSSES``.
    weights_n : array, ``[n]``
        Weight of each point (its number of seeds).
    covariance_nn : array, ``[n, n]``, optional
        For ``gls``.
    seeds : SeedError, optional
        How much seeds of one size differ, where sizes have several.
    error : {"points", "seeds", "misfit"}
        What the size of the error is told from, for ``least_squares``: the distances of points from
        the curve; these and seeds together; or, for ``gls`` too, those distances because the form
        does not fit (``finscale.scaling.misfit``).
    covariance_degrees, day_degrees : float
        Degrees of freedom of an estimated covariance, and of the part of it that comes from days;
        infinite for a known one.
    group_n : array of int, ``[n]``, optional
        Which run each point is a checkpoint of, where runs have several: the first of its runs.
    rows : RunRows, optional
        All rows of those points, and their runs.
    day_share : float
        Share of the days' part in the variance of the sizes' differences.
    measure : Measure
        What the losses stand for, in words.
    """

    x_nd: Array
    y_n: Array
    loss: str
    weights_n: Array
    covariance_nn: Array | None = None
    seeds: SeedError | None = None
    error: str = "points"
    covariance_degrees: float = np.inf
    day_degrees: float = np.inf
    group_n: NDArray[np.int64] | None = None
    rows: RunRows | None = None
    day_share: float = 1.0
    measure: Measure = LOSS

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise FinscaleError(
                f"{self.loss!r} is not a loss.", hint=did_you_mean(self.loss, LOSSES)
            )

    @property
    def num_points(self) -> int:
        """Number of points with a positive weight."""
        return int(np.count_nonzero(self.weights_n))

    @property
    def is_logarithmic(self) -> bool:
        """Whether the loss function compares logarithms of losses."""
        return self.loss in ("huber", "log_least_squares")

    @property
    def pooled(self) -> tuple[float, int]:
        """Squares and degrees of freedom of seeds that count as error beside the points'."""
        if self.error != "seeds" or self.seeds is None or "least" not in self.loss:
            return 0.0, 0
        return self.seeds.squares, self.seeds.degrees

    @property
    def num_observations(self) -> int:
        """Points; with the seeds' degrees of freedom where these count: the number of runs."""
        return self.num_points + self.pooled[1]

    def batch(
        self, form: Form, y_Rn: Array | None = None, multiples_Rn: Array | None = None
    ) -> BatchFit:
        """Fit a form, to other losses or with points counted several times."""
        y_Rn = self.y_n[None] if y_Rn is None else y_Rn
        if self.loss == "gls" and multiples_Rn is None:
            return fit_batch(form, self.x_nd, y_Rn, loss="gls", covariance=self.covariance_nn)
        if self.loss == "gls":
            raise ValueError("points that are correlated cannot be redrawn one by one")
        weights = self.weights_n if multiples_Rn is None else self.weights_n * multiples_Rn
        return fit_batch(form, self.x_nd, y_Rn, loss=self.loss, weights=weights)

    def whitened(self, values_n_: Array, fitted_n: Array) -> Array:
        """Return arrays ``[n, ...]`` in units in which the loss is a plain sum of squares.

        Under Huber's loss these are relative errors, each weighted by how much it still pulls.
        """
        if self.covariance_nn is not None and self.loss == "gls":
            root = np.linalg.cholesky(self.covariance_nn)
            return np.asarray(np.linalg.solve(root, values_n_))
        scale_n = np.sqrt(self.weights_n)
        if self.loss == "huber":
            error_n = np.abs(np.log(fitted_n) - np.log(self.y_n))
            scale_n = scale_n * np.sqrt(np.minimum(1.0, DELTA / np.maximum(error_n, DELTA)))
        if self.is_logarithmic:
            scale_n = scale_n / fitted_n
        return np.asarray(values_n_ * scale_n.reshape(-1, *[1] * (values_n_.ndim - 1)))

    def subset(self, keep: NDArray[np.bool_]) -> Problem:
        """Return the problem of some of its points."""
        covariance = self.covariance_nn
        return replace(
            self,
            x_nd=self.x_nd[keep],
            y_n=self.y_n[keep],
            weights_n=self.weights_n[keep],
            covariance_nn=None if covariance is None else covariance[np.ix_(keep, keep)],
            seeds=self.seeds and SeedError(self.seeds.squares_n[keep], self.seeds.degrees_n[keep]),
            group_n=None if self.group_n is None else self.group_n[keep],
            rows=self.rows and self.rows.subset(keep),
        )

    def deviance(self, objective: Array | float, num_observations: int | None = None) -> Array:
        """Return -2 ln L, up to a constant, of a least objective.

        GLS: the distance itself. Least squares: n·ln(RSS/n), the variance profiled out; where seeds
        count as error, n is the number of runs and RSS their squares. Huber: the same of a Laplace
        law, 2n·ln(objective/n), to which it comes down when errors exceed delta.
        ``num_observations`` is n where points are worth fewer.
        """
        objective = np.asarray(objective, dtype=np.float64)
        if self.loss == "gls":
            return objective
        n = self.num_observations if num_observations is None else num_observations
        # Rounding leaves about 1e-30 of an exact fit: less is no evidence.
        whole = float(len(self.y_n)) if "log" in self.loss else float(np.sum(self.y_n**2))
        least = 1e-30 * max(whole, 1e-300)
        factor = 2.0 if self.loss == "huber" else 1.0
        squares = np.maximum(objective + self.pooled[0], least)
        return np.asarray(factor * n * np.log(squares / n))

    def slack(self, objective: float, num_parameters: int, level: float) -> float:
        """Return by how much the objective may rise inside a confidence set for one number.

        It is t²·s², t the quantile of Student's t and s² the variance of a point of weight 1: known
        for GLS, else estimated (Bates and Watts 1988, section 6.1). Of Huber's loss it is what
        raises the deviance by as much.
        """
        squares, degrees = self.pooled
        if self.loss == "gls" and self.error != "misfit":
            t_squared = _quantile(self.covariance_degrees, level) ** 2
            return t_squared * self._estimated(self.num_points - num_parameters)
        freedom = max(self.num_points - num_parameters, 1) + degrees
        factor = 2.0 if self.loss == "huber" else 1.0
        share = _quantile(freedom, level) ** 2 / freedom / factor
        return (objective + squares) * share

    def _estimated(self, left_over: int) -> float:
        """Return by what variances grow because a covariance of days is estimated (Rao 1967).

        Its inverse is biased, and the weights made of it are not the best: with v degrees of
        freedom and r points left over v(v - 1) / ((v - r)(v - r - 1)).
        """
        v = self.day_degrees
        if np.isinf(v) or left_over <= 0:
            return 1.0
        rest = max(v - left_over, 2.0)
        return 1.0 + self.day_share * (v * (v - 1) / (rest * (rest - 1)) - 1.0)

    def cutoff(self, objective: float, num_parameters: int, level: float) -> float:
        """Return by how much the deviance may rise inside a confidence set for one number."""
        highest = objective + self.slack(objective, num_parameters, level)
        return float(self.deviance(highest) - self.deviance(objective))


def _quantile(degrees: float, level: float) -> float:
    """Return the two-sided quantile of Student's t; the normal one for infinite degrees."""
    tail = 0.5 + level / 2
    return float(ndtri(tail) if np.isinf(degrees) else stdtrit(degrees, tail))


def problem_of(
    table: LawTable,
    loss: str = "auto",
    *,
    covariance: Array | None = None,
    horizon: int = 1,
    signed: bool = False,
) -> Problem:
    """Return the fitting problem of a table, its covariance across sizes estimated if needed.

    ``loss``, ``covariance``, ``horizon`` and ``signed`` are as in :func:`fit_law`.
    """
    daily = table.has_days and table.losses_nST.shape[-1] > 1
    covariance = known_covariance(table, loss) if covariance is None else covariance
    if loss == "auto":
        surface = len(table.axes) > 1 and not signed
        known = (daily and table.weights_nS is None) or covariance is not None
        loss = "gls" if known else "huber" if surface else "least_squares"
    if loss in ("huber", "log_least_squares") and signed:
        raise FinscaleError(
            f"{loss} works on ln L; signed losses have none.", hint="use least_squares or gls"
        )
    weights_n = point_weights(table, loss)
    group_n = point_groups(table, loss)
    if loss == "gls":
        if covariance is not None:
            _check_invertible(covariance)
            own = Problem(table.x_nd, table.y_n, loss, weights_n, covariance)
            return replace(own, measure=table.measure)
        problem = _estimated_gls(table, horizon)
        _check_invertible(problem.covariance_nn)
        return replace(problem, measure=table.measure)
    seeds = None if group_n is not None else _seed_error(table)
    if seeds is not None and loss == "log_least_squares":
        seeds = SeedError(seeds.squares_n / table.y_n**2, seeds.degrees_n)
    # Days or folds that all runs share are an error which seeds do not show.
    error = "seeds" if seeds is not None and table.losses_nST.shape[-1] == 1 else "points"
    own = Problem(table.x_nd, table.y_n, loss, weights_n, seeds=seeds, error=error)
    own = replace(own, measure=table.measure)
    return replace(own, group_n=group_n, rows=None if group_n is None else run_rows(table))


def _seed_error(table: LawTable) -> SeedError | None:
    degrees_n = table.seeds_n - 1
    if table.seeds == "median" and degrees_n.sum():
        # as sure as the robust noise that the covariance of medians rests on
        _, _, variance_n, total_n = median_parts(table.losses_nST)
        shares_n = total_n * degrees_n / degrees_n.sum()
        return SeedError(variance_n * shares_n, shares_n)
    squares_nS = (table.runs_nS - table.y_n[:, None]) ** 2
    if table.weights_nS is not None:
        squares_nS = squares_nS * table.weights_nS / np.nanmean(table.weights_nS)
    squares_n = np.nansum(squares_nS, axis=-1)
    return SeedError(squares_n, degrees_n) if degrees_n.sum() else None


def _estimated_gls(table: LawTable, horizon: int) -> Problem:
    """Return the problem whose covariance of the sizes' means is estimated from the table."""
    problem = Problem(table.x_nd, table.y_n, "gls", table.seeds_n.astype(np.float64))
    if table.seeds_n.max() > 1:
        losses = table.losses_nST if table.has_days else table.runs_nS
        found = size_covariance(losses, horizon=horizon, seeds=table.seeds)
        every, share = _degrees(found)
        return replace(
            problem,
            covariance_nn=found.matrix_GG,
            covariance_degrees=every,
            day_degrees=found.day_degrees,
            day_share=share,
        )
    if not table.has_days:
        raise FinscaleError(
            "gls needs a covariance across sizes, and the table has neither days nor seeds.",
            hint="add a day or a seed column, pass covariance=, or use least_squares",
        )
    daily_nT = table.losses_nST[:, 0, :]
    matrix_nn, bandwidth = long_run_covariance(daily_nT, least_bandwidth(horizon))
    # the squared area of the Bartlett kernel is 2/3 of its bandwidth
    degrees = (daily_nT.shape[1] - 1) / max(1.0, 2 * (bandwidth + 1) / 3)
    return replace(
        problem, covariance_nn=matrix_nn, covariance_degrees=degrees, day_degrees=degrees
    )


def _degrees(found: SizeCovariance) -> tuple[float, float]:
    """Return Satterthwaite's degrees of freedom of the sizes' differences, and the days' share.

    Variances of seeds are pooled over sizes, so that their errors add up instead of averaging out.
    """
    num_sizes = len(found.mean_G)
    centre_GG = np.eye(num_sizes) - 1.0 / num_sizes
    day = float(np.sum(centre_GG * found.day_GG))
    seed_G = np.diagonal(centre_GG) * found.seed_variance_G / found.seeds_G
    error_G = seed_G / np.sqrt(found.seed_degrees_G)
    total = day + float(seed_G.sum())
    spread = day**2 / found.day_degrees + float(error_G.sum()) ** 2
    return (total**2 / spread, day / total) if spread > 0 else (np.inf, 0.0)


def _check_invertible(covariance: Array | None) -> None:
    assert covariance is not None
    scale = np.sqrt(np.diagonal(covariance))
    if not (scale > 0).all() or np.linalg.cond(covariance / np.outer(scale, scale)) > 1e12:
        raise FinscaleError(
            f"the covariance of {len(covariance)} sizes cannot be inverted: some of their "
            "differences have no error at all.",
            hint="give more days than sizes, more seeds, or use least_squares",
        )
