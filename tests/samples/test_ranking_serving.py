"""The sample shop's online side: what it serves is what is computed from its logs, and every fault shows."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from resources import redis as redis_server
from srp_assets.errors import InvalidInput
from srp_assets.features.declaration.definitions import resolve
from srp_assets.features.declaration.loading import load_document
from srp_assets.features.declaration.model import FeatureDocument
from srp_assets.online.store import Store
from srp_assets.samples.ranking.faults import FAULTS, Fault, SkewedFeature, fault_named
from srp_assets.samples.ranking.serving import Online, sampled_requests, serve, with_repeats
from srp_assets.samples.ranking.world import RankingWorld
from srp_assets.settings import PROJECT_ROOT, Settings
from support.feature_join import point_in_time
from support.feature_logs import requests_table
from support.feature_values import agree
from support.shop_actions import shop_actions, shop_items

WANTED = 12


@dataclass(frozen=True)
class Shop:
    """A small world with what its online side needs, and the features of its requests computed from the logs."""

    world: RankingWorld
    document: FeatureDocument
    actions: pa.Table
    versions: dict[str, pa.Table]
    store: Store

    def served(self, fault: Fault) -> dict[str, dict]:
        """The rows that were served, by their ids."""
        online = Online(self.store, self.document, self.versions, fault)
        return {row["event_id"]: row for batch in serve(self.world, online, self.actions, WANTED) for row in batch.to_pylist()}

    def expected(self) -> dict[str, dict]:
        """The features of all candidates of the requests, times in microseconds."""
        rows, ids = [], []
        for asked in sampled_requests(self.world, WANTED):
            request = asked.request
            as_of = pa.scalar(request.as_of, pa.timestamp("us", "UTC")).as_py()
            for place, item in enumerate(request.candidates["item_id"]):
                rows.append({**request.context, "as_of": as_of, "item_id": item, "price": request.candidates["price"][place]})
                ids.append(f"{request.trace_id}/{item}")
        found = point_in_time(resolve(self.document), requests_table(rows), self.actions, self.versions)
        return dict(zip(ids, found.to_pylist(), strict=True))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    world = RankingWorld(events=2_000, seed=5, days=12)
    document = load_document(PROJECT_ROOT / "examples" / "sample" / "features.yaml")
    settings = Settings(home=Path(tmp_path_factory.mktemp("shop")))
    with redis_server.writing_client(settings) as client:
        yield Shop(world, document, shop_actions(resolve(document), world), {"item": shop_items(world)}, Store(client))
    redis_server.stop(settings)


@pytest.fixture(scope="module")
def truth(shop: Shop) -> dict[str, dict]:
    return shop.expected()


def differing(shop: Shop, served: dict[str, dict], truth: dict[str, dict]) -> set[str]:
    """The features that differ anywhere."""
    assert served.keys() == truth.keys()
    found = set()
    for event_id, row in served.items():
        values = {**dict(row["values"]), **dict(row["texts"]), **{name: json.loads(value) for name, value in row["lists"]}}
        for name, expected in truth[event_id].items():
            own = values[name]
            if hasattr(expected, "timestamp"):
                expected = float(pa.scalar(expected, pa.timestamp("us", "UTC")).cast(pa.int64()).as_py())
            if not agree(own, expected):
                found.add(name)
    return found


def test_what_is_served_is_what_is_computed_from_the_logs(shop: Shop, truth: dict[str, dict]) -> None:
    served = shop.served(Fault())
    assert differing(shop, served, truth) == set()
    assert {tuple(row["defaulted"]) for row in served.values()} == {()}
    assert all(row["consumed_to"] == row["event_time"] for row in served.values())
    # Something must have been counted for the comparison to mean anything.
    assert len({dict(row["values"])["user_clicks_30d"] for row in served.values()}) > 3
    assert len(with_repeats(shop.world, shop.actions)) > shop.actions.num_rows


EXPECTED: dict[str, tuple[set[str], set[str]]] = {
    "time_zone_slip": ({"user_favourite_hours_60d"}, {"hour_sine", "item_price"}),
    "stale_partials": ({"user_impressions_7d", "item_impressions_30d"}, {"shown_price"}),
    "late_stream": ({"user_actions_session"}, {"item_price"}),
    "double_counting": ({"user_impressions_60d", "market_ctr_30d"}, {"market_users_7d", "item_age"}),
    "dropped_events": ({"user_impressions_60d", "market_ctr_30d"}, {"item_age"}),
    "unit_slip": ({"item_last_price_30d", "user_clicked_price_60d"}, {"user_clicks_30d", "item_ctr_30d", "shown_price"}),
    "leaked_future": ({"user_impressions_1d", "user_item_impressions_1d"}, {"hour_sine", "item_price"}),
    "truncated_history": ({"user_impressions_60d", "item_impressions_30d"}, {"user_impressions_1d", "item_price"}),
    "version_skew": ({"user_ctr_30d", "item_decayed_clicks_30d"}, {"user_clicks_30d", "user_dwell_30d"}),
    "wrong_user": ({"user_impressions_60d"}, {"item_impressions_30d", "market_ctr_30d"}),
    "default_instead_of_value": ({"item_impressions_30d"}, {"user_impressions_60d", "item_price"}),
    "null_against_default": ({"user_orders_30d"}, {"user_ctr_30d", "user_last_category_60d"}),
}
"""By fault: some features that must differ, and some that must not."""


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_fault_breaks_what_it_imitates(shop: Shop, truth: dict[str, dict], name: str) -> None:
    broken, whole = EXPECTED[name]
    found = differing(shop, shop.served(fault_named(name)), truth)
    assert broken <= found
    assert not whole & found


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(InvalidInput, match="there is no fault"):
        fault_named("late_streem")


def test_one_feature_is_skewed_on_one_day_alone(shop: Shop, truth: dict[str, dict]) -> None:
    day = sampled_requests(shop.world, WANTED)[WANTED // 2].request.day
    served = shop.served(SkewedFeature("item_impressions_7d", day))
    assert differing(shop, served, truth) == {"item_impressions_7d"}
    wrong = {
        row["event_time"].date()
        for key, row in served.items()
        if dict(row["values"])["item_impressions_7d"] != truth[key]["item_impressions_7d"]
    }
    assert wrong == {date(1970, 1, 1) + timedelta(days=day)}
