"""The leakage audit: what was proven about a dataset and its splits, how, and what was found.

Each check is an entry of :data:`CHECKS`; adding one is adding an entry.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from finscale.lazy import lazy_names

_HOMES = {
    "audit": ".certify",
    "CHECKS": ".checks",
    "Certificate": ".certificate",
    "AuditCheck": ".certificate",
    "CheckOutcome": ".certificate",
    "Evidence": ".evidence",
    "Fitted": ".evidence",
    "collect": ".evidence",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)


class _Room(ModuleType):
    """Makes ``fs.audit(…)`` a call of :func:`audit`, which has the name of its room."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        from finscale.audit.certify import audit

        return audit(*args, **options)


sys.modules[__name__].__class__ = _Room
