"""Stage tables: what a request's sequence was after each step, in one form for what was served and for what is computed again.

A table has a row for each trace, sequence, stage and candidate. All lists of a row have one length and are in one order, the newest first
(contract 2, both fields descending); what they leave empty of the declared length is padding, which a table does not write.

| stage | rows of a trace | lists hold |
|---|---|---|
| `portrait` | one: `sequence` and `candidate_id` are null | the newest actions of the user, of every kind |
| `general` | one for each sequence: `candidate_id` is null | what the general search takes of them |
| `final` | one for each sequence and candidate | what the final search takes of that for the candidate |
"""

from typing import Literal

import pyarrow as pa

from srp_assets.errors import InvalidInput
from srp_assets.warehouse.schema import TIMESTAMP

Stage = Literal["portrait", "general", "final"]

STAGES: tuple[Stage, ...] = ("portrait", "general", "final")
"""In the order in which they are made: each takes from the one before it."""

KEYS = ("trace_id", "sequence", "stage", "candidate_id")
"""What a row is found by; no two rows of a side agree in all of them, null counting as a value."""

TEXT_LISTS = ("event_id", "kind", "item_id", "market", "category", "device")
TIME_LISTS = ("event_time", "arrival_time")
NUMBER_LISTS = ("price", "amount", "dwell", "score")
LISTS = (
    "event_id",
    "kind",
    "item_id",
    "event_time",
    "arrival_time",
    "market",
    "category",
    "device",
    "price",
    "amount",
    "dwell",
    "score",
    "bucket",
)
"""The aligned lists. `category` is the attribute of that name as it stood on the day of the action; `dwell` is in seconds; `score` is that
of a final search which has one, null elsewhere; `bucket` is the hashed id of the item where the sequence hashes, null elsewhere."""


def _list_type(name: str) -> pa.DataType:
    if name in TEXT_LISTS:
        return pa.list_(pa.string())
    if name in TIME_LISTS:
        return pa.list_(TIMESTAMP)
    return pa.list_(pa.int64() if name == "bucket" else pa.float64())


STAGE_SCHEMA = pa.schema(
    [
        pa.field("trace_id", pa.string(), nullable=False),
        pa.field("sequence", pa.string()),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("candidate_id", pa.string()),
        pa.field("user_id", pa.string()),
        pa.field("as_of", TIMESTAMP, nullable=False),
        pa.field("definition_version", pa.string(), nullable=False),
        pa.field("embedding_version", pa.string()),
        pa.field("dictionary_version", pa.string()),
        pa.field("snapshot_day", pa.date32()),
        pa.field("length", pa.int32(), nullable=False),
        pa.field("padding_side", pa.string(), nullable=False),
        pa.field("session_gap_minutes", pa.int32()),
        *[pa.field(name, _list_type(name), nullable=False) for name in LISTS],
    ]
)
"""The columns.

- `definition_version`: identity of the declaration of the sequence; of a portrait, that of what portraits are.
- `embedding_version`: of the vectors that a soft search took; null where none were used.
- `dictionary_version`: of the attributes of items that counted on the day of the request (`attributes.dictionary_version`).
- `snapshot_day`: the full snapshot that the online portrait began from; null offline, and where there was none.
- `length`: the declared length of the stage; `padding_side` is where models get empty places, `end` or `start`.
- `session_gap_minutes`: null where the sequence knows no sessions.
"""


def check_stages(table: pa.Table, where: str) -> None:
    """Refuses what is no stage table: columns or types that differ, unknown stages, lists that are not aligned.

    Raises:
        InvalidInput: that says what is wrong.
    """
    for field in STAGE_SCHEMA:
        if field.name not in table.column_names:
            raise InvalidInput(f"a stage table needs the column {field.name!r}", where=where, remedy="write it as sequences/stages.py says")
        if not table.schema.field(field.name).type.equals(field.type):
            message = f"{field.name!r} is {table.schema.field(field.name).type}, not {field.type}"
            raise InvalidInput(message, where=where, remedy="write it as sequences/stages.py says")
    import pyarrow.compute as pc  # 0.1 s that who only names columns does not pay

    unknown = sorted(set(pc.unique(table["stage"]).to_pylist()) - set(STAGES), key=str)
    if unknown:
        raise InvalidInput(f"there is no stage {unknown[0]!r}", where=where, remedy=f"valid: {', '.join(STAGES)}")
    lengths = pc.list_value_length(table["event_id"])
    for name in LISTS:
        if not pc.all(pc.equal(pc.list_value_length(table[name]), lengths), min_count=0).as_py():
            raise InvalidInput(f"the lists of {name!r} have not the lengths of event_id", where=where, remedy="write aligned lists")
