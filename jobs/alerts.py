"""Sensors that tell people what was recorded: a line in their log, and the address of SRP_NOTIFY_URL, each record once."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from sqlalchemy import Connection

from resources.registry_database import RegistryResource
from resources.webhook import post
from srp_assets.settings import Settings

ALERT_TICK_SECONDS = 30

MOST_TRIES = 20
"""Ticks in which an address is told of a record before it is only said in the log: ten minutes."""


@dataclass(frozen=True)
class Alert:
    """What is told of one record.

    Args:
        text: in a line.
        body: as JSON.
        event: what it is called to the address, the same at every try.
    """

    text: str
    body: dict[str, Any]
    event: str


Recorded = Callable[[Connection, int], Sequence[tuple[int, Alert | None]]]
"""Takes the registry and a record's number; gives the numbers of later records, each with what is told of it, if anything."""


def alert_sensor(settings: Settings, name: str, description: str, told: str, recorded: Recorded) -> dg.SensorDefinition:
    """A sensor that tells of records; where the address cannot be reached, again at the next tick.

    Args:
        settings: they have the address.
        name: of the sensor.
        description: of the sensor.
        told: what alerts are called in its log, in the plural.
        recorded: what is there to be told.
    """

    @dg.sensor(
        name=name,
        minimum_interval_seconds=ALERT_TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=description,
    )
    def tell(context: dg.SensorEvaluationContext, registry: RegistryResource) -> dg.SensorResult:
        memory = json.loads(context.cursor or "null") or {"after": 0, "tries": 0}
        with registry.engine.connect() as connection:
            added = recorded(connection, memory["after"])
        count = 0
        for number, alert in added:
            if alert is not None:
                context.log.warning("%s", alert.text)
                problem = posted(settings, alert)
                if problem is not None and memory["tries"] + 1 < MOST_TRIES:
                    context.log.warning("the alert was not taken: %s", problem)
                    memory["tries"] += 1
                    break
                count += 1
            memory = {"after": number, "tries": 0}
        return dg.SensorResult(skip_reason=f"{count} {told} told" if count else "nothing to tell", cursor=json.dumps(memory))

    return tell


def posted(settings: Settings, alert: Alert) -> str | None:
    """Posts an alert to the address of the settings, if there is one; returns what went wrong."""
    if settings.notify_url is None:
        return None
    return post(settings.notify_url, settings.notify_secret, json.dumps(alert.body).encode(), alert.event)
