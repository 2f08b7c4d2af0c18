"""A commented study file from a few answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from finscale.config import StudyConfig, TaskConfig, validate
from finscale.config.outcomes import OUTCOMES as RULES
from finscale.config.universes import Universe, read_universe
from finscale.data import DataStore
from finscale.data.bars import normal_symbol
from finscale.errors import FinscaleError, did_you_mean
from finscale.evaluation.targets import TARGETS
from finscale.files import write_bytes
from finscale.scaling.judge import LEAST_SIZES, LEAST_SPAN
from finscale.study.axes import AXES, TRADING_DAYS, nominal
from finscale.study.new_data import (
    ACROSS_FOLDS,
    FOLDS,
    Origin,
    SplitChoice,
    check_fit,
    choose_split,
    origin,
)
from finscale.study.new_template import ACROSS, ALONE, TEMPLATE, TOUCH, Proposal
from finscale.study.outcomes import OUTCOMES

#: More symbols than this are counted in a question, not named.
_NAMED = 5

#: Sizes proposed for an axis; of symbols, tiers and years what there is, of parameters see
#: :class:`~finscale.study.new_template.Proposal`.
PROPOSED: dict[str, str] = {
    "compute": "3e10, 1e11, 3e11, 1e12, 3e12, 1e13",
    "data": "6%, 12%, 25%, 50%, 100%",
    "context_length": "20, 40, 80, 160",
    "horizon": "1, 2, 5, 10, 20",
}


@dataclass(frozen=True)
class Draft:
    """A new study file and what was found out about its data."""

    text: str
    study: StudyConfig
    origin: Origin
    split: SplitChoice
    cautions: tuple[str, ...]


@dataclass(frozen=True)
class Answers:
    """What a person is asked for a new study."""

    name: str
    question: str = ""
    symbols: Sequence[str] = ("SP500",)
    universe: str | None = None
    """Whose members are studied; ``symbols`` then names some of them, or none for all."""
    task: str = "threshold_1pct"
    horizon: int = 1
    axis: str = "parameters"
    sizes: str = ""
    seeds: int = 5
    folds: int | None = None
    budget: str = "50k"
    outcome: str = "loss"
    sesoi: float | None = None
    controls: bool = True
    source: str | None = None
    data_root: Path | None = None

    def draft(self) -> Draft:
        """Return the study file with what was found out about its data.

        Raises
        ------
        FinscaleError
            If the answers make no study, none that could conclude, or none that its data hold.
        """
        store = DataStore(self.data_root or "data")
        symbols = [normal_symbol(symbol) for symbol in self.symbols]
        AXES[self.axis]
        of = read_universe(self.universe, store.root) if self.universe else None
        asked = self.source or (of.source if of else "") or None
        found = origin(self._members(symbols, of), asked, store)
        most = ACROSS_FOLDS if self._task.is_cross_sectional else FOLDS
        split = SplitChoice(self.folds or most, TRADING_DAYS, None)
        study = self._study(self._text(symbols, found, split))
        with TemporaryDirectory() as name:
            folder = Path(name)
            split = choose_split(study, store, self.folds, folder)
            text = self._text(symbols, found, split)
            study = self._study(text)
            cautions = check_fit(study, store, folder)
        return Draft(text, study, found, split, tuple(cautions))

    @property
    def _task(self) -> TaskConfig:
        return validate(TaskConfig, {"name": self.task}, place="--task")

    @property
    def _proposal(self) -> Proposal:
        return ACROSS if self._task.is_cross_sectional else ALONE

    def _members(self, symbols: Sequence[str], universe: Universe | None) -> Sequence[str]:
        """Return whose bars are looked at: the symbols, or all members where none is named."""
        if universe is None:
            return symbols
        for symbol in symbols:
            if symbol not in universe.symbols:
                raise FinscaleError(
                    f"{symbol} is no member of the universe {universe.name}.",
                    hint=did_you_mean(symbol, universe.symbols),
                )
        return symbols or universe.symbols

    def _which(self, symbols: Sequence[str]) -> str:
        """Return the lines that say whose bars are studied."""
        named = f"symbols: [{_listed(symbols)}]"
        if self.universe is None:
            return named
        of = f"universe: {_plain(self.universe)} # who is a member when"
        return f"{of}\n    {named}" if symbols else of

    def _study(self, text: str) -> StudyConfig:
        study = validate(StudyConfig, yaml.safe_load(text), place="the answers")
        self._require_conclusion(study)
        return study

    def _text(self, symbols: Sequence[str], found: Origin, split: SplitChoice) -> str:
        """Return the study file, commented."""
        axis = AXES[self.axis]
        task, proposal = self._task, self._proposal
        on = self.universe or (
            f"{len(symbols):,} symbols" if len(symbols) > _NAMED else " and ".join(symbols)
        )
        question = self.question or f"Do more {axis.title} pay on {on}?"
        scaled_model = self.axis in ("parameters", "compute")
        kind = task.kind
        outcome = OUTCOMES[self.outcome]
        measure = outcome.measure(TARGETS[kind])
        sizes = self.sizes or self._proposed(split, found)
        rule = RULES[outcome.name]
        least = rule.across.get(task.name, rule.sesoi.get(kind, 0.01))
        longest = self.horizon
        if self.axis == "horizon":
            longest = max([int(one) for one in re.findall(r"\d+", sizes)], default=1)
        root = f"\n    root: {_plain(str(self.data_root))}" if self.data_root else ""
        return TEMPLATE.format(
            name=_plain(self.name),
            quick_name=f"{self.name}_quick",
            question=_plain(question),
            which=self._which(symbols),
            source=_plain(found.source),
            root=root,
            tier=found.tiers[min(len(found.tiers) - 1, int(task.is_cross_sectional))],
            data=proposal.data,
            task=self.task,
            touch="" if task.is_cross_sectional or "high" in found.columns else TOUCH,
            horizon=self.horizon,
            split=_split_text(split, max(5, longest)),
            model=proposal.model,
            training=proposal.training,
            tuning=proposal.tuning,
            must=". A threshold task must beat volatility" if proposal is ALONE else "",
            quick=proposal.quick.format(folds=min(2, split.folds)),
            budget=self.budget,
            budget_note="replaced by each size below" if scaled_model else "of every run",
            grown=axis,
            axis=self.axis,
            sizes=sizes,
            seeds=self.seeds,
            baselines=", ".join(proposal.baselines),
            kinds="[permuted_labels, planted_signal]" if self.controls else "[]",
            outcome=self.outcome,
            unit=measure.unit or measure.title,
            sesoi=_plain(self.sesoi or least),
            first=", ".join(sizes.split(",")[:LEAST_SIZES]).replace("  ", " "),
        )

    def _proposed(self, split: SplitChoice, found: Origin) -> str:
        if self.axis == "rows":
            return ", ".join(map(str, split.years()))
        if self.axis == "assets":
            count = found.num_symbols
            least = self._task.min_members if self._task.is_cross_sectional else 1
            shares = sorted({max(least, round(count * share)) for share in (0.125, 0.25, 0.5, 1)})
            return ", ".join(
                map(str, shares if len(shares) >= LEAST_SIZES else range(1, count + 1))
            )
        if self.axis == "tier":
            return ", ".join(found.tiers)
        return self._usual()

    def _usual(self) -> str:
        return (
            self._proposal.parameters if self.axis == "parameters" else PROPOSED.get(self.axis, "")
        )

    def _require_conclusion(self, study: StudyConfig) -> None:
        """Refuse what cannot end in a verdict, however the runs come out."""
        sizes = study.axes[next(iter(study.axes))]
        ways = {
            "assets": f"--symbols with {LEAST_SIZES} symbols or more",
            "tier": "--sizes a20,a50,a100,a200",
        }
        if len(sizes) < LEAST_SIZES:
            count = "1 size" if len(sizes) == 1 else f"{len(sizes)} sizes"
            raise FinscaleError(
                f"{count} along axis {self.axis} can show no law: at least {LEAST_SIZES} are "
                "needed.",
                hint=ways.get(self.axis, f"--sizes {self._usual().replace(' ', '')}"),
            )
        values = [nominal(self.axis, size) for size in sizes]
        span = max(values) / min(values)
        if span < LEAST_SPAN:
            raise FinscaleError(
                f"the sizes along axis {self.axis} span ×{span:.3g}: less than ×{LEAST_SPAN:g} "
                "shows no law.",
                hint="--sizes with a smaller first or a larger last one",
            )
        if study.num_replicates < 2:
            raise FinscaleError(
                "1 seed a size cannot tell size from luck: at least 2 are needed.",
                hint="--seeds 5",
            )


def _plain(value: str | float) -> str:
    """Return a value as one line of YAML."""
    return yaml.safe_dump(value, width=10_000).removesuffix("\n").removesuffix("...").strip()


def _listed(values: Sequence[str]) -> str:
    """Return texts as a YAML list in a line: ``ON`` and ``600519`` are quoted."""
    return yaml.safe_dump(list(values), default_flow_style=True, width=10_000).strip()[1:-1]


def _split_text(split: SplitChoice, embargo: int) -> str:
    year = "test year follows" if split.days == TRADING_DAYS else "test days follow"
    lines = (
        f"method: walk_forward # every fold trains on the past, and its {year}",
        f"folds: {split.folds}",
        f"validation_days: {split.days}",
        f"test_days: {split.days}",
        f"embargo: {embargo}",
    )
    return "\n    ".join(lines)


def write_study(answers: Answers, path: Path) -> Draft:
    """Write a new study file; one that is there stays as it is.

    Raises
    ------
    FinscaleError
        If the file exists, or the answers make no study, or none that could conclude.
    """
    if path.exists():
        raise FinscaleError(
            f"{path} exists already and was left as it is.", hint="choose another name with --out"
        )
    draft = answers.draft()
    write_bytes(path, draft.text.encode())
    return draft
