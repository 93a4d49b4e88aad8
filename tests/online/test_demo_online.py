"""The demo's online half on a home with a small shop: every row that the twin served is in the log, once however often it runs."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from resources import redis as redis_server
from srp_assets.cli_common import Home
from srp_assets.cli_demo_online import demo_online, print_online
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.logs.landing import logs_storage
from srp_assets.samples.ranking.catalogue_items import land_items
from srp_assets.samples.ranking.world import POSITIONS, RankingWorld
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage
from support.feature_files import build_actions
from support.shop_actions import shop_actions

EVENTS, SEED = 1_000, 2


@pytest.fixture
def home(settings: Settings, engine: Engine, sample_catalogue: Catalogue, sample_features: Definitions) -> Iterator[Home]:
    world, storage = RankingWorld(EVENTS, SEED), Storage(settings.warehouse_location)
    land_items(engine, storage, sample_catalogue, world)
    actions = shop_actions(sample_features, world).to_pylist()
    days = sorted({str(action["event_time"].date()) for action in actions})
    build_actions(engine, logs_storage(settings.warehouse_location), sample_features, actions, days, 1)
    yield Home(settings, sample_catalogue, engine, storage)
    redis_server.stop(settings)


def test_what_was_served_is_in_the_log(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    steps: list[str] = []
    answer = demo_online(home, EVENTS, SEED, lambda step, _done, _total: steps.append(step))
    assert answer.good
    assert answer.requests > 50
    assert answer.rows == answer.landed > POSITIONS * answer.requests
    assert any(step.startswith("serving requests") for step in steps)
    again = demo_online(home, EVENTS, SEED, lambda step, _done, _total: steps.append(step))
    assert again == answer
    print_online(answer)
    assert "all of them in the log" in capsys.readouterr().out
