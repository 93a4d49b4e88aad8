"""Arrow schemas that follow from the catalogue: one place that says how each declared type is stored."""

import pyarrow as pa

from srp_assets.warehouse.catalogue import ColumnType, Entity

TIMESTAMP = pa.timestamp("us", tz="UTC")

ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    "int64": pa.int64(),
    "float64": pa.float64(),
    "string": pa.string(),
    "timestamp": TIMESTAMP,
    "bool": pa.bool_(),
    "list<string>": pa.list_(pa.string()),
    "map<string,string>": pa.map_(pa.string(), pa.string()),
    "map<string,float64>": pa.map_(pa.string(), pa.float64()),
}

LANDING_FIELDS: tuple[pa.Field, ...] = (
    pa.field("landed_at", TIMESTAMP),
    pa.field("row_hash", pa.string()),
    pa.field("source", pa.string()),
    pa.field("source_row", pa.int64()),
    pa.field("moved_to", pa.string()),
)
"""What landing keeps beside a row's own columns: when it landed, the hash of its own columns (hexadecimal), its file and its number in it;
`moved_to` is set on tombstones alone: the period in which the key's newest version lies (their other own columns are null)."""


def entity_schema(entity: Entity) -> pa.Schema:
    """The own columns of an entity, in the catalogue's order."""
    return pa.schema([pa.field(name, ARROW_TYPES[column.value_type]) for name, column in entity.columns.items()])


def landing_schema(entity: Entity) -> pa.Schema:
    """What a landing file holds."""
    return pa.schema([*entity_schema(entity), *LANDING_FIELDS])


def table_schema(entity: Entity) -> pa.Schema:
    """What a built file holds: the own columns and `landed_at` (product, visible and period are folders)."""
    return pa.schema([*entity_schema(entity), LANDING_FIELDS[0]])
