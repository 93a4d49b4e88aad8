"""Looks for standing lists in this process: what `plan_hits.write_hits` does in Spark tasks."""

from typing import Any

from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists import scanner
from srp_assets.wordlists.standing.hit_scan import HitsOrder, scan_piece
from srp_assets.wordlists.standing.plan_hits import PieceCount


def write_hits_here(_spark: Any, storage: Storage, order: HitsOrder, _order_path: str) -> list[PieceCount]:
    """Takes the place of `plan_hits.write_hits` in tests that are not about Spark."""
    compiled = scanner.compile(order.lists)
    return [PieceCount(number, *scan_piece(storage, compiled, order, piece)) for number, piece in enumerate(order.pieces)]
