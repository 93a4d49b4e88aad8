"""Rows of a table as its partitions hold them."""

from typing import Any

from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.periods import period_of


def partitions(catalogue: Catalogue, entity_name: str, rows: list[dict[str, Any]]) -> dict[tuple[str, str, bool], list[dict[str, Any]]]:
    """Rows by (product, period, visible)."""
    entity = catalogue.entities[entity_name]
    found: dict[tuple[str, str, bool], list[dict[str, Any]]] = {}
    for row in rows:
        where = (row["product"], period_of(row[entity.publish_time], catalogue.partition_unit), entity.is_visible(row))
        found.setdefault(where, []).append(row)
    return found
