"""The columns of a training set: one place for names, types and meaning.

A day of a training set is a folder of Parquet files with a row for each impression of that day: what identifies it, its context, what
came of it, how much it weighs, and then one column for each feature, under the feature's own name, and those of behaviour sequences
(`set_sequences.py`). Null stays null: what a model takes instead is for the model to say.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa

from srp_assets.errors import InvalidInput
from srp_assets.features.declaration.columns import ValueType
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.training.set_sequences import ListType, SetSequence
from srp_assets.warehouse.schema import TIMESTAMP

if TYPE_CHECKING:
    from srp_assets.logs.catalogue import LogCatalogue

ROW_GROUP_ROWS = 65_536
"""Rows of a row group at most: what a reader holds of a file at a time."""

ROW_GROUP_ACTIONS = 4_000_000
"""Places of sequences in a row group at most, all their columns counted: some hundred megabytes."""

CLICKED = "clicked"
"""The label of the funnel's first step; the others have the names of their logs."""

IDENTITY_FIELDS = (
    pa.field("trace_id", pa.string()),
    pa.field("item_id", pa.string()),
    pa.field("event_id", pa.string()),
    pa.field("event_time", TIMESTAMP),
)
"""`event_id` is the impression's: with it a row is found again in `logs/impression_outcomes`, and with `trace_id` in every raw log."""

CONTEXT_FIELDS = tuple(pa.field(name, pa.string()) for name in ("user_id", "market", "query", "device", "page", "location"))

POLICY_FIELDS = (
    pa.field("position", pa.int64()),
    pa.field("propensity", pa.float64()),
    pa.field("explored", pa.bool_()),
    pa.field("examination", pa.float64()),
)
"""How it came to be shown: the place; the logged probability of the choice; whether chance chose; and the probability that the place is
looked at, against the first place, where it was estimated."""

STATE_FIELDS = (pa.field("label_state", pa.string()), pa.field("weight", pa.float64()))
"""Whether labels may still come (`provisional`, `final`), and what the row weighs in training (`weights.py`)."""

SetType = ValueType | ListType
"""What the values of a column may be that models read."""

FEATURE_TYPES: Mapping[SetType, pa.DataType] = {
    "number": pa.float64(),
    "text": pa.string(),
    "texts": pa.list_(pa.string()),
    "time": TIMESTAMP,
}

COLUMN_TYPES: Mapping[SetType, pa.DataType] = {
    **FEATURE_TYPES,
    "numbers": pa.list_(pa.float64()),
    "flags": pa.list_(pa.bool_()),
}


@dataclass(frozen=True)
class TrainingSchema:
    """The columns of one training set.

    Args:
        steps: the funnel's steps after the click, by the names of their logs, in order.
        features: what each feature's values are, by its name, in order.
        versions: each feature's version (of `features/declaration`).
        sequences: behaviour sequences that it carries.
    """

    steps: tuple[str, ...]
    features: Mapping[str, ValueType]
    versions: Mapping[str, str]
    sequences: tuple[SetSequence, ...] = ()

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The columns that say what came of an impression, in the order of the funnel."""
        return (CLICKED, *self.steps)

    @cached_property
    def label_fields(self) -> tuple[pa.Field, ...]:
        """Each label with its delay in seconds since the impression, and each step with its amount."""
        fields = [pa.field(CLICKED, pa.bool_()), pa.field("click_delay_seconds", pa.float64())]
        for step in self.steps:
            fields += [
                pa.field(step, pa.bool_()),
                pa.field(f"{step}_delay_seconds", pa.float64()),
                pa.field(f"{step}_amount", pa.float64()),
            ]
        return tuple(fields)

    @cached_property
    def own_fields(self) -> tuple[pa.Field, ...]:
        """All that is no feature."""
        return (*IDENTITY_FIELDS, *CONTEXT_FIELDS, *POLICY_FIELDS, *self.label_fields, *STATE_FIELDS)

    @cached_property
    def arrow(self) -> pa.Schema:
        """All columns, as files have them."""
        features = [pa.field(name, FEATURE_TYPES[type_]) for name, type_ in self.features.items()]
        return pa.schema([*self.own_fields, *features, *self.sequence_fields])

    @cached_property
    def sequence_fields(self) -> tuple[pa.Field, ...]:
        """The columns of all sequences."""
        return tuple(field for own in self.sequences for field in own.fields)

    @cached_property
    def row_group_rows(self) -> int:
        """Rows of a row group at most."""
        places = sum(field.type.list_size for field in self.sequence_fields)
        return min(ROW_GROUP_ROWS, max(1, ROW_GROUP_ACTIONS // places)) if places else ROW_GROUP_ROWS

    def features_of_type(self, *types: ValueType) -> tuple[str, ...]:
        """The features whose values are of some types."""
        return tuple(name for name, type_ in self.features.items() if type_ in types)


def training_schema(catalogue: "LogCatalogue", definitions: Definitions, sequences: tuple[SetSequence, ...] = ()) -> TrainingSchema:
    """The schema that follows from the declared logs, features and sequences.

    Raises:
        InvalidInput: if a feature has the name of a column that every training set has, or a sequence that of a feature.
    """
    schema = TrainingSchema(
        steps=catalogue.steps,
        features={name: feature.value_type for name, feature in definitions.features.items()},
        versions={name: feature.version for name, feature in definitions.features.items()},
        sequences=sequences,
    )
    taken = sorted({field.name for field in schema.own_fields} & set(schema.features))
    if taken:
        raise InvalidInput(
            f"the feature {taken[0]!r} has the name of a column of every training set",
            where=f"features of {definitions.name}",
            remedy="call the feature otherwise",
        )
    names = schema.arrow.names
    twice = sorted({field.name for field in schema.sequence_fields if names.count(field.name) > 1})
    if twice:
        raise InvalidInput(
            f"a sequence has the column {twice[0]!r}, and so has the training set",
            where=f"sequences beside {definitions.name}",
            remedy="call the sequence otherwise",
        )
    return schema
