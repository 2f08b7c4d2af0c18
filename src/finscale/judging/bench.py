"""What runs on the same test windows share, made once: baselines, bars, groups, benchmarks.

A hundred runs of one study are judged on the same days, against the same baselines and the same two
strategies that need no predictions. A :class:`Bench` remembers these from one run to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from finscale.config import ExperimentConfig, content_hash
from finscale.config.losses import quantile_levels, target_name
from finscale.data import DataStore
from finscale.evaluation.evaluation import Evaluation, evaluate
from finscale.evaluation.market import Market
from finscale.evaluation.predictions import Predictions
from finscale.judging.gather import predictions_of
from finscale.judging.scoring import baseline_run
from finscale.judging.tables import Benchmarks, Options
from finscale.runs import Run, RunStore


class Bench:
    """Where models are judged side by side.

    Parameters
    ----------
    runs : RunStore
        Where baselines on the same windows are found, or written once they are fitted.
    data : DataStore, optional
        Where bars and datasets lie; the config's when absent.
    options : Options, optional
        How runs are judged.
    """

    def __init__(
        self, runs: RunStore, data: DataStore | None = None, options: Options | None = None
    ) -> None:
        self.runs, self.data, self.options = runs, data, options or Options()
        self._windows: dict[str, JudgedWindows] = {}

    def windows(self, runs: tuple[Run, ...]) -> JudgedWindows:
        """Return what models of one target on the windows of these runs, one a fold, share."""
        config = runs[0].config
        target = [target_name(config), quantile_levels(config), str(config.data.root)]
        key = content_hash([*target, *(windows_of(run.config, fold=True) for run in runs)])
        if key not in self._windows:
            self._windows[key] = JudgedWindows(self, runs)
        return self._windows[key]


class JudgedWindows:
    """What models of one target on the same validation and test windows share.

    Parameters
    ----------
    bench : Bench
    runs : tuple of Run
        One a fold; all that is read of them is their config.
    """

    def __init__(self, bench: Bench, runs: tuple[Run, ...]) -> None:
        self._bench, self._runs = bench, runs
        self._baselines: dict[str, Predictions] = {}
        self._benchmarks: tuple[pl.DataFrame, Benchmarks] | None = None

    @property
    def config(self) -> ExperimentConfig:
        """The config of a run, for its data, task and split."""
        return self._runs[0].config

    def baselines(
        self, progress: Callable[[str], None] = lambda step: None
    ) -> Mapping[str, Predictions]:
        """Return each baseline's predictions for every fold, fitted if they are not there."""
        bench = self._bench
        for name in bench.options.baseline_names:
            if name not in self._baselines:
                progress(f"baseline {name.replace('_', ' ')}")
                fitted = [
                    baseline_run(run, name, bench.runs, data=bench.data) for run in self._runs
                ]
                self._baselines[name] = predictions_of(fitted, beside=self.config)
        return self._baselines

    @cached_property
    def own_scores(self) -> dict[str, Evaluation]:
        """Each baseline's own scores, without intervals."""
        return {
            name: evaluate(baseline, num_replicates=0)
            for name, baseline in self.baselines().items()
        }

    @cached_property
    def _bars(self) -> pl.DataFrame:
        from finscale.data.registered import registered_bars
        from finscale.experiment.preparation import ensure_datasets

        store = self._bench.data or DataStore(self.config.data.root)
        return registered_bars(ensure_datasets(self.config, store), store)

    @cached_property
    def market(self) -> Market:
        """Adjusted prices of all symbols."""
        return Market.of(self._bars)

    @cached_property
    def kinds(self) -> dict[str, str]:
        """Symbol → whether training saw it, where the split holds symbols out."""
        from finscale.data.unseen import unseen_symbols

        symbols = self.config.data.symbols
        unseen = unseen_symbols(symbols, self.config.split)
        return {s: "unseen" if s in unseen else "seen" for s in symbols} if unseen else {}

    @cached_property
    def groups(self) -> dict[str, str] | None:
        """Each symbol's group, where the run's universe has groups."""
        from finscale.data.membership import universe_of

        store = self._bench.data or DataStore(self.config.data.root)
        universe = universe_of(self.config.data, store.root)
        return universe.groups if universe is not None else None

    @cached_property
    def volatility(self) -> pl.DataFrame:
        """EWMA volatility of close-to-close returns known at each close (λ = .94)."""
        squares = pl.col("close").log().diff() ** 2
        volatility = squares.ewm_mean(alpha=0.06, ignore_nulls=True).sqrt().over("symbol")
        volatilities: pl.DataFrame = self._bars.select("date", "symbol", volatility=volatility)
        return volatilities

    @cached_property
    def num_runs(self) -> int:
        """How many runs of the store, baselines among them, were tested on the same windows."""
        self.baselines()
        return count_runs(self._bench.runs, self.config)

    def benchmarks(self, predictions: Predictions) -> Benchmarks:
        """Return what needs no predictions but the test rows; kept for the next model on them."""
        if self._benchmarks is None or not self._benchmarks[0].equals(predictions.keys):
            made = Benchmarks.of(predictions, self.market, self._bench.options)
            self._benchmarks = predictions.keys, made
        return self._benchmarks[1]


def count_runs(runs: RunStore, config: ExperimentConfig) -> int:
    """Return how many runs of the store were tested on the same data, task and split.

    The folds of a walk-forward are one.
    """
    place = content_hash(windows_of(config))
    return max(1, sum(tested == place for tested, _ in {_place(run.folder) for run in runs}))


@lru_cache(maxsize=100_000)
def _place(folder: Path) -> tuple[str, str]:
    """Return digests of what a run was tested on, and of what it shares with its other folds.

    A folder's name is the hash of its config. Of a run that cannot be read here both are empty.
    """
    run = Run(folder)
    if not run.is_known:
        return "", ""
    config = run.config
    return content_hash(windows_of(config)), content_hash(across_folds(config))


def across_folds(config: ExperimentConfig) -> dict[str, Any]:
    """Return the identity of a run but for its fold: what the folds of one model share."""
    identity = config.identity()
    identity["split"].pop("fold")
    return identity


def windows_of(config: ExperimentConfig, *, fold: bool = False) -> dict[str, Any]:
    """Return what decides on which windows a run is tested, with the fold if wanted."""
    identity = config.identity()
    if fold:
        return {name: identity[name] for name in ("data", "task", "split")}
    split = {name: value for name, value in identity["split"].items() if name != "fold"}
    data = {name: identity["data"][name] for name in ("symbols", "timescale")}
    return {"data": data, "task": identity["task"], "split": split}
