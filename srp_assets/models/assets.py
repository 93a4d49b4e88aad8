"""The Dagster shell of the models: a candidate a day for each configured model, and the check that it is worth anything.

What belongs here is wiring and metadata: `candidates.py` trains and registers. The jobs and schedules are in `jobs/models.py`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from resources.registry_database import RegistryResource
from resources.spark import open_session
from resources.strict import StrictConfig
from srp_assets.errors import InvalidInput
from srp_assets.models.config.document import ModelDocument
from srp_assets.models.config.loading import load_model
from srp_assets.models.config.resolving import resolve_inputs
from srp_assets.models.training import Cluster, gap_days, input_types, metrics_of
from srp_assets.partitions import log_days
from srp_assets.progress import Progress
from srp_assets.settings import Settings
from srp_assets.training.assets import SETS
from srp_assets.training.building import TrainingPlaces

if TYPE_CHECKING:
    from srp_assets.models.candidates import Candidate

DOMAIN = "models"
OWNERS = ["team:ranking"]
TRAINING_POOL = "training"
"""Models are trained one after the other: each takes all cores."""

LEAST_AUC = 0.5
"""Of a model that orders as chance does."""


class CandidateConfig(StrictConfig):
    """What a candidate is trained on."""

    train_days: int | None = Field(None, ge=1, description="dates before the gap for late labels that are trained on; as set if None")
    validation_days: int = Field(1, ge=1, description="newest days by which training ends and the model is judged")
    update: bool = Field(False, description="go on from the newest version with the days since, where the model is a deep one")


def model_key(name: str) -> dg.AssetKey:
    """The asset of a configured model's candidates."""
    return dg.AssetKey([DOMAIN, name])


def load_models(folder: Path, places: TrainingPlaces) -> list[ModelDocument]:
    """The configured models of a home, by name; each one's inputs and labels exist.

    Raises:
        InvalidInput: if a file is no valid configuration, or two have one name.
    """
    found: dict[str, ModelDocument] = {}
    for path in sorted(folder.glob("*.yaml")):
        document = load_model(path)
        if document.name in found:
            raise InvalidInput(f"the model {document.name!r} is configured twice", where=str(path), remedy="choose another name")
        gap_days(places.logs, resolve_inputs(document, input_types(places.schema)))
        found[document.name] = document
    return list(found.values())


def models_assets(
    settings: Settings, places: TrainingPlaces, documents: Sequence[ModelDocument], *, progress: Progress | None = None
) -> list[dg.AssetsDefinition]:
    """A candidate a day for each model; `progress` is told how far a training is, where somebody watches."""
    return [_asset(settings, places, document, progress) for document in documents]


def _asset(settings: Settings, places: TrainingPlaces, document: ModelDocument, progress: Progress | None) -> dg.AssetsDefinition:
    days = dg.TimeWindowPartitionMapping(
        start_offset=-settings.training_days - places.logs.label_days, end_offset=0, allow_nonexistent_upstream_partitions=True
    )

    @dg.asset(
        key=model_key(document.name),
        deps=[dg.AssetDep(SETS, partition_mapping=days)],
        partitions_def=log_days(places.logs),
        group_name=DOMAIN,
        kinds={"lightgbm" if document.architecture.kind == "gbdt" else "pytorch", "mlflow"},
        owners=OWNERS,
        pool=TRAINING_POOL,
        description=f"{document.description} A candidate, judged by the day and trained on those before it; materialised is not promoted.",
        metadata={"configuration": document.digest, "version": document.version},
    )
    def candidate(context: dg.AssetExecutionContext, config: CandidateConfig, registry: RegistryResource) -> dg.MaterializeResult:
        # What trains and logs takes a tenth of a second to import; every step process of every other asset would pay for it.
        from resources.mlflow import Tracking
        from srp_assets.models.candidates import CandidateOptions, train_candidate

        options = CandidateOptions(config.train_days or settings.training_days, config.validation_days, config.update)
        tracking, cluster = Tracking.of(settings), cluster_of(settings)
        trained = train_candidate(registry.engine, places, tracking, document, context.partition_key, options, progress, cluster)
        return dg.MaterializeResult(metadata=_metadata(trained), data_version=dg.DataVersion(trained.semantic_version))

    return candidate


def cluster_of(settings: Settings) -> Cluster | None:
    """Where deep models of several processes train, by setting."""
    folder = settings.models_cluster_folder
    return None if folder is None else Cluster(lambda: open_session(settings), folder)


def _metadata(candidate: "Candidate") -> dict[str, Any]:
    """What Dagster shows of a candidate."""
    return {
        **metrics_of(candidate.judged),
        "model_version": f"{candidate.name}/{candidate.number}",
        "semantic_version": candidate.semantic_version,
        "mlflow_run": candidate.run_id,
        "trained_days": len(candidate.split.train),
        "trained_to": candidate.split.train[-1],
        "gap": list(candidate.split.gap),
        "judged_by": list(candidate.split.validation),
    }


def models_checks(documents: Sequence[ModelDocument]) -> list[dg.AssetChecksDefinition]:
    """A blocking check of each model: its newest candidate orders rows better than chance."""
    return [_check(document) for document in documents]


def _check(document: ModelDocument) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=model_key(document.name), name="better_than_chance", blocking=True)
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        """On the days after those that it was trained on, the candidate orders rows better than chance, for every label that it scores."""
        event = context.instance.get_latest_materialization_event(model_key(document.name))
        shown = event.asset_materialization.metadata if event and event.asset_materialization else {}
        areas = {name: float(value.value) for name, value in shown.items() if name.startswith("auc_")}
        return dg.AssetCheckResult(passed=bool(areas) and min(areas.values()) > LEAST_AUC, metadata={"areas": areas})

    return check
