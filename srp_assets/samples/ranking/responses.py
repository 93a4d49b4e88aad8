"""What the shop shows and what users do then: the logging policy, the examination of places, clicks, carts, coupons, orders.

Each place of a page has a pool of items of its own; the policy draws one of them by a softmax over what it guesses of their quality, or for
a slice of all impressions uniformly. So the probability of each choice is known exactly. A user looks at a place with a probability that
depends on the place alone, and clicks what they look at if it is relevant: quality, taste and query decide.
"""

from dataclasses import dataclass

import numpy as np

from srp_assets.samples.draws import Flags, Ids, Reals
from srp_assets.samples.ranking.world import CATEGORIES, DAY, MINUTE, NOBODY, POSITIONS, RankingWorld, Requests, normal

POOL = 4
"""Items among which the policy chooses for a place."""

EXPLORATION = 0.05
"""Share of the impressions for which chance chooses."""

EXAMINATION_POWER = 0.7
"""P(a place is looked at) = place ** -power: the position bias that evaluation has to find."""

SECOND = 1_000_000


@dataclass(frozen=True)
class Impressions:
    """Impressions of some requests, in order of request and place; `request` is the place of the request in its arrays.

    `examined` and `relevance` (the probability of a click on what is looked at) are known to nobody but the truth.
    """

    numbers: Ids
    request: Ids
    position: Ids
    item: Ids
    time: Ids
    propensity: Reals
    explored: Flags
    examined: Flags
    relevance: Reals


@dataclass(frozen=True)
class Responses:
    """Clicks or steps; `impression` is the place of the impression that they follow in its arrays."""

    numbers: Ids
    impression: Ids
    time: Ids


@dataclass(frozen=True)
class Visit:
    """Everything that happens in some visits."""

    requests: Requests
    impressions: Impressions
    clicks: Responses
    carts: Responses
    coupons: Responses
    orders: Responses


def examination(position: Ids) -> Reals:
    """The probability that a place is looked at, by its position from 1."""
    return np.asarray(position, float) ** -EXAMINATION_POWER


def visit(world: RankingWorld, first: int, last: int) -> Visit:
    """Everything that happens in the visits from `first` to before `last`."""
    requests = world.requests(first, last)
    shown = _impressions(world, requests)
    clicks = _follow(
        world, "click", shown, np.flatnonzero(shown.examined), shown.relevance, mean=20 * SECOND, cap=25 * MINUTE, left_open=0.01
    )
    wants = 1 / (1 + np.exp(-0.8 * world.items.quality[shown.item] + 0.8))
    carts = _after(world, "cart", shown, clicks, wants, mean=2 * MINUTE, cap=2 * DAY)
    coupons = _after(world, "coupon", shown, carts, np.full(len(wants), 0.3), mean=MINUTE, cap=DAY)
    orders = _after(world, "order", shown, carts, 0.3 + 0.4 * wants, mean=DAY // 2, cap=9 * DAY)
    return Visit(requests, shown, clicks, carts, coupons, orders)


def _impressions(world: RankingWorld, requests: Requests) -> Impressions:
    count = len(requests.numbers)
    request = np.repeat(np.arange(count), POSITIONS)
    position = np.tile(np.arange(1, POSITIONS + 1), count)
    numbers = requests.numbers[request] * POSITIONS + position - 1
    pool = pools(world, requests, request, numbers)
    probabilities = policy_probabilities(world, requests, request, pool)
    draws = world.draws("impression")
    explored = draws.chance("explored", numbers, EXPLORATION)
    by_policy = (np.cumsum(probabilities, axis=1) < draws.uniform("choice", numbers)[:, None]).sum(axis=1).clip(max=POOL - 1)
    choice = np.where(explored, draws.below("explored choice", numbers, POOL), by_policy)
    item = pool[np.arange(len(numbers)), choice]
    # Of an item that is in the pool twice, both places count.
    propensity = np.where(pool == item[:, None], with_exploration(probabilities), 0).sum(axis=1)
    return Impressions(
        numbers=numbers,
        request=request,
        position=position,
        item=item,
        time=requests.time[request] + 100_000 + 1_000 * position,
        propensity=propensity,
        explored=explored,
        examined=draws.uniform("examined", numbers) < examination(position),
        relevance=relevance(world, requests, request, item),
    )


def pools(world: RankingWorld, requests: Requests, request: Ids, numbers: Ids) -> Ids:
    """The items among which the policy chooses, shape (impressions, POOL): mostly of the query's category, popular ones more often.

    No item is in the pools of two places of a page; which items a place may show changes with the request.
    """
    draws = world.draws("pool")
    slots = numbers[:, None] * POOL + np.arange(POOL)
    wanted = requests.query_category[request][:, None]
    fits = draws.chance("fits", slots, 0.85) & (wanted != NOBODY)
    category = np.where(fits, wanted, draws.below("category", slots, len(CATEGORIES)))
    published = world.published(requests.time)[request][:, None]
    of_place = ((numbers + requests.numbers[request]) % POSITIONS)[:, None]
    rank = draws.power_law("item", slots, published // POSITIONS, exponent=1.5) * POSITIONS + of_place
    return rank * len(CATEGORIES) + category


def policy_probabilities(world: RankingWorld, requests: Requests, request: Ids, pool: Ids) -> Reals:
    """The logging policy's probability of each item of the pools, of their shape, without what it explores by chance."""
    items = world.items
    guessed = items.quality + 0.7 * normal(world.draws("item"), "guess", items.numbers)
    matches = items.category[pool] == requests.query_category[request][:, None]
    scores = np.exp(0.8 * guessed[pool] + 0.7 * matches)
    return scores / scores.sum(axis=1, keepdims=True)


def with_exploration(probabilities: Reals) -> Reals:
    """The probability of each slot of a pool, with what chance chooses."""
    return (1 - EXPLORATION) * probabilities + EXPLORATION / POOL


def relevance(world: RankingWorld, requests: Requests, request: Ids, item: Ids) -> Reals:
    """The probability of a click on each item that is looked at."""
    items = world.items
    user = np.where(requests.user == NOBODY, requests.numbers + world.users, requests.user)
    likes = items.category[item] == world.taste(user, requests.time)[request]
    matches = items.category[item] == requests.query_category[request]
    return 1 / (1 + np.exp(2.2 - 0.9 * items.quality[item] - 1.2 * likes - 0.6 * matches))


def _follow(
    world: RankingWorld, name: str, shown: Impressions, places: Ids, probability: Reals, *, mean: float, cap: float, left_open: float
) -> Responses:
    """What follows impressions at some places, after a while; a few much later (a page that was left open)."""
    draws = world.draws(name)
    numbers = shown.numbers[places]
    happens = draws.uniform("happens", numbers) < probability[places]
    numbers, places = numbers[happens], places[happens]
    delay = SECOND + draws.exponential("delay", numbers, mean, cap)
    delay = np.where(draws.chance("left open", numbers, left_open), 31 * MINUTE + delay, delay)
    return Responses(numbers, places, shown.time[places] + delay.astype(np.int64))


def _after(
    world: RankingWorld, name: str, shown: Impressions, before: Responses, probability: Reals, *, mean: float, cap: float
) -> Responses:
    """What follows other responses, after a while."""
    draws = world.draws(name)
    happens = draws.uniform("happens", before.numbers) < probability[before.impression]
    numbers = before.numbers[happens]
    delay = SECOND + draws.exponential("delay", numbers, mean, cap)
    return Responses(numbers, before.impression[happens], before.time[happens] + delay.astype(np.int64))
