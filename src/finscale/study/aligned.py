"""The same decision days for every tier of a study: the longest lookback decides for all."""

from __future__ import annotations

from finscale.config import StudyConfig
from finscale.features.feature import Feature


def slowest(study: StudyConfig) -> tuple[str, Feature] | None:
    """Return the tier of a study that needs the most bars before its first row, and its feature.

    None is returned where tiers do not vary. Nestings are tiers of their own.

    Raises
    ------
    FinscaleError
        If a tier is not declared, or a tier file lists a feature that is not.
    """
    if "tier" not in study.axes:
        return None
    from finscale.data.qualities import series_of
    from finscale.features.relative import slowest_feature

    tiers = [
        f"{tier}.n{nesting}" if nesting else str(tier)
        for tier in study.axes["tier"]
        for nesting in study.run_nestings
    ]
    data = study.experiment.data
    about = data.timescale, series_of(data)
    found = [(tier, slowest_feature(tier, *about)) for tier in tiers]
    return max(found, key=lambda one: one[1].lookback)


def aligned(study: StudyConfig) -> StudyConfig:
    """Return a study all of whose tiers have the warm-up of the slowest.

    One that states ``experiment.data.warm_up`` keeps it; 0 leaves each tier its own lookback.
    """
    data = study.experiment.data
    longest = slowest(study) if data.warm_up is None else None
    if longest is None:
        return study
    own = data.model_copy(update={"warm_up": longest[1].lookback})
    experiment = study.experiment.model_copy(update={"data": own})
    return study.model_copy(update={"experiment": experiment})


def aligned_words(study: StudyConfig) -> str:
    """Return from which bar on the tiers of a study decide; empty where tiers do not vary."""
    longest = slowest(study)
    if longest is None:
        return ""
    (tier, feature), warm_up = longest, study.experiment.data.warm_up
    if warm_up is None or warm_up >= feature.lookback:
        first = f"{max(warm_up or 0, feature.lookback) + 1:,}"
        why = f"{feature.name} of {tier} looks back {feature.lookback:,}"
        if warm_up is not None and warm_up > feature.lookback:
            why = "as data.warm_up says"
        return f"every tier has its first row on bar {first} of its symbol: {why}"
    return (
        f"tiers differ in their first rows: data.warm_up {warm_up:,} is less than the "
        f"{feature.lookback:,} bars that {feature.name} of {tier} looks back"
    )
