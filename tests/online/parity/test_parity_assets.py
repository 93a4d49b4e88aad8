"""A day through Dagster: what was served as it is computed passes, what was not fails by name and is told, and no evidence fails."""

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr

from jobs.alerts import MOST_TRIES
from jobs.parity import CHECK_PARITY_JOB
from jobs.reopening import FIRST_TAG, LAST_TAG
from resources.registry_database import RegistryResource
from srp_assets.cli import run
from srp_assets.definitions import build_definitions
from srp_assets.online.parity.assets import AGREES, PARITY
from srp_assets.online.parity.evidence import parity_evidence
from srp_assets.online.parity.registry import ParityRecord, newest_records
from srp_assets.settings import Settings
from support.receiver import receiving
from support.served_day import DAY, ServedDay


def definitions_of(settings: Settings) -> dg.Definitions:
    return build_definitions(settings=settings)


def checked(definitions: dg.Definitions, instance: dg.DagsterInstance) -> dict[str, bool]:
    """Runs the job for the day; what its checks say."""
    result = definitions.resolve_job_def(CHECK_PARITY_JOB).execute_in_process(
        instance=instance, tags={FIRST_TAG: DAY, LAST_TAG: DAY}, raise_on_error=False
    )
    return {check.check_name: check.passed for check in result.get_asset_check_evaluations()}


def tick(definitions: dg.Definitions, instance: dg.DagsterInstance, sensor: str, cursor: str | None = None) -> Any:
    resources = {"registry": RegistryResource()}
    with dg.build_sensor_context(instance=instance, definitions=definitions, resources=resources, cursor=cursor) as context:
        return definitions.resolve_sensor_def(sensor).evaluate_tick(context)


def daily(definitions: dg.Definitions, instance: dg.DagsterInstance) -> Any:
    """What the schedule asks for in the night after the day."""
    night = datetime.fromisoformat(DAY).replace(tzinfo=UTC) + timedelta(days=1, hours=3)
    resources, repository = {"registry": RegistryResource()}, definitions.get_repository_def()
    with dg.build_schedule_context(
        instance=instance, scheduled_execution_time=night, resources=resources, repository_def=repository
    ) as context:
        return repository.get_schedule_def("daily_parity").evaluate_tick(context)


def newest(day: ServedDay) -> ParityRecord:
    with day.engine.connect() as connection:
        return newest_records(connection)[DAY]


def evidence(day: ServedDay, name: str) -> bool:
    version = day.places.layout.definitions.features[name].version
    with day.engine.connect() as connection:
        return parity_evidence(connection, {name: version}, DAY, DAY).passed


def test_a_day_is_checked_from_end_to_end(served_day: ServedDay, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    day, features = served_day, served_day.places.layout.definitions.features
    definitions = definitions_of(day.settings)
    with dg.DagsterInstance.ephemeral() as instance:
        # Nothing was served: no evidence, and the check says so.
        assert not tick(definitions, instance, "unchecked_days").run_requests
        assert checked(definitions, instance)[AGREES] is False
        assert (newest(day).reasons, newest(day).features) == (("nothing was served",), {})

        assert "nothing was ever served" in daily(definitions, instance).skip_message

        # All was served as it is computed.
        day.request()
        day.serve(day.rows)
        (request,) = tick(definitions, instance, "unchecked_days").run_requests
        assert (request.tags[FIRST_TAG], request.tags[LAST_TAG]) == (DAY, DAY)
        assert all(checked(definitions, instance).values())
        record = newest(day)
        assert (record.passed, record.failed, record.sampled, record.unmatched) == (True, [], len(day.rows), 0)
        assert set(record.features) == set(features)
        assert {found.version for found in record.features.values()} == {feature.version for feature in features.values()}
        assert all(found.mismatches == 0 and found.rows == len(day.rows) for found in record.features.values())
        assert evidence(day, "item_ctr_30d")
        shown = instance.get_latest_materialization_event(PARITY)
        assert shown is not None
        assert shown.asset_materialization is not None
        assert Path(str(shown.asset_materialization.metadata["Data Docs"].value)).is_file()
        assert not tick(definitions, instance, "unchecked_days").run_requests
        assert [request.partition_key for request in daily(definitions, instance).run_requests] == [DAY]
        first = tick(definitions, instance, "failed_parity")

        # More was served, and some of it wrong.
        again = [spoilt(row, number) for number, row in enumerate(deepcopy(day.rows))]
        day.serve(again)
        assert tick(definitions, instance, "unchecked_days").run_requests
        assert checked(definitions, instance)[AGREES] is False
        failed = {name: set(found.reasons) for name, found in newest(day).features.items() if not found.passed}
        assert failed.keys() == {"item_ctr_30d", "user_last_item_60d", "query_length"}
        assert "values" in failed["item_ctr_30d"]
        assert failed["query_length"] == {"evidence"}
        assert not evidence(day, "item_ctr_30d")
        assert evidence(day, "user_items_30d")
        told_of_failures(day, instance, first.cursor, monkeypatch)

    # The command judges the same and records nothing.
    day.serve([{**row, "event_id": f"x{n}", "trace_id": f"x{n}", "definition_version": "lost"} for n, row in enumerate(day.rows[:9])])
    before = newest(day).parity_id
    assert run(["parity", "check", "--json", "--day", DAY]) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["failed"] == sorted(failed)
    assert told["reasons"] == [
        "rows were served under definitions that nobody recorded: lost",
        "9 of 249 sampled rows have no request in the logs",
    ]
    assert newest(day).parity_id == before
    assert run(["parity", "show"]) == 3
    assert "are served as they are computed" in capsys.readouterr().out


@pytest.mark.nightly
def test_the_command_records_what_it_is_told_to(served_day: ServedDay, capsys: pytest.CaptureFixture) -> None:
    served_day.request()
    served_day.serve(served_day.rows)
    assert run(["parity", "check", "--record", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"] == newest(served_day).data
    assert newest(served_day).passed
    assert run(["parity", "show"]) == 0


def spoilt(row: dict[str, Any], number: int) -> dict[str, Any]:
    """A row that was served once more: a rate in percent, another item, and one row without a feature."""
    row["event_id"], row["trace_id"] = f"again-{number}", row["trace_id"]
    row["values"]["item_ctr_30d"] = (row["values"]["item_ctr_30d"] or 0.0) * 100 + 1
    row["texts"]["user_last_item_60d"] = "another"
    if number == 7:
        del row["values"]["query_length"]
    return row


def told_of_failures(day: ServedDay, instance: dg.DagsterInstance, cursor: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The alert is repeated until it is taken, told once, and given up at last."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with receiving() as receiver:
        settings = day.settings.model_copy(update={"notify_url": SecretStr(receiver.address), "notify_secret": SecretStr("key")})
        definitions = definitions_of(settings)
        receiver.status = 500
        refused = tick(definitions, instance, "failed_parity", cursor)
        assert json.loads(refused.cursor)["tries"] == 1
        given_up = tick(definitions, instance, "failed_parity", json.dumps({**json.loads(refused.cursor), "tries": MOST_TRIES - 1}))
        receiver.status = 204
        taken = tick(definitions, instance, "failed_parity", refused.cursor)
        assert "1 failures told" in taken.skip_message
        assert json.loads(taken.cursor) == json.loads(given_up.cursor) == {"after": newest(day).parity_id, "tries": 0}
        assert "nothing to tell" in tick(definitions, instance, "failed_parity", taken.cursor).skip_message
        body = json.loads(receiver.bodies[-1])["parity"]
        assert (body["day"], body["passed"], body["failed"]) == (DAY, False, 3)
        assert receiver.headers[-1]["x-srp-delivery"] == f"parity/{DAY}/{newest(day).parity_id}"
        assert len(receiver.bodies) == 3
