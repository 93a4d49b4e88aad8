"""Gradient-boosted trees by LightGBM: each row by itself, or ranked within its request; trained on streamed row groups.

Only bins are kept of the rows that are trained on, a byte a value: borders of bins come from a sample that is spread over all days, and
then every row group is read once, binned, and let go. What LightGBM would do with all rows in memory is the same but for that sample.

LambdaRank is told the places of rows: beside the trees LightGBM learns a score for each place, which explains what is clicked because of
where it stood, and is no part of the model, as the bias tower of deep models.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.errors import InvalidInput
from srp_assets.models.config.architectures import GradientBoosting
from srp_assets.models.config.document import ModelDocument
from srp_assets.models.config.loading import model_of
from srp_assets.models.matrix import InputMatrix, fitted_matrix
from srp_assets.training.reader import RowGroup, SetReader
from srp_assets.training.sampling import kept_rows, recalibrated

SAMPLE_ROWS = 200_000
"""Rows by which bins and categories are found: LightGBM's own default."""

FORMAT = 1
"""Of saved folders; another number cannot be read."""

MODEL_FILE = "model.json"

Progress = Callable[[int, float], None]
"""Told the round and the metric on validation rows."""


@dataclass(frozen=True)
class GradientBoostedRanker:
    """Trained trees, a booster for each label (`Ranker`)."""

    document: ModelDocument
    matrix: InputMatrix
    boosters: Mapping[str, lgb.Booster] = field(repr=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """The features that `score` reads."""
        return self.matrix.columns

    def score(self, table: pa.Table) -> dict[str, np.ndarray]:
        """The probability of each label for each row; of lambdarank a score to order by (`Ranker.score`)."""
        architecture = _architecture(self.document)
        matrix = self.matrix.of(table)
        found = {}
        for label, booster in self.boosters.items():
            scores = np.asarray(booster.predict(matrix)) if len(matrix) else np.zeros(0)
            found[label] = scores if _ranks(self.document) else recalibrated(scores, architecture.negative_share)
        return found

    def importance(self) -> dict[str, dict[str, float]]:
        """For each label the gain of each input, as shares of the whole."""
        found = {}
        for label, booster in self.boosters.items():
            gains = booster.feature_importance("gain")
            whole = gains.sum() or 1.0
            found[label] = {name: float(gain / whole) for name, gain in zip(self.matrix.names, gains, strict=True)}
        return found

    def rounds(self) -> dict[str, int]:
        """Trees of each label."""
        return {label: booster.num_trees() for label, booster in self.boosters.items()}

    def save(self, folder: Path) -> None:
        """Writes the model into an empty or new folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for label, booster in self.boosters.items():
            booster.save_model(folder / f"{label}.txt")
        content = {
            "format": FORMAT,
            "document": self.document.model_dump(mode="json", exclude_unset=True),
            "categories": {name: list(values) for name, values in self.matrix.categories.items()},
            "labels": list(self.boosters),
        }
        (folder / MODEL_FILE).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads a model that `save` wrote.

        Raises:
            InvalidInput: if the folder holds no such model, or one of a form that this version cannot read.
        """
        try:
            content = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
            boosters = {label: lgb.Booster(model_file=folder / f"{label}.txt") for label in content["labels"]}
        except (OSError, ValueError, KeyError, lgb.basic.LightGBMError) as error:
            summary = " ".join(str(error).split())
            raise InvalidInput(f"this is no model of trees: {summary}", where=str(folder), remedy="train it again") from error
        if content["format"] != FORMAT:
            raise InvalidInput(f"the model has the form {content['format']}, not {FORMAT}", where=str(folder), remedy="train it again")
        document = model_of(content["document"], where=str(folder))
        categories = {name: tuple(values) for name, values in content["categories"].items()}
        return cls(document, InputMatrix(document.inputs, categories), boosters)


def train_gbdt(
    document: ModelDocument, train: SetReader, validation: SetReader | None, progress: Progress | None = None
) -> GradientBoostedRanker:
    """Trains trees on some days, and stops when they get no better on others.

    Args:
        document: the configuration, every input's encoding written out (`resolve_inputs`).
        train: the days to train on.
        validation: the days to stop by; without them all rounds are trained.
        progress: told each round.

    Raises:
        InvalidInput: if the configuration asks for what trees have not, or a label never, or always, happened.
    """
    _refuse(document)
    sample = pa.concat_tables([train.read(group, document.serving_features) for group in train.spread(SAMPLE_ROWS)])
    matrix = fitted_matrix(document.inputs, sample)
    sampled = matrix.of(sample)
    # A page is ranked by all labels together, each one that happened a grade more; the trees stand under the first label's name.
    labels = list(document.labels)[:1] if _ranks(document) else document.labels
    boosters = {label: _train_label(document, label, train, validation, matrix, sampled, progress) for label in labels}
    return GradientBoostedRanker(document, matrix, boosters)


def _train_label(
    document: ModelDocument,
    label: str,
    train: SetReader,
    validation: SetReader | None,
    matrix: InputMatrix,
    sampled: np.ndarray,
    progress: Progress | None,
) -> lgb.Booster:
    architecture = _architecture(document)
    parameters = parameters_of(document)
    borders = lgb.Dataset(
        sampled, params=parameters, feature_name=list(matrix.names), categorical_feature=matrix.category_places, free_raw_data=True
    ).construct()
    rows = _binned(document, label, train, matrix, borders, parameters, share=architecture.negative_share)
    judged = None if validation is None else _binned(document, label, validation, matrix, rows, parameters, share=1.0)
    callbacks: list[Any] = []
    if judged is not None:
        callbacks.append(lgb.early_stopping(architecture.patience, first_metric_only=True, verbose=False))
    if progress is not None:
        callbacks.append(_told(progress))
    return lgb.train(
        parameters, rows, num_boost_round=architecture.rounds, valid_sets=[judged] if judged is not None else None, callbacks=callbacks
    )


def _told(progress: Progress) -> Callable[[Any], None]:
    def tell(state: Any) -> None:
        results = state.evaluation_result_list
        progress(state.iteration + 1, float(results[0][2]) if results else float("nan"))

    return tell


def parameters_of(document: ModelDocument) -> dict[str, Any]:
    """A configuration in LightGBM's words."""
    architecture, ranks = _architecture(document), _ranks(document)
    return {
        "objective": architecture.objective,
        "metric": ["ndcg"] if ranks else ["auc", "binary_logloss"],
        "eval_at": [10],
        "num_leaves": architecture.leaves,
        "learning_rate": architecture.learning_rate,
        "min_data_in_leaf": architecture.least_leaf_rows,
        "feature_fraction": architecture.feature_share,
        "bagging_fraction": architecture.row_share,
        "bagging_freq": 1 if architecture.row_share < 1 else 0,
        "lambda_l2": architecture.l2,
        "lambdarank_position_bias_regularization": architecture.position_regularization,
        "max_bin": architecture.bins,
        "seed": architecture.seed,
        # The same trees however many threads there are, and whatever else the machine does.
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }


@dataclass(frozen=True)
class _Piece:
    """What is known of a row group beside its inputs: which rows count, and what they are."""

    group: RowGroup
    kept: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    requests: np.ndarray
    positions: np.ndarray


class _Inputs(lgb.Sequence):
    """One row group for LightGBM, which asks for all its rows once; the next one is read meanwhile."""

    def __init__(self, piece: _Piece, ahead: "_ReadAhead") -> None:
        self._piece = piece
        self._ahead = ahead
        self.batch_size = max(1, len(piece.labels))

    def __len__(self) -> int:
        return len(self._piece.labels)

    def __getitem__(self, rows: Any) -> np.ndarray:
        """The inputs of the rows that count; LightGBM asks for a slice of all of them."""
        return self._ahead.matrix_of(self._piece)[rows]


class _ReadAhead:
    """Reads and encodes row groups in their order, one ahead of what is asked for."""

    def __init__(self, reader: SetReader, matrix: InputMatrix, pieces: list[_Piece], pool: ThreadPoolExecutor) -> None:
        self._reader = reader
        self._matrix = matrix
        self._after = dict(zip((piece.group for piece in pieces), pieces[1:], strict=False))
        self._pool = pool
        self._waiting: dict[RowGroup, Future[np.ndarray]] = {}

    def matrix_of(self, piece: _Piece) -> np.ndarray:
        """The inputs of the rows of a piece that count."""
        found = self._waiting.pop(piece.group, None) or self._pool.submit(self._read, piece)
        following = self._after.get(piece.group)
        if following is not None and following.group not in self._waiting:
            self._waiting[following.group] = self._pool.submit(self._read, following)
        return found.result()

    def _read(self, piece: _Piece) -> np.ndarray:
        matrix = self._matrix.of(self._reader.read(piece.group, self._matrix.columns))
        return matrix if piece.kept.all() else matrix[piece.kept]


def _binned(
    document: ModelDocument,
    label: str,
    reader: SetReader,
    matrix: InputMatrix,
    reference: lgb.Dataset,
    parameters: Mapping[str, Any],
    *,
    share: float,
) -> lgb.Dataset:
    """The rows of some days as LightGBM keeps them, with the borders of another set."""
    pieces = [piece for piece in _pieces(document, label, reader, share) if len(piece.labels)]
    labels = np.concatenate([piece.labels for piece in pieces]) if pieces else np.zeros(0)
    if labels.min(initial=1) == labels.max(initial=0):
        days = f"{min(reader.files)} to {max(reader.files)}" if reader.files else "no day"
        always = "always" if len(labels) and labels[0] else "never"
        raise InvalidInput(
            f"the label {label!r} {always} happened in {days}", where=document.name, remedy="choose other days or another label"
        )
    architecture = _architecture(document)
    groups = np.concatenate([piece.requests for piece in pieces]) if _ranks(document) else None
    positions = np.concatenate([piece.positions for piece in pieces]) if _ranks(document) else np.zeros(0)
    weights = np.concatenate([piece.weights for piece in pieces]) if architecture.weighted else None
    with ThreadPoolExecutor(1) as pool:
        ahead = _ReadAhead(reader, matrix, pieces, pool)
        return lgb.Dataset(
            [_Inputs(piece, ahead) for piece in pieces],
            label=labels,
            weight=weights,
            group=groups,
            position=positions if len(positions) == len(labels) else None,
            reference=reference,
            feature_name=list(matrix.names),
            categorical_feature=matrix.category_places,
            params=dict(parameters),
            free_raw_data=True,
        ).construct()


def _pieces(document: ModelDocument, label: str, reader: SetReader, share: float) -> Iterator[_Piece]:
    """What is to be known of row groups before their inputs are read; only narrow columns are opened."""
    architecture, ranks = _architecture(document), _ranks(document)
    columns = [*document.labels, "weight"]
    columns += ["trace_id", "position", "examination"] if ranks else []
    # Ids decide which rows without the label stay. Where all do, texts that are as many as rows need not be read.
    columns += ["event_id"] if share < 1 else []
    for group in reader.row_groups:
        rows = reader.read(group, columns)
        happened = rows[label].to_numpy()
        labels = sum(rows[name].to_numpy().astype(np.float64) for name in document.labels) if ranks else happened.astype(np.float64)
        # A page is ranked as a whole: no row of it is left out.
        kept = kept_rows(rows["event_id"], happened, share, architecture.seed) if share < 1 else np.ones(len(happened), dtype=bool)
        requests = _request_sizes(rows["trace_id"]) if ranks else np.zeros(0, dtype=np.int64)
        positions = _positions(architecture, rows) if ranks else np.zeros(0, dtype=np.int32)
        yield _Piece(group, kept, np.asarray(labels)[kept], rows["weight"].to_numpy()[kept], requests, positions)


def _positions(architecture: GradientBoosting, rows: pa.Table) -> np.ndarray:
    """The places at which rows were shown, if LightGBM is to learn what clicks owe to them; empty if it is not.

    Rows that are weighed by how likely their place is looked at are right already: place would be taken out of their clicks twice.
    """
    weighed_by_place = architecture.weighted and rows["examination"].null_count < rows.num_rows
    if not architecture.debias_positions or weighed_by_place:
        return np.zeros(0, dtype=np.int32)
    return rows["position"].to_numpy().astype(np.int32)


def _request_sizes(traces: pa.ChunkedArray) -> np.ndarray:
    """How many rows each request has, which lie one after the other."""
    encoded = pc.dictionary_encode(traces.combine_chunks()).indices.to_numpy()
    begins = np.flatnonzero(np.concatenate([[True], encoded[1:] != encoded[:-1]]))
    return np.diff(np.concatenate([begins, [len(encoded)]]))


def _architecture(document: ModelDocument) -> GradientBoosting:
    if not isinstance(document.architecture, GradientBoosting):
        raise InvalidInput(f"{document.name} is no model of trees", where=document.name, remedy="architecture: {kind: gbdt}")
    return document.architecture


def _ranks(document: ModelDocument) -> bool:
    """Whether rows are ranked within their requests."""
    return _architecture(document).objective == "lambdarank"


def _refuse(document: ModelDocument) -> None:
    """What trees have not."""
    architecture = _architecture(document)
    if document.sequences:
        raise InvalidInput("trees do not look at sequences", where=f"{document.name}: sequences", remedy="leave them out")
    if document.bias is not None:
        remedy = "leave it out, and weigh rows by examination (SRP_TRAINING_WEIGHTING)"
        raise InvalidInput("trees have no tower that could be left out when serving", where=f"{document.name}: bias", remedy=remedy)
    if _ranks(document) and architecture.negative_share < 1:
        remedy = "leave negative_share out"
        raise InvalidInput("a page is ranked with all its rows", where=f"{document.name}: architecture.negative_share", remedy=remedy)
