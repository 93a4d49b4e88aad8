"""Loads a day's beginning into the store: everything that was known before its midnight, from the partial sums of the days before.

What is loaded is a generation of its own, which somebody makes current when it is complete, and from whose midnight on the stream is read:
every morning, or in the middle of a day after the store was lost.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.aggregation.layout import Newest, PartialTable
from srp_assets.features.aggregation.partials import ARRIVAL_DAY, EVENT_DAY, REST
from srp_assets.features.aggregation.rows import Flags, Integers, encoded, integers, numbers
from srp_assets.features.building.files import PartialFiles, VersionFiles, read_versions
from srp_assets.features.times import LONGEST_SESSION, MICROSECONDS_OF_DAY
from srp_assets.online.attributes import Attributes, table_bytes
from srp_assets.online.consuming.consumer import BATCH_EVENTS, epoch_of, seconds_to_live
from srp_assets.online.consuming.counting import Counter, Event
from srp_assets.online.consuming.stream import ActionFiles, events_of
from srp_assets.online.portrait import cut, is_too_long, portrait_entry
from srp_assets.online.records.digests import digest_of, digest_of_all
from srp_assets.online.records.entries import WORD, head, newest_entry, number_word
from srp_assets.online.records.layout import Code, FamilyRecords, RecordLayout
from srp_assets.online.store import Addition, Pointer, Position, Store, portrait_key, record_key, seen_key
from srp_assets.progress import Progress

KEYS_AT_ONCE = 2_000
"""Records that are written in one step."""

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
    stream = inputs.actions.read(layout.definitions, reach, 0, midnight)
    loading.write_events(Attributes(layout.definitions, tables), events_of(stream), midnight)
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
            _add_table(found, texts, table, codes, partials[table.name])
        entries = {record_key(records.family.key, value): b"".join(parts) for value, parts in found.items()}
        self.records += len(entries)
        self._write(entries, [], texts)

    def write_events(self, attributes: Attributes, events: Iterable[Event], midnight: int) -> None:
        """Writes portraits, what sessions may go on from, and which events were counted."""
        counter = Counter(self.layout)
        for batch in _batches(events):
            texts: dict[int, str] = {}
            portraits: dict[str, list[bytes]] = {}
            for event in batch:
                if event["user_id"] is not None:
                    portraits.setdefault(portrait_key(event["user_id"]), []).append(portrait_entry(event, texts))
            recent = [event for event in batch if event["event_time"] >= midnight - SESSION_MICROSECONDS]
            sessions = counter.sessions({**event, **attributes.of_event(event)} for event in recent)
            entries = {record_key(*record): data for record, data in sessions.entries.items()}
            entries |= {key: b"".join(parts) for key, parts in portraits.items()}
            epoch = epoch_of(self.layout, midnight - 1)
            self._write(entries, [seen_key(event["event_id"], epoch) for event in batch], texts | sessions.texts)
            self.events += len(batch)
            for key in portraits:
                self.portrait_bytes[key] = self.portrait_bytes.get(key, 0) + len(entries[key])
            self._cut([key for key in portraits if is_too_long(self.portrait_bytes[key])])

    def _cut(self, keys: list[str]) -> None:
        if keys:
            found = self.store.read(self.pointer, keys).values
            replaced = {key: cut(data) for key, data in zip(keys, found, strict=True) if data is not None}
            self.store.replace(self.pointer, self.position, replaced, seconds_to_live(self.layout))
            self.portrait_bytes.update({key: len(data) for key, data in replaced.items()})

    def _write(self, entries: Mapping[str, bytes], seen: list[tuple[str, int]], texts: Mapping[int, str]) -> None:
        self.written_bytes += sum(map(len, entries.values()))
        names = list(entries)
        for start in range(0, max(1, len(names)), KEYS_AT_ONCE):
            part = {name: entries[name] for name in names[start : start + KEYS_AT_ONCE]}
            first = start == 0
            addition = Addition(part, seen if first else [], texts if first else {})
            self.store.count(self.pointer, self.position, self.position, addition, seconds_to_live(self.layout))


def _batches(events: Iterable[Event]) -> Iterator[list[Event]]:
    waiting: list[Event] = []
    for event in events:
        waiting.append(event)
        if len(waiting) == BATCH_EVENTS:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _add_table(found: dict[str, list[bytes]], texts: dict[int, str], table: PartialTable, codes: list[Code], partials: pa.Table) -> None:
    """Adds the entries of one partial table to records, by the value of their first key."""
    if not partials.num_rows:
        return
    partials = partials.take(pc.sort_indices(partials, sort_keys=[(table.keys[0], "ascending")]))
    (of_row,), values = encoded([partials[table.keys[0]]])
    names = values.to_pylist()
    keys = _key_words(table, partials, texts, names_last=any(code.names_texts and code.form != "newest" for code in codes))
    days = integers(partials[EVENT_DAY])
    for code in codes:
        if isinstance(code.part, Newest):
            _add_newest(found, texts, code, code.part, partials, keys, days)
            continue
        parts = [numbers(partials[code.part.name])]
        if code.form == "sum":
            parts.append(numbers(partials[code.part.name + REST]))
        counts = np.logical_or.reduce([part != 0 for part in parts])
        words = _words(code, keys, days, parts)[counts]
        _add_rows(found, names, of_row[counts], words)


def _key_words(table: PartialTable, partials: pa.Table, texts: dict[int, str], *, names_last: bool) -> Integers:
    """The words of the keys after the first, shape (rows, 0 to 2)."""
    if len(table.keys) == 1:
        return np.zeros((partials.num_rows, 0), np.int64)
    (codes,), values = encoded([partials[table.keys[-1]]])
    digests = np.array([digest_of(text) for text in values.to_pylist()], np.int64)
    if names_last:
        texts.update(zip(digests.tolist(), values.to_pylist(), strict=True))
    last = digests[codes]
    if len(table.keys) == 2:
        return last[:, None]
    columns = [partials[key].to_pylist() for key in table.keys[1:-1]]
    middle = np.array([digest_of_all(own) for own in zip(*columns, strict=True)], np.int64)
    return np.stack([middle, last], axis=1)


def _words(code: Code, keys: Integers, days: Integers, parts: list[Any]) -> Integers:
    """Entries of sums, shape (rows, words)."""
    length = 1 + keys.shape[1] + len(parts)
    heads = head(code.number, length, 0) + days * head(0, 0, 1)
    return np.concatenate([heads[:, None], keys, *(part.view(np.int64)[:, None] for part in parts)], axis=1)


def _add_rows(found: dict[str, list[bytes]], names: list[str], of_row: Integers, words: Integers) -> None:
    """Adds rows of words to records; rows of one record follow each other."""
    if not len(of_row):
        return
    data, width = np.ascontiguousarray(words).tobytes(), words.shape[1] * WORD
    borders = np.flatnonzero(np.diff(of_row)) + 1
    for start, end in zip([0, *borders.tolist()], [*borders.tolist(), len(of_row)], strict=True):
        found.setdefault(names[of_row[start]], []).append(data[start * width : end * width])


def _add_newest(
    found: dict[str, list[bytes]], texts: dict[int, str], code: Code, newest: Newest, partials: pa.Table, keys: Integers, days: Integers
) -> None:
    exists: Flags = np.asarray(pc.is_valid(partials[f"{newest.name}_id"]))
    rows = partials.filter(pa.array(exists))
    values = rows[newest.name]
    words = values.cast(pa.int64()).to_pylist() if pa.types.is_timestamp(values.type) else values.to_pylist()
    times = integers(rows[f"{newest.name}_time"]).tolist()
    ids = rows[f"{newest.name}_id"].to_pylist()
    names = rows[code.table.keys[0]].to_pylist()
    for name, own, day, time, value, event_id in zip(names, keys[exists].tolist(), days[exists].tolist(), times, words, ids, strict=True):
        if isinstance(value, str):
            word = digest_of(value)
            texts[word] = value
        else:
            word = number_word(value) if isinstance(value, float) else value
        found.setdefault(name, []).append(newest_entry(code.number, tuple(own), day, time, word, event_id))
