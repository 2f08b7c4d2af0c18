"""What a new study's data are: where its bars come from, how many days, the split that fits them.

Nothing is written into the data folder: bars that are there are read, and those of a local source
fetched, into another ``folder`` that the caller lets vanish.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from finscale.config import BaselineConfig, StudyConfig
from finscale.data import SOURCES, DataStore, fetch_bars
from finscale.data.membership import keep_members, universe_of
from finscale.errors import DataError, FinscaleError
from finscale.experiment.preparation import prepare
from finscale.features.feature import INPUTS
from finscale.features.needs import fitting_tiers
from finscale.features.tiers import CLOSE_TIERS
from finscale.study.aligned import aligned
from finscale.study.axes import TRADING_DAYS, largest
from finscale.study.grid import expand
from finscale.study.planned import plan_cells, split_cautions

#: Test days that a fold has at least: a quarter of a year.
LEAST_TEST_DAYS = 63
FOLDS = 3
#: Of tasks that compare the symbols of a day, whose effects are smaller: four blocks of two years.
ACROSS_FOLDS, ACROSS_DAYS = 4, 2 * TRADING_DAYS
#: More symbols than this are counted, not named one by one.
_NAMED = 5
#: Years proposed along axis ``rows``, as far as the history goes.
#: Symbols at hand that are listed.
_SHOWN = 24
_YEARS = (1, 2, 3, 5, 7, 10)
_LEAST_YEARS = 4


@dataclass(frozen=True)
class Origin:
    """Where the bars of a study's symbols are, or come from."""

    source: str
    words: str
    """What is said of them: symbols, days, source."""
    num_symbols: int = 1
    """How many symbols there are."""
    columns: tuple[str, ...] = INPUTS
    """Which of open, high, low, close and volume all of them have."""

    @property
    def tiers(self) -> tuple[str, ...]:
        """Tiers that the bars can have, nested: of whole bars, or of closes."""
        fitting = fitting_tiers(self.columns)
        return tuple(
            tier for tier in fitting if (tier in CLOSE_TIERS) is (fitting[0] in CLOSE_TIERS)
        )


@dataclass(frozen=True)
class SplitChoice:
    """The test blocks of a new study, one after the other, each after its train and validation.

    Attributes
    ----------
    folds : int
        How many.
    days : int
        Decision days of a test block, and of the validation block before it.
    num_days : int or None
        Decision days that there are; None where nobody has looked yet.
    """

    folds: int
    days: int
    num_days: int | None

    @property
    def words(self) -> str:
        """The split in a line."""
        of = f" of {self.num_days:,} decision days" if self.num_days else ""
        blocks = "1 test block" if self.folds == 1 else f"{self.folds} test blocks"
        return f"walk_forward: {blocks} of {self.days} days{of}"

    def years(self) -> tuple[int, ...]:
        """Return sizes for axis ``rows``: years of training before the first held-out block."""
        if self.num_days is None:
            return _YEARS[:5]
        most = (self.num_days - self.days * (self.folds + 1)) // TRADING_DAYS
        sizes = tuple(year for year in _YEARS if year <= most)[:5]
        return sizes if len(sizes) >= _LEAST_YEARS else tuple(range(1, min(most, 4) + 1))


def origin(symbols: Sequence[str], asked: str | None, store: DataStore) -> Origin:
    """Return where the bars of some symbols come from.

    Parameters
    ----------
    symbols : sequence of str
        As they are registered.
    asked : str, optional
        The source that was chosen; else that of the bars that are there, or the local source that
        has the others.

    Raises
    ------
    FinscaleError
        If bars are not there, and no source has them without a network.
    """
    if asked is not None:
        SOURCES[asked]  # an unknown one is refused with those that there are
    told: list[str] = []
    sources: list[str] = []
    missing: list[str] = []
    known = set(INPUTS)
    for symbol in symbols:
        if store.has_bars(symbol):
            known &= set(store.bars(symbol).columns)
            one = store.bars_entry(symbol)
            sources.append(one.source)
            told.append(f"{symbol} {one.rows:,} bars, {one.first_date} – {one.last_date}")
            continue
        shipping = [one.name for one in SOURCES.values() if one.symbols and one.serves(symbol)]
        name = asked or next(iter(shipping), "")
        if not name or not SOURCES[name].serves(symbol):
            missing.append(symbol)
            continue
        # what a run fetches by itself is what a study has to name
        sources.insert(0, name)
        known &= set(fetch_bars(name, symbol).columns)
        told.append(f"{symbol} from {name}")
    if missing:
        _refuse_missing(missing, asked, store)
    words = "; ".join(told)
    if len(symbols) > _NAMED:
        kinds = ", ".join(dict.fromkeys(sources))
        words = f"{len(symbols):,} symbols of {kinds} ({told[0]}; …)"
    columns = tuple(name for name in INPUTS if name in known)
    return Origin(asked or sources[0], words, len(symbols), columns)


def _refuse_missing(missing: Sequence[str], asked: str | None, store: DataStore) -> NoReturn:
    """Raise: some symbols have no bars, and no source has them without a network."""
    shipped = {one for source in SOURCES.values() for one in source.symbols}
    known = sorted({*store.symbols(), *shipped})
    here = ", ".join(known[:_SHOWN]) + (f" … ({len(known):,})" if len(known) > _SHOWN else "")
    symbol, more = missing[0], len(missing) - 1
    who = f"{symbol} and {more:,} other symbols have" if more else f"{symbol} has"
    way = f"finscale data download {symbol}"
    if asked and SOURCES[asked].panel is not None:
        way = f"finscale data download --source {asked}"
    raise DataError(
        f"{who} no bars in {store.root}: a study of {'them' if more else 'it'} could not run.",
        hint=f"bring them first: finscale data import FILE --symbol {symbol}, or {way}; at hand: "
        f"{here}",
    )


def choose_split(
    study: StudyConfig, store: DataStore, folds: int | None, folder: Path
) -> SplitChoice:
    """Return the split that fits a study's data, for its longest context and horizon.

    Three test years where half of the history is left to train on before the first; else shorter
    blocks, and fewer of them.

    Raises
    ------
    FinscaleError
        If the history is too short for any, or for as many folds as were asked for.
    """
    num_days = _decision_days(study, store, folder)
    rows = "rows" in study.axes
    across = study.experiment.task.is_cross_sectional
    most, longest = (ACROSS_FOLDS, ACROSS_DAYS) if across else (FOLDS, TRADING_DAYS)
    for count in range(most, 0, -1) if folds is None else (folds,):
        days = min(longest, num_days // (2 * (count + 1)))
        choice = SplitChoice(count, days, num_days)
        if days >= LEAST_TEST_DAYS and (not rows or len(choice.years()) >= _LEAST_YEARS):
            return choice
    if folds is not None and (days := num_days // (2 * (folds + 1))) < LEAST_TEST_DAYS:
        most = num_days // (2 * LEAST_TEST_DAYS) - 1
        raise FinscaleError(
            f"{folds} folds of the {num_days:,} decision days would have {days} test days each: "
            f"fewer than {LEAST_TEST_DAYS} tell little.",
            hint=f"--folds {most}" if most > 0 else "bring more history, or more symbols",
        )
    if rows:
        raise FinscaleError(
            f"{num_days:,} decision days are too few for axis rows: {_LEAST_YEARS} years of "
            "training, a validation and a test block are needed.",
            hint="another --axis, --folds 1, or a longer history",
        )
    raise FinscaleError(
        f"{num_days:,} decision days are too few: with half of them to train on, "
        f"{num_days // 4} are left to test on, and fewer than {LEAST_TEST_DAYS} conclude nothing.",
        hint="bring more history; more symbols on the same days add little",
    )


def check_fit(study: StudyConfig, store: DataStore, folder: Path) -> list[str]:
    """Resolve every cell of a study as ``study plan`` does, and return what is out of proportion.

    Raises
    ------
    FinscaleError
        If one cannot be: a size that the history does not hold, a label that never changes.
    """
    tried = _tried(study, store, folder)
    try:
        return split_cautions(plan_cells(expand(tried), DataStore(folder)))
    except FinscaleError as error:
        raise type(error)(
            error.message.replace(str(folder), str(store.root)),
            hint="choose other --sizes, --folds, --horizon or --task, or bring more history",
        ) from None


def _decision_days(study: StudyConfig, store: DataStore, folder: Path) -> int:
    """Return the days on which something is decided, at the sizes that see the farthest."""
    config = aligned(_tried(study, store, folder)).experiment
    most = {axis: largest(axis, sizes) for axis, sizes in study.axes.items()}
    data, task = config.data, config.task
    if "context_length" in most:
        data = data.model_copy(update={"context_length": int(most["context_length"])})
    if "horizon" in most:
        task = task.model_copy(update={"horizon": int(most["horizon"])})
    split = type(config.split)(method="shares", embargo=config.split.embargo)
    shown = config.model_copy(
        update={
            "data": data,
            "task": task,
            "split": split,
            "model": BaselineConfig(name="base_rate"),
        }
    )
    decided = prepare(shown, DataStore(folder)).dataset.window_times.decision_W
    return int(decided[-1] - decided[0]) + 1


def _tried(study: StudyConfig, store: DataStore, folder: Path) -> StudyConfig:
    """Return the study on a copy of its bars, in a folder of their own; one seed stands for all."""
    copy, config = DataStore(folder), study.experiment
    if (universe := universe_of(config.data, store.root)) is not None:
        keep_members(universe, folder)
    for symbol in config.data.symbols:
        there = store.has_bars(symbol)
        if not copy.has_bars(symbol):
            copy.add_bars(store.bars(symbol) if there else fetch_bars(config.data.source, symbol))
    data = config.data.model_copy(update={"root": folder})
    experiment = config.model_copy(update={"data": data})
    return study.model_copy(update={"experiment": experiment, "seeds": study.seeds[:1]})
