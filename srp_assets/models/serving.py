"""Any trained model as a folder, as an MLflow model, and as a function of single requests: found again by its kind.

MLflow knows this module as the loader of its models (`loader_module`): it hands over the folder and calls `predict`.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from srp_assets.errors import InvalidInput
from srp_assets.models.ranker import Ranker
from srp_assets.training.schema import COLUMN_TYPES, SetType
from srp_assets.warehouse.schema import TIMESTAMP

if TYPE_CHECKING:
    import pandas as pd

LOADER_MODULE = __name__
KIND_FILE, MODEL_FOLDER = "ranker.json", "model"


def save_ranker(ranker: Ranker, folder: Path, value_types: Mapping[str, SetType]) -> None:
    """Writes a model so that `load_ranker` finds its class again.

    Args:
        ranker: the model.
        folder: empty or new.
        value_types: what the values of each feature are; those that the model reads are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    about = {"kind": ranker.document.architecture.kind, "columns": {name: value_types[name] for name in ranker.columns}}
    (folder / KIND_FILE).write_text(json.dumps(about), encoding="utf-8")
    ranker.save(folder / MODEL_FOLDER)


def load_ranker(folder: Path) -> Ranker:
    """Reads what `save_ranker` wrote.

    Raises:
        InvalidInput: if the folder holds no model.
    """
    if _about(folder)["kind"] == "gbdt":
        from srp_assets.models.gbdt import GradientBoostedRanker

        return GradientBoostedRanker.load(folder / MODEL_FOLDER)
    # torch takes two seconds to import: only who scores with it pays.
    from srp_assets.models.deep.ranker import DeepRanker

    return cast("Ranker", DeepRanker.load(folder / MODEL_FOLDER))


@lru_cache(maxsize=4)
def loaded(folder: str) -> "ServedRanker":
    """A model for one process that scores with it again and again; folders of models never change."""
    return ServedRanker(Path(folder))


def _load_pyfunc(path: str) -> "ServedRanker":
    """What MLflow calls with the model's folder."""
    return loaded(path)


def _about(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / KIND_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InvalidInput("this folder holds no model", where=str(folder), remedy="give the folder of a trained model") from error


class ServedRanker:
    """A model that answers Arrow tables, pandas frames and single requests alike."""

    def __init__(self, folder: Path) -> None:
        self.ranker = load_ranker(folder)
        self._types = {name: COLUMN_TYPES[type_] for name, type_ in _about(folder)["columns"].items()}

    @property
    def schema(self) -> pa.Schema:
        """The columns that it reads."""
        return pa.schema(list(self._types.items()))

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> "pd.DataFrame":
        """The probability of each label, a column each, in the order of the rows; what MLflow calls.

        Args:
            model_input: a pandas frame, an Arrow table, or rows as dicts.
            params: of MLflow; there are none.
        """
        import pandas as pd

        return pd.DataFrame(self.ranker.score(self.table_of(model_input)))

    def answer(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
        """The probabilities of the candidates of one request."""
        found = self.ranker.score(self.table_of(rows))
        return [{label: float(scores[row]) for label, scores in found.items()} for row in range(len(rows))]

    def table_of(self, rows: Any) -> pa.Table:
        """Rows as the model reads them; a column that is missing in every row is missing here, and the model says so.

        Raises:
            InvalidInput: if a value is not of its column's type.
        """
        if isinstance(rows, pa.Table):
            columns = {name: rows[name] for name in self._types if name in rows.column_names}
        elif hasattr(rows, "columns"):
            columns = {name: _of_pandas(rows[name], type_) for name, type_ in self._types.items() if name in rows.columns}
        else:
            columns = {name: [row.get(name) for row in rows] for name in self._types if not rows or any(name in row for row in rows)}
        try:
            arrays = {name: _cast(values, self._types[name]) for name, values in columns.items()}
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            summary = " ".join(str(error).split())
            raise InvalidInput(
                f"a value has the wrong type: {summary}", where="rows to score", remedy="see the model's signature"
            ) from error
        return pa.table(arrays)


def pandas_of(table: pa.Table) -> "pd.DataFrame":
    """Rows as a frame that MLflow's signatures accept: times in UTC without a zone, lists as lists."""
    columns = [
        table[field.name].cast(TIMESTAMP).cast(pa.int64()).cast(pa.timestamp("us"))
        if pa.types.is_timestamp(field.type)
        else table[field.name]
        for field in table.schema
    ]
    frame = pa.table(columns, names=table.schema.names).to_pandas()
    for field in table.schema:
        if pa.types.is_list(field.type):
            frame[field.name] = [None if values is None else list(values) for values in frame[field.name]]
    return frame


def _of_pandas(column: Any, type_: pa.DataType) -> pa.Array:
    """A column of a pandas frame; its times have no zone and are UTC."""
    found = pa.array(column, from_pandas=True)
    found = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    if pa.types.is_timestamp(type_) and pa.types.is_timestamp(found.type) and found.type.tz is None:
        return found.cast(pa.timestamp("us")).view(type_)
    return found


def _cast(values: Any, type_: pa.DataType) -> pa.Array | pa.ChunkedArray:
    return values.cast(type_) if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, type_)
