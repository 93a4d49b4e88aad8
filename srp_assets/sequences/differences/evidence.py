"""Whether it is proved that sequences are served as they are computed, in the words of parity: what the gate asks for.

A model names a sequence that it reads as a feature, `sequence:` before its name, in the version of its declaration.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from hashlib import sha256

from sqlalchemy import Connection

from srp_assets.online.parity.evidence import FeatureEvidence, ParityEvidence
from srp_assets.sequences.differences.registry import DifferenceRecord, newest_differences

PREFIX = "sequence:"


def is_sequence(feature: str) -> bool:
    """Whether a feature that a model names is a sequence."""
    return feature.startswith(PREFIX)


def with_sequences(connection: Connection, parity: ParityEvidence, feature_versions: Mapping[str, str]) -> ParityEvidence:
    """The evidence of parity with that of the sequences among some features, for every day of its range.

    Args:
        connection: to the registry.
        parity: what is proved of the other features.
        feature_versions: the version of each feature that a model uses, by its name.
    """
    wanted = {name: version for name, version in sorted(feature_versions.items()) if is_sequence(name)}
    if not wanted:
        return parity
    records = newest_differences(connection, parity.first, parity.last)
    days = list(_days(parity.first, parity.last))
    found = [_evidence(records, days, name, version) for name, version in wanted.items()]
    seen = "\n".join([parity.digest, *(f"{day} {record.difference_id} {record.reads}" for day, record in records.items())])
    others = tuple(own for own in parity.features if own.feature not in wanted)
    return ParityEvidence(parity.first, parity.last, (*others, *found), sha256(seen.encode()).hexdigest())


def _evidence(records: Mapping[str, DifferenceRecord], days: list[str], name: str, version: str) -> FeatureEvidence:
    problems = {day: _problem(records.get(day), name.removeprefix(PREFIX), version) for day in days}
    known = {day: problem for day, problem in problems.items() if problem is not None}
    return FeatureEvidence(name, version, tuple(day for day in days if day not in known), known)


def _problem(record: DifferenceRecord | None, sequence: str, version: str) -> str | None:
    if record is None:
        return "was not compared"
    if record.reasons:
        return record.reasons[0]
    if sequence not in record.versions:
        return "has no record of it"
    if record.versions[sequence] != version:
        return f"has a record of version {record.versions[sequence]}"
    return next(iter(record.problems.get(sequence, ())), None)


def _days(first: str, last: str) -> Iterator[str]:
    day, end = date.fromisoformat(first), date.fromisoformat(last)
    while day <= end:
        yield day.isoformat()
        day += timedelta(days=1)
