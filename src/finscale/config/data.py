"""Which bars, which features, which label, which split."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from finscale.config.base import Section, placement
from finscale.config.names import TASK_KINDS, TaskKind, TaskName, TierName
from finscale.config.quantities import Seed

InputsName = Literal["level", "relative", "both"]
Quality = Literal["a", "b", "c", "d"]
QUALITIES: tuple[Quality, ...] = get_args(Quality)
Timescale = Literal["daily", "2d", "3d", "5d", "weekly", "2wk", "monthly", "daily+multi"]


class DataConfig(Section):
    """The dataset: bars and features of some symbols at one tier and timescale."""

    symbols: tuple[str, ...] = ("SP500",)
    """Symbols, in the order in which their rows are stacked."""
    source: str = "bundled"
    """Where bars come from when a symbol is not registered yet: bundled, csv, yahoo …"""
    tier: TierName = "a20"
    """The named, nested feature set."""
    timescale: Timescale = "daily"
    """The bar length that rows have. ``daily+multi``: daily rows that see the last finished bars of
    the others beside their own."""
    quality: Quality = "a"
    """What stands beside the bars, each with what the one before has. a: bars and indicators. b:
    sentiment (UMCSENT, USEPUINDXD). c: the volatility index (VIXCLS). d: search trends (TRENDS).
    The series are brought in by ``finscale series import``."""
    series: tuple[str, ...] = ()
    """Further series whose features stand beside the bars: ``[CPIAUCSL, T10Y2Y]``."""
    inputs: InputsName = "relative"
    """What windows hold. level: bars and features as they are, each window normalised by its own
    mean and deviation. relative: the same relative to the close or to their own past (``rel_*``),
    comparable across levels and symbols, not normalised again; chosen on validation. Or both. A
    model's linear path reads the relative columns of the last row whatever the windows hold."""
    context_length: Annotated[int, Field(ge=2)] = 80
    """L: rows that a window sees, the decision row included."""
    version: str | None = None
    """Dataset version (``v1``); the newest registered when absent."""
    root: Annotated[Path, placement()] = Path("data")
    """Folder that holds ``raw/`` and ``processed/`` with their manifests."""
    memory_map: Annotated[bool | Literal["auto"], placement()] = "auto"
    """Read rows from a file while training instead of holding them all in memory; ``auto`` does so
    when they would take more than half of the free memory. The results are the same bits.
    Baselines always hold their rows."""

    @field_validator("root")
    @classmethod
    def _a_folder(cls, value: Path) -> Path:
        if value.is_file():
            raise ValueError("is a file; the data lie in a folder")
        return value

    @field_validator("symbols", mode="before")
    @classmethod
    def _one_symbol(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("series", mode="before")
    @classmethod
    def _series(cls, value: Any) -> Any:
        names = (value,) if isinstance(value, str) else value
        if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
            return tuple(dict.fromkeys(name.strip().upper() for name in names))
        return names

    @field_validator("symbols")
    @classmethod
    def _some_symbols(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError("name at least one symbol, each once")
        return value


class TaskConfig(Section):
    """The label: what is asked at the close of t about the bars after it."""

    name: TaskName = "threshold_1pct"
    """direction: does the close rise? threshold: is a rise of that many per cent reached?
    regression: the log return."""
    horizon: Annotated[int, Field(ge=1)] = 1
    """H: bars ahead that the label looks at."""
    touch: Literal["high", "close"] = "high"
    """Threshold tasks: the price of t+1 … t+H that must reach the threshold."""
    control: Literal["none", "permuted", "planted"] = "none"
    """Labels whose relation to the window is known: shuffled within calendar quarters, or drawn
    from a known function of the last 21 bars."""
    control_seed: Seed = 0
    """Which shuffle, or which draw."""
    control_strength: Annotated[float, Field(gt=0)] = 2.0
    """``planted``: log odds (regression: signal over noise) per standard deviation."""

    @property
    def kind(self) -> TaskKind:
        """Whether the target is a class or a number."""
        return TASK_KINDS[self.name]


class SplitConfig(Section):
    """Train, validation and test, purged and embargoed."""

    method: Literal["dates", "shares", "walk_forward", "chunks"] = "dates"
    """dates: one train, validation and test part, by date. shares: the same, as shares of whatever
    history there is. walk_forward: several test blocks, each after its train and validation.
    chunks: blocks drawn at random, so that train surrounds test."""
    train_end: dt.date = dt.date(2022, 12, 31)
    """``dates``: last decision date of train."""
    validation_end: dt.date = dt.date(2024, 12, 31)
    """``dates``: last decision date of validation."""
    test_end: dt.date | None = None
    """``dates``: last decision date of test; the data's end when absent."""
    train_start: dt.date | None = None
    """First decision date of train; the data's start when absent."""
    folds: Annotated[int, Field(ge=1)] = 4
    """``walk_forward``: how many test blocks."""
    validation_days: Annotated[int, Field(ge=1)] = 252
    """``walk_forward``: decision days of each validation block, directly before its test block."""
    test_days: Annotated[int, Field(ge=1)] = 252
    """``walk_forward``: decision days of each test block; the last one ends with the data."""
    window: Literal["expanding", "rolling"] = "expanding"
    """``walk_forward``: train on all days before validation, or on the last ``train_days``."""
    train_days: Annotated[int, Field(ge=1)] | None = None
    """``walk_forward`` rolling: decision days of each train block."""
    chunk_days: Annotated[int, Field(ge=1)] = 63
    """``chunks``: sessions of one block, counted back from the data's last one."""
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """``shares``: share of all sessions between train and test. ``chunks``: share of blocks."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """``shares``: share of all sessions, the last ones. ``chunks``: share of blocks held out."""
    chunk_seed: Seed = 0
    """``chunks``: which blocks are drawn."""
    embargo: Annotated[int, Field(ge=0)] = 5
    """Sessions that train windows keep away from a held-out block, beyond the purge."""
    fold: Annotated[int, Field(ge=0)] = 0
    """Which fold a run trains on (``walk_forward``); the other methods have one, number 0."""

    @property
    def num_folds(self) -> int:
        """Folds that the split has."""
        return self.folds if self.method == "walk_forward" else 1

    @model_validator(mode="after")
    def _in_order(self) -> SplitConfig:
        if self.method == "dates":
            ends = [end for end in (self.train_end, self.validation_end, self.test_end) if end]
            if ends != sorted(set(ends)):
                raise ValueError("train_end, validation_end and test_end must follow one another")
            if self.train_start is not None and self.train_start >= self.train_end:
                raise ValueError("train_start must lie before train_end")
        held_out = self.method in ("chunks", "shares")
        if held_out and self.validation_fraction + self.test_fraction >= 1:
            raise ValueError("validation_fraction and test_fraction leave nothing to train on")
        if self.method == "walk_forward":
            if self.window == "rolling" and self.train_days is None:
                raise ValueError("a rolling walk-forward needs train_days")
            if self.fold >= self.folds:
                raise ValueError(
                    f"fold {self.fold} does not exist: folds count from 0 to {self.folds - 1}"
                )
        elif self.fold != 0:
            raise ValueError(f"split method {self.method} has one fold, number 0")
        return self
