"""Nestings as replicates: the grid, the days that tiers share, the variance between nestings."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
import yaml

from finscale.config import DataConfig, ExperimentConfig, StudyConfig
from finscale.controls.tiers import tier_losses
from finscale.errors import ConfigError
from finscale.features.needs import tier_inputs
from finscale.features.relative import slowest_feature
from finscale.features.tiers import FEATURES, TIERS, tier_features, tier_names
from finscale.scaling import size_covariance
from finscale.study import analysis
from finscale.study.aligned import aligned, aligned_words
from finscale.study.daily import replicates
from finscale.study.grid import expand

TIERS_BY_SIZE = ("a20", "a50", "a100", "a200")


def study(**changes):
    content = {"name": "x", "axes": {"tier": ["a20", "a50", "a100", "a200"]}, **changes}
    return StudyConfig.model_validate({"experiment": {"model": {"budget": 5000}}, **content})


@pytest.mark.parametrize("nesting", [1, 2, 17])
def test_a_nesting_holds_every_smaller_tier_and_the_shares_of_all_features(nesting):
    line, closes = ([tier for tier in TIERS if tier[0] == letter] for letter in "ac")
    names = {tier: tier_names(f"{tier}.n{nesting}") for tier in (*line, *closes)}
    for small, large in (*pairwise(line), *pairwise(closes)):
        assert names[large][: len(names[small])] == names[small]
    for tier in closes:
        assert tier_inputs(f"{tier}.n{nesting}") == tier_inputs(tier)
        assert len(set(names.pop(tier))) == len(TIERS[tier])
    total = len(FEATURES)
    for tier, own in names.items():
        assert len(set(own)) == len(TIERS[tier])
        for family in {feature.family for feature in FEATURES.values()}:
            share = sum(f.family == family for f in FEATURES.values()) / total
            held = sum(FEATURES[name].family == family for name in own)
            assert abs(held - share * len(own)) < 1.5


def test_nestings_differ_and_the_canonical_one_is_the_declared_order():
    assert tier_names("a100") == TIERS["a100"]
    one, two = (set(tier_names(f"a100.n{n}")) for n in (1, 2))
    assert len(one & two) < 60
    assert [f.name for f in tier_features("a20.n1")] == list(tier_names("a20.n1"))


def test_defaults_leave_identities_as_they_were():
    plain = ExperimentConfig().identity()["data"]
    assert not {"nesting", "columns", "warm_up", "selection_trials"} & set(plain)
    assert DataConfig().feature_set == "a20"
    other = ExperimentConfig(data={"nesting": 1}).identity()["data"]
    assert other == {**plain, "nesting": 1}
    assert not {"nestings", "tier_files"} & set(study().resolved())


def test_every_nesting_has_every_seed_and_baselines_of_its_own():
    cells = expand(study(nestings=3, seeds=2, baselines=["base_rate"]))
    networks = [cell for cell in cells if not cell.is_baseline]
    assert len(networks) == 4 * 3 * 2 * 1
    assert len(cells) - len(networks) == 4 * 3
    seen = {(c.config.data.tier, c.config.data.nesting, c.config.seed) for c in networks}
    assert len(seen) == len(networks)
    assert len({cell.label for cell in cells}) == len(cells)


def test_nestings_without_tiers_or_twice_are_refused():
    with pytest.raises(ConfigError, match="nestings are replicates of axis tier"):
        StudyConfig(name="x", axes={"parameters": (1000, 5000)}, nestings=3)
    with pytest.raises(ConfigError, match="each once"):
        StudyConfig(name="x", axes={"tier": ("a20", "a50")}, nestings=(1, 1))


def test_the_longest_lookback_of_all_tiers_and_nestings_decides_for_each():
    plain = study()
    longest = max(slowest_feature(tier).lookback for tier in TIERS_BY_SIZE)
    assert aligned(plain).experiment.data.warm_up == longest
    assert {cell.config.data.warm_up for cell in expand(plain)} == {longest}
    nested = study(nestings=2)
    more = max(slowest_feature(f"{tier}.n1").lookback for tier in TIERS_BY_SIZE)
    assert aligned(nested).experiment.data.warm_up == max(longest, more)
    assert f"bar {longest + 1:,} of its symbol" in aligned_words(aligned(plain))
    own = study(experiment={"data": {"warm_up": 0}, "model": {"budget": 5000}})
    assert aligned(own).experiment.data.warm_up == 0
    assert "tiers differ" in aligned_words(own)
    assert aligned_words(StudyConfig(name="x", axes={"parameters": (1000, 5000)})) == ""


@pytest.mark.parametrize(
    ("axis", "draw", "later"), [("tier", "nesting", (0, 1)), ("assets", "draw", (100, 101))]
)
def test_seeds_of_a_draw_are_one_replicate(axis, draw, later):
    table = pl.DataFrame(
        {
            f"size_{axis}": [20.0] * 8,
            axis: [20.0] * 8,
            "parameters": [1.0] * 8,
            draw: [0, 0, 0, 0, 1, 1, 1, 1],
            "seed": [0, 0, 1, 1, *np.repeat(later, 2)],
            "fold": [0] * 8,
            "day": [1, 2] * 4,
            "value": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 9.0, 8.0],
        }
    )
    means = replicates(table).sort("seed", "day")
    assert means["seed"].to_list() == [0, 0, 1, 1]
    assert means["value"].to_list() == [2.0, 3.0, 7.0, 7.0]
    assert replicates(table.drop(draw)).equals(table.drop(draw))


@pytest.mark.parametrize("shared", [0.0, 0.8], ids=["independent", "nested in one another"])
def test_intervals_cover_where_the_choice_of_features_matters(shared):
    """Three nestings × three seeds: the 95 % interval of the gain holds the truth of 100 draws.

    A nesting's luck at one tier goes on in the next, as nested tiers share features; seeds as
    replicates would be sure of themselves without reason.
    """
    from scipy.stats import t

    rng, covered, naive = np.random.default_rng(5), 0, 0
    truth_G, draws = np.array([0.69, 0.685, 0.682, 0.68, 0.679]), 100
    for _ in range(draws):
        luck_GN = rng.standard_normal((5, 3))
        for size in range(1, 5):
            kept = shared * luck_GN[size - 1]
            luck_GN[size] = kept + np.sqrt(1 - shared**2) * luck_GN[size]
        loss_GNS = truth_G[:, None, None] + 0.002 * luck_GN[:, :, None]
        loss_GNS = loss_GNS + 0.001 * rng.standard_normal((5, 3, 3))
        for values, counts in ((loss_GNS.mean(axis=2), True), (loss_GNS.reshape(5, 9), False)):
            gain, error, degrees = size_covariance(values).difference(0, -1)
            inside = abs(gain - 0.011) < error * t.ppf(0.975, degrees)
            covered, naive = covered + inside * counts, naive + inside * (not counts)
    assert covered / draws > 0.9
    assert naive / draws < 0.85


@pytest.mark.parametrize("shuffled", [False, True], ids=["teacher", "labels shuffled"])
def test_a_study_returns_the_teachers_exponent_and_none_from_shuffled_labels(shuffled, monkeypatch):
    """Excess ∝ F^-.5 over a20 … a2000, 3 nestings × 3 seeds, judged as any study of tiers is."""
    loss_GNST = tier_losses(np.random.default_rng(11), shuffled=shuffled)
    sizes = (20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0)
    cells = np.indices(loss_GNST.shape).reshape(4, -1)
    size = np.array(sizes)[cells[0]]
    facts = {"size_tier": size, "tier": size, "parameters": size, "fold": np.zeros(len(size))}
    own = dict(zip(("nesting", "seed", "day"), cells[1:], strict=True))
    table = pl.DataFrame({**facts, **own, "value": loss_GNST.ravel()})
    monkeypatch.setattr(analysis, "study_values", lambda *given, **options: table)
    monkeypatch.setattr(analysis, "whole", lambda config, completed: (completed, ()))
    names = [f"a{int(size)}" for size in sizes]
    config = study(axes={"tier": names}, nestings=3, seeds=3, sesoi=0.02)
    judged = analysis.verdict(config, [])
    assert judged.covariance.seed_correlation_GG is not None
    assert "its 3 nestings, each the mean of 3 seeds" in judged.sentence
    if shuffled:
        assert judged.name in ("NO-LAW", "INDETERMINATE")
    else:
        assert judged.name == "LAW"
        # of 4,000 features the nearest law is a little flatter than the limit of endless ones, .5
        assert judged.exponent.low < 0.494 < judged.exponent.high


def test_a_tier_file_is_known_by_its_content(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"features": ["rsi_14", "obv"], "selection": {"trials": 40}}))
    data = DataConfig(tier=str(path))
    assert data.columns == ("rsi_14", "obv")
    assert data.selection_trials == 40
    assert data.tier.startswith("mine-")
    again = DataConfig.model_validate_json(data.model_dump_json())
    assert again == data
    path.write_text("- rsi_14\n")
    assert DataConfig(tier=str(path)).tier != data.tier
    # a declared tier laid over it has no columns
    assert DataConfig.model_validate({**data.model_dump(), "tier": "a50"}).columns == ()
    assert [f.name for f in tier_features(data.feature_set)] == ["rsi_14", "obv"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "lists no features"),
        ("- rsi_14\n- rsi_14\n", "twice"),
        ("features: [1, 2]", "lists 1, which is no name"),
        ("a: [", "cannot be read as YAML \\(line 1"),
        ("features:\n\t- rsi_14\n", "line 2, column 1"),
        ("features: [rsi_14]\nfeatures: [obv]\n", "features stands there twice"),
        ("features: [rsi_14, null]", "lists null, which is no name"),
        ("features: [[rsi_14, obv]]", "which is no name"),
        ("features: [rsi_14]\ntier: a50\n", "has tier:, which no tier file holds"),
        ("features: [rsi_14]\nselection: {trials: true}\n", "a count is needed"),
    ],
)
def test_a_tier_file_that_is_none_is_refused_with_its_name(tmp_path, content, said):
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=said):
        DataConfig(tier=str(path))
    with pytest.raises(ConfigError, match="does not exist"):
        DataConfig(tier="elsewhere.yaml")


@pytest.mark.parametrize(
    ("tier", "said"),
    [
        ("a50.n1", "write tier a50 and data.nesting 1"),
        ("mine.txt", "the name of a tier file ends in .yaml"),
        ("A50", "nearest: a50"),
    ],
)
def test_a_tier_that_is_written_otherwise_is_refused_with_the_way_out(tier, said):
    with pytest.raises(ConfigError, match=said):
        DataConfig(tier=tier)


def test_a_study_takes_tier_files_as_sizes_and_keeps_what_they_list(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("- rsi_14\n- obv\n")
    made = study(axes={"tier": [str(path), "a20", "a50"]})
    (key,) = made.tier_files
    assert made.tier_files[key] == ("rsi_14", "obv")
    assert {cell.config.data.columns for cell in expand(made)} == {("rsi_14", "obv"), ()}
    assert StudyConfig.model_validate(made.model_dump(mode="json")) == made


def test_tiers_of_one_warm_up_decide_on_the_same_days(tmp_path):
    from finscale.data import DataStore
    from finscale.experiment.preparation import prepare

    def decided(tier, **data):
        config = ExperimentConfig(
            data={"tier": tier, "root": tmp_path, **data},
            split={"method": "shares"},
            model={"kind": "baseline", "name": "base_rate"},
        )
        prepared = prepare(config, DataStore(tmp_path))
        dataset, split = prepared.dataset, prepared.split
        return [
            dataset.dates(part).tolist() for part in (split.train, split.validation, split.test)
        ]

    assert decided("a20") != decided("a50")
    warm_up = slowest_feature("a50").lookback
    assert warm_up > slowest_feature("a20").lookback
    alike = decided("a20", warm_up=warm_up)
    assert alike == decided("a50", warm_up=warm_up) == decided("a50")
    assert alike == decided("a20", warm_up=warm_up, memory_map=True)
    later = decided("a50", warm_up=warm_up + 7)
    assert later[2][-1] == alike[2][-1]
    assert sum(map(len, later)) == sum(map(len, alike)) - 7
