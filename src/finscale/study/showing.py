"""What a study shows of itself: its report and its figure, made a floor above."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Showing:
    """``study.report()`` and ``study.plot()``.

    The room that draws stands on this one and is looked up when it is asked, so that a study needs
    no figure to be run.
    """

    def report(self, folder: Path | str | None = None) -> Path:
        """Write the report of the finished runs and return its HTML file.

        Parameters
        ----------
        folder : path, optional
            Where ``report.html``, ``report.md``, ``figures/`` and ``tables/`` go; the study's own
            folder when absent.

        Raises
        ------
        FinscaleError
            If no run is finished yet, or the folder cannot be written.
        """
        written: Path = _above().write_report(self, Path(folder) if folder else None)
        return written

    def plot(self) -> Figure:
        """Return the figure of losses against size, the law and the baselines, by matplotlib.

        Raises
        ------
        FinscaleError
            If no run is finished yet.
        """
        drawn: Figure = _above().draw_study(self)
        return drawn


def _above() -> Any:
    return import_module("finscale.report")
