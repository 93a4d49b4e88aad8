"""From what a validation found to what Dagster shows."""

import json
from typing import Any

import dagster as dg

from expectations.report import Report, Severity

SEVERITIES: dict[Severity, dg.AssetCheckSeverity] = {
    "critical": dg.AssetCheckSeverity.ERROR,
    "warning": dg.AssetCheckSeverity.WARN,
    "info": dg.AssetCheckSeverity.WARN,
}


def check_result(report: Report, metadata: dict[str, Any] | None = None) -> dg.AssetCheckResult:
    """The result of an asset check; an ERROR if an expectation fails that is critical, or if nothing was expected at all."""
    severities = {SEVERITIES[outcome.severity] for outcome in report.failed}
    only_warnings = severities == {dg.AssetCheckSeverity.WARN}
    failed = {outcome.expectation: json.loads(json.dumps(outcome.found, default=str)) for outcome in report.failed}
    return dg.AssetCheckResult(
        passed=report.passed,
        severity=dg.AssetCheckSeverity.WARN if only_warnings else dg.AssetCheckSeverity.ERROR,
        metadata={"expectations": len(report.outcomes), "failed": dg.MetadataValue.json(failed), **(metadata or {})},
    )
