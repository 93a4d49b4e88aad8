"""Sessions of a market place with planted markets, as vectors learn from them: who looks in one market narrows down on one kind of place.

Every item has a market and a place in a square of tastes, which nobody is told; items of the same number have the same place in popularity
in every market. A session has one market (a few clicks stray into others) and one taste: of the items that it meets, popular ones more
often, it clicks those nearest to the taste, ever nearer, and books the last one or none. The rest it turns down.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from srp_assets.samples.draws import Draws, Ids, Reals

MET = 24
"""Items that a session meets."""

MOST_CLICKS = 8
REJECTED = 6
BOOKS = 0.4
STRAYS = 0.03
"""Share of the items met that are of another market."""

NOISE = 0.05
"""By which a taste is missed, in sides of the square."""

SESSIONS_AT_ONCE = 50_000


@dataclass(frozen=True)
class ListingSessions:
    """Some sessions, an array or list a column; items are numbers, -1 is none."""

    numbers: Ids
    market: Ids
    clicks: list[Ids]
    booked: Ids
    rejected: Ids


class ListingWorld:
    """The market place.

    Args:
        items: of all markets together.
        sessions: how many there are.
        markets: how many there are.
        seed: another seed gives another world.
    """

    def __init__(self, items: int, sessions: int, markets: int = 8, seed: int = 1) -> None:
        self.markets = markets
        self.items = items // markets * markets
        self.sessions = sessions
        self.seed = seed

    def draws(self, scope: str) -> Draws:
        """The chance of one part."""
        return Draws(self.seed, "listings", scope)

    @cached_property
    def places(self) -> Reals:
        """Where each item lies in the square of tastes; shape (items, 2)."""
        numbers, draws = np.arange(self.items), self.draws("item")
        return np.stack([draws.uniform("across", numbers), draws.uniform("along", numbers)], axis=1)

    @property
    def attributes(self) -> pa.Table:
        """What is told of items: `item_id`, `market`, `type` (a ninth of the square) and `price` (which rises along it)."""
        thirds = np.minimum((self.places * 3).astype(np.int64), 2)
        return pa.table(
            {
                "item_id": self.ids(np.arange(self.items)),
                "market": pa.array([f"m{number % self.markets}" for number in range(self.items)]),
                "type": pa.array([f"t{across}{along}" for across, along in thirds.tolist()]),
                "price": pa.array(np.round(10 + 90 * self.places[:, 0], 2)),
            }
        )

    def ids(self, numbers: Ids) -> pa.Array:
        """The ids of some items, null for -1."""
        texts = pa.array([f"l{number}" for number in range(self.items)])
        return texts.take(pa.array(numbers, mask=numbers < 0))

    def blocks(self) -> Iterator[ListingSessions]:
        """All sessions, some after the other."""
        for first in range(0, self.sessions, SESSIONS_AT_ONCE):
            yield self.block(first, min(first + SESSIONS_AT_ONCE, self.sessions))

    def block(self, first: int, last: int) -> ListingSessions:
        """The sessions from `first` to before `last`."""
        numbers, draws = np.arange(first, last), self.draws("session")
        market = draws.below("market", numbers, self.markets)
        of_market = self.items // self.markets
        taste = self.places[draws.below("taste", numbers, of_market) * self.markets + market]
        slots = numbers[:, None] * MET + np.arange(MET)
        strays = draws.chance("strays", slots, STRAYS)
        own = np.where(strays, draws.below("elsewhere", slots, self.markets), market[:, None])
        met = draws.power_law("met", slots, of_market, exponent=1.5) * self.markets + own
        distance = np.linalg.norm(self.places[met] - taste[:, None, :], axis=2) + draws.exponential("noise", slots, NOISE, 1)
        ordered = np.take_along_axis(met, np.argsort(distance, axis=1, kind="stable"), axis=1)
        clicks = 2 + draws.below("clicks", numbers, MOST_CLICKS - 1)
        books = draws.chance("books", numbers, BOOKS)
        return ListingSessions(
            numbers,
            market,
            [row[:count][::-1] for row, count in zip(ordered, clicks, strict=True)],
            np.where(books, ordered[:, 0], -1),
            ordered[:, -REJECTED:],
        )

    def sequences(self, sessions: ListingSessions) -> pa.Table:
        """Sessions as `items`, `booked` and `rejected` of `embeddings/sequences`."""
        flat = self.ids(np.concatenate(sessions.clicks))
        offsets = np.concatenate([[0], np.cumsum([len(clicks) for clicks in sessions.clicks])]).astype(np.int32)
        met = np.arange(0, sessions.rejected.size + 1, sessions.rejected.shape[1], dtype=np.int32)
        return pa.table(
            {
                "items": pa.ListArray.from_arrays(pa.array(offsets), flat),
                "booked": self.ids(sessions.booked),
                "rejected": pa.ListArray.from_arrays(pa.array(met), self.ids(sessions.rejected.ravel())),
            }
        )
