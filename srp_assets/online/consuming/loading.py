"""Loads a day's beginning into the store: everything that was known before its midnight, from the partial sums of the days before.

What is loaded is a generation of its own, which somebody makes current when it is complete, and from whose midnight on the stream is read:
every morning, or in the middle of a day after the store was lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.aggregation.layout import Newest, PartialTable
from srp_assets.features.aggregation.partials import ARRIVAL_DAY, EVENT_DAY, REST
from srp_assets.features.aggregation.rows import Integers, encoded, flags, integers, numbers
from srp_assets.features.building.files import PartialFiles, VersionFiles, read_versions
from srp_assets.features.times import LONGEST_SESSION, MICROSECONDS_OF_DAY
from srp_assets.online.attributes import Attributes, table_bytes
from srp_assets.online.consuming.batch import EventBatch
from srp_assets.online.consuming.consumer import epoch_of, seconds_to_live
from srp_assets.online.consuming.counting import Counter, slices
from srp_assets.online.consuming.portraits import portrait_entries, portrait_texts
from srp_assets.online.consuming.stream import ActionFiles
from srp_assets.online.portrait import cut, is_too_long
from srp_assets.online.records.digests import digest_of, digest_of_all, id_digests
from srp_assets.online.records.entries import head, id_words
from srp_assets.online.records.layout import Code, FamilyRecords, RecordLayout
from srp_assets.online.store import Addition, Pointer, Position, Store, record_key
from srp_assets.progress import Progress

KEYS_AT_ONCE = 2_000
"""Records, and remembered events, that are written in one step: requests are answered in between."""

EVENTS_AT_ONCE = 20_000
"""Events that are columns of Python's values at a time."""

SESSION_MICROSECONDS = LONGEST_SESSION // timedelta(microseconds=1)


@dataclass(frozen=True)
class DayInputs:
    """What a day's beginning is loaded from.

    Args:
        partials: the partial sums of all days that windows reach.
        buckets: of these.
        versions: of the rows that attributes are taken from.
        actions: of the same days.
    """

    partials: PartialFiles
    buckets: int
    versions: Mapping[str, VersionFiles]
    actions: ActionFiles


@dataclass
class Loaded:
    """What a load wrote."""

    pointer: Pointer
    records: int = 0
    portraits: int = 0
    events: int = 0
    written_bytes: int = 0


def load_day(store: Store, layout: RecordLayout, inputs: DayInputs, day: int, day_text: str, progress: Progress | None = None) -> Loaded:
    """Writes a generation for the beginning of a day; it is not current yet. Portraits have the actions of the days that windows reach.

    Args:
        store: where to.
        layout: of the records.
        inputs: where from.
        day: days since 1970.
        day_text: the same as 2024-03-09.
        progress: told how far it is.

    Raises:
        Unavailable: if the store does not answer.
    """
    midnight = day * MICROSECONDS_OF_DAY
    position = Position(known_time=midnight - 1, consumed_to=midnight)
    loading = _Loading(store, layout, store.begin(layout.digest, day_text, position), position)
    names = [name for source in layout.definitions.attributes.values() for name in source.columns]
    tables = read_versions(layout.definitions, inputs.versions, names)
    pointer = store.write_attributes(loading.pointer, {name: table_bytes(table) for name, table in tables.items()})
    steps = len(layout.families) * inputs.buckets
    for number, (records, bucket) in enumerate((records, bucket) for records in layout.families for bucket in range(inputs.buckets)):
        if progress:
            progress(f"loading {records.family.key}", number, steps)
        partials = inputs.partials.partials(records.family, bucket, day, day)
        loading.write_records(records, {name: _known(table, day) for name, table in partials.items()})
    if progress:
        progress("loading portraits", 0, 0)
    reach = range(day - layout.definitions.lookback_days, day)
    attributes, counter = Attributes(layout.definitions, tables), Counter(layout)
    for own in reach:
        # The days one by one: memory holds a day of the log. Readers of portraits put actions into their order.
        stream = inputs.actions.read(layout.definitions, [own], 0, midnight)
        for start in range(0, stream.num_rows, EVENTS_AT_ONCE):
            loading.write_events(counter, attributes, stream.slice(start, EVENTS_AT_ONCE), midnight)
    return Loaded(pointer, loading.records, len(loading.portrait_bytes), loading.events, loading.written_bytes)


def _known(partials: pa.Table, day: int) -> pa.Table:
    """The sums of what had arrived before a day."""
    return partials.filter(pa.array(integers(partials[ARRIVAL_DAY]) < day))


@dataclass
class _Loading:
    """One load under way."""

    store: Store
    layout: RecordLayout
    pointer: Pointer
    position: Position
    records: int = 0
    events: int = 0
    written_bytes: int = 0
    portrait_bytes: dict[str, int] = field(default_factory=dict)

    def write_records(self, records: FamilyRecords, partials: Mapping[str, pa.Table]) -> None:
        """Writes the sums and newest values of one family and bucket."""
        found: dict[str, list[bytes]] = {}
        texts: dict[int, str] = {}
        for table in records.family.tables:
            codes = [code for code in records.codes if code.table == table]
            if partials[table.name].num_rows:
                _add_table(found, texts, records, codes, _Rows.of(records, table, partials[table.name]))
        self.records += len(found)
        self._write({key: b"".join(parts) for key, parts in found.items()}, 0, [], texts)

    def write_events(self, counter: Counter, attributes: Attributes, events: pa.Table, midnight: int) -> None:
        """Writes portraits, what sessions may go on from, and which events were counted."""
        batch = EventBatch.of_table(events, attributes)
        recent = events.filter(pa.array(batch.time >= midnight - SESSION_MICROSECONDS))
        sessions = counter.sessions(EventBatch.of_table(recent, attributes))
        portraits = dict(portrait_entries(batch))
        digests = id_digests(batch.listed("event_id"))
        self._write(sessions.entries | portraits, epoch_of(self.layout, midnight - 1), digests, sessions.texts | portrait_texts(batch))
        self.events += batch.size
        for key, data in portraits.items():
            self.portrait_bytes[key] = self.portrait_bytes.get(key, 0) + len(data)
        self._cut([key for key in portraits if is_too_long(self.portrait_bytes[key])])

    def _cut(self, keys: list[str]) -> None:
        if keys:
            found = self.store.read(self.pointer, keys).values
            replaced = {key: cut(data) for key, data in zip(keys, found, strict=True) if data is not None}
            self.store.replace(self.pointer, self.position, replaced, seconds_to_live(self.layout))
            self.portrait_bytes.update({key: len(data) for key, data in replaced.items()})

    def _write(self, entries: Mapping[str, bytes], epoch: int, seen: Sequence[int], texts: Mapping[int, str]) -> None:
        self.written_bytes += sum(map(len, entries.values()))
        names = list(entries)
        for start in range(0, max(1, len(names), len(seen)), KEYS_AT_ONCE):
            end = start + KEYS_AT_ONCE
            part = {name: entries[name] for name in names[start:end]}
            addition = Addition(part, epoch, seen[start:end], texts if start == 0 else {})
            self.store.count(self.pointer, self.position, self.position, addition, seconds_to_live(self.layout))


@dataclass(frozen=True)
class _Rows:
    """The rows of a partial table, those of one record after each other.

    Args:
        partials: the rows.
        names: the keys of the records.
        of_record: the record of each row, by number.
        further: the words of the keys after the first, shape (rows, 0 to 2).
        days: of the events, since 1970.
    """

    partials: pa.Table
    names: list[str]
    of_record: Integers
    further: Integers
    days: Integers

    @classmethod
    def of(cls, records: FamilyRecords, table: PartialTable, partials: pa.Table) -> Self:
        """The rows of a table, in the records that they lie in."""
        (first,), values = encoded([partials[table.keys[0]]])
        further = _key_words(table, partials)
        parts = np.concatenate([first[:, None], further if table in records.apart else further[:, :0]], axis=1)
        order = np.lexsort(parts.T[::-1])
        parts = parts[order]
        is_new = np.concatenate([[True], (np.diff(parts, axis=0) != 0).any(axis=1)])
        texts, group = values.to_pylist(), records.group(table)
        names = [record_key(group, texts[number], *words) for number, *words in parts[is_new].tolist()]
        rows = partials.take(pa.array(order))
        return cls(rows, names, np.cumsum(is_new) - 1, further[order], integers(rows[EVENT_DAY]))

    def add(self, found: dict[str, list[bytes]], words: Integers, bounds: Integers) -> None:
        """Adds words to records, by the bounds of each record."""
        for name, data in zip(self.names, slices(words, bounds), strict=True):
            if data:
                found.setdefault(name, []).append(data)


def _add_table(found: dict[str, list[bytes]], texts: dict[int, str], records: FamilyRecords, codes: Sequence[Code], rows: _Rows) -> None:
    """Adds the entries of one partial table to records."""
    if any(code.names_texts and code.form != "newest" for code in codes):
        texts.update(_texts(rows.partials[codes[0].table.keys[-1]]))
    for code in codes:
        if isinstance(code.part, Newest):
            _add_newest(found, texts, code, code.part, rows)
            continue
        parts = [numbers(rows.partials[code.part.name])]
        if code.form == "sum":
            parts.append(numbers(rows.partials[code.part.name + REST]))
        counts = np.logical_or.reduce([part != 0 for part in parts])
        length = 1 + rows.further.shape[1] + len(parts)
        heads = head(code.number, length, 0) + rows.days * head(0, 0, 1)
        words = np.concatenate([heads[:, None], rows.further, *(part.view(np.int64)[:, None] for part in parts)], axis=1)[counts]
        own = np.bincount(rows.of_record[counts], minlength=len(rows.names))
        rows.add(found, words, np.concatenate([[0], np.cumsum(own * length)]))


def _add_newest(found: dict[str, list[bytes]], texts: dict[int, str], code: Code, newest: Newest, rows: _Rows) -> None:
    """Adds newest values to records."""
    from srp_assets.online.records import counting_kernels as kernels  # numba takes a second to import

    exists = flags(pc.is_valid(rows.partials[f"{newest.name}_id"]))
    own = rows.partials.filter(pa.array(exists))
    values = own[newest.name]
    if pa.types.is_string(values.type):
        texts.update(_texts(values))
        words = _digests(values)
    elif pa.types.is_timestamp(values.type):
        words = integers(values)
    else:
        words = numbers(values).view(np.int64)
    ids = id_words(own[f"{newest.name}_id"].to_pylist())
    heads = head(code.number, 0, 0) + rows.days[exists] * head(0, 0, 1)
    fixed = np.stack([heads, *rows.further[exists].T, integers(own[f"{newest.name}_time"]), words, ids.sizes], axis=1)
    rows.add(found, *kernels.pack_rows(rows.of_record[exists], len(rows.names), fixed, (ids.words, ids.bounds)))


def _key_words(table: PartialTable, partials: pa.Table) -> Integers:
    """The words of the keys after the first, shape (rows, 0 to 2)."""
    if len(table.keys) == 1:
        return np.zeros((partials.num_rows, 0), np.int64)
    last = _digests(partials[table.keys[-1]])
    if len(table.keys) == 2:
        return last[:, None]
    columns = [partials[key].to_pylist() for key in table.keys[1:-1]]
    middle = np.array([digest_of_all(own) for own in zip(*columns, strict=True)], np.int64)
    return np.stack([middle, last], axis=1)


def _digests(column: Any) -> Integers:
    """The digests of texts."""
    (codes,), values = encoded([column])
    return np.array([digest_of(text) for text in values.to_pylist()], np.int64)[codes]


def _texts(column: Any) -> dict[int, str]:
    """The different texts of a column by their digests."""
    return {digest_of(text): text for text in pc.unique(column).to_pylist()}
