"""Assembly of everything that Dagster shows and runs; nothing is read before it is asked for."""

import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

from jobs.embeddings import embeddings_jobs, embeddings_schedules, embeddings_sensors
from jobs.evaluation import evaluation_jobs, evaluation_schedules, evaluation_sensors
from jobs.features import features_jobs, features_schedules, features_sensors
from jobs.insights import insights_job, insights_sensor
from jobs.logs import logs_jobs, logs_schedules, logs_sensors
from jobs.models import models_jobs, models_schedules
from jobs.online import online_jobs, online_schedules, online_sensors
from jobs.parity import parity_jobs, parity_schedules, parity_sensors
from jobs.quality import quality_jobs, quality_schedules
from jobs.recall import notification_sensor, recall_job, recall_sensor, retention_schedule
from jobs.recall_refill import refill_job, refill_sensor
from jobs.sequence_differences import difference_jobs, difference_schedules
from jobs.sequences import sequences_jobs, sequences_schedules, sequences_sensors
from jobs.training import training_jobs, training_schedules, training_sensors
from jobs.warehouse import warehouse_jobs, warehouse_schedules, warehouse_sensors
from jobs.wordlists import wordlists_schedules, wordlists_sensors
from resources.redis import RedisResource
from resources.registry_database import RegistryResource
from resources.spark import SparkResource
from srp_assets.embeddings.assets import embedding_places, embeddings_assets, embeddings_checks
from srp_assets.evaluation.assets import GateHome, evaluation_assets, evaluation_checks
from srp_assets.features.assets import features_assets, features_checks
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.insights.assets import insights_assets
from srp_assets.logs.assets import logs_assets, logs_checks
from srp_assets.logs.catalogue import LogCatalogue, load_log_catalogue
from srp_assets.models.assets import load_models, models_assets, models_checks
from srp_assets.online.assets import online_assets, online_checks
from srp_assets.online.parity.assets import parity_assets, parity_checks, parity_places
from srp_assets.progress import Progress
from srp_assets.recall.assets import recall_assets
from srp_assets.sequences.assets import sequence_places, sequences_assets, sequences_checks
from srp_assets.sequences.differences.assets import difference_assets, difference_checks
from srp_assets.settings import Settings
from srp_assets.strategy.standing import periods_without_hits, standing_lists, standing_state
from srp_assets.training.assets import training_assets, training_checks, training_places
from srp_assets.warehouse.assets import warehouse_assets, warehouse_checks
from srp_assets.warehouse.catalogue import Catalogue, load_catalogue
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists.assets import wordlists_assets, wordlists_checks


def build_definitions(
    *, settings: Settings | None = None, resources: Mapping[str, Any] | None = None, progress: Progress | None = None
) -> dg.Definitions:
    """Fresh definitions for one home.

    Args:
        settings: of the home; read from the environment if missing.
        resources: replace those of the same name.
        progress: told how far assets are, where a command waits for them in this process.
    """
    settings = settings or Settings()
    catalogue = load_catalogue(settings.catalogue)
    # Documents belong to a domain that comes after the word lists: what is standing is handed down.
    standing = partial(standing_lists, catalogue=catalogue)
    stale, state = partial(periods_without_hits, catalogue=catalogue), partial(standing_state, catalogue=catalogue)
    everything = dg.Definitions(
        assets=[
            *warehouse_assets(settings, catalogue, progress=progress),
            *wordlists_assets(settings, catalogue, standing, progress=progress),
            *recall_assets(settings, catalogue, progress=progress),
            *insights_assets(settings, catalogue, progress=progress),
        ],
        asset_checks=[*warehouse_checks(settings, catalogue), *wordlists_checks(catalogue)],
        jobs=[*warehouse_jobs(catalogue), recall_job, refill_job(settings, catalogue, progress=progress), insights_job],
        schedules=[*warehouse_schedules(settings), *wordlists_schedules(settings), retention_schedule(settings)],
        sensors=[
            *warehouse_sensors(catalogue),
            *wordlists_sensors(catalogue, stale, state),
            recall_sensor(settings),
            refill_sensor(settings, catalogue),
            insights_sensor(),
            notification_sensor(settings),
        ],
        resources={"registry": RegistryResource(), "spark": SparkResource(), **(resources or {})},
        # What is materialized or backfilled in the UI without a job, too: a process for each step would load everything anew for each.
        executor=dg.in_process_executor,
    )
    return everything if settings.log_catalogue is None else _with_logs(everything, settings, settings.log_catalogue, progress)


def _with_logs(everything: dg.Definitions, settings: Settings, declared: Path, progress: Progress | None) -> dg.Definitions:
    """All of it, and the ranking half: what a home has that declares logs."""
    catalogue = load_log_catalogue(declared)
    jobs = logs_jobs()
    ranking = dg.Definitions(
        assets=logs_assets(settings, catalogue, progress=progress),
        asset_checks=logs_checks(settings, catalogue),
        jobs=[*jobs, *quality_jobs(catalogue)],
        schedules=[*logs_schedules(settings, jobs), *quality_schedules()],
        sensors=logs_sensors(catalogue),
    )
    merged = dg.Definitions.merge(everything, ranking, _embeddings(settings, catalogue, progress))
    features = settings.feature_declarations
    return merged if features is None else _with_features(merged, settings, catalogue, features, progress)


def _embeddings(settings: Settings, logs: LogCatalogue, progress: Progress | None) -> dg.Definitions:
    """Vectors of items: what a home has that declares them."""
    if settings.embedding_declarations is None:
        return dg.Definitions()
    places = embedding_places(settings, load_catalogue(settings.catalogue), logs, settings.embedding_declarations)
    jobs = embeddings_jobs()
    return dg.Definitions(
        assets=embeddings_assets(settings, places, progress=progress),
        asset_checks=embeddings_checks(places),
        jobs=jobs,
        schedules=embeddings_schedules(settings, places, jobs),
        sensors=embeddings_sensors(places),
    )


def _with_features(
    everything: dg.Definitions, settings: Settings, logs: LogCatalogue, declared: Path, progress: Progress | None
) -> dg.Definitions:
    """All of it, and the features that a home with logs declares."""
    catalogue = load_catalogue(settings.catalogue)
    jobs = features_jobs()
    features = dg.Definitions(
        assets=features_assets(settings, catalogue, logs, declared, progress=progress),
        asset_checks=features_checks(settings, catalogue, declared),
        jobs=jobs,
        schedules=features_schedules(settings, jobs),
        sensors=features_sensors(settings, logs, load_definitions(declared)),
    )
    parts = (
        _training(settings, catalogue, logs, declared, progress),
        _online(settings, catalogue, logs, declared, progress),
        _sequences(settings, catalogue, logs, declared, progress),
    )
    merged = dg.Definitions.merge(everything, features, *parts)
    return merged if logs.of_role("served_features") is None else _with_parity(merged, settings, logs, declared, progress)


def _sequences(settings: Settings, catalogue: Catalogue, logs: LogCatalogue, declared: Path, progress: Progress | None) -> dg.Definitions:
    """Behaviour sequences: what a home has that declares them."""
    if settings.sequence_declarations is None:
        return dg.Definitions()
    places = sequence_places(settings, catalogue, logs, declared, settings.sequence_declarations)
    jobs, compare = sequences_jobs(), difference_jobs()
    parity = Storage(settings.warehouse_location)
    return dg.Definitions(
        assets=[*sequences_assets(places, progress=progress), *difference_assets(places, parity, progress=progress)],
        asset_checks=[*sequences_checks(places), *difference_checks(places)],
        jobs=[*jobs, *compare],
        schedules=[*sequences_schedules(settings, places, jobs), *difference_schedules(compare)],
        sensors=sequences_sensors(places),
    )


def _training(settings: Settings, catalogue: Catalogue, logs: LogCatalogue, declared: Path, progress: Progress | None) -> dg.Definitions:
    """Training sets of declared features, and the models that are configured to learn from them."""
    places = training_places(settings, catalogue, logs, declared)
    documents = [] if settings.model_configurations is None else load_models(settings.model_configurations, places)
    jobs, training = training_jobs(), models_jobs(documents)
    return dg.Definitions(
        assets=[*training_assets(places, progress=progress), *models_assets(settings, places, documents, progress=progress)],
        asset_checks=[*training_checks(places), *models_checks(documents)],
        jobs=[*jobs, *training],
        schedules=[*training_schedules(settings, places, jobs), *models_schedules(documents, training)],
        sensors=training_sensors(places),
    )


def _online(settings: Settings, catalogue: Catalogue, logs: LogCatalogue, declared: Path, progress: Progress | None) -> dg.Definitions:
    """The store that requests are answered from."""
    jobs = online_jobs()
    return dg.Definitions(
        assets=online_assets(settings, catalogue, logs, declared, progress=progress),
        asset_checks=online_checks(declared),
        jobs=jobs,
        schedules=online_schedules(jobs),
        sensors=online_sensors(settings, load_definitions(declared)),
        resources={"redis": RedisResource()},
    )


def _with_parity(
    everything: dg.Definitions, settings: Settings, logs: LogCatalogue, declared: Path, progress: Progress | None
) -> dg.Definitions:
    """All of it, and the proof that what is served is what is computed: for a home whose logs have what was served."""
    catalogue = load_catalogue(settings.catalogue)
    places, drift = parity_places(settings, catalogue, logs, declared)
    parity = dg.Definitions(
        assets=parity_assets(settings, places, progress=progress),
        asset_checks=parity_checks(places, drift),
        jobs=parity_jobs(),
        schedules=parity_schedules(settings, places),
        sensors=parity_sensors(settings, places, logs),
    )
    training = training_places(settings, catalogue, logs, declared)
    documents = [] if settings.model_configurations is None else load_models(settings.model_configurations, training)
    merged = dg.Definitions.merge(everything, parity)
    return _with_gate(merged, GateHome(settings, training, places, documents, progress)) if documents else merged


def _with_gate(everything: dg.Definitions, home: GateHome) -> dg.Definitions:
    """All of it, and the gate: for a home that configures models and can prove their features."""
    gate = dg.Definitions(
        assets=evaluation_assets(home),
        asset_checks=evaluation_checks(home),
        jobs=evaluation_jobs(),
        schedules=evaluation_schedules(home),
        sensors=evaluation_sensors(home.settings),
    )
    return dg.Definitions.merge(everything, gate)


@dg.definitions
def defs() -> dg.Definitions:
    """What `workspace.yaml` loads: the definitions of the home that the environment names."""
    # Used on purpose. Each process of the UI would tell of them some twenty times.
    warnings.filterwarnings("ignore", r"Parameter `(backfill_policy|allow_nonexistent_upstream_partitions)`", dg.BetaWarning)
    return build_definitions()
