"""What was served, as rows of a stage table: the sequences of answers, with the portraits of the share of traces that is logged."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from srp_assets.features.aggregation.rows import Floats, Integers
from srp_assets.online.records.digests import digest_of
from srp_assets.sequences.answering import SequenceAnswer, SequenceTwin
from srp_assets.sequences.declaration import Portrait
from srp_assets.sequences.search.index import PortraitIndex
from srp_assets.sequences.search.tables import CATEGORY, COLUMN_OF, OWN_LISTS, Asked, StageRows
from srp_assets.sequences.stages import STAGE_SCHEMA, TEXT_LISTS, TIME_LISTS
from srp_assets.warehouse.schema import TIMESTAMP

SHARES = 1 << 16


def is_logged(portrait: Portrait, trace_id: str) -> bool:
    """Whether the portrait of a trace is written down: by its hash, so that both sides choose the same traces."""
    return digest_of(f"portrait:{trace_id}") % SHARES < portrait.logged * SHARES


def served_stages(twin: SequenceTwin, answers: Iterable[SequenceAnswer]) -> pa.Table:
    """The stage table of answers.

    Args:
        twin: that gave them, a moment ago: the texts that they name are still known.
        answers: those of one user are joined by no more than their trace.

    Raises:
        Unavailable: if the store cannot say what texts its digests stand for.
    """
    return pa.concat_tables([STAGE_SCHEMA.empty_table(), *(_stages_of(twin, answer) for answer in answers)])


def _stages_of(twin: SequenceTwin, answer: SequenceAnswer) -> pa.Table:
    request, document = answer.request, twin.document
    asked = Asked(request.trace_id, request.context.get("user_id"), request.as_of, answer.dictionary_version, answer.snapshot_day)
    rows = StageRows(document, twin.embedding_version)
    if is_logged(document.portrait, request.trace_id):
        rows.add_portrait(asked, answer.portrait)
    for sequence in document.sequences:
        found = answer.sequences[sequence.name]
        rows.add_general(asked, sequence, found.general)
        rows.add_finals(asked, sequence, list(request.candidates["item_id"]), found.finals)
    return rows.table(_actions(twin, answer.index, answer.portrait))


def _actions(twin: SequenceTwin, index: PortraitIndex | None, portrait: Integers) -> pa.Table:
    """The actions of an index with texts for digests, by place; what is in no portrait is null."""
    size = 0 if index is None else len(index.described)
    columns = {}
    for name in OWN_LISTS:
        column = COLUMN_OF.get(name, name)
        if name == "event_id":
            columns[column] = _scattered(pa.array(index.event_ids(portrait) if index else [], pa.string()), portrait, size)
        elif name in TIME_LISTS:
            values = np.zeros(0, np.int64) if index is None else index.event_time if name == "event_time" else index.arrival_time
            columns[column] = pa.array(values).cast(TIMESTAMP)
        elif name in TEXT_LISTS:
            columns[column] = _scattered(_texts(twin, index, name, portrait), portrait, size)
        else:
            numbers: Floats = np.zeros(0) if index is None else index.numbers(column)
            columns[column] = pa.array(numbers, mask=np.isnan(numbers))
    return pa.table(columns)


def _texts(twin: SequenceTwin, index: PortraitIndex | None, name: str, portrait: Integers) -> pa.Array:
    if index is None:
        return pa.array([], pa.string())
    if name == CATEGORY:
        source = index.described.attributes.source_of(CATEGORY)
        return (
            pa.nulls(len(portrait), pa.string()) if source is None else source.strings(CATEGORY, index.described.versions(name)[portrait])
        )
    digests, places = np.unique(index.texts(name)[portrait], return_inverse=True)
    names = twin.texts(digests)
    return pa.array([names.get(digest) for digest in digests.tolist()], pa.string()).take(pa.array(places))


def _scattered(values: pa.Array, places: Integers, size: int) -> pa.Array:
    """Values by place; null where there is none."""
    place_of = np.full(size, -1, np.int64)
    place_of[places] = np.arange(len(places))
    return values.take(pa.array(place_of, mask=place_of < 0))
