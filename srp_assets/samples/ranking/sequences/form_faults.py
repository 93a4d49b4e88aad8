"""Faults by which the same actions are handed over in another form: numbers, hashes, padding, samples, versions."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.online.records.digests import digest_of
from srp_assets.samples.ranking.sequences.search_faults import Declared
from srp_assets.samples.ranking.sequences.serving import SequenceFault, with_column


class FloatWidth(SequenceFault):
    """The portrait keeps its numbers in 32 bits."""

    name = cause = "float_width"

    def actions(self, actions: pa.Table) -> pa.Table:
        """With narrow numbers."""
        for name in ("price", "amount", "dwell_seconds"):
            actions = with_column(actions, name, actions[name].cast(pa.float32(), safe=False).cast(pa.float64()))
        return actions


class NullAgainstDefault(SequenceFault):
    """The portrait has zeros where nothing was said."""

    name = cause = "null_against_default"

    def actions(self, actions: pa.Table) -> pa.Table:
        """With zeros in the place of nulls."""
        for name in ("price", "amount", "dwell_seconds"):
            actions = with_column(actions, name, pc.fill_null(actions[name], 0.0))
        return actions


class DefaultInsteadOfValue(SequenceFault):
    """For a third of the items the read times out and nobody says so: their prices are defaults."""

    name = cause = "default_instead_of_value"

    def actions(self, actions: pa.Table) -> pa.Table:
        """With defaults."""
        missed = pa.array([digest_of(item) % 3 == 0 for item in actions["item_id"].to_pylist()])
        return with_column(actions, "price", pc.if_else(missed, -1.0, actions["price"]))


class HashSeed(Declared):
    """Ids are hashed with another seed."""

    name = cause = "hash_seed"

    def sequence(self, sequence: dict[str, Any]) -> dict[str, Any]:
        """With the other seed."""
        return sequence | {"hashing": sequence["hashing"] and sequence["hashing"] | {"seed": 0}}


class HashCollision(Declared):
    """Ids are hashed into a smaller space."""

    name = cause = "hash_collision"

    def sequence(self, sequence: dict[str, Any]) -> dict[str, Any]:
        """With the smaller space."""
        return sequence | {"hashing": sequence["hashing"] and sequence["hashing"] | {"space": 64}}


class PaddingSide(Declared):
    """Empty places are at the start."""

    name = cause = "padding_side"

    def sequence(self, sequence: dict[str, Any]) -> dict[str, Any]:
        """With the other side."""
        return sequence | {"padding": "start"}


class Sampling(SequenceFault):
    """The stream of the online side is half of the log, by the hash of the id."""

    name = cause = "sampling"

    def actions(self, actions: pa.Table) -> pa.Table:
        """The half."""
        return actions.filter(pa.array([digest_of(own) % 2 == 0 for own in actions["event_id"].to_pylist()]))


class VersionSkew(SequenceFault):
    """The online side runs an older version of the declaration, which happens to give the same lists."""

    name, cause = "version_skew", "definition_version"

    def shown(self, table: pa.Table) -> pa.Table:
        """With the older version."""
        return with_column(table, "definition_version", pa.array(["older"] * table.num_rows))


class TraceMissing(SequenceFault):
    """A quarter of the traces are not logged."""

    name, cause = "trace_missing", "trace_missing_online"

    def shown(self, table: pa.Table) -> pa.Table:
        """The others."""
        return table.filter(pa.array([digest_of(own) % 4 != 0 for own in table["trace_id"].to_pylist()]))
