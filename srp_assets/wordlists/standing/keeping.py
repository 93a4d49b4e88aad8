"""Keeping the hits of the standing lists with built periods: which builds are scanned, and the record that makes their hits count.

The hits of a run lie in a folder of its own below `hits/`; nothing names it until all of it is written, so a run that is interrupted leaves
what was kept as it was. Builds never wait for their hits: a scan that finds none looks for the lists itself.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import Engine

from srp_assets.errors import Conflict
from srp_assets.progress import Progress
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import Build, current_builds
from srp_assets.warehouse.retention import BROKEN_OFF_AFTER, run_folders
from srp_assets.warehouse.scan_units import SLOT_BYTES, spread, unit_of
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists.registry import (
    HitFile,
    StandingHits,
    current_hits,
    forget_hits,
    hit_paths,
    record_hits,
    retire_hits,
    stale_hits,
    unused_hits,
)
from srp_assets.wordlists.resolved import ResolvedList
from srp_assets.wordlists.standing.hit_scan import HitsOrder, Piece
from srp_assets.wordlists.standing.lists import hits_digest, mark_of, text_features

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HITS_FOLDER = "hits"


def bring_hits_up_to_date(
    session: Callable[[], "SparkSession"],
    engine: Engine,
    storage: Storage,
    catalogue: Catalogue,
    entity: str,
    periods: Iterable[str],
    lists: Sequence[ResolvedList],
    *,
    products: Sequence[str] | None = None,
    only_changed: bool = False,
    run_id: str | None = None,
    progress: Progress | None = None,
) -> list[StandingHits]:
    """Looks for the standing lists in the current builds of periods of an entity, in one Spark job; returns what is kept of them then.

    Where no list is standing, what was kept is taken out of use.

    Args:
        session: called when Spark is needed.
        engine: of the registry.
        storage: of the warehouse.
        catalogue: that declares the entity.
        entity: its name.
        periods: which; those that are not built are left alone.
        lists: the standing lists of today.
        products: only these.
        only_changed: leaves out builds whose hits are those of these lists.
        run_id: recorded with the hits.
        progress: told what is being done.

    Raises:
        Conflict: if not every row of a build was looked at.
        Unavailable: if Spark or the disk fails; what was kept stays then.
    """
    features = text_features(catalogue.entities[entity])
    digest = hits_digest(features, lists)
    wanted = set(periods)
    with engine.connect() as connection:
        builds = [build for build in current_builds(connection, entity=entity, products=products) if build.period in wanted]
        stale = set(stale_hits(connection, entity=entity, digest=digest, products=products))
    chosen = [build for build in builds if build.key in stale or not only_changed]
    if digest is None:
        with engine.begin() as connection:
            retire_hits(connection, [build.build_id for build in chosen])
    elif chosen:
        if progress:
            progress(f"looking for {len(lists)} standing lists in {len(chosen):,} periods of {entity}", 0, 0)
        _scan(session, engine, storage, chosen, features, lists, digest, run_id)
    with engine.connect() as connection:
        kept = current_hits(connection, entity=entity, products=products)
    return [kept[build.build_id] for build in builds if build.build_id in kept]


def _scan(
    session: Callable[[], "SparkSession"],
    engine: Engine,
    storage: Storage,
    builds: Sequence[Build],
    features: dict[str, tuple[str, ...]],
    lists: Sequence[ResolvedList],
    digest: str,
    run_id: str | None,
) -> None:
    from srp_assets.wordlists.standing.plan_hits import (  # brings pyspark and numba: seconds that only a scan should cost
        PieceCount,
        write_hits,
    )

    folder = f"{HITS_FOLDER}/{builds[0].entity}/{uuid4().hex}"
    pieces = pieces_of(builds, folder)
    counts: list[PieceCount] = []
    try:
        if pieces:
            order = HitsOrder(features=features, lists=tuple(lists), pieces=pieces, slots=spread([piece.bytes for piece in pieces]))
            counts = write_hits(session(), storage, order, f"{folder}/order/order.json")
            storage.delete_tree(f"{folder}/order")
        found = hits_of_builds(builds, pieces, counts, features, lists, digest, run_id)
    except BaseException:
        storage.delete_tree(folder)
        raise
    # From here on the folder stays whatever happens: where a commit's answer is lost, the registry may name it.
    with engine.begin() as connection:
        record_hits(connection, found)


def pieces_of(builds: Sequence[Build], folder: str) -> tuple[Piece, ...]:
    """The files of builds in pieces of about what one Spark task reads, so that a small build has one file of hits."""
    pieces: list[Piece] = []
    for place, build in enumerate(builds):
        chunks: list[list[int]] = [[]]
        size = 0
        for number, file in enumerate(build.files):
            if size >= SLOT_BYTES:
                chunks.append([])
                size = 0
            chunks[-1].append(number)
            size += file.bytes
        for part, files in enumerate(chunks):
            if files:
                units = tuple(unit_of(build, build.files[file]) for file in files)
                path = f"{folder}/{build.build_id}/hits-{part:05d}.parquet"
                pieces.append(Piece(build=place, files=tuple(files), units=units, path=path))
    return tuple(pieces)


def hits_of_builds(
    builds: Sequence[Build],
    pieces: Sequence[Piece],
    counts: Iterable[tuple[int, int, int]],
    features: dict[str, tuple[str, ...]],
    lists: Sequence[ResolvedList],
    digest: str,
    run_id: str | None,
) -> list[StandingHits]:
    """What is recorded of each build.

    Raises:
        Conflict: if other rows were scanned than the build has, whatever lost them.
    """
    rows: dict[int, int] = defaultdict(int)
    hits: dict[int, int] = defaultdict(int)
    files: dict[int, list[HitFile]] = defaultdict(list)
    for number, scanned, found in counts:
        piece = pieces[number]
        rows[piece.build] += scanned
        hits[piece.build] += found
        if found:
            files[piece.build].append(HitFile(piece.path, piece.files))
    now = datetime.now(UTC)
    marks = tuple(mark_of(list_) for list_ in lists)
    records = []
    for place, build in enumerate(builds):
        expected = build.rows_visible + build.rows_hidden
        if rows[place] != expected:
            raise Conflict(
                f"{rows[place]:,} of {expected:,} rows were scanned for the standing lists",
                where=f"{build.entity} of {build.product} in {build.period}",
                remedy="build the period again; its files are not those that were recorded",
            )
        records.append(
            StandingHits(
                hits_id=0,
                build_id=build.build_id,
                entity=build.entity,
                product=build.product,
                period=build.period,
                features=features,
                lists=marks,
                digest=digest,
                files=tuple(files[place]),
                rows=rows[place],
                hits=hits[place],
                built_at=now,
                run_id=run_id,
            )
        )
    return records


def delete_old_hits(engine: Engine, storage: Storage, before: datetime) -> tuple[int, int]:
    """Deletes hits that were replaced before a time or whose build is gone, and folders that broken-off runs left before it.

    Files go before their record: whatever interrupts this, the next call finishes it.

    Returns:
        How many of each.
    """
    with engine.connect() as connection:
        unused = unused_hits(connection, before)
    for folder in {file.path.rsplit("/", 1)[0] for hits in unused for file in hits.files}:
        storage.delete_tree(folder)
    with engine.begin() as connection:
        forget_hits(connection, unused)
        named = {"/".join(path.split("/")[:3]) for path in hit_paths(connection)}
    abandoned = min(before, datetime.now(UTC) - BROKEN_OFF_AFTER)
    left = [folder for folder, touched in run_folders(storage, HITS_FOLDER).items() if folder not in named and touched < abandoned]
    for folder in left:
        storage.delete_tree(folder)
    return len(unused), len(left)
