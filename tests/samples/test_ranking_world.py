"""The sample shop: the same from the same seed, whole in parts, and with the properties that evaluation will have to find."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from srp_assets.errors import InvalidInput
from srp_assets.samples.ranking.logged import INGESTS, Fate, fates, is_logged, log_batches
from srp_assets.samples.ranking.responses import EXPLORATION, POOL, examination, pools, visit
from srp_assets.samples.ranking.truth import ranking_truth
from srp_assets.samples.ranking.world import NOBODY, POSITIONS, RankingWorld


@pytest.fixture(scope="module")
def world() -> RankingWorld:
    return RankingWorld(events=200_000, seed=3, days=5)


def whole(world: RankingWorld, ingest: int) -> dict[str, pa.Table]:
    parts: dict[str, list[pa.RecordBatch]] = {}
    for log, batch in log_batches(world, ingest):
        parts.setdefault(log, []).append(batch)
    return {log: pa.Table.from_batches(batches) for log, batches in parts.items()}


def test_visits_are_the_same_however_they_are_cut(world: RankingWorld) -> None:
    together = visit(world, 0, 300)
    parts = [visit(world, first, first + 100) for first in (0, 100, 200)]
    for name in ("item", "time", "propensity", "explored", "relevance", "examined"):
        assert np.array_equal(getattr(together.impressions, name), np.concatenate([getattr(part.impressions, name) for part in parts]))
    assert np.array_equal(together.orders.numbers, np.concatenate([part.orders.numbers for part in parts]))


def test_another_seed_gives_another_world(world: RankingWorld) -> None:
    other = RankingWorld(events=200_000, seed=4, days=5)
    assert not np.array_equal(visit(world, 0, 50).impressions.item[:300], visit(other, 0, 50).impressions.item[:300])


def test_it_has_about_as_many_events_as_asked_for(world: RankingWorld) -> None:
    events = sum(ranking_truth(world).events.values())
    assert 0.9 * world.events < events < 1.1 * world.events


def test_propensities_are_the_shares_of_choices(world: RankingWorld) -> None:
    shown = visit(world, 0, world.visits).impressions
    assert np.all((shown.propensity >= EXPLORATION / POOL) & (shown.propensity <= 1))
    # Each of the different items of a pool is met with its own probability: the mean of 1 / propensity is how many there are.
    pool = np.sort(pools(world, world.requests(0, world.visits), shown.request, shown.numbers), axis=1)
    different = 1 + (np.diff(pool, axis=1) != 0).sum(axis=1)
    assert (1 / shown.propensity).mean() == pytest.approx(different.mean(), rel=0.01)
    assert abs(shown.explored.mean() - EXPLORATION) < 0.005


def test_places_are_looked_at_as_the_curve_says(world: RankingWorld) -> None:
    shown = visit(world, 0, world.visits).impressions
    for position in (1, 4, POSITIONS):
        share = shown.examined[shown.position == position].mean()
        assert abs(share - examination(np.array([position]))[0]) < 0.02


def test_no_item_is_twice_on_a_page_or_shown_before_it_is_published(world: RankingWorld) -> None:
    shown = visit(world, 0, world.visits).impressions
    pages = shown.item.reshape(-1, POSITIONS)
    assert all(len(set(page)) == POSITIONS for page in pages.tolist())
    assert np.all(world.items.published_at[shown.item] <= shown.time)
    # An item is no fixture of one place.
    often = Counter(shown.item.tolist()).most_common(1)[0][0]
    assert len(set(shown.position[shown.item == often].tolist())) == POSITIONS


def test_tastes_drift_and_decide_about_clicks(world: RankingWorld) -> None:
    users = np.arange(world.users)
    start, end = np.full(world.users, world.start), np.full(world.users, world.start + 5 * 86_400_000_000)
    assert (world.taste(users, start) != world.taste(users, end)).mean() > 0.3
    happened = visit(world, 0, world.visits)
    shown, requests = happened.impressions, happened.requests
    likes = world.items.category[shown.item] == world.taste(requests.user, requests.time)[shown.request]
    known = requests.user[shown.request] != NOBODY
    assert shown.relevance[likes & known].mean() > 1.5 * shown.relevance[~likes & known].mean()


def test_rows_come_as_their_fates_say(world: RankingWorld) -> None:
    first, second = (whole(world, ingest) for ingest in INGESTS)
    happened = visit(world, 0, world.visits)
    for log, numbers in (("request", happened.requests.numbers), ("order", happened.orders.numbers)):
        logged = numbers[is_logged(world, log, numbers)]
        fate = fates(world, log, logged)
        ids = [set(part[log].column("event_id").to_pylist()) for part in (first, second)]
        assert len(ids[0] | ids[1]) == len(logged)
        assert len(ids[0] & ids[1]) == ((fate == Fate.REPEATED) | (fate == Fate.BEATEN)).sum()
        assert len(ids[1] - ids[0]) == (fate == Fate.LATE).sum()
    assert set(first) == {"request", "impression", "click", "cart", "coupon", "order"}
    assert first["order"].column("user_id").null_count > 0


def test_one_user_may_be_busiest() -> None:
    busy = RankingWorld(events=50_000, seed=1, days=3, busiest=0.6)
    requests = busy.requests(0, busy.visits)
    assert 0.55 < (requests.user == 0).mean() < 0.75


@pytest.mark.parametrize(("events", "days", "busiest"), [(10, 3, 0.0), (5_000, 0, 0.0), (5_000, 3, 1.0)])
def test_impossible_worlds_are_refused(events: int, days: int, busiest: float) -> None:
    with pytest.raises(InvalidInput):
        RankingWorld(events, days=days, busiest=busiest)
