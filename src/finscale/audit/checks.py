"""All checks, in the order of the certificate."""

from __future__ import annotations

from finscale.audit.certificate import AuditCheck
from finscale.audit.duplicates import DUPLICATES
from finscale.audit.features import CAUSALITY, COLUMNS
from finscale.audit.fitting import FITTING
from finscale.audit.plausibility import PLAUSIBILITY
from finscale.audit.records import FILES, READS
from finscale.audit.sessions import CALENDAR, FINISHED
from finscale.audit.splits import LABELS, OVERLAP
from finscale.registry import Registry

CHECKS: Registry[AuditCheck] = Registry("check")
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
