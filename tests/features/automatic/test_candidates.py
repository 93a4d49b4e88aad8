"""Generated candidates are declarations like those of people, and never what is declared already."""

from pathlib import Path

import pytest
import yaml

from srp_assets.errors import InvalidInput
from srp_assets.features.automatic.candidates import PREFIX, candidates_of, parts_of, with_candidates
from srp_assets.features.declaration.definitions import resolve
from srp_assets.features.declaration.model import FeatureDocument
from srp_assets.settings import PROJECT_ROOT


@pytest.fixture(scope="module")
def document() -> FeatureDocument:
    path: Path = PROJECT_ROOT / "examples" / "sample" / "features.yaml"
    return FeatureDocument.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_candidates_are_of_every_generator_and_of_what_is_explored(document: FeatureDocument) -> None:
    candidates = candidates_of(document)
    assert {candidate.generator for candidate in candidates} == {"temporal", "statistical", "cross"}
    explored = {candidate.declaration["entity"] for candidate in candidates if candidate.generator != "cross"}
    assert explored == set(document.automatic.explore) == {"user", "item", "category"}
    assert {candidate.cost for candidate in candidates} == {0.5, 1.0, 2.0}
    assert all(candidate.name.startswith(PREFIX) for candidate in candidates)


def test_what_is_declared_already_is_no_candidate(document: FeatureDocument) -> None:
    candidates = candidates_of(document)
    # Mean amount of orders of the user over 30 days is new, mean dwell of clicks over 30 days is `user_dwell_30d`.
    names = {candidate.name for candidate in candidates}
    assert f"{PREFIX}_user_order_amount_30d" in names
    assert f"{PREFIX}_user_click_dwell_seconds_30d" not in names
    accepted = document.model_copy(update={"features": (*document.features, *with_declared(document, candidates[0].declaration))})
    assert candidates[0].name not in {candidate.name for candidate in candidates_of(accepted)}


def with_declared(document: FeatureDocument, declaration: dict) -> tuple:
    """A declaration as a person would accept it: under a name of their own."""
    renamed = {**declaration, "name": "accepted"}
    return FeatureDocument.model_validate({**dict(document), "features": [renamed]}).features


def test_the_parts_of_crosses_are_features(document: FeatureDocument) -> None:
    parts = {part.name for part in parts_of(document)}
    assert {part for candidate in candidates_of(document) for part in candidate.parts} == parts
    assert with_candidates(document, parts_of(document)).features.keys() >= parts


def test_what_is_explored_must_exist(document: FeatureDocument) -> None:
    for wrong in ({"explore": {"usr": ["click"]}}, {"explore": {"user": ["clik"]}}, {"costs": {"usr": 1}}):
        changed = FeatureDocument.model_validate({**dict(document), "automatic": wrong})
        with pytest.raises(InvalidInput, match="did you mean"):
            resolve(changed)
