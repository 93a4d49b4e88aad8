"""Two trained models on the same days of a training set: scored piece by piece, evaluated together, as the gate's record."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.errors import InvalidInput, nearest
from srp_assets.evaluation.arrays import Floats
from srp_assets.evaluation.evaluating import EvaluationOptions, StepEvaluation, evaluate, judged_rows
from srp_assets.evaluation.gate.evidence import ModelVersion, QualityRecord, quality_record
from srp_assets.evaluation.importance import permutation_importance
from srp_assets.models.config.architectures import GradientBoosting
from srp_assets.models.ranker import Ranker
from srp_assets.training.reader import SetReader

CONTEXT = ("user_id", "trace_id", "item_id", "market", "page", "position", "event_time", "propensity", "label_state")
"""What evaluation reads of a training set beside labels and amounts."""


@dataclass(frozen=True)
class VersionedRanker:
    """A trained model and the version that it is registered as."""

    version: ModelVersion
    ranker: Ranker

    @property
    def gives_probabilities(self) -> bool:
        """Whether its scores are probabilities, and no mere order."""
        architecture = self.ranker.document.architecture
        return not (isinstance(architecture, GradientBoosting) and architecture.objective == "lambdarank")


def compare(
    judged: SetReader,
    trained: SetReader,
    candidate: VersionedRanker,
    champion: VersionedRanker | None,
    options: EvaluationOptions,
    *,
    step: str,
    recorded_at: datetime,
) -> QualityRecord:
    """Evaluates a candidate against the champion.

    Args:
        judged: the days by which both are judged.
        trained: the days that the candidate was trained on: who and what is in them is known.
        candidate: the model.
        champion: the model that it would replace; None if there is none.
        options: what is evaluated.
        step: the label that decides.
        recorded_at: when.

    Raises:
        InvalidInput: if there are no rows to judge by, or a model does not score the step.
    """
    models = [candidate] if champion is None else [candidate, champion]
    table, scores = _scored(judged, models, options)
    for model, found in zip(models, scores, strict=True):
        if step not in found:
            where = f"{model.version.model} version {model.version.version}"
            raise InvalidInput(f"it does not score {step!r}", where=where, remedy=nearest(step, found))
    seen = {column: _values(trained, column) for column in ("user_id", "item_id")}
    evaluations: list[dict[str, StepEvaluation]] = [
        evaluate(
            table,
            found,
            options,
            seen_users=seen["user_id"],
            seen_items=seen["item_id"],
            probabilities=model.gives_probabilities,
        )
        for model, found in zip(models, scores, strict=True)
    ]
    days = sorted(judged.files)
    return quality_record(
        candidate.version,
        None if champion is None else champion.version,
        step=step,
        days=(date.fromisoformat(days[0]), date.fromisoformat(days[-1])),
        recorded_at=recorded_at,
        evaluation=evaluations[0],
        of_champion=None if champion is None else evaluations[1],
        importance=permutation_importance(candidate.ranker, judged, step),
    )


def data_of(judged: SetReader, options: EvaluationOptions, step: str) -> str | None:
    """The digest of the rows by which a step would be judged now, as a record of quality has it; None if there are none."""
    kept = list(dict.fromkeys([*CONTEXT, step, *options.amounts]))
    parts = list(judged.tables(kept))
    if not parts:
        return None
    table = pa.concat_tables(parts)
    return judged_rows(table, np.zeros(table.num_rows), step, options, probabilities=True).digest


def _scored(reader: SetReader, models: list[VersionedRanker], options: EvaluationOptions) -> tuple[pa.Table, list[Mapping[str, Floats]]]:
    """The judged rows without their features, and each model's scores by label; features of one piece are in memory at a time."""
    kept = list(dict.fromkeys([*CONTEXT, *reader.schema.labels, *options.amounts]))
    columns = list(dict.fromkeys([*kept, *[name for model in models for name in model.ranker.columns]]))
    for name in columns:
        if name not in reader.schema.arrow.names:
            raise InvalidInput(f"there is no column {name!r}", where="training set", remedy=nearest(name, reader.schema.arrow.names))
    parts: list[pa.Table] = []
    scores: list[dict[str, list[Floats]]] = [{} for _ in models]
    for table in reader.tables(columns):
        parts.append(table.select(kept))
        for model, found in zip(models, scores, strict=True):
            for label, values in model.ranker.score(table).items():
                found.setdefault(label, []).append(values)
    if not parts:
        raise InvalidInput("there are no rows to judge by", where="training set", remedy="build the days after those of training")
    return pa.concat_tables(parts), [{label: np.concatenate(values) for label, values in found.items()} for found in scores]


def _values(reader: SetReader, column: str) -> set[str]:
    """What a column holds anywhere."""
    found: set[str] = set()
    for table in reader.tables([column]):
        found.update(value for value in pc.unique(table.column(column)).to_pylist() if value is not None)
    return found
