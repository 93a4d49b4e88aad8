"""Notifications, told to a real HTTP server: signed, at least once, and never at the cost of a task."""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import Engine

from srp_assets.recall import notifications, registry
from srp_assets.recall.claims import claim_window
from srp_assets.recall.notifications import Round, pause_after, tell_ended
from srp_assets.recall.registry_batches import begin_attempt, fail_attempt, finish_attempt
from srp_assets.recall.registry_tasks import cancel_task, retry_task
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from support.recall import add_task, later
from support.receiver import Receiver, receiving

NOBODY = Round(0, 0, 0, None)


def told_of(receiver: Receiver) -> list[tuple[str, str]]:
    return [(body["task_id"], body["state"]) for body in map(json.loads, receiver.bodies)]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with receiving() as found:
        yield found


@pytest.fixture
def told_settings(settings: Settings, receiver: Receiver) -> Settings:
    return settings.model_copy(update={"notify_url": SecretStr(receiver.address), "notify_secret": SecretStr("key")})


@pytest.fixture
def ended(any_registry: Engine, settings: Settings, sample_catalogue: Catalogue) -> dict[str, str]:
    """A task that is done, one that has failed, one that was cancelled, and one that waits: by state."""
    with any_registry.begin() as connection:
        names = {}
        for state in ("done", "failed"):
            names[state] = add_task(connection, sample_catalogue)
            (batch_id,) = claim_window(connection, settings, now=later(1), at_once=True).batches
            attempt = begin_attempt(connection, batch_id, run_id="run", worker="here:1:0.00", now=later(2), lease_until=later(62))
            if state == "done":
                outcome = registry.Outcome(names[state], 7, complete=True, note=None)
                finish_attempt(connection, attempt, folder="cases/x", summary={}, outcomes=[outcome], cells=[], now=later(3))
            else:
                error = {"code": "crashed", "message": "it broke", "where": None, "remedy": None}
                fail_attempt(connection, attempt, error, attempts=1, now=later(4))
        names["cancelled"] = add_task(connection, sample_catalogue)
        cancel_task(connection, names["cancelled"], now=later(5))
        names["submitted"] = add_task(connection, sample_catalogue)
    return names


def test_every_end_is_told_once_and_signed(
    any_registry: Engine, told_settings: Settings, receiver: Receiver, ended: dict[str, str]
) -> None:
    assert tell_ended(any_registry, told_settings) == Round(3, 0, 0, None)
    assert told_of(receiver) == [(ended[state], state) for state in ("done", "failed", "cancelled")]
    for headers, body in zip(receiver.headers, receiver.bodies, strict=True):
        assert headers["path"] == receiver.path
        assert headers["content-type"] == "application/json"
        assert headers["x-srp-signature"] == "sha256=" + hmac.new(b"key", body, hashlib.sha256).hexdigest()
        assert headers["authorization"] == "Basic b3BzOnBhdGgtc2VjcmV0"
    done, failed, _ = map(json.loads, receiver.bodies)
    assert (done["cases"], done["complete"], done["timings"]["total_seconds"]) == (7, True, 3.0)
    assert failed["error"]["message"] == "it broke"
    assert len({headers["x-srp-delivery"] for headers in receiver.headers}) == 3
    assert tell_ended(any_registry, told_settings) == NOBODY


def test_without_a_secret_nothing_is_signed(
    any_registry: Engine, told_settings: Settings, receiver: Receiver, ended: dict[str, str]
) -> None:
    tell_ended(any_registry, told_settings.model_copy(update={"notify_secret": None}))
    assert [headers.get("x-srp-signature") for headers in receiver.headers] == [None] * 3


@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_was_not_taken_is_told_again_later(
    any_registry: Engine, told_settings: Settings, receiver: Receiver, ended: dict[str, str], status: int
) -> None:
    receiver.status = status
    now = datetime.now(UTC)
    failed = tell_ended(any_registry, told_settings, now=now)
    assert (failed.told, failed.failed, failed.given_up, len(receiver.bodies)) == (0, 3, 0, 3)
    assert failed.problem is not None
    assert failed.problem.startswith(f"127.0.0.1: {status} ")
    receiver.status = 200
    assert tell_ended(any_registry, told_settings, now=now + pause_after(0) - timedelta(seconds=1)) == NOBODY
    assert tell_ended(any_registry, told_settings, now=now + pause_after(0)).told == 3
    first, again = receiver.headers[:3], receiver.headers[3:]
    assert [headers["x-srp-delivery"] for headers in again] == [headers["x-srp-delivery"] for headers in first]
    with any_registry.connect() as connection:
        assert registry.count_tasks(connection) == {"done": 1, "failed": 1, "cancelled": 1, "submitted": 1}


def test_a_receiver_that_does_not_answer_is_left_alone_after_seconds(
    any_registry: Engine, told_settings: Settings, receiver: Receiver, ended: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(notifications, "ROUND_SECONDS", 0.1)
    release = threading.Event()
    receiver.answers = lambda: release.wait(60) and None
    failed = tell_ended(any_registry, told_settings)
    release.set()
    # One was tried, then the time of the round was over; the others wait for the next.
    assert (failed.told, failed.failed) == (0, 1)
    assert failed.problem == "127.0.0.1: TimeoutError"


def test_nobody_there_is_said_without_the_address(
    any_registry: Engine, told_settings: Settings, receiver: Receiver, ended: dict[str, str]
) -> None:
    closed = receiver.address.replace(str(receiver.port), "1")
    problem = tell_ended(any_registry, told_settings.model_copy(update={"notify_url": SecretStr(closed)})).problem
    assert problem is not None
    assert "refused" in problem
    assert "secret" not in problem


def test_after_many_tries_it_is_given_up(
    any_registry: Engine, told_settings: Settings, receiver: Receiver, ended: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "MOST_TRIES", 2)
    receiver.status = 500
    now = datetime.now(UTC)
    assert tell_ended(any_registry, told_settings, now=now).given_up == 0
    assert tell_ended(any_registry, told_settings, now=now + timedelta(hours=1)).given_up == 3
    assert tell_ended(any_registry, told_settings, now=now + timedelta(days=9)) == NOBODY


def test_a_task_that_is_tried_again_is_told_of_when_it_ends_again(
    any_registry: Engine, told_settings: Settings, receiver: Receiver, ended: dict[str, str]
) -> None:
    with any_registry.begin() as connection:
        retry_task(connection, ended["failed"], now=later(10))
    tell_ended(any_registry, told_settings)
    assert {state for _, state in told_of(receiver)} == {"done", "cancelled"}
    with any_registry.begin() as connection:
        cancel_task(connection, ended["failed"], now=later(11))
    tell_ended(any_registry, told_settings)
    assert told_of(receiver)[-1] == (ended["failed"], "cancelled")


def test_where_nobody_wants_to_know_nothing_piles_up(
    any_registry: Engine, settings: Settings, told_settings: Settings, receiver: Receiver, ended: dict[str, str]
) -> None:
    assert tell_ended(any_registry, settings) == NOBODY
    assert tell_ended(any_registry, told_settings) == NOBODY
    assert receiver.bodies == []


def test_the_pauses_grow_up_to_an_hour() -> None:
    pauses = [pause_after(tries) for tries in range(12)]
    assert pauses[:3] == [timedelta(seconds=15), timedelta(seconds=30), timedelta(seconds=60)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(hours=1)


@pytest.mark.parametrize("address", ["ftp://host/secret", "file:///etc/secret", "host/secret", "https://"])
def test_only_web_addresses_are_taken(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("SRP_NOTIFY_URL", address)
    with pytest.raises(ValidationError, match="this is no web address") as refused:
        Settings()
    assert "secret" not in str(refused.value)
    monkeypatch.setenv("SRP_NOTIFY_URL", "https://user:open-sesame@host/path")
    assert "sesame" not in repr(Settings())
