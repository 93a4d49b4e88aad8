"""Scoring in Spark: Arrow batches go to the model as they are, without a pandas frame in between."""

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from srp_assets.models.serving import loaded
from srp_assets.warehouse.plan_types import quoted

Batches = Iterator[pa.RecordBatch]


def scored(frame: DataFrame, folder: str, columns: Sequence[str], labels: Sequence[str], keys: Sequence[str]) -> DataFrame:
    """The scores of all rows: `keys` and a column for each label.

    Args:
        frame: rows with the keys and the model's columns.
        folder: of the model (`save_ranker`), where every worker reads it: a shared disk, or shipped as an artifact.
        columns: that the model reads.
        labels: that it scores.
        keys: columns that are handed through.
    """
    wanted = list(dict.fromkeys([*keys, *columns]))
    chosen = frame.select(*[F.col(quoted(name)) for name in wanted])
    types = {field.name: field.dataType.simpleString() for field in chosen.schema.fields if field.name in keys}
    schema = ", ".join([*[f"{quoted(name)} {types[name]}" for name in keys], *[f"{quoted(label)} double" for label in labels]])
    return chosen.mapInArrow(_score(folder, tuple(labels), tuple(keys)), schema)


def _score(folder: str, labels: Sequence[str], keys: Sequence[str]) -> Callable[[Batches], Batches]:
    def score(batches: Batches) -> Batches:
        model = loaded(folder)
        for batch in batches:
            found = model.ranker.score(model.table_of(pa.Table.from_batches([batch])))
            arrays = [batch.column(key) for key in keys] + [pa.array(found[label], pa.float64()) for label in labels]
            yield pa.RecordBatch.from_arrays(arrays, names=[*keys, *labels])

    return score
