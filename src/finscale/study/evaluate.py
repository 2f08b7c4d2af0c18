"""Finished runs, judged again from their predictions: nothing is trained but missing baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from finscale.config import ExperimentConfig, content_hash
from finscale.errors import DataError
from finscale.evaluation.blas import one_blas_thread
from finscale.evaluation.comparison import Comparison, compare
from finscale.evaluation.evaluation import Evaluation
from finscale.evaluation.evaluation import evaluate as evaluate_predictions
from finscale.files import write_json
from finscale.runs import Run, RunStore
from finscale.study.judging import (
    STRATEGIES,
    Options,
    backtest_table,
    baseline_table,
    calibration_table,
    coverage_table,
    power_of_test,
    reliability,
)
from finscale.study.scoring import baseline_run

if TYPE_CHECKING:
    from finscale.data import DataStore

#: Baselines whose skill is reported unless others are named; all fit in seconds.
BASELINES = {
    "classification": ("base_rate", "volatility", "volatility_ranges", "logistic"),
    "regression": ("base_rate", "logistic"),
}


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
        if model.kind == "baseline":
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
        Adaptive conformal sets or intervals: year, rows, value, low, high.
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
            name: _plain(value)
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


def _plain(table: pl.DataFrame) -> list[dict[str, Any]]:
    finite = pl.selectors.float()
    return table.with_columns(pl.when(finite.is_finite()).then(finite)).to_dicts()


def candidates(runs: Sequence[Run]) -> list[Candidate]:
    """Join runs that differ only in the fold of their split, in the order of their first run."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        identity = run.config.identity()
        identity["split"].pop("fold")
        groups.setdefault(repr(identity), []).append(run)
    return [Candidate(tuple(group)) for group in groups.values()]


def judge(
    candidate: Candidate,
    runs: RunStore,
    *,
    data: DataStore | None = None,
    options: Options | None = None,
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
    progress : callable
        Told what is being done.

    Raises
    ------
    FinscaleError
        If predictions are incomplete, or the data are not what the run was made from.
    """
    with one_blas_thread():
        return _judge(candidate, runs, data, options or Options(), progress)


def _judge(
    candidate: Candidate,
    runs: RunStore,
    data: DataStore | None,
    options: Options,
    progress: Callable[[str], None],
) -> Judgement:
    config, predictions = candidate.config, candidate.predictions()
    kind, overlap = config.task.kind, config.task.horizon
    references: dict[str, pl.DataFrame] = {}
    for name in _baseline_names(kind, options):
        progress(f"baseline {name.replace('_', ' ')}")
        references[name] = _baseline(candidate, name, runs, data)
    progress("bars")
    frame = _bars(config, data)
    progress("scores")
    evaluation = evaluate_predictions(
        predictions,
        references,
        kind=kind,
        overlap=overlap,
        rule=options.rule,
        volatility=_volatility(frame),
        expected=sum(run.info["windows"]["test"] for run in candidate.runs),
        **options.bootstrap,
    )
    progress("baselines")
    baselines = baseline_table(predictions, references, evaluation, options)
    classified = kind == "classification"
    notes: list[str] = []
    progress("calibration")
    calibration, power = pl.DataFrame(), pl.DataFrame()
    if classified:
        # a rare event may be absent from validation or test; the other tables still stand
        with _noted(notes):
            calibration = calibration_table(predictions, overlap, options)
        with _noted(notes):
            power = power_of_test(predictions, overlap)
    progress("backtest")
    num_trials = count_trials(candidate, runs) * len(STRATEGIES)
    return Judgement(
        id=candidate.id,
        title=candidate.title,
        config=config,
        evaluation=evaluation,
        baselines=baselines,
        calibration=calibration,
        reliability=reliability(predictions, options) if classified else pl.DataFrame(),
        coverage=coverage_table(predictions, kind, overlap),
        power=power,
        backtest=backtest_table(predictions, frame, evaluation, num_trials, options),
        num_trials=num_trials,
        notes=tuple(notes),
    )


@contextmanager
def _noted(notes: list[str]) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        notes.append(error.message)


def _baseline_names(kind: str, options: Options) -> tuple[str, ...]:
    from finscale.models.baselines import BASELINES as KNOWN

    if options.baselines == ("all",):
        return tuple(KNOWN)
    return BASELINES[kind] if options.baselines is None else options.baselines


def judge_pairs(
    judged: Sequence[Candidate],
    runs: RunStore,
    *,
    data: DataStore | None = None,
    options: Options | None = None,
) -> Comparison:
    """Compare two or more models on the same windows: in pairs, and all against each baseline.

    Parameters
    ----------
    judged : sequence of Candidate
    runs, data, options
        As for :func:`judge`.

    Raises
    ------
    FinscaleError
        If their tasks or windows differ.
    """
    options = options or Options()
    first = judged[0]
    task = first.config.task
    for other in judged[1:]:
        if other.config.task != task:
            raise DataError(
                f"{other.id} answers {other.config.task.name} over {other.config.task.horizon}, "
                f"{first.id} {task.name} over {task.horizon}: they cannot be compared."
            )
    baselines = {
        name: _baseline(first, name, runs, data) for name in _baseline_names(task.kind, options)
    }
    with one_blas_thread():
        return compare(
            {candidate.id: candidate.predictions() for candidate in judged},
            baselines,
            kind=task.kind,
            overlap=task.horizon,
            **options.bootstrap,
        )


def _baseline(
    candidate: Candidate, name: str, runs: RunStore, data: DataStore | None
) -> pl.DataFrame:
    """Return a baseline's predictions for every fold of the candidate."""
    fitted = [baseline_run(run, name, runs, data=data) for run in candidate.runs]
    return pl.concat(run.predictions() for run in fitted)


def write_judgement(judgement: Judgement, folder: Path) -> Path:
    """Write ``evaluation.json`` under ``folder/<run-id>``; run folders themselves are sealed."""
    path = folder / judgement.id / "evaluation.json"
    write_json(path, judgement.to_json())
    return path


def write_comparison(judged: Sequence[Candidate], comparison: Comparison, folder: Path) -> Path:
    """Write ``comparison-<hash>.json``, the hash that of the ids compared."""
    ids = [candidate.id for candidate in judged]
    confidence = comparison.confidence
    content = {
        "models": {candidate.id: candidate.title for candidate in judged},
        "pairs": _plain(comparison.pairs),
        "confidence_set": None if confidence is None else asdict(confidence),
        "superior": {name: asdict(value) for name, value in comparison.superior.items()},
    }
    path = folder / f"comparison-{content_hash(sorted(ids))[:8]}.json"
    write_json(path, content)
    return path


def count_trials(candidate: Candidate, runs: RunStore) -> int:
    """Return how many runs of the store were tested on the same data, task and split."""
    mine = _windows(candidate.config)
    return max(1, sum(_windows_of_run(run.folder) == mine for run in runs))


@lru_cache(maxsize=100_000)
def _windows_of_run(folder: Path) -> dict[str, Any]:
    """Return what a run was tested on; its folder's name is the hash of its config."""
    return _windows(Run(folder).config)


def _windows(config: ExperimentConfig) -> dict[str, Any]:
    identity = config.identity()
    split = {name: value for name, value in identity["split"].items() if name != "fold"}
    data = {name: identity["data"][name] for name in ("symbols", "timescale")}
    return {"data": data, "task": identity["task"], "split": split}


def _bars(config: ExperimentConfig, data: DataStore | None) -> pl.DataFrame:
    """Return the adjusted bars of the run's dataset, rows of all symbols stacked."""
    from finscale.study.preparation import prepare

    frame: pl.DataFrame = prepare(config, data).dataset.frame
    return frame.select("date", "symbol", "open", "close")


def _volatility(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the EWMA volatility of close-to-close returns known at each close (λ = .94)."""
    squares = pl.col("close").log().diff() ** 2
    volatility = squares.ewm_mean(alpha=0.06, ignore_nulls=True).sqrt().over("symbol")
    volatilities: pl.DataFrame = frame.select("date", "symbol", volatility=volatility)
    return volatilities
