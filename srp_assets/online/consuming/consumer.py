"""Counts the events of a stream, each exactly once, in the order in which they were known.

An event is *known* when it has happened and arrived: who reads the stream holds events back whose clock runs ahead. Of several rows with
one event_id the first that comes counts, over as many days as windows reach; what comes again is left out. After each batch the position in
the store says how far the stream was read, in the same step in which the batch counts: whoever goes on from there, or from anywhere before
it, after whatever, counts nothing twice and leaves nothing out. An event that comes after the stream was read beyond it counts from then
on, and is counted as late.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from srp_assets.errors import Conflict
from srp_assets.features.times import MICROSECONDS_OF_DAY
from srp_assets.online.attributes import Attributes, attributes_of
from srp_assets.online.consuming.batch import Event, EventBatch
from srp_assets.online.consuming.counting import Counter
from srp_assets.online.consuming.portraits import portrait_entries, portrait_texts
from srp_assets.online.portrait import cut, is_too_long
from srp_assets.online.records.compaction import Compactor
from srp_assets.online.records.digests import id_digests
from srp_assets.online.records.layout import RecordLayout
from srp_assets.online.store import PORTRAIT, Addition, Pointer, Position, Store, group_of

SECONDS_OF_DAY = 86_400

SPARE_DAYS = 2
"""Days beyond the longest window for which the store remembers: that window's own day, and one for clocks that differ."""

SMALLEST_COMPACTED = 1_024
"""Bytes below which no record is worth writing anew."""

GROWTH = 2
"""How many times its last compacted length a record may grow to: so each byte is written anew about once."""

BATCH_EVENTS = 2_000
"""Events that are counted in one step."""


def known_time(event: Mapping[str, Any]) -> int:
    """When an event has happened and arrived, microseconds since 1970."""
    return max(event["event_time"], event["arrival_time"])


def order_of(event: Mapping[str, Any]) -> tuple[int, str]:
    """The order of the stream."""
    return known_time(event), event["event_id"]


def epoch_of(layout: RecordLayout, time: int) -> int:
    """The epoch whose sets remember an event that is counted at a time: an event is looked for in its own epoch and the last one."""
    return time // MICROSECONDS_OF_DAY // (layout.definitions.lookback_days + SPARE_DAYS)


def seconds_to_live(layout: RecordLayout) -> int:
    """How long what nothing is added to stays: two epochs, which is longer than any window."""
    return 2 * (layout.definitions.lookback_days + SPARE_DAYS) * SECONDS_OF_DAY


@dataclass(frozen=True)
class Consumed:
    """What a call of `consume` did."""

    events: int
    duplicates: int


class Consumer:
    """The one writer of a generation.

    Args:
        store: where to.
        layout: of the records.
        pointer: the generation; it need not be current yet.
        smallest_compacted: bytes below which no record is written anew.

    Raises:
        Conflict: if the generation is of another layout.
    """

    def __init__(self, store: Store, layout: RecordLayout, pointer: Pointer, smallest_compacted: int = SMALLEST_COMPACTED) -> None:
        if difference := layout.difference(pointer.records):
            raise Conflict(f"the online store holds {difference}", where="the online store", remedy="srp online rebuild")
        self._store = store
        self._layout = layout
        self._pointer = pointer
        self._counter = Counter(layout)
        self._compactors = {group: Compactor(family) for family in layout.families for group in family.groups}
        self._smallest_compacted = smallest_compacted
        self._compacted_length: dict[str, int] = {}
        self._written_texts: set[int] = set()
        self._attributes = self._read_attributes()
        self.position = store.position(pointer)

    def _read_attributes(self) -> Attributes:
        definitions = self._layout.definitions
        return attributes_of(definitions, self._store.attributes(self._pointer, list(definitions.attributes)))

    def renew_attributes(self, pointer: Pointer) -> None:
        """Describes what comes by the attributes that another pointer of the same generation names."""
        self._pointer = pointer
        self._attributes = self._read_attributes()

    def consume(self, events: Iterable[Event], consumed_to: int) -> Consumed:
        """Counts events.

        Args:
            events: rows of `logs/actions` with times in microseconds, in the order of (known time, event_id), known before `consumed_to`.
            consumed_to: before which time every event that has come is among them, or was before.

        Raises:
            Conflict: if somebody else counted events of this generation.
            Unavailable: if the store does not answer; then some batches may have been counted, and the call may be repeated.
        """
        waiting: list[Event] = []
        before = self.position
        for event in events:
            waiting.append(event)
            if len(waiting) == BATCH_EVENTS:
                self._count(waiting, self.position.consumed_to)
                waiting = []
        self._count(waiting, max(consumed_to, self.position.consumed_to))
        return Consumed(self.position.events - before.events, self.position.duplicates - before.duplicates)

    def _count(self, events: Sequence[Event], consumed_to: int) -> None:
        """Counts one batch."""
        ordered = sorted(events, key=order_of)
        # By the stream's clock, not the event's: what comes late is found again where the newest are.
        newest = max(self.position.known_time, known_time(ordered[-1]) if ordered else 0)
        epoch = epoch_of(self._layout, newest)
        new, digests = self._without_duplicates(ordered, epoch)
        batch = EventBatch.of_events(new, self._attributes)
        counted = self._counter.count(batch)
        counted.add(portrait_entries(batch))
        texts = counted.texts | portrait_texts(batch)
        late = sum(known_time(event) < self.position.consumed_to for event in new)
        after = replace(
            self.position,
            known_time=newest,
            consumed_to=consumed_to,
            events=self.position.events + len(new),
            duplicates=self.position.duplicates + len(ordered) - len(new),
            late=self.position.late + late,
        )
        if after == self.position:
            return
        added = {digest: text for digest, text in texts.items() if digest not in self._written_texts}
        addition = Addition(counted.entries, epoch, digests, added)
        lengths = self._store.count(self._pointer, self.position, after, addition, seconds_to_live(self._layout))
        self.position = after
        self._written_texts.update(added)
        self._compact([key for key, length in zip(counted.entries, lengths, strict=True) if self._is_grown(key, length)])

    def _without_duplicates(self, events: Sequence[Event], epoch: int) -> tuple[list[Event], list[int]]:
        """The events that were not counted before, neither in the store nor earlier among these; and the digests of their ids."""
        digests = id_digests([event["event_id"] for event in events])
        known = self._store.seen(self._pointer, epoch, digests)
        new: list[Event] = []
        kept: list[int] = []
        here: set[str] = set()
        for event, digest, was_counted in zip(events, digests, known, strict=True):
            if not was_counted and event["event_id"] not in here:
                here.add(event["event_id"])
                new.append(event)
                kept.append(digest)
        return new, kept

    def _is_grown(self, key: str, length: int) -> bool:
        if key.startswith(PORTRAIT):
            return is_too_long(length)
        return length > max(self._smallest_compacted, GROWTH * self._compacted_length.get(key, 0))

    def _compact(self, keys: Sequence[str]) -> None:
        """Writes records anew that have grown."""
        if not keys:
            return
        found = self._store.read(self._pointer, keys).values
        replaced = {key: self._compacted(key, data) for key, data in zip(keys, found, strict=True) if data is not None}
        self._store.replace(self._pointer, self.position, replaced, seconds_to_live(self._layout))
        self._compacted_length.update({key: len(data) for key, data in replaced.items()})

    def _compacted(self, key: str, data: bytes) -> bytes:
        if key.startswith(PORTRAIT):
            return cut(data)
        return self._compactors[group_of(key)].compacted(data, self.position.known_time)


def open_consumer(store: Store, layout: RecordLayout) -> Consumer:
    """The consumer of the generation that counts; the store's first one is made if there is none.

    Raises:
        Conflict: if the store holds records of other definitions.
    """
    pointer = store.pointer()
    if pointer is None:
        pointer = store.begin(layout.digest, "", Position())
        store.make_current(pointer)
    return Consumer(store, layout, pointer)
