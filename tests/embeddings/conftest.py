import pytest
from sqlalchemy import Engine

from srp_assets.embeddings.assets import embedding_places
from srp_assets.logs.catalogue import load_log_catalogue
from srp_assets.samples.ranking.listings import ListingWorld
from srp_assets.settings import PROJECT_ROOT, Settings
from srp_assets.warehouse.catalogue import Catalogue
from support.listing_home import ListingHome

SAMPLE = PROJECT_ROOT / "examples" / "sample"


@pytest.fixture
def home(engine: Engine, settings: Settings, sample_catalogue: Catalogue) -> ListingHome:
    places = embedding_places(settings, sample_catalogue, load_log_catalogue(SAMPLE / "logs.yaml"), SAMPLE / "embeddings.yaml")
    return ListingHome(engine, places, ListingWorld(items=160, sessions=600, markets=4))
