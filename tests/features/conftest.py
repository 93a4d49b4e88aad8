from pathlib import Path

import pytest

from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.declaration.loading import load_definitions


@pytest.fixture(scope="session")
def small() -> Definitions:
    return load_definitions(Path(__file__).parent / "small.yaml")
