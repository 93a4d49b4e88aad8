"""What a day of a training set is made from: the options, the builds that it reads, and whether they are there."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from hashlib import sha256
from typing import Any, Literal

from sqlalchemy import Connection

from srp_assets.features.aggregation.layout import Layout
from srp_assets.features.building.days import identity_of
from srp_assets.features.building.days import inputs_of as feature_inputs
from srp_assets.features.registry import current_builds as current_features
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.tables import built_days, landed_log_files
from srp_assets.sequences.building.days import newest_builds, reopened_days
from srp_assets.sequences.places import SequencePlaces
from srp_assets.training.weights import Weighting


@dataclass(frozen=True)
class SetOptions:
    """What sets are made of.

    Args:
        features: recomputed from the logs, or as they were served.
        weighting: by what rows are weighed.
        weight_limit: the largest weight before normalisation.
        window_days: the days, before the day itself, by which examination is estimated.
        sequences: names of the declared behaviour sequences that sets carry.
    """

    features: Literal["recomputed", "served"] = "recomputed"
    weighting: Weighting = "given"
    weight_limit: float = 20.0
    window_days: int = 13
    sequences: tuple[str, ...] = ()

    @property
    def estimates(self) -> bool:
        """Whether weights follow from an estimate over several days."""
        return self.weighting in ("randomised", "regression_em")

    def as_dict(self) -> dict[str, Any]:
        """The form in which identities and cards keep it; sets without sequences are what they were before there were any."""
        return {name: value for name, value in asdict(self).items() if name != "sequences" or value}


@dataclass(frozen=True)
class SetInputs:
    """The digest of the builds that a day reads, the newest of them, and why the day cannot be built, if it cannot."""

    reads: str
    newest: int
    problem: str | None = None


def inputs_of(
    connection: Connection,
    logs: LogCatalogue,
    layout: Layout,
    buckets: int,
    options: SetOptions,
    sequences: SequencePlaces | None = None,
) -> dict[str, SetInputs]:
    """The days that can be built now, or could if what they read was, by day in order; `sequences` is where those are that sets carry."""
    shown = built_days(connection, "impression_outcomes")
    features = current_features(connection, "impressions", identity_of("impressions", layout, buckets))
    wanted = feature_inputs(connection, "impressions", layout, buckets)
    ready = {day for day, own in wanted.items() if own.problem is None and day in features and features[day].reads == own.reads}
    needs_features = options.features == "recomputed" or options.weighting == "regression_em"
    stages = {} if sequences is None else newest_builds(connection, sequences)
    stale = [] if sequences is None else reopened_days(connection, sequences)
    found = {}
    for day in shown:
        window = [day]
        if options.estimates:
            window = [other for other in shown if days_before(day, options.window_days) <= other <= day]
        reads: list[Any] = [shown[other].build_id for other in window]
        problem = None
        if needs_features:
            needed = window if options.weighting == "regression_em" else [day]
            reads += [0, *[features[other].build_id for other in needed if other in features]]
            problem = None if ready.issuperset(needed) else "the features of impressions are not built"
        if options.features == "served":
            reads.append(_served_files(connection, logs, day))
        if sequences is not None:
            # Stages are of the day of the request, which may be before that of what it showed.
            needed = request_days(shown, logs, day)
            reads.append([stages[other].build_id for other in needed if other in stages])
            ready_stages = all(other in stages and other not in stale for other in needed)
            problem = problem or (None if ready_stages else "the sequences of requests are not built")
        found[day] = SetInputs(digest_of(reads), max(shown[other].build_id for other in window), problem)
    return found


def request_days(built: Iterable[str], logs: LogCatalogue, day: str) -> list[str]:
    """The built days on which the requests of a day's impressions may lie."""
    return [other for other in built if days_before(day, logs.request_days) <= other <= day]


def _served_files(connection: Connection, logs: LogCatalogue, day: str) -> list[Any]:
    log = logs.of_role("served_features")
    landed = landed_log_files(connection, log.name, days_before(day, logs.request_days), day) if log else {}
    return [[of_day, sorted(files.rows), sorted(files.withdrawals)] for of_day, files in sorted(landed.items())]


def days_before(day: str, days: int) -> str:
    """The date so many days before another one."""
    return (date.fromisoformat(day) - timedelta(days=days)).isoformat()


def digest_of(content: Any) -> str:
    """Identity of something that JSON can say."""
    return sha256(json.dumps(content).encode()).hexdigest()
