"""Faults by which a search takes other actions of the same portrait: another declaration, dictionary or version of vectors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.aggregation.rows import integers
from srp_assets.features.times import MICROSECONDS_OF_DAY
from srp_assets.samples.ranking.sequences.serving import SequenceFault, times_of, with_column
from srp_assets.sequences.stages import STAGE_SCHEMA


class Declared(SequenceFault):
    """The online side serves another declaration under the version of the right one."""

    def declared(self, declared: dict[str, Any]) -> dict[str, Any]:
        """The other one."""
        sequences = [self.sequence({**own}) for own in declared["sequences"]]
        return declared | {"sequences": sequences}

    def sequence(self, sequence: dict[str, Any]) -> dict[str, Any]:
        """Another declaration of a sequence."""
        return sequence


class OtherLength(SequenceFault):
    """Portraits have 60 actions, and say so of themselves as if they had more."""

    name = cause = "other_length"

    def declared(self, declared: dict[str, Any]) -> dict[str, Any]:
        """With short portraits."""
        return declared | {"portrait": declared["portrait"] | {"length": 60}}

    def shown(self, table: pa.Table) -> pa.Table:
        """With the declared length."""
        is_portrait = pc.equal(table["stage"], "portrait")
        return with_column(table, "length", pc.if_else(is_portrait, pa.scalar(80, pa.int32()), table["length"]))


class FilterByKind(Declared):
    """The search takes impressions, too."""

    name = cause = "filter_by_kind"

    def sequence(self, sequence: dict[str, Any]) -> dict[str, Any]:
        """Without its tests."""
        return sequence | {"general": sequence["general"] | {"where": []}}


class HiddenItemKept(Declared):
    """Nobody looks whether items were taken down."""

    name = cause = "hidden_item_kept"

    def sequence(self, sequence: dict[str, Any]) -> dict[str, Any]:
        """Without the tests of items."""
        return sequence | {"general": sequence["general"] | {"items": []}}


class SessionBoundary(Declared):
    """Sessions end after ten minutes."""

    name = cause = "session_boundary"

    def sequence(self, sequence: dict[str, Any]) -> dict[str, Any]:
        """With the other gap."""
        general = sequence["general"]
        return sequence | {"general": general | {"session": general["session"] and general["session"] | {"gap_minutes": 10}}}


class DecayLeftOut(Declared):
    """Scores do not fade."""

    name = cause = "decay_left_out"

    def sequence(self, sequence: dict[str, Any]) -> dict[str, Any]:
        """Without half-lives."""
        return sequence | {"final": sequence["final"] | {"half_life_days": None}}


class ApproximateSearchMiss(Declared):
    """The soft search is an approximate one."""

    name = cause = "approximate_search_miss"

    def shown(self, table: pa.Table) -> pa.Table:
        """Without one of the three best actions of every other candidate."""
        return _final_rows(table, "near", 10, lambda rows: [row for place, row in enumerate(rows) if place != 2])

    def sequence(self, sequence: dict[str, Any]) -> dict[str, Any]:
        """With room for all that could be found."""
        return _unlimited(sequence)


class SoftSearchTie(Declared):
    """Of equal scores the oldest is taken."""

    name = cause = "soft_search_tie"

    def sequence(self, sequence: dict[str, Any]) -> dict[str, Any]:
        """With room for all that could be found."""
        return _unlimited(sequence)

    def shown(self, table: pa.Table) -> pa.Table:
        """The best, the oldest first."""
        return _final_rows(table, "near", 10, lambda rows: sorted(rows, key=lambda row: (-row["score"], -row["place"])))


def _unlimited(sequence: dict[str, Any]) -> dict[str, Any]:
    if sequence["name"] != "near":
        return sequence
    return sequence | {"final": sequence["final"] | {"length": sequence["general"]["length"]}}


def _final_rows(table: pa.Table, sequence: str, length: int, best: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> pa.Table:
    """The final rows of a sequence with the actions that `best` puts first; it is given all of them, the largest scores first."""
    rows = table.to_pylist()
    lists = [field.name for field in STAGE_SCHEMA if pa.types.is_list(field.type)]
    for row in rows:
        if row["stage"] != "final" or row["sequence"] != sequence:
            continue
        actions = [{"place": place, "score": score} for place, score in enumerate(row["score"])]
        ordered = best(sorted(actions, key=lambda action: (-action["score"], action["place"])))
        places = sorted(action["place"] for action in ordered[:length])
        row |= {name: [row[name][place] for place in places] for name in lists}
        row["length"] = length
    return pa.Table.from_pylist(rows, STAGE_SCHEMA)


class AttributeChanged(SequenceFault):
    """Actions are described as their items are on the day of the request."""

    name, cause, reads_each = "attribute_changed", "attribute_changed", False

    def versions(self, versions: pa.Table) -> pa.Table:
        """The last versions, as if there had never been others."""
        last = versions.group_by("item_id").aggregate([("updated_at", "max")]).rename_columns(["item_id", "updated_at"])
        kept = versions.join(last, ["item_id", "updated_at"], join_type="inner").combine_chunks()
        return with_column(kept, "updated_at", times_of(np.zeros(kept.num_rows, np.int64)))

    def shown(self, table: pa.Table) -> pa.Table:
        """The version says nothing of it."""
        return with_column(table, "dictionary_version", pa.array([None] * table.num_rows, pa.string()))


class OldDictionary(SequenceFault):
    """The dictionary of items was loaded four days ago for the last time."""

    name = cause = "dictionary_version"

    def versions(self, versions: pa.Table) -> pa.Table:
        """What was known then."""
        last = int(integers(versions["updated_at"]).max()) // MICROSECONDS_OF_DAY
        return versions.filter(pa.array(integers(versions["updated_at"]) < last * MICROSECONDS_OF_DAY))


class OldVectors(SequenceFault):
    """The vectors are those of the version before."""

    name = cause = "embedding_version"

    def vectors(self, version: str) -> str:
        """The version before."""
        return "v1"
