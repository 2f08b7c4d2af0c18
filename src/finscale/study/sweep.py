"""A short sweep of one size: learning rates first, then batch sizes at the best of them.

Every rate with every batch size would take R × K runs a size. Optima lie on a ridge instead: to
Adam, a batch b times as large is the same training at a rate √b times as high, as long as noise
dominates the gradient. So rates (with weight decays) are tried at the experiment's batch size, and
batch sizes then along that ridge, the rate moving with the root of the batch: R + K − 1 runs, none
of them where no optimum would lie. Epochs are held, so a smaller batch takes more steps.

References
----------
Malladi et al. (2022), "On the SDEs and scaling rules for adaptive gradient algorithms".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace

from finscale.config.study import TuningConfig
from finscale.study.planned import Planned


@dataclass(frozen=True)
class TuningSetting:
    """What a sweep varies."""

    learning_rate: float
    weight_decay: float
    batch_size: int


@dataclass(frozen=True)
class Trial:
    """One setting that a sweep tries."""

    setting: TuningSetting
    planned: Planned
    validation_loss: float | None  #: None until the run is finished


#: Resolves settings to runs, and reads the losses of those that are finished.
Attempt = Callable[[Sequence[TuningSetting]], list[Trial]]


@dataclass(frozen=True)
class Tuned:
    """What a size is trained with, and where it comes from."""

    label: str
    learning_rate: float
    weight_decay: float
    batch_size: int
    interior: bool  #: Whether the best learning rate has worse neighbours on both sides
    extended: bool  #: Whether the rates were extended once because the best lay at their edge
    batch_interior: bool | None  #: The same of the batch size; None where only one was tried
    batch_extended: bool
    trials: tuple[dict[str, float | str | None], ...]

    @property
    def sentence(self) -> str:
        """What was chosen, and whether it is an optimum or the edge of what was tried."""
        at_edge = [
            name
            for name, interior in (("rate", self.interior), ("batch", self.batch_interior))
            if interior is False
        ]
        edge = f" ({' and '.join(at_edge)} at the edge of what was tried)" if at_edge else ""
        rate, batch = f"{self.learning_rate:.2g}", f"{self.batch_size}"
        return f"{self.label}: learning rate {rate}, batch size {batch}{edge}"


@dataclass
class TuningSweep:
    """The trials of one size so far, and what they say once all are finished."""

    trials: list[Trial] = field(default_factory=list)
    chosen: Tuned | None = None
    #: Settings to follow whose rate is not known yet; with the transferred one.
    later: list[TuningSetting] = field(default_factory=list)

    @property
    def wanted(self) -> list[Planned]:
        """Runs that are wanted next."""
        return [trial.planned for trial in self.trials if trial.validation_loss is None]


@dataclass(frozen=True)
class _Best:
    """The best trial along a line of values."""

    trial: Trial
    interior: bool
    extended: bool


def sweep(
    label: str, base: TuningSetting, rule: TuningConfig, attempt: Attempt, *, largest_batch: int
) -> TuningSweep:
    """Look at the runs that are there, and choose where all of the sweep's are.

    The size ``label`` starts at ``base``: the transferred rate, and the experiment's own weight
    decay and batch size. It has ``largest_batch`` training windows, and no batch is larger.
    """
    found = TuningSweep()
    decays = rule.weight_decays or (base.weight_decay,)

    def rated(factor: float) -> list[TuningSetting]:
        rate = base.learning_rate * factor
        return [replace(base, learning_rate=rate, weight_decay=decay) for decay in decays]

    sizes = batches(rule, base.batch_size, largest_batch)
    rates = _along(found, rule.rate_factors, rated, attempt)
    if rates is None:
        found.later = [replace(base, batch_size=b) for b in sizes if b != base.batch_size]
        return found
    best = rates.trial.setting

    def batched(size: float) -> list[TuningSetting]:
        rate = best.learning_rate * math.sqrt(size / base.batch_size)
        return [replace(best, learning_rate=rate, batch_size=round(size))]

    last: _Best | None = None
    if len(sizes) > 1:
        last = _along(
            found, sizes, batched, attempt, allowed=lambda size: 1 <= round(size) <= largest_batch
        )
    if last or len(sizes) == 1:
        found.chosen = _chosen(label, found.trials, rates, last)
    return found


def batches(rule: TuningConfig, own: int, largest: int) -> tuple[int, ...]:
    """Return the batch sizes that are tried: the rule's, none above ``largest``, and ``own``.

    Examples
    --------
    >>> batches(TuningConfig(batch_sizes=(32, 64, 128)), 48, 100)
    (32, 48, 64)
    """
    return tuple(sorted({own, *(size for size in rule.batch_sizes if size <= largest)}))


def extension(values: Sequence[float], best: float) -> float | None:
    """Return the value that follows beyond the edge of a grid, where the best lies on that edge.

    Examples
    --------
    >>> extension((0.5, 1, 2), 2)
    4.0
    >>> extension((0.5, 1, 2), 1) is None
    True
    """
    if best == values[0]:
        return float(values[0] ** 2 / values[1])
    if best == values[-1]:
        return float(values[-1] ** 2 / values[-2])
    return None


def _along(
    found: TuningSweep,
    values: Sequence[float],
    settings: Callable[[float], list[TuningSetting]],
    attempt: Attempt,
    *,
    allowed: Callable[[float], bool] = lambda value: True,
) -> _Best | None:
    """Try values, and once one more beyond an edge that wins; None while runs are missing."""
    tried: list[tuple[float, Trial]] = []

    def look(more: Sequence[float]) -> bool:
        for value in more:
            tried.extend((value, trial) for trial in attempt(settings(value)))
        known = {trial.planned.run_id for trial in found.trials}
        found.trials += [trial for _, trial in tried if trial.planned.run_id not in known]
        return not found.wanted

    if not look(values):
        return None
    edge = extension(values, _best(tried)[0])
    extended = edge is not None and allowed(edge)
    if edge is not None and extended and not look([edge]):
        return None
    value, trial = _best(tried)
    ends = sorted({value for value, _ in tried})
    return _Best(trial, ends[0] < value < ends[-1], extended)


def _best(tried: Sequence[tuple[float, Trial]]) -> tuple[float, Trial]:
    def loss(one: tuple[float, Trial]) -> float:
        known = one[1].validation_loss
        # a training that diverged has no loss, and is no candidate
        return math.inf if known is None or math.isnan(known) else known

    return min(tried, key=loss)


def _chosen(label: str, trials: Sequence[Trial], rates: _Best, sizes: _Best | None) -> Tuned:
    return Tuned(
        label=label,
        **asdict((sizes or rates).trial.setting),
        interior=rates.interior,
        extended=rates.extended,
        batch_interior=sizes.interior if sizes else None,
        batch_extended=bool(sizes and sizes.extended),
        trials=tuple(
            {
                "run_id": trial.planned.run_id,
                **asdict(trial.setting),
                "validation_loss": trial.validation_loss,
            }
            for trial in trials
        ),
    )
