"""How much of the loss's variance each setting explains: Optuna's functional ANOVA on trials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from finscale.study.tune.asking import optuna

#: Fewest complete trials of which importance is told.
_FEWEST = 5


def importances(trials: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return setting → share of the variance, the largest first; empty of too few trials.

    Parameters
    ----------
    trials : sequence of mapping
        Rows of complete trials, as :func:`.found.trial_facts` makes them.

    References
    ----------
    Hutter, Hoos and Leyton-Brown (2014), "An efficient approach for assessing hyperparameter
    importance", ICML.
    """
    rows = [t for t in trials if t["validation_loss"] is not None]
    names = [
        name
        for name in (rows[0]["settings"] if rows else {})
        if all(name in row["settings"] for row in rows)
        and len({row["settings"][name] for row in rows}) > 1
    ]
    losses = {float(row["validation_loss"]) for row in rows}
    if len(rows) < _FEWEST or not names or len(losses) < 2:
        return {}
    library = optuna()
    study = library.create_study()
    kinds = {}
    for name in names:
        values = [float(row["settings"][name]) for row in rows]
        log = min(values) > 0 and max(values) / min(values) > math.e
        kinds[name] = library.distributions.FloatDistribution(min(values), max(values), log=log)
    for row in rows:
        study.add_trial(
            library.trial.create_trial(
                params={name: float(row["settings"][name]) for name in names},
                distributions=kinds,
                value=float(row["validation_loss"]),
            )
        )
    evaluator = library.importance.FanovaImportanceEvaluator(seed=0)
    found = library.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items()}
