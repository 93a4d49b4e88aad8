"""Trains any model that a configuration describes, and judges it on the days after those that it was trained on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from srp_assets.errors import Conflict, InvalidInput
from srp_assets.features.declaration.columns import ValueType
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.durations import whole_days
from srp_assets.models.config.document import ModelDocument
from srp_assets.models.measures import auc, log_loss
from srp_assets.models.ranker import Ranker
from srp_assets.training.reader import SetReader
from srp_assets.training.schema import CLICKED, CONTEXT_FIELDS, SetType, TrainingSchema

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ONNX_TOLERANCE = 1e-5
"""How far an exported model's probabilities may be off."""

CONTEXT_TYPES: Mapping[str, ValueType] = {
    **dict.fromkeys([field.name for field in CONTEXT_FIELDS], "text"),
    "item_id": "text",
    "position": "number",
}
"""What a configuration may name beside features: the context of the request, the item and the place."""

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is (0 where nobody knows)."""


@dataclass(frozen=True)
class Cluster:
    """Where deep models of several processes are trained, if not on this machine.

    Args:
        session: opens the Spark session whose executors train.
        folder: that this process and all executors reach under one path, for checkpoints and the trained model.
    """

    session: "Callable[[], SparkSession]"
    folder: Path


def input_types(schema: TrainingSchema) -> dict[str, SetType]:
    """What a configuration may name: the context, features, and columns of behaviour sequences."""
    lists = {name: type_ for own in schema.sequences for name, type_ in own.value_types.items()}
    return {**CONTEXT_TYPES, **schema.features, **lists}


def gap_days(logs: LogCatalogue, document: ModelDocument) -> int:
    """The days in which a label may still come: none of them lies both before and after the border of the split.

    Raises:
        InvalidInput: if a label is none of the funnel's.
    """
    windows = []
    for label in document.labels:
        log = logs.of_role("click") if label == CLICKED else logs.logs.get(label)
        if log is None or (label != CLICKED and label not in logs.steps):
            known = [*([CLICKED] if logs.of_role("click") else []), *logs.steps]
            remedy = f"labels are {', '.join(known)}" if known else "the logs declare no clicks and no steps"
            raise InvalidInput(f"there is no label {label!r}", where=f"{document.name}: labels", remedy=remedy)
        windows.append(whole_days(log.window))
    return max(windows)


def train(
    document: ModelDocument,
    days: SetReader,
    validation: SetReader | None,
    scratch: Path,
    progress: Progress | None = None,
    start: Ranker | None = None,
    cluster: Cluster | None = None,
) -> Ranker:
    """Trains a model.

    Args:
        document: the configuration, every input's encoding written out (`resolve_inputs`).
        days: to train on.
        validation: days by which training ends; without them it goes on to the configured length.
        scratch: an empty folder for checkpoints.
        progress: told how far it is.
        start: an earlier deep model of the same configuration, which has seen the days before and is updated with these.
        cluster: where processes that train together run; on this machine if None.
    """
    if document.architecture.kind == "gbdt":
        from srp_assets.models.gbdt import train_gbdt

        rounds = document.architecture.rounds
        tell = None if progress is None else lambda done, _: progress(f"training {document.name}", done, rounds)
        return train_gbdt(document, days, validation, tell)
    from srp_assets.models.deep.ranker import DeepRanker
    from srp_assets.models.deep.training.incremental import update
    from srp_assets.models.deep.training.reading import RowFiles
    from srp_assets.models.deep.training.together import SharedTraining, train_in_processes
    from srp_assets.models.deep.training.trainer import Training

    def files(reader: SetReader) -> RowFiles:
        paths = [reader.storage.path(path) for _, of_day in sorted(reader.files.items()) for path in of_day]
        return RowFiles(paths, reader.storage.filesystem)

    if progress is not None:
        progress(f"training {document.name}", 0, 0)
    if isinstance(start, DeepRanker):
        return update(start, files(days), folder=scratch)
    judged_by = files(validation) if validation else None
    if document.training.processes > 1 and cluster is not None:
        from srp_assets.models.deep.plan_cluster import train_on_cluster

        with TemporaryDirectory(prefix=f"{document.name}-", dir=cluster.folder) as shared:
            training = SharedTraining(document, files(days), judged_by, Path(shared))
            return train_on_cluster(cluster.session(), training, document.training.processes)
    if document.training.processes > 1:
        return train_in_processes(SharedTraining(document, files(days), judged_by, scratch), document.training.processes)
    trained = Training(document, files(days), judged_by, folder=scratch).run()
    return DeepRanker(document, trained.encoder, trained.model)


def export(ranker: Ranker, example: pa.Table, folder: Path) -> float | None:
    """Writes a deep model as ONNX into a folder; how far the exported one's probabilities are off on the example at most.

    Args:
        ranker: the model.
        example: rows that it can score.
        folder: of the file.

    Returns:
        None for a model that has no such form: trees.

    Raises:
        Conflict: if the exported model says something else.
    """
    if ranker.document.architecture.kind == "gbdt":
        return None
    from srp_assets.models.deep.export import export_onnx, score_onnx
    from srp_assets.models.deep.ranker import DeepRanker

    assert isinstance(ranker, DeepRanker)
    folder.mkdir(parents=True, exist_ok=True)
    exported = score_onnx(export_onnx(ranker, example, folder), ranker.encoder.inputs.encode(example))
    difference = float(np.abs(exported - np.column_stack(list(ranker.score(example).values()))).max())
    if difference > ONNX_TOLERANCE:
        raise Conflict(f"the model as ONNX is off by {difference:.2g}", where=ranker.document.name, remedy="tell whoever maintains this")
    return difference


@dataclass(frozen=True)
class Judged:
    """What a model is worth on some days, for one label.

    Args:
        rows: that it was judged by.
        rate: the share of them that have the label.
        mean: what the model says of them on average; of a probability close to `rate`.
        auc: by rows alike.
        weighted_auc: by the weights of the training set.
        log_loss: by rows alike; nan where scores are no probabilities.
        weighted_log_loss: by the weights.
    """

    rows: int
    rate: float
    mean: float
    auc: float
    weighted_auc: float
    log_loss: float
    weighted_log_loss: float


def judge(ranker: Ranker, days: SetReader) -> dict[str, Judged]:
    """Scores some days, a row group at a time, and measures each label.

    Args:
        ranker: the model.
        days: that it was not trained on.
    """
    labels: dict[str, list[np.ndarray]] = {}
    scores: dict[str, list[np.ndarray]] = {}
    weights: list[np.ndarray] = []
    names = list(ranker.document.labels)
    for rows in days.tables(list(dict.fromkeys([*ranker.columns, *names, "weight"]))):
        for label, found in ranker.score(rows).items():
            scores.setdefault(label, []).append(found)
            labels.setdefault(label, []).append(rows[label].to_numpy())
        weights.append(rows["weight"].to_numpy())
    are_probabilities = getattr(ranker.document.architecture, "objective", "binary") == "binary"
    weight = np.concatenate(weights) if weights else np.zeros(0)
    return {label: _judged(np.concatenate(labels[label]), np.concatenate(scores[label]), weight, are_probabilities) for label in scores}


def _judged(happened: np.ndarray, scores: np.ndarray, weights: np.ndarray, are_probabilities: bool) -> Judged:
    nothing = float("nan")
    return Judged(
        rows=len(happened),
        rate=float(happened.mean()) if len(happened) else nothing,
        mean=float(scores.mean()) if len(scores) else nothing,
        auc=auc(happened, scores),
        weighted_auc=auc(happened, scores, weights),
        log_loss=log_loss(happened, scores) if are_probabilities else nothing,
        weighted_log_loss=log_loss(happened, scores, weights) if are_probabilities else nothing,
    )


def metrics_of(judged: Mapping[str, Judged]) -> dict[str, float]:
    """The figures as a run logs them: `auc_clicked` and so on; what is not a number is left out."""
    found = {f"{name}_{label}": float(value) for label, own in judged.items() for name, value in vars(own).items()}
    return {name: value for name, value in found.items() if not np.isnan(value)}
