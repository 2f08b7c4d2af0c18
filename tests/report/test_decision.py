"""The decision of a study in plain words: every verdict, and baselines that failed."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from finscale.evaluation.bootstrap import Metric
from finscale.judging.claims import Claims, Known
from finscale.report.decision import Situation, decide
from finscale.scaling.settlement import Settlement
from finscale.study.beyond import BeyondLinear

UP, DOWN, TIGHT = Metric(0.02, 0.01, 0.03), Metric(-0.02, -0.03, -0.01), Metric(0.0, -0.001, 0.001)
WIDE = Metric(0.001, -0.02, 0.022)
RANKS = Metric(0.7, 0.65, 0.75)


def claims(over: Metric = UP, knows: Metric = UP) -> Claims:
    gains = {"base_rate": UP, "logistic": over}
    return Claims(gains, 1005, "nats", {"logistic": Known(knows)}, RANKS)


def beyond(*gains: Metric, failed: str = "") -> BeyondLinear:
    return BeyondLinear((5e3, 2e6), gains, "parameters", 0.005, failed=failed)


AHEAD = Situation(
    verdict="LAW",
    claims=claims(),
    network="the network at 2M parameters",
    first="5k parameters",
    last="2M parameters",
    larger="ten times the parameters",
    sesoi=0.005,
    unit="nats",
    gain=Metric(0.0123, 0.0046, 0.0201),
    tenfold=Metric(0.008, 0.004, 0.012),
    beyond=beyond(DOWN, UP),
    num_seeds=5,
    cost="about 3 h on the machine of this study",
    seconds=3600.0,
)
BEHIND = replace(AHEAD, claims=claims(TIGHT), beyond=beyond(DOWN, TIGHT))
USE_NETWORK = "Use the network at 2M parameters: it loses .0200 [.0100, .0300] nats less than the "
USE_LOGISTIC = "Use the logistic: the network at 2M parameters is not seen to lose less."


@pytest.mark.parametrize(
    ("situation", "use", "pay", "then"),
    [
        (
            AHEAD,
            USE_NETWORK,
            "Size is worth paying for: from 5k to 2M parameters it brings .0123 [.0046, .0201] "
            "nats, and ten times the parameters would bring +.00800 [+.00400, +.01200] nats.",
            "Next: ten times the parameters (about 3 h on the machine of this study), if that",
        ),
        (
            replace(AHEAD, tenfold=TIGHT),
            USE_NETWORK,
            "not for ten times the parameters, which would bring less than .005 nats.",
            "Next: more days or symbols, or features that know something else; ten times the "
            "parameters (about 3 h on the machine of this study) is not where to look first.",
        ),
        (BEHIND, USE_LOGISTIC, "it brings the network closer to the logistic", "Next: more days"),
        (
            replace(AHEAD, beyond=beyond(DOWN, TIGHT)),
            USE_NETWORK,
            "Do not pay for size: it brings no more than the linear model has without it.",
            "Next: more days",
        ),
        (
            replace(AHEAD, verdict="TURNS", best_size="50k parameters", larger="", tenfold=None),
            USE_NETWORK,
            "Pay for size up to 50k parameters, and no further",
            "Next: more days",
        ),
        (
            replace(AHEAD, verdict="INVERSE"),
            USE_NETWORK,
            "Do not pay for size: the larger, the worse; of the networks 5k parameters does best.",
            "Next: more days",
        ),
        (
            replace(BEHIND, verdict="NO-LAW"),
            USE_LOGISTIC,
            "a gain beyond .005 nats from 5k to 2M parameters is excluded.",
            "Next: more days",
        ),
        (
            replace(BEHIND, verdict="INDETERMINATE", beyond=beyond(TIGHT, TIGHT)),
            USE_LOGISTIC,
            "Do not pay for size on this series: a gain of .005 nats over the linear model is "
            "excluded at every size.",
            "Next: more days",
        ),
        (
            replace(
                BEHIND,
                verdict="INDETERMINATE",
                beyond=beyond(WIDE, WIDE),
                settles=Settlement(5300, 12, None, "if the trend is real"),
            ),
            USE_LOGISTIC,
            "Do not pay for size yet: whether it brings .005 nats from 5k to 2M parameters is open",
            "about 5,300 test days (now 1,005: add symbols) or 12 seeds a size (now 5; about 84 "
            "min more of computing) would settle the question.",
        ),
        (
            replace(
                BEHIND,
                verdict="INDETERMINATE",
                beyond=None,
                settles=Settlement(None, None, None, "if the trend is real"),
            ),
            USE_LOGISTIC,
            "Do not pay for size yet",
            "More days and seeds would not settle it, a hundred times as many included",
        ),
        (
            replace(AHEAD, verdict="MIXED", families={"PatchTST": "LAW", "GRU": "NO-LAW"}),
            USE_NETWORK,
            "Pay for size in PatchTST, not in GRU.",
            "Next: more days",
        ),
        (
            replace(BEHIND, verdict="MIXED", families={"PatchTST": "LAW", "GRU": "INVERSE"}),
            USE_LOGISTIC,
            "it improves PatchTST, but nothing here is seen to do better than the logistic.",
            "Next: more days",
        ),
        (
            replace(BEHIND, verdict="MIXED", families={"A": "NO-LAW", "B": "INDETERMINATE"}),
            USE_LOGISTIC,
            "of no architecture is it seen to pay",
            "Next: more days",
        ),
        (
            # the logistic failed: what the network gains on it is no reason to buy
            replace(
                AHEAD,
                claims=claims(UP, knows=DOWN),
                beyond=beyond(UP, UP, failed="The logistic baseline failed"),
            ),
            "Use the network at 2M parameters: it loses .0200 [.0100, .0300] nats less than the "
            "base rate.",
            "Do not pay for size yet: the linear model, which it has to beat, failed itself.",
            "Mend the logistic first",
        ),
    ],
)
def test_each_verdict(situation: Situation, use: str, pay: str, then: str) -> None:
    said = decide(situation)
    assert len(said) == 3
    assert said[0].startswith(use)
    assert pay in said[1]
    assert then in said[2]
    # ten times the size is spoken of with one figure
    assert len(re.findall(r"would bring [+−.]", " ".join(said))) <= 1


def test_an_unsound_study_decides_nothing() -> None:
    (said,) = decide(replace(AHEAD, unsound="the audit found a leak"))
    assert said == "Decide nothing by this study: the audit found a leak."


def test_without_a_verdict_the_model_to_use_is_still_said() -> None:
    silent = replace(BEHIND, verdict="", no_verdict="one seed a size tells nothing.")
    use, pay = decide(silent)
    assert use == USE_LOGISTIC
    assert pay == "Whether size pays is not known: one seed a size tells nothing."
    *_, then = decide(replace(silent, num_seeds=1))
    assert then.startswith("Next: seeds: 5 in a study file of another name")
    *_, then = decide(replace(silent, num_seeds=1, num_missing=3))
    assert then == "Next: the same finscale study run, which computes the 3 runs that are missing."


def test_a_network_beside_the_base_rate_alone_is_used_with_a_caution() -> None:
    alone = Claims({"base_rate": UP}, 1005, "nats", {}, RANKS)
    use, *_ = decide(replace(AHEAD, claims=alone, beyond=None))
    assert use.endswith("base rate. No other plain model stands beside it: add the logistic first.")
