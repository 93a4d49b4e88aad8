"""Building training sets day by day: labels from stitched impressions, features as they were at the impression, weights.

A day is a function of the build of its impressions, of their features (recomputed, or served), of the stages of the sequences that it
carries, and, where weights follow from examination, of the impressions of the days by which that is estimated. It is stale when one of
these was built again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import Connection, Engine

from srp_assets.errors import Conflict, InvalidInput
from srp_assets.features.aggregation.layout import Layout
from srp_assets.features.building.days import Places, identity_of
from srp_assets.features.registry import FeatureBuild, definitions_holding
from srp_assets.features.registry import current_builds as current_features
from srp_assets.features.registry_words import lists_read_at
from srp_assets.features.standing_words import entity_of
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.tables import BuiltDay, built_days
from srp_assets.progress import Progress
from srp_assets.sequences.building.days import newest_builds
from srp_assets.sequences.places import SequencePlaces
from srp_assets.sequences.registry import SequenceBuild
from srp_assets.training.figures import merged
from srp_assets.training.inputs import SetInputs, SetOptions, days_before, digest_of, inputs_of, request_days
from srp_assets.training.registry import SetBuild, current_sets, forget_sets, record_sets, retired_sets
from srp_assets.training.rules import rules_of_days
from srp_assets.training.schema import TrainingSchema, training_schema
from srp_assets.training.set_files import SetFiles, day_folder
from srp_assets.training.set_sequences import set_sequences
from srp_assets.warehouse.storage import Storage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

DAYS_AT_ONCE = 10
"""Days of one Spark job: what a build that breaks off loses."""

ROWS_A_FILE = 1_000_000
"""Impressions of a file: about 250 MB with 139 features. A file is written by one task, and tasks sort what they write."""


@dataclass(frozen=True)
class TrainingPlaces:
    """Where training sets are built from and to.

    Args:
        sets: the storage that is written to.
        features: where impressions' features are built, with the storage of the logs.
        logs: the declared logs.
        layout: of the declared features.
        options: what sets are made of.
        sequences: where behaviour sequences are; None where sets carry none.
    """

    sets: Storage
    features: Places
    logs: LogCatalogue
    layout: Layout
    options: SetOptions
    sequences: SequencePlaces | None = None

    @property
    def schema(self) -> TrainingSchema:
        """The columns of the sets."""
        sequences = () if self.sequences is None else set_sequences(self.sequences.document, self.options.sequences)
        return training_schema(self.logs, self.layout.definitions, sequences)

    @property
    def identity(self) -> str:
        """The identity of builds: every definition, the funnel, the options, and the sequences that sets carry."""
        schema = self.schema
        versions = [own.version for own in schema.sequences]
        return digest_of([self.layout.definitions.digest, *schema.arrow.names, self.options.as_dict(), *versions])


def current_inputs(connection: Connection, places: TrainingPlaces) -> dict[str, SetInputs]:
    """The days that can be built now, or could if what they read was, by day in order."""
    return inputs_of(connection, places.logs, places.layout, places.features.buckets, places.options, places.sequences)


def stale_days(connection: Connection, places: TrainingPlaces) -> list[str]:
    """The days that could be built and are not, or were made from other builds than the current ones."""
    built = current_sets(connection, places.identity)
    inputs = current_inputs(connection, places)
    return [day for day, own in inputs.items() if own.problem is None and (day not in built or built[day].reads != own.reads)]


def bring_up_to_date(
    spark: "SparkSession",
    engine: Engine,
    places: TrainingPlaces,
    days: Iterable[str],
    *,
    only_changed: bool = False,
    run_id: str | None = None,
    progress: Progress | None = None,
) -> list[SetBuild]:
    """Builds days and makes the builds current; returns those that are current for the days then.

    Args:
        spark: the session.
        engine: of the registry.
        places: where to read and write.
        days: which, as 2024-03-09.
        only_changed: leaves out what is built from the current builds, and what cannot be built yet.
        run_id: recorded with the builds.
        progress: told what is being done.

    Raises:
        Conflict: if what a day reads is not built, or impressions got lost.
        Unavailable: if Spark or the disk fails; the old builds stay current then.
    """
    wanted = sorted(set(days))
    with engine.connect() as connection:
        inputs = current_inputs(connection, places)
        stale = set(stale_days(connection, places))
    if only_changed:
        wanted = [day for day in wanted if day in inputs and (day in stale or inputs[day].problem is None)]
    _refuse_missing(wanted, inputs)
    waiting = [day for day in wanted if not only_changed or day in stale]
    for start in range(0, len(waiting), DAYS_AT_ONCE):
        span = waiting[start : start + DAYS_AT_ONCE]
        if progress:
            progress(f"building training sets of {span[0]} to {span[-1]}", start, len(waiting))
        builds = _build(spark, engine, places, span, inputs, run_id)
        with engine.begin() as connection:
            record_sets(connection, builds)
    with engine.connect() as connection:
        current = current_sets(connection, places.identity)
    return [current[day] for day in wanted if day in current]


def _refuse_missing(days: Sequence[str], inputs: Mapping[str, SetInputs]) -> None:
    for day in days:
        if day not in inputs:
            remedy = "build the logs of this day first"
            raise Conflict("the logs are not built", where=f"training/sets of {day}", remedy=remedy)
        problem = inputs[day].problem
        if problem:
            asset = "sequences/stages" if "sequences" in problem else "features/impressions"
            raise Conflict(problem, where=f"training/sets of {day}", remedy=f"materialize {asset} of this day first")


def _build(
    spark: "SparkSession",
    engine: Engine,
    places: TrainingPlaces,
    days: Sequence[str],
    inputs: Mapping[str, SetInputs],
    run_id: str | None,
) -> list[SetBuild]:
    """Writes days below a folder of their own, which stays only if all of it is there."""
    folder = f"sets/{uuid4().hex}"
    with engine.connect() as connection:
        shown = built_days(connection, "impression_outcomes", days_before(days[0], places.options.window_days), days[-1])
        features = current_features(
            connection, "impressions", identity_of("impressions", places.layout, places.features.buckets), next(iter(shown)), days[-1]
        )
        rules = rules_of_days(places.features, places.options, days, shown, features)
        stages = {} if places.sequences is None else newest_builds(connection, places.sequences)
        try:
            manifests = _written(spark, connection, places, days, folder, shown, features, rules, stages)
            figures = {day: merged(found["figures"] for found in manifests if found["day"] == day) for day in days}
            lists = {day: _word_lists(connection, places, day, features.get(day)) for day in days}
            for day in days:
                _refuse_losses(day, shown[day].rows, figures[day].rows, figures[day].without_features, places.options)
        except BaseException:
            places.sets.delete_tree(folder)
            raise
    now, builds = datetime.now(UTC), []
    for day in days:
        upstream: dict[str, Any] = {"logs_build": shown[day].build_id, "features_build": getattr(features.get(day), "build_id", None)}
        if places.sequences is not None:
            upstream["sequences_builds"] = [stages[other].build_id for other in request_days(stages, places.logs, day)]
        kept = figures[day].as_dict() | {"weights": rules[day].as_dict(), "lists": lists[day], **upstream}
        size = sum(found["bytes"] for found in manifests if found["day"] == day)
        own, of_day = inputs[day], day_folder(folder, day)
        builds.append(SetBuild(0, places.identity, day, own.reads, own.newest, of_day, figures[day].rows, size, kept, now, run_id))
    return builds


def _written(
    spark: "SparkSession",
    connection: Connection,
    places: TrainingPlaces,
    days: Sequence[str],
    folder: str,
    shown: Mapping[str, BuiltDay],
    features: Mapping[str, FeatureBuild],
    rules: Mapping[str, Any],
    stages: Mapping[str, SequenceBuild],
) -> list[dict[str, Any]]:
    """Runs the Spark job; gives the manifests of files."""
    from srp_assets.training.plan_sets import final_sequence, read_outcomes, write_sets

    paths = [path for day in days for path in shown[day].paths]
    if not paths:
        return []
    schema = places.schema
    files = SetFiles(places.sets, folder, schema, {date.fromisoformat(day): rules[day] for day in days})
    outcomes = read_outcomes(spark, places.features.logs, schema, paths)
    known, keys = _features(spark, connection, places, days, features)
    largest = max(shown[day].rows for day in days)
    asked = sorted({other for day in days for other in request_days(stages, places.logs, day)})
    found = [path for day in asked for path in stages[day].files]
    sequences = {
        own.declared.name: final_sequence(spark, places.sequences.sequences, own, found)
        for own in schema.sequences
        if places.sequences is not None
    }
    return write_sets(outcomes, known, keys, sequences, files, -(-largest // ROWS_A_FILE))


def _features(
    spark: "SparkSession", connection: Connection, places: TrainingPlaces, days: Sequence[str], features: Mapping[str, FeatureBuild]
) -> tuple["DataFrame", tuple[str, ...]]:
    """The features of the impressions of some days, and the columns by which they are joined."""
    from srp_assets.logs.tables import landed_log_files
    from srp_assets.training.plan_sets import recomputed_features, served_features

    if places.options.features == "recomputed":
        folders = [features[day].folder for day in days if features[day].bytes]
        return recomputed_features(spark, places.features.features, places.schema, folders), ("event_id",)
    log = places.logs.of_role("served_features")
    if log is None:
        raise InvalidInput("no log of served features is declared", where="SRP_TRAINING_FEATURES", remedy="set it to recomputed")
    first = days_before(days[0], places.logs.request_days)
    files = landed_log_files(connection, log.name, first, days[-1]).values()
    # Definitions may change in what this set does not read: what was served before is as good then.
    versions = {places.layout.definitions.digest, *definitions_holding(connection, places.schema.versions)}
    return served_features(spark, places.features.logs, places.schema, log, files, sorted(versions)), ("trace_id", "item_id")


def _word_lists(
    connection: Connection, places: TrainingPlaces, day: str, features: FeatureBuild | None
) -> dict[str, dict[str, dict[int, str]]]:
    """The standing word lists, by source of attributes, that a day's features know: the versions that stood when these were computed.

    What was served was computed on the day itself, from what stood when the day began.
    """
    recomputed = places.options.features == "recomputed" and features is not None
    at = features.built_at if recomputed and features else datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
    entities = {name: entity_of(name, places.features.catalogue.entities) for name in places.layout.definitions.attributes}
    return {name: lists_read_at(connection, entity, at) for name, entity in entities.items() if entity is not None}


def _refuse_losses(day: str, impressions: int, rows: int, without_features: int, options: SetOptions) -> None:
    """Every impression is in the set or counted as without features; recomputed features have no gaps."""
    where = f"training/sets of {day}"
    if rows + without_features != impressions:
        remedy = "build again; if it stays so, event_id is not unique among the impressions"
        raise Conflict(
            f"the set has {rows:,} rows and {without_features:,} left out, of {impressions:,} impressions", where=where, remedy=remedy
        )
    if options.features == "recomputed" and without_features:
        remedy = "materialize features/impressions of this day again"
        raise Conflict(f"{without_features:,} of {impressions:,} impressions have no features", where=where, remedy=remedy)


def delete_old_sets(engine: Engine, storage: Storage, before: datetime) -> int:
    """Deletes builds that were replaced before a time; returns how many. Files go before their record, so a call may be repeated."""
    with engine.connect() as connection:
        retired = retired_sets(connection, before)
    for build in retired:
        storage.delete_tree(build.folder)
    with engine.begin() as connection:
        forget_sets(connection, [build.set_id for build in retired])
    return len(retired)
