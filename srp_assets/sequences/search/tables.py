"""Stage tables from what was found: places in a table of actions, and who they were found for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.aggregation.rows import Floats, Integers
from srp_assets.sequences.declaration import Document
from srp_assets.sequences.declaration import Sequence as Declared
from srp_assets.sequences.search.hashing import hashed
from srp_assets.sequences.search.searching import Finals
from srp_assets.sequences.stages import LISTS, STAGE_SCHEMA, Stage
from srp_assets.warehouse.schema import TIMESTAMP

CATEGORY = "category"

COLUMN_OF: Mapping[str, str] = {"dwell": "dwell_seconds"}
"""How a list is called in actions, where it is called otherwise."""

OWN_LISTS = tuple(name for name in LISTS if name not in ("score", "bucket"))
"""What an action itself brings, `category` among them."""


@dataclass(frozen=True)
class Asked:
    """Whose sequences they are.

    Args:
        trace_id: of the request.
        user_id: of the request; None where nobody was known.
        as_of: microseconds.
        dictionary_version: of the attributes that counted.
        snapshot_day: of the full snapshot, days since 1970; None where there was none.
    """

    trace_id: str
    user_id: str | None
    as_of: int
    dictionary_version: str
    snapshot_day: date | None = None


@dataclass
class StageRows:
    """Rows of a stage table as they are found, written down in columns at once.

    Args:
        document: what is declared.
        embedding_version: of the vectors, if there are any.
    """

    document: Document
    embedding_version: str | None
    _asked: list[Asked] = field(default_factory=list)
    _stages: list[tuple[Stage, Declared | None, str | None]] = field(default_factory=list)
    _places: list[Integers] = field(default_factory=list)
    _scores: list[Floats | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._asked)

    def add_portrait(self, asked: Asked, places: Integers) -> None:
        """The portrait of a request."""
        self._add(asked, "portrait", None, None, places, None)

    def add_general(self, asked: Asked, sequence: Declared, places: Integers) -> None:
        """The general sequence of a request."""
        self._add(asked, "general", sequence, None, places, None)

    def add_finals(self, asked: Asked, sequence: Declared, candidates: Sequence[str], finals: Finals) -> None:
        """The final sequences of all candidates of a request."""
        offsets = finals.offsets.tolist()
        for candidate, start, end in zip(candidates, offsets, offsets[1:], strict=False):
            self._add(asked, "final", sequence, candidate, finals.rows[start:end], finals.scores[start:end])

    def _add(
        self, asked: Asked, stage: Stage, sequence: Declared | None, candidate: str | None, places: Integers, scores: Floats | None
    ) -> None:
        self._asked.append(asked)
        self._stages.append((stage, sequence, candidate))
        self._places.append(places)
        self._scores.append(scores)

    def table(self, actions: pa.Table) -> pa.Table:
        """The stage table.

        Args:
            actions: with the columns of `OWN_LISTS`, under the names that actions have; places are rows of it.
        """
        if not self._asked:
            return STAGE_SCHEMA.empty_table()
        lengths = np.array([len(places) for places in self._places])
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
        places = pa.array(np.concatenate(self._places))
        columns: dict[str, Any] = self._headers()
        for name in OWN_LISTS:
            values = actions[COLUMN_OF.get(name, name)].take(places)
            columns[name] = pa.ListArray.from_arrays(offsets, _flat(values).cast(STAGE_SCHEMA.field(name).type.value_type))
        none = [np.full(len(own), np.nan) if scores is None else scores for own, scores in zip(self._places, self._scores, strict=True)]
        scores = np.concatenate(none)
        columns["score"] = pa.ListArray.from_arrays(offsets, pa.array(scores, mask=np.isnan(scores)))
        columns["bucket"] = pa.ListArray.from_arrays(offsets, self._buckets(_flat(columns["item_id"].values), lengths))
        return pa.table({name: columns[name] for name in STAGE_SCHEMA.names}, schema=STAGE_SCHEMA)

    def _headers(self) -> dict[str, Any]:
        asked, document = self._asked, self.document
        versions = {own.name: document.version(own) for own in document.sequences}
        declared = [sequence for _, sequence, _ in self._stages]
        soft = {own.name for own in document.sequences if own.final.search == "soft"}
        vectors = self.embedding_version
        return {
            "trace_id": [own.trace_id for own in asked],
            "sequence": [own.name if own else None for own in declared],
            "stage": [stage for stage, _, _ in self._stages],
            "candidate_id": [candidate for _, _, candidate in self._stages],
            "user_id": [own.user_id for own in asked],
            "as_of": pa.array([own.as_of for own in asked], pa.int64()).cast(TIMESTAMP),
            "definition_version": [versions[own.name] if own else document.portrait_version for own in declared],
            "embedding_version": [vectors if own and own.name in soft and stage == "final" else None for stage, own, _ in self._stages],
            "dictionary_version": [own.dictionary_version for own in asked],
            "snapshot_day": [own.snapshot_day for own in asked],
            "length": [_length(document, stage, sequence) for stage, sequence, _ in self._stages],
            "padding_side": [own.padding if own else "end" for own in declared],
            "session_gap_minutes": [own.general.session.gap_minutes if own and own.general.session else None for own in declared],
        }

    def _buckets(self, items: pa.Array, lengths: Any) -> pa.Array:
        """The hashed ids, of each row as its sequence declares it."""
        sequences = {own.name: number for number, own in enumerate(self.document.sequences)}
        of_row = np.array([-1 if own is None else sequences[own.name] for _, own, _ in self._stages], np.int64)
        found = np.zeros(len(items), np.int64)
        mask = np.ones(len(items), np.bool_)
        for number, declared in enumerate(self.document.sequences):
            if declared.hashing is not None:
                own = np.repeat(of_row == number, lengths)
                found[own] = hashed(items.filter(pa.array(own)), declared.hashing)
                mask &= ~own
        return pa.array(found, mask=mask)


def _length(document: Document, stage: Stage, sequence: Declared | None) -> int:
    if sequence is None:
        return document.portrait.length
    return sequence.general.length if stage == "general" else sequence.final.length


def _flat(column: Any) -> pa.Array:
    flat = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return pc.cast(flat, flat.type.value_type) if pa.types.is_dictionary(flat.type) else flat
