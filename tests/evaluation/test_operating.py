"""Thresholds chosen on validation."""

import numpy as np
import pytest

from finscale.errors import ConfigError
from finscale.evaluation.bootstrap import Resampler
from finscale.evaluation.operating import OperatingRule, Sweep, threshold_sweep
from finscale.evaluation.scores import Classified, probabilities

# twenty rows, from sure to doubtful: 8 of the first 10 happen, 2 of the last 10
LOGIT = np.linspace(2, -2, 20)
TARGET = np.array([1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0])


def test_sweep_by_hand():
    sweep = Sweep.of([1, 0, 1, 0], [3.0, 1.0, 1.0, 0.0])
    assert sweep.logit.tolist() == [3.0, 1.0, 0.0]
    assert sweep.precision.tolist() == [1.0, 2 / 3, 0.5]
    assert sweep.recall.tolist() == [0.5, 1.0, 1.0]
    assert sweep.flagged.tolist() == [0.25, 0.75, 1.0]


@pytest.mark.parametrize(
    ("rule", "num_flagged"),
    [
        ("recall=0.5", 5),
        ("recall=.8", 8),
        ("recall=81%", 13),
        ("top=10%", 2),
        ("top=0.999", 19),
        ("top=1%", 1),
        ("precision=0.6", 15),
        ("precision=0.75", 10),
        ("precision=0.99", 10),  # out of reach with ten rows: the most precise ten
    ],
)
def test_rules_flag_what_they_promise(rule, num_flagged):
    threshold = OperatingRule.parse(rule).threshold(TARGET, LOGIT)
    assert np.count_nonzero(threshold <= LOGIT) == num_flagged


def test_a_precision_is_not_believed_on_fewer_than_ten_rows():
    rule = OperatingRule("precision", 0.5)
    assert rule.threshold([1, 0, 0], [3.0, 2.0, 1.0]) == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recall", "write precision=0.4"),
        ("recal=0.5", "Did you mean recall"),
        ("top=0", "between 0 and 1"),
        ("top=120%", "between 0 and 1"),
        ("top=1.2.3", "between 0 and 1"),
    ],
)
def test_what_is_no_rule_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        OperatingRule.parse(text)


def test_a_rule_reads_as_it_was_written():
    assert str(OperatingRule.parse("top=10%")) == "top 0.1"


def test_sweep_table_carries_intervals():
    rng = np.random.default_rng(0)
    logit = rng.standard_normal(500)
    rows = Classified.of(rng.random(500) < probabilities(logit), logit)
    resampler = Resampler.over(np.arange(500), rows.log_loss, num_replicates=200)
    table = threshold_sweep(rows, resampler, [0.3, 0.7])
    assert table.columns == ["threshold", "score", "value", "low", "high"]
    assert table.height == 8
    precision = dict(table.filter(score="precision").select("threshold", "value").iter_rows())
    assert precision[0.7] == pytest.approx(rows.target[rows.probability >= 0.7].mean())
    assert precision[0.7] > precision[0.3]
    assert (table["low"] < table["high"]).all()
    lift = table.filter(score="lift")["value"]
    assert lift.to_list() == pytest.approx([p / rows.target.mean() for p in precision.values()])
