"""What an audit hands over: per check what was asked, the outcome, and what was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from finscale.audit.evidence import Evidence

Status = Literal["proven", "finding", "unproven"]

#: How a status is shown.
MARKS: dict[Status, str] = {"proven": "✓", "finding": "✗", "unproven": "?"}


@dataclass(frozen=True)
class CheckOutcome:
    """The result of one check."""

    check: str
    """The check's name."""
    statement: str
    """What was proven and how, with its counts; or why nothing could be."""
    findings: tuple[str, ...] = ()
    """One sentence a leak: what, where, how much."""
    unproven: tuple[str, ...] = ()
    """What the evidence did not suffice to prove; no leak, but no proof either."""
    mend: str = ""
    """The way out, where something was found or stayed unproven."""

    @property
    def status(self) -> Status:
        """Whether something was found, or something could not be proven."""
        if self.findings:
            return "finding"
        return "unproven" if self.unproven else "proven"


@dataclass(frozen=True)
class AuditCheck:
    """One declared question that an audit asks."""

    name: str
    """Short name, as in ``--only``."""
    question: str
    """What is asked, in one sentence."""
    examine: Callable[[Evidence], CheckOutcome]
    """From the evidence to an outcome."""


@dataclass(frozen=True)
class Certificate:
    """The outcome of all checks on one subject."""

    subject: str
    """What was audited."""
    outcomes: tuple[CheckOutcome, ...]
    """In the order of the checks."""

    @property
    def clean(self) -> bool:
        """Whether no check found a leak."""
        return not self.findings

    @property
    def complete(self) -> bool:
        """Whether every check could prove what it asks."""
        return all(outcome.status == "proven" for outcome in self.outcomes)

    @property
    def findings(self) -> tuple[tuple[str, str], ...]:
        """(check, finding) for every finding."""
        return tuple((o.check, text) for o in self.outcomes for text in o.findings)

    def __getitem__(self, check: str) -> CheckOutcome:
        """Return the outcome of one check."""
        return next(outcome for outcome in self.outcomes if outcome.check == check)

    def verdict(self) -> str:
        """Return the certificate's last line."""
        proven = sum(outcome.status == "proven" for outcome in self.outcomes)
        parts = [f"{proven} of {len(self.outcomes)} checks proven"]
        unproven = sum(len(outcome.unproven) for outcome in self.outcomes)
        if unproven:
            parts.append(f"{unproven} not provable from what is at hand")
        found = len(self.findings)
        parts.append(f"{found} finding{'s' * (found != 1)}" if found else "no leak found")
        return " · ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the certificate as plain values."""
        return {
            "subject": self.subject,
            "clean": self.clean,
            "complete": self.complete,
            "checks": [{"status": o.status, **asdict(o)} for o in self.outcomes],
        }

    def __str__(self) -> str:
        lines = [self.subject]
        for outcome in self.outcomes:
            lines.append(f"{MARKS[outcome.status]} {outcome.check}: {outcome.statement}")
            lines += [f"    ✗ {text}" for text in outcome.findings]
            lines += [f"    ? {text}" for text in outcome.unproven]
        return "\n".join([*lines, self.verdict()])
