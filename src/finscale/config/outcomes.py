"""What a study can be about: its outcomes, the tasks they fit, and what would be worth having.

The smallest effects of interest that stand when a file names none:

- ``loss``: .005 nats a decision. For a number instead of a class, 1e-7 squared returns: an R² of
  .001 where a day moves by 1 %. For quantiles, 1.25e-6 returns: the same effect, because the
  quantiles .1, .5 and .9 of a normal return cost .25 standard deviations on average, and an R² of
  .001 takes .0005 of the deviation away.
- ``auc``: .01. At an AUC of .75, with the event on 22 % of days, it is worth .0064 nats (binormal):
  the same effect as the loss's.
- ``r2``: .001 of the variance of daily returns. It takes an investor who times by it from a yearly
  Sharpe ratio of .6 to .78 (Campbell and Thompson 2008: S² grows by R² a period).
- ``sharpe``: .2 a year after costs: less would not pay for its own supervision. Of a task that
  compares the symbols of a day it is that of the long–short portfolio of fifths.
- ``ic``: .005 of the mean rank correlation of a day, beside published ones of .02 to .05. With 20
  independent symbols a day it is worth .005·√(252·20) = .35 of a yearly information ratio before
  costs (Grinold 1989).

Where labels compare the symbols of a day, the same .005 of rank IC on top of .02 is worth less of a
loss, because a loss grows with the square: 1e-4 nats a decision (431 US stocks, 2013–2015: an IC of
.021 came with 1.6e-4 nats), and 2e-4 squared normal scores (.025² − .02²).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from finscale.config.base import Section

OutcomeName = Literal["loss", "auc", "r2", "sharpe", "ic"]
#: What may be forecast, in words.
TARGET_WORDS = {
    "classification": "a yes or no",
    "regression": "a number",
    "quantile": "quantiles",
}


@dataclass(frozen=True)
class OutcomeRule:
    """What a study file has to know of an outcome.

    Parameters
    ----------
    title : str
        In words.
    sesoi : mapping of str to float
        Target that it fits → smallest effect of interest where the file names none.
    planted : str
        What a planted signal has to show.
    across : mapping of str to float
        Task that compares symbols → smallest effect, where it is another than its target's.
    """

    title: str
    sesoi: Mapping[str, float]
    planted: str
    across: Mapping[str, float] = field(default_factory=dict)


OUTCOMES: dict[OutcomeName, OutcomeRule] = {
    "loss": OutcomeRule(
        "loss",
        {"classification": 0.005, "regression": 1e-7, "quantile": 1.25e-6},
        "skill over the base rate is seen",
        {"outperform": 1e-4, "top_fifth": 1e-4, "rank": 2e-4},
    ),
    "auc": OutcomeRule(
        "AUC", {"classification": 0.01}, "an AUC above that of the base rate is seen"
    ),
    "r2": OutcomeRule("R²", {"regression": 0.001}, "an R² above that of the base rate is seen"),
    "sharpe": OutcomeRule(
        "Sharpe ratio",
        {"classification": 0.2, "regression": 0.2, "quantile": 0.2},
        "skill over the base rate is seen (a planted label moves no price: no Sharpe ratio "
        "can show it)",
    ),
    "ic": OutcomeRule(
        "rank IC",
        {"classification": 0.005, "regression": 0.005},
        "skill over the base rate is seen (a planted label moves no price: no rank IC with returns "
        "can show it)",
    ),
}
#: Symbols that a day needs for a rank IC.
LEAST_SYMBOLS = 5


class CostsConfig(Section):
    """What trading is taken to cost, in basis points."""

    commission: Annotated[float, Field(ge=0)] = 0.5
    """Of the value traded, each way."""
    half_spread: Annotated[float, Field(ge=0)] = 1.0
    """Of the value traded, each way."""
    slippage: Annotated[float, Field(ge=0)] = 1.0
    """Of the value traded, each way."""
    borrow: Annotated[float, Field(ge=0)] = 50.0
    """Of the value held short, a year."""


def check_outcome(name: OutcomeName, target: str) -> None:
    """Refuse an outcome that says nothing of a target."""
    if target in OUTCOMES[name].sesoi:
        return
    fitting = " or ".join(other for other, rule in OUTCOMES.items() if target in rule.sesoi)
    what = TARGET_WORDS.get(target, target)
    raise ValueError(f"outcome {name} does not fit a task that forecasts {what}: take {fitting}")
