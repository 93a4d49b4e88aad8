"""Clicks and steps beside what is known of the impressions that they belong to, and what becomes of them."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.schema import context_schema
from srp_assets.logs.stitching.crediting.events import event_schema
from srp_assets.warehouse.schema import TIMESTAMP

TAKEN = ("trace_id", "position", "price")
"""What an event that has none of it takes from its impression, beside the context."""

FOLLOWER_SCHEMA = pa.schema(
    [
        pa.field("impression_id", pa.string()),
        pa.field("kind", pa.string()),
        pa.field("event_id", pa.string()),
        pa.field("event_time", TIMESTAMP),
        pa.field("amount", pa.float64()),
        pa.field("dwell_seconds", pa.float64()),
    ]
)
"""What the labels of an impression are made of: the events that belong to it."""


def credit_schema(catalogue: LogCatalogue) -> pa.Schema:
    """What is known of an impression to which something belongs."""
    return pa.schema(
        [
            pa.field("impression_id", pa.string()),
            pa.field("impression_time", TIMESTAMP),
            pa.field("trace_id", pa.string()),
            *context_schema(catalogue),
            pa.field("position", pa.int64()),
            pa.field("price", pa.float64()),
        ]
    )


def touch_schema(catalogue: LogCatalogue) -> pa.Schema:
    """What steps without a trace may belong to: an impression, and when its user saw or clicked the item (the event's own id and time)."""
    own = [pa.field("item_id", pa.string()), pa.field("event_id", pa.string()), pa.field("event_time", TIMESTAMP)]
    return pa.schema([*credit_schema(catalogue), *own, pa.field("_rank", pa.int8())])


def stitched_schema(catalogue: LogCatalogue) -> pa.Schema:
    """An impression, click or step with its context and impression, or what it lacks."""
    return pa.schema([*event_schema(catalogue), pa.field("impression_id", pa.string()), pa.field("orphan", pa.string())])


@dataclass(frozen=True)
class Credited:
    """Clicks and steps.

    Args:
        events: their own columns, `_rank` and `orphan`.
        credit: of `credit_schema`, a row for each event; all nulls where it belongs to no impression.
    """

    events: pa.Table
    credit: pa.Table

    def stitched(self, catalogue: LogCatalogue) -> pa.Table:
        """The events as rows of `stitched_schema`: what they lack is taken from their impressions."""
        columns = {name: self.events[name] for name in self.events.column_names} | {"impression_id": self.credit["impression_id"]}
        columns |= {name: pc.coalesce(columns[name], self.credit[name]) for name in (*TAKEN, *catalogue.context_columns)}
        schema = stitched_schema(catalogue)
        return pa.table([columns[name] for name in schema.names], schema=schema)

    def with_impression(self) -> "Credited":
        """Those that belong to an impression."""
        known = pc.is_valid(self.credit["impression_id"])
        return Credited(self.events.filter(known), self.credit.filter(known))

    def of_rank(self, rank: int) -> "Credited":
        """Those of one rank."""
        chosen = pc.equal(self.events["_rank"], pa.scalar(rank, pa.int8()))
        return Credited(self.events.filter(chosen), self.credit.filter(chosen))

    def followers(self) -> pa.Table:
        """The events as rows of `FOLLOWER_SCHEMA`."""
        columns = [self.credit["impression_id"], *(self.events[name] for name in FOLLOWER_SCHEMA.names[1:])]
        return pa.table(columns, schema=FOLLOWER_SCHEMA)

    def touches(self, catalogue: LogCatalogue) -> pa.Table:
        """The events as rows of `touch_schema`."""
        schema = touch_schema(catalogue)
        columns = [(self.credit if name in self.credit.column_names else self.events)[name] for name in schema.names]
        return pa.table(columns, schema=schema)


def touches_of_shown(catalogue: LogCatalogue, shown: pa.Table, rank: int) -> pa.Table:
    """Impressions as what steps without a trace may belong to."""
    schema = touch_schema(catalogue)
    named = {"impression_time": shown["event_time"], "_rank": pa.repeat(pa.scalar(rank, pa.int8()), shown.num_rows)}
    return pa.table([named[name] if name in named else shown[name] for name in schema.names], schema=schema)
