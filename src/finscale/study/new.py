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
from finscale.scaling.judge import LEAST_SIZES, LEAST_SPAN
from finscale.study.axes import AXES, nominal
from finscale.study.outcomes import OUTCOMES

#: Sizes proposed for each axis; those of symbols and tiers are what there is.
PROPOSED: dict[str, str] = {
    "parameters": "5k, 17k, 55k, 180k, 600k, 2M",
    "compute": "3e10, 1e11, 3e11, 1e12, 3e12, 1e13",
    "rows": "1, 2, 3, 5, 7",
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
        kind = validate(TaskConfig, {"name": self.task}, place="--task").kind
        outcome = OUTCOMES[self.outcome]
        measure = outcome.measure(TARGETS[kind])
        unit = measure.unit or measure.title
        sesoi = self.sesoi or RULES[outcome.name].sesoi.get(kind, 0.01)
        completed = {
            "question": _plain(question),
            "symbols": ", ".join(self.symbols),
            "sizes": self.sizes or self._proposed(),
            "budget_note": "replaced by each size below" if scaled_model else "of every run",
            "sesoi": _plain(sesoi),
        }
        first = ", ".join(completed["sizes"].split(",")[:LEAST_SIZES]).replace("  ", " ")
        text = _TEMPLATE.format(
            **{**vars(self), **completed}, grown=axis, unit=unit, kinds=kinds, first=first
        )
        self._require_conclusion(validate(StudyConfig, yaml.safe_load(text), place="the answers"))
        return text

    def _proposed(self) -> str:
        if self.axis == "assets":
            count = len(self.symbols)
            shares = sorted({max(1, round(count * share)) for share in (0.125, 0.25, 0.5, 1)})
            return ", ".join(
                map(str, shares if len(shares) >= LEAST_SIZES else range(1, count + 1))
            )
        if self.axis == "tier":
            from finscale.features import TIERS

            return ", ".join(TIERS)
        return PROPOSED.get(self.axis, "")

    def _require_conclusion(self, study: StudyConfig) -> None:
        """Refuse what cannot end in a verdict, however the runs come out."""
        sizes = study.axes[next(iter(study.axes))]
        ways = {
            "assets": f"--symbols with {LEAST_SIZES} symbols or more",
            "tier": "--sizes with tiers that a plugin declares; docs/howto/extend",
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
        if len(study.seeds) < 2:
            raise FinscaleError(
                "1 seed a size cannot tell size from luck: at least 2 are needed.",
                hint="--seeds 5",
            )


def _plain(value: str | float) -> str:
    """Return a value as one line of YAML."""
    return yaml.safe_dump(value, width=10_000).removesuffix("\n").removesuffix("...").strip()


def write_study(answers: Answers, path: Path) -> Path:
    """Write a new study file; one that is there stays as it is.

    Raises
    ------
    FinscaleError
        If the file exists, or the answers make no study, or none that could conclude.
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

# What --quick lays over all this: a rehearsal under the name {name}_quick.
quick:
  axes:
    {axis}: [{first}]
  seeds: 2
  experiment:
    training:
      epochs: 5
"""
