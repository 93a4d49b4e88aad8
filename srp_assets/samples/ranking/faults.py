"""Faults of the online side, by name: what goes wrong elsewhere, switched on to see that it is found.

A fault changes what the twin is told, never the twin. The logs stay as they are, so whatever is computed from them tells the truth.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.errors import InvalidInput, nearest
from srp_assets.features.aggregation.rows import integers
from srp_assets.features.declaration.definitions import Definitions, Feature
from srp_assets.features.declaration.model import DecayedSum, FeatureDocument, Rate, Smoothing, Top
from srp_assets.features.times import MICROSECONDS_OF_DAY, MICROSECONDS_OF_HOUR
from srp_assets.online.answering.columns import widened
from srp_assets.online.answering.twin import Answer
from srp_assets.online.records.digests import digest_of
from srp_assets.warehouse.schema import TIMESTAMP

MINUTE = 60_000_000


class Fault:
    """What a fault may change; this one changes nothing.

    `loads_each_day` says that the store is filled anew every midnight, from `history`, instead of being kept.
    """

    name: ClassVar[str] = "none"
    loads_each_day: ClassVar[bool] = False

    def document(self, document: FeatureDocument) -> FeatureDocument:
        """The declarations that are served under the version of the right ones."""
        return document

    def stream(self, stream: pa.Table) -> pa.Table:
        """The events that reach the consumer, in any order."""
        return stream

    def history(self, stream: pa.Table, day: int) -> pa.Table:
        """What the store is filled with when a day begins, of what was known then."""
        return stream

    def read_to(self, as_of: int) -> int:
        """How far the stream was read when a request comes."""
        return as_of

    def answer(self, definitions: Definitions, answer: Answer) -> Answer:
        """What the caller gets."""
        return answer


class TimeZoneSlip(Fault):
    """The consumer reads local times of UTC-5 as if they were UTC: every event seems to be five hours older than it is."""

    name = "time_zone_slip"

    def stream(self, stream: pa.Table) -> pa.Table:
        """The events with their slipped times."""
        return _with_times(stream, "event_time", integers(stream["event_time"]) - 5 * MICROSECONDS_OF_HOUR)


class StalePartials(Fault):
    """The daily load has not run for two days: what became known on them is missing, the day of the request aside."""

    name = "stale_partials"
    loads_each_day = True
    DAYS = 2

    def history(self, stream: pa.Table, day: int) -> pa.Table:
        """What was known two days ago."""
        return stream.filter(pa.array(integers(stream["known"]) < (day - self.DAYS) * MICROSECONDS_OF_DAY))


class LateStream(Fault):
    """The consumer is half an hour behind."""

    name = "late_stream"

    def stream(self, stream: pa.Table) -> pa.Table:
        """The events as they come later."""
        return _with_times(stream, "arrival_time", integers(stream["known"]) + 30 * MINUTE)


class DoubleCounting(Fault):
    """A producer that sends again gives its events new ids: a tenth of them count twice."""

    name = "double_counting"

    def stream(self, stream: pa.Table) -> pa.Table:
        """The events and their copies."""
        copies = stream.filter(pa.array(_share_of(stream["event_id"].to_pylist(), 10)))
        ids = pc.binary_join_element_wise(copies["event_id"], "again", "-")
        return pa.concat_tables([stream, copies.set_column(copies.column_names.index("event_id"), "event_id", ids)])


class DroppedEvents(Fault):
    """A tenth of the events never reach the consumer."""

    name = "dropped_events"

    def stream(self, stream: pa.Table) -> pa.Table:
        """The events that do."""
        return stream.filter(pa.array(~_share_of(stream["event_id"].to_pylist(), 10)))


class UnitSlip(Fault):
    """The consumer takes prices and amounts in cents for the currency of the market."""

    name = "unit_slip"

    def stream(self, stream: pa.Table) -> pa.Table:
        """The events with their amounts times a hundred."""
        for column in ("price", "amount"):
            place = stream.column_names.index(column)
            stream = stream.set_column(place, column, pc.multiply(stream[column], 100.0))
        return stream


class LeakedFuture(Fault):
    """The features are computed a quarter of an hour after the request, when its outcome is known."""

    name = "leaked_future"

    def read_to(self, as_of: int) -> int:
        """A quarter of an hour later."""
        return as_of + 15 * MINUTE


class TruncatedHistory(Fault):
    """The store keeps a week, whatever the windows are."""

    name = "truncated_history"
    loads_each_day = True
    DAYS = 7

    def history(self, stream: pa.Table, day: int) -> pa.Table:
        """The events of the last week."""
        return stream.filter(pa.array(integers(stream["event_time"]) >= (day - self.DAYS) * MICROSECONDS_OF_DAY))


class VersionSkew(Fault):
    """The online side serves older declarations under the new version: rates were smoothed less, and what decays decayed faster."""

    name = "version_skew"

    def document(self, document: FeatureDocument) -> FeatureDocument:
        """The older declarations."""
        return document.model_copy(update={"features": tuple(_older(declared) for declared in document.features)})


class WrongUser(Fault):
    """The mapping of devices to users is wrong for a tenth of the events: another user gets them."""

    name = "wrong_user"

    def stream(self, stream: pa.Table) -> pa.Table:
        """The events as the mapping has them."""
        users = stream["user_id"].to_pylist()
        wrong = _share_of(stream["event_id"].to_pylist(), 10)
        moved = [f"{user}0" if is_wrong and user is not None else user for user, is_wrong in zip(users, wrong.tolist(), strict=True)]
        return stream.set_column(stream.column_names.index("user_id"), "user_id", pa.array(moved, pa.string()))


class DefaultInsteadOfValue(Fault):
    """For a third of the items the read times out and nobody says so: their counted features are served as defaults."""

    name = "default_instead_of_value"

    def answer(self, definitions: Definitions, answer: Answer) -> Answer:
        """The answer with defaults that are not flagged."""
        missed = _share_of(answer.request.candidates["item_id"], 3)

        def spoiled(feature: Feature, values: Any) -> Any:
            default: Any = feature.declared.default
            return np.where(missed, np.nan if default is None else default, values)

        return _changed(answer, [own for own in definitions.aggregated if own.entity == "item" and own.value_type == "number"], spoiled)


class NullAgainstDefault(Fault):
    """The online side serves null where nothing counts and leaves it to the model to take a default."""

    name = "null_against_default"

    def answer(self, definitions: Definitions, answer: Answer) -> Answer:
        """The answer with nulls in the place of defaults."""

        def spoiled(feature: Feature, values: Any) -> Any:
            return np.where(values == feature.declared.default, np.nan, values)

        features = [own for own in definitions.aggregated if own.value_type == "number" and own.declared.default is not None]
        return _changed(answer, features, spoiled)


class SkewedFeature(Fault):
    """One feature is served in thousandths of its unit, on one day alone.

    Args:
        feature: a number.
        day: since 1970.
    """

    name = "skewed_feature"

    def __init__(self, feature: str, day: int) -> None:
        self.feature = feature
        self.day = day

    def answer(self, definitions: Definitions, answer: Answer) -> Answer:
        """The answer with the feature a thousand times as large."""
        if answer.request.day != self.day:
            return answer
        return _changed(answer, [definitions.features[self.feature]], lambda _, values: values * 1_000)


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        TimeZoneSlip(),
        StalePartials(),
        LateStream(),
        DoubleCounting(),
        DroppedEvents(),
        UnitSlip(),
        LeakedFuture(),
        TruncatedHistory(),
        VersionSkew(),
        WrongUser(),
        DefaultInsteadOfValue(),
        NullAgainstDefault(),
    )
}
"""All faults by name, but that of one feature: of which one, and when, is for whoever switches it on."""


def fault_named(name: str | None) -> Fault:
    """The fault of this name; the one that changes nothing for none.

    Raises:
        InvalidInput: if there is none of this name.
    """
    if name is None:
        return Fault()
    if name not in FAULTS:
        raise InvalidInput(f"there is no fault {name!r}", where="fault", remedy=nearest(name, FAULTS))
    return FAULTS[name]


def _with_times(stream: pa.Table, column: str, times: Any) -> pa.Table:
    return stream.set_column(stream.column_names.index(column), column, pa.array(times).cast(TIMESTAMP))


def _share_of(names: Sequence[str], part: int) -> Any:
    """One in `part` of some names, always the same ones."""
    return np.array([digest_of(name) % part == 0 for name in names], bool)


def _older(declared: Any) -> Any:
    if isinstance(declared, Rate) and declared.smoothing is not None:
        smoothing = Smoothing(prior=declared.smoothing.prior, strength=declared.smoothing.strength / 2)
        return declared.model_copy(update={"smoothing": smoothing})
    if isinstance(declared, DecayedSum | Top) and declared.half_life_days is not None:
        return declared.model_copy(update={"half_life_days": max(1, declared.half_life_days // 2)})
    return declared


def _changed(answer: Answer, features: Sequence[Feature], spoiled: Any) -> Answer:
    values = {feature.name: spoiled(feature, widened(answer.values[feature.name], answer.request.size)) for feature in features}
    return replace(answer, values={**answer.values, **values})
