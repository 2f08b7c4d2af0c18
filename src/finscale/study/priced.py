r"""What an effect across a section is worth: nats, a rank IC and a yearly Sharpe ratio.

A forecast of normal scores that correlates by :math:`\rho` with returns saves, of a label that is
1 above the quantile :math:`1 - q` of the day, about :math:`\rho^2 \varphi(z_q)^2 / (2 q (1 - q))`
nats over the base rate, and of squared normal scores :math:`\rho^2`. Its rank IC is
:math:`(3 / \pi) \rho`. Held over N symbols in bets that last H bars it earns before costs at most
:math:`\rho \sqrt{N \cdot \text{bars a year} / H}` of yearly Sharpe ratio (Grinold 1989). What costs
take of that is measured, on the long–short of a study's own networks.
"""

from __future__ import annotations

import math

from finscale.config import StudyConfig
from finscale.data.timescales import TIMESCALES
from finscale.scaling.digits import MINUS, number

#: Task → share of a day's members with a positive label.
_SHARES = {"outperform": 0.5, "top_fifth": 0.2}
_RANK_OF_LINEAR = 3 / math.pi


def correlation_of(task: str, outcome: str, effect: float) -> float | None:
    """Return ρ of a forecast whose gain over knowing nothing is ``effect``; None: not said.

    Examples
    --------
    >>> round(correlation_of("outperform", "loss", 1e-4), 4)
    0.0177
    """
    if outcome == "ic":
        return effect / _RANK_OF_LINEAR
    if outcome != "loss":
        return None
    if task == "rank":
        return math.sqrt(effect)
    share = _SHARES.get(task)
    if share is None:
        return None
    from scipy.stats import norm

    return math.sqrt(2 * effect * share * (1 - share)) / float(norm.pdf(norm.ppf(1 - share)))


def priced(config: StudyConfig, num_symbols: float, costs: float | None = None) -> str:
    """Return what a study's smallest effect of interest is worth, in words; empty: not said.

    Parameters
    ----------
    config : StudyConfig
        The study.
    num_symbols : float
        For how many independent ones a day's symbols count.
    costs : float, optional
        Yearly Sharpe ratio that trading costs take off; None before any run is there.
    """
    experiment = config.experiment
    rho = correlation_of(experiment.task.name, config.outcome, config.sesoi)
    if rho is None:
        return ""
    bets = TIMESCALES[experiment.data.timescale].bars_a_year / experiment.task.horizon
    sharpe = rho * math.sqrt(num_symbols * bets)
    ic = f"a rank IC of about {_short(_RANK_OF_LINEAR * rho)}"
    worth = f"before costs a yearly Sharpe ratio of at most {_short(sharpe)} over knowing nothing"
    if costs is None:
        after = " What costs take is measured on the study's runs."
    else:
        left = _short(sharpe - costs).replace("-", MINUS)
        after = (
            f" Costs took {_short(costs)} off the long–short of these networks, which would leave "
            f"{left}."
        )
    if config.outcome == "ic":
        return f"The smallest effect of interest, {ic}, is worth {worth}.{after}"
    return f"The smallest effect of interest, {number(config.sesoi)}, is {ic}, or {worth}.{after}"


def _short(value: float) -> str:
    return number(float(f"{value:.2g}"))
