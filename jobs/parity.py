"""When parity is checked, and who is told where it fails: the job, the sensors, the schedules."""

from datetime import datetime, timedelta
from typing import Any

import dagster as dg
from sqlalchemy import Connection, Engine

from jobs.alerts import Alert, alert_sensor
from jobs.reopening import sensor_of_days
from jobs.retention import retention_schedule
from resources.registry_database import RegistryResource
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.registry import last_ingest
from srp_assets.online.parity.assets import PARITY, ParityConfig, documents_folder
from srp_assets.online.parity.checking import FOLDER, ParityPlaces
from srp_assets.online.parity.inputs import inputs_of_days, stale_days
from srp_assets.online.parity.registry import ParityRecord, newest_records, records_after
from srp_assets.online.parity.samples import delete_old_documents, delete_old_samples
from srp_assets.settings import Settings

CHECK_PARITY_JOB = "check_parity"

TOLD_FEATURES = 20
"""Failed features that an alert names; the record has all."""

KEPT_DAYS = 60
"""Days whose compared samples and documents are kept: what drift may be declared to look back to, and time for people to find out why."""


def parity_jobs() -> list[Any]:
    """The job that checks a range of days."""
    return [
        dg.define_asset_job(
            CHECK_PARITY_JOB,
            selection=dg.AssetSelection.assets(PARITY),
            executor_def=dg.in_process_executor,
            description="Checks for a range of days whether what was served is what is computed again, and warns of drift.",
        )
    ]


def parity_sensors(settings: Settings, places: ParityPlaces, logs: LogCatalogue) -> list[dg.SensorDefinition]:
    """The sensor that asks for days on which something was served, and the one that tells of failures."""

    def stale(connection: Connection) -> tuple[list[str], int]:
        return stale_days(connection, places.features, logs, places.layout), last_ingest(connection)

    unchecked_days = sensor_of_days(
        "unchecked_days",
        job=CHECK_PARITY_JOB,
        keys=[PARITY],
        op=PARITY.to_python_identifier(),
        config=ParityConfig(only_changed=True),
        catalogue=logs,
        stale=stale,
        description="Asks for one run for each range of days on which something was served since they were checked.",
    )
    failed_parity = alert_sensor(
        settings,
        "failed_parity",
        "Says in its log which days failed, and tells the address of SRP_NOTIFY_URL.",
        "failures",
        lambda connection, after: [
            (record.parity_id, None if record.passed else alert_of(record)) for record in records_after(connection, after)
        ],
    )
    return [unchecked_days, failed_parity]


def alert_of(record: ParityRecord) -> Alert:
    """What is told of a record that says no."""
    named = record.failed[:TOLD_FEATURES]
    reasons = list(record.reasons)
    if record.failed:
        more = ", .." if len(record.failed) > TOLD_FEATURES else ""
        reasons.append(f"{len(record.failed)} features fail ({', '.join(named)}{more})")
    told = {
        "day": record.day,
        "passed": record.passed,
        "reasons": list(record.reasons),
        "failed": len(record.failed),
        "features": {name: dict(record.features[name].reasons) for name in named},
        "documents": record.page,
    }
    text = f"parity of {record.day} fails: {'; '.join(reasons) or 'no feature was compared'}"
    return Alert(text, {"parity": told}, f"parity/{record.day}/{record.parity_id}")


def parity_schedules(settings: Settings, places: ParityPlaces) -> list[Any]:
    """The daily path, after that of the features, and the retention of samples."""

    def delete(engine: Engine, _before: datetime) -> str:
        with engine.connect() as connection:
            records = newest_records(connection)
        samples = delete_old_samples(places.storage, FOLDER, records, KEPT_DAYS)
        return f"deleted {samples} compared samples and the documents of {delete_old_documents(documents_folder(settings), KEPT_DAYS)} days"

    @dg.schedule(
        name="daily_parity",
        job_name=CHECK_PARITY_JOB,
        # An hour after the features of the day before.
        cron_schedule="15 3 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Checks the day before, served or not: where serving has stopped, there is no evidence, and somebody should know.",
    )
    def daily(context: dg.ScheduleEvaluationContext, registry: RegistryResource) -> dg.RunRequest | dg.SkipReason:
        with registry.engine.connect() as connection:
            days = inputs_of_days(connection, places.features, places.catalogue, places.layout)
        yesterday = (context.scheduled_execution_time - timedelta(days=1)).date().isoformat()
        if not days or yesterday < min(days):
            return dg.SkipReason("nothing was ever served")
        return dg.RunRequest(run_key=yesterday, partition_key=yesterday)

    retention = retention_schedule(
        "parity_retention",
        settings,
        delete,
        minute=57,
        description="Deletes compared samples of replaced checks, and samples and documents of days that are long past.",
    )
    return [daily, retention]
