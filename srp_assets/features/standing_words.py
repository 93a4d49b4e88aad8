"""Which standing word lists stand in an entity's texts, since when: versions that features take as attributes of a source `item_words`.

The hits are those that the warehouse keeps beside its builds. A row's lists stand since the row changed; where the lists themselves
changed, what they find stands since it was looked for, and what stood before keeps its time: features of the past do not learn of a word
that was added later. So a file of versions is made of the one before it and of what was found now, and files are never changed.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Connection

from srp_assets.features.attributes import UPDATED_AT
from srp_assets.features.registry_words import KeptHits, kept_hits
from srp_assets.warehouse.catalogue import Entity
from srp_assets.warehouse.registry_builds import Build, current_builds
from srp_assets.warehouse.schema import TIMESTAMP
from srp_assets.warehouse.storage import Storage

SUFFIX = "_words"
"""What the name of a source has after that of the entity whose texts are meant."""

WORD_LISTS = "word_lists"
"""The column of the versions: the ids of the lists, in order; an empty list where none stands in the texts."""

FOLDER = "words"
LANDED_AT = "landed_at"


def entity_of(source: str, entities: Mapping[str, Entity]) -> str | None:
    """The entity whose words a source is about; None for any other source."""
    name = source.removesuffix(SUFFIX)
    return name if name != source and name in entities else None


def word_versions(connection: Connection, warehouse: Storage, features: Storage, name: str, entity: Entity, key: str) -> tuple[str, ...]:
    """The file of versions of an entity's words that follows from what is kept now, written if it is not there yet.

    Relative to the storage of features; nothing where no list was ever looked for.

    Args:
        connection: of the registry.
        warehouse: the storage of builds and hits.
        features: where versions are kept.
        name: of the entity.
        entity: its declaration.
        key: the column that features name it by.
    """
    kept = kept_hits(connection, name)
    builds = [build for build in current_builds(connection, entity=name) if build.build_id in kept]
    folder = f"{FOLDER}/{name}"
    written = [path for path, _ in features.files(folder)] if features.exists(folder) else []
    if not builds:
        return tuple(written[-1:])
    newest, latest = max(kept[build.build_id].hits_id for build in builds), max(build.build_id for build in builds)
    path = f"{folder}/{newest:012d}-{latest:012d}.parquet"
    if path not in written:
        before = [other for other in written if other < path]
        known = features.read(before[-1]) if before else None
        found = [table for build in builds for table in _words_of_build(warehouse, entity, key, build, kept[build.build_id])]
        features.write(path, next_versions(known, pa.concat_tables(found), key))
    return (path,)


def next_versions(known: pa.Table | None, found: pa.Table, key: str) -> pa.Table:
    """The versions that stand after something was looked for.

    Args:
        known: the versions before, if there were any: the key, `updated_at`, and `word_lists`.
        found: the same of every row, with `looked_at`, when its words were looked for.
        key: the name of the key.
    """
    plain = found.drop_columns(["looked_at"])
    if known is None:
        return plain.sort_by([(key, "ascending"), (UPDATED_AT, "ascending")])
    last: dict[str, tuple[int, list[str]]] = {}
    for row_key, since, lists in _rows(known, key):
        if row_key not in last or since >= last[row_key][0]:
            last[row_key] = (since, lists)
    looked_at = found["looked_at"].to_pylist()
    added, times = [], []
    for place, (row_key, since, lists) in enumerate(_rows(found, key)):
        before = last.get(row_key)
        if before is None or lists != before[1]:
            added.append(place)
            # A row that changed says itself since when; one that did not has other lists because the lists changed.
            times.append(since if before is None or since > before[0] else max(looked_at[place], before[0] + 1))
    new = plain.take(pa.array(added, pa.int64()))
    new = new.set_column(new.schema.get_field_index(UPDATED_AT), UPDATED_AT, pa.array(times, pa.int64()).cast(TIMESTAMP))
    return pa.concat_tables([known, new]).sort_by([(key, "ascending"), (UPDATED_AT, "ascending")])


def _rows(table: pa.Table, key: str) -> Iterator[tuple[str, int, list[str]]]:
    times = table[UPDATED_AT].cast(TIMESTAMP).cast(pa.int64()).to_pylist()
    return zip(table[key].to_pylist(), times, table[WORD_LISTS].to_pylist(), strict=True)


def _words_of_build(warehouse: Storage, entity: Entity, key: str, build: Build, kept: KeptHits) -> Iterator[pa.Table]:
    """The lists of every row of a build, by the files of the build."""
    since = entity.updated_at or LANDED_AT
    paths = {file: path for path, files in kept.files for file in files}
    for number, file in enumerate(build.files):
        rows = warehouse.read(file.path, columns=[key, since])
        found = _hits(warehouse, paths[number], number) if number in paths else None
        lists = lists_of_rows(found, rows.num_rows)
        yield pa.table(
            {
                key: pc.cast(rows[key], pa.string()),
                UPDATED_AT: rows[since].cast(TIMESTAMP),
                WORD_LISTS: lists,
                "looked_at": pa.array(np.full(rows.num_rows, kept.since, np.int64)),
            }
        )


def _hits(warehouse: Storage, path: str, file: int) -> pa.Table:
    """The rows of a built file that lists hit, each with the list."""
    columns = ["row", "list"]
    return pq.read_table(
        warehouse.path(path), columns=columns, filters=[("file", "=", file)], filesystem=warehouse.filesystem, partitioning=None
    )


def lists_of_rows(hits: pa.Table | None, rows: int) -> pa.Array:
    """The lists of each of some rows, each list once, in order; hits are many for a row and in any order."""
    own: list[Sequence[str]] = [() for _ in range(rows)]
    if hits is not None:
        by_row: dict[int, set[str]] = {}
        for row, name in zip(hits["row"].to_pylist(), hits["list"].to_pylist(), strict=True):
            by_row.setdefault(row, set()).add(name)
        for row, names in by_row.items():
            own[row] = sorted(names)
    return pa.array(own, pa.list_(pa.string()))
