"""When candidates are judged, and who is told of those that are refused: the job, the schedule, the sensors."""

import json
from datetime import UTC, timedelta
from typing import Any

import dagster as dg

from resources.registry_database import RegistryResource
from resources.webhook import post
from srp_assets.evaluation.assets import CHALLENGER, CHAMPION, QUALITY, REPLAY, GateHome
from srp_assets.evaluation.registry import DecisionRecord, decisions_after
from srp_assets.settings import Settings

EVALUATE_JOB = "evaluate_models"

ALERT_TICK_SECONDS = 30

MOST_TRIES = 20
"""Ticks in which an address is told of a decision before it is only said in the log: ten minutes."""

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

    @dg.sensor(
        name="refused_models",
        minimum_interval_seconds=ALERT_TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Says in its log which models were refused or held, and why, and tells the address of SRP_NOTIFY_URL.",
    )
    def refused_models(context: dg.SensorEvaluationContext, registry: RegistryResource) -> dg.SensorResult:
        """Tells of every decision against a model, once; where the address cannot be reached, again at the next tick."""
        memory = json.loads(context.cursor or "null") or {"after": 0, "tries": 0}
        with registry.engine.connect() as connection:
            made = decisions_after(connection, memory["after"])
        told = 0
        for decision in made:
            if decision.outcome in AGAINST:
                context.log.warning("%s", alert_text(decision))
                problem = None if settings.notify_url is None else tell(settings, decision)
                if problem is not None and memory["tries"] + 1 < MOST_TRIES:
                    context.log.warning("the alert was not taken: %s", problem)
                    memory["tries"] += 1
                    break
                told += 1
            memory = {"after": decision.decision_id, "tries": 0}
        return dg.SensorResult(skip_reason=f"{told} decisions told" if told else "nothing to tell", cursor=json.dumps(memory))

    follow = dg.AutomationConditionSensorDefinition(
        name="judge_what_is_recorded",
        target=dg.AssetSelection.assets(CHALLENGER, CHAMPION),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for challenger and champion of a day when an evaluation or a replay was recorded for it by itself.",
    )
    return [refused_models, follow]


def tell(settings: Settings, decision: DecisionRecord) -> str | None:
    """Posts a decision to the address of the settings; returns what went wrong."""
    assert settings.notify_url is not None
    body = json.dumps({"decision": alert_of(decision)}).encode()
    return post(settings.notify_url, settings.notify_secret, body, f"decision/{decision.model}/{decision.decision_id}")


def alert_of(decision: DecisionRecord) -> dict[str, Any]:
    """What is told of a decision against a model."""
    return {
        "model": decision.model,
        "version": decision.version,
        "candidate": decision.contender,
        "champion": decision.champion,
        "day": decision.day,
        "outcome": decision.outcome,
        "reasons": list(decision.reasons),
        "report": decision.page,
    }


def alert_text(decision: DecisionRecord) -> str:
    """The same in a line."""
    who = f"{decision.model} version {decision.version} ({decision.contender})"
    return f"{who} is {decision.outcome} by {decision.day}: {'; '.join(decision.reasons)}"
