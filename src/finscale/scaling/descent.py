"""Levenberg-Marquardt inside bounds, for many small problems side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from finscale.scaling.forms.base import Array

_MAX_STEPS = 400
_STEP = 1e-11
_DECREASE = 1e-15
#: A stalled search has converged only if its next step promised a smaller relative gain than this.
_STALLED = 1e-9
_MAX_DAMPING = 1e12
_MIN_DAMPING = 1e-13


class Local(NamedTuple):
    """What is known at the current parameters of each problem.

    ``hessian_RPP`` may be any curvature model; ``curvature_RP`` is the positive diagonal by which
    damping is scaled; ``carry_RK`` goes along with the parameters (the linear coefficients).
    """

    objective_R: Array
    gradient_RP: Array
    hessian_RPP: Array
    curvature_RP: Array
    carry_RK: Array


#: (parameters [R', P], which of the R problems they belong to) -> Local
Evaluate = Callable[[Array, NDArray[np.int64]], Local]


class Descent(NamedTuple):
    """Where the search of every problem ended."""

    params_RP: Array
    carry_RK: Array
    objective_R: Array
    converged_R: NDArray[np.bool_]


def minimise(evaluate: Evaluate, start_RP: Array, lower: Array, upper: Array) -> Descent:
    """Minimise every problem from its start; finished ones are not evaluated again."""
    num_problems, num_params = start_RP.shape
    live = np.arange(num_problems)
    params, here = start_RP.copy(), evaluate(start_RP, live)
    rest_params, rest_carry = params.copy(), here.carry_RK.copy()
    rest_objective = here.objective_R.copy()
    converged = np.full(num_problems, num_params == 0)
    damping = np.full(num_problems, 1e-3)
    for _ in range(_MAX_STEPS if num_params else 0):
        if not len(live):
            break
        step, promised = _step(params, here, damping, lower, upper)
        trial = evaluate(params + step, live)
        better = trial.objective_R < here.objective_R
        small = np.all(np.abs(step) <= _STEP * (1.0 + np.abs(params)), axis=-1)
        # a step that was cut at a bound may point uphill and promise a negative gain: not converged
        small |= (promised >= 0) & (promised <= _DECREASE * here.objective_R)
        params = np.where(better[:, None], params + step, params)
        here = Local(*(pick(better, new, old) for new, old in zip(trial, here, strict=True)))
        damping = np.where(better, np.maximum(damping * 0.1, _MIN_DAMPING), damping * 8.0)
        rest_params[live], rest_carry[live] = params, here.carry_RK
        rest_objective[live] = here.objective_R
        stalled = damping > _MAX_DAMPING
        converged[live] = small | (stalled & (np.abs(promised) <= _STALLED * here.objective_R))
        moving = ~(small | stalled)
        live, params, damping = live[moving], params[moving], damping[moving]
        here = Local(*(each[moving] for each in here))
    return Descent(rest_params, rest_carry, rest_objective, converged)


def pick(better: NDArray[np.bool_], new: NDArray[Any], old: NDArray[Any]) -> NDArray[Any]:
    """Return the rows of one array where they are better, of the other elsewhere."""
    return np.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)


def _step(
    params: Array, here: Local, damping: Array, lower: Array, upper: Array
) -> tuple[Array, Array]:
    """Return a damped step within bounds and the decrease that it promises."""
    gradient = here.gradient_RP
    # A parameter on its bound whose gradient points outwards stays there.
    stuck = ((params <= lower) & (gradient > 0)) | ((params >= upper) & (gradient < 0))
    ridge = damping[:, None] * here.curvature_RP + 1e-300
    coupled = np.where(stuck[:, :, None] | stuck[:, None, :], 0.0, here.hessian_RPP)
    system = coupled + np.eye(params.shape[-1]) * np.where(stuck, 1.0, ridge)[:, None, :]
    gradient = np.where(stuck, 0.0, gradient)
    full = -np.linalg.solve(system, gradient[..., None])[..., 0]
    step = np.asarray(np.clip(params + full, lower, upper) - params, dtype=np.float64)
    return step, -0.5 * np.sum(step * gradient, axis=-1)
