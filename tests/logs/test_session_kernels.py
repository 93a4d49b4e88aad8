"""The kernels of sessions against the reference, on generated actions cut into any batches, buckets and spans of days."""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.logs.reference import with_sessions
from srp_assets.logs.schema import table_schema
from srp_assets.logs.stitching.day_sessions import OPENING, WITHIN_DAY, ActionFiles, ActionPlace
from srp_assets.logs.stitching.session_chains import ChainJoiner, ChainOrder, joined
from srp_assets.warehouse.storage import Storage
from support.log_events import CATALOGUE

GAP = CATALOGUE.session_gap
MIDNIGHT = datetime(2024, 3, 1, tzinfo=UTC)
DAYS = [(MIDNIGHT + timedelta(days=number)).date() for number in range(4)]

moments = st.builds(
    lambda day, minutes, jitter: MIDNIGHT + timedelta(days=day, minutes=minutes, microseconds=jitter),
    st.integers(0, 3),
    st.one_of(st.sampled_from([0, 1, 29, 30, 31, 720, 1409, 1410, 1439]), st.integers(0, 1439)),
    st.sampled_from([0, 0, 0, 1]),
)
actions = st.lists(
    st.tuples(st.sampled_from(["a", "b", "ä", None]), moments, st.sampled_from(CATALOGUE.action_kinds)), min_size=1, max_size=60
)


def as_rows(drawn: list[tuple[str | None, datetime, str]]) -> list[dict]:
    return [
        {"user_id": user, "event_time": time, "event_id": f"e{number:03}", "kind": kind, "item_id": "i", "orphan": None}
        for number, (user, time, kind) in enumerate(drawn)
    ]


def written(folder: Path, rows: list[dict], cuts: int, first: int, last: int) -> tuple[Storage, list[dict]]:
    """What the kernels write of all days, in batches of `cuts` rows, for a build of the days from `first` to `last`."""
    storage = Storage(str(folder))
    schema = table_schema(CATALOGUE, "actions")
    files = ActionFiles(
        storage=storage,
        folder="build",
        scratch="scratch",
        schema=schema,
        kinds=CATALOGUE.action_kinds,
        gap=GAP // timedelta(microseconds=1),
        first=DAYS[first],
        last=DAYS[last],
    )
    manifests: list[dict] = []
    incoming = pa.schema([field for field in schema if field.name != "session_id"])
    for day in DAYS:
        of_day = [row for row in rows if row["event_time"].date() == day]
        of_day.sort(key=lambda row: (row["user_id"] is not None, (row["user_id"] or "").encode(), row["event_time"], row["event_id"]))
        if not of_day:
            continue
        table = pa.Table.from_pylist(of_day, incoming).append_column("_arrival_known", pa.array([True] * len(of_day)))
        with ExitStack() as unfinished:
            place = ActionPlace(files, day, 0, unfinished)
            for batch in table.to_batches(max_chunksize=cuts):
                place.add(batch)
            manifests += place.finish()
    order = ChainOrder(
        folder="build",
        bucket=0,
        within_day=tuple(row["path"] for row in manifests if row["table"] == WITHIN_DAY),
        opening={datetime.fromisoformat(row["day"]).date(): row["path"] for row in manifests if row["table"] == OPENING},
        first=DAYS[first],
        last=DAYS[last],
        read_first=DAYS[0],
        read_last=DAYS[-1],
    )
    schemas = {"actions": schema, "sessions": table_schema(CATALOGUE, "sessions")}
    joiner = ChainJoiner(storage, schemas, CATALOGUE.action_kinds, GAP // timedelta(microseconds=1))
    return storage, [*manifests, *joiner.complete(order)]


@given(drawn=actions, cuts=st.integers(1, 70), span=st.tuples(st.integers(0, 3), st.integers(0, 3)).map(sorted))
def test_sessions_are_the_references(tmp_path_factory: pytest.TempPathFactory, drawn: list, cuts: int, span: list[int]) -> None:
    rows = as_rows(drawn)
    storage, manifests = written(tmp_path_factory.mktemp("kernels"), rows, cuts, *span)
    marked, sessions = with_sessions(CATALOGUE, rows)
    days = DAYS[span[0] : span[1] + 1]
    found = {table: [] for table in ("actions", "sessions")}
    for row in manifests:
        if row["table"] in found:
            found[row["table"]] += storage.read(row["path"]).to_pylist()
    expected = {(row["event_id"], row["session_id"]) for row in marked if row["event_time"].date() in days}
    assert sorted((row["event_id"], row["session_id"]) for row in found["actions"]) == sorted(expected, key=lambda pair: pair[0])
    names = table_schema(CATALOGUE, "sessions").names
    of_days = [tuple(session[name] for name in names) for session in sessions if session["start"].date() in days]
    assert sorted(tuple(row[name] for name in names) for row in found["sessions"]) == sorted(of_days)


@given(drawn=actions)
def test_reach_names_every_day_of_a_long_session(tmp_path_factory: pytest.TempPathFactory, drawn: list) -> None:
    rows = as_rows(drawn)
    _, manifests = written(tmp_path_factory.mktemp("kernels"), rows, 100, 1, 2)
    _, sessions = with_sessions(CATALOGUE, rows)
    longer = {(session["start"].date().isoformat(), session["end"].date().isoformat()) for session in sessions}
    built = (DAYS[1].isoformat(), DAYS[2].isoformat())
    concerned = {(first, last) for first, last in longer if first != last and last >= built[0] and first <= built[1]}
    assert {(row["first"], row["last"]) for row in manifests if row["table"] == "reach"} == concerned


def test_no_sessions_at_all() -> None:
    from srp_assets.logs.stitching.day_sessions import day_sessions_schema

    chains = joined(day_sessions_schema(CATALOGUE.action_kinds).empty_table(), 1)
    assert len(chains.session) == 0
