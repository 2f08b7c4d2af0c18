"""What runs on the same test windows share, made once: baselines, bars, groups, benchmarks.

A hundred runs of one study are judged on the same days, against the same baselines and the same two
strategies that need no predictions. A :class:`Bench` remembers these from one run to the next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from finscale.config import ExperimentConfig, content_hash
from finscale.config.baselines import DEFAULT_BASELINES
from finscale.config.losses import quantile_levels, target_name
from finscale.evaluation.evaluation import Evaluation, Groups, groups_of
from finscale.evaluation.evaluation import evaluate as evaluate_predictions
from finscale.evaluation.market import Market
from finscale.evaluation.predictions import KEY, Predictions
from finscale.judging.gather import predictions_of
from finscale.judging.scoring import baseline_run
from finscale.judging.tables import Benchmarks, Options, power_of_test

if TYPE_CHECKING:
    from finscale.data import DataStore
    from finscale.runs import Run, RunStore

#: Sets of windows that are remembered: runs of one study have one.
_MOST_WINDOWS = 4


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
        self._numbers: Counter[str] | None = None

    def windows(self, runs: tuple[Run, ...]) -> JudgedWindows:
        """Return what models of one target on the windows of these runs, one a fold, share."""
        config = runs[0].config
        target = [target_name(config), quantile_levels(config), str(config.data.root)]
        key = content_hash([*target, *(windows_of(run.config, fold=True) for run in runs)])
        if key not in self._windows:
            if len(self._windows) == _MOST_WINDOWS:
                del self._windows[next(iter(self._windows))]
            self._windows[key] = JudgedWindows(self, runs)
        return self._windows[key]

    def num_runs(self, config: ExperimentConfig) -> int:
        """Return how many runs of the store were tested on the same data, task and split.

        The folds of a walk-forward are one.
        """
        if self._numbers is None:
            self._numbers = Counter(place for place, _ in {_place(run.folder) for run in self.runs})
        return max(1, self._numbers[content_hash(windows_of(config))])

    def forget_numbers(self) -> None:
        """Count the runs of the store anew: a baseline may have been added."""
        self._numbers = None


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
        self._own: dict[str, Evaluation] = {}
        self._rows: TestRows | None = None

    @property
    def config(self) -> ExperimentConfig:
        """The config of a run, for its data, task and split."""
        return self._runs[0].config

    def baseline_names(self) -> tuple[str, ...]:
        """Return the baselines to be reported."""
        wanted = self._bench.options.baselines
        if wanted == ("all",):
            from finscale.models.baselines import BASELINES as KNOWN

            return tuple(KNOWN)
        return DEFAULT_BASELINES if wanted is None else wanted

    def baselines(
        self, progress: Callable[[str], None] = lambda step: None
    ) -> Mapping[str, Predictions]:
        """Return each baseline's predictions for every fold, fitted if they are not there."""
        for name in self.baseline_names():
            if name not in self._baselines:
                progress(f"baseline {name.replace('_', ' ')}")
                bench = self._bench
                fitted = [
                    baseline_run(run, name, bench.runs, data=bench.data) for run in self._runs
                ]
                self._baselines[name] = predictions_of(fitted, beside=self.config)
                bench.forget_numbers()
        return {name: self._baselines[name] for name in self.baseline_names()}

    def own_scores(self, name: str) -> Evaluation:
        """Return a baseline's own scores, without intervals."""
        if name not in self._own:
            self._own[name] = evaluate_predictions(self.baselines()[name], num_replicates=0)
        return self._own[name]

    @cached_property
    def _bars(self) -> pl.DataFrame:
        from finscale.data import DataStore
        from finscale.data.registered import registered_bars
        from finscale.experiment.preparation import ensure_datasets

        store = self._bench.data or DataStore(self.config.data.root)
        ensure_datasets(self.config, store)
        return registered_bars(self.config, store)

    @cached_property
    def market(self) -> Market:
        """Adjusted prices of all symbols."""
        return Market.of(self._bars)

    @cached_property
    def volatility(self) -> pl.DataFrame:
        """EWMA volatility of close-to-close returns known at each close (λ = .94)."""
        squares = pl.col("close").log().diff() ** 2
        volatility = squares.ewm_mean(alpha=0.06, ignore_nulls=True).sqrt().over("symbol")
        volatilities: pl.DataFrame = self._bars.select("date", "symbol", volatility=volatility)
        return volatilities

    def rows(self, predictions: Predictions) -> TestRows:
        """Return what models share that were tested on the same rows as this one."""
        if self._rows is None or not self._rows.hold(predictions):
            self._rows = TestRows(self, predictions, self._bench.options)
        return self._rows


class TestRows:
    """What depends on test rows and their targets alone.

    Parameters
    ----------
    windows : Windows
    predictions : Predictions
        Some model's, of the rows.
    options : Options
    """

    __test__ = False  # pytest: no test

    def __init__(self, windows: JudgedWindows, predictions: Predictions, options: Options) -> None:
        self._windows, self._predictions, self._options = windows, predictions, options
        self._known = _known(predictions)

    def hold(self, predictions: Predictions) -> bool:
        """Tell whether a model was tested on these rows, with these targets."""
        return self._known.equals(_known(predictions))

    @cached_property
    def groups(self) -> Groups:
        """Folds, years and terciles of volatility."""
        return groups_of(self._predictions.test, self._windows.volatility)

    @cached_property
    def power(self) -> pl.DataFrame:
        """What this test set, and longer ones, can see; raises DataError where nothing is."""
        return power_of_test(self._predictions, self._windows.market.periods)

    @cached_property
    def benchmarks(self) -> Benchmarks:
        """Backtests that need no predictions, with their lines of the table."""
        return Benchmarks.of(self._predictions, self._windows.market, self._options)


def _known(predictions: Predictions) -> pl.DataFrame:
    return predictions.test.select(*KEY, "target")


@lru_cache(maxsize=100_000)
def _place(folder: Path) -> tuple[str, str]:
    """Return digests of what a run was tested on, and of what it shares with its other folds.

    A folder's name is the hash of its config.
    """
    from finscale.runs import Run

    config = Run(folder).config
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
