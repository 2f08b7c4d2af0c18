"""A commented study file from a few answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from finscale.config import StudyConfig, TaskConfig, validate
from finscale.config.baselines import DEFAULT_BASELINES
from finscale.config.outcomes import OUTCOMES as RULES
from finscale.data import DataStore
from finscale.data.bars import normal_symbol
from finscale.errors import FinscaleError
from finscale.evaluation.targets import TARGETS
from finscale.files import write_bytes
from finscale.scaling.judge import LEAST_SIZES, LEAST_SPAN
from finscale.study.axes import AXES, TRADING_DAYS, nominal
from finscale.study.new_data import (
    FOLDS,
    Origin,
    SplitChoice,
    check_fit,
    choose_split,
    origin,
)
from finscale.study.outcomes import OUTCOMES

#: Sizes proposed for each axis; those of symbols, tiers and years are what there is.
PROPOSED: dict[str, str] = {
    "parameters": "5k, 17k, 55k, 180k, 600k, 2M",
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
        found = origin(symbols, self.source, store)
        split = SplitChoice(self.folds or FOLDS, TRADING_DAYS, None)
        study = self._study(self._text(symbols, found, split))
        split = choose_split(study, store, self.folds)
        text = self._text(symbols, found, split)
        study = self._study(text)
        return Draft(text, study, found, split, tuple(check_fit(study, store)))

    def _study(self, text: str) -> StudyConfig:
        study = validate(StudyConfig, yaml.safe_load(text), place="the answers")
        self._require_conclusion(study)
        return study

    def _text(self, symbols: Sequence[str], found: Origin, split: SplitChoice) -> str:
        """Return the study file, commented."""
        axis = AXES[self.axis]
        question = self.question or f"Do more {axis.title} pay on {' and '.join(symbols)}?"
        scaled_model = self.axis in ("parameters", "compute")
        kind = validate(TaskConfig, {"name": self.task}, place="--task").kind
        outcome = OUTCOMES[self.outcome]
        measure = outcome.measure(TARGETS[kind])
        sizes = self.sizes or self._proposed(split, found)
        longest = self.horizon
        if self.axis == "horizon":
            longest = max([int(one) for one in re.findall(r"\d+", sizes)], default=1)
        root = f"\n    root: {_plain(str(self.data_root))}" if self.data_root else ""
        return _TEMPLATE.format(
            name=_plain(self.name),
            quick_name=f"{self.name}_quick",
            question=_plain(question),
            symbols=_listed(symbols),
            source=_plain(found.source),
            root=root,
            tier=found.tiers[0],
            task=self.task,
            touch="" if "high" in found.columns else _TOUCH,
            horizon=self.horizon,
            split=_split_text(split, max(5, longest)),
            budget=self.budget,
            budget_note="replaced by each size below" if scaled_model else "of every run",
            grown=axis,
            axis=self.axis,
            sizes=sizes,
            seeds=self.seeds,
            baselines=", ".join(DEFAULT_BASELINES),
            kinds="[permuted_labels, planted_signal]" if self.controls else "[]",
            outcome=self.outcome,
            unit=measure.unit or measure.title,
            sesoi=_plain(self.sesoi or RULES[outcome.name].sesoi.get(kind, 0.01)),
            first=", ".join(sizes.split(",")[:LEAST_SIZES]).replace("  ", " "),
        )

    def _proposed(self, split: SplitChoice, found: Origin) -> str:
        if self.axis == "rows":
            return ", ".join(map(str, split.years()))
        if self.axis == "assets":
            count = len(self.symbols)
            shares = sorted({max(1, round(count * share)) for share in (0.125, 0.25, 0.5, 1)})
            return ", ".join(
                map(str, shares if len(shares) >= LEAST_SIZES else range(1, count + 1))
            )
        if self.axis == "tier":
            return ", ".join(found.tiers)
        return PROPOSED.get(self.axis, "")

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
                hint=ways.get(self.axis, f"--sizes {PROPOSED.get(self.axis, '').replace(' ', '')}"),
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


#: Bars of closes have no high that could touch a threshold.
_TOUCH = "\n    touch: close # the bars have no high"

_TEMPLATE = """\
# finscale study plan FILE   says what this takes and what it could find, before anything is spent
# finscale study run FILE    computes what is missing; stop it at any time
name: {name}
question: {question}

# What all runs share.
experiment:
  data:
    symbols: [{symbols}]
    source: {source} # where their bars come from{root}
    tier: {tier}
    context_length: 80 # bars that a window sees
  task:
    name: {task} # direction, threshold_{{0.5,1,2,3,5}}pct, regression, outperform …
    horizon: {horizon} # bars ahead that the label looks at{touch}
  split:
    {split}
  model:
    budget: {budget} # {budget_note}
  training:
    epochs: 20
    patience: 5 # epochs without a better validation loss before a run stops
    batch_size: 64
    threads: auto # measured for each size when the study starts: shared cores, or all of them

# What grows. It sets {grown.sets}.
# Held fixed: {grown.fixed}.
# The law is fitted to: {grown.measured}.
axes:
  {axis}: [{sizes}]

seeds: {seeds}

# transfer: one base learning rate, which µP scales layer by layer, one batch size for all. sweep:
# both by a short sweep per size, chosen on validation. fixed: training.learning_rate for all.
tuning: transfer

# Models without scale on the same windows. A threshold task must beat volatility.
baselines: [{baselines}]

# Beside the real labels: shuffled ones (nothing may be found) and a planted signal (must be found).
controls:
  kinds: {kinds}

# What the verdict is about, on test days. loss: log loss in nats, or squared error. auc: ranking
# of the days. r2: variance of returns explained. sharpe: yearly Sharpe ratio after `costs`, at the
# operating point that validation chose.
outcome: {outcome}

# A gain below this over the whole range ({unit}) would not be worth having.
sesoi: {sesoi}

# What --quick lays over all this: a rehearsal under the name {quick_name}.
quick:
  axes:
    {axis}: [{first}]
  seeds: 2
  experiment:
    training:
      epochs: 5
"""
