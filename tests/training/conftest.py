from pathlib import Path

import pytest
from sqlalchemy import Engine

from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.building.days import Places
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.logs.catalogue import load_log_catalogue
from srp_assets.settings import PROJECT_ROOT
from srp_assets.training.building import TrainingPlaces
from srp_assets.training.inputs import SetOptions
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage
from support.training_world import Shop

SAMPLE = PROJECT_ROOT / "examples" / "sample"


@pytest.fixture
def shop(engine: Engine, storage: Storage, sample_catalogue: Catalogue) -> Shop:
    definitions = load_definitions(Path(__file__).parents[1] / "features" / "small.yaml")
    at = storage.location
    places = Places(Storage(f"{at}/features"), Storage(f"{at}/logs"), storage, sample_catalogue, 2)
    return Shop(engine, places, load_log_catalogue(SAMPLE / "logs.yaml"), layout_of(definitions), "user_clicks_7d")


@pytest.fixture
def training_places(shop: Shop, storage: Storage) -> TrainingPlaces:
    return TrainingPlaces(Storage(f"{storage.location}/training"), shop.places, shop.logs, shop.layout, SetOptions())
