"""Columns across the section: by hand, and proven to know nothing of tomorrow."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import rankdata

from finscale.config import TaskConfig
from finscale.data import FinancialDataset
from finscale.data.section_features import with_section
from finscale.features.section_proof import prove_section

NAMES = ("rel_one", "rel_two")


def panel(close_TS, **columns) -> list[pl.DataFrame]:
    """Frames of symbols A, B … from closes by day; NaN is no bar."""
    close_TS = np.asarray(close_TS, float)
    days = np.datetime64("2024-01-01") + np.arange(len(close_TS))
    parts = []
    for number, close_T in enumerate(close_TS.T):
        has = np.isfinite(close_T)
        own = {name: np.asarray(values)[has, number] for name, values in columns.items()}
        frame = {"date": days[has], "symbol": [chr(65 + number)] * has.sum(), "close": close_T[has]}
        parts.append(pl.DataFrame(frame | own))
    return parts


def walks(num_days: int, num_symbols: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    moves = rng.normal(0, 0.01, (num_days, num_symbols)) + rng.normal(0, 0.01, (num_days, 1))
    return 100 * np.exp(np.cumsum(moves, axis=0))


def columns(num_days: int, num_symbols: int, seed: int = 0, **more) -> list[pl.DataFrame]:
    rng = np.random.default_rng(seed)
    values = {name: rng.normal(size=(num_days, num_symbols)) for name in NAMES}
    return panel(walks(num_days, num_symbols, seed), **values, **more)


def by_day(parts, name):
    return np.stack([part[name].to_numpy() for part in parts], axis=1)


def test_a_rank_is_a_share_of_the_day_and_ties_share_it():
    parts = panel(np.ones((1, 4)), rel_one=[[5.0, 1.0, 5.0, 9.0]])
    made = with_section(parts, ["rel_one"], "ranks")
    assert by_day(made, "xs_one")[0].tolist() == [0.0, -0.375, 0.0, 0.375]


def test_ranks_are_among_the_members_and_others_stand_in_the_middle():
    member = np.ones((30, 6), bool)
    member[:, 5] = False
    parts = columns(30, 6, member=member)
    made = with_section(parts, NAMES, "ranks")
    five = rankdata(by_day(parts, "rel_two")[:, :5], axis=1)
    np.testing.assert_allclose(by_day(made, "xs_two")[:, :5], (five - 0.5) / 5 - 0.5, atol=1e-15)
    assert (by_day(made, "xs_two")[:, 5] == 0).all()


def test_the_market_by_hand():
    parts = columns(120, 6)
    made = with_section(parts, NAMES, "market", dict(zip("ABCDEF", "xxxyyy", strict=True)))
    moves = np.diff(np.log(by_day(parts, "close")), axis=0)
    row = 100
    market = moves.mean(axis=1)
    assert by_day(made, "xs_market_return")[row] == pytest.approx(market[row - 1])
    spread = np.log(moves.std(axis=1))
    assert by_day(made, "xs_market_dispersion")[row] == pytest.approx(spread[row - 1])
    past, own = market[row - 60 : row], moves[row - 60 : row, 2]
    beta = np.cov(own, past, bias=True)[0, 1] / past.var()
    assert by_day(made, "xs_beta")[row, 2] == pytest.approx(beta)
    left = np.log((own - own.mean() - beta * (past - past.mean())).std())
    assert by_day(made, "xs_residual_volatility")[row, 2] == pytest.approx(left)
    assert (by_day(made, "xs_beta")[:20] == 1).all()
    apart = moves[:, 3:].mean(axis=1) - market
    assert by_day(made, "xs_group_return_5")[row, 4] == pytest.approx(apart[row - 5 : row].sum())
    assert all(np.isfinite(part.select(pl.selectors.float()).to_numpy()).all() for part in made)


@pytest.mark.parametrize("groups", [None, dict(zip("ABCDEFGH", "xyxyxyxy", strict=True))])
def test_no_column_knows_anything_of_tomorrow(groups):
    rng = np.random.default_rng(5)
    close = walks(90, 8)
    close[40:44, 2] = np.nan  # halted
    close[70:, 3] = np.nan  # delisted
    close[:30, 4] = np.nan  # listed later
    values = {name: rng.normal(size=close.shape) for name in NAMES}
    parts = panel(close, **values, member=rng.random(close.shape) < 0.9)
    reports = prove_section(parts, "both", groups, num_cuts=4)
    assert len(reports) == 2 + 4 + (3 if groups else 0)
    assert [report.describe() for report in reports if not report.causal] == []
    assert {"delisted", "late", "halted", "of other members"} <= set(reports[0].changes)


def test_the_proof_finds_a_column_that_knows_tomorrow(monkeypatch):
    from finscale.data import section_features

    honest = section_features.section_rank

    def peeking(section, parts, name):
        tomorrow = [part.with_columns(pl.col(name).shift(-1).fill_null(0.0)) for part in parts]
        return honest(section, tomorrow, name)

    monkeypatch.setattr(section_features, "section_rank", peeking)
    reports = prove_section(columns(40, 5), "ranks", num_cuts=2)
    assert not any(report.causal for report in reports)


def test_the_proof_finds_a_beta_of_the_whole_history(monkeypatch):
    from finscale.data.cross_section import CrossSection

    honest = CrossSection.betas

    def of_all_time(self, days, *args, **options):
        beta_TS, left_TS = honest(self, 10_000, *args, **options)
        return np.broadcast_to(beta_TS[-1], beta_TS.shape), left_TS

    monkeypatch.setattr(CrossSection, "betas", of_all_time)
    reports = {r.feature: r.causal for r in prove_section(columns(60, 5), "market", num_cuts=2)}
    assert not reports["xs_beta"]
    assert reports["xs_market_return"]


@pytest.mark.parametrize("cross_section", ["none", "ranks", "market", "both"])
def test_a_dataset_reads_them_in_windows_and_in_the_last_row(cross_section):
    data = FinancialDataset.from_frames(
        columns(60, 6),
        context_length=3,
        task=TaskConfig(name="outperform", min_members=3),
        inputs="relative",
        cross_section=cross_section,
    )
    ranked = cross_section in ("ranks", "both")
    expected = ["xs_one", "xs_two"] if ranked else list(NAMES)
    if cross_section in ("market", "both"):
        expected += [
            f"xs_{name}"
            for name in ("market_return", "market_dispersion", "beta", "residual_volatility")
        ]
    assert list(data.features) == list(data.relative) == expected
    np.testing.assert_array_equal(
        data.rows_RF.numpy(), data.frame.select(expected).to_numpy().astype(np.float32)
    )
    assert data.cross_section == cross_section


def test_levels_in_windows_stay_and_the_last_row_is_ranked():
    frames = [part.with_columns(signal=pl.col("rel_one") * 2) for part in columns(30, 4)]
    data = FinancialDataset.from_frames(
        frames, context_length=2, task=TaskConfig(name="direction"), cross_section="ranks"
    )
    assert data.features == ("signal",)
    assert data.relative == ("xs_one", "xs_two")
