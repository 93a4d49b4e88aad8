"""What a gate is told: absent, half, old and foreign evidence is none; and records come back as they were recorded."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from srp_assets.online.parity.evidence import evidence_in, parity_evidence
from srp_assets.online.parity.registry import FeatureParity, ParityRecord, newest_records, record_parity, records_after, records_of_run

WANTED = {"clicks": "v1", "rate": "v7"}
FIGURES = {"rows": 2_000, "online_mean": 1.5, "online_variance": 0.25, "offline_mean": 1.5, "offline_variance": 0.25}


def passing(day: str, *, run_id: str | None = None) -> ParityRecord:
    """A record of a day on which everything agreed."""
    features = {name: FeatureParity(name, version, passed=True, **FIGURES) for name, version in {**WANTED, "more": "v2"}.items()}
    at = datetime(2024, 3, 10, 3, tzinfo=UTC)
    return ParityRecord(0, day, "d", f"reads {day}", f"data {day}", 9_000, 2_000, 3, True, (), "pairs", "page", at, run_id, features)


def failing(record: ParityRecord, feature: str) -> ParityRecord:
    found = replace(record.features[feature], passed=False, mismatches=9, reasons={"values": "9 of 2,000 values differ"})
    return replace(record, passed=False, features={**record.features, feature: found})


DAYS = ("2024-03-08", "2024-03-09")
RECORDS = {day: passing(day) for day in DAYS}


def test_every_day_has_to_prove_every_feature() -> None:
    found = evidence_in(RECORDS, WANTED, *DAYS)
    assert found.passed
    assert found.reasons == ()
    assert [(own.feature, own.days) for own in found.features] == [("clicks", DAYS), ("rate", DAYS)]


@pytest.mark.parametrize(
    ("records", "wanted", "stale", "reason"),
    [
        ({}, WANTED, [], "clicks (v1): 2024-03-08 was not checked, and 1 more days"),
        ({DAYS[0]: RECORDS[DAYS[0]]}, WANTED, [], "clicks (v1): 2024-03-09 was not checked"),
        (RECORDS, WANTED, [DAYS[1]], "clicks (v1): 2024-03-09 was checked before what it reads was built again"),
        (RECORDS, {"clicks": "v2"}, [], "clicks (v2): 2024-03-08 has a record of version v1, and 1 more days"),
        (RECORDS, {"clicks": "v1", "unknown": "v1"}, [], "unknown (v1): 2024-03-08 has no record of it, and 1 more days"),
        (RECORDS | {DAYS[1]: failing(RECORDS[DAYS[1]], "rate")}, WANTED, [], "rate (v7): 2024-03-09 9 of 2,000 values differ"),
        (RECORDS | {DAYS[1]: replace(RECORDS[DAYS[1]], reasons=("half",))}, WANTED, [], "clicks (v1): 2024-03-09 half"),
        (RECORDS, {}, [], "no feature was asked for"),
    ],
    ids=["none", "half", "old", "another version", "unknown", "failed", "bad sample", "of nothing"],
)
def test_everything_else_is_a_no(records: dict[str, ParityRecord], wanted: dict[str, str], stale: list[str], reason: str) -> None:
    found = evidence_in(records, wanted, *DAYS, stale=stale)
    assert not found.passed
    assert found.reasons[0] == reason


def test_no_day_is_no_evidence() -> None:
    found = evidence_in(RECORDS, WANTED, DAYS[1], DAYS[0])
    assert not found.passed
    assert found.reasons[0] == "clicks (v1): no day was asked for"


def test_a_feature_that_fails_does_not_speak_of_others() -> None:
    records = RECORDS | {DAYS[1]: failing(RECORDS[DAYS[1]], "more")}
    assert evidence_in(records, WANTED, *DAYS).passed


def test_the_evidence_names_the_data_that_it_follows_from() -> None:
    other = RECORDS | {DAYS[1]: replace(RECORDS[DAYS[1]], data="other")}
    assert evidence_in(RECORDS, WANTED, *DAYS).digest != evidence_in(other, WANTED, *DAYS).digest


def test_the_newest_record_of_a_day_counts(engine: Engine) -> None:
    first, second = passing(DAYS[0], run_id="one"), failing(passing(DAYS[0], run_id="two"), "rate")
    with engine.begin() as connection:
        ids = [record_parity(connection, record) for record in (first, second, passing(DAYS[1], run_id="two"))]
    with engine.connect() as connection:
        records = newest_records(connection)
        assert records[DAYS[0]] == replace(second, parity_id=ids[1])
        assert list(records) == list(DAYS)
        assert newest_records(connection, DAYS[1], DAYS[1]).keys() == {DAYS[1]}
        assert records_of_run(connection, "one") == {DAYS[0]: replace(first, parity_id=ids[0])}
        assert [record.parity_id for record in records_after(connection, ids[0])] == ids[1:]
        assert not parity_evidence(connection, WANTED, *DAYS).passed
        assert parity_evidence(connection, {"clicks": "v1"}, *DAYS).passed
        assert not parity_evidence(connection, {"clicks": "v1"}, "2024-03-07", DAYS[1]).passed
