"""How much a tier really holds: its effective number of columns, near copies, what is missing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from finscale.errors import DataError
from finscale.features.engine import compute_features
from finscale.features.feature import Array
from finscale.features.relative import relative_columns
from finscale.features.tiers import tier_names

#: Columns more correlated than this are near copies.
NEAR_COPY = 0.995


@dataclass(frozen=True)
class ColumnQuality:
    """What some columns hold together."""

    effective: float
    """Participation ratio of the eigenvalues of the correlation matrix, (Σλ)² / Σλ²: the number
    of uncorrelated columns that would spread variance alike."""
    num_near_copies: int
    """Features whose correlation with another is beyond ± .995."""
    num_constant: int
    """Features that did not move on these bars; left out of the two figures above."""
    share_missing: float
    """Share of values that are not finite."""
    num_rows: int


@dataclass(frozen=True)
class TierQuality(ColumnQuality):
    """What the relative columns of a tier's features hold on some bars, the warm-up left out."""

    tier: str
    num_features: int
    """Its nominal size."""

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON tells."""
        return asdict(self)


def tier_quality(bars: pl.DataFrame, tier: str) -> TierQuality:
    """Measure a tier on one symbol's bars.

    Parameters
    ----------
    bars : polars.DataFrame
        As :func:`finscale.features.compute_features` takes them.
    tier : str
        A declared tier.

    Raises
    ------
    DataError
        If there are no rows after the tier's longest lookback.
    """
    names = tier_names(tier)
    table = relative_columns(compute_features(bars, tier), tier)
    values_RK = table.select(f"rel_{name}" for name in names).to_numpy()
    known_R = np.isfinite(values_RK).any(axis=0)
    starts_K = np.where(known_R, np.isfinite(values_RK).argmax(axis=0), 0)
    first = int(starts_K.max())
    values_RK = values_RK[first:]
    if len(values_RK) < 2 or not known_R.all():
        raise DataError(
            f"{bars.height:,} bars are too few for {tier}.",
            hint="its longest lookback needs more; "
            f"finscale features list --tier {tier} shows each",
        )
    found = column_quality(values_RK)
    return TierQuality(**asdict(found), tier=tier, num_features=len(names))


def column_quality(values_RK: Array) -> ColumnQuality:
    """Measure columns on rows; a row with a value that is not finite is left out of correlations.

    Parameters
    ----------
    values_RK : array, ``[R, K]``
        R rows of K columns.

    References
    ----------
    Participation ratio: Bell and Dean 1970; as an effective dimension, Gao et al. 2017.
    """
    missing = float(1 - np.isfinite(values_RK).mean())
    values_RK = values_RK[np.isfinite(values_RK).all(axis=1)]
    if len(values_RK) < 2:
        raise DataError("fewer than two rows are whole: nothing can be said of the columns.")
    spread_K = values_RK.std(axis=0)
    moves_K = spread_K > 1e-12
    if not moves_K.any():
        return ColumnQuality(0.0, 0, len(moves_K), missing, len(values_RK))
    correlation_KK = _correlation(values_RK[:, moves_K])
    eigenvalue_K = np.maximum(np.linalg.eigvalsh(correlation_KK), 0.0)
    np.fill_diagonal(correlation_KK, 0.0)
    copies = int((np.abs(correlation_KK).max(axis=0) > NEAR_COPY).sum())
    return ColumnQuality(
        effective=float(eigenvalue_K.sum() ** 2 / (eigenvalue_K**2).sum()),
        num_near_copies=copies,
        num_constant=int((~moves_K).sum()),
        share_missing=missing,
        num_rows=len(values_RK),
    )


def nearest(bars: pl.DataFrame, name: str, tier: str, count: int = 5) -> list[tuple[str, float]]:
    """Return the features of a tier that are most correlated with one, and the correlations."""
    others = [other for other in tier_names(tier) if other != name]
    table = compute_features(bars, [name, *others]).select(name, *others)
    values_RK = table.to_numpy()
    values_RK = values_RK[np.isfinite(values_RK).all(axis=1)]
    if len(values_RK) < 2:
        return []
    moves_K = values_RK.std(axis=0) > 1e-12
    if not moves_K[0]:
        return []
    kept = [other for other, moves in zip(table.columns, moves_K, strict=True) if moves]
    correlation_K = _correlation(values_RK[:, moves_K])[0]
    order = np.argsort(-np.abs(correlation_K))
    return [(kept[i], float(correlation_K[i])) for i in order if kept[i] != name][:count]


def _correlation(values_RK: Array) -> Array:
    away_RK = values_RK - values_RK.mean(axis=0)
    away_RK /= np.sqrt((away_RK**2).sum(axis=0))
    return np.asarray(away_RK.T @ away_RK)
