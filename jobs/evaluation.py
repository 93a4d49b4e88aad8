"""When candidates are judged, and who is told of those that are refused: the job, the schedule, the sensors."""

from datetime import UTC, timedelta
from typing import Any

import dagster as dg

from jobs.alerts import Alert, alert_sensor
from resources.registry_database import RegistryResource
from srp_assets.evaluation.assets import CHALLENGER, CHAMPION, QUALITY, REPLAY, GateHome
from srp_assets.evaluation.registry import DecisionRecord, decisions_after
from srp_assets.settings import Settings

EVALUATE_JOB = "evaluate_models"

AGAINST = ("refused", "held")
"""The decisions that somebody is told of."""


def evaluation_jobs() -> list[Any]:
    """The job that judges the candidates of a day."""
    return [
        dg.define_asset_job(
            EVALUATE_JOB,
            selection=dg.AssetSelection.assets(QUALITY, REPLAY, CHALLENGER, CHAMPION),
            executor_def=dg.in_process_executor,
            description="Evaluates and replays the candidates of a day; the best that passes becomes challenger, and champion if proved.",
        )
    ]


def evaluation_schedules(home: GateHome) -> list[Any]:
    """The daily path, after the trainings."""

    @dg.schedule(
        name="daily_evaluation",
        job_name=EVALUATE_JOB,
        cron_schedule="45 5 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Judges the newest candidates by the days that ended, if there are any that have not seen them.",
    )
    def daily(context: dg.ScheduleEvaluationContext, registry: RegistryResource) -> dg.RunRequest | dg.SkipReason:
        from srp_assets.evaluation.judging import contenders

        day = (context.scheduled_execution_time.astimezone(UTC) - timedelta(days=1)).date().isoformat()
        if not contenders(home.gate(registry), home.documents, day):
            return dg.SkipReason("no model was trained without these days")
        return dg.RunRequest(run_key=day, partition_key=day)

    return [daily]


def evaluation_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """The sensor that lets challenger and champion follow what is recorded, and the one that tells of refusals."""
    refused_models = alert_sensor(
        settings,
        "refused_models",
        "Says in its log which models were refused or held, and why, and tells the address of SRP_NOTIFY_URL.",
        "decisions",
        lambda connection, after: [
            (decision.decision_id, alert_of(decision) if decision.outcome in AGAINST else None)
            for decision in decisions_after(connection, after)
        ],
    )
    follow = dg.AutomationConditionSensorDefinition(
        name="judge_what_is_recorded",
        target=dg.AssetSelection.assets(CHALLENGER, CHAMPION),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for challenger and champion of a day when an evaluation or a replay was recorded for it by itself.",
    )
    return [refused_models, follow]


def alert_of(decision: DecisionRecord) -> Alert:
    """What is told of a decision against a model."""
    told = {
        "model": decision.model,
        "version": decision.version,
        "candidate": decision.contender,
        "champion": decision.champion,
        "day": decision.day,
        "outcome": decision.outcome,
        "reasons": list(decision.reasons),
        "report": decision.page,
    }
    who = f"{decision.model} version {decision.version} ({decision.contender})"
    text = f"{who} is {decision.outcome} by {decision.day}: {'; '.join(decision.reasons)}"
    return Alert(text, {"decision": told}, f"decision/{decision.model}/{decision.decision_id}")
