"""A run's first judgement: test scores with intervals, and skill over the plain baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from finscale.config import BaselineConfig, ExperimentConfig
from finscale.evaluation.bootstrap import LEVEL, Metric, paired_difference_interval
from finscale.evaluation.operating import OperatingRule
from finscale.evaluation.scores import (
    Classified,
    classification_scores,
    collapsed,
    log_losses,
    probabilities,
    regression_scores,
    squared_errors,
)
from finscale.runs import Run, RunStore

if TYPE_CHECKING:
    from finscale.data import DataStore

#: Baselines that every run is held against, where the task admits them.
REFERENCES = {
    "classification": ("base_rate", "volatility", "logistic"),
    "regression": ("base_rate",),
}
_LOSSES = {"classification": log_losses, "regression": squared_errors}

_TITLES = {
    "log_loss": "log loss (nats)",
    "auc": "AUC",
    "rmse": "RMSE",
    "r2_oos": "R² out of sample",
    "rank_correlation": "rank correlation",
}


def _with_interval(metric: Metric, *, sign: bool = False) -> str:
    plus = "+" if sign else ""
    return f"{metric.value:{plus}.4f}   [{metric.low:{plus}.4f}, {metric.high:{plus}.4f}]"


@dataclass(frozen=True)
class Scorecard:
    """Scores of one run on its test windows.

    Parameters
    ----------
    num_days : int
        Decision days.
    scores : mapping of str to Metric
        With 95 % intervals over blocks of decision days.
    skills : mapping of str to Metric
        Loss gained over each baseline, paired by decision day.
    operating_point : mapping
        Threshold chosen on validation, with precision and recall on test; empty for regression.
    is_collapsed : bool
        Whether predictions hug the class prior.
    """

    num_days: int
    scores: Mapping[str, Metric]
    skills: Mapping[str, Metric]
    operating_point: Mapping[str, float]
    is_collapsed: bool

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers."""
        return asdict(self)

    def rows(self) -> list[tuple[str, str]]:
        """Return (name, value) lines for a terminal."""
        lines = [(_TITLES[name], _with_interval(self.scores[name])) for name in self._shown()]
        for name, gain in self.skills.items():
            lines.append((f"skill over {name.replace('_', ' ')}", _with_interval(gain, sign=True)))
        if self.operating_point:
            lines.append(
                (
                    "precision / recall",
                    "{precision:.2f} / {recall:.2f}".format(**self.operating_point)
                    + " at p ≥ {threshold:.2f} (chosen on validation)".format(
                        **self.operating_point
                    ),
                )
            )
            low, high, spread = (
                self.scores[name].value for name in ("prediction_min", "prediction_max", "spread")
            )
            lines.append(("predictions", f"{low:.3f} … {high:.3f}, spread {spread:.3f}"))
        return lines

    def sentences(self) -> list[str]:
        """Return what may be concluded, and what may not."""
        said = []
        if self.is_collapsed:
            said.append(
                "The predictions hug the base rate: this model has learned nothing to rank days by."
            )
        for name, gain in self.skills.items():
            title = name.replace("_", " ")
            if gain.low > 0:
                said.append(f"Skill over {title} is seen with {self.num_days:,} test days.")
            elif gain.high < 0:
                said.append(
                    f"Worse than {title}: the difference is seen with {self.num_days:,} test days."
                )
            else:
                said.append(f"No skill over {title} can be seen with {self.num_days:,} test days.")
        return said

    def _shown(self) -> list[str]:
        return [name for name in _TITLES if name in self.scores]


def scorecard(run: Run, runs: RunStore, *, data: DataStore | None = None) -> Scorecard:
    """Score a run on its test windows, computing the baselines that are not in the store yet."""
    kind = run.config.task.kind
    test = run.predictions("test")
    references = {name: baseline_run(run, name, runs, data=data) for name in REFERENCES[kind]}
    scores = test_scores(run)
    point = _operating_point(run, OperatingRule()) if kind == "classification" else {}
    return Scorecard(
        num_days=test["date"].n_unique(),
        scores=scores,
        skills={name: skill(run, other) for name, other in references.items()},
        operating_point=point,
        is_collapsed=kind == "classification" and is_collapsed(run),
    )


def baseline_run(run: Run, name: str, runs: RunStore, *, data: DataStore | None = None) -> Run:
    """Return the baseline's run on the same data, task and split; fitted if it is not there."""
    known = find_baseline(run, name, runs, data=data)
    if known is not None:
        return known

    from finscale.experiment.experiment import run_experiment

    return run_experiment(_baseline_config(run, name), runs=runs, data=data)


def find_baseline(
    run: Run, name: str, runs: RunStore, *, data: DataStore | None = None
) -> Run | None:
    """Return the baseline's run on the same data, task and split; None if it is not there."""
    from finscale.data import DataStore
    from finscale.experiment.preparation import registered_run_id

    config = _baseline_config(run, name)
    known = registered_run_id(config, data or DataStore(config.data.root))
    return runs[known] if runs.is_whole(known) else None


def _baseline_config(run: Run, name: str) -> ExperimentConfig:
    changes = {"name": name, "model": BaselineConfig(name=name), "seed": 0}
    return run.config.model_copy(update=changes)


def test_scores(run: Run) -> dict[str, Metric]:
    """Return every score of the run's test predictions with its interval."""
    test, overlap = run.predictions("test"), run.config.task.horizon
    target, output = test["target"].to_numpy(), test["logit"].to_numpy()
    dates = test["date"].to_numpy()
    if run.config.task.kind == "classification":
        return classification_scores(target, output, dates, overlap=overlap)
    mean = run.info["windows"]["train_mean"]
    return regression_scores(target, output, dates, historical_mean=mean, overlap=overlap)


def is_collapsed(run: Run) -> bool:
    """Tell whether the run's test predictions hug the class prior."""
    test = run.predictions("test")
    return collapsed(Classified.of(test["target"].to_numpy(), test["logit"].to_numpy()))


def skill(run: Run, baseline: Run, *, level: float = LEVEL) -> Metric:
    """Return the test loss gained over a baseline, paired by decision day, with its interval.

    Nats per decision for classification, squared error for regression.
    """
    own, other = run.predictions("test"), baseline.predictions("test")
    # same data and split: the same windows in the same order
    assert own.select("date", "symbol").equals(other.select("date", "symbol"))
    return paired_difference_interval(
        own["date"].to_numpy(),
        losses(baseline, "test"),
        losses(run, "test"),
        overlap=run.config.task.horizon,
        level=level,
    )


def mean_loss(run: Run, split: str) -> float:
    """Return the run's mean loss on a part: log loss in nats, or squared error."""
    return float(losses(run, split).mean())


def losses(run: Run, split: str) -> NDArray[np.float64]:
    """Return each prediction's loss: log loss in nats, or squared error."""
    predictions = run.predictions(split)
    return losses_of(
        run.config.task.kind, predictions["target"].to_numpy(), predictions["logit"].to_numpy()
    )


def losses_of(
    kind: str, target: NDArray[np.floating], output: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the loss of each output: log loss of a logit in nats, or squared error."""
    return _LOSSES[kind](target, output)


def _operating_point(run: Run, rule: OperatingRule) -> dict[str, float]:
    """Return the threshold that the rule takes on validation, and what it finds on test."""
    validation, test = run.predictions("validation"), run.predictions("test")
    threshold = rule.threshold(validation["target"].to_numpy(), validation["logit"].to_numpy())
    flagged = test["logit"].to_numpy() >= threshold
    events = test["target"].to_numpy() > 0.5
    found = int((flagged & events).sum())
    return {
        "threshold": float(probabilities(threshold)),
        # no day flagged: precision is undefined, and said to be so
        "precision": found / int(flagged.sum()) if flagged.any() else float("nan"),
        "recall": found / int(events.sum()) if events.any() else float("nan"),
    }
