"""What the search at a size has found, in numbers and in a sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from finscale.study.tune.trials import SearchTrial


@dataclass(frozen=True)
class FoundSettings:
    """The best settings of a size by validation loss, and how they were found."""

    label: str  #: The size
    search: str  #: Its name in the storage
    settings: Mapping[str, Any]  #: As people read them: rate, decay, batch, epochs, shape
    #: The sections that make a run theirs: ``training`` and ``model``.
    sections: Mapping[str, Any]
    best_loss: float | None
    default_loss: float | None  #: Of the settings without a search, on the same folds and seeds
    best_trial: int | None
    is_done: bool  #: Whether the search has come to its end
    interior: bool  #: Whether no range ends at the best setting, but for nature's own ends
    at_edge: Sequence[str] = ()  #: Which do, in words
    widened: Sequence[str] = ()  #: Which ranges were widened, in words
    trials: Sequence[Mapping[str, Any]] = ()
    transferred_from: str = ""  #: The size whose search this is, where that is another
    transfer: str = ""  #: What a short search at the largest size said of the transfer
    family: str = ""

    @property
    def counts(self) -> Counter[str]:
        """How many trials came to each end."""
        return Counter(str(trial["state"]) for trial in self.trials)

    @property
    def num_trials(self) -> int:
        """Settings that were tried."""
        return len(self.trials)

    @property
    def gain(self) -> float | None:
        """Validation loss that the best settings save over the defaults."""
        if self.best_loss is None or self.default_loss is None:
            return None
        return self.default_loss - self.best_loss

    @property
    def run_ids(self) -> set[str]:
        """Every run of its trials."""
        return {run for trial in self.trials for run in trial["runs"]}

    @property
    def sentence(self) -> str:
        """What was chosen, what it gains, and whether it is an optimum or an edge."""
        known = self.settings
        words = (
            f"{self.label}: learning rate {known['learning_rate']:.2g}, weight decay "
            f"{known['weight_decay']:.2g}, batch size {known['batch_size']}, "
            f"{known['epochs']} epochs"
        )
        for name in ("dropout", "depth", "width", "heads"):
            if name in known:
                words += (
                    f", {name} {known[name]:.2g}"
                    if name == "dropout"
                    else (f", {name} {known[name]}")
                )
        if self.transferred_from:
            return f"{words} (from {self.transferred_from})" + (
                f"; {self.transfer}" if self.transfer else ""
            )
        if self.gain is not None:
            words += f"; validation loss {self.best_loss:.5f}, {self.default_loss:.5f} by default"
        words += f"; {self.num_trials} trials, {self.counts['stopped']} of them stopped early"
        if not self.is_done:
            words += "; the search is not finished"
        for said in (*self.widened, *self.at_edge):
            words += f"; {said}"
        return words

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        counts = {name: self.counts[name] for name in ("complete", "stopped", "diverged")}
        return {**asdict(self), "counts": counts, "gain": self.gain, "sentence": self.sentence}


def trial_facts(trial: SearchTrial, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial as a plain row."""
    return {
        "number": trial.number,
        "forced": trial.forced,
        "state": trial.state,
        "validation_loss": trial.value,
        "params": dict(trial.params),
        "settings": dict(settings),
        "epochs": trial.epochs,
        "epochs_run": len(trial.losses),
        "flops": trial.flops,
        "runs": list(trial.runs),
        "reason": trial.reason,
    }


def plain_name(text: str) -> str:
    """Return text as a part of a name."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-")


_FIELDS = set(FoundSettings.__dataclass_fields__)


def found_of(content: Mapping[str, Any]) -> FoundSettings:
    """Return what :meth:`FoundSettings.to_dict` has written."""
    return FoundSettings(**{name: value for name, value in content.items() if name in _FIELDS})
