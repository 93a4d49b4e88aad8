"""Takes from the candidates of a group the tasks that none of their neighbours' candidates shares, by whole columns.

A batch finds many more candidates than cases: a common word of a hundred tasks fits every post, their rare pairs of words few comments, and
only posts of such comments take part. Messages travel along the edges between objects with rules as in `plan_join.py`, to one object of
them and back (the full reducer of Yannakakis, "Algorithms for Acyclic Database Schemes", VLDB 1981): what is left joins in every direction.
Join keys and bitmaps alone are held for that, a hundredth of what rows weigh in Python. No framework but numpy and pyarrow.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.recall.scan.bitmaps import Bitmaps, bitmaps_of, lists_of
from srp_assets.recall.scan.candidates import CandidateSource, candidate_batches, read_candidates
from srp_assets.recall.scan.compile import BatchPlan, Group, candidate_columns, edges_of, join_columns
from srp_assets.warehouse.catalogue import Catalogue, ColumnPair, Relation
from srp_assets.warehouse.storage import Storage

Codes = npt.NDArray[np.int64]
"""A number for each row that is equal where join keys are; below zero where a value is null, or is none of the sender's."""


MOST_CODES = 2**31
"""Codes of several columns are products; what is at most this stays within an integer when the next column comes."""


def reduce_candidates(
    storage: Storage, plan: BatchPlan, group: Group, sources: Mapping[str, CandidateSource], folder: str
) -> dict[str, int]:
    """Writes the candidates that are left, with the tasks that are left to them, a file for each object.

    Args:
        storage: the warehouse.
        plan: the batch.
        group: the group.
        sources: the candidates of its objects with rules.
        folder: where the objects' folders go, relative to the warehouse; a second try writes the same files again.

    Returns:
        The rows that are left, by object.
    """
    keys, tasks = dict[str, pa.Table](), dict[str, Bitmaps]()
    for name, source in sources.items():
        columns = join_columns(plan.catalogue, group.objects, name)
        table = read_candidates(storage, source, plan.catalogue.entity_of(name), columns, ("_bits",))
        tasks[name] = bitmaps_of(table["_bits"], group.words)
        keys[name] = table.drop_columns("_bits")
    rows = {}
    for name, left in reduced(plan.catalogue, group, keys, tasks).items():
        entity, columns = plan.catalogue.entity_of(name), candidate_columns(plan, group, name)
        rows[name] = int(np.count_nonzero(left.any(axis=1)))
        if rows[name]:
            write_left(storage, f"{folder}/{name}/left.parquet", candidate_batches(storage, sources[name], entity, columns), left)
    return rows


def write_left(storage: Storage, path: str, batches: Iterator[pa.RecordBatch], left: Bitmaps) -> None:
    """Writes the rows that some task is left to, with what is left as their bitmaps.

    Args:
        storage: the warehouse.
        path: of the file, relative to the warehouse.
        batches: all rows.
        left: their tasks.
    """
    first, start = next(batches), 0
    with storage.parquet_writer(path, first.schema) as writer:
        for batch in chain([first], batches):
            tasks = left[start : start + batch.num_rows]
            start += batch.num_rows
            chosen = np.flatnonzero(tasks.any(axis=1))
            if len(chosen):
                rows = batch.take(pa.array(chosen))
                writer.write_batch(
                    rows.set_column(rows.schema.get_field_index("_bits"), rows.schema.field("_bits"), lists_of(tasks[chosen]))
                )


def reduced(catalogue: Catalogue, group: Group, keys: Mapping[str, pa.Table], tasks: Mapping[str, Bitmaps]) -> dict[str, Bitmaps]:
    """The tasks that are left to each candidate.

    Args:
        catalogue: the catalogue.
        group: the group.
        keys: of some objects of the group the candidates, with `_product` and their join columns.
        tasks: of the same objects the candidates' tasks.
    """
    left = dict(tasks)
    visited: set[str] = set()
    for root in keys:
        if root in visited:
            continue
        outwards = list(_outwards(catalogue, group, root, keys))
        visited |= {root, *(edge.right for edge in outwards)}
        for edge in reversed(outwards):
            left[edge.left] = left[edge.left] & received(edge, keys, left[edge.right])
        for edge in outwards:
            back = edge.oriented(edge.right)
            left[back.left] = left[back.left] & received(back, keys, left[back.right])
    return left


def _outwards(catalogue: Catalogue, group: Group, root: str, known: Collection[str]) -> Iterator[Relation]:
    """The relations that lead from one known object to the others, each after those on the way to it, the nearer object on the left."""
    ways: list[tuple[str, str | None]] = [(root, None)]
    for name, parent in ways:
        for relation in edges_of(catalogue, group.objects, name):
            if relation.right != parent and relation.right in known:
                yield relation
                ways.append((relation.right, name))


def received(relation: Relation, keys: Mapping[str, pa.Table], sent: Bitmaps) -> Bitmaps:
    """For each row of the left object the tasks of the right object's rows that it joins.

    Args:
        relation: how they join.
        keys: the join columns of both.
        sent: the tasks of the right object's rows.
    """
    receiver, sender = keys[relation.left], keys[relation.right]
    found = np.zeros((receiver.num_rows, sent.shape[1]), dtype=np.uint64)
    for pairs in relation.any_of:
        own, other = join_codes(receiver, sender, pairs)
        speaking = np.flatnonzero((other >= 0) & sent.any(axis=1))
        if not len(speaking):
            continue
        order = speaking[np.argsort(other[speaking], kind="stable")]
        starts = np.flatnonzero(np.diff(other[order], prepend=-1))
        spoken = other[order[starts]]
        messages = np.bitwise_or.reduceat(sent[order], starts, axis=0)
        place = np.minimum(np.searchsorted(spoken, own), len(spoken) - 1)
        joins = spoken[place] == own
        found[joins] |= messages[place[joins]]
    return found


def join_codes(receiver: pa.Table, sender: pa.Table, pairs: Sequence[ColumnPair]) -> tuple[Codes, Codes]:
    """Numbers that are equal where the rows of two objects have the same product and the same values, which are not null."""
    own, other, size = np.zeros(receiver.num_rows, dtype=np.int64), np.zeros(sender.num_rows, dtype=np.int64), 1
    for left, right in [("_product", "_product"), *pairs]:
        values = pc.unique(sender[right]).drop_null()
        codes = [_places(table[column], values) for table, column in ((receiver, left), (sender, right))]
        own, other = (
            np.where((before < 0) | (code < 0), -1, before * len(values) + code) for before, code in zip((own, other), codes, strict=True)
        )
        size *= len(values)
        if size > MOST_CODES:
            # Dense again, so that codes of several columns stay small.
            known = np.unique(other[other >= 0])
            own, other, size = _dense(own, known), _dense(other, known), len(known)
    return own, other


def _places(column: pa.ChunkedArray, values: pa.Array) -> Codes:
    places = pc.index_in(column, value_set=values, skip_nulls=True)
    return pc.fill_null(places, -1).to_numpy().astype(np.int64)


def _dense(codes: Codes, known: Codes) -> Codes:
    if not len(known):
        return np.full(len(codes), -1, dtype=np.int64)
    place = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    return np.where(known[place] == codes, place, -1)
