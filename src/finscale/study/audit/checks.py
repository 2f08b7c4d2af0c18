"""All checks, in the order of the certificate."""

from __future__ import annotations

from finscale.registry import Registry
from finscale.study.audit.certificate import Check
from finscale.study.audit.duplicates import DUPLICATES
from finscale.study.audit.features import CAUSALITY, COLUMNS
from finscale.study.audit.fitting import FITTING
from finscale.study.audit.plausibility import PLAUSIBILITY
from finscale.study.audit.records import FILES, READS
from finscale.study.audit.sessions import CALENDAR, FINISHED
from finscale.study.audit.splits import LABELS, OVERLAP

CHECKS: Registry[Check] = Registry("check")
for _check in (
    CAUSALITY,
    COLUMNS,
    LABELS,
    OVERLAP,
    FITTING,
    DUPLICATES,
    PLAUSIBILITY,
    CALENDAR,
    FINISHED,
    FILES,
    READS,
):
    CHECKS.add(_check.name, _check)
