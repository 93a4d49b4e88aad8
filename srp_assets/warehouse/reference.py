"""What landing and building mean, in plain Python over dicts: slow, obvious, and the oracle of the property tests.

**Landing.** An ingest brings raw rows of one product and has one `landed_at`, later than that of every ingest before it.

1. A row is typed by the catalogue (`typed_row`). One that does not fit is *rejected*, with the first reason found; it counts in the
   period of its publish time, or in `unknown` if it has no usable one.
2. A row whose entity has a `root` and that does not carry its bucket key itself is resolved: the newest landed row with that key, in the
   first of the root's entities that has one, gives the bucket key (and, if `keep` says so, its own key). What does not resolve is
   *pending*; each later ingest of the product tries again. A pending row keeps its `landed_at`. A row that equals a pending one is a
   duplicate by the same rule as below.
3. Resolving and settling go round by round (entities that others are resolved through come first) until a round resolves nothing.
4. Resolved rows of one key that landed together are settled together, earlier landings first. Versions are ordered by
   (updated_at or minus infinity, landed_at, row hash); the greatest of the rows is the *winner*. A row is a *duplicate* if an equal
   version of its key has landed, else it is stored. Only the winner may be stored although an equal version has landed: if it is newer
   than the key's newest version, and differs from it in content or stands above another row stored now that is newer too. So the newest
   version is the winner, or it stays.
5. A stored row lies in the period of its publish time. Every other period than the newest version's that now got a row of the key, or
   held its newest version until now, gets a *tombstone*: the newest version's order, and the period it moved to.
   A period that got rows or tombstones *reopens*.

So an identical dump landed again stores nothing and reopens nothing, whatever versions it holds; and without `updated_at` a row that
reverts to an earlier content is a new version, because the source says so now.

**Building.** The table of a period is a function of its stored rows and tombstones alone: per key the greatest in version order counts; a
tombstone means that the key is not in this table. A row below another stored row of its period is *superseded*; a period's greatest row
that a tombstone beats is *moved*. So for every (entity, product, period):
landed = in the table + duplicate + superseded + moved + pending + rejected.

    >>> world = Warehouse(catalogue)
    >>> world.ingest("aurora", landed_at, [("post", {"post_id": 1, ...}), ...])
    >>> world.partitions["post", "aurora", "2024-03"].table()
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from srp_assets.warehouse.catalogue import Catalogue, Entity
from srp_assets.warehouse.periods import UNKNOWN, period_of, start_of
from srp_assets.warehouse.row_hash import row_hash
from srp_assets.warehouse.values import TOLERATED_FUTURE, typed_value

Row = dict[str, Any]
PeriodKey = tuple[str, str, str]
"""(entity, product, period)."""

DAWN = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Version:
    """One version of a row: its own columns, and what orders it among the versions of its key."""

    row: Row
    key: tuple[Any, ...]
    period: str
    updated_at: datetime
    landed_at: datetime
    row_hash: str

    @property
    def order(self) -> tuple[datetime, datetime, str]:
        """The version order."""
        return self.updated_at, self.landed_at, self.row_hash


@dataclass(frozen=True)
class Tombstone:
    """Says in one period that the key's newest version lies in another one."""

    key: tuple[Any, ...]
    order: tuple[datetime, datetime, str]
    moved_to: str


@dataclass
class Partition:
    """All that landed for one (entity, product, period), and its counts."""

    entity: Entity
    stored: list[Version] = field(default_factory=list)
    tombstones: list[Tombstone] = field(default_factory=list)
    landed: int = 0
    duplicate: int = 0
    pending: int = 0
    rejected: int = 0

    def newest(self) -> dict[tuple[Any, ...], Version | Tombstone]:
        """What counts for each key."""
        newest: dict[tuple[Any, ...], Version | Tombstone] = {}
        items: list[Version | Tombstone] = [*self.stored, *self.tombstones]
        for item in items:
            if item.key not in newest or item.order > newest[item.key].order:
                newest[item.key] = item
        return newest

    def table(self) -> list[Row]:
        """The rows of the built table in key order: own columns, `landed_at` and `visible`."""
        rows = [item for item in self.newest().values() if isinstance(item, Version)]
        return [
            {**version.row, "landed_at": version.landed_at, "visible": self.entity.is_visible(version.row)}
            for version in sorted(rows, key=lambda version: version.key)
        ]

    @property
    def moved(self) -> int:
        """Keys with stored rows here whose newest version lies elsewhere."""
        here = {version.key for version in self.stored}
        return sum(1 for key, item in self.newest().items() if isinstance(item, Tombstone) and key in here)

    @property
    def superseded(self) -> int:
        """Stored rows below another stored row of their key in this period."""
        return len(self.stored) - len({version.key for version in self.stored})

    @property
    def balanced(self) -> bool:
        """The accounting of contract 7."""
        accounted = len(self.table()) + self.duplicate + self.superseded + self.moved + self.pending + self.rejected
        return self.landed == accounted


@dataclass(frozen=True)
class _Waiting:
    row: Row
    landed_at: datetime


class Warehouse:
    """Landing and building of one catalogue, in memory."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.partitions: dict[PeriodKey, Partition] = {}
        self._versions: dict[tuple[str, str, tuple[Any, ...]], list[Version]] = defaultdict(list)
        self._pending: dict[tuple[str, str], list[Version]] = defaultdict(list)
        self._reopened: set[PeriodKey] = set()
        self.rejects: list[tuple[str, str, str, str, Mapping[str, Any]]] = []
        """(entity, product, period, reason, raw row) in the order of arrival."""

    def ingest(self, product: str, landed_at: datetime, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> set[PeriodKey]:
        """Lands rows, given as (entity, raw row); returns the periods that reopen."""
        self._reopened = set()
        waiting: dict[str, list[_Waiting]] = {
            name: [_Waiting(version.row, version.landed_at) for version in self._pending[name, product]] for name in self.catalogue.entities
        }
        for name, raw in rows:
            row, reason, period = typed_row(self.catalogue, name, raw, landed_at)
            self._partition(name, product, period).landed += 1
            if reason:
                self._partition(name, product, period).rejected += 1
                self.rejects.append((name, product, period, reason, raw))
            else:
                waiting[name].append(_Waiting(row, landed_at))

        resolved_any = True
        while resolved_any:
            resolved_any = False
            for name in resolution_order(self.catalogue):
                resolved = [(item, self._resolved(name, product, item.row)) for item in waiting[name]]
                waiting[name] = [item for item, row in resolved if row is None]
                ready = [_Waiting(row, item.landed_at) for item, row in resolved if row is not None]
                for item in ready:
                    if item.landed_at < landed_at:
                        self._partition(name, product, self._period(name, item.row)).pending -= 1
                self._settle_all(name, product, ready)
                resolved_any = resolved_any or bool(ready)
        for name, items in waiting.items():
            self._wait(name, product, landed_at, items)
        return self._reopened

    def newest(self, entity: str, product: str, key: tuple[Any, ...]) -> Version | None:
        """The newest landed version of a key."""
        return max(self._versions[entity, product, key], key=lambda version: version.order, default=None)

    def _partition(self, entity: str, product: str, period: str) -> Partition:
        return self.partitions.setdefault((entity, product, period), Partition(self.catalogue.entities[entity]))

    def _period(self, entity: str, row: Row) -> str:
        return period_of(row[self.catalogue.entities[entity].publish_time], self.catalogue.partition_unit)

    def _version(self, name: str, row: Row, landed_at: datetime) -> Version:
        entity = self.catalogue.entities[name]
        updated_at = row[entity.updated_at] if entity.updated_at else None
        key = tuple(row[column] for column in entity.key)
        return Version(row, key, self._period(name, row), updated_at or DAWN, landed_at, row_hash(entity, row))

    def _resolved(self, name: str, product: str, row: Row) -> Row | None:
        entity = self.catalogue.entities[name]
        if row[entity.bucket_key] is not None or entity.root is None:
            return row
        for target_name in entity.root.entities:
            found = self.newest(target_name, product, (row[entity.root.column],))
            if found:
                kept = {entity.root.keep[target_name]: found.key[0]} if target_name in entity.root.keep else {}
                return {**row, **kept, entity.bucket_key: found.row[self.catalogue.entities[target_name].bucket_key]}
        return None

    def _settle_all(self, name: str, product: str, items: list[_Waiting]) -> None:
        together: dict[tuple[datetime, tuple[Any, ...]], list[Version]] = defaultdict(list)
        for item in items:
            version = self._version(name, item.row, item.landed_at)
            together[item.landed_at, version.key].append(version)
        for (_, key), batch in sorted(together.items(), key=lambda group: group[0][0]):
            self._settle(name, product, key, batch)

    def _settle(self, name: str, product: str, key: tuple[Any, ...], batch: list[Version]) -> None:
        landed = self._versions[name, product, key]
        before = self.newest(name, product, key)
        stored, duplicates = taken(landed, batch)
        for version in stored:
            landed.append(version)
            self._partition(name, product, version.period).stored.append(version)
            self._reopened.add((name, product, version.period))
        for version in duplicates:
            self._partition(name, product, version.period).duplicate += 1
        newest = self.newest(name, product, key)
        assert newest is not None
        left = {version.period for version in stored} | ({before.period} if before and before is not newest else set())
        for period in left - {newest.period}:
            self._partition(name, product, period).tombstones.append(Tombstone(key, newest.order, newest.period))
            self._reopened.add((name, product, period))

    def _wait(self, name: str, product: str, landed_at: datetime, items: list[_Waiting]) -> None:
        versions = [self._version(name, item.row, item.landed_at) for item in items]
        kept = [version for version in versions if version.landed_at < landed_at]
        arrived: dict[tuple[Any, ...], list[Version]] = defaultdict(list)
        for version in versions:
            if version.landed_at == landed_at:
                arrived[version.key].append(version)
        for key, batch in arrived.items():
            pending, duplicates = taken([version for version in kept if version.key == key], batch)
            for version in pending:
                kept.append(version)
                self._partition(name, product, version.period).pending += 1
            for version in duplicates:
                self._partition(name, product, version.period).duplicate += 1
        self._pending[name, product] = kept


def taken(landed: list[Version], batch: list[Version]) -> tuple[list[Version], list[Version]]:
    """Which rows of one key that landed together are stored, and which are duplicates (rule 4 of this module)."""
    newest = max(landed, key=lambda version: version.order, default=None)
    winner = max(batch, key=lambda version: version.order)
    place = next(place for place, version in enumerate(batch) if version is winner)
    known = {version.row_hash for version in landed} | {winner.row_hash}
    stored: list[Version] = []
    duplicates: list[Version] = []
    for version in batch[:place] + batch[place + 1 :]:
        (duplicates if version.row_hash in known else stored).append(version)
        known.add(version.row_hash)
    if newest is None or winner.row_hash not in {version.row_hash for version in landed}:
        return [winner, *stored], duplicates
    above = [version for version in stored if version.order > newest.order]
    if winner.order > newest.order and (winner.row_hash != newest.row_hash or above):
        return [winner, *stored], duplicates
    return stored, [winner, *duplicates]


def resolution_order(catalogue: Catalogue) -> Iterator[str]:
    """The entities, those that others are resolved through first (in a cycle: the catalogue's order)."""
    left = list(catalogue.entities)
    while left:
        free = [name for name in left if not _targets(catalogue, name) & (set(left) - {name})]
        chosen = free[0] if free else left[0]
        left.remove(chosen)
        yield chosen


def _targets(catalogue: Catalogue, name: str) -> set[str]:
    root = catalogue.entities[name].root
    return set(root.entities) if root else set()


def typed_row(catalogue: Catalogue, name: str, raw: Mapping[str, Any], landed_at: datetime) -> tuple[Row, str | None, str]:
    """One raw row by the catalogue: (typed row, reason why it is rejected or None, its period or `unknown`)."""
    entity = catalogue.entities[name]
    row: Row = {}
    reasons: list[str] = []
    for column_name, column in entity.columns.items():
        names = (column_name, *column.sources)
        value = next((raw[source] for source in names if raw.get(source) is not None), None)
        try:
            row[column_name] = typed_value(column, value)
        except ValueError:
            row[column_name] = None
            reasons.append(f"wrong type: {column_name}")
            continue
        absent = row[column_name] is None
        if absent and column_name in entity.key:
            reasons.insert(0, "missing key")
        elif absent and _is_needed(entity, column_name):
            reasons.append(f"missing value: {column_name}")
        elif column.values and not absent and str(row[column_name]) not in column.values:
            reasons.append(f"not an allowed value: {column_name}")
        elif not absent and column_name in (entity.publish_time, entity.updated_at):
            earliest = start_of(catalogue.first_period, catalogue.partition_unit) if column_name == entity.publish_time else DAWN
            if not earliest <= row[column_name] <= landed_at + TOLERATED_FUTURE:
                reasons.append(f"time out of range: {column_name}")
                row[column_name] = None
    if entity.root and row[entity.bucket_key] is None and row[entity.root.column] is None and not reasons:
        reasons.append(f"missing value: {entity.root.column}")
    published = row[entity.publish_time]
    return row, reasons[0] if reasons else None, period_of(published, catalogue.partition_unit) if published else UNKNOWN


def _is_needed(entity: Entity, column: str) -> bool:
    if column == entity.bucket_key and entity.root is not None:
        return False
    return entity.columns[column].required or column in (entity.publish_time, entity.bucket_key)
