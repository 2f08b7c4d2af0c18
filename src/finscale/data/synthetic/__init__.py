"""Markets whose truth is known: null markets, and two with an exactly solvable signal.

Each market is a frozen dataclass in :data:`MARKETS`; :func:`simulate` renders it as daily bars.
The same market, seed and symbol give the same bars, alone or beside a hundred others.
"""

from finscale.data.synthetic.markets import MARKETS, SimulatedPanel, simulate
from finscale.data.synthetic.motifs import ZipfMotifs
from finscale.data.synthetic.processes import (
    Garch,
    Process,
    RegimeSwitching,
    Reversal,
    StudentT,
)
from finscale.data.synthetic.teacher import LinearTeacher, VolumeTeacher

__all__ = [
    "MARKETS",
    "Garch",
    "LinearTeacher",
    "Process",
    "RegimeSwitching",
    "Reversal",
    "SimulatedPanel",
    "StudentT",
    "VolumeTeacher",
    "ZipfMotifs",
    "simulate",
]
