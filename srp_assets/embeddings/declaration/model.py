"""The declaration of embeddings: which sessions are learned from, what is known of items and users, how vectors are trained and judged."""

from hashlib import sha256
from typing import Self

from pydantic import Field, model_validator

from srp_assets.embeddings.declaration.options import Strict, TrainingOptions
from srp_assets.warehouse.catalogue import Name


class SessionRules(Strict):
    """Which sessions are learned from, and what of them.

    `clicks` are the kinds of actions whose items make the sequence, those with a shorter dwell than `least_dwell_seconds` left out (an
    unknown dwell counts); `bookings` are the steps that make a session a booked one, in the session or credited to what it was shown;
    `rejections` are the kinds of actions whose items were turned down unless they were clicked or booked, at most `most_rejected` of a
    session. A session with fewer than `least_items`, more than `most_events` or more than `most_events_a_minute` is dropped and counted.
    """

    clicks: tuple[Name, ...] = Field(min_length=1)
    bookings: tuple[Name, ...] = ()
    rejections: tuple[Name, ...] = ()
    least_dwell_seconds: float = Field(0, ge=0)
    join_repeats: bool = True
    least_items: int = Field(2, ge=1)
    most_events: int = Field(2_000, ge=1)
    most_events_a_minute: float = Field(60, gt=0)
    most_rejected: int = Field(50, ge=0)


class ItemAttributes(Strict):
    """Where attributes of items are: the entity of the warehouse, its key, and the columns of market, type and price."""

    entity: Name
    key: Name
    market: Name
    type: Name
    price: Name
    price_bounds: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if list(self.price_bounds) != sorted(set(self.price_bounds)):
            raise ValueError("price_bounds must rise")
        return self


class UserTypes(Strict):
    """What a user's type is made of: columns of the context, and how often they had booked, by these bounds."""

    columns: tuple[Name, ...] = ("market",)
    booking_bounds: tuple[int, ...] = (1, 3, 10)


class Limits(Strict):
    """What a version must hold to become current.

    `least_coverage` is the share of the catalogue's items with vectors, `most_drift` the mean distance (1 - cosine) of an item's vectors of
    two consecutive weeks after alignment.
    """

    least_coverage: float = Field(0.5, ge=0, le=1)
    most_drift: float = Field(0.5, gt=0, le=2)


class Embeddings(Strict):
    """The whole declaration.

    A version learns from the sessions of the `window_days` up to the end of its week, types from `type_days`; `held_out_share` of the
    sessions judge it and are never trained on. `spark_partitions` other than 0 train in so many partitions of Spark.
    """

    name: Name
    sessions: SessionRules
    items: ItemAttributes
    users: UserTypes = UserTypes()
    window_days: int = Field(28, ge=1, le=400)
    type_days: int = Field(90, ge=1, le=400)
    held_out_share: float = Field(0.05, gt=0, lt=1)
    spark_partitions: int = Field(0, ge=0, le=4_096)
    neighbours: int = Field(100, ge=1, le=1_000)
    cold_neighbours: int = Field(5, ge=1, le=100)
    training: TrainingOptions = TrainingOptions()
    type_training: TrainingOptions = TrainingOptions(least_count=1, market_negatives=0, rejections=0, frequent_share=0)
    limits: Limits = Limits()

    @property
    def digest(self) -> str:
        """Identity of the declaration."""
        return sha256(self.model_dump_json().encode()).hexdigest()

    @property
    def sessions_digest(self) -> str:
        """Identity of what sessions are made by: builds of other rules stand beside one another."""
        return sha256((self.sessions.model_dump_json() + "/".join(self.users.columns)).encode()).hexdigest()
