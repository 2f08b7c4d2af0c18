"""Colours by role, for light and for dark, in figures and on the page."""

from __future__ import annotations

#: Role → colour on white. Roles that stand side by side differ in brightness too, so that a figure
#: printed in grey can be read.
LIGHT = {
    "paper": "#ffffff",
    "panel": "#f5f6f8",
    "ink": "#1b1f24",
    "quiet": "#59626d",
    "line": "#d5dae0",
    "accent": "#0b5cad",
    "model": "#0b5cad",
    "other": "#8a5a00",
    "third": "#1a7f4b",
    "fourth": "#8a3ab9",
    "null": "#6b7480",
    "good": "#1a7f4b",
    "bad": "#b3261e",
    "warn": "#8a5a00",
    "mark": "#fff3c4",
}
#: The same on near-black.
DARK = {
    "paper": "#14171b",
    "panel": "#1d2127",
    "ink": "#e8eaed",
    "quiet": "#a4adb8",
    "line": "#363d46",
    "accent": "#6cb2ff",
    "model": "#6cb2ff",
    "other": "#e5b35a",
    "third": "#5ed39a",
    "fourth": "#cf9bf0",
    "null": "#98a2ae",
    "good": "#5ed39a",
    "bad": "#ff8a80",
    "warn": "#e5b35a",
    "mark": "#4a3f12",
}
#: Sizes, from small to large, on white and on near-black: lightness runs the way size does.
RAMP_LIGHT = ("#9ec5ea", "#5b9bd5", "#2b74b8", "#0b4f94", "#062f5c")
RAMP_DARK = ("#2f5f8f", "#4584bf", "#6aa9e4", "#9ccbf7", "#d6eaff")

LIGHT |= {f"ramp{index}": color for index, color in enumerate(RAMP_LIGHT)}
DARK |= {f"ramp{index}": color for index, color in enumerate(RAMP_DARK)}

#: Baselines in the order in which they take a role.
BASELINE_ROLES = ("other", "third", "fourth", "null")


def ramp(index: int, count: int) -> str:
    """Return the role of the ``index``-th of ``count`` sizes."""
    steps = len(RAMP_LIGHT) - 1
    place = index / (count - 1) if count > 1 else 0.5
    return f"ramp{round(place * steps)}"
