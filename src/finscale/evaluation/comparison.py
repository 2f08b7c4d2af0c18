"""Models against each other on the same windows: every pair, and all at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import polars as pl

from finscale.evaluation.bootstrap import LEVEL, NUM_REPLICATES, Floats, Resampler
from finscale.evaluation.inference import (
    PairedTest,
    bootstrap_mean_test,
    bootstrap_test,
    can_compare_areas,
    delong,
    diebold_mariano,
)
from finscale.evaluation.multiple import (
    ConfidenceSet,
    SuperiorModels,
    benjamini_hochberg,
    confidence_set,
    holm,
    superior_models,
)
from finscale.evaluation.predictions import Predictions, aligned
from finscale.evaluation.ranking import Ranking, weighted_auc

#: Models of which every pair is compared: 45 pairs are the most that a table can tell.
MOST_PAIRED = 10


@dataclass(frozen=True)
class Comparison:
    """Paired tests of models on the same test windows.

    Attributes
    ----------
    pairs : polars.DataFrame
        One line for each pair and test: first, second, score (loss or auc), test
        (diebold_mariano, bootstrap or delong), value (first minus second), low, high, p_value, and
        the p-value adjusted over all pairs of that test: holm (any false rejection) and
        benjamini_hochberg (their share).
    best : str or None
        With more than ten models not every pair is tested: each model is compared with this one,
        whose mean loss is the lowest. None where all pairs are.
    confidence : ConfidenceSet or None
        Models that cannot be told from the best by their losses; None for two models.
    superior : dict of str to SuperiorModels
        Benchmark to the models that beat it, given how many were tried.
    """

    pairs: pl.DataFrame
    best: str | None
    confidence: ConfidenceSet | None
    superior: dict[str, SuperiorModels]


def compare(
    models: Mapping[str, Predictions],
    benchmarks: Mapping[str, Predictions] | None = None,
    *,
    num_replicates: int = NUM_REPLICATES,
    level: float = LEVEL,
    seed: int = 0,
) -> Comparison:
    """Compare models in pairs.

    Losses are those of the models' target. DeLong's test takes the rows of a day as one cluster,
    and labels of different days as independent: for overlapping labels the bootstrap is the test
    to read. Of more than ten models each is compared with the best alone, AUCs by DeLong's test
    alone; the confidence set and the superior models are of all.

    Parameters
    ----------
    models : mapping of str to Predictions
        Of two models at least, on the same test windows.
    benchmarks : mapping of str to Predictions, optional
        What all models together are tested against, by SPA and StepM.
    num_replicates, level, seed
        Of the bootstrap.

    Raises
    ------
    DataError
        If the models were tested on different windows, or predict different things.
    """
    reference, *_ = models.values()
    target, horizon = reference.target, reference.horizon
    tests = {name: aligned(reference, other, name) for name, other in models.items()}
    dates_N, target_N, _ = reference.arrays("test")
    outputs = {name: table["logit"].to_numpy() for name, table in tests.items()}
    losses = {name: target.loss(table) for name, table in tests.items()}
    bootstrap: dict[str, Any] = {
        "overlap": horizon,
        "num_replicates": num_replicates,
        "level": level,
        "seed": seed,
    }

    ranked = target.is_event and can_compare_areas(target_N, dates_N)
    lines: list[dict[str, Any]] = []
    best = min(losses, key=lambda name: losses[name].mean()) if len(models) > MOST_PAIRED else None
    others = [name for name in models if name != best]
    pairs = combinations(models, 2) if best is None else [(best, other) for other in others]
    for first, second in pairs:
        pair = {"first": first, "second": second}
        difference_N = losses[first] - losses[second]
        resampler = Resampler.over(dates_N, difference_N, **bootstrap)
        results = {
            ("loss", "diebold_mariano"): diebold_mariano(
                dates_N, losses[first], losses[second], horizon=horizon, level=level
            ),
            ("loss", "bootstrap"): bootstrap_mean_test(difference_N, resampler),
        }
        if ranked:
            pair_outputs = outputs[first], outputs[second]
            results[("auc", "delong")] = delong(target_N, *pair_outputs, dates=dates_N, level=level)
            if best is None:
                results[("auc", "bootstrap")] = _auc_test(target_N, *pair_outputs, resampler)
        lines += [
            {**pair, "score": score, "test": test, **vars(r.difference), "p_value": r.p_value}
            for (score, test), r in results.items()
        ]
    options = {"overlap": horizon, "num_replicates": num_replicates, "seed": seed}
    superior = {}
    for name, other in (benchmarks or {}).items():
        other_N = target.loss(aligned(reference, other, name))
        superior[name] = superior_models(dates_N, other_N, losses, **options)
    confidence = confidence_set(dates_N, losses, **options) if len(models) > 2 else None
    return Comparison(_adjusted(pl.DataFrame(lines)), best, confidence, superior)


def _auc_test(
    target_N: Floats, first_N: Floats, second_N: Floats, resampler: Resampler
) -> PairedTest:
    first, second = (
        partial(weighted_auc, Ranking.of(output_N), target_N) for output_N in (first_N, second_N)
    )
    return bootstrap_test(first, second, resampler)


def _adjusted(pairs: pl.DataFrame) -> pl.DataFrame:
    """Add adjusted p-values: each score's test is a family of its own."""
    families = [
        family.with_columns(
            holm=pl.Series(holm(family["p_value"].to_numpy())),
            benjamini_hochberg=pl.Series(benjamini_hochberg(family["p_value"].to_numpy())),
        )
        for family in pairs.partition_by("score", "test", maintain_order=True)
    ]
    return pl.concat(families)
