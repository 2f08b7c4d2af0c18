"""What a study draws anew beside seeds: orders of features, symbols that are trained on.

A size is then judged by the luck of that draw too. Seeds of one draw share it, so that they are one
replicate of a size together. A kind of draw is an entry of ``REDRAWS``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finscale.config.experiment import ExperimentConfig
    from finscale.config.study import StudyConfig

#: What sizes of axis assets are, in a resolved study: they once were the first symbols of the data,
#: and the others were left out of validation and test too. Such a study is another one.
ASSETS_RULE = "drawn from the panel for training alone"
#: Seeds of one draw and of the next lie so far apart.
_SEEDS_APART = 100


@dataclass(frozen=True)
class Redraw:
    """One kind of draw."""

    noun: str  #: One of them; also the column of a table that has its number
    plural: str  #: The same, several; also the setting of a study
    axes: tuple[str, ...]  #: The scale axes whose sizes it is a replicate of
    #: Section and setting of an experiment that hold its number.
    section: str
    setting: str
    drawn: str  #: What is drawn, in words
    #: Whether each draw has seeds of its own. Draws of symbols have: drawn from all symbols they
    #: are the same ones, and with the same seeds they would be one run, several times.
    own_seeds: bool = False

    def number(self, config: ExperimentConfig) -> int:
        """Return the number of an experiment's draw."""
        return int(getattr(getattr(config, self.section), self.setting))


NESTINGS = Redraw(
    "nesting",
    "nestings",
    ("tier",),
    "data",
    "nesting",
    "orders in which features join the tiers",
)
DRAWS = Redraw(
    "draw",
    "draws",
    ("assets", "data"),
    "split",
    "train_draw",
    "draws of the symbols that are trained on",
    own_seeds=True,
)
REDRAWS = (NESTINGS, DRAWS)


def draw_numbers(config: ExperimentConfig) -> tuple[int, ...]:
    """Return the numbers of all kinds of draws of an experiment, in the order of ``REDRAWS``."""
    return tuple(redraw.number(config) for redraw in REDRAWS)


@dataclass(frozen=True)
class StudyDraw:
    """One draw of a study; without a kind, what the experiment itself has."""

    redraw: Redraw | None = None
    number: int = 0
    is_one_of_several: bool = False

    @property
    def word(self) -> str:
        """Return what the names of its runs have; empty where there is no other."""
        return f"{self.redraw.noun}{self.number}" if self.redraw and self.is_one_of_several else ""

    def seed(self, seed: int) -> int:
        """Return the seed of a run for a seed of the study."""
        own = self.redraw is not None and self.redraw.own_seeds
        return seed + _SEEDS_APART * self.number * own

    def changes(self, config: ExperimentConfig) -> dict[str, Any]:
        """Return the sections of an experiment that this draw changes."""
        if self.redraw is None:
            return {}
        section = getattr(config, self.redraw.section)
        return {self.redraw.section: section.model_copy(update={self.redraw.setting: self.number})}


def redraw_of(study: StudyConfig) -> Redraw | None:
    """Return the kind of draw that a study names several of; None where seeds alone differ."""
    return next((one for one in REDRAWS if len(getattr(study, one.plural)) > 1), None)


def draws_of(study: StudyConfig) -> tuple[StudyDraw, ...]:
    """Return the draws that a study runs, one at least."""
    for redraw in REDRAWS:
        if numbers := getattr(study, redraw.plural):
            return tuple(StudyDraw(redraw, number, len(numbers) > 1) for number in numbers)
    return (StudyDraw(),)


def replicates_in_words(study: StudyConfig) -> str:
    """Return what the replicates of a size are, as a sentence; empty where they are its seeds.

    It tells whose luck an interval holds: of the choice of features or symbols too.
    """
    redraw = redraw_of(study)
    if redraw is None:
        return ""
    num, seeds = len(getattr(study, redraw.plural)), len(study.seeds)
    return (
        f"The replicates of a size are its {num} {redraw.plural}, each the mean of {seeds} "
        f"seed{'s' * (seeds != 1)}."
    )


def check_redraws(study: StudyConfig) -> None:
    """Refuse draws twice, of no axis of the study, or of two kinds at a time."""
    named = [redraw for redraw in REDRAWS if getattr(study, redraw.plural)]
    for redraw in named:
        _check(study, redraw, getattr(study, redraw.plural))
    if len(named) > 1:
        raise ValueError(
            f"{' and '.join(redraw.plural for redraw in named)} are both replicates of a size: "
            "name one of them"
        )
    if study.tier_files and set(study.nestings) - {0}:
        raise ValueError(
            f"the tier file {next(iter(study.tier_files))} has one order of its features: "
            "leave nestings out"
        )


def _check(study: StudyConfig, redraw: Redraw, numbers: Sequence[int]) -> None:
    if len(set(numbers)) != len(numbers):
        raise ValueError(f"{redraw.plural} must be given, each once")
    if not set(redraw.axes) & set(study.axes):
        axes = " or ".join(redraw.axes)
        raise ValueError(f"{redraw.plural} are replicates of axis {axes}, and this study has none")
    if redraw.own_seeds and len(numbers) > 1 and max(study.seeds, default=0) >= _SEEDS_APART:
        raise ValueError(
            f"with {redraw.plural} seeds lie below {_SEEDS_APART}: draw d takes seed s as "
            f"{_SEEDS_APART} d + s, so that no two draws share one"
        )
