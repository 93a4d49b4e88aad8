"""Whether it is proved that some features are the same online and offline: what a gate asks, answered from the records alone."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256

from sqlalchemy import Connection

from srp_assets.online.parity.registry import ParityRecord, newest_records


@dataclass(frozen=True)
class FeatureEvidence:
    """What the records say of one feature in one version.

    Args:
        feature: its name.
        version: that is asked for.
        days: that prove it.
        problems: why it is not proved, by day.
    """

    feature: str
    version: str
    days: tuple[str, ...]
    problems: Mapping[str, str]

    @property
    def passed(self) -> bool:
        """Whether every day proves it, and there is one."""
        return bool(self.days) and not self.problems


@dataclass(frozen=True)
class ParityEvidence:
    """What the records say of the features of a model.

    Args:
        first: the first day that was asked for.
        last: the last one.
        features: each with what is said of it.
        digest: of the data that the records follow from.
    """

    first: str
    last: str
    features: tuple[FeatureEvidence, ...]
    digest: str

    @property
    def passed(self) -> bool:
        """Whether every feature is proved on every day: of nothing there is no evidence, and no evidence is a no."""
        return bool(self.features) and all(found.passed for found in self.features)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why not, a line for each feature that is not proved, with the first day that says so."""
        if not self.features:
            return ("no feature was asked for",)
        return tuple(_reason(found) for found in self.features if not found.passed)


def parity_evidence(
    connection: Connection, feature_versions: Mapping[str, str], first: str, last: str, *, stale: Collection[str] = ()
) -> ParityEvidence:
    """What is recorded of some features, for every day of a range.

    Args:
        connection: to the registry.
        feature_versions: the version of each feature that is used, by its name.
        first: the first day, as 2024-03-09.
        last: the last day, included.
        stale: days whose record is older than what it would read now (`inputs.stale_days`): they prove nothing.
    """
    return evidence_in(newest_records(connection, first, last), feature_versions, first, last, stale=stale)


def evidence_in(
    records: Mapping[str, ParityRecord], feature_versions: Mapping[str, str], first: str, last: str, *, stale: Collection[str] = ()
) -> ParityEvidence:
    """As `parity_evidence`, of records by day."""
    days = list(_days(first, last))
    features = []
    for name, version in sorted(feature_versions.items()):
        problems = {day: _problem(records.get(day), name, version, is_stale=day in stale) for day in days}
        found = {day: problem for day, problem in problems.items() if problem is not None}
        features.append(FeatureEvidence(name, version, tuple(day for day in days if day not in found), found))
    seen = "\n".join(records[day].data for day in days if day in records)
    return ParityEvidence(first, last, tuple(features), sha256(seen.encode()).hexdigest())


def _problem(record: ParityRecord | None, name: str, version: str, *, is_stale: bool) -> str | None:
    if record is None:
        return "was not checked"
    if is_stale:
        return "was checked before what it reads was built again"
    if record.reasons:
        return record.reasons[0]
    found = record.features.get(name)
    if found is None:
        return "has no record of it"
    if found.version != version:
        return f"has a record of version {found.version}"
    return None if found.passed else next(iter(found.reasons.values()), "failed")


def _reason(found: FeatureEvidence) -> str:
    if not found.problems:
        return f"{found.feature} ({found.version}): no day was asked for"
    day, problem = next(iter(found.problems.items()))
    more = f", and {len(found.problems) - 1} more days" if len(found.problems) > 1 else ""
    return f"{found.feature} ({found.version}): {day} {problem}{more}"


def _days(first: str, last: str) -> Iterator[str]:
    day, end = date.fromisoformat(first), date.fromisoformat(last)
    while day <= end:
        yield day.isoformat()
        day += timedelta(days=1)
