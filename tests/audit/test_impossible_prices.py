"""Bars that were registered before import looked at every price: the audit sees them."""

import datetime as dt

import polars as pl
import pytest

from finscale.config import ExperimentConfig, SplitConfig

DAY = dt.date(2005, 6, 14)


def _high(bars, day, times):
    return bars.with_columns(
        pl.when(pl.col("date") == day).then(pl.col("high") * times).otherwise("high").alias("high")
    )


@pytest.fixture
def spoilt(case):
    case.bars = _high(case.bars, DAY, 100)
    return case


def test_a_high_of_a_hundred_times_is_a_finding(spoilt):
    certificate = spoilt.certify("plausibility")
    assert not certificate.clean
    ((_, finding),) = certificate.findings
    assert finding.startswith("SP500: high 120,")
    assert finding.endswith(f"times the prices around it on {DAY}")
    assert "import the file again" in certificate["plausibility"].mend


def test_a_split_over_a_halt_is_a_finding(case):
    after = pl.col("date") >= DAY
    case.bars = case.bars.with_columns(
        pl.when(after).then(pl.col(name) / 5).otherwise(name).alias(name)
        for name in ("open", "high", "low", "close")
    ).filter(~pl.col("date").is_between(DAY - dt.timedelta(14), DAY - dt.timedelta(1)))
    ((_, finding),) = case.certify("plausibility").findings
    assert f"on {DAY} after 18 days without a bar, as in a split of 5:1" in finding


def test_what_the_user_has_called_real_is_none(case, sp500, tmp_path):
    from dataclasses import replace

    from finscale.audit.evidence import collect
    from finscale.audit.prices import impossible_prices

    evidence = collect(case.dataset(), split=case.split, bars={"SP500": _high(sp500, DAY, 100)})
    assert len(impossible_prices(evidence)) == 1
    evidence = replace(evidence, real_moves={"SP500": frozenset({DAY})})
    assert impossible_prices(evidence) == []


def test_real_days_come_from_the_registered_bars(tmp_path, sp500):
    from finscale.audit.evidence import collect
    from finscale.audit.prices import impossible_prices
    from finscale.data import Bars, DataStore

    store = DataStore(tmp_path)
    frame = (
        _high(sp500, DAY, 100)
        .with_columns(adj_close="close")
        .select("date", "symbol", "open", "high", "low", "close", "adj_close", "volume")
    )
    config = ExperimentConfig(
        data={"symbols": ["SP500"], "root": tmp_path, "context_length": 20},
        split=SplitConfig(train_end="2006-12-31", validation_end="2007-12-31"),
    )
    for real, findings in (({}, 1), ({"real moves": str(DAY)}, 0)):
        store.add_bars(Bars("SP500", frame, "split", "csv", provenance=real))
        evidence = collect(config, data=store)
        assert len(impossible_prices(evidence)) == findings
