"""Behaviour sequences in a training set: the final one of each row's request and item, as models read it.

Each declared column of a sequence is a column of the set, `<sequence>_<column>`, beside `<sequence>_mask`: lists of one length, the newest
action first. Where less was found, or nothing is known of a request, places are null and false in the mask.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import pyarrow as pa

from srp_assets.errors import InvalidInput
from srp_assets.sequences.declaration import Document, Sequence
from srp_assets.sequences.stages import STAGE_SCHEMA, TEXT_LISTS, TIME_LISTS

MASK = "mask"
"""The column that says where something is (`sequences/arrays.py`)."""

ListType = Literal["texts", "numbers", "flags"]


def column_of(sequence: str, name: str) -> str:
    """What a set calls a column of a sequence."""
    return f"{sequence}_{name}"


@dataclass(frozen=True)
class SetSequence:
    """A sequence that sets carry.

    Args:
        declared: its declaration.
        version: of the declaration.
    """

    declared: Sequence
    version: str

    @cached_property
    def fields(self) -> tuple[pa.Field, ...]:
        """Its columns in a set."""
        types = {name: _element(name) for name in self.declared.columns} | {MASK: pa.bool_()}
        length, own = self.declared.final.length, self.declared.name
        return tuple(pa.field(column_of(own, name), pa.list_(type_, length)) for name, type_ in types.items())

    @cached_property
    def value_types(self) -> dict[str, ListType]:
        """What models may read of it, by column of the set: texts, numbers and the mask; of times there is `time_gap`, a number."""
        kept = [name for name in self.declared.columns if name not in (*TIME_LISTS, "bucket")]
        types: dict[str, ListType] = {name: "texts" if name in TEXT_LISTS else "numbers" for name in kept}
        return {column_of(self.declared.name, name): type_ for name, type_ in {**types, MASK: "flags"}.items()}


def _element(name: str) -> pa.DataType:
    return pa.float64() if name == "time_gap" else STAGE_SCHEMA.field(name).type.value_type


def set_sequences(document: Document, names: tuple[str, ...]) -> tuple[SetSequence, ...]:
    """The sequences that sets carry.

    Args:
        document: what is declared.
        names: of the sequences, each once.

    Raises:
        InvalidInput: if one is not declared, or is named twice.
    """
    if len(set(names)) < len(names):
        raise InvalidInput("a sequence is named twice", where="SRP_TRAINING_SEQUENCES", remedy="name each once")
    return tuple(SetSequence(own, document.version(own)) for own in map(document.named, names))
