"""The online side of sequences with faults: what a fault may change, and the stage table that is logged then.

A fault changes what the flow is told, or what it shows; the flow is the real one. The log stays as it is, so what is made again from it
tells the truth, and why the two differ has to be found.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.embeddings.vectors import ItemVectors
from srp_assets.features.aggregation.rows import integers
from srp_assets.samples.ranking.sequences.histories import Histories
from srp_assets.sequences.building.computing import Inputs, computed_stages
from srp_assets.sequences.declaration import Document
from srp_assets.sequences.search.attributes import AttributeIndex
from srp_assets.sequences.search.searching import SearchVectors
from srp_assets.sequences.stages import STAGE_SCHEMA
from srp_assets.warehouse.schema import TIMESTAMP


class SequenceFault:
    """What a fault may change; this one changes nothing.

    `cause` is what its differences are to be attributed to. `reads_each` says that each request reads a stream of its own; `renames` that
    actions get other ids or times on the way, so that faults that look at these have to come before it.
    """

    name: ClassVar[str] = "none"
    cause: ClassVar[str] = ""
    reads_each: ClassVar[bool] = False
    renames: ClassVar[bool] = False

    def declared(self, declared: dict[str, Any]) -> dict[str, Any]:
        """The declaration that is served under the version of the right one."""
        return declared

    def actions(self, actions: pa.Table) -> pa.Table:
        """The actions that reach the portraits."""
        return actions

    def known(self, actions: pa.Table, as_of: int) -> pa.Table:
        """The actions that a request reads, where it reads a stream of its own."""
        return actions

    def asked(self, asked: pa.Table) -> pa.Table:
        """The requests as they are understood."""
        return asked

    def versions(self, versions: pa.Table) -> pa.Table:
        """What items are described by."""
        return versions

    def vectors(self, version: str) -> str:
        """The version of the vectors."""
        return version

    def shown(self, table: pa.Table) -> pa.Table:
        """What is logged."""
        return table


def served_stages(shop: Histories, faults: Sequence[SequenceFault] = ()) -> pa.Table:
    """The stage table that the shop's online side logs with some faults at once; the right one with none."""
    faults = sorted(faults, key=lambda fault: fault.renames)
    declared: dict[str, Any] = shop.document.model_dump(mode="json")
    actions, asked, versions, version = shop.actions, shop.asked, shop.versions["item"], "v2"
    for fault in faults:
        declared, actions, asked = fault.declared(declared), fault.actions(actions), fault.asked(asked)
        versions, version = fault.versions(versions), fault.vectors(version)
    document = Document.model_validate(declared)
    attributes = AttributeIndex(shop.definitions, {"item": versions})
    vectors: ItemVectors = shop.vectors[version]
    inputs = Inputs(document, attributes, SearchVectors(vectors))
    if any(fault.reads_each for fault in faults):
        parts = [part for number in range(asked.num_rows) for part in _of_request(inputs, actions, asked.slice(number, 1), faults)]
    else:
        parts = list(computed_stages(inputs, actions, asked))
    table = pa.concat_tables([STAGE_SCHEMA.empty_table(), *parts]).combine_chunks()
    table = _labelled(table, shop, document)
    for fault in faults:
        table = fault.shown(table)
    return table.select(STAGE_SCHEMA.names).cast(STAGE_SCHEMA)


def _of_request(inputs: Inputs, actions: pa.Table, asked: pa.Table, faults: Sequence[SequenceFault]) -> list[pa.Table]:
    as_of = int(integers(asked["as_of"])[0])
    own = actions.filter(pc.equal(actions["user_id"], asked["user_id"][0]))
    for fault in faults:
        own = fault.known(own, as_of)
    return list(computed_stages(inputs, own, asked))


def _labelled(table: pa.Table, shop: Histories, served: Document) -> pa.Table:
    """With the versions of the right declaration, and with the users who asked."""
    versions = {served.version(own): shop.document.version(shop.document.named(own.name)) for own in served.sequences}
    versions[served.portrait_version] = shop.document.portrait_version
    users = dict(zip(shop.asked["trace_id"].to_pylist(), shop.asked["user_id"].to_pylist(), strict=True))
    table = with_column(table, "definition_version", pa.array([versions[own] for own in table["definition_version"].to_pylist()]))
    return with_column(table, "user_id", pa.array([users[trace] for trace in table["trace_id"].to_pylist()]))


def with_column(table: pa.Table, name: str, values: Any) -> pa.Table:
    """A table with another column in the place of one."""
    return table.set_column(table.column_names.index(name), name, values)


def times_of(values: Any) -> pa.Array:
    """Microseconds as times."""
    return pa.array(values).cast(TIMESTAMP)


def with_values(table: pa.Table, name: str, change: Callable[[Any], Any]) -> pa.Table:
    """A list column with its values changed, places and lengths staying."""
    column = table[name].combine_chunks()
    return with_column(table, name, pa.ListArray.from_arrays(column.offsets, change(column.flatten()).cast(column.type.value_type)))
