"""Which bars, which features, which label, which split."""

from __future__ import annotations

import datetime as dt
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from finscale.config.base import Section, label, placement
from finscale.config.names import CROSS_SECTIONAL, TASK_KINDS, TaskKind, TaskName, TierName
from finscale.config.quantities import Seed
from finscale.config.tiers import (
    is_tier_file,
    is_tier_key,
    note_tier,
    noted_tier,
    read_tier_file,
)
from finscale.errors import ConfigError

InputsName = Literal["level", "relative", "both"]
CrossSectionName = Literal["none", "ranks", "market", "both"]
Quality = Literal["a", "b", "c", "d"]
QUALITIES: tuple[Quality, ...] = get_args(Quality)
Timescale = Literal["daily", "2d", "3d", "5d", "weekly", "2wk", "monthly", "daily+multi"]


class DataConfig(Section):
    """The dataset: bars and features of some symbols at one tier and timescale."""

    symbols: tuple[str, ...] = ("SP500",)
    """Symbols, in the order in which their rows are stacked; of a universe all, or some of it."""
    universe: Annotated[str | None, label()] = None
    """A point-in-time list of symbols: the name of one (``us20``; ``finscale universe list``), or a
    YAML, CSV or parquet file with symbol, from, to, group, calendar. A symbol has windows and
    labels only on days on which it is a member."""
    universe_digest: str | None = None
    """SHA-256 of the universe's members; filled in when it is read."""
    source: str = "bundled"
    """Where bars come from when a symbol is not registered yet: bundled, csv, yahoo …"""
    tier: TierName = "a20"
    """The named, nested feature set; or a tier file of your own, ``my_tier.yaml``, which lists
    features by name (``finscale features select`` writes one)."""
    columns: tuple[str, ...] = ()
    """Of a tier file: the features that it lists. Filled in when the file is read."""
    selection_trials: Annotated[int, Field(ge=0), label()] = 0
    """Of a tier file: how many choices its selection weighed; they count as trials where the best
    of several is judged. Filled in when the file is read."""
    nesting: Annotated[int, Field(ge=0)] = 0
    """Which order features join the tiers in. 0: the canonical one. Others are drawn, family by
    family, from this number: replicates that tell what a tier's size brings from what its choice
    of features does."""
    warm_up: Annotated[int, Field(ge=0)] | None = None
    """Bars of each symbol that lie before its first row, at least. When absent the longest lookback
    of the tier; a study along tiers sets the longest of all of them, so that all decide on the same
    days."""
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
    cross_section: CrossSectionName = "none"
    """What the relative columns tell of the other symbols of the day (``xs_*``). ranks: each is
    replaced by its rank among the day's members, from -.5 to .5. market: beside them stand the
    market's return and dispersion, the symbol's beta and residual volatility, and its group's
    returns. Or both."""
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

    @model_validator(mode="after")
    def _in_memory(self) -> DataConfig:
        if self.cross_section != "none" and self.memory_map is True:
            raise ValueError(
                f"cross_section {self.cross_section} compares all rows of a day, which memory_map "
                "leaves on disk: take memory_map: false or auto"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _of_universe(cls, content: Any) -> Any:
        """Fill in what the universe says; one whose digest is there was read before."""
        if not isinstance(content, dict) or not content.get("universe"):
            return content
        if content.get("universe_digest"):
            return content
        # a floor up: files are read there
        read = import_module("finscale.config.universes").read_universe
        try:
            universe = read(str(content["universe"]), content.get("root", "data"))
        except ConfigError as error:
            raise ValueError(f"universe: {error}") from None
        filled = {"symbols": universe.symbols, "universe_digest": universe.digest}
        if universe.source:
            filled["source"] = universe.source
        symbols = content.get("symbols", ())
        strangers = set([symbols] if isinstance(symbols, str) else symbols) - {*universe.symbols}
        if strangers:
            raise ValueError(
                f"symbols: {min(strangers)} is no member of the universe {universe.name}; leave "
                "symbols away, or name members"
            )
        return {**filled, **content}

    @model_validator(mode="before")
    @classmethod
    def _read_tier(cls, value: Any) -> Any:
        """Put what a tier file lists in the file's place; a declared tier has no columns."""
        if not isinstance(value, dict) or not isinstance(tier := value.get("tier"), str | Path):
            return value
        tier, columns = str(tier), tuple(value.get("columns") or ())
        if is_tier_file(tier):
            try:
                file = read_tier_file(tier)
            except ValueError:
                return value  # the field's own check says what is wrong
            note_tier(file.key, file.features)
            read = {"columns": file.features, "selection_trials": file.trials}
            return {**value, "tier": file.key, **read}
        if not columns and (known := noted_tier(tier)):
            return {**value, "columns": known}
        if columns and not is_tier_key(tier, columns):
            return {**value, "columns": (), "selection_trials": 0}
        if columns:
            note_tier(tier, columns)
        return value

    @model_validator(mode="after")
    def _known_tier(self) -> DataConfig:
        if self.columns and self.nesting:
            raise ValueError(
                f"nesting {self.nesting} of a tier file: a file lists its features, and no other "
                "order leads to them; take nesting 0"
            )
        return self

    @field_validator("root")
    @classmethod
    def _a_folder(cls, value: Path) -> Path:
        if value.is_file():
            raise ValueError("is a file; the data lie in a folder")
        return value

    @property
    def feature_set(self) -> str:
        """The tier as features and datasets have it: ``a100``, ``a100.n1``, ``mine-3f2a9c01``."""
        if self.columns:
            note_tier(self.tier, self.columns)
        return f"{self.tier}.n{self.nesting}" if self.nesting else self.tier

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
    regression: the log return. Across the members of a panel: outperform, is the return above the
    day's median? top_fifth: is it in the day's top fifth? rank: the normal score of its rank of
    the day. residual: the log return less beta times the market's."""
    horizon: Annotated[int, Field(ge=1)] = 1
    """H: bars ahead that the label looks at."""
    touch: Literal["high", "close"] = "high"
    """Threshold tasks: the price of t+1 … t+H that must reach the threshold."""
    neutral: Literal["none", "group"] = "none"
    """Tasks across the section: compare with all members of the day, or with those of the symbol's
    own group (its sector, say)."""
    min_members: Annotated[int, Field(ge=2)] = 10
    """Tasks across the section: a day with fewer members has no label."""
    beta_days: Annotated[int, Field(ge=20)] = 120
    """residual: sessions up to t over which beta is measured."""
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

    @property
    def is_cross_sectional(self) -> bool:
        """Whether the label compares the symbols of one day."""
        return self.name in CROSS_SECTIONAL


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
    symbols: Literal["all", "unseen", "both"] = "all"
    """Which symbols are tested, always on days after train. all: those that are trained on.
    unseen: others, that train and validation never see. both: all, the unseen ones shown apart."""
    unseen_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """``unseen`` and ``both``: share of symbols held out of train and validation."""
    symbol_seed: Seed = 0
    """``unseen`` and ``both``: which symbols are drawn."""
    train_symbols: Annotated[int, Field(ge=1)] | None = None
    """Train on the windows of this many symbols, drawn by ``train_draw``; of all when absent. What
    a window holds and what its label compares stay those of the whole panel, and validation and
    test have the same symbols as without it."""
    train_draw: Seed = 0
    """``train_symbols``: which symbols are drawn. Of one draw, fewer symbols are among more."""
    train_share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Train on the newest share of the days that the split gives to train; on all when absent."""
    fold: Annotated[int, Field(ge=0)] = 0
    """Which fold a run trains on (``walk_forward``); the other methods have one, number 0."""

    def num_unseen(self, num_symbols: int) -> int:
        """Return how many of so many symbols train and validation do not see."""
        if self.symbols == "all":
            return 0
        return max(round(num_symbols * self.unseen_fraction), 1)

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
