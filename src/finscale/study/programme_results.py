"""What came out of a programme's cells, and what stands when all of them are judged together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from finscale.config.programme import ProgrammeCell
from finscale.errors import FinscaleError
from finscale.evaluation.multiple import holm
from finscale.files import null_for_nan
from finscale.scaling.measure import Measure

if TYPE_CHECKING:
    from finscale.study.study import Study

#: Verdict → the p value of the test that it claims.
_CLAIMS = {
    "LAW": "p_improves",
    "INVERSE": "p_worsens",
    "TURNS": "p_turns",
    "NO-LAW": "p_equivalent",
}
OPEN = "INDETERMINATE"


@dataclass(frozen=True)
class CellResult:
    """What came out of one cell.

    Parameters
    ----------
    cell, task, timescale, assets, quality : str
        Where it stands.
    verdict : str
        Of its study alone; empty where there is none.
    together : str
        What is left of it when all cells are judged together: the same, or INDETERMINATE.
    gain, low, high : float
        Improvement from the smallest size to the largest, in ``unit``, and its interval; NaN where
        there is none.
    sesoi : float
        Smallest effect of interest of the study.
    p, p_together : float
        Of the claim that the verdict makes: alone, and by Holm over all cells that were judged. 1
        where nothing is claimed.
    sentence : str
        The verdict's; or why there is none.
    """

    cell: str
    task: str
    timescale: str
    assets: str
    quality: str
    verdict: str = ""
    together: str = ""
    gain: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    sesoi: float = float("nan")
    unit: str = ""
    p: float = 1.0
    p_together: float = 1.0
    sentence: str = ""

    @property
    def is_judged(self) -> bool:
        """Whether the cell has a verdict, be it that nothing is decided."""
        return bool(self.verdict)

    @property
    def digits(self) -> int:
        """Decimals that tell apart what differs by a tenth of the smallest effect of interest."""
        return Measure().finer(self.sesoi).digits

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; null for what is no number."""
        found: dict[str, Any] = null_for_nan(asdict(self))
        return found

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> CellResult:
        """Return the result of what :meth:`to_dict` gave."""
        numbers = ("gain", "low", "high", "sesoi")
        nan = float("nan")
        return cls(**{**content, **{n: nan for n in numbers if content[n] is None}})


def refused(cell: ProgrammeCell, why: str) -> CellResult:
    """Return the result of a cell whose data or labels make no study."""
    return CellResult(cell.name, cell.task, cell.timescale, cell.assets, cell.quality, sentence=why)


def result_of(cell: ProgrammeCell, study: Study) -> CellResult:
    """Return what came out of a cell's study; of one that is not finished, why there is nothing."""
    try:
        verdict = study.verdict()
    except FinscaleError as error:
        return refused(cell, f"{error.message} {error.hint}".strip())
    claim = _CLAIMS.get(verdict.name)
    measure = verdict.statement.measure
    return replace(
        refused(cell, verdict.sentence),
        verdict=verdict.name,
        together=verdict.name,
        gain=verdict.gain.value,
        low=verdict.gain.low,
        high=verdict.gain.high,
        sesoi=verdict.statement.sesoi,
        unit=measure.unit or measure.title,
        p=float(getattr(verdict, claim)) if claim else 1.0,
    )


def judged_together(results: Sequence[CellResult], level: float) -> tuple[CellResult, ...]:
    """Correct the verdicts of a programme for their number, by Holm (1979).

    A cell that decides nothing counts too: its claim has p = 1. A verdict stands if its corrected p
    value is at most ``level``; one that does not is INDETERMINATE. The probability that any verdict
    of the programme is false is then at most ``level``, whatever the cells have in common.

    Parameters
    ----------
    results : sequence of CellResult
        Of all cells.
    level : float
        Family-wise error.
    """
    judged = [place for place, one in enumerate(results) if one.is_judged]
    adjusted = dict(zip(judged, holm([results[place].p for place in judged]).tolist(), strict=True))
    found = []
    for place, one in enumerate(results):
        p = adjusted.get(place, 1.0)
        stands = one.verdict if p <= level else OPEN
        found.append(replace(one, p_together=p, together=stands if one.is_judged else ""))
    return tuple(found)
