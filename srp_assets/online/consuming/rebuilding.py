"""The store of a home from what the home has built: loaded for a day and brought up to a time, or read on from where it was."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine

from srp_assets.errors import Conflict
from srp_assets.features.building.days import Places, days_before, number_of, partial_files, version_files
from srp_assets.features.registry import record_definitions
from srp_assets.features.times import MICROSECONDS_OF_DAY
from srp_assets.logs.tables import built_days
from srp_assets.online.consuming.consumer import Consumed, Consumer, open_consumer
from srp_assets.online.consuming.loading import DayInputs, load_day
from srp_assets.online.consuming.stream import ActionFiles, events_of
from srp_assets.online.records.layout import RecordLayout
from srp_assets.online.registry import Load, record_load
from srp_assets.online.store import Store
from srp_assets.progress import Progress
from srp_assets.warehouse.registry import last_ingest


def action_files(connection: Connection, places: Places, first: str | None = None, last: str | None = None) -> ActionFiles:
    """The built actions of some days, or of all."""
    built = built_days(connection, "actions", first, last)
    return ActionFiles(places.logs, {number_of(day): own.paths for day, own in built.items()})


def newest_built_day(connection: Connection) -> str:
    """The last day of which actions are built.

    Raises:
        Conflict: if there is none.
    """
    days: Sequence[str] = sorted(built_days(connection, "actions"))
    if not days:
        raise Conflict("no logs are built", where="logs/actions", remedy="srp logs --build")
    return days[-1]


def rebuild(
    engine: Engine,
    store: Store,
    layout: RecordLayout,
    places: Places,
    day: str,
    until: int,
    *,
    run_id: str | None = None,
    progress: Progress | None = None,
) -> Load:
    """Loads the beginning of a day aside, counts what became known from then on, and makes it what requests are answered from.

    Args:
        engine: of the registry.
        store: that is filled.
        layout: of its records.
        places: where partial sums, logs and attributes are.
        day: as 2024-03-09.
        until: before which time events are counted, microseconds since 1970.
        run_id: recorded with the load.
        progress: told how far it is.

    Raises:
        Conflict: if partial sums of days that windows reach are not built.
        Unavailable: if the store does not answer; then requests go on being answered from what was there before.
    """
    definitions = layout.definitions
    first = days_before(day, definitions.lookback_days)
    with engine.connect() as connection:
        through = last_ingest(connection)
        partials = partial_files(connection, places, layout.layout, day, days_before(day, 1))
        versions = version_files(connection, places, layout.layout, through)
        inputs = DayInputs(partials, places.buckets, versions, action_files(connection, places, first))
    loaded = load_day(store, layout, inputs, number_of(day), day, progress)
    try:
        consumer = Consumer(store, layout, loaded.pointer)
        replayed = _read_on(consumer, layout, inputs.actions, until, progress)
        store.make_current(loaded.pointer)
    except BaseException:
        store.delete(loaded.pointer)
        raise
    load = Load(
        load_id=0,
        day=day,
        generation=loaded.pointer.generation,
        records=layout.digest,
        definitions=definitions.digest,
        attributes_ingest=through,
        keys=loaded.records,
        portraits=loaded.portraits,
        events=loaded.events,
        replayed=replayed.events,
        loaded_at=datetime.now(UTC),
        run_id=run_id,
    )
    with engine.begin() as connection:
        record_definitions(connection, definitions)
        record_load(connection, load)
    return load


def consume_built(
    engine: Engine, store: Store, layout: RecordLayout, places: Places, until: int, progress: Progress | None = None
) -> Consumed:
    """Counts the built actions that became known since the store was last brought up to date.

    Raises:
        Conflict: if the store is empty or of other definitions, or somebody else counts events.
        Unavailable: if the store does not answer.
    """
    pointer = store.pointer()
    if pointer is None:
        raise Conflict("the store is empty", where="the online store", remedy="srp online rebuild")
    consumer = open_consumer(store, layout)
    with engine.connect() as connection:
        files = action_files(connection, places)
    return _read_on(consumer, layout, files, until, progress)


def _read_on(consumer: Consumer, layout: RecordLayout, files: ActionFiles, until: int, progress: Progress | None) -> Consumed:
    """Counts what became known from the position on, a day after the other."""
    first = consumer.position.consumed_to
    events = duplicates = 0
    if files.paths:
        first = max(first, min(files.paths) * MICROSECONDS_OF_DAY)
    for part in files.known_between(layout.definitions, first, until, layout.definitions.lookback_days):
        if progress:
            progress("counting events", events, 0)
        known = part["known"].to_pylist()
        counted = consumer.consume(events_of(part), known[-1] + 1 if known else consumer.position.consumed_to)
        events, duplicates = events + counted.events, duplicates + counted.duplicates
    consumer.consume([], until)
    return Consumed(events, duplicates)
