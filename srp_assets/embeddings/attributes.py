"""Attributes of items: market, type and price bucket, as the newest version that landed before a time says."""

from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from srp_assets.embeddings.places import EmbeddingPlaces
from srp_assets.warehouse.registry import landed_periods, landing_files, last_ingest, products

LANDED_AT = "landed_at"
MOVED_TO = "moved_to"
ROW_HASH = "row_hash"

ATTRIBUTES = pa.schema(
    [
        pa.field("item_id", pa.string()),
        pa.field("market", pa.string()),
        pa.field("type", pa.string()),
        pa.field("price", pa.float64()),
    ]
)


def item_attributes(connection: Connection, places: EmbeddingPlaces, before: datetime) -> pa.Table:
    """The attributes of every item that was there before a time (`ATTRIBUTES`), an item once; of its versions the newest before then."""
    declared = places.declared.items
    entity = places.catalogue.entities[declared.entity]
    order = entity.updated_at or LANDED_AT
    through = last_ingest(connection)
    periods = [
        (declared.entity, product, period)
        for product in products(connection)
        for period in landed_periods(connection, declared.entity, product)
    ]
    columns = list(dict.fromkeys([declared.key, declared.market, declared.type, declared.price, order, LANDED_AT, ROW_HASH, MOVED_TO]))
    paths = [path for found in landing_files(connection, periods, through).values() for path in found]
    if not paths:
        return ATTRIBUTES.empty_table()
    rows = pa.concat_tables([places.warehouse.read(path, columns) for path in paths])
    rows = rows.filter(pc.and_(pc.is_null(rows[MOVED_TO]), pc.less(rows[order], pa.scalar(before, rows[order].type))))
    ordered = rows.sort_by([(declared.key, "ascending"), (order, "ascending"), (LANDED_AT, "ascending"), (ROW_HASH, "ascending")])
    keys = ordered[declared.key].cast(pa.string()).combine_chunks()
    newest = np.ones(len(keys), bool)
    newest[:-1] = pc.not_equal(keys[1:], keys[:-1]).to_numpy(zero_copy_only=False)
    found = [ordered[name].cast(field.type) for name, field in zip(columns[:4], ATTRIBUTES, strict=True)]
    return pa.table(found, schema=ATTRIBUTES).filter(pa.array(newest))


def price_buckets(prices: pa.ChunkedArray | pa.Array, bounds: tuple[float, ...]) -> np.ndarray:
    """The bucket of each price: how many bounds it reaches, -1 where it is not known; shape (items,)."""
    known = pc.fill_null(prices, float("nan")).to_numpy(zero_copy_only=False)
    return np.where(np.isnan(known), -1, np.searchsorted(np.asarray(bounds), known, side="right")).astype(np.int64)
