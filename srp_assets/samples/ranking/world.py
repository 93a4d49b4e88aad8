"""The sample world's shop: users whose tastes drift, items with quality, sessions, requests; all a function of the seed and a number.

Sessions are spread over the days with the hours of a usual day, in order of their number. A user has a home market, a taste that moves from
one category to another over the days, and is met by a power law. Items of a category are numbered by age: the last tenths of them are
published while the world goes on. What is shown and what comes of it is in `responses.py`.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

import numpy as np

from srp_assets.errors import InvalidInput
from srp_assets.samples.draws import Draws, Ids, Reals

SMALLEST = 1_000
"""With fewer events hardly any order would be among them."""

FIRST_DAY = date(2024, 3, 1)
DAY = 86_400_000_000  # microseconds
MINUTE = 60_000_000

CATEGORIES = ("shoes", "coats", "books", "lamps", "games", "plants", "tea", "bikes", "toys", "music", "tools", "jewels")
MARKETS = ("us", "de", "fr", "jp")
DEVICES = ("phone", "desktop", "tablet")
LOCATIONS = ("north", "south", "east", "west", "abroad")
ADJECTIVES = ("red", "small", "old", "warm", "cheap", "light", "green", "quiet")

POSITIONS = 10
"""Items on a page."""

EVENTS_A_REQUEST = 13.3
"""Events of all logs for each request, the repeated ones not counted (measured)."""

MOST_REQUESTS = 7
"""Requests of a visit at most."""

PUBLISHED_BEFORE = 0.7
"""Share of the items that are older than the first day."""

OLDEST_DAYS = 58
"""How old the oldest of them are then: the sample catalogue begins two months before the first day."""

NOBODY = -1
"""Stands for null in arrays of users and queries."""

HOURS = np.array([5, 3, 2, 1, 1, 1, 2, 4, 6, 7, 7, 8, 9, 8, 7, 7, 8, 9, 10, 11, 12, 11, 9, 7], float)
"""How busy the hours of a day are; midnight is no dead time, so that sessions cross it."""


@dataclass(frozen=True)
class Items:
    """All items, one array for each column; `quality` is known to nobody but the truth."""

    numbers: Ids
    category: Ids
    market: Ids
    price: Reals
    quality: Reals
    published_at: Ids


@dataclass(frozen=True)
class Requests:
    """Some requests, one array for each column; times are microseconds since 1970, -1 is null."""

    numbers: Ids
    user: Ids
    time: Ids
    market: Ids
    device: Ids
    location: Ids
    query: Ids
    query_category: Ids


class RankingWorld:
    """The shop.

    Args:
        events: about how many events all logs have together, repeated and broken rows not counted.
        seed: another seed gives another world.
        days: over how many days requests come; orders come some days longer.
        busiest: the share of all visits that one user makes, beside those that chance gives.

    Raises:
        InvalidInput: if the world would be too small to hold what is planted.
    """

    def __init__(self, events: int, seed: int = 1, days: int = 14, busiest: float = 0.0) -> None:
        if events < SMALLEST:
            raise InvalidInput(f"a sample world cannot have {events} events", remedy=f"ask for {SMALLEST} or more")
        if days < 1:
            raise InvalidInput(f"a sample world cannot last {days} days", remedy="ask for 1 or more")
        if not 0 <= busiest < 1:
            raise InvalidInput(f"one user cannot make {busiest:.0%} of all visits", remedy="give a share from 0 to less than 1")
        self.events = events
        self.seed = seed
        self.days = days
        self.busiest = busiest
        self.visits = max(1, round(events / EVENTS_A_REQUEST / ((1 + MOST_REQUESTS) / 2)))
        self.users = max(20, self.visits // 10)
        self.items_of_category = max(4 * POSITIONS, int(self.visits**0.5))
        self.start = int(datetime.combine(FIRST_DAY, datetime.min.time(), UTC).timestamp()) * 1_000_000

    @property
    def last_day(self) -> date:
        """The last day of requests."""
        return FIRST_DAY + timedelta(days=self.days - 1)

    def draws(self, scope: str) -> Draws:
        """The chance of one part."""
        return Draws(self.seed, "ranking", scope)

    @cached_property
    def items(self) -> Items:
        """All items: number n is of category n % categories."""
        numbers = np.arange(len(CATEGORIES) * self.items_of_category)
        draws = self.draws("item")
        age = (numbers // len(CATEGORIES) + 0.5) / self.items_of_category
        late = (age - PUBLISHED_BEFORE) / (1 - PUBLISHED_BEFORE) * self.days * DAY
        before = -(draws.uniform("age", numbers) * OLDEST_DAYS + 1) * DAY
        return Items(
            numbers=numbers,
            category=numbers % len(CATEGORIES),
            market=draws.below("market", numbers, len(MARKETS)),
            price=np.round(5 * np.exp(1.2 * normal(draws, "price", numbers)) + 1, 2),
            quality=normal(draws, "quality", numbers),
            published_at=self.start + np.where(age < PUBLISHED_BEFORE, before, late).astype(np.int64),
        )

    @cached_property
    def first_requests(self) -> Ids:
        """The number of the first request of each visit, and after the last the number of all requests."""
        visits = np.arange(self.visits)
        lengths = 1 + self.draws("visit").below("requests", visits, MOST_REQUESTS)
        return np.concatenate([[0], np.cumsum(lengths)])

    @property
    def requests_count(self) -> int:
        """How many requests there are."""
        return int(self.first_requests[-1])

    def requests(self, first_visit: int, last_visit: int) -> Requests:
        """The requests of the visits from `first_visit` to before `last_visit`."""
        visits = np.arange(first_visit, last_visit)
        lengths = np.diff(self.first_requests[first_visit : last_visit + 1])
        visit = np.repeat(visits, lengths)
        numbers = np.arange(self.first_requests[first_visit], self.first_requests[last_visit])
        user = self._users(visits)[visit - first_visit]
        time = self._times(visits, lengths)
        draws = self.draws("request")
        known = np.where(user == NOBODY, numbers + self.users, user)
        taste = self.taste(known, time)
        of_taste = draws.chance("by taste", numbers, 0.7)
        category = np.where(of_taste, taste, draws.below("any category", numbers, len(CATEGORIES)))
        searches = draws.chance("searches", numbers, 0.6)
        query = category * len(ADJECTIVES) + draws.below("adjective", numbers, len(ADJECTIVES))
        people = self.draws("user")
        return Requests(
            numbers=numbers,
            user=user,
            time=time,
            market=people.choice("market", known, np.array([4.0, 3.0, 2.0, 1.0])),
            device=draws.choice("device", numbers, np.array([6.0, 3.0, 1.0])),
            location=people.below("location", known, len(LOCATIONS)),
            query=np.where(searches, query, NOBODY),
            query_category=np.where(searches, category, NOBODY),
        )

    def taste(self, users: Ids, time: Ids) -> Ids:
        """The category that users like at a time: over the days the second of their two favourites takes the place of the first."""
        draws = self.draws("user")
        part = np.clip((time - self.start) / (self.days * DAY), 0, 1)
        changes_at = draws.uniform("changes", users)
        first, second = (draws.below(name, users, len(CATEGORIES)) for name in ("first taste", "second taste"))
        return np.where(part < changes_at, first, second)

    def published(self, time: Ids) -> Ids:
        """How many items of each category are published by a time."""
        part = PUBLISHED_BEFORE + (1 - PUBLISHED_BEFORE) * np.clip((time - self.start) / (self.days * DAY), 0, 1)
        return np.maximum((part * self.items_of_category - 0.5).astype(np.int64), 1)

    def _users(self, visits: Ids) -> Ids:
        draws = self.draws("visit")
        user = draws.power_law("user", visits, self.users, exponent=2)
        user = np.where(draws.chance("busiest", visits, self.busiest), 0, user)
        return np.where(draws.chance("nobody", visits, 0.02), NOBODY, user)

    def _times(self, visits: Ids, lengths: Ids) -> Ids:
        """When the requests of visits happen: the visit's start, then one after the other; now and then after a long pause."""
        draws = self.draws("visit")
        place = (visits + draws.uniform("start", visits)) / self.visits * self.days
        day = np.floor(place)
        busy = np.concatenate([[0], np.cumsum(HOURS) / HOURS.sum()])
        of_day = np.interp(place - day, busy, np.arange(25) / 24)
        start = self.start + ((day + of_day) * DAY).astype(np.int64)
        slots = visits[:, None] * MOST_REQUESTS + np.arange(MOST_REQUESTS)
        pauses = draws.exponential("pause", slots, 2 * MINUTE, 25 * MINUTE)
        pauses = np.where(draws.chance("long pause", slots, 0.03), 31 * MINUTE + pauses, pauses).astype(np.int64)
        pauses[:, 0] = 0
        times = start[:, None] + np.cumsum(pauses, axis=1)
        return times[np.arange(MOST_REQUESTS) < lengths[:, None]]


def normal(draws: Draws, name: str, rows: Ids) -> Reals:
    """One number of the standard normal distribution for each row (Box and Muller 1958)."""
    radius = np.sqrt(-2 * np.log1p(-draws.uniform(f"{name}/radius", rows)))
    return radius * np.cos(2 * np.pi * draws.uniform(f"{name}/angle", rows))


def query_text(query: int) -> str:
    """The text of a query."""
    return f"{ADJECTIVES[query % len(ADJECTIVES)]} {CATEGORIES[query // len(ADJECTIVES)]}"
