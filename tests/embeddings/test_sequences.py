"""What is learned from sessions: the rules on single sessions, and days built in Spark against them."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from resources.spark import open_session
from srp_assets.cli import run
from srp_assets.embeddings.declaration.model import SessionRules
from srp_assets.embeddings.registry import current_sequences
from srp_assets.embeddings.sessions.building import bring_up_to_date, delete_old_sequences, read_sequences, stale_days
from srp_assets.embeddings.sessions.rules import Action, SessionSequence, sequence_of
from srp_assets.errors import Conflict
from srp_assets.settings import Settings
from support.listing_home import ListingHome, Row, action, actions_of

if TYPE_CHECKING:
    from srp_assets.embeddings.sessions.rules import Reason

NOON = datetime(2024, 3, 4, 12, tzinfo=UTC)
RULES = SessionRules(
    clicks=("click",), bookings=("order",), rejections=("impression", "cart"), least_dwell_seconds=5, most_events=20, most_events_a_minute=6
)


def happened(spec: str) -> list[Action]:
    """Actions from words like `click:a:30` (kind, item, dwell), one every ten seconds."""
    found = []
    for number, word in enumerate(spec.split()):
        kind, item, *dwell = word.split(":")
        found.append(Action(NOON + timedelta(seconds=10 * number), f"e{number}", kind, item, float(dwell[0]) if dwell else None))
    return found


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("click:a click:b", SessionSequence(("a", "b"), None, (), ())),
        ("click:a:4.9 click:b:5 click:c", SessionSequence(("b", "c"), None, (), ())),
        ("click:a click:a click:b click:a", SessionSequence(("a", "b", "a"), None, (), ())),
        ("click:a click:b order:b", SessionSequence(("a", "b"), "b", ("b",), ())),
        ("click:a order:a click:b order:b order:a", SessionSequence(("a", "b"), "a", ("b", "a"), ())),
        ("impression:a impression:b impression:c click:a click:b", SessionSequence(("a", "b"), None, (), ("c",))),
        ("impression:c cart:d click:a click:b order:c impression:d", SessionSequence(("a", "b"), "c", ("c",), ("d",))),
        ("click:a", "too_few_items"),
        ("click:a click:a", "too_few_items"),
        ("", "too_few_items"),
        ("click:a click:b click:c click:d click:e click:f", SessionSequence(tuple("abcdef"), None, (), ())),
        ("click:a click:b click:c click:d click:e click:f click:g", "too_fast"),
        (" ".join(["impression:a"] * 21), "too_many_events"),
    ],
)
def test_what_is_learned_from_a_session(spec: str, expected: "SessionSequence | Reason") -> None:
    assert sequence_of(happened(spec), RULES) == expected
    assert sequence_of(happened(spec)[::-1], RULES) == expected


def test_who_clicks_faster_than_people_is_a_robot() -> None:
    quick = [Action(NOON + timedelta(seconds=number), f"e{number}", "click", f"i{number}") for number in range(7)]
    assert sequence_of(quick, RULES) == "too_fast"
    assert isinstance(sequence_of(quick[:6], RULES), SessionSequence)
    shown = [Action(NOON, f"s{number}", "impression", f"i{number}") for number in range(10)]
    assert isinstance(sequence_of([*shown, *quick[:6]], RULES), SessionSequence)


def test_a_booking_that_is_credited_to_what_a_session_was_shown_makes_it_a_booked_one() -> None:
    shown = [Action(NOON, "s1", "impression", "a", booked_time=NOON + timedelta(days=2)), Action(NOON, "s2", "impression", "b")]
    found = sequence_of([*shown, *happened("click:a click:c")], RULES)
    assert found == SessionSequence(("a", "c"), "a", ("a",), ("b",))


def test_ties_of_time_are_broken_by_the_event() -> None:
    same = [Action(NOON, "e2", "click", "b"), Action(NOON, "e1", "click", "a")]
    assert sequence_of(same, RULES) == SessionSequence(("a", "b"), None, (), ())


def test_days_are_built_as_the_rules_say(home: ListingHome, settings_with_spark: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    spark = open_session(settings_with_spark)
    day, after = "2024-03-04", "2024-03-05"
    rows, outcomes = actions_of(home.world, home.world.block(0, 120), NOON)
    rows += [action("click", 900_000 + number, NOON + timedelta(seconds=number), "l1", "robot") for number in range(2_100)]
    rows += [action("click", 910_000 + number, NOON, f"l{number}", "quick") for number in range(70)]
    rows += [action("impression", 920_000, NOON, "l1", "looker")]
    midnight = datetime(2024, 3, 4, 23, 55, tzinfo=UTC)
    rows += [action("click", 930_000 + number, midnight + timedelta(minutes=4 * number), f"l{number}", "owl") for number in range(4)]
    rows += [action("order", 940_000, midnight + timedelta(minutes=14), "l3", "owl")]
    home.build_logs(day, rows, outcomes)
    with home.engine.connect() as connection:
        assert stale_days(connection, home.places) == [day]
    (build,) = bring_up_to_date(spark, home.engine, home.places, [day], only_changed=True)
    assert build.counts["sessions"] == 124
    assert (build.counts["too_many_events"], build.counts["too_fast"]) == (1, 1)
    # What came after midnight is not there yet: the day is stale when it is.
    assert found_rows(home)["owl@1"]["items"] == ["l0", "l1"]
    home.build_logs(after, rows, [])
    with home.engine.connect() as connection:
        assert stale_days(connection, home.places) == [day, after]
    capsys.readouterr()
    assert run(["embeddings", "build", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["built"] == [day, after]
    with home.engine.connect() as connection:
        first, second = current_sequences(connection, home.places.declared.sessions_digest).values()
    assert told["counts"]["sessions"] == first.counts["sessions"]
    assert (second.rows, second.files, second.counts["sessions"]) == (0, (), 0)
    expected = expected_rows(home, rows, outcomes)
    found = found_rows(home)
    assert found == expected
    assert found["owl@1"]["booked"] == "l3"
    assert first.counts["booked"] == sum(row["booked"] is not None for row in expected.values()) > 20
    assert first.rows == len(expected)
    assert first.counts["too_few_items"] == 124 - 2 - len(expected) >= 1
    assert delete_old_sequences(home.engine, home.places, datetime.now(UTC)) == 1
    with home.engine.connect() as connection:
        assert stale_days(connection, home.places) == []


def test_a_day_without_logs_is_refused(home: ListingHome) -> None:
    with pytest.raises(Conflict, match="the logs are not built"):
        bring_up_to_date(None, home.engine, home.places, ["2024-03-04"])  # type: ignore[arg-type]


def found_rows(home: ListingHome) -> dict[str, Row]:
    with home.engine.connect() as connection:
        builds = current_sequences(connection, home.places.declared.sessions_digest)
    return {row.pop("session_id"): row for row in read_sequences(home.places, list(builds.values())).to_pylist()}


def expected_rows(home: ListingHome, rows: list[Row], outcomes: list[Row]) -> dict[str, Row]:
    """Every session by the rules in plain Python."""
    ordered = {outcome["event_id"]: outcome["order_time"] for outcome in outcomes}
    sessions: dict[str, list[Row]] = {}
    for row in rows:
        sessions.setdefault(row["session_id"], []).append(row)
    expected = {}
    for session_id, own in sessions.items():
        actions = [
            Action(row["event_time"], row["event_id"], row["kind"], row["item_id"], row.get("dwell_seconds"), ordered.get(row["event_id"]))
            for row in own
        ]
        found = sequence_of(actions, home.places.declared.sessions)
        if isinstance(found, SessionSequence):
            expected[session_id] = {
                "user_id": own[0]["user_id"],
                "start": min(row["event_time"] for row in own),
                "items": list(found.items),
                "booked": found.booked,
                "bookings": list(found.bookings),
                "rejected": list(found.rejected),
                "user_market": "de",
                "user_device": "phone",
            }
    return expected
