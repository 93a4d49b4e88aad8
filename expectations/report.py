"""What a validation found, in plain data: no Great Expectations, no Dagster."""

from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["critical", "warning", "info"]


@dataclass(frozen=True)
class Outcome:
    """One expectation: what it is about, whether it holds, and what was found."""

    expectation: str
    passed: bool
    severity: Severity
    found: dict[str, Any]


@dataclass(frozen=True)
class Report:
    """All outcomes of one validation."""

    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The expectations that do not hold."""
        return tuple(outcome for outcome in self.outcomes if not outcome.passed)

    @property
    def passed(self) -> bool:
        """Whether something was expected and all of it holds: no evidence is a failure."""
        return bool(self.outcomes) and not self.failed
