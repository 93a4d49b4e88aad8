"""What stitching and sessions must find in the sample world's logs: counted from the world's own arrays, not from any log."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from srp_assets.samples.draws import Flags, Ids
from srp_assets.samples.ranking.logged import INGESTS, VISITS_AT_ONCE, Fate, fates, is_logged
from srp_assets.samples.ranking.responses import Responses, visit
from srp_assets.samples.ranking.world import DAY, MINUTE, NOBODY, RankingWorld

CLICK_WINDOW = 30 * MINUTE
STEP_WINDOWS = {"cart": DAY, "coupon": 3 * DAY, "order": 7 * DAY}
SESSION_GAP = 30 * MINUTE


@dataclass
class RankingTruth:
    """What must be found.

    Args:
        events: events that count, by log.
        duplicates: rows that come although their event came before.
        withdrawn: rows that an earlier arrival beats.
        labels: impressions that were clicked, or followed by a step, by the name of the log.
        orphans: events that belong nowhere, by `<log> <what they lack>`.
        sessions: how many there are.
    """

    events: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    withdrawn: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    orphans: Counter[str] = field(default_factory=Counter)
    sessions: int = 0


@dataclass
class _Followed:
    """What crosses visits: who acted when, what known users clicked (and when it had been shown), and what was ordered."""

    acting_user: list[Ids] = field(default_factory=list)
    acting_time: list[Ids] = field(default_factory=list)
    clicks: list[tuple[Ids, Ids, Ids, Ids, Ids]] = field(default_factory=list)
    orders: list[tuple[Ids, Ids, Ids]] = field(default_factory=list)

    def act(self, user: Ids, time: Ids) -> None:
        """Actions of users, nobody's left out."""
        known = user != NOBODY
        self.acting_user.append(user[known])
        self.acting_time.append(time[known])


def ranking_truth(world: RankingWorld) -> RankingTruth:
    """Counts what must be found; needs memory for a few numbers of each event."""
    truth, followed = RankingTruth(), _Followed()
    for first in range(0, world.visits, VISITS_AT_ONCE):
        _count_visits(world, first, min(first + VISITS_AT_ONCE, world.visits), truth, followed)
    _count_orders(truth, followed)
    truth.sessions = _sessions(np.concatenate(followed.acting_user), np.concatenate(followed.acting_time))
    return truth


def _count_visits(world: RankingWorld, first: int, last: int, truth: RankingTruth, followed: _Followed) -> None:
    happened = visit(world, first, last)
    requests, shown = happened.requests, happened.impressions
    request_logged = is_logged(world, "request", requests.numbers)
    logged = is_logged(world, "impression", shown.numbers)
    _count_rows(world, "request", requests.numbers[request_logged], truth)
    _count_rows(world, "impression", shown.numbers[logged], truth)
    truth.orphans["impression without_request"] += int((logged & ~request_logged[shown.request]).sum())
    # An impression whose request is lost belongs to nobody.
    user = np.where(request_logged[shown.request], requests.user[shown.request], NOBODY)
    followed.act(user[logged], shown.time[logged])

    clicked = np.zeros(len(shown.numbers), bool)
    belongs = _within(shown.time, logged, happened.clicks, CLICK_WINDOW)
    clicked[happened.clicks.impression[belongs]] = True
    _count_responses(world, "click", "without_impression", happened.clicks, belongs, truth)
    followed.act(user[happened.clicks.impression[belongs]], happened.clicks.time[belongs])
    for name, steps in (("cart", happened.carts), ("coupon", happened.coupons)):
        belongs_to_click = _within(shown.time, clicked, steps, STEP_WINDOWS[name])
        _count_responses(world, name, "without_click", steps, belongs_to_click, truth)
        followed.act(user[steps.impression[belongs_to_click]], steps.time[belongs_to_click])

    _count_rows(world, "order", happened.orders.numbers, truth)
    buyer = requests.user[shown.request[happened.orders.impression]]
    followed.act(buyer, happened.orders.time)
    followed.orders.append((buyer, shown.item[happened.orders.impression], happened.orders.time))
    places = happened.clicks.impression[belongs]
    followed.clicks.append((user[places], shown.item[places], happened.clicks.time[belongs], shown.time[places], shown.numbers[places]))


def _within(shown_time: Ids, counts: Flags, responses: Responses, window: int) -> Flags:
    """Which responses follow an impression that counts, within a window."""
    return counts[responses.impression] & (responses.time - shown_time[responses.impression] <= window)


def _count_rows(world: RankingWorld, log: str, numbers: Ids, truth: RankingTruth) -> None:
    fate = fates(world, log, numbers)
    truth.events[log] += len(numbers)
    truth.withdrawn += int((fate == Fate.BEATEN).sum())
    truth.duplicates += (len(INGESTS) - 1) * int((fate == Fate.REPEATED).sum())


def _count_responses(world: RankingWorld, log: str, lack: str, responses: Responses, belongs: Flags, truth: RankingTruth) -> None:
    _count_rows(world, log, responses.numbers, truth)
    truth.labels[log] += int(belongs.sum())
    truth.orphans[f"{log} {lack}"] += int((~belongs).sum())


def _count_orders(truth: RankingTruth, followed: _Followed) -> None:
    """An order belongs to what its user clicked last of the item before it, wherever that was, if it was shown within the window."""
    user, item, time, shown, impression = (np.concatenate(parts) for parts in zip(*followed.clicks, strict=True))
    known = user != NOBODY
    user, item, time, shown, impression = (column[known] for column in (user, item, time, shown, impression))
    buyer, bought, ordered = (np.concatenate(parts) for parts in zip(*followed.orders, strict=True))
    truth.orphans["order without_key"] += int((buyer == NOBODY).sum())
    buyer, bought, ordered = (column[buyer != NOBODY] for column in (buyer, bought, ordered))
    is_order = np.concatenate([np.zeros(len(user), bool), np.ones(len(buyer), bool)])
    users, items, times = (np.concatenate(pair) for pair in ((user, buyer), (item, bought), (time, ordered)))
    order = np.lexsort((is_order, times, items, users))
    place = np.where(is_order[order], -1, np.arange(len(order)))
    last_click = np.maximum.accumulate(place)
    orders = np.flatnonzero(is_order[order])
    clicks = last_click[orders]
    same = clicks >= 0
    same &= (users[order][orders] == users[order][clicks]) & (items[order][orders] == items[order][clicks])
    click = order[clicks[same]]
    within = times[order][orders[same]] - shown[click] <= STEP_WINDOWS["order"]
    truth.labels["order"] += len(np.unique(impression[click[within]]))
    truth.orphans["order without_click"] += len(orders) - int(within.sum())


def _sessions(user: Ids, time: Ids) -> int:
    order = np.lexsort((time, user))
    user, time = user[order], time[order]
    return int(1 + ((user[1:] != user[:-1]) | (time[1:] - time[:-1] > SESSION_GAP)).sum()) if len(user) else 0
