"""The audit of a panel whose labels and columns compare the symbols of a day."""

from dataclasses import replace

import polars as pl
import pytest
import torch

from finscale.audit import audit
from finscale.config import TaskConfig
from finscale.data import FinancialDataset
from finscale.data.synthetic import simulate
from finscale.features import dataset_rows


@pytest.fixture(scope="module")
def panel():
    bars = {str(f["symbol"][0]): f for f in simulate("garch", 10, num_days=520).frames()}
    dataset = FinancialDataset.from_frames(
        [dataset_rows(frame) for frame in bars.values()],
        context_length=3,
        task=TaskConfig(name="outperform", horizon=5),
        inputs="relative",
        cross_section="ranks",
    )
    return dataset, bars


def outcome(certificate, name: str):
    return next(one for one in certificate.outcomes if one.check == name)


def test_an_honest_panel_is_proven(panel) -> None:
    dataset, bars = panel
    certificate = audit(dataset, bars=bars)
    for name in ("causality", "columns", "labels", "overlap"):
        assert not outcome(certificate, name).findings, name
    assert "26 across the section" in str(certificate)


def test_a_rank_of_tomorrow_and_a_label_of_another_day_are_found(panel) -> None:
    dataset, bars = panel
    tomorrow = pl.col("xs_close").shift(-1).over("symbol").fill_null(0.0)
    frame = dataset.frame.with_columns(xs_close=tomorrow)
    target_R = torch.roll(dataset.target_R, -1)
    certificate = audit(replace(dataset, frame=frame, target_R=target_R), bars=bars)
    assert "xs_close" in str(outcome(certificate, "columns").findings)
    assert outcome(certificate, "labels").findings
