"""The records of parity in the registry database: what each check of a day found, feature by feature. Records are added, never changed."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from resources.registry_types import Identifier, UtcDateTime

metadata = sa.MetaData()

parity_table = sa.Table(
    "online_parity",
    metadata,
    sa.Column("parity_id", Identifier, primary_key=True, autoincrement=True),
    sa.Column("day", sa.String, nullable=False, index=True),
    sa.Column("definitions", sa.String, nullable=False),
    sa.Column("reads", sa.String, nullable=False),
    sa.Column("data", sa.String, nullable=False),
    sa.Column("served", sa.BigInteger, nullable=False),
    sa.Column("sampled", sa.BigInteger, nullable=False),
    sa.Column("unmatched", sa.BigInteger, nullable=False),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("pairs", sa.String),
    sa.Column("page", sa.String),
    sa.Column("checked_at", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.String),
)

feature_table = sa.Table(
    "online_parity_feature",
    metadata,
    sa.Column("parity_id", Identifier, sa.ForeignKey("online_parity.parity_id"), primary_key=True, autoincrement=False),
    sa.Column("feature", sa.String, primary_key=True),
    sa.Column("version", sa.String, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("mismatches", sa.BigInteger, nullable=False),
    sa.Column("missing", sa.BigInteger, nullable=False),
    sa.Column("foreign", sa.BigInteger, nullable=False),
    sa.Column("defaulted", sa.BigInteger, nullable=False),
    sa.Column("online_mean", sa.Float),
    sa.Column("online_variance", sa.Float),
    sa.Column("online_nulls", sa.BigInteger, nullable=False),
    sa.Column("offline_mean", sa.Float),
    sa.Column("offline_variance", sa.Float),
    sa.Column("offline_nulls", sa.BigInteger, nullable=False),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False),
)


@dataclass(frozen=True)
class FeatureParity:
    """What a check found of one feature.

    Args:
        feature: its name.
        version: the declared one, which the offline values follow.
        rows: compared.
        mismatches: of these, rows whose values differ.
        missing: sampled rows that were served without it.
        foreign: sampled rows that were served under another version of it.
        defaulted: compared rows flagged as answered by the default.
        online_mean: of the served values that are not null; like the others null where there is none.
        online_variance: their population variance.
        online_nulls: served values that are null.
        offline_mean: of the recomputed values that are not null.
        offline_variance: their population variance.
        offline_nulls: recomputed values that are null.
        passed: the verdict.
        reasons: why it failed, by the rule that says so.
    """

    feature: str
    version: str
    rows: int = 0
    mismatches: int = 0
    missing: int = 0
    foreign: int = 0
    defaulted: int = 0
    online_mean: float | None = None
    online_variance: float | None = None
    online_nulls: int = 0
    offline_mean: float | None = None
    offline_variance: float | None = None
    offline_nulls: int = 0
    passed: bool = False
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def mismatch_rate(self) -> float:
        """Share of the compared rows whose values differ."""
        return self.mismatches / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class ParityRecord:
    """One check of a day.

    Args:
        parity_id: identity; 0 before it is recorded. Of a day's records the one with the greatest counts.
        day: of the requests.
        definitions: digest of the declared definitions.
        reads: digest of the builds and files that were read: another one now means that the record is old.
        data: digest of all that the record follows from, the sample and the tolerances included.
        served: rows of the day.
        sampled: of these, rows in the sample.
        unmatched: sampled rows whose request is in no log.
        passed: the verdict.
        reasons: what failed that is not about one feature.
        pairs: folder of the compared values, relative to the storage of parity.
        page: first page of the Data Docs, if they were built.
        checked_at: when.
        run_id: of the run that checked, if there was one.
        features: what was found of each feature, by name.
    """

    parity_id: int
    day: str
    definitions: str
    reads: str
    data: str
    served: int
    sampled: int
    unmatched: int
    passed: bool
    reasons: tuple[str, ...]
    pairs: str | None
    page: str | None
    checked_at: datetime
    run_id: str | None
    features: Mapping[str, FeatureParity] = field(default_factory=dict)

    @property
    def failed(self) -> list[str]:
        """The features that failed, in order."""
        return sorted(name for name, found in self.features.items() if not found.passed)


def record_parity(connection: Connection, record: ParityRecord) -> int:
    """Adds a record; returns its identity."""
    values = {name: value for name, value in asdict(record).items() if name not in ("parity_id", "features")}
    values["reasons"] = list(record.reasons)
    parity_id = connection.execute(parity_table.insert().returning(parity_table.c.parity_id), values).scalar_one()
    rows = [{**asdict(found), "reasons": dict(found.reasons), "parity_id": parity_id} for found in record.features.values()]
    if rows:
        connection.execute(feature_table.insert(), rows)
    return int(parity_id)


def newest_records(connection: Connection, first: str | None = None, last: str | None = None) -> dict[str, ParityRecord]:
    """The record that counts of each day, in order; `first` and `last` (as 2024-03-09) are both included."""
    newest = sa.select(sa.func.max(parity_table.c.parity_id)).group_by(parity_table.c.day)
    if first is not None:
        newest = newest.where(parity_table.c.day >= first)
    if last is not None:
        newest = newest.where(parity_table.c.day <= last)
    return _by_day(_records(connection, parity_table.c.parity_id.in_(newest)))


def records_of_run(connection: Connection, run_id: str) -> dict[str, ParityRecord]:
    """What a run recorded, by day; of a day that it checked twice the last."""
    return _by_day(_records(connection, parity_table.c.run_id == run_id))


def records_after(connection: Connection, parity_id: int) -> list[ParityRecord]:
    """The records that were added after one, in order."""
    return _records(connection, parity_table.c.parity_id > parity_id)


def _by_day(records: Iterable[ParityRecord]) -> dict[str, ParityRecord]:
    """The last record of each day, days in order."""
    return {record.day: record for record in sorted(records, key=lambda record: (record.day, record.parity_id))}


def _records(connection: Connection, condition: Any) -> list[ParityRecord]:
    statement = sa.select(parity_table).where(condition).order_by(parity_table.c.parity_id)
    rows = connection.execute(statement).mappings().all()
    features: dict[int, dict[str, FeatureParity]] = {row["parity_id"]: {} for row in rows}
    found = sa.select(feature_table).where(feature_table.c.parity_id.in_(list(features))).order_by(feature_table.c.feature)
    for row in connection.execute(found).mappings():
        values = {name: value for name, value in row.items() if name != "parity_id"}
        features[row["parity_id"]][row["feature"]] = FeatureParity(**values)
    return [ParityRecord(**{**row, "reasons": tuple(row["reasons"])}, features=features[row["parity_id"]]) for row in rows]
