"""Fit a linear model of a few numbers: standardised, penalised, the penalty chosen on validation.

Arrays in, arrays out: it knows neither frames nor designs, so that whoever needs the weights of the
best linear model, a network's linear path for one, gets them from the code of the baselines.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from finscale.errors import FinscaleError
from finscale.models.baselines.baseline import Floats, Ints, rate_logit
from finscale.models.baselines.held_out import GAP

#: Where standardised inputs are cut off. A value further out on train is a crash or an error in the
#: data, and one further out later on must not be multiplied by a weight learned from calmer days.
CLIP = 6.0
#: L2 penalties of a logistic on the summed log loss, and of a ridge in multiples of what is
#: expected a priori (see ``_ridge``): half-decades, from almost free to almost flat on thousands of
#: rows.
PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4)
RIDGE_MULTIPLES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
#: Where labels of a day move together, a panel's rows tell far less than as many independent ones:
#: half-decades go on to a penalty of so many per row.
_PER_ROW = 4
#: Columns that are standardised together, or up to twice as many.
_AT_ONCE = 16
#: Up to so many columns Newton's steps, which cost K³, are cheap, and every penalty is tried.
_FEW = 256
#: With more, or over blocks, the search ends after so many weaker penalties in a row that have made
#: it worse.
_LOST = 3
#: Where there is no validation to choose by.
_UNTUNED = {True: 30.0, False: 1.0}
#: Share of the variance of returns that a ridge expects to explain before it has seen any.
_EXPECTED_R2 = 0.01


@dataclass(frozen=True)
class Standardiser:
    """Zero mean and unit spread on the rows that it was fitted on, clipped at ``±clip``.

    What is missing (NaN or infinite) counts as average.
    """

    mean_K: Floats
    spread_K: Floats
    clip: float = CLIP

    @classmethod
    def fit(cls, x_BK: NDArray[np.floating]) -> Self:
        """Measure mean and spread of each column; a constant column keeps its scale."""
        num_columns = x_BK.shape[1]
        mean_K, spread_K = np.empty(num_columns), np.empty(num_columns)
        # a few columns at a time: a panel's inputs take hundreds of megabytes, and copies as many
        num_parts = max(1, num_columns // _AT_ONCE)
        edges = [part * num_columns // num_parts for part in range(num_parts + 1)]
        for some in map(slice, edges, edges[1:]):
            x_Bk = x_BK[:, some].astype(np.float64, copy=False)
            known_Bk = np.isfinite(x_Bk)
            num_k = np.maximum(known_Bk.sum(axis=0), 1)
            mean_K[some] = np.where(known_Bk, x_Bk, 0.0).sum(axis=0) / num_k
            off_Bk = np.where(known_Bk, x_Bk - mean_K[some], 0.0)
            spread_K[some] = np.sqrt((off_Bk**2).sum(axis=0) / num_k)
        constant_K = spread_K <= 1e-12 * np.abs(mean_K)
        return cls(mean_K, np.where(constant_K, 1.0, spread_K))

    def __call__(self, x_BK: NDArray[np.floating]) -> Floats:
        """Return the standardised columns, in double precision whatever the inputs have."""
        z_BK: Floats = x_BK - self.mean_K
        z_BK /= self.spread_K
        z_BK[~np.isfinite(x_BK)] = 0.0
        return np.clip(z_BK, -self.clip, self.clip, out=z_BK)


@dataclass(frozen=True)
class LinearFit:
    """``clip((x − mean) / spread) · weight + bias``: a logit or a prediction.

    Parameters
    ----------
    mean_K, spread_K : array
        Of the K inputs on train.
    clip : float
        Standardised inputs are cut off at ± this.
    weight_K : array
        Weights of the standardised inputs.
    bias : float
        The logit or prediction where every input is average.
    penalty : float
        What the weights were fitted with: an L2 penalty (logistic) or a multiple of the prior
        penalty (ridge).
    """

    mean_K: Floats
    spread_K: Floats
    clip: float
    weight_K: Floats
    bias: float
    penalty: float

    @property
    def scale(self) -> Standardiser:
        """What standardises the inputs."""
        return Standardiser(self.mean_K, self.spread_K, self.clip)

    def __call__(self, x_BK: NDArray[np.floating]) -> Floats:
        """Return a logit or prediction for each row of raw inputs."""
        result: Floats = self.scale(x_BK) @ self.weight_K + self.bias
        return result


def fit_linear(
    x_train_BK: NDArray[np.floating],
    y_train_B: NDArray[Any],
    x_validation_BK: NDArray[np.floating] | None = None,
    y_validation_B: NDArray[Any] | None = None,
    *,
    classifies: bool,
    penalty: float | None = None,
    blocks_B: Ints | None = None,
) -> LinearFit:
    """Fit a logistic or a ridge on standardised inputs.

    A logistic minimises the summed log loss plus ``penalty/2·|weights|²``. A ridge takes its
    penalty in multiples of a prior: all columns together are expected to explain 1 % of the
    variance. Neither penalises the bias.

    Parameters
    ----------
    x_train_BK, y_train_B : array
        Raw inputs and labels of the train windows; NaN inputs count as average.
    x_validation_BK, y_validation_B : array, optional
        Those of the validation windows. They choose the penalty of the grid with the least mean
        loss, of equals the strongest, and nothing else. An infinite one, no weights at all, is a
        candidate: what validation finds worse than the base rate is no start for a network. With
        more than 256 columns weaker penalties than three that made it worse are not tried.
    classifies : bool
        Whether labels are 0 and 1.
    penalty : float, optional
        Fixes the penalty.
    blocks_B : array, optional
        Block of each train window, or ``GAP``. Each block is judged by a fit on the other blocks,
        and its windows choose the penalty together with those of validation, by the same search as
        many columns'.

    Raises
    ------
    FinscaleError
        If the penalty given is negative.

    Examples
    --------
    >>> x, y = np.arange(10.0)[:, None], np.repeat([0.0, 1.0], 5)
    >>> fit_linear(x, y, x, y, classifies=True).penalty
    0.1
    """
    if penalty is not None and penalty < 0:
        raise FinscaleError(f"penalty = {penalty:g} rewards large weights.", hint="give 0 or more")
    y_B = np.asarray(y_train_B, dtype=np.float64)
    scale = Standardiser.fit(x_train_BK)
    z_BK = scale(x_train_BK)

    def fitted(penalty: float) -> LinearFit:
        weight_K, bias = _weights(z_BK, y_B, penalty, classifies)
        return LinearFit(scale.mean_K, scale.spread_K, scale.clip, weight_K, bias, penalty)

    if penalty is not None:
        return fitted(penalty)
    if x_validation_BK is None or y_validation_B is None:
        return fitted(_UNTUNED[classifies])
    grid = _grid(len(y_B), z_BK.shape[1], classifies)
    if blocks_B is not None:
        held_out = (scale(x_validation_BK), np.asarray(y_validation_B, dtype=np.float64))
        return fitted(_by_blocks(grid, z_BK, y_B, blocks_B, held_out, classifies=classifies))
    fits: list[LinearFit] = []
    losses: list[float] = []
    for candidate in grid:
        fits.append(fitted(candidate))
        losses.append(mean_loss(fits[-1](x_validation_BK), y_validation_B, classifies))
        # with many columns weak penalties take minutes, and they have lost long before
        if z_BK.shape[1] > _FEW and _is_lost(losses):
            break
    # index() finds the first of equals, which is the strongest
    return fits[losses.index(min(losses))]


def _by_blocks(
    grid: list[float],
    z_BK: Floats,
    y_B: Floats,
    blocks_B: Ints,
    validation: tuple[Floats, Floats],
    *,
    classifies: bool,
) -> float:
    """Return the penalty with the least loss over blocks of train and validation, held out."""
    parts = [GAP, *np.unique(blocks_B[blocks_B != GAP])]
    starts: dict[int, tuple[Floats, float]] = {}
    losses: list[float] = []
    for candidate in grid:
        losses.append(0.0)
        for part in parts:
            judged_z, judged_y = validation
            kept_B = np.ones(len(y_B), dtype=bool)
            if part != GAP:
                judged_z, judged_y = z_BK[blocks_B == part], y_B[blocks_B == part]
                kept_B = (blocks_B != GAP) & (blocks_B != part)
            z_bK, y_b = (z_BK, y_B) if kept_B.all() else (z_BK[kept_B], y_B[kept_B])
            # the same penalty a row; the next weaker one starts where this one ends
            own = candidate * len(y_b) / len(y_B)
            starts[part] = _weights(z_bK, y_b, own, classifies, starts.get(part))
            weight_K, bias = starts[part]
            loss = mean_loss(judged_z @ weight_K + bias, judged_y, classifies)
            losses[-1] += loss * len(judged_y)
        if _is_lost(losses):
            break
    return grid[losses.index(min(losses))]  # the first of equals, which is the strongest


def _is_lost(losses: list[float]) -> bool:
    """Return whether the last penalties, each weaker than the one before, have made it worse."""
    return len(losses) > _LOST and min(losses[-_LOST:]) > min(losses)


def _weights(
    z_BK: Floats,
    y_B: Floats,
    penalty: float,
    classifies: bool,
    start: tuple[Floats, float] | None = None,
) -> tuple[Floats, float]:
    """Return weights and bias on standardised inputs; an infinite penalty leaves the rate alone."""
    if math.isinf(penalty):
        bias = rate_logit(y_B.sum(), y_B.size) if classifies else float(y_B.mean())
        return np.zeros(z_BK.shape[1]), bias
    return _logistic(z_BK, y_B, penalty, start) if classifies else _ridge(z_BK, y_B, penalty)


def _grid(num_rows: int, num_columns: int, classifies: bool) -> list[float]:
    """Return the candidates for ``num_rows`` of train, the strongest first."""
    grid = list(PENALTIES if classifies else RIDGE_MULTIPLES)
    unit = 1.0 if classifies else _prior_penalty(num_columns)
    while grid[-1] * unit < _PER_ROW * num_rows:
        grid.append(10 * grid[-2])
    return [math.inf, *reversed(grid)]


def mean_loss(output_B: Floats, y_B: NDArray[Any], classifies: bool) -> float:
    """Return the mean log loss of logits in nats, or the mean squared error of predictions."""
    if classifies:
        loss_B = np.logaddexp(0.0, np.where(y_B > 0.5, -output_B, output_B))
    else:
        loss_B = (output_B - y_B) ** 2
    return float(loss_B.mean())


def _logistic(
    x_BK: Floats, y_B: Floats, penalty: float, start: tuple[Floats, float] | None = None
) -> tuple[Floats, float]:
    from sklearn.linear_model import LogisticRegression

    num_columns = x_BK.shape[1]
    if y_B.min() == y_B.max():  # one class only: nothing separates, the rate is all there is
        return np.zeros(num_columns), rate_logit(y_B.sum(), y_B.size)
    # exact where that is cheap, quasi-Newton beyond
    strength = 1.0 / penalty if penalty else np.inf
    if num_columns <= _FEW:
        model = LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-8, max_iter=1000)
    else:
        model = LogisticRegression(C=strength, solver="lbfgs", tol=1e-6, max_iter=20_000)
    if start is not None:
        model.set_params(warm_start=True)
        model.coef_, model.intercept_ = start[0][None, :], np.array([start[1]])
    model.fit(x_BK, y_B > 0.5)
    return model.coef_[0].astype(np.float64), float(model.intercept_[0])


def _prior_penalty(num_columns: int) -> float:
    """Return the penalty of independent weights that explain that share: noise over signal."""
    return num_columns / _EXPECTED_R2


def _ridge(x_BK: Floats, y_B: Floats, multiple: float) -> tuple[Floats, float]:
    mean_K, mean = x_BK.mean(axis=0), y_B.mean()
    x_BK, y_B = x_BK - mean_K, y_B - mean
    num_rows, num_columns = x_BK.shape
    penalty = multiple * _prior_penalty(num_columns)
    if num_columns <= num_rows:
        gram = x_BK.T @ x_BK + penalty * np.eye(num_columns)
        weight_K = np.linalg.solve(gram, x_BK.T @ y_B)
    else:  # the dual system is the smaller one
        kernel = x_BK @ x_BK.T + penalty * np.eye(num_rows)
        weight_K = x_BK.T @ np.linalg.solve(kernel, y_B)
    return weight_K.astype(np.float64), float(mean - mean_K @ weight_K)
