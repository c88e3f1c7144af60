"""What a check has to say: one finding a fault, with the place and the figures."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]
"""error: the data is not what was recorded, or rows are missing; warning: whole, but of poor quality; note: good to
know."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of a session."""

    severity: Severity
    fault: str
    """A word for programs, such as `gap`, `swap` or `digest`; docs/sessions.md lists all."""
    where: str
    """Stream, stream/field or file."""
    text: str
    """What was found, with figures."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All findings of one session."""

    session: str
    findings: tuple[Finding, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    """Duration, rows and measured rates, for the page."""

    @property
    def passed(self) -> bool:
        """Whether no finding is an error."""
        return all(finding.severity != "error" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The report in plain JSON values."""
        findings = [asdict(finding) for finding in self.findings]
        return {"session": self.session, "passed": self.passed, "findings": findings, "facts": self.facts}


def counted(number: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
