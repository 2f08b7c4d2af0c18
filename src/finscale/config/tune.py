"""How a search for each size's settings is made: what is varied, by which sampler, how long."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from finscale.config.base import Section
from finscale.config.quantities import Seed

SamplerName = Literal["tpe", "gp", "cmaes", "grid", "random"]
_Positive = Annotated[float, Field(gt=0)]
_Share = Annotated[float, Field(ge=0, lt=1)]
_Whole = Annotated[int, Field(ge=1)]


class SpaceConfig(Section):
    """The range of each setting that a search varies, ``[lowest, highest]``; null holds it."""

    rate: tuple[_Positive, _Positive] | None = (0.125, 8.0)
    """Learning rate, as multiples of the one that is transferred."""
    decay: tuple[_Positive, _Positive] | None = (0.005, 0.5)
    """Weight decay."""
    dropout: tuple[_Share, _Share] | None = (0.0, 0.5)
    """Dropout, of architectures that have it."""
    batch: tuple[_Whole, _Whole] | None = (32, 256)
    """Batch size, by doubling; never more than there are training windows."""
    epochs: tuple[_Positive, _Positive] | None = (0.5, 2.0)
    """Passes over the data, as multiples of the experiment's ``training.epochs``."""
    depth: tuple[_Whole, _Whole] | None = (1, 8)
    """Layers at the fixed budget: the width follows. As deep as the budget allows at most."""
    ff_ratio: tuple[_Positive, _Positive] | None = (1.0, 8.0)
    """Feed-forward dimension over width at the fixed budget, of architectures that have it."""
    heads: tuple[_Whole, _Whole] | None = (1, 8)
    """Attention heads, by doubling; the nearest number that divides the width is taken."""

    @field_validator("*", mode="before")
    @classmethod
    def _a_range(cls, value: object) -> object:
        if value is None or (isinstance(value, list | tuple) and len(value) == 2):
            return value
        raise ValueError("a range is asked for: [lowest, highest]; null holds it")

    @model_validator(mode="after")
    def _rising(self) -> SpaceConfig:
        for name in type(self).model_fields:
            known = getattr(self, name)
            if known is not None and not known[0] < known[1]:
                raise ValueError(f"{name} must rise: [lowest, highest]; null holds it")
        if not any(getattr(self, name) for name in type(self).model_fields):
            raise ValueError("every setting is held: nothing is left to search")
        return self


class SearchConfig(Section):
    """A search for the settings of each size, by validation loss."""

    sampler: SamplerName = "tpe"
    """tpe: tree-structured Parzen estimators. gp: a Gaussian process. cmaes: evolution of a
    covariance. grid: every combination of evenly spaced values. random: draws."""
    trials: Annotated[int, Field(ge=2)] = 20
    """Settings tried at each size, the forced ones among them: the usual ones and the extremes."""
    space: SpaceConfig = SpaceConfig()
    """What is varied, and how far."""
    at: Literal["each", "smallest"] = "each"
    """each: a search at every size. smallest: one at the smallest size of each architecture, whose
    settings are transferred (under µP the rate as it is) and verified at the largest by a short
    search around them."""
    verify_trials: Annotated[int, Field(ge=3)] = 6
    """``at: smallest``: settings tried around the transferred ones at the largest size."""
    seeds: tuple[Seed, ...] = (0,)
    """Seeds that each setting is trained with; ``seeds: 2`` means 0 and 1. Their losses are
    averaged."""
    folds: Annotated[int, Field(ge=1)] = 1
    """Validation blocks that each setting is judged on: the first fold's own, and blocks of the
    same length before it. No block reaches into a test block of the study."""
    pruning: Literal["hyperband", "none"] = "hyperband"
    """hyperband: a trial whose first run does worse at the end of an epoch than most before it is
    stopped there. none: every trial is trained to its end."""
    reduction: Annotated[int, Field(ge=2)] = 3
    """``hyperband``: one of so many trials goes on beyond each rung."""
    first_rung: Annotated[int, Field(ge=1)] = 2
    """``hyperband``: epochs before the first rung; each later one is ``reduction`` times as far."""
    together: Annotated[int, Field(ge=1)] = 4
    """Trials of one size that are asked for together and told together. They do not depend on one
    another, so neither workers nor kills change what is tried."""
    widenings: Annotated[int, Field(ge=0)] = 2
    """How often the range is widened where the best setting lies at its edge."""
    sampler_seed: Seed = 0
    """Seed of the sampler: with it the same settings are tried again."""

    @field_validator("seeds", mode="before")
    @classmethod
    def _seed_count(cls, value: object) -> object:
        return tuple(range(value)) if isinstance(value, int) else value

    @field_validator("seeds")
    @classmethod
    def _some_seeds(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError("seeds must be given, each once")
        return value
