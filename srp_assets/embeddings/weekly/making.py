"""Making the version of a week: training from last week's vectors, alignment, cold items, types, figures, files, and the switch.

A version becomes current in one transaction and only without problems (too few items covered, numbers that are none, too much drift). Files
of older versions stay, so that whoever holds one goes on, and `srp embeddings use` goes back.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Engine

from resources.mlflow import Tracking
from srp_assets.embeddings.attributes import item_attributes
from srp_assets.embeddings.places import EmbeddingPlaces
from srp_assets.embeddings.registry import Version, record_version, version_before
from srp_assets.embeddings.sessions.building import read_sequences, window
from srp_assets.embeddings.training.cold import cold_vectors
from srp_assets.embeddings.training.model_files import read_model, write_model
from srp_assets.embeddings.training.trainer import Told, Trained, Warm, train
from srp_assets.embeddings.training.types import train_types
from srp_assets.embeddings.vectors import ItemVectors, write_vectors
from srp_assets.embeddings.weekly.alignment import Drift, drift_of, shared_rows, turn_between
from srp_assets.embeddings.weekly.files import INDEX, ITEM_TO_ITEM, MODEL, TYPES, VECTORS
from srp_assets.embeddings.weekly.index import write_index
from srp_assets.embeddings.weekly.inputs import WeekInputs, corpus_of_table, figures_of_week, inputs_of_week
from srp_assets.embeddings.weekly.neighbours import NEIGHBOURS, neighbour_batches
from srp_assets.embeddings.weekly.tracking import log_version
from srp_assets.errors import Conflict
from srp_assets.progress import Progress
from srp_assets.warehouse.storage import Storage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DAYS_OF_WEEK = 7


@dataclass(frozen=True)
class Made:
    """A version with what it was made of, for whoever shows it."""

    version: Version
    vectors: ItemVectors
    markets: pa.Array


def make_version(
    engine: Engine,
    places: EmbeddingPlaces,
    tracking: Tracking | None,
    week: str,
    *,
    warm: bool = True,
    spark: "SparkSession | None" = None,
    run_id: str | None = None,
    progress: Progress | None = None,
) -> Made:
    """Makes the version of a week and records it.

    Args:
        engine: of the registry.
        places: where to read and write.
        tracking: where it is registered; nowhere if None.
        week: its Monday, as 2024-03-04. Sessions up to its Sunday are learned from.
        warm: whether it goes on from the newest version of an earlier week.
        spark: the session, where the declaration trains in partitions of Spark.
        run_id: recorded with the version.
        progress: told what is being done.

    Raises:
        Conflict: if no sequences of the window are built, or no item is there often enough.
    """
    declared = places.declared
    last = (date.fromisoformat(week) + timedelta(days=DAYS_OF_WEEK - 1)).isoformat()
    ended = datetime.combine(date.fromisoformat(last) + timedelta(days=1), datetime.min.time(), UTC)
    with engine.connect() as connection:
        builds = window(connection, places, last, declared.window_days)
        long_builds = window(connection, places, last, declared.type_days)
        attributes = item_attributes(connection, places, ended)
        base = version_before(connection, declared.name, week) if warm else None
    inputs = inputs_of_week(read_sequences(places, builds), attributes, declared)
    if not len(inputs.vocabulary.ids):
        raise Conflict(
            "no item was clicked often enough", where=f"embeddings of {week}", remedy="build embeddings/sequences, or lower least_count"
        )
    name = f"{declared.name}-{week}-{uuid4().hex[:8]}"
    folder = f"versions/{name}"
    told = None if progress is None else lambda epoch, _: progress(f"epoch {epoch + 1}", epoch, declared.training.epochs)
    before = None if base is None else read_model(places.embeddings, f"{base.folder}/{MODEL}")
    trained = _trained(places, inputs, before, told, spark)
    aligned, drift = trained, None
    # A training that diverged is refused below; until then it must not stop what tells of it.
    is_finite = bool(np.isfinite(trained.vectors).all())
    if is_finite and base is not None and before is not None and before.vectors.shape[1] == declared.training.dimensions:
        aligned, drift = _aligned(trained, ItemVectors(base.version, before.ids, before.vectors))
    cold_ids, cold = cold_vectors(aligned, attributes, declared.items.price_bounds, declared.cold_neighbours)
    found = ItemVectors(name, pa.concat_arrays([inputs.vocabulary.ids, cold_ids]), np.concatenate([aligned.vectors, cold]))
    markets = attributes["market"].take(pc.index_in(found.ids, value_set=attributes["item_id"].combine_chunks())).combine_chunks()
    if progress:
        progress("judging", 0, 0)
    figures: dict[str, Any] = figures_of_week(aligned, inputs, attributes, declared) if is_finite else {}
    figures |= _coverage(found, cold_ids, attributes)
    if drift is not None:
        figures |= {f"drift_{part}": value for part, value in asdict(drift).items()}
    problems = problems_of(found, figures, places)
    try:
        _write(places, folder, found, aligned, markets, cold_ids, read_sequences(places, long_builds), attributes)
        made_from = {"days": [build.day for build in builds], "builds": [build.build_id for build in builds], "dropped": _dropped(builds)}
        version = Version(
            name,
            declared.name,
            week,
            folder,
            len(found.ids),
            found.dimensions,
            base.version if base and drift else None,
            figures | {"made_from": made_from},
            problems,
            run_id=run_id,
        )
        if tracking is not None:
            version = log_version(tracking, version, places, aligned.vocabulary)
    except BaseException:
        places.embeddings.delete_tree(folder)
        raise
    with engine.begin() as connection:
        version = record_version(connection, version)
    return Made(version, found, markets)


def _trained(places: EmbeddingPlaces, inputs: WeekInputs, before: Warm | None, told: Told | None, spark: "SparkSession | None") -> Trained:
    """Trains where the declaration says: here, or on partitions of Spark."""
    options, partitions = places.declared.training, places.declared.spark_partitions
    if partitions == 0:
        return train(corpus_of_table(inputs.vocabulary, inputs.trained_on), inputs.vocabulary, options, start=before, told=told)
    if spark is None:
        raise Conflict("spark_partitions is set and there is no session", where="embeddings", remedy="materialize embeddings/items")
    from srp_assets.embeddings.training.plan_training import partitioned, train_on_spark

    folder = f"scratch/{uuid4().hex}"
    paths = [f"{folder}/{number}.parquet" for number in range(partitions)]
    try:
        for number, path in enumerate(paths):
            places.embeddings.write(path, inputs.trained_on.take(pa.array(range(number, inputs.trained_on.num_rows, partitions))))
        corpus = partitioned(places.embeddings, paths, partitions)
        return train_on_spark(spark, corpus, inputs.vocabulary, options, start=before, told=told)
    finally:
        places.embeddings.delete_tree(folder)


def problems_of(found: ItemVectors, figures: Mapping[str, Any], places: EmbeddingPlaces) -> tuple[str, ...]:
    """Why vectors may not become current; none if they may."""
    limits = places.declared.limits
    problems = []
    if not np.isfinite(found.vectors).all():
        problems.append("a vector holds a number that is none")
    coverage = figures.get("coverage")
    if coverage is not None and coverage < limits.least_coverage:
        problems.append(f"{coverage:.1%} of the items have vectors, fewer than {limits.least_coverage:.1%}")
    drift = figures.get("drift_mean")
    if drift is not None and drift > limits.most_drift:
        problems.append(f"items moved by {drift:.3f} since the week before, more than {limits.most_drift:.3f}")
    return tuple(problems)


def _aligned(trained: Trained, before: ItemVectors) -> tuple[Trained, Drift]:
    """What was trained, turned into the space of the week before, and how far items moved."""
    own = ItemVectors("", trained.vocabulary.ids, trained.vectors)
    rows, rows_before = shared_rows(own, before)
    turn = turn_between(trained.vectors[rows], before.vectors[rows_before]).astype(np.float32)
    aligned = Trained(trained.vocabulary, trained.vectors @ turn, trained.contexts @ turn)
    return aligned, drift_of(aligned.vectors[rows], before.vectors[rows_before])


def _coverage(found: ItemVectors, cold_ids: pa.Array, attributes: pa.Table) -> dict[str, Any]:
    """How many of the items that there are have vectors, and how many of these were not trained."""
    if not attributes.num_rows:
        return {"cold": len(cold_ids)}
    known = pc.is_in(attributes["item_id"], value_set=found.ids)
    return {"coverage": float(pc.mean(known.cast(pa.int8())).as_py()), "cold": len(cold_ids)}


def _dropped(builds: list[Any]) -> dict[str, int]:
    """The sessions of all days by what became of them."""
    counts: dict[str, int] = {}
    for build in builds:
        for name, count in build.counts.items():
            counts[name] = counts.get(name, 0) + count
    return counts


def _write(
    places: EmbeddingPlaces,
    folder: str,
    found: ItemVectors,
    trained: Trained,
    markets: pa.Array,
    cold_ids: pa.Array,
    sequences: pa.Table,
    attributes: pa.Table,
) -> None:
    """All files of a version."""
    storage = places.embeddings
    is_cold = np.arange(len(found.ids)) >= len(found.ids) - len(cold_ids)
    write_vectors(storage, f"{folder}/{VECTORS}", found, {"market": markets, "cold": pa.array(is_cold)})
    write_model(storage, f"{folder}/{MODEL}", trained)
    write_index(storage, f"{folder}/{INDEX}", found)
    _write_neighbours(storage, f"{folder}/{ITEM_TO_ITEM}", found, markets, places.declared.neighbours)
    types = train_types(sequences, attributes, places.declared)
    if types is not None:
        write_vectors(storage, f"{folder}/{TYPES}", ItemVectors(found.version, types.vocabulary.ids, types.vectors))


def _write_neighbours(storage: Storage, path: str, found: ItemVectors, markets: pa.Array, neighbours: int) -> None:
    with storage.parquet_writer(path, NEIGHBOURS) as writer:
        for batch in neighbour_batches(found, markets, neighbours):
            writer.write_batch(batch)
