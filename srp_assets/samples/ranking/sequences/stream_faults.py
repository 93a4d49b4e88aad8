"""Faults by which a portrait has other actions, or others first: those of `faults.py` that a portrait can have, and its own."""

from functools import partial
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from srp_assets.features.aggregation.rows import integers
from srp_assets.features.times import MICROSECONDS_OF_DAY, MICROSECONDS_OF_HOUR
from srp_assets.online.records.digests import digest_of
from srp_assets.samples.ranking.faults import (
    DoubleCounting,
    DroppedEvents,
    LateStream,
    StalePartials,
    TimeZoneSlip,
    TruncatedHistory,
    UnitSlip,
)
from srp_assets.samples.ranking.sequences.serving import SequenceFault, times_of, with_column, with_values
from srp_assets.warehouse.schema import TIMESTAMP

MINUTE = 60_000_000


class TieOrder(SequenceFault):
    """Actions of equal times are ordered by their ids, the smaller first."""

    name = cause = "tie_order"
    renames = True

    def actions(self, actions: pa.Table) -> pa.Table:
        """With ids whose order is turned round."""
        return with_column(actions, "event_id", pa.array([_mirrored(own) for own in actions["event_id"].to_pylist()]))

    def shown(self, table: pa.Table) -> pa.Table:
        """With the ids as they are."""
        return with_values(table, "event_id", lambda values: pa.array([_mirrored(own) for own in values.to_pylist()], pa.string()))


DIGITS = str.maketrans("0123456789", "9876543210")


def _mirrored(event_id: str) -> str:
    return event_id.translate(DIGITS)


class OrderByArrival(SequenceFault):
    """The stream is kept in the order in which it came."""

    name = cause = "order_by_arrival"
    renames = True

    def actions(self, actions: pa.Table) -> pa.Table:
        """With arrivals in the place of times."""
        self._time_of = dict(zip(actions["event_id"].to_pylist(), actions["event_time"].to_pylist(), strict=True))
        return with_column(actions, "event_time", actions["arrival_time"])

    def shown(self, table: pa.Table) -> pa.Table:
        """With the times as they are."""
        times = pa.array([self._time_of[own] for own in table["event_id"].combine_chunks().flatten().to_pylist()], TIMESTAMP)
        return with_values(table, "event_time", lambda _: times)


class _OfTheStream(SequenceFault):
    """A fault of `faults.py` that changes the stream."""

    def actions(self, actions: pa.Table) -> pa.Table:
        """What that fault makes of them."""
        known = np.maximum(integers(actions["event_time"]), integers(actions["arrival_time"]))
        return self.of.stream(actions.append_column("known", pa.array(known))).drop_columns("known")

    of: ClassVar[Any]


class LateStreamOfSequences(_OfTheStream):
    """The consumer is half an hour behind, and notes when it has read."""

    name, cause, of = "late_stream", "missing_at_head", LateStream()


class TimeZoneSlipOfSequences(_OfTheStream):
    """The consumer reads local times of UTC-5 as if they were UTC."""

    name, cause, of = "time_zone_slip", "time_zone_slip", TimeZoneSlip()


class DoubleCountingOfSequences(_OfTheStream):
    """A tenth of the actions come again with new ids."""

    name, cause, of = "double_counting", "duplicate_kept", DoubleCounting()


class DroppedEventsOfSequences(_OfTheStream):
    """A tenth of the actions never reach the consumer."""

    name, cause, of = "dropped_events", "events_lost", DroppedEvents()


class UnitSlipOfSequences(_OfTheStream):
    """The consumer takes cents for the currency of the market."""

    name, cause, of = "unit_slip", "unit_slip", UnitSlip()


class LaggingStream(SequenceFault):
    """The consumer is three hours behind and does not know it."""

    name, cause, reads_each = "lagging_stream", "missing_at_head", True

    def known(self, actions: pa.Table, as_of: int) -> pa.Table:
        """What arrived three hours before."""
        return actions.filter(pa.array(integers(actions["arrival_time"]) < as_of - 3 * MICROSECONDS_OF_HOUR))


class StaleSnapshot(SequenceFault):
    """The snapshot is two days old; what came on the day of the request is there."""

    name, cause, reads_each = "stale_partials", "stale_snapshot", True

    def known(self, actions: pa.Table, as_of: int) -> pa.Table:
        """Without what arrived on the two days before."""
        midnight = as_of // MICROSECONDS_OF_DAY * MICROSECONDS_OF_DAY
        arrived = integers(actions["arrival_time"])
        return actions.filter(pa.array((arrived < midnight - StalePartials.DAYS * MICROSECONDS_OF_DAY) | (arrived >= midnight)))


class SnapshotMissing(SequenceFault):
    """There was no snapshot; what came on the day of the request is there."""

    name, cause, reads_each = "snapshot_missing", "snapshot_missing", True

    def known(self, actions: pa.Table, as_of: int) -> pa.Table:
        """What arrived on the day."""
        return actions.filter(pa.array(integers(actions["arrival_time"]) >= as_of // MICROSECONDS_OF_DAY * MICROSECONDS_OF_DAY))


class LateEventExcluded(SequenceFault):
    """What comes more than half an hour late is left out."""

    name = cause = "late_event_excluded"

    def actions(self, actions: pa.Table) -> pa.Table:
        """Those that came in time."""
        return actions.filter(pa.array(integers(actions["arrival_time"]) - integers(actions["event_time"]) <= 30 * MINUTE))


class LateEventIncluded(SequenceFault):
    """What has happened counts although it has not arrived."""

    name = cause = "late_event_included"

    def declared(self, declared: dict[str, Any]) -> dict[str, Any]:
        """With the other clock."""
        return declared | {"portrait": declared["portrait"] | {"clock": "as_happened"}}


def _instead(values: Any, _: Any) -> Any:
    return values


class LeakedFuture(SequenceFault):
    """Sequences are made two hours after the request, when its outcome is known."""

    name, cause, reads_each = "leaked_future", "leaked_future", True
    AHEAD = 2 * MICROSECONDS_OF_HOUR

    def known(self, actions: pa.Table, as_of: int) -> pa.Table:
        """What happened and arrived until then, moved to just before the request so that it counts."""
        known = np.maximum(integers(actions["event_time"]), integers(actions["arrival_time"]))
        own = actions.filter(pa.array(known < as_of + self.AHEAD))
        self._time_of |= {
            event: times
            for event, *times in zip(
                own["event_id"].to_pylist(), own["event_time"].to_pylist(), own["arrival_time"].to_pylist(), strict=True
            )
        }
        happened, arrived = integers(own["event_time"]), integers(own["arrival_time"])
        # As many microseconds before the request as there are actions keep their order.
        ahead = np.flatnonzero(happened >= as_of)
        order = ahead[np.lexsort((np.array(own["event_id"].to_pylist(), object)[ahead].astype(str), happened[ahead]))]
        moved = happened.copy()
        moved[order] = as_of - len(order) + np.arange(len(order))
        own = with_column(own, "arrival_time", times_of(np.minimum(arrived, as_of - 1)))
        return with_column(own, "event_time", times_of(moved))

    def __init__(self) -> None:
        self._time_of: dict[str, list[Any]] = {}

    def shown(self, table: pa.Table) -> pa.Table:
        """With the times as they are."""
        ids = table["event_id"].combine_chunks().flatten().to_pylist()
        for place, name in enumerate(("event_time", "arrival_time")):
            times = pa.array([self._time_of[own][place] for own in ids], TIMESTAMP)
            table = with_values(table, name, partial(_instead, times))
        return table


class TruncatedHistoryOfSequences(SequenceFault):
    """The store keeps a week."""

    name, cause, reads_each = "truncated_history", "missing_at_tail", True

    def known(self, actions: pa.Table, as_of: int) -> pa.Table:
        """The actions of the last week."""
        first = (as_of // MICROSECONDS_OF_DAY - TruncatedHistory.DAYS) * MICROSECONDS_OF_DAY
        return actions.filter(pa.array(integers(actions["event_time"]) >= first))


class DayBoundary(SequenceFault):
    """The window begins with the day of a place eight hours behind UTC."""

    name, cause, reads_each = "day_boundary", "day_boundary", True

    def known(self, actions: pa.Table, as_of: int) -> pa.Table:
        """Without the first hours of the window."""
        first = (as_of // MICROSECONDS_OF_DAY - 15) * MICROSECONDS_OF_DAY + 11 * MICROSECONDS_OF_HOUR
        return actions.filter(pa.array(integers(actions["event_time"]) >= first))


class WrongUser(SequenceFault):
    """The mapping of devices to users is wrong for a third of the users: they get the history of another one."""

    name = cause = "wrong_user"

    def asked(self, asked: pa.Table) -> pa.Table:
        """With the users that the mapping has."""
        users = sorted(set(asked["user_id"].to_pylist()))
        other = {user: users[place - 1] if digest_of(user) % 3 == 0 else user for place, user in enumerate(users)}
        return with_column(asked, "user_id", pa.array([other[user] for user in asked["user_id"].to_pylist()]))
