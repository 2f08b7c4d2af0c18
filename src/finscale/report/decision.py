"""The decision of a study in plain words: which model to use, whether to pay for size, what next.

Three sentences, or fewer, that say nothing which the verdict, the cards and the claims do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from finscale.evaluation.bootstrap import Metric
from finscale.judging.claims import BASE_RATE, Claims
from finscale.judging.decision import is_ahead, mend, the, which
from finscale.report.numbers import duration, interval, number
from finscale.scaling.settlement import Settlement
from finscale.study.axes import AXES
from finscale.study.beyond import BeyondLinear
from finscale.study.findings.findings import Findings

_PAYS = ("LAW", "TURNS")


@dataclass(frozen=True)
class Situation:
    """What a decision rests on.

    Parameters
    ----------
    verdict : str
        ``LAW``, ``INVERSE``, ``TURNS``, ``NO-LAW``, ``INDETERMINATE``; ``MIXED`` of architectures
        that differ in it; empty where there is none.
    claims : Claims
        Of the chosen size.
    network : str
        The chosen size in words: ``the network of 50k parameters``.
    first, last : str
        Smallest and largest size, in words.
    larger : str
        What ten times the largest would be, in words: ``ten times the parameters``; empty where
        that would ask another question.
    sesoi : float
        Smallest effect of interest, in ``unit``.
    unit : str
        Of what the study is about.
    gain, tenfold : Metric or None
        From the smallest to the largest size, and what ten times the largest would bring.
    best_size : str
        Where the curve turns.
    beyond : BeyondLinear or None
        What each size gains on the linear model.
    settles : Settlement or None
        What would settle an open verdict.
    shape : str
        What the curve looks like where that is why no law may be claimed.
    replicate : str
        What independent replicates of a size are: seeds, or nestings of features.
    num_seeds : int
        Seeds a size.
    cost : str
        Of ten times the largest size; empty where it is not known.
    seconds : float
        What the study's networks took to train, all together; 0 where it is not known.
    families : mapping of str to str
        Architecture → its verdict, where several are compared.
    no_verdict : str
        Why there is no verdict, as a sentence.
    num_missing : int
        Planned runs that are not there.
    unsound : str
        Why no number here is to be trusted; empty where none is known.
    """

    verdict: str
    claims: Claims
    network: str
    first: str
    last: str
    larger: str
    sesoi: float
    unit: str
    gain: Metric | None = None
    tenfold: Metric | None = None
    best_size: str = ""
    beyond: BeyondLinear | None = None
    settles: Settlement | None = None
    shape: str = ""
    num_seeds: int = 1
    replicate: str = "seeds"
    cost: str = ""
    seconds: float = 0.0
    families: Mapping[str, str] = field(default_factory=dict)
    no_verdict: str = ""
    num_missing: int = 0
    unsound: str = ""

    @property
    def pays(self) -> bool:
        """Whether size buys what no plain model gives for nothing."""
        beyond = self.beyond is None or bool(self.beyond.beating)
        return self.verdict in (*_PAYS, "MIXED") and is_ahead(self.claims) and beyond

    def amount(self, text: str) -> str:
        """Return a number with the unit of what the study is about."""
        return f"{text} {self.unit}".rstrip()


def decide(situation: Situation) -> tuple[str, ...]:
    """Return what to do, in at most three sentences.

    Which model to use, whether size is worth paying for, and what to do next at what cost.
    """
    if situation.unsound:
        return (f"Decide nothing by this study: {situation.unsound}.",)
    use = which(situation.claims, situation.network)
    if not situation.verdict:
        unknown = f"Whether size pays is not known: {situation.no_verdict}"
        return tuple(filter(None, (use, unknown, _first(situation))))
    return use, _pay(situation), _next(situation)


def _first(on: Situation) -> str:
    """Return what a study without a verdict needs; empty where its reason says all there is."""
    if on.num_missing:
        runs = "the run that is" if on.num_missing == 1 else f"the {on.num_missing} runs that are"
        return f"Next: the same finscale study run, which computes {runs} missing."
    if on.num_seeds == 1:
        return (
            "Next: seeds: 5 in a study file of another name; finscale study plan FILE says first "
            "what that costs."
        )
    return ""


def _pay(on: Situation) -> str:
    noun = on.last.partition(" ")[2]
    first = on.first.removesuffix(f" {noun}")
    # "5k to 2M parameters", yet "5 % of asset-days to all asset-days"
    span = f"from {on.first if first.endswith(' of') else first} to {on.last}"
    if on.verdict in (*_PAYS, "MIXED") and on.beyond is not None and on.beyond.failed:
        return "Do not pay for size yet: the linear model, which it has to beat, failed itself."
    if on.verdict == "MIXED":
        return _mixed(on)
    if on.verdict == "INVERSE":
        return f"Do not pay for size: the larger, the worse; of the networks {on.first} does best."
    if on.verdict == "NO-LAW":
        limit = on.amount(number(on.sesoi))
        return f"Do not pay for size on this series: a gain beyond {limit} {span} is excluded."
    if on.verdict in _PAYS:
        return _paying(on, span)
    if on.beyond is not None and on.beyond.excluded:
        limit = on.amount(number(on.sesoi))
        over = "over the linear model is excluded at every size"
        return f"Do not pay for size on this series: a gain of {limit} {over}."
    open_gain = "" if on.gain is None else f", measured {on.amount(interval(on.gain, sign=True))}"
    return (
        f"Do not pay for size yet: whether it brings {on.amount(number(on.sesoi))} {span} is open"
        f"{open_gain}."
    )


def _paying(on: Situation, span: str) -> str:
    """Speak of a study whose outcome improves with size, all the way or up to a point."""
    if not is_ahead(on.claims):
        best = the(on.claims.best_baseline)
        return (
            f"Do not pay for size: it brings the network closer to {best}, and no size is seen to "
            "do better than that."
        )
    if not on.pays:
        return "Do not pay for size: it brings no more than the linear model has without it."
    if on.verdict == "TURNS":
        return f"Pay for size up to {on.best_size}, and no further: beyond it, size hurts."
    if on.gain is not None and max(abs(on.gain.low), abs(on.gain.high)) < on.sesoi:
        limit = on.amount(number(on.sesoi))
        return f"Do not pay for size on this series: a law, but {span} it brings less than {limit}."
    brought = "" if on.gain is None else f" {span} it brings {on.amount(interval(on.gain))}"
    text = f"Size is worth paying for:{brought}"
    if on.tenfold is None or not on.larger:
        return f"{text}."
    if on.tenfold.high < on.sesoi:
        limit = on.amount(number(on.sesoi))
        return f"{text}; not for {on.larger}, which would bring less than {limit}."
    return f"{text}, and {on.larger} would bring {on.amount(interval(on.tenfold, sign=True))}."


def _mixed(on: Situation) -> str:
    paying = [name for name, verdict in on.families.items() if verdict in _PAYS]
    others = [name for name in on.families if name not in paying]
    if not paying:
        return "Do not pay for size yet: of no architecture is it seen to pay."
    if not on.pays:
        best = the(on.claims.best_baseline)
        return (
            f"Do not pay for size: it improves {_listed(paying)}, but nothing here is seen to do "
            f"better than {best}."
        )
    return f"Pay for size in {_listed(paying)}, not in {_listed(others)}."


def _next(on: Situation) -> str:
    if broken := mend(on.claims):
        return broken
    grows = on.verdict == "LAW" and on.pays and on.tenfold is not None and on.larger
    if grows and on.tenfold is not None and on.tenfold.high >= on.sesoi:
        cost = f" ({on.cost})" if on.cost else ""
        return f"Next: {on.larger}{cost}, if that gain is worth this price."
    if on.verdict == "INDETERMINATE" and not (on.beyond is not None and on.beyond.excluded):
        return _settle(on)
    if on.claims.best_baseline == BASE_RATE and not is_ahead(on.claims):
        return (
            "Next: other features, another task or more symbols; a larger network learns no more."
        )
    cost = f" ({on.cost})" if on.cost and on.larger else ""
    return (
        "Next: more days or symbols, or features that know something else; "
        f"{on.larger or 'more size'}{cost} is not where to look first."
    )


def _settle(on: Situation) -> str:
    settles, days = on.settles, on.claims.num_days
    ways = []
    if settles is not None and settles.num_days is not None:
        ways.append(f"about {_rounded(settles.num_days)} test days (now {days:,}: add symbols)")
    if settles is not None and settles.num_seeds is not None:
        ways.append(
            f"{settles.num_seeds} {on.replicate} a size (now {on.num_seeds}{_seeds_cost(on)})"
        )
    if not ways and settles is not None and settles.both is not None:
        some_days, seeds = settles.both
        ways.append(f"about {_rounded(some_days)} test days with {seeds} {on.replicate} a size")
    if on.shape:
        return f"Next: explain the curve before a larger network: {on.shape}."
    if ways:
        return f"Next, if the answer is worth it: {' or '.join(ways)} would settle the question."
    return (
        "More days and seeds would not settle it, a hundred times as many included: ask another "
        "question (features, symbols, task) before a larger network."
    )


def _seeds_cost(on: Situation) -> str:
    if not on.seconds or on.settles is None or on.settles.num_seeds is None:
        return ""
    more = on.settles.num_seeds / max(on.num_seeds, 1) - 1
    return f"; about {duration(on.seconds * more)} more of computing" if more > 0 else ""


def _rounded(count: int) -> str:
    unit = int(10 ** max(len(str(count)) - 2, 0))
    return f"{-(-count // unit) * unit:,}"


def _listed(names: list[str]) -> str:
    *some, last = names
    return f"{', '.join(some)} and {last}" if some else last


def situation(findings: Findings) -> Situation:
    """Gather what a decision rests on."""
    verdict, axis, found = findings.verdict, AXES[findings.axis], findings.families
    chosen = axis.sized(findings.words(findings.chosen.sizes[findings.axis]))
    sizes = sorted(findings.seeds["size"].unique().to_list())
    first, last = (axis.sized(findings.words(size)) for size in (sizes[0], sizes[-1]))
    names = {one.title: one.verdict_name for one in found.families} if found else {}
    several = len(set(names.values())) > 1
    grows = findings.asks_one_question and not findings.turns
    best = verdict.best_size if verdict else None
    seconds = findings.runs.filter(role="network")["seconds"].fill_null(0).sum()
    return Situation(
        verdict="MIXED" if several else verdict.name if verdict else "",
        claims=findings.claims,
        network=f"the network at {chosen}",
        first=first,
        last=last,
        larger=f"ten times the {axis.title}" if grows else "",
        sesoi=findings.study.sesoi,
        unit=findings.measure.unit or findings.measure.title,
        gain=verdict.gain if verdict else None,
        tenfold=verdict.next_tenfold if verdict and grows else None,
        best_size=axis.sized(findings.words(best.value)) if best else "",
        beyond=findings.beyond,
        settles=verdict.settles if verdict else None,
        shape=verdict.shape.words if verdict and verdict.shape else "",
        num_seeds=findings.study.num_replicates,
        replicate=findings.study.replicate_noun,
        cost=_cost(findings),
        seconds=float(seconds),
        families=names,
        no_verdict=findings.no_verdict or findings.not_compared,
        num_missing=len(findings.missing),
        unsound=_unsound(findings),
    )


def _cost(findings: Findings) -> str:
    if findings.cost is None:
        return ""
    return f"about {duration(findings.cost.total_seconds)} on the machine of this study"


def _unsound(findings: Findings) -> str:
    if not findings.certificate["clean"]:
        return "the audit found a leak"
    if any(outcome.ok is False for outcome in findings.controls):
        return "a control did not come out as it should"
    return ""
