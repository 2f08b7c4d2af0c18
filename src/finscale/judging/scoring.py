"""A run's first judgement: test scores with intervals, and skill over the plain baselines."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from finscale.config import BaselineConfig
from finscale.config.baselines import DEFAULT_BASELINES, LINEAR_BASELINE
from finscale.config.titles import title
from finscale.data import DataStore
from finscale.errors import DataError
from finscale.evaluation.bootstrap import Metric, Resampler, paired_difference_interval
from finscale.evaluation.operating import OperatingRule, operating_points
from finscale.evaluation.predictions import Predictions, aligned
from finscale.evaluation.scores import Classified, collapsed, measure, probabilities
from finscale.evaluation.targets import TARGETS, Target, outputs, target_of
from finscale.judging.claims import ROUNDING, Claims, Known, failure, known_by_baselines, settled
from finscale.judging.gather import predictions_of
from finscale.runs import Run, RunStore
from finscale.scaling.digits import fixed, signed


def _with_interval(metric: Metric, *, sign: bool = False) -> str:
    plus = "+" if sign else ""
    return f"{metric.value:{plus}.4f}   [{metric.low:{plus}.4f}, {metric.high:{plus}.4f}]"


def card_rows(
    target: Target,
    scores: Mapping[str, Metric],
    skills: Mapping[str, Metric],
    failed: Collection[str] = (),
) -> list[tuple[str, str]]:
    """Return (name, value) lines of the scores that a target's card shows, and of skills."""
    lines = [(target.scores[name].title, _with_interval(scores[name])) for name in target.card]
    for name, gain in skills.items():
        # squares of returns are too small for four decimals
        text = _with_interval(gain, sign=True) if target.is_event else signed(gain)
        mark = " (failed)" if name in failed else ""
        lines.append((f"skill over {title(name)}{mark}", text))
    return lines


@dataclass(frozen=True)
class Scorecard:
    """Scores of one run on its test windows.

    Parameters
    ----------
    target : str
        What is predicted: an entry of ``TARGETS``.
    num_days : int
        Decision days.
    scores : mapping of str to Metric
        With 95 % intervals over blocks of decision days.
    skills : mapping of str to Metric
        Loss gained over each baseline, paired by decision day.
    operating_point : mapping
        Threshold chosen on validation, with precision and recall on test; empty where no event is
        predicted.
    is_collapsed : bool
        Whether predictions hug the class prior.
    beyond_linear : Metric or None
        What a network gains on the linear model; None where that is not among the baselines, and
        of a baseline.
    linear_loss : float or None
        Mean test loss of the linear model, where there is such a gain.
    known : mapping of str to Known
        What each baseline knows beyond the base rate; nothing is claimed over one that loses to it
        by more than its error.
    rates : tuple of float or None
        Share of yes in train and on the test days, where an event is predicted.
    unit : str
        Of a loss; the target's own when empty.
    """

    target: str
    num_days: int
    scores: Mapping[str, Metric]
    skills: Mapping[str, Metric]
    operating_point: Mapping[str, float]
    is_collapsed: bool
    beyond_linear: Metric | None = None
    linear_loss: float | None = None
    known: Mapping[str, Known] = field(default_factory=dict)
    rates: tuple[float, float] | None = None
    unit: str = ""

    @property
    def words_unit(self) -> str:
        """Unit of a loss, in words."""
        return self.unit or TARGETS[self.target].words.unit

    @property
    def claims(self) -> Claims:
        """What may be claimed over each baseline."""
        auc = self.scores.get("auc")
        return Claims(self.skills, self.num_days, self.words_unit, self.known, auc, self.rates)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers."""
        return asdict(self)

    def rows(self) -> list[tuple[str, str]]:
        """Return (name, value) lines for a terminal."""
        lines = card_rows(TARGETS[self.target], self.scores, self.skills, self.claims.failed)
        if self.operating_point:
            form = "{precision:.2f} / {recall:.2f} at p ≥ {threshold:.2f} (chosen on validation)"
            lines.append(("precision / recall", form.format(**self.operating_point)))
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
        for name in self.skills:
            if name == LINEAR_BASELINE and self.beyond_linear is not None:
                continue  # the last line says it
            said.append(self.claims.sentence(name))
        return said

    def beyond_line(self) -> str:
        """Return what the network adds to the linear model, in a line; empty where not known."""
        gain = self.beyond_linear
        if gain is None or self.linear_loss is None:
            return ""
        if LINEAR_BASELINE in self.claims.failed:
            why = failure(LINEAR_BASELINE, self.claims.failed[LINEAR_BASELINE], self.claims.unit)
            return f"beyond the linear model  not said. {why}."
        if max(map(abs, (gain.value, gain.low, gain.high))) < ROUNDING * self.linear_loss:
            return "beyond the linear model  nothing: on validation no epoch improved on it"
        target = TARGETS[self.target]
        value, _, rest = signed(gain).partition(" [")
        text = f"beyond the linear model  {value} {self.words_unit} a window [{rest}"
        if not target.is_event:  # squares of returns are too small to be judged by eye
            share = fixed(100 * gain.value / self.linear_loss, 1, sign=True)
            text += f", {share} % of its loss"
        seen = "better" if gain.low > 0 else "worse" if gain.high < 0 else "no difference seen"
        if self.claims.standing(LINEAR_BASELINE) == "unfounded":
            seen = "less loss, but no skill over the base rate is seen: nothing is claimed"
        return f"{text}: {seen}"


def scorecard(run: Run, runs: RunStore, *, data: DataStore | None = None) -> Scorecard:
    """Score a run on its test windows, computing the baselines that are not in the store yet."""
    own = judgeable(predictions_of([run]), f"run {run.id}")
    references = {
        name: predictions_of([baseline_run(run, name, runs, data=data)], beside=run.config)
        for name in DEFAULT_BASELINES
    }
    skills = {
        name: settled(skill(own, other), float(other.losses_N.mean()))
        for name, other in references.items()
    }
    linear = references.get(LINEAR_BASELINE) if run.config.model.kind != "baseline" else None
    return Scorecard(
        target=own.target.name,
        num_days=own.test["date"].n_unique(),
        scores=test_scores(own),
        skills=skills,
        operating_point=_operating_point(own) if own.target.is_event else {},
        is_collapsed=is_collapsed(own),
        beyond_linear=None if linear is None else skills[LINEAR_BASELINE],
        linear_loss=None if linear is None else float(linear.losses_N.mean()),
        known=known_by_baselines(references),
        rates=rates_of(own),
        unit=target_of(run.config).words.unit,
    )


def judgeable(predictions: Predictions, what: str) -> Predictions:
    """Return predictions whose test days differ in outcome; others have nothing to be judged by.

    Raises
    ------
    DataError
        If the label of every test window is the same.
    """
    target_N = predictions.test["target"]
    if target_N.n_unique() > 1:
        return predictions
    num, value = len(target_N), float(target_N[0])
    if predictions.target.is_event:
        label = "positive" if value < 0.5 else "negative"
        raise DataError(
            f"{what} has no {label} label among its {num:,} test windows: nothing to judge.",
            hint="ask for a move that happens on some days and not on others (task.name), or test "
            "on other days (split)",
        )
    raise DataError(
        f"{what} has the same target, {value:g}, in all of its {num:,} test windows: nothing to "
        "judge.",
        hint="test on days on which the price moves (split)",
    )


def rates_of(predictions: Predictions) -> tuple[float, float] | None:
    """Return the share of yes in train and on the test days, where an event is predicted."""
    if not predictions.target.is_event or not predictions.train_means:
        return None
    test_N = predictions.arrays("test")[1]
    return float(predictions.training_mean.mean()), float(test_N.mean())


def baseline_run(run: Run, name: str, runs: RunStore, *, data: DataStore | None = None) -> Run:
    """Return the baseline's run on the same data, task and split; fitted if it is not there."""
    from finscale.experiment.preparation import registered_run_id

    changes = {"name": name, "model": BaselineConfig(name=name), "seed": 0}
    config = run.config.model_copy(update=changes)
    known = registered_run_id(config, data or DataStore(config.data.root))
    if runs.is_whole(known):
        return runs[known]

    from finscale.experiment.experiment import run_experiment

    return run_experiment(config, runs=runs, data=data)


def test_scores(predictions: Predictions) -> dict[str, Metric]:
    """Return every score of a model's test predictions with its interval.

    R² is measured against the mean of the training rows.
    """
    test, target = predictions.test, predictions.target
    rows = target.rows(test.with_columns(historical_mean=pl.Series(predictions.training_mean)))
    resampler = Resampler.over(
        test["date"].to_numpy(), rows.dependence(), overlap=predictions.horizon
    )
    return measure(target.scores, rows, resampler)


def is_collapsed(predictions: Predictions) -> bool:
    """Tell whether a model's test predictions hug the class prior; numbers have none."""
    if not predictions.target.is_event:
        return False
    return collapsed(Classified.of(*outputs(predictions.test), fold=predictions.test["fold"]))


def skill(predictions: Predictions, baseline: Predictions) -> Metric:
    """Return the test loss gained over a baseline, paired by decision day, with its interval.

    In the unit of the target's loss: nats per decision where an event is predicted.

    Raises
    ------
    DataError
        If the two were tested on different windows.
    """
    return paired_difference_interval(
        predictions.test["date"].to_numpy(),
        predictions.target.loss(aligned(predictions, baseline, baseline.name)),
        predictions.losses_N,
        overlap=predictions.horizon,
    )


def _operating_point(predictions: Predictions) -> dict[str, float]:
    """Return the threshold that the usual rule takes on validation, and what it finds on test."""
    (threshold,) = operating_points(predictions, OperatingRule()).values()
    _, target_N, logit_N = predictions.arrays("test")
    flagged, events = logit_N >= threshold, target_N > 0.5
    found = int((flagged & events).sum())
    return {
        "threshold": float(probabilities(threshold)),
        # no day flagged: precision is undefined, and said to be so
        "precision": found / int(flagged.sum()) if flagged.any() else float("nan"),
        "recall": found / int(events.sum()) if events.any() else float("nan"),
    }
