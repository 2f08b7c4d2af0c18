"""Several architectures in one study: which sizes each can have, and its part of the runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from finscale.config import StudyConfig
from finscale.config.families import own_settings
from finscale.config.model import NetworkConfig
from finscale.data import DataStore
from finscale.errors import BudgetError
from finscale.experiment.preparation import prepare
from finscale.models import ARCHITECTURES
from finscale.study.axes import AXES, Look, Size, look_at_windows
from finscale.study.daily import Completed
from finscale.study.grid import Cell, alone_studies, baseline_cells, grid_sizes, networks_at


@dataclass(frozen=True)
class LeftOut:
    """A size that an architecture cannot have, and why."""

    family: str
    size: str  #: In words
    reason: str  #: A sentence

    @property
    def sentence(self) -> str:
        """Return what is left out, and why."""
        return f"{self.family} at {self.size}: {self.reason}"


def fitting_cells(
    study: StudyConfig, data: DataStore, look: Look = look_at_windows, *, family: str = ""
) -> tuple[list[Cell], tuple[LeftOut, ...]]:
    """Return a study's cells as ``expand`` does, without those that no model of the family fits.

    Such a size is no fault of the study: DLinear has no model of 1,000 parameters where others do.
    Its data are read to know how many channels a model has. ``family`` names the architecture of a
    study that is one's part of a comparison.

    Raises
    ------
    BudgetError
        If no architecture fits any size.
    """
    cells, left_out = list(baseline_cells(study, look)), list[LeftOut]()
    refused: BudgetError | None = None
    parts = {family: study} if family else alone_studies(study)
    for name, alone in parts.items():
        for sizes in grid_sizes(alone):
            try:
                found = networks_at(alone, sizes, look, family=name)
                prepare(found[0].config, data)
            except BudgetError as error:
                refused = error
                hint = f" ({error.hint})" if error.hint else ""
                reason = f"{error.message.rstrip('.')}{hint}."
                left_out.append(LeftOut(name, sized_words(sizes), reason))
                continue
            cells += found
    if refused and all(cell.is_baseline for cell in cells):
        raise refused
    return cells, tuple(left_out)


def sized_words(sizes: dict[str, Size]) -> str:
    """Return sizes with what they count: ``5k parameters · 40 bars``."""
    return " · ".join(AXES[axis].sized(AXES[axis].words(size)) for axis, size in sizes.items())


def family_title(study: StudyConfig, family: str) -> str:
    """Return an architecture as papers write it, with what tells it from others of its kind.

    Examples
    --------
    >>> two = ({"kind": "mlp", "depth": 1}, {"kind": "mlp", "depth": 2})
    >>> study = StudyConfig(name="x", axes={"parameters": (5_000,)}, architectures=two)
    >>> family_title(study, "mlp-depth2")
    'MLP, depth 2'
    """
    section = study.families[family]
    every: Sequence[NetworkConfig] = list(study.families.values())
    told = (f"{name.replace('_', ' ')} {value}" for name, value in own_settings(section, every))
    return ", ".join([ARCHITECTURES[section.kind].title, *told])


def of_family(completed: Completed, family: str) -> Completed:
    """Return the runs of one architecture, and the baselines."""
    return [(p, run) for p, run in completed if p.cell.is_baseline or p.cell.family == family]
