"""What stages found for any requests and items, as training sets have it: for whoever scores rows that are in no set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Engine

from srp_assets.features.building.files import open_files
from srp_assets.logs.tables import built_days
from srp_assets.sequences.arrays import fixed_columns, lists_of
from srp_assets.sequences.building.days import newest_builds
from srp_assets.sequences.stages import STAGE_SCHEMA
from srp_assets.training.building import TrainingPlaces
from srp_assets.training.set_sequences import SetSequence, column_of
from srp_assets.warehouse.storage import Storage

KEYS = ("trace_id", "item_id")
"""What a row is found by."""

BETWEEN = "\x1f"
"""Between the parts of a key: no id has it."""


@dataclass(frozen=True)
class FoundSequences:
    """The final sequences of some days.

    Args:
        storage: of the sequences.
        files: of the stages of these days.
        sequences: that are wanted.
    """

    storage: Storage
    files: Sequence[str]
    sequences: Sequence[SetSequence]

    def columns(self, rows: pa.Table) -> dict[str, pa.Array]:
        """The columns of all sequences, in the order of the rows; nothing is filled where nothing is known of a row.

        Args:
            rows: with `trace_id` and `item_id`.
        """
        wanted = pc.binary_join_element_wise(*(rows[name] for name in KEYS), BETWEEN)
        found: dict[str, pa.Array] = {}
        for sequence in self.sequences:
            finals = self._finals(sequence, pc.unique(rows["trace_id"]))
            place = pc.index_in(wanted, value_set=pc.binary_join_element_wise(finals["trace_id"], finals["candidate_id"], BETWEEN))
            columns = fixed_columns(sequence.declared, finals.take(place))
            found |= {column_of(sequence.declared.name, name): column for name, column in columns.items()}
        return found

    def _finals(self, sequence: SetSequence, traces: pa.Array) -> pa.Table:
        """The final rows of some requests, each once: by its first time, as in `plan_sets.py`."""
        names = ["trace_id", "candidate_id", "as_of", *lists_of(sequence.declared)]
        if not self.files:
            return STAGE_SCHEMA.empty_table().select(names)
        is_own = (pc.field("stage") == "final") & (pc.field("sequence") == sequence.declared.name) & pc.field("trace_id").isin(traces)
        rows = open_files(self.storage, self.files, STAGE_SCHEMA).to_table(columns=names, filter=is_own)
        rows = rows.take(pc.sort_indices(rows, [("as_of", "ascending")]))
        keys = pc.binary_join_element_wise(rows["trace_id"], rows["candidate_id"], BETWEEN).combine_chunks().dictionary_encode()
        _, first = np.unique(np.asarray(keys.indices), return_index=True)
        return rows.take(pa.array(first))


def found_sequences(engine: Engine, places: TrainingPlaces, first: str, last: str) -> FoundSequences | None:
    """The behaviour sequences of the requests of some days; None where sets carry none, or those of a day are not built.

    Args:
        engine: of the registry.
        places: of the training sets whose sequences are wanted.
        first: day.
        last: day, included.
    """
    if places.sequences is None:
        return None
    with engine.connect() as connection:
        builds = newest_builds(connection, places.sequences)
        days = built_days(connection, "actions", first, last)
    if not days.keys() <= builds.keys():
        return None
    return FoundSequences(places.sequences.sequences, [path for day in days for path in builds[day].files], places.schema.sequences)
