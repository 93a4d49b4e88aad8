"""The columns of logs and of the tables that are built from them: one place for names, types and meaning.

A log has the columns of its role, in the order of `ROLE_COLUMNS`, and those that its catalogue adds. What a catalogue adds to the log of
requests is part of the context and stands on every row of `impression_outcomes` and `actions`, after the columns that are named here.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from srp_assets.warehouse.catalogue import Column
from srp_assets.warehouse.schema import ARROW_TYPES, TIMESTAMP

if TYPE_CHECKING:
    from srp_assets.logs.catalogue import Log, LogCatalogue

Role = Literal["request", "impression", "click", "step", "served_features"]
Table = Literal["impression_outcomes", "actions", "sessions"]

TABLES: tuple[Table, ...] = ("impression_outcomes", "actions", "sessions")
"""What is built from the logs, a build a day."""

EVENT_COLUMNS: Mapping[str, Column] = {
    "event_id": Column(kind="id", description="identity of the event; it counts once, its first arrival wins"),
    "event_time": Column(kind="time", required=True, unit="UTC", description="when it happened"),
    "arrival_time": Column(kind="time", unit="UTC", description="when the source system had the row; null where it does not say"),
}

CONTEXT_COLUMNS: Mapping[str, Column] = {
    "user_id": Column(kind="id", description="who acted; null where nobody was known"),
    "market": Column(kind="enum", description="market (country, site) of the user"),
    "query": Column(kind="text", description="what was searched for; null where nothing was"),
    "device": Column(kind="enum", description="kind of device"),
    "page": Column(kind="enum", description="kind of page that was asked for"),
    "location": Column(kind="enum", description="where the user was, as coarse as the source has it"),
}

TRACE = Column(kind="id", required=True, description="identity of the request that led here")
TRACE_IF_KNOWN = Column(kind="id", description="identity of the request that led here, where the source knows it")
ITEM = Column(kind="id", required=True, description="the item that was shown or acted on")

ROLE_COLUMNS: Mapping[Role, Mapping[str, Column]] = {
    "request": {**EVENT_COLUMNS, "trace_id": TRACE, **CONTEXT_COLUMNS},
    "impression": {
        **EVENT_COLUMNS,
        "trace_id": TRACE,
        "item_id": ITEM,
        "position": Column(kind="metric", type="int64", required=True, least=1, description="place on the page, from 1"),
        "propensity": Column(
            kind="metric", type="float64", least=0, most=1, description="probability with which the policy showed the item here"
        ),
        "explored": Column(kind="flag", description="whether chance, not the ranking, chose the item"),
        "price": Column(kind="metric", type="float64", least=0, description="price that was shown"),
    },
    "click": {
        **EVENT_COLUMNS,
        "trace_id": TRACE,
        "item_id": ITEM,
        "dwell_seconds": Column(kind="metric", type="float64", unit="s", least=0, description="how long the user stayed"),
    },
    "step": {
        **EVENT_COLUMNS,
        "trace_id": TRACE_IF_KNOWN,
        **CONTEXT_COLUMNS,
        "item_id": ITEM,
        "amount": Column(kind="metric", type="float64", description="value of the step, in the currency of its market"),
        "quantity": Column(kind="metric", type="float64", least=0, description="how many of the item"),
    },
    "served_features": {
        **EVENT_COLUMNS,
        "trace_id": TRACE,
        "item_id": ITEM,
        **CONTEXT_COLUMNS,
        "position": Column(kind="metric", type="float64", description="place of the candidate that features were computed with, if any"),
        "price": Column(kind="metric", type="float64", description="price of the candidate that features were computed with"),
        "definition_version": Column(kind="id", required=True, description="version of the definitions that the values follow"),
        "values": Column(
            kind="map",
            type="map<string,float64>",
            required=True,
            description="numbers, and times as microseconds since 1970, by the feature's name; a null is there as null",
        ),
        "texts": Column(kind="map", type="map<string,string>", description="texts by the feature's name; a null is there as null"),
        "lists": Column(
            kind="map",
            type="map<string,string>",
            description="lists of texts by the feature's name, each written as JSON; a null is there as null",
        ),
        "defaulted": Column(kind="array", description="features that were answered by their defaults because the store could not be asked"),
        "consumed_to": Column(
            kind="time", unit="UTC", description="events that were known before this time had been counted; null where nobody could tell"
        ),
        "propensities": Column(
            kind="map",
            type="map<string,float64>",
            description="probability with which the policy shows the candidate at a place, by each place that it is a candidate for; null "
            "where nobody says",
        ),
    },
}
"""What every log of a role has; all are in UTC microseconds where they are times, and texts where they are ids."""

ROLE_IDENTITY: Mapping[Role, tuple[str, ...]] = {
    "request": ("trace_id",),
    "impression": ("trace_id", "item_id", "position"),
    "click": ("trace_id", "item_id", "event_time"),
    "step": (),
    "served_features": ("trace_id", "item_id", "definition_version"),
}
"""What identifies an event whose source gives it no event_id; nothing does for a step unless its catalogue says so."""

LANDED_AT = pa.field("landed_at", TIMESTAMP)
"""When we ingested a row: the last column of a landing file."""

LABEL_STATES = ("provisional", "final")


def log_schema(log: "Log") -> pa.Schema:
    """The own columns of a log; a landing file has these and `landed_at`."""
    return pa.schema([pa.field(name, ARROW_TYPES[column.value_type]) for name, column in log.columns.items()])


def landing_schema(log: "Log") -> pa.Schema:
    """What a landing file of a log holds."""
    return pa.schema([*log_schema(log), LANDED_AT])


def context_schema(catalogue: "LogCatalogue") -> pa.Schema:
    """The context of a request: the columns named here and those that the catalogue adds to the log of requests."""
    return pa.schema([pa.field(name, ARROW_TYPES[column.value_type]) for name, column in catalogue.context_columns.items()])


def outcomes_schema(catalogue: "LogCatalogue") -> pa.Schema:
    """`logs/impression_outcomes`: a row for each impression, with its request and what came of it within the windows.

    `clicked` and each step's own column say whether; the first credited event gives the time and the delay since the impression, and a
    step's amount is the sum over all credited events that have one (null if none has).
    """
    standard, added = _context(catalogue)
    fields = [
        pa.field("trace_id", pa.string()),
        pa.field("item_id", pa.string()),
        pa.field("event_id", pa.string()),
        pa.field("event_time", TIMESTAMP),
        pa.field("arrival_time", TIMESTAMP),
        *standard,
        pa.field("position", pa.int64()),
        pa.field("propensity", pa.float64()),
        pa.field("explored", pa.bool_()),
        pa.field("price", pa.float64()),
        pa.field("clicked", pa.bool_()),
        pa.field("click_time", TIMESTAMP),
        pa.field("click_delay_seconds", pa.float64()),
        pa.field("dwell_seconds", pa.float64()),
    ]
    for step in catalogue.steps:
        fields += [
            pa.field(step, pa.bool_()),
            pa.field(f"{step}_time", TIMESTAMP),
            pa.field(f"{step}_delay_seconds", pa.float64()),
            pa.field(f"{step}_amount", pa.float64()),
        ]
    return pa.schema([*fields, pa.field("label_state", pa.string()), *added])


def actions_schema(catalogue: "LogCatalogue") -> pa.Schema:
    """`logs/actions`: a row for each impression, click and step, with the context of its request.

    `kind` is the name of the event's log. A column that the event itself has not is that of the impression it is credited to; an event
    that is credited to none has its own columns alone. `arrival_time` is the event time where the source has none.
    """
    standard, added = _context(catalogue)
    return pa.schema(
        [
            pa.field("event_id", pa.string()),
            pa.field("event_time", TIMESTAMP),
            pa.field("arrival_time", TIMESTAMP),
            pa.field("event_day", pa.date32()),
            pa.field("arrival_day", pa.date32()),
            pa.field("kind", pa.string()),
            standard[0],
            pa.field("item_id", pa.string()),
            *standard[1:],
            pa.field("position", pa.int64()),
            pa.field("price", pa.float64()),
            pa.field("amount", pa.float64()),
            pa.field("quantity", pa.float64()),
            pa.field("dwell_seconds", pa.float64()),
            pa.field("trace_id", pa.string()),
            pa.field("impression_id", pa.string()),
            pa.field("orphan", pa.string()),
            *added,
            pa.field("session_id", pa.string()),
        ]
    )


def sessions_schema(catalogue: "LogCatalogue") -> pa.Schema:
    """`logs/sessions`: a row for each session, in the day in which it starts.

    `session_id` is the user's id, an at sign and the start in microseconds since 1970; the counts are of actions, by the name of the log.
    """
    return pa.schema(
        [
            pa.field("user_id", pa.string()),
            pa.field("session_id", pa.string()),
            pa.field("start", TIMESTAMP),
            pa.field("end", TIMESTAMP),
            pa.field("events", pa.int64()),
            *[pa.field(f"{kind}s", pa.int64()) for kind in catalogue.action_kinds],
        ]
    )


def table_schema(catalogue: "LogCatalogue", table: Table) -> pa.Schema:
    """The columns of a built table."""
    return {"impression_outcomes": outcomes_schema, "actions": actions_schema, "sessions": sessions_schema}[table](catalogue)


def _context(catalogue: "LogCatalogue") -> tuple[list[pa.Field], list[pa.Field]]:
    """The context's fields: those named here, and those that the catalogue adds."""
    schema = list(context_schema(catalogue))
    return schema[: len(CONTEXT_COLUMNS)], schema[len(CONTEXT_COLUMNS) :]
