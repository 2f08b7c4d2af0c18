"""Colours by role, for light and for dark, in figures and on the page."""

from __future__ import annotations

#: Role → colour on white and on near-black. Roles that stand side by side differ in brightness too,
#: so that a figure printed in grey can be read.
_COLORS = {
    "paper": ("#ffffff", "#14171b"),
    "panel": ("#f5f6f8", "#1d2127"),
    "ink": ("#1b1f24", "#e8eaed"),
    "quiet": ("#59626d", "#a4adb8"),
    "line": ("#d5dae0", "#363d46"),
    "accent": ("#0b5cad", "#6cb2ff"),
    "model": ("#0b5cad", "#6cb2ff"),
    "other": ("#8a5a00", "#e5b35a"),
    "third": ("#1a7f4b", "#5ed39a"),
    "fourth": ("#8a3ab9", "#cf9bf0"),
    "fifth": ("#b0306a", "#ff9ec7"),
    "null": ("#6b7480", "#98a2ae"),
    "good": ("#1a7f4b", "#5ed39a"),
    "bad": ("#b3261e", "#ff8a80"),
    "warn": ("#8a5a00", "#e5b35a"),
    "mark": ("#fff3c4", "#4a3f12"),
}
#: Sizes, from small to large, on white and on near-black: lightness runs the way size does.
_RAMP = (
    ("#9ec5ea", "#2f5f8f"),
    ("#5b9bd5", "#4584bf"),
    ("#2b74b8", "#6aa9e4"),
    ("#0b4f94", "#9ccbf7"),
    ("#062f5c", "#d6eaff"),
)
_COLORS |= {f"ramp{index}": colors for index, colors in enumerate(_RAMP)}
#: Architectures in a figure, on white and on near-black. Found by search: their contrast with the
#: paper is that of text, 4.5 at least, and any two are 20 apart in CIELAB to every kind of colour
#: vision (Machado and others 2009, full deficiency).
_FAMILIES = (
    ("#0b5cad", "#6cb2ff"),
    ("#c04800", "#f07818"),
    ("#300000", "#f0d8c0"),
    ("#906060", "#907890"),
    ("#000048", "#a8f078"),
    ("#7800f0", "#609060"),
    ("#783018", "#c060c0"),
    ("#483048", "#00f0f0"),
)
_COLORS |= {f"family{index}": colors for index, colors in enumerate(_FAMILIES)}
LIGHT = {role: light for role, (light, _) in _COLORS.items()}
DARK = {role: dark for role, (_, dark) in _COLORS.items()}

#: Baselines in the order in which they take a role.
BASELINE_ROLES = ("other", "third", "fourth", "fifth", "null")


def ramp(index: int, count: int) -> str:
    """Return the role of the ``index``-th of ``count`` sizes."""
    steps = len(_RAMP) - 1
    place = index / (count - 1) if count > 1 else 0.5
    return f"ramp{round(place * steps)}"


def family(index: int) -> str:
    """Return the role of the ``index``-th architecture; after eight they start anew."""
    return f"family{index % len(_FAMILIES)}"
