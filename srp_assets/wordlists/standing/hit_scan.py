"""Looks for the standing lists in built files and keeps what hits: what one worker does. No framework but pyarrow and numpy."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from srp_assets.warehouse.catalogue import Strict
from srp_assets.warehouse.scan_units import ScanUnit, read_unit
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists.resolved import ResolvedList
from srp_assets.wordlists.standing.hit_files import HitArrays, HitWriter

if TYPE_CHECKING:
    from srp_assets.wordlists.scanner import Scanner


class Piece(Strict):
    """Some built files of one build, whose hits go into one file.

    `build` is the place of the build among those that are scanned; `files` are the places of the units in it; `path` is relative to the
    warehouse.
    """

    build: int
    files: tuple[int, ...]
    units: tuple[ScanUnit, ...]
    path: str

    @property
    def bytes(self) -> int:
        """What has to be read."""
        return sum(unit.bytes for unit in self.units)


class HitsOrder(Strict):
    """What the workers look for, in which pieces, and which pieces each slot (one Spark task) takes."""

    features: dict[str, tuple[str, ...]]
    lists: tuple[ResolvedList, ...]
    pieces: tuple[Piece, ...]
    slots: tuple[tuple[int, ...], ...]


def scan_piece(storage: Storage, scanner: "Scanner", order: HitsOrder, piece: Piece) -> tuple[int, int]:
    """Scans the files of a piece and writes its hits.

    Args:
        storage: the warehouse.
        scanner: compiled from the order's lists.
        order: what is looked for.
        piece: where.

    Returns:
        The rows that were scanned, and the hits.
    """
    columns = tuple(dict.fromkeys(part for parts in order.features.values() for part in parts))
    scanned = 0
    with HitWriter(storage, piece.path, list(order.features), [list_.id for list_ in order.lists]) as writer:
        for file, unit in zip(piece.files, piece.units, strict=True):
            start = 0
            for batch in read_unit(storage, unit, columns):
                writer.add(file, _hits_of(scanner, order, batch, start))
                start += batch.num_rows
            scanned += start
    return scanned, writer.hits


def _hits_of(scanner: "Scanner", order: HitsOrder, batch: pa.RecordBatch, start: int) -> dict[int, HitArrays]:
    """The hits of a batch whose first row is the file's row `start`, by the number of the feature."""
    found = {}
    for number, parts in enumerate(order.features.values()):
        hits = scanner.scan_parts([batch.column(part) for part in parts])
        found[number] = HitArrays(hits.row.astype(np.int64) + start, hits.list, hits.word)
    return found
