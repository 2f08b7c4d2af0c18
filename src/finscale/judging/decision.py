"""What to do after one run, in plain words: which model to use, whether to pay for size, what next.

A study's own decision is in :mod:`finscale.report.decision`, and starts with the same sentence.
"""

from __future__ import annotations

from finscale.config import ExperimentConfig
from finscale.config.outcomes import OUTCOMES
from finscale.config.titles import title
from finscale.data.splits import FEWEST_WINDOWS
from finscale.evaluation.bootstrap import LEVEL
from finscale.evaluation.score_power import smallest_difference
from finscale.judging.claims import BASE_RATE, Claims
from finscale.judging.scoring import Scorecard
from finscale.scaling.digits import number
from finscale.scaling.measure import negated
from finscale.scaling.sentences import interval

#: Baselines that a sentence names with an article before them; others are a baseline's.
_WITH_ARTICLE, _BARE = {"base_rate", "logistic"}, {"lightgbm", "volatility", "volatility_ranges"}


def the(name: str) -> str:
    """Return a baseline as a sentence names it: ``the logistic``."""
    if name in _BARE:
        return title(name)
    return f"the {title(name)}" + ("" if name in _WITH_ARTICLE else " baseline")


def is_ahead(claims: Claims) -> bool:
    """Tell whether the network is seen to beat the best plain model, and so to be worth using."""
    best = claims.best_baseline
    return bool(best) and claims.standing(best) == "seen"


def which(claims: Claims, network: str) -> str:
    """Return which model to use.

    Parameters
    ----------
    claims : Claims
        Of a network, the base rate among its baselines.
    network : str
        What it is, in words: ``the network of 2M parameters``.
    """
    best, unit = claims.best_baseline, claims.unit
    if not best:
        return "Use nothing yet: no base rate stands beside the network to hold it against."
    gain, standing = claims.gains[best], claims.standing(best)
    if standing == "seen":
        less = f"it loses {interval(gain)} {unit} less than {the(best)}"
        known = "" if best == BASE_RATE else ", the best of the plain models"
        alone = set(claims.gains) == {BASE_RATE}
        also = " No other plain model stands beside it: add the logistic first." if alone else ""
        return f"Use {network}: {less}{known}.{also}"
    if best == BASE_RATE:
        return (
            "Use none of these models: nothing here is seen to know more than the base rate, which "
            "costs nothing."
        )
    if standing == "worse":
        return f"Use {the(best)}: {network} loses {interval(negated(gain))} {unit} more."
    if not any((gain.value, gain.low, gain.high)):
        return f"Use {the(best)}: {network} adds nothing to it."
    return f"Use {the(best)}: {network} is not seen to lose less."


def mend(claims: Claims) -> str:
    """Return that baselines failed and are to be mended; empty where none did."""
    if not claims.failed:
        return ""
    names = " and ".join(the(name) for name in claims.failed)
    few = f", and {claims.num_days} test days are few" if claims.num_days < FEWEST_WINDOWS else ""
    return (
        f"Mend {names} first: a plain model that loses to the base rate says nothing about the "
        "network (look for columns that are constant, that separate the classes, or that leave "
        f"their range after train{few})."
    )


def decide_run(card: Scorecard, config: ExperimentConfig) -> tuple[str, ...]:
    """Return what to do after a run: which model, whether to pay for size, what next, at what cost.

    Nothing is said of a baseline's own run, which has no size.
    """
    if config.model.kind == "baseline" or BASE_RATE not in card.skills:
        return ()
    claims = card.claims
    said = [which(claims, "this network"), _pay(claims, card, config.task.name)]
    said.append(mend(claims) or _study(config))
    return tuple(said)


def _pay(claims: Claims, card: Scorecard, task: str) -> str:
    best, unit = claims.best_baseline, claims.unit
    gain, rule = claims.gains[best], OUTCOMES["loss"]
    sesoi = rule.across.get(task, rule.sesoi.get(card.target))
    if is_ahead(claims):
        return "Whether a larger one is worth paying for, one size cannot say."
    start = "Do not pay for a larger one yet: one size cannot say whether it would do better"
    if sesoi is None or claims.failed:
        return f"{start}."
    # standard errors in an interval
    width = 2 * 1.959964
    smallest = smallest_difference((gain.high - gain.low) / width, level=1 - LEVEL)
    if gain.high < sesoi:
        return (
            f"{start}; at this size a gain of {number(sesoi)} {unit} over {the(best)} is excluded."
        )
    days = round(claims.num_days * (smallest / sesoi) ** 2, -2)
    return (
        f"{start}; to see a gain of {number(sesoi)} {unit} over {the(best)} takes about "
        f"{max(days, 100):,.0f} test days, and there are {claims.num_days:,}."
    )


def _study(config: ExperimentConfig) -> str:
    task, data = config.task, config.data
    of = f"--symbols {','.join(data.symbols)}"
    if data.universe:
        of = f"--universe {data.universe}"
    horizon = f" --horizon {task.horizon}" if task.horizon != 1 else ""
    return (
        f"Next: finscale study new mine {of} --task {task.name}{horizon} --axis "
        "parameters asks whether size pays; finscale study plan mine.yaml says first what it "
        "costs."
    )
