"""Finished runs, judged again from their predictions: nothing is trained but missing baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

import polars as pl

from finscale.config import ExperimentConfig
from finscale.data import DataStore
from finscale.errors import DataError
from finscale.evaluation.blas import one_blas_thread
from finscale.evaluation.bootstrap import Metric
from finscale.evaluation.comparison import Comparison, compare
from finscale.evaluation.evaluation import Evaluation, evaluate, plain_rows
from finscale.evaluation.targets import target_of
from finscale.judging.bench import Bench, across_folds
from finscale.judging.claims import Claims, Known
from finscale.judging.gather import model_name, predictions_of
from finscale.judging.scoring import judgeable, rates_of
from finscale.judging.section import (
    effective_table,
    section_table,
    symbol_table,
    symbols_yardstick,
)
from finscale.judging.tables import (
    Options,
    backtest_table,
    baseline_table,
    calibration_table,
    coverage_table,
    power_of_test,
    reliability,
    strategies,
)
from finscale.runs import Run, RunStore
from finscale.runs.searches import trials_behind

#: The runs of one model: one, or those of a walk-forward, of equal config but for the fold.
ModelRuns = tuple[Run, ...]


def join_folds(runs: Sequence[Run]) -> list[ModelRuns]:
    """Join runs that differ only in the fold of their split, in the order of their first run."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(repr(across_folds(run.config)), []).append(run)
    return [tuple(group) for group in groups.values()]


def model_id(runs: ModelRuns) -> str:
    """Return the run's id; several folds are joined by a plus."""
    return "+".join(run.id for run in runs)


def model_title(runs: ModelRuns) -> str:
    """Return model, size and seed: what tells models apart for a reader."""
    config, info = runs[0].config, runs[0].info
    name = model_name(config)
    if config.model.kind == "baseline":
        return name
    return f"{name} {info['parameters']['total']:,} seed {config.seed}"


@dataclass(frozen=True)
class Judgement:
    """What one model's predictions are worth.

    Attributes
    ----------
    id, title : str
        See :func:`model_id` and :func:`model_title`.
    config : ExperimentConfig
    evaluation : Evaluation
        Scores by group, skill over each baseline, the operating point.
    baselines : polars.DataFrame
        name, loss, auc, skill with low and high, p_value (Diebold–Mariano), smallest (the gain that
        this test could have seen over that baseline), knows (what it gains on the base rate, with
        low and high; null for that itself), ranks (whether it is seen to rank days).
    calibration : polars.DataFrame
        method, gain over the uncalibrated logits with low and high, ece with low and high, expected
        ece of a calibrated model, p_value; empty where no event is predicted.
    reliability : polars.DataFrame
        The reliability diagram with consistency bands; empty where no event is predicted.
    coverage : polars.DataFrame
        Adaptive conformal sets or intervals: year, rows, value, low, high; empty where validation
        does not come before the test, or is too short.
    power : polars.DataFrame
        What this test set, and longer ones, can see; empty where no event is predicted.
    backtest : polars.DataFrame
        One line a strategy and benchmark. ``versus_hold`` and ``versus_timing``: its Sharpe ratio
        less that of buy-and-hold and of volatility timing; ``break_even_…``: the one-way cost (bp)
        at which it ends where they do.
    num_trials : int
        Runs in the store on the same test windows, times strategies shown.
    notes : tuple of str
        What could not be computed, and why.
    rates : tuple of float or None
        Share of yes in train and on the test days, where an event is predicted.
    section, effective, symbols : polars.DataFrame
        Of a panel: what forecasts tell of a day's symbols, for how many symbols a day counts, and
        losses by symbol and group; see ``finscale.judging.section``. Empty of one symbol.
    symbols_over : str
        The baseline over which ``symbols`` has gains; empty where there is none.
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
    rates: tuple[float, float] | None = None
    section: pl.DataFrame = field(default_factory=pl.DataFrame)
    effective: pl.DataFrame = field(default_factory=pl.DataFrame)
    symbols: pl.DataFrame = field(default_factory=pl.DataFrame)
    symbols_over: str = ""

    @property
    def claims(self) -> Claims:
        """What may be claimed over each baseline."""
        target, lines = self.evaluation.target, self.baselines.to_dicts()
        return Claims(
            {line["name"]: _metric(line, "skill") for line in lines},
            self.evaluation.num_days,
            target_of(self.config).words.unit,
            {
                line["name"]: Known(_metric(line, "knows"), line["ranks"])
                for line in lines
                if line["knows"] is not None
            },
            self.evaluation.metric("auc") if target.is_event else None,
            self.rates,
        )

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
            "symbols_over": self.symbols_over,
            "claims": {name: self.claims.standing(name) for name in self.claims.gains},
            **tables,
        }


def judge(
    runs: ModelRuns,
    store: RunStore,
    *,
    data: DataStore | None = None,
    options: Options | None = None,
    bench: Bench | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Judgement:
    """Judge one model from its predictions.

    Parameters
    ----------
    runs : tuple of Run
        The model's: one, or the folds of a walk-forward.
    store : RunStore
        Where baselines on the same windows are found, or written once they are fitted.
    data : DataStore, optional
        Where bars and datasets lie; the config's when absent.
    options : Options, optional
    bench : Bench, optional
        Of the same store, data and options: what models on the same windows share is then made
        once.
    progress : callable
        Told what is being done.

    Raises
    ------
    FinscaleError
        If predictions are incomplete, or the data are not what the run was made from.
    """
    with one_blas_thread():
        return _judge(runs, bench or Bench(store, data, options), progress)


def judge_all(
    models: Sequence[ModelRuns],
    bench: Bench,
    *,
    progress: Callable[[str], None] = lambda step: None,
    pool: Executor | None = None,
) -> Iterator[Judgement]:
    """Judge models; what those on the same windows share is made once.

    Parameters
    ----------
    models : sequence of tuple of Run
        The runs of each.
    bench : Bench
        The store, data and options.
    progress : callable
        Told what is being done.
    pool : Executor, optional
        Processes that judge side by side (``judging.pool``); what they
        return is the same to the bit. All is done here when absent, or when they die.

    Yields
    ------
    Judgement
        Of each model, in their order.
    """
    with one_blas_thread():
        if pool is None:
            yield from (_judge(runs, bench, progress) for runs in models)
            return
        # baselines are fitted here, and once: the processes find them in the store
        for runs in models:
            judgeable(predictions_of(runs), f"run {model_id(runs)}")
            bench.windows(runs).baselines(progress)
        place = bench.runs.folder, bench.data and bench.data.root, bench.options
        futures: list[Future[Judgement]] = []
        with suppress(BrokenExecutor):
            futures += (
                pool.submit(judge_elsewhere, runs, *place, bench.windows(runs).num_runs)
                for runs in models
            )
        for runs, future in zip_longest(models, futures):
            found = None
            with suppress(BrokenExecutor):
                found = future and future.result()
            yield found or _judge(runs, bench, progress)


def judge_elsewhere(
    runs: ModelRuns, store: Path, data: Path | None, options: Options, num_runs: int
) -> Judgement:
    """Judge one model in a process of a pool.

    Parameters
    ----------
    runs : tuple of Run
        The model's.
    store, data : Path
        Where baselines and data lie for that process.
    options : Options
    num_runs : int
        Runs in the whole store on the same test windows, which a process need not see.
    """
    with one_blas_thread():
        bench = _bench_at(store, data, options)
        bench.windows(runs).num_runs = num_runs
        return _judge(runs, bench)


@lru_cache(maxsize=1)
def _bench_at(store: Path, data: Path | None, options: Options) -> Bench:
    """Return the bench of a process, kept from one model to the next."""
    return Bench(RunStore(store), data and DataStore(data), options)


def _judge(
    runs: ModelRuns, bench: Bench, progress: Callable[[str], None] = lambda step: None
) -> Judgement:
    """Judge one model where matrix products take one thread already; see :func:`judge`."""
    options, windows = bench.options, bench.windows(runs)
    # first: of days that all end alike no baseline is worth fitting
    predictions = judgeable(predictions_of(runs), f"run {model_id(runs)}")
    references = windows.baselines(progress)
    progress("bars")
    market = windows.market
    progress("scores")
    evaluation = evaluate(
        predictions,
        references,
        rule=options.rule,
        volatility=windows.volatility,
        kinds=windows.kinds,
        expected=sum(run.info["windows"]["test"] for run in runs),
        **options.bootstrap,
    )
    progress("baselines")
    baselines = baseline_table(predictions, references, windows.own_scores, evaluation, options)
    notes: list[str] = []
    progress("calibration")
    diagram, calibration, power = pl.DataFrame(), pl.DataFrame(), pl.DataFrame()
    if predictions.target.is_event:
        # first: calibrations count what turns out otherwise than here
        diagram = reliability(predictions, options)
        # a rare event may be absent from validation or test; the other tables still stand
        with _noted(notes):
            calibration = calibration_table(predictions, options)
        with _noted(notes):
            power = power_of_test(predictions, market.periods)
    coverage = pl.DataFrame()
    with _noted(notes):
        coverage = coverage_table(predictions)
    progress("symbols")
    level = options.level
    over = symbols_yardstick(references, evaluation)
    section = section_table(predictions, market, level=level)
    progress("backtest")
    # settings that a search has tried to choose these runs count as they do, and features that were
    # chosen among many are tried before the first run
    tried = trials_behind(runs[0].folder.parent, [run.id for run in runs])
    weighed = max(run.config.data.selection_trials for run in runs)
    num_trials = (windows.num_runs + tried) * len(strategies(market)) + weighed
    return Judgement(
        id=model_id(runs),
        title=model_title(runs),
        config=runs[0].config,
        evaluation=evaluation,
        baselines=baselines,
        calibration=calibration,
        reliability=diagram,
        coverage=coverage,
        power=power,
        backtest=backtest_table(
            predictions, market, windows.benchmarks(predictions), evaluation, num_trials, options
        ),
        num_trials=num_trials,
        notes=tuple(notes),
        rates=rates_of(predictions),
        section=section,
        effective=effective_table(predictions),
        symbols=symbol_table(predictions, references.get(over), over, windows.groups, level=level),
        symbols_over=over,
    )


def _metric(line: dict[str, Any], name: str) -> Metric:
    return Metric(line[name], line[f"{name}_low"], line[f"{name}_high"])


@contextmanager
def _noted(notes: list[str]) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        notes.append(error.message)


def judge_pairs(models: Sequence[ModelRuns], bench: Bench) -> Comparison:
    """Compare two or more models on the same windows: in pairs, and all against each baseline.

    Parameters
    ----------
    models : sequence of tuple of Run
        The runs of each.
    bench : Bench
        The store, data and options.

    Raises
    ------
    FinscaleError
        If their tasks, targets or windows differ.
    """
    first = models[0]
    task = first[0].config.task
    for runs in models[1:]:
        other = runs[0].config.task
        if other != task:
            raise DataError(
                f"{model_id(runs)} answers {other.name} over {other.horizon}, {model_id(first)} "
                f"{task.name} over {task.horizon}: they cannot be compared."
            )
    with one_blas_thread():
        return compare(
            {model_id(runs): predictions_of(runs) for runs in models},
            bench.windows(first).baselines(),
            **bench.options.bootstrap,
        )
