"""A commented study file from a few answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from finscale.config import StudyConfig, TaskConfig, validate
from finscale.config.outcomes import OUTCOMES as RULES
from finscale.errors import FinscaleError
from finscale.evaluation.targets import TARGETS
from finscale.files import write_bytes
from finscale.study.axes import AXES
from finscale.study.outcomes import OUTCOMES

#: Sizes proposed for each axis.
PROPOSED: dict[str, str] = {
    "parameters": "5k, 17k, 55k, 180k, 600k, 2M",
    "compute": "3e10, 1e11, 3e11, 1e12, 3e12, 1e13",
    "rows": "1, 2, 3, 5, 7",
    "assets": "1, 2",
    "tier": "a20",
    "context_length": "20, 40, 80, 160",
    "horizon": "1, 2, 5, 10, 20",
}


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
    folds: int = 3
    budget: str = "50k"
    outcome: str = "loss"
    sesoi: float | None = None
    controls: bool = True

    def text(self) -> str:
        """Return the study file, commented.

        Raises
        ------
        ConfigError
            If the answers make no study.
        """
        axis = AXES[self.axis]
        question = self.question or f"Do more {axis.title} pay on {' and '.join(self.symbols)}?"
        scaled_model = self.axis in ("parameters", "compute")
        kinds = "[permuted_labels, planted_signal]" if self.controls else "[]"
        kind = TaskConfig.model_validate({"name": self.task}).kind
        outcome = OUTCOMES[self.outcome]
        measure = outcome.measure(TARGETS[kind])
        unit = measure.unit or measure.title
        sesoi = self.sesoi or RULES[outcome.name].sesoi.get(kind, 0.01)
        completed = {
            "question": _plain(question),
            "symbols": ", ".join(self.symbols),
            "sizes": self.sizes or PROPOSED.get(self.axis, ""),
            "budget_note": "replaced by each size below" if scaled_model else "of every run",
            "sesoi": _plain(sesoi),
        }
        text = _TEMPLATE.format(**{**vars(self), **completed}, grown=axis, unit=unit, kinds=kinds)
        validate(StudyConfig, yaml.safe_load(text), place="the answers")
        return text


def _plain(value: str | float) -> str:
    """Return a value as one line of YAML."""
    return yaml.safe_dump(value, width=10_000).removesuffix("\n").removesuffix("...").strip()


def write_study(answers: Answers, path: Path) -> Path:
    """Write a new study file; one that is there stays as it is.

    Raises
    ------
    FinscaleError
        If the file exists, or the answers make no study.
    """
    text = answers.text()
    if path.exists():
        raise FinscaleError(
            f"{path} exists already and was left as it is.", hint="choose another name with --out"
        )
    write_bytes(path, text.encode())
    return path


_TEMPLATE = """\
# finscale study plan FILE   says what this takes and what it could find, before anything is spent
# finscale study run FILE    computes what is missing; stop it at any time
name: {name}
question: {question}

# What all runs share.
experiment:
  data:
    symbols: [{symbols}]
    source: bundled # bars that are not there yet come from here: bundled, csv, yahoo …
    tier: a20
    context_length: 80 # bars that a window sees
  task:
    name: {task} # direction, threshold_{{0.5,1,2,3,5}}pct, regression
    horizon: {horizon} # bars ahead that the label looks at
  split:
    method: walk_forward # every fold trains on the past, and its test year follows
    folds: {folds}
    validation_days: 252
    test_days: 252
    embargo: 5
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
baselines: [base_rate, volatility, logistic]

# Beside the real labels: shuffled ones (nothing may be found) and a planted signal (must be found).
controls:
  kinds: {kinds}

# What the verdict is about, on test days. loss: log loss in nats, or squared error. auc: ranking
# of the days. r2: variance of returns explained. sharpe: yearly Sharpe ratio after `costs`, at the
# operating point that validation chose.
outcome: {outcome}

# A gain below this over the whole range ({unit}) would not be worth having.
sesoi: {sesoi}
"""
