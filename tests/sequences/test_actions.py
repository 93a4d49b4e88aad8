"""What is left out of parts and of the whole against a naive selection, and raw actions in pieces against all of them."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.features.aggregation.rows import integers
from srp_assets.features.times import MICROSECONDS_OF_DAY, microseconds
from srp_assets.sequences.building.actions import DROPPED, newest, with_dropped
from srp_assets.sequences.building.missing import COUNTS, counted, parts_of, pieces_of, requests_in
from srp_assets.sequences.declaration import Portrait

BEGIN = datetime(2024, 3, 1, tzinfo=UTC)
TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema([("user_id", pa.string()), ("event_id", pa.string()), ("event_time", TIME), ("arrival_time", TIME)])

Row = dict[str, Any]


@st.composite
def drawn_actions(draw: st.DrawFn) -> list[Row]:
    """Actions of a few users within some days, many at the same time, some late."""
    found = []
    for number in range(draw(st.integers(0, 60))):
        # Six times a day, so that many tie, also with requests.
        happened = BEGIN + timedelta(hours=4 * draw(st.integers(0, 60)))
        arrived = happened + timedelta(hours=4 * draw(st.sampled_from((0, 0, 0, 1, 7, 20))))
        user = draw(st.sampled_from(("u1", "u1", "u1", "u2", "u3")))
        found.append({"user_id": user, "event_id": f"e{number:02}", "event_time": happened, "arrival_time": arrived})
    return found


@given(drawn_actions(), st.integers(1, 6), st.integers(1, 5))
def test_the_newest_of_parts_hold_the_newest_of_all(rows: list[Row], keep: int, parts: int) -> None:
    own = [newest(with_dropped(pa.Table.from_pylist(rows[part::parts], SCHEMA)), keep) for part in range(parts)]
    found = newest(pa.concat_tables(own), keep)
    expected = {}
    for user in {row["user_id"] for row in rows}:
        ordered = sorted(
            (row for row in rows if row["user_id"] == user), key=lambda row: (row["event_time"], row["event_id"]), reverse=True
        )
        left_out = max(0, len(ordered) - keep)
        expected |= {row["event_id"]: left_out if place == keep - 1 else 0 for place, row in enumerate(ordered[:keep])}
    assert dict(zip(found["event_id"].to_pylist(), found[DROPPED].to_pylist(), strict=True)) == expected


@given(
    drawn_actions(),
    st.lists(st.tuples(st.sampled_from(("u1", "u2", "nobody")), st.integers(0, 70)), min_size=1, max_size=12),
    st.integers(1, 8),
    st.sampled_from((2, 7, 60)),
    st.sampled_from(("as_arrived", "as_happened")),
    st.integers(1, 40),
    st.integers(1, 4),
)
def test_each_request_finds_in_its_task_what_it_sees(
    rows: list[Row], asked: list[tuple[str, int]], length: int, days: int, clock: Any, most: int, files: int
) -> None:
    portrait = Portrait(length=length, days=days, clock=clock)
    requests = pa.table(
        {
            "trace_id": pa.array([f"t{number}" for number in range(len(asked))]),
            "user_id": pa.array([user for user, _ in asked]),
            "as_of": pa.array([BEGIN + timedelta(hours=4 * hours) for _, hours in asked], TIME),
        }
    )
    parts = [pa.Table.from_pylist(rows[part::files], SCHEMA) for part in range(files)]
    counts = pa.concat_tables([COUNTS.empty_table(), *(counted(part, portrait) for part in parts)])
    pieces = pieces_of(requests, counts, portrait, most)
    handed: dict[int, list[Row]] = defaultdict(list)
    for part in parts:
        found, tasks = parts_of(part, pieces)
        for row, task in zip(found.to_pylist(), tasks.tolist(), strict=True):
            handed[task].append(row)
    computed = []
    for task in sorted({piece.task for piece in pieces}):
        own = requests_in(requests, [piece for piece in pieces if piece.task == task])
        assert len({row["event_id"] for row in handed[task]}) == len(handed[task])
        for trace, user, as_of in zip(
            own["trace_id"].to_pylist(), own["user_id"].to_pylist(), integers(own["as_of"]).tolist(), strict=True
        ):
            assert seen(handed[task], user, as_of, portrait) == seen(rows, user, as_of, portrait)
            computed.append(trace)
    assert sorted(computed) == sorted(requests["trace_id"].to_pylist())


def seen(rows: list[Row], user: str, as_of: int, portrait: Portrait) -> list[str]:
    """The ids of the portrait of a request, the newest first."""
    first = (as_of // MICROSECONDS_OF_DAY - portrait.days) * MICROSECONDS_OF_DAY
    known = [
        (microseconds(row["event_time"]), row["event_id"])
        for row in rows
        if row["user_id"] == user
        and first <= microseconds(row["event_time"]) < as_of
        and (portrait.clock == "as_happened" or microseconds(row["arrival_time"]) < as_of)
    ]
    return [event for _, event in sorted(known, reverse=True)[: portrait.length]]
