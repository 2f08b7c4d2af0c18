"""What the tiers of a study really hold, and its law against that instead of their names.

Two thousand columns are not two thousand pieces of information. The effective number of a tier is
the participation ratio of its columns' correlations (:mod:`finscale.features.quality`), measured on
the rows that the training windows of the study's first fold see, and on no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from finscale.config import StudyConfig
from finscale.data import DataStore
from finscale.data.frames import RELATIVE
from finscale.data.spread import rows_seen
from finscale.features.quality import ColumnQuality, column_quality
from finscale.features.tiers import tier_names
from finscale.scaling import Verdict
from finscale.scaling.digits import number
from finscale.scaling.judge import LEAST_SPAN
from finscale.study.axes import nominal
from finscale.study.daily import Completed
from finscale.study.planned import Planned


@dataclass(frozen=True)
class TierHolding:
    """One tier of a study: means over its nestings."""

    tier: str
    num_features: int
    effective: float
    """Effective number of its features on training rows."""
    lowest: float
    """Over the nestings."""
    highest: float
    num_near_copies: float
    num_constant: float


@dataclass(frozen=True)
class Holdings:
    """What each tier holds, and the verdicts against nominal and effective numbers."""

    tiers: tuple[TierHolding, ...]
    """Sizes rising."""
    nominal: Verdict
    effective: Verdict | None
    """None where tiers that are larger by name hold no more."""

    @property
    def sentence(self) -> str:
        """Return how far the effective number grows, and what law follows it."""
        first, last = self.tiers[0], self.tiers[-1]
        grows = (
            f"From {first.num_features:,} to {last.num_features:,} features the effective number "
            f"on training rows goes from {first.effective:.1f} to {last.effective:.1f}: "
            f"×{last.effective / first.effective:.2g} where the names say "
            f"×{last.num_features / first.num_features:.3g}"
        )
        if self.effective is None:
            return f"{grows}; it does not rise from tier to tier, and no law can be fitted to it."
        own = self.effective
        span = own.statement.sizes[-1] / own.statement.sizes[0]
        few = (
            f" (a span of ×{span:.2g}, below the ×{LEAST_SPAN:g} that a law needs)"
            if span < LEAST_SPAN
            else ""
        )
        return (
            f"{grows}. Against features by name the verdict is {self.nominal.name}, exponent "
            f"{_exponent(self.nominal)}; against their effective number {own.name}{few}, exponent "
            f"{_exponent(own)}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "tiers": [vars(one) for one in self.tiers],
            "nominal": self.nominal.to_dict(),
            "effective": self.effective.to_dict() if self.effective else None,
            "sentence": self.sentence,
        }


def holdings(
    study: StudyConfig, completed: Completed, data: DataStore | None = None
) -> Holdings | None:
    """Return what a study's tiers hold; None where tiers are not what it is about.

    Raises
    ------
    FinscaleError
        If too few runs are finished to judge.
    """
    from finscale.study.analysis import verdict, verdict_at

    if next(iter(study.axes)) != "tier":
        return None
    tiers = tiers_held(study, [planned for planned, _ in completed])
    judged = verdict(study, completed, data)
    effective = np.array([one.effective for one in tiers])
    against = None
    if len(tiers) == len(judged.statement.sizes) and (np.diff(effective) > 0).all():
        against = verdict_at(study, completed, effective, "effective number of features", data)
    return Holdings(tuple(tiers), judged, against)


def tiers_held(study: StudyConfig, planned: Sequence[Planned]) -> list[TierHolding]:
    """Measure every tier that has a finished network, on training rows of the first fold."""
    found: dict[str, dict[int, ColumnQuality]] = {}
    for one in planned:
        if one.cell.is_baseline or one.prepared.split.fold != study.run_folds[0]:
            continue
        nestings = found.setdefault(str(one.cell.sizes["tier"]), {})
        nesting = one.cell.config.data.nesting
        if nesting not in nestings:
            nestings[nesting] = train_quality(one)
    rows = []
    for tier, measured in found.items():
        effective = [one.effective for one in measured.values()]
        rows.append(
            TierHolding(
                tier=tier,
                num_features=int(nominal("tier", tier)),
                effective=float(np.mean(effective)),
                lowest=min(effective),
                highest=max(effective),
                num_near_copies=float(np.mean([q.num_near_copies for q in measured.values()])),
                num_constant=float(np.mean([q.num_constant for q in measured.values()])),
            )
        )
    return sorted(rows, key=lambda row: row.num_features)


def train_quality(planned: Planned) -> ColumnQuality:
    """Measure the features of a run on the rows that its training windows see."""
    prepared = planned.prepared
    dataset, wanted = prepared.dataset, tier_names(prepared.config.data.feature_set)
    seen_R = rows_seen(prepared.split.train, dataset.context_length, dataset.date_R.size)
    places = [dataset.relative.index(f"{RELATIVE}{name}") for name in wanted]
    values_RK = dataset.relative_RK.numpy()[seen_R][:, places].astype(np.float64)
    return column_quality(values_RK)


def table(found: Holdings, values: pl.DataFrame) -> pl.DataFrame:
    """Return one row a tier for a report: numbers, and the outcome's mean from ``values``.

    ``values`` has ``size`` (features by name) and ``value``, one row a run.
    """
    means = dict(values.group_by("size").agg(pl.col("value").mean()).iter_rows())
    return pl.DataFrame(
        [{**vars(one), "value": means.get(float(one.num_features))} for one in found.tiers]
    )


def _exponent(verdict: Verdict) -> str:
    found = verdict.exponent
    value, low, high = (number(float(f"{x:.2g}")) for x in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]"
