"""Every declared feature: a table a family, from the declarations themselves."""

from __future__ import annotations


def markdown() -> str:
    """Return a heading and a table for each family, features in the order in which tiers join."""
    from finscale.features import FEATURES, TIERS
    from finscale.features.declared import FAMILIES

    first = {name: tier for tier, names in reversed(list(TIERS.items())) for name in names}
    order = {name: place for place, name in enumerate(FEATURES)}
    parts = [
        f"{len(FEATURES):,} features in {len(FAMILIES)} families. *From* is the smallest tier that "
        "holds a feature (– : none does), *rows* what it needs before its first value.\n"
    ]
    for family, declared in FAMILIES.items():
        rows = sorted(declared.features.values(), key=lambda feature: order[feature.name])
        parts.append(f"## {family}\n\n{len(rows)} features.\n")
        parts.append(
            "| feature | from | formula | made of | rows | source |\n|---|---|---|---|---|---|"
        )
        for feature in rows:
            cells = (
                f"`{feature.name}`",
                first.get(feature.name, "–"),
                feature.words or feature.source,
                " ".join(feature.inputs),
                f"{feature.lookback:,}",
                feature.source,
            )
            parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append("")
    return "\n".join(parts) + "\n"
