"""Compares a day: reads what was served and what is computed again, a part of the traces at a time, and says what is to be recorded."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Engine

from srp_assets.embeddings.registry import versions as embedding_versions
from srp_assets.embeddings.vectors import ItemVectors, read_vectors
from srp_assets.embeddings.weekly.files import VECTORS
from srp_assets.features.building.days import days_before, version_files
from srp_assets.features.building.files import read_versions
from srp_assets.logs.tables import built_days, landed_log_files
from srp_assets.online.parity.registry import newest_records
from srp_assets.online.parity.samples import read_samples
from srp_assets.progress import Progress
from srp_assets.sequences.building.columns import USER, context_columns, kept_columns
from srp_assets.sequences.differences.attributing import MOST_EXPLAINED, Background, Compared, actions_of, compare
from srp_assets.sequences.differences.comparing import what_was_asked
from srp_assets.sequences.differences.figures import FeaturesOfTraces, day_figures
from srp_assets.sequences.differences.limits import check_limits, problems_of
from srp_assets.sequences.differences.registry import DifferenceRecord
from srp_assets.sequences.differences.scalars import feature_figures
from srp_assets.sequences.differences.spooling import Side, parts_of
from srp_assets.sequences.differences.staleness import AskedRows
from srp_assets.sequences.places import SequencePlaces, digest_of
from srp_assets.sequences.registry import SequenceBuild, ServedFile, current_builds, served_files
from srp_assets.sequences.search.tables import CATEGORY
from srp_assets.warehouse.registry import last_ingest
from srp_assets.warehouse.storage import Storage

OLDER_VECTORS = 2
"""Versions of vectors before the current one that hypotheses may try."""


def days_to_compare(connection: Connection, places: SequencePlaces) -> dict[str, str]:
    """The days on which something was served, with the digest of what a comparison reads."""
    served = served_files(connection)
    builds = current_builds(connection, "stages", places.current(connection).identity("stages"))
    return {day: _reads(places, files, builds.get(day)) for day, files in served.items()}


def compare_day(
    engine: Engine,
    places: SequencePlaces,
    day: str,
    *,
    most: int = MOST_EXPLAINED,
    parity: Storage | None = None,
    run_id: str | None = None,
    progress: Progress | None = None,
) -> DifferenceRecord:
    """Compares what was served on a day with its stages; returns the record, which nobody has recorded yet.

    Args:
        engine: of the registry.
        places: where sequences are.
        day: of the requests, as 2024-03-09.
        most: how many differing traces hypotheses are tried on.
        parity: the storage of the samples of parity, whose scalar features are explained beside the sequences.
        run_id: recorded.
        progress: told how many traces are compared.

    Raises:
        InvalidInput: if the declaration has a limit of a cause that does not exist.
    """
    check_limits(places.document)
    with engine.connect() as connection:
        places = places.current(connection)
        files = served_files(connection, day, day).get(day, [])
        build = current_builds(connection, "stages", places.identity("stages")).get(day)
        background = None if not files or build is None else _background(connection, places, day)
    if background is None or build is None:
        reason = "nothing was served" if not files else "the stages of the day are not built"
        return _record(places, day, _reads(places, files, build), run_id, reason=reason)
    served, offline = Side(places.sequences, [file.path for file in files]), Side(places.sequences, build.files)
    count, parts = parts_of(served, offline)
    compared: list[Compared] = []
    for number, (own, other) in enumerate(parts):
        if progress:
            progress(f"comparing what was served on {day}", number, count)
        asked = what_was_asked(own, other, every_request=places.document.differences.every_request)
        tried = sum(difference.tried for part in compared for difference in part.differences)
        # Each part may use what the ones before it left of its share.
        compared.append(compare(own, asked, background, max(0, most * (number + 1) // count - tried)))
    features = None if parity is None else _features(engine, places, parity, day)
    figures = day_figures(day, places.document, compared, features)
    problems = problems_of(figures, places.document)
    versions = {sequence.name: places.document.version(sequence) for sequence in places.document.sequences}
    return DifferenceRecord(
        difference_id=0,
        day=day,
        document=places.document.name,
        reads=_reads(places, files, build),
        passed=not any(problems.values()),
        reasons=(),
        versions=versions,
        problems=problems,
        figures=figures,
        compared_at=datetime.now(UTC),
        run_id=run_id,
    )


def _background(connection: Connection, places: SequencePlaces, day: str) -> Background:
    definitions, features = places.layout.definitions, places.features
    first, following = days_before(day, places.document.portrait.days), (date.fromisoformat(day) + timedelta(days=1)).isoformat()
    paths = [path for built in built_days(connection, "actions", first, following).values() for path in built.paths]
    # What the category is follows from the item and the day: no log has it.
    columns = [name for name in kept_columns(places.document, definitions) if name != CATEGORY]

    def actions(users: pa.Array, events: pa.Array) -> pa.Table:
        own = set(users.to_pylist())
        found = [actions_of(features.logs.read(path, columns), users, events) for path in paths]
        table = pa.concat_tables(found, promote_options="default") if found else pa.table({name: [] for name in columns})
        owners = pc.unique(table[USER]).drop_null()
        if set(owners.to_pylist()) <= own:
            return table
        # The other users' actions on days on which none of them was served are needed, too.
        return pa.concat_tables([_of(features.logs.read(path, columns), owners) for path in paths], promote_options="default")

    attributes = sorted({name for source in definitions.attributes.values() for name in source.columns})
    versions = read_versions(definitions, version_files(connection, features, places.layout, last_ingest(connection)), attributes)
    return Background(places.document, definitions, actions, versions, _vectors(connection, places), _requests(connection, places, day))


def _features(engine: Engine, places: SequencePlaces, parity: Storage, day: str) -> FeaturesOfTraces | None:
    """What tells the causes of scalar features, where the day's parity was checked."""
    with engine.connect() as connection:
        records = newest_records(connection, day, day)
        asked = _requests(connection, places, day, ["event_time", USER])
    pairs = read_samples(parity, records.values())
    if not pairs.num_rows:
        return None
    rows = None if asked is None else AskedRows(asked)
    return lambda causes: feature_figures(pairs, places.layout.definitions, causes, rows)


def _of(actions: pa.Table, users: pa.Array) -> pa.Table:
    return actions.filter(pc.is_in(actions[USER], users))


def _vectors(connection: Connection, places: SequencePlaces) -> dict[str, ItemVectors]:
    """The current vectors, and those of some versions before them."""
    if places.document.embeddings is None or places.vectors is None:
        return {}
    found = {places.vectors[2]: read_vectors(places.vectors[0], places.vectors[1])}
    for version in embedding_versions(connection, places.document.embeddings)[: OLDER_VECTORS + 1]:
        path = f"{version.folder}/{VECTORS}"
        if version.version not in found and places.embeddings.exists(path):
            found[version.version] = read_vectors(places.embeddings, path)
    return found


def _requests(connection: Connection, places: SequencePlaces, day: str, others: Sequence[str] = ()) -> pa.Table | None:
    """The context of the requests of a day, from their log, with some other columns of it."""
    log = places.logs.of_role("request")
    if log is None:
        return None
    names = ["trace_id", *others, *(name for name in context_columns(places.layout.definitions) if name in log.columns and name != USER)]
    landed = landed_log_files(connection, log.name, days_before(day, 1), day)
    found = [places.features.logs.read(path, names) for files in landed.values() for path in files.rows]
    return pa.concat_tables(found, promote_options="default") if found else None


def _reads(places: SequencePlaces, files: list[ServedFile], build: SequenceBuild | None) -> str:
    stages = None if build is None else [build.build_id, build.reads, build.identity]
    return digest_of([[file.path for file in files], stages, places.document.differences.model_dump()])


def _record(places: SequencePlaces, day: str, reads: str, run_id: str | None, *, reason: str) -> DifferenceRecord:
    now = datetime.now(UTC)
    return DifferenceRecord(0, day, places.document.name, reads, False, (reason,), {}, {}, None, now, run_id)
