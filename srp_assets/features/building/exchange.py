"""How requests meet the families: through files of a scratch folder, in columns, from the first task to the last.

Requests come in *blocks*. `scatter` writes a block's columns, and for each family its keys by bucket. `complete` reads the keys of one
family and bucket from all blocks, computes the features, and writes them by block. `gather` puts a block together again and derives what
is derived. Spark only says who does what: joining the families row by row in its own process took more memory than a laptop gives it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.aggregation.layout import Family, Layout
from srp_assets.features.aggregation.partials import BUCKET
from srp_assets.features.aggregation.point_in_time import family_features
from srp_assets.features.aggregation.rows import ARROW_TYPES, buckets_of, integers, with_calendar
from srp_assets.features.attributes import with_attributes
from srp_assets.features.building.files import PartialFiles, VersionFiles, open_files, read_versions, write_by
from srp_assets.features.declaration.columns import COMPUTED_COLUMNS
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.derivation import derived_features
from srp_assets.features.times import Clock, days_of

REQUEST = "event_id"
"""The column of a request that no other request has."""

ROW, BLOCK = "row", "block"


def needed_columns(definitions: Definitions) -> list[str]:
    """The columns of requests that keys and derived features read, computed ones and attributes among them."""
    needed = {key for feature in definitions.aggregated for key in definitions.entities[feature.entity]}
    needed |= {name for feature in definitions.derived for name in feature.inputs if name in definitions.request_columns}
    return [name for name in definitions.request_columns if name in needed and name != "as_of"]


def attribute_keys(definitions: Definitions) -> dict[str, str]:
    """The attributes that requests need, with the keys of their sources."""
    needed = needed_columns(definitions)
    return {name: source.key for source in definitions.attributes.values() for name in source.columns if name in needed}


def given_columns(definitions: Definitions) -> list[str]:
    """The columns that requests have to bring beside `event_id` and `as_of`."""
    attributes = attribute_keys(definitions)
    own = [name for name in needed_columns(definitions) if name not in attributes and name not in COMPUTED_COLUMNS]
    return list(dict.fromkeys([*own, *attributes.values()]))


@dataclass(frozen=True)
class Exchange:
    """One join of requests.

    Args:
        files: the builds of all days that windows reach; scratch is in its storage.
        layout: of the definitions.
        versions: of the rows that attributes are taken from.
        buckets: of the builds.
        scratch: the folder of this join.
        clock: which events count.
    """

    files: PartialFiles
    layout: Layout
    versions: Mapping[str, VersionFiles]
    buckets: int
    scratch: str
    clock: Clock

    @property
    def definitions(self) -> Definitions:
        """Of the features."""
        return self.layout.definitions

    def read_versions(self) -> dict[str, pa.Table]:
        """The versions that requests are described by."""
        return read_versions(self.definitions, self.versions, list(attribute_keys(self.definitions)))

    def scatter(self, requests: pa.Table, standing: Mapping[str, pa.Table], block: str) -> None:
        """Writes a block: its columns, and for each family the keys of the requests that have its first one, by bucket."""
        needed, storage = needed_columns(self.definitions), self.files.storage
        computed = [name for name in COMPUTED_COLUMNS if name in needed]
        described = with_attributes(
            self.definitions, with_calendar(requests, "as_of", computed), "as_of", standing, attribute_keys(self.definitions)
        )
        storage.write(self._requests(block), described.select([REQUEST, "as_of", *needed]))
        for family in self.layout.families:
            keys = list(dict.fromkeys(key for feature in family.features for key in self.definitions.entities[feature.entity]))
            rows = pa.array(np.arange(described.num_rows))
            own = described.select(["as_of", *keys]).append_column(ROW, rows).filter(pc.is_valid(described[family.key]))
            own = own.append_column(BUCKET, pa.array(buckets_of(own[family.key], self.buckets))).sort_by(BUCKET)
            write_by(storage, self._keys(family, block), own, BUCKET)

    def complete(self, family: Family, bucket: int, blocks: Sequence[str]) -> None:
        """Computes the features of one family and bucket for all blocks."""
        found = [self._read(self._keys(family, block), BUCKET, bucket) for block in blocks]
        numbers = np.repeat(np.arange(len(blocks)), [table.num_rows for table in found])
        requests = pa.concat_tables(found)
        if not requests.num_rows:
            return
        days = days_of(integers(requests["as_of"]))
        first, last = int(days.min()), int(days.max())
        partials = self.files.partials(family, bucket, first, last)
        rows = self.files.rows(family, bucket, first, last, self.clock)
        values = family_features(self.definitions, family, requests, partials, rows, self.clock)
        values = values.append_column(ROW, requests[ROW]).append_column(BLOCK, pa.array(numbers))
        write_by(self.files.storage, self._values(family, bucket), values, BLOCK)

    def gather(self, number: int, block: str) -> pa.Table:
        """The features of a block: `event_id`, `as_of`, and every feature."""
        requests = self.files.storage.read(self._requests(block))
        columns: dict[str, pa.ChunkedArray] = {}
        for family in self.layout.families:
            own = pa.concat_tables(list(self._values_of(family, number)))
            place = np.full(requests.num_rows, -1, np.int64)
            place[integers(own[ROW])] = np.arange(own.num_rows)
            aligned = own.take(pa.array(place, mask=place < 0))
            columns |= {feature.name: aligned[feature.name] for feature in family.features}
        names = [feature.name for feature in self.definitions.aggregated]
        aggregated = pa.table({name: columns[name] for name in names}) if names else requests.select([])
        found = derived_features(self.definitions, requests, aggregated)
        types = {name: ARROW_TYPES[feature.value_type] for name, feature in self.definitions.features.items()}
        features = {name: found[name].cast(type_) for name, type_ in types.items()}
        return pa.table({REQUEST: requests[REQUEST], "as_of": requests["as_of"], **features})

    def _values_of(self, family: Family, number: int) -> Iterator[pa.Table]:
        types = {feature.name: ARROW_TYPES[feature.value_type] for feature in family.features}
        yield pa.schema([*(pa.field(name, type_) for name, type_ in types.items()), pa.field(ROW, pa.int64())]).empty_table()
        for bucket in range(self.buckets):
            if self.files.storage.exists(self._values(family, bucket)):
                yield self._read(self._values(family, bucket), BLOCK, number).drop_columns([BLOCK])

    def _read(self, path: str, column: str, value: int) -> pa.Table:
        return open_files(self.files.storage, [path]).to_table(filter=pc.field(column) == value)

    def _requests(self, block: str) -> str:
        return f"{self.scratch}/requests/{block}.parquet"

    def _keys(self, family: Family, block: str) -> str:
        return f"{self.scratch}/keys/{family.key}/{block}.parquet"

    def _values(self, family: Family, bucket: int) -> str:
        return f"{self.scratch}/values/{family.key}/{bucket}.parquet"
