"""The scale axes: what each sets, what it holds fixed, and the number that a law is fitted to.

An axis is an entry of ``AXES``; adding one is adding an entry.
"""

from __future__ import annotations

import datetime as dt
import math
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from finscale.config import BaselineConfig, ExperimentConfig, format_count, validate
from finscale.config.axes import share_of_data
from finscale.config.names import AXIS_NAMES
from finscale.config.tiers import noted_tier
from finscale.data.qualities import quality_series, series_of
from finscale.data.timescales import TIMESCALES
from finscale.errors import BudgetError, ConfigError
from finscale.registry import Registry
from finscale.runs import Run
from finscale.study.asset_days import asset_day_split

Size = int | str
TRADING_DAYS = 252


@dataclass(frozen=True)
class AxisWindows:
    """What an axis may need to know of the data before it can say what a size means."""

    num_features: int
    num_train: int


#: Looks at an experiment's windows; reads the data, and so is asked only when needed.
Look = Callable[[ExperimentConfig], AxisWindows]


@dataclass(frozen=True)
class Axis:
    """One scale axis."""

    title: str  #: What grows, in words for a figure's axis
    unit: str  #: Of the law's x
    sets: str  #: The setting that a size decides
    fixed: str  #: What is held fixed while it grows
    measured: str  #: What the law's x is
    #: Experiment, size and a look at the windows → the experiment of that size.
    apply: Callable[[ExperimentConfig, Size, Look], ExperimentConfig]
    measure: Callable[[Run], float]  #: A finished run → its x
    #: Whether a size changes data, task or split, so that baselines are fitted anew for it.
    of_data: bool = False
    #: Whether sizes ask different questions, so that losses are compared as differences from the
    #: base rate's.
    relative: bool = False
    words: Callable[[Size], str] = str  #: A size as people write it
    noun: str | None = None  #: What follows such a size in a sentence; the unit when absent
    #: What a question calls a model of a larger size; "network with a larger …" when absent.
    larger: str = ""

    def sized(self, words: str) -> str:
        """Return a size, in words, with its noun: ``5k parameters``, ``10 years``."""
        noun = self.unit if self.noun is None else self.noun
        return words if words.endswith(noun) else f"{words} {noun}"

    def larger_words(self) -> str:
        """Return what a question calls a model of a larger size."""
        return self.larger or f"network with a larger {self.title}"


AXES: Registry[Axis] = Registry("scale axis", added=AXIS_NAMES.add)


def look_at_windows(config: ExperimentConfig) -> AxisWindows:
    """Read the data of an experiment and count its channels and training windows."""
    from finscale.experiment.preparation import prepare

    prepared = prepare(config.model_copy(update={"model": BaselineConfig(name="base_rate")}))
    return AxisWindows(len(prepared.dataset.features), len(prepared.split.train))


def nominal(axis: str, size: Size) -> float:
    """Return a size as a number to sort and group by.

    Of a tier how many features it has, of a quality how many that of the default tier has with it.
    """
    if axis == "quality":
        from finscale.features.contents import dataset_features

        return float(len(dataset_features("a20", series=quality_series(str(size)))))
    if axis == "data":
        return share_of_data(size) or float(size)
    if axis != "tier":
        return float(size)
    from finscale.features import TIERS

    own = noted_tier(str(size))
    if own is not None or size in TIERS:
        return float(len(own or TIERS[str(size)]))
    # a tier that is still to be declared can be planned by its name
    return float(str(size).lstrip(string.ascii_letters + "_"))


def largest(axis: str, sizes: Iterable[Size]) -> Size:
    """Return the largest of an axis's sizes."""
    return max(sizes, key=lambda size: nominal(axis, size))


def _num_features(run: Run) -> float:
    from finscale.features.contents import dataset_features

    data = run.config.data
    return float(len(dataset_features(data.feature_set, data.timescale, series_of(data))))


def _counted(singular: str, plural: str) -> Callable[[Size], str]:
    return lambda size: f"{size} {singular if int(size) == 1 else plural}"


def _section(config: ExperimentConfig, section: str, **changes: Any) -> ExperimentConfig:
    """Return the config with settings of one section changed, validated as if read from a file."""
    old = getattr(config, section)
    content = {**old.model_dump(mode="json"), **changes}
    new = validate(type(old), content, place=f"{section}, as a scale axis sets it")
    return config.model_copy(update={section: new})


def _parameters(config: ExperimentConfig, size: Size, _: Look) -> ExperimentConfig:
    # sizes that a config states would contradict the budget
    return _section(config, "model", budget=int(size), **dict.fromkeys(config.network.SIZES))


def _compute(config: ExperimentConfig, size: Size, look: Look) -> ExperimentConfig:
    windows = look(config)
    samples = windows.num_train * config.training.epochs
    budget = budget_for_flops(config, windows.num_features, float(size) / (3 * samples))
    return _parameters(_section(config, "training", patience=None), budget, look)


def budget_for_flops(config: ExperimentConfig, num_features: int, flops: float) -> int:
    """Return the parameter budget whose forward pass takes ``flops`` a window, within 10 %.

    Raises
    ------
    BudgetError
        If no budget from 500 to 20 billion parameters does.
    """
    from finscale.models.build import design

    made = partial(
        design,
        num_features=num_features,
        context_length=config.data.context_length,
        head=config.task.kind,
    )

    def cost(budget: float) -> float:
        try:
            return float(made(config.network.with_budget(round(budget))).flops)
        except BudgetError:
            return 0.0  # smaller than any architecture

    low, high = math.log(500), math.log(2e10)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if cost(math.exp(middle)) < flops else (low, middle)
    budget = min((math.exp(low), math.exp(high)), key=lambda b: abs(cost(b) / flops - 1))
    if abs(cost(budget) / flops - 1) > 0.1:
        raise BudgetError(
            f"No architecture takes {format_count(flops)}FLOP a window: the nearest takes "
            f"{format_count(cost(budget))}FLOP.",
            hint="choose other sizes for axis compute, or other training.epochs",
        )
    return round(budget)


def _rows(config: ExperimentConfig, size: Size, _: Look) -> ExperimentConfig:
    years, split = int(size), config.split
    if split.method == "walk_forward":
        a_year = TIMESCALES[config.data.timescale].bars_a_year
        return _section(config, "split", window="rolling", train_days=round(years * a_year))
    if split.method == "dates":
        start = split.train_end - dt.timedelta(days=round(365.25 * years) - 1)
        return _section(config, "split", train_start=start)
    raise ConfigError(
        f"axis rows cannot shorten the history of a split by {split.method}.",
        hint="split.method: dates or walk_forward",
    )


def _num_trained(run: Run) -> float:
    return float(run.config.split.train_symbols or len(run.config.data.symbols))


def _data(config: ExperimentConfig, size: Size, look: Look) -> ExperimentConfig:
    share = share_of_data(size)
    if share is None:
        share = _share_of_count(config, int(size), look)
    return _section(config, "split", **asset_day_split(config, share))


def _share_of_count(config: ExperimentConfig, count: int, look: Look) -> float:
    """Return a count of asset-days as a share of those that a fold trains on, on average."""
    folds = range(config.split.num_folds)
    looks = [look(_section(config, "split", fold=fold)).num_train for fold in folds]
    most = sum(looks) / len(looks)
    if count > most:
        raise ConfigError(
            f"axis data goes to {count:,} asset-days and the panel has {most:,.0f} to train on.",
            hint="write shares of them: 1 is all",
        )
    return count / most


def _asset_days_in_words(size: Size) -> str:
    share = share_of_data(size)
    if share is None:
        return f"{format_count(int(size))} asset-days"
    return "all asset-days" if share == 1 else f"{100 * share:.3g} % of asset-days"


_BUILT_IN = {
    "parameters": Axis(
        title="parameters",
        unit="parameters",
        sets="model.budget",
        fixed="data, features, windows and epochs",
        measured="parameters of the built model",
        apply=_parameters,
        measure=lambda run: float(run.info["parameters"]["total"]),
        words=lambda size: format_count(int(size)),
        larger="larger network",
    ),
    "compute": Axis(
        title="training compute",
        unit="FLOP",
        sets="model.budget, solved so that the whole training takes that many FLOPs",
        fixed="data, features, windows and epochs; no run stops early",
        measured="FLOPs that the training took",
        apply=_compute,
        measure=lambda run: float(run.info["training"]["flops"]),
        words=lambda size: format_count(int(size)),
        larger="network trained with more computing",
    ),
    "rows": Axis(
        title="training windows",
        unit="windows",
        sets="the years of history before validation that training sees",
        fixed="model, features, validation and test days; epochs over the shorter history",
        measured="training windows",
        apply=_rows,
        measure=lambda run: float(run.info["windows"]["train"]),
        of_data=True,
        words=_counted("year", "years"),
        larger="network that learns from more years",
        noun="",
    ),
    "assets": Axis(
        title="symbols",
        unit="symbols",
        sets="split.train_symbols: how many of the panel training sees, drawn by split.train_draw",
        fixed="model, features, labels, validation and test; epochs over fewer windows",
        measured="symbols trained on",
        apply=lambda config, size, _: _section(config, "split", train_symbols=int(size)),
        measure=_num_trained,
        of_data=True,
        words=_counted("symbol", "symbols"),
        larger="network that learns from more symbols",
        noun="",
    ),
    "data": Axis(
        title="asset-days",
        unit="asset-days",
        sets="split.train_symbols and split.train_share: of a share of all asset-days, its root of "
        "the symbols and its root of the days",
        fixed="model, features, labels, validation and test; epochs over fewer windows",
        measured="training windows: days of all symbols trained on",
        apply=_data,
        measure=lambda run: float(run.info["windows"]["train"]),
        of_data=True,
        words=_asset_days_in_words,
        larger="network that learns from more symbols and years",
        noun="",
    ),
    "tier": Axis(
        title="features",
        unit="features",
        sets="data.tier",
        fixed="model budget, bars, decision days, windows and labels",
        measured="features of the tier",
        apply=lambda config, size, _: _section(config, "data", tier=size),
        measure=lambda run: nominal("tier", run.config.data.tier),
        of_data=True,
        larger="network with more features",
    ),
    "quality": Axis(
        title="data quality",
        unit="features",
        sets="data.quality",
        fixed="model budget, tier, windows and labels",
        measured="features of the tier and of the series beside it",
        apply=lambda config, size, _: _section(config, "data", quality=size),
        measure=_num_features,
        of_data=True,
        words=lambda size: f"quality {size}",
        larger="network with data of a higher quality",
        noun="",
    ),
    "context_length": Axis(
        title="context length",
        unit="bars",
        sets="data.context_length",
        fixed="model budget, features, validation and test days",
        measured="bars that a window sees",
        apply=lambda config, size, _: _section(config, "data", context_length=size),
        measure=lambda run: float(run.config.data.context_length),
        of_data=True,
        words=_counted("bar", "bars"),
        larger="network that looks further back",
        noun="",
    ),
    "horizon": Axis(
        title="horizon",
        unit="bars ahead",
        sets="task.horizon",
        fixed="model budget, features; losses are differences from the base rate of each horizon",
        measured="bars that the label looks ahead",
        apply=lambda config, size, _: _section(config, "task", horizon=size),
        measure=lambda run: float(run.config.task.horizon),
        of_data=True,
        relative=True,
        words=_counted("bar ahead", "bars ahead"),
        larger="forecast of a longer horizon",
        noun="",
    ),
}
for _name, _axis in _BUILT_IN.items():
    AXES.add(_name, _axis)
