"""The sample shop's real online side with each of its named faults: parity finds broken what the fault reaches, and nothing else."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from expectations.parity_rules import Tolerances, problems_of
from resources import redis as redis_server
from srp_assets.features.declaration.definitions import Definitions, Feature, resolve
from srp_assets.features.declaration.loading import load_document
from srp_assets.features.declaration.model import (
    Aggregated,
    DecayedSum,
    Derived,
    FeatureDocument,
    Last,
    Mean,
    Rate,
    Sum,
    Top,
)
from srp_assets.online.parity.comparing import OFFLINE, compared_values
from srp_assets.online.parity.reference import Pair, statistics_of
from srp_assets.online.store import Store
from srp_assets.samples.ranking.faults import FAULTS, fault_named
from srp_assets.samples.ranking.serving import Online, serve
from srp_assets.samples.ranking.world import RankingWorld
from srp_assets.settings import PROJECT_ROOT, Settings
from support.feature_join import point_in_time
from support.feature_logs import requests_table
from support.shop_actions import shop_actions, shop_items

WANTED = 25
CONTEXT = ("user_id", "market", "query", "device", "page", "location", "item_id", "position", "price")


@dataclass(frozen=True)
class Shop:
    """A small world, what its online side runs on, and what is computed for the candidates that it serves."""

    world: RankingWorld
    document: FeatureDocument
    definitions: Definitions
    actions: pa.Table
    versions: dict[str, pa.Table]
    store: Store

    def served(self, fault: str | None) -> pa.Table:
        online = Online(self.store, self.document, self.versions, fault_named(fault))
        return pa.Table.from_batches(list(serve(self.world, online, self.actions, WANTED))).sort_by("event_id")

    def offline(self) -> pa.Table:
        rows = [{**row, "as_of": row["event_time"]} for row in self.served(None).select(["event_time", *CONTEXT]).to_pylist()]
        return point_in_time(self.definitions, requests_table(rows), self.actions, self.versions)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    world = RankingWorld(events=3_000, seed=5, days=12)
    document = load_document(PROJECT_ROOT / "examples" / "sample" / "features.yaml")
    definitions = resolve(document)
    settings = Settings(home=Path(tmp_path_factory.mktemp("shop")))
    with redis_server.writing_client(settings) as client:
        yield Shop(world, document, definitions, shop_actions(definitions, world), {"item": shop_items(world)}, Store(client))
    redis_server.stop(settings)


@pytest.fixture(scope="module")
def offline(shop: Shop) -> pa.Table:
    return shop.offline()


def broken(shop: Shop, offline: pa.Table, fault: str | None) -> set[str]:
    """The features that parity says no to."""
    served = shop.served(fault).rename_columns({"event_time": "as_of"})
    for name in offline.column_names:
        served = served.append_column(f"{OFFLINE}{name}", offline[name])
    versions = {shop.definitions.digest: {name: feature.version for name, feature in shop.definitions.features.items()}}
    pairs = compared_values(shop.definitions, versions, served)
    parts = [pairs[part].to_pylist() for part in ("state", "served", "offline", "differs", "defaulted")]
    found = set()
    for place, name in enumerate(shop.definitions.features):
        own = slice(place * served.num_rows, (place + 1) * served.num_rows)
        compared = [Pair(*values) for values in zip(*(part[own] for part in parts), strict=True)]
        if problems_of(statistics_of(compared), Tolerances(rows=100, mismatches=0.0)):
            found.add(name)
    return found


def reached(definitions: Definitions, fault: str) -> set[str]:
    """The aggregated features that a fault reaches, and all that is derived from one of them, unless it is the answer that it spoils."""
    found: set[str] = set()
    for name, feature in definitions.features.items():
        declared = feature.declared
        if isinstance(declared, Derived):
            is_reached = fault not in SPOIL_ANSWERS and any(source in found for source in feature.inputs)
        else:
            is_reached = REACHED[fault](feature, declared)
        if is_reached:
            found.add(name)
    return found


def days_of(feature: Feature) -> int:
    return feature.window if isinstance(feature.window, int) else 0


DAILY = ("double_counting", "late_stream", "null_against_default")
"""Faults that are not left to the night: of the stream, of how far it is read, of the answer."""

SPOIL_ANSWERS = ("default_instead_of_value", "null_against_default")
"""Faults that come after everything is computed."""

REACHED: dict[str, Callable[[Feature, Aggregated], bool]] = {
    "time_zone_slip": lambda _feature, _declared: True,
    "stale_partials": lambda _feature, _declared: True,
    "late_stream": lambda _feature, _declared: True,
    "double_counting": lambda _feature, declared: not isinstance(declared, Last),
    "dropped_events": lambda _feature, _declared: True,
    "unit_slip": lambda _feature, declared: (
        isinstance(declared, Sum | Mean | Last | DecayedSum) and getattr(declared, "column", None) in ("price", "amount")
    ),
    "leaked_future": lambda _feature, _declared: True,
    "truncated_history": lambda feature, declared: days_of(feature) > 7 or hasattr(declared, "compared_days"),
    "version_skew": lambda _feature, declared: isinstance(declared, Rate | DecayedSum | Top),
    "wrong_user": lambda _feature, declared: "user" in declared.entity or getattr(declared, "column", None) == "user_id",
    "default_instead_of_value": lambda feature, declared: declared.entity == "item" and feature.value_type == "number",
    "null_against_default": lambda feature, declared: feature.value_type == "number" and declared.default is not None,
}
"""Which aggregated features a fault reaches; what is derived from them follows."""

UNTOUCHED: dict[str, set[str]] = {
    "stale_partials": {"query_diversity_30d", "user_hour_match", "is_session_category"},
    "late_stream": {
        "is_query_category", "item_decayed_amount_60d", "item_orders_30d", "item_orders_7d", "query_category_favourites_30d",
        "query_category_orders_30d", "query_diversity_30d", "user_amount_30d", "user_amount_60d", "user_category_orders_60d",
        "user_last_order_time_60d", "user_order_amount_60d", "user_order_recency", "user_orders_30d", "user_orders_60d",
    },
    "double_counting": {
        "is_favourite_category", "is_query_category", "item_users_7d", "market_users_7d", "query_category_favourites_30d",
        "query_diversity_30d", "session_categories_session", "session_queries_session", "user_coupons_30d", "user_device_match",
        "user_favourite_devices_60d", "user_hour_match", "user_items_30d", "user_items_7d", "user_queries_7d",
    },
    "dropped_events": {
        "is_last_category", "is_query_category", "is_session_category", "query_category_favourites_30d", "query_diversity_30d",
        "session_queries_session", "user_coupons_30d", "user_device_match", "user_last_query_7d", "user_queries_7d",
    },
    "leaked_future": {
        "is_session_category", "query_category_orders_30d", "session_categories_session", "session_clicks_session",
        "session_dwell_session", "session_last_category_session", "session_queries_session",
    },
    "truncated_history": {
        "is_last_category", "is_last_item", "is_query_category", "query_category_favourites_30d", "query_category_orders_30d",
        "query_ctr_30d", "query_diversity_30d", "query_impressions_30d", "query_item_clicks_30d", "query_item_ctr_30d",
        "user_device_match", "user_favourite_devices_60d", "user_last_category_60d", "user_last_item_60d", "user_last_order_time_60d",
        "user_order_recency",
    },
    "version_skew": {
        "is_query_category", "query_category_favourites_30d", "user_device_match", "user_favourite_devices_60d",
        "user_favourite_hours_60d", "user_hour_match",
    },
    "wrong_user": {
        "is_last_category", "is_session_category", "session_queries_session", "user_coupons_30d", "user_device_match",
        "user_last_query_7d", "user_queries_7d",
    },
    "null_against_default": {"market_users_7d"},
}  # fmt: skip
"""What a fault could reach and does not in this small world: nothing happened in time, or it changes no count of different things."""


def test_every_fault_has_its_line(shop: Shop, offline: pa.Table) -> None:
    assert set(REACHED) == set(FAULTS)
    assert broken(shop, offline, None) == set()


@pytest.mark.parametrize(
    "fault",
    [fault if fault in DAILY else pytest.param(fault, marks=pytest.mark.nightly) for fault in sorted(REACHED.keys() - {"time_zone_slip"})],
)
def test_each_fault_breaks_what_it_reaches(shop: Shop, offline: pa.Table, fault: str) -> None:
    assert broken(shop, offline, fault) == reached(shop.definitions, fault) - UNTOUCHED.get(fault, set())


@pytest.mark.nightly
def test_a_time_zone_slip_breaks_what_lies_at_the_border_of_days(shop: Shop, offline: pa.Table) -> None:
    """It reaches everything, and changes what happened within five hours of the beginning of a window."""
    found = broken(shop, offline, "time_zone_slip")
    assert {"user_favourite_hours_60d", "user_impressions_1d", "user_actions_session"} <= found
    assert found < reached(shop.definitions, "time_zone_slip")
