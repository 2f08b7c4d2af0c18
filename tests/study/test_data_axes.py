"""Data as an axis: symbols, asset-days, and draws of symbols as replicates."""

from __future__ import annotations

import numpy as np
import pytest

from finscale.config import ExperimentConfig, StudyConfig
from finscale.config.axes import parse_sizes
from finscale.errors import ConfigError
from finscale.scaling import decide, size_covariance
from finscale.study.asset_days import shares_of_both
from finscale.study.axes import AXES, AxisWindows, largest, nominal
from finscale.study.grid import expand

PANEL = {"symbols": [f"S{number:02}" for number in range(20)], "source": "synthetic:garch"}


def study(axes, **changes) -> StudyConfig:
    experiment = {"data": PANEL, "model": {"kind": "mlp", "budget": 5000}}
    experiment |= changes.pop("experiment", {})
    content = {"name": "x", "experiment": experiment, "axes": axes, **changes}
    return StudyConfig(**content)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ([0.25, "50%", 1], ("25%", "50%", "100%")),
        (["0.125", 1.0], ("12.5%", "100%")),
        (["10k", 250_000, "1M"], (10_000, 250_000, 1_000_000)),
        (0.5, ("50%",)),
    ],
)
def test_asset_days_are_shares_or_counts(written, read):
    written = written if isinstance(written, list) else [written]
    assert parse_sizes("data", written) == read
    assert parse_sizes("data", list(read)) == read


@pytest.mark.parametrize("wrong", [0, -0.5, "many", "0%", "101%", 2.5, True, "x%"])
def test_what_is_no_size_of_data_is_refused(wrong):
    with pytest.raises(ValueError, match="is no size of axis data"):
        parse_sizes("data", [wrong])


def test_shares_and_counts_together_are_refused():
    with pytest.raises(ConfigError, match="or counts of them, not both"):
        study({"data": [0.5, "10k"]})


@pytest.mark.parametrize("num", [1, 2, 3, 20, 431])
@pytest.mark.parametrize("share", [0.01, 0.0625, 0.25, 0.55, 0.9, 1.0])
def test_symbols_and_days_make_the_share_together_and_grow_alike(num, share):
    symbols, days = shares_of_both(share, num)
    assert 1 <= symbols <= num
    assert symbols / num * (days or 1) == pytest.approx(share)
    if num > 100:
        assert np.log(symbols / num) == pytest.approx(np.log(share) / 2, abs=0.02)


def test_sizes_of_data_are_in_order_and_have_words():
    assert largest("data", ("100%", "5%", "25%")) == "100%"
    assert nominal("data", "12.5%") == 0.125
    assert nominal("data", 5000) == 5000
    words = AXES["data"].words
    assert [words("12.5%"), words("100%"), words(250_000)] == [
        "12.5 % of asset-days",
        "all asset-days",
        "250k asset-days",
    ]


def test_a_count_is_a_share_of_what_folds_train_on():
    config = ExperimentConfig(
        data=PANEL, split={"method": "walk_forward", "folds": 2}, model={"budget": 5000}
    )
    looks = {0: 8_000, 1: 12_000}
    sized = (
        AXES["data"].apply(config, 2_500, lambda one: AxisWindows(5, looks[one.split.fold])).split
    )
    assert (sized.train_symbols, sized.train_share) == (10, 0.5)
    with pytest.raises(ConfigError, match="10,000 to train on"):
        AXES["data"].apply(config, 20_000, lambda one: AxisWindows(5, looks[one.split.fold]))


@pytest.mark.parametrize("axes", [{"assets": [5, 10, 20]}, {"data": ["25%", "50%", "100%"]}])
def test_every_draw_has_seeds_and_baselines_of_its_own(axes):
    cells = expand(study(axes, draws=3, seeds=2, baselines=["base_rate"]))
    networks = [cell for cell in cells if not cell.is_baseline]
    assert len(networks) == 3 * 3 * 2
    assert len(cells) - len(networks) == 3 * 3
    assert {cell.config.split.train_draw for cell in cells} == {0, 1, 2}
    seeds = {cell.config.split.train_draw: set() for cell in networks}
    for cell in networks:
        seeds[cell.config.split.train_draw].add(cell.config.seed)
    # of all symbols every draw is the same one: with the same seeds they would be one run
    assert seeds == {0: {0, 1}, 1: {100, 101}, 2: {200, 201}}
    assert len({cell.label for cell in cells}) == len(cells)
    assert {cell.config.data.symbols for cell in cells} == {tuple(PANEL["symbols"])}


def test_one_draw_is_what_the_experiment_says():
    own = {"split": {"train_draw": 4}}
    (cell, *_) = expand(study({"assets": [5, 10]}, experiment=own, baselines=[]))
    assert (cell.config.split.train_draw, cell.config.seed) == (4, 0)
    assert "draw" not in cell.label
    plain = study({"assets": [5, 10]})
    assert "draws" not in plain.resolved()
    assert (plain.num_replicates, plain.replicate_noun) == (3, "seeds")
    several = study({"assets": [5, 10]}, draws=2)
    assert (several.num_replicates, several.replicate_noun) == (2, "draws")


@pytest.mark.parametrize(
    ("axes", "changes", "said"),
    [
        ({"parameters": [1000, 5000]}, {"draws": 2}, "draws are replicates of axis assets or data"),
        ({"assets": [1, 2]}, {"draws": [1, 1]}, "draws must be given, each once"),
        ({"assets": [1, 2], "tier": ["a20"]}, {"draws": 2, "nestings": 2}, "name one of them"),
        ({"assets": [1, 2]}, {"draws": 2, "seeds": [0, 100]}, "seeds lie below 100"),
        ({"assets": [1, 21]}, {}, "goes to 21 and experiment.data names 20"),
        ({"data": [0.5, 1], "rows": [1, 2]}, {}, "assets and rows together"),
        (
            {"assets": [1, 20]},
            {"experiment": {"split": {"symbols": "unseen"}}},
            "of which split.symbols unseen holds out 4",
        ),
    ],
)
def test_what_makes_no_sense_together_is_refused(axes, changes, said):
    with pytest.raises(ConfigError, match=said):
        study(axes, **changes)


def test_a_universe_names_the_panel():
    own = {"data": {"universe": "us20"}}
    cells = expand(study({"assets": [5, 20]}, experiment=own, baselines=[], seeds=1))
    assert [cell.config.split.train_symbols for cell in cells] == [5, 20]
    assert {len(cell.config.data.symbols) for cell in cells} == {20}


def test_assets_say_that_they_are_not_what_they_were():
    assert study({"assets": [5, 10]}).resolved()["assets"].startswith("drawn from the panel")
    assert "assets" not in study({"parameters": [1000, 5000]}).resolved()


SIZES = np.array([2.0, 5.0, 10.0, 20.0])


def world(rng, gain_G, num_draws=4, num_days=80, luck=0.004) -> np.ndarray:
    """Return losses of sizes, draws and days where what symbols teach differs from one to another.

    Draws are nested, as a study's are: fewer symbols of a draw are among more of it, and all of
    them are the same for every draw.
    """
    worth_S = luck * rng.standard_normal(20)
    order_DS = np.argsort(rng.random((num_draws, 20)), axis=1)
    luck_GD = np.array([worth_S[order_DS[:, : int(size)]].mean(axis=1) for size in SIZES])
    seed_GD = 0.0005 * rng.standard_normal((len(SIZES), num_draws))
    day_T = 0.02 * rng.standard_normal(num_days)
    own_GDT = 0.004 * rng.standard_normal((len(SIZES), num_draws, num_days))
    return 0.69 - gain_G[:, None, None] + (luck_GD + seed_GD)[:, :, None] + day_T + own_GDT


def test_intervals_of_draws_hold_what_another_draw_would_change():
    """The 95 % interval of the gain from 2 symbols to 20 holds the truth of four draws."""
    from scipy.stats import t

    rng, covered, alone = np.random.default_rng(1), 0, 0
    gain_G, worlds = np.array([0.0, 0.001, 0.002, 0.003]), 150
    for _ in range(worlds):
        losses_GDT = world(rng, gain_G)
        gain, error, degrees = size_covariance(losses_GDT).difference(0, -1)
        covered += abs(gain - 0.003) < error * t.ppf(0.975, degrees)
        # one draw with four seeds, as a study without draws has: the luck of the draw is not seen
        one_GDT = losses_GDT[:, :1] + 0.0005 * rng.standard_normal((4, 4, 1))
        gain, error, degrees = size_covariance(one_GDT).difference(0, -1)
        alone += abs(gain - 0.003) < error * t.ppf(0.975, degrees)
    # of 300 worlds each 90 % with three draws, 93 % with four, 95 % with six
    assert covered / worlds > 0.85
    assert alone / worlds < 0.7


@pytest.mark.slow
def test_where_more_symbols_bring_nothing_a_law_is_hardly_ever_claimed():
    rng, worlds = np.random.default_rng(2), 40
    names = [
        decide(world(rng, np.zeros(4)), SIZES, sesoi=0.002, axis="symbols").name
        for _ in range(worlds)
    ]
    # at level .05, five or more of forty come by chance once in twenty
    assert names.count("LAW") <= 4
