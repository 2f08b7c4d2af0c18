"""Finished runs, judged again from their predictions: nothing is trained but missing baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from finscale.config import BaselineConfig, ExperimentConfig, content_hash
from finscale.errors import DataError
from finscale.evaluation.blas import one_blas_thread
from finscale.evaluation.comparison import Comparison, compare
from finscale.evaluation.evaluation import Evaluation, plain_rows
from finscale.evaluation.evaluation import evaluate as evaluate_predictions
from finscale.evaluation.predictions import Predicted
from finscale.files import null_for_nan, write_json
from finscale.judging.bench import Bench, across_folds
from finscale.judging.helper import Helper
from finscale.judging.tables import (
    STRATEGIES,
    Options,
    backtest_table,
    baseline_table,
    calibration_table,
    coverage_table,
    reliability,
)
from finscale.runs import Run, RunStore

if TYPE_CHECKING:
    from finscale.data import DataStore


@dataclass(frozen=True)
class Candidate:
    """One model to be judged: a run, or the runs of a walk-forward, one a fold.

    Attributes
    ----------
    runs : tuple of Run
        Of equal config but for the fold.
    """

    runs: tuple[Run, ...]

    @property
    def id(self) -> str:
        """The run's id; several folds are joined by a plus."""
        return "+".join(run.id for run in self.runs)

    @property
    def config(self) -> ExperimentConfig:
        """The config, of the first fold."""
        return self.runs[0].config

    @property
    def title(self) -> str:
        """Model, size and seed: what tells candidates apart for a reader."""
        model, info = self.config.model, self.runs[0].info
        if isinstance(model, BaselineConfig):
            return model.name
        return f"{model.kind} {info['parameters']['total']:,} seed {self.config.seed}"

    def predictions(self) -> pl.DataFrame:
        """Return the predictions of all folds."""
        return pl.concat(run.predictions() for run in self.runs)


@dataclass(frozen=True)
class Judgement:
    """What one model's predictions are worth.

    Attributes
    ----------
    id, title : str
        See :class:`Candidate`.
    config : ExperimentConfig
    evaluation : Evaluation
        Scores by group, skill over each baseline, the operating point.
    baselines : polars.DataFrame
        name, loss, auc, skill with low and high, p_value (Diebold–Mariano), smallest (the gain that
        this test could have seen over that baseline).
    calibration : polars.DataFrame
        method, gain over the uncalibrated logits with low and high, ece with low and high, expected
        ece of a calibrated model, p_value; empty for regression.
    reliability : polars.DataFrame
        The reliability diagram with consistency bands; empty for regression.
    coverage : polars.DataFrame
        Adaptive conformal sets or intervals: year, rows, value, low, high; empty where validation
        does not come before the test, or is too short.
    power : polars.DataFrame
        What this test set, and longer ones, can see; empty for regression.
    backtest : polars.DataFrame
        One line a strategy and benchmark. ``versus_hold`` and ``versus_timing``: its Sharpe ratio
        less that of buy-and-hold and of volatility timing; ``break_even_…``: the one-way cost (bp)
        at which it ends where they do.
    num_trials : int
        Runs in the store on the same test windows, times strategies shown.
    notes : tuple of str
        What could not be computed, and why.
    """

    id: str
    title: str
    config: ExperimentConfig
    evaluation: Evaluation
    baselines: pl.DataFrame
    calibration: pl.DataFrame
    reliability: pl.DataFrame
    coverage: pl.DataFrame
    power: pl.DataFrame
    backtest: pl.DataFrame
    num_trials: int
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values; what is undefined or infinite is None."""
        tables = {
            name: plain_rows(value)
            for name, value in vars(self).items()
            if isinstance(value, pl.DataFrame)
        }
        return {
            "id": self.id,
            "title": self.title,
            "config": self.config.model_dump(mode="json"),
            "evaluation": self.evaluation.to_json(),
            "num_trials": self.num_trials,
            "notes": list(self.notes),
            **tables,
        }


def candidates(runs: Sequence[Run]) -> list[Candidate]:
    """Join runs that differ only in the fold of their split, in the order of their first run."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(repr(across_folds(run.config)), []).append(run)
    return [Candidate(tuple(group)) for group in groups.values()]


def judge(
    candidate: Candidate,
    runs: RunStore,
    *,
    data: DataStore | None = None,
    options: Options | None = None,
    bench: Bench | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Judgement:
    """Judge one model from its predictions.

    Parameters
    ----------
    candidate : Candidate
        Of one run, or of the folds of a walk-forward.
    runs : RunStore
        Where baselines on the same windows are found, or written once they are fitted.
    data : DataStore, optional
        Where bars and datasets lie; the config's when absent.
    options : Options, optional
    bench : Bench, optional
        Of the same runs, data and options: what models on the same windows share is then made once.
    progress : callable
        Told what is being done.

    Raises
    ------
    FinscaleError
        If predictions are incomplete, or the data are not what the run was made from.
    """
    with one_blas_thread():
        return judge_on_one_thread(candidate, bench or Bench(runs, data, options), progress)


def judge_all(
    judged: Sequence[Candidate],
    bench: Bench,
    *,
    progress: Callable[[str], None] = lambda step: None,
    helper: Helper | None = None,
) -> Iterator[Judgement]:
    """Judge models one after the other; what those on the same windows share is made once.

    Parameters
    ----------
    judged : sequence of Candidate
    bench : Bench
        The runs, data and options.
    progress : callable
        Told what is being done.
    helper : Helper, optional
        A second process that was started before; the caller ends it.

    Yields
    ------
    Judgement
        Of each model, in their order.
    """
    with one_blas_thread(), nullcontext(helper) if helper else Helper(len(judged)) as second:
        first, *others = judged
        # the first makes what the others take: baselines that have to be fitted are fitted once
        early = second.is_there and bench.windows(first.runs).are_fitted()
        if early:
            second.start(judged, bench)
        yield judge_on_one_thread(first, bench, progress)
        if not early:
            second.start(judged, bench)
        for number, candidate in enumerate(others):
            found = second.take(number)
            yield found or judge_on_one_thread(candidate, bench, progress)


def judge_on_one_thread(
    candidate: Candidate, bench: Bench, progress: Callable[[str], None] = lambda step: None
) -> Judgement:
    """Judge one model where matrix products take one thread already; see :func:`judge`."""
    config, options = candidate.config, bench.options
    kind, overlap = config.task.kind, config.task.horizon
    windows = bench.windows(candidate.runs)
    references = windows.baselines(progress)
    predicted = Predicted.of(candidate.predictions())
    progress("bars")
    market = windows.market
    rows = windows.rows(predicted)
    progress("scores")
    evaluation = evaluate_predictions(
        predicted,
        references,
        kind=kind,
        overlap=overlap,
        rule=options.rule,
        groups=lambda: rows.groups,
        expected=sum(run.info["windows"]["test"] for run in candidate.runs),
        **options.bootstrap,
    )
    progress("baselines")
    baselines = baseline_table(predicted, references, windows.own_scores, evaluation, options)
    classified = kind == "classification"
    notes: list[str] = []
    progress("calibration")
    # first: calibrations count what turns out otherwise than here
    diagram = reliability(predicted, options) if classified else pl.DataFrame()
    calibration, power = pl.DataFrame(), pl.DataFrame()
    if classified:
        # a rare event may be absent from validation or test; the other tables still stand
        with _noted(notes):
            calibration = calibration_table(predicted, overlap, options)
        with _noted(notes):
            power = rows.power
    coverage = pl.DataFrame()
    with _noted(notes):
        coverage = coverage_table(predicted, kind, overlap)
    progress("backtest")
    num_trials = bench.num_runs(config) * len(STRATEGIES)
    return Judgement(
        id=candidate.id,
        title=candidate.title,
        config=config,
        evaluation=evaluation,
        baselines=baselines,
        calibration=calibration,
        reliability=diagram,
        coverage=coverage,
        power=power,
        backtest=backtest_table(
            predicted, market, rows.benchmarks, evaluation, num_trials, options
        ),
        num_trials=num_trials,
        notes=tuple(notes),
    )


@contextmanager
def _noted(notes: list[str]) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        notes.append(error.message)


def judge_pairs(
    judged: Sequence[Candidate],
    runs: RunStore,
    *,
    data: DataStore | None = None,
    options: Options | None = None,
    bench: Bench | None = None,
    helper: Helper | None = None,
) -> Comparison:
    """Compare two or more models on the same windows: in pairs, and all against each baseline.

    Parameters
    ----------
    judged : sequence of Candidate
    runs, data, options, bench
        As for :func:`judge`.
    helper : Helper, optional
        That judged the same models: it may have compared them meanwhile.

    Raises
    ------
    FinscaleError
        If their tasks or windows differ.
    """
    found = None if helper is None else helper.comparison()
    if found is not None:
        return found
    bench = bench or Bench(runs, data, options)
    first = judged[0]
    task = first.config.task
    for other in judged[1:]:
        if other.config.task != task:
            raise DataError(
                f"{other.id} answers {other.config.task.name} over {other.config.task.horizon}, "
                f"{first.id} {task.name} over {task.horizon}: they cannot be compared."
            )
    with one_blas_thread():
        return compare(
            {candidate.id: candidate.predictions() for candidate in judged},
            bench.windows(first.runs).baselines(),
            kind=task.kind,
            overlap=task.horizon,
            **bench.options.bootstrap,
        )


def write_judgement(judgement: Judgement, folder: Path) -> Path:
    """Write ``evaluation.json`` under ``folder/<run-id>``; run folders themselves are sealed."""
    path = folder / judgement.id / "evaluation.json"
    write_json(path, judgement.to_json(), flush=False)  # made again from the runs in no time
    return path


def write_comparison(judged: Sequence[Candidate], comparison: Comparison, folder: Path) -> Path:
    """Write ``comparison-<hash>.json``, the hash that of the ids compared."""
    ids = [candidate.id for candidate in judged]
    confidence = comparison.confidence
    content = {
        "models": {candidate.id: candidate.title for candidate in judged},
        "compared_with": comparison.best,
        "pairs": plain_rows(comparison.pairs),
        "confidence_set": None if confidence is None else asdict(confidence),
        "superior": {name: asdict(value) for name, value in comparison.superior.items()},
    }
    path = folder / f"comparison-{content_hash(sorted(ids))[:8]}.json"
    write_json(path, null_for_nan(content))
    return path


def count_trials(candidate: Candidate, runs: RunStore) -> int:
    """Return how many runs of the store were tested on the same data, task and split."""
    return Bench(runs).num_runs(candidate.config)
