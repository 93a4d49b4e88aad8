"""Resolution of bucket keys: rows that hang on another row, of an entity that is found through the key index."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.key_index import KeyIndex, key_codes, newest_roots


def resolve(catalogue: Catalogue, name: str, rows: pa.Table, indexes: Mapping[str, KeyIndex]) -> tuple[pa.Table, pa.Table]:
    """Splits rows into those with a bucket key, filled in where it was found, and those that must wait.

    Args:
        catalogue: the declaration.
        name: the rows' entity.
        rows: with the entity's own columns.
        indexes: of the entities, by name.
    """
    entity = catalogue.entities[name]
    asked = rows.column(entity.bucket_key).combine_chunks().is_null()
    if entity.root is None or not pc.any(asked).as_py():
        return rows, rows.slice(0, 0)
    resolved = [rows.filter(pc.invert(asked))]
    waiting = rows.filter(asked)
    for target_name in entity.root.entities:
        if waiting.num_rows == 0:
            break
        target = catalogue.entities[target_name]
        keys = waiting.column(entity.root.column).combine_chunks()
        high, low = key_codes([(target.columns[target.key[0]].value_type, keys)])
        found, root = newest_roots(indexes[target_name].find(high), high, low)
        part = _with_column(waiting, entity.bucket_key, root)
        if target_name in entity.root.keep:
            part = _with_column(part, entity.root.keep[target_name], keys)
        resolved.append(part.filter(pa.array(found)))
        waiting = waiting.filter(pa.array(np.logical_not(found)))
    return pa.concat_tables(resolved).combine_chunks(), waiting.combine_chunks()


def _with_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(place), values)
