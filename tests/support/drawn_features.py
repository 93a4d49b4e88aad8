"""Declarations drawn at random: entities of one to four keys, every aggregation, windows, filters, decay."""

from random import Random
from typing import Any

from srp_assets.features.declaration.definitions import Definitions, resolve
from srp_assets.features.declaration.model import FeatureDocument

KEYS = ("user_id", "item_id", "category", "query", "market", "device", "page", "location", "hour", "weekday")
KINDS = ("impression", "click", "order")
NUMBERS = ("price", "amount", "quantity", "dwell_seconds", "position", "list_price")
TESTS = (
    {"column": "position", "test": "below", "value": 3},
    {"column": "device", "test": "equals", "value": "phone"},
    {"column": "market", "test": "not_equals", "value": "de"},
    {"column": "query", "test": "is_not_null"},
    {"column": "amount", "test": "is_null"},
    {"column": "price", "test": "at_least", "value": 1.0},
)
ATTRIBUTES = {
    "item": {
        "key": "item_id",
        "columns": {
            name: {"type": type_, "column": name, "unit": "none", "description": "x"}
            for name, type_ in (("category", "text"), ("list_price", "number"), ("published_at", "time"), ("word_lists", "texts"))
        },
    }
}
FORMS = ("count", "sum", "mean", "rate", "last", "distinct", "top", "decayed_sum", "entropy", "shift")
OF_SESSIONS = ("count", "sum", "mean", "rate", "last", "distinct")


def drawn_definitions(random: Random, features: int = 12) -> Definitions:
    """Definitions with so many declarations, each over some windows."""
    entities = {"user": {"keys": ["user_id"], "description": "x"}}
    for number in range(4):
        entities[f"entity_{number}"] = {"keys": random.sample(KEYS, random.randint(1, 4)), "description": "x"}
    declared = [_declared(random, f"feature_{number}", entities) for number in range(features)]
    document: dict[str, Any] = {
        "name": "drawn",
        "owner": "tests",
        "events": list(KINDS),
        "attributes": ATTRIBUTES,
        "entities": entities,
        "features": declared,
    }
    return resolve(FeatureDocument.model_validate(document))


def _declared(random: Random, name: str, entities: dict[str, Any]) -> dict[str, Any]:
    entity, form = random.choice(sorted(entities)), random.choice(FORMS)
    keys = entities[entity]["keys"]
    windows: list[Any] = random.sample((1, 2, 7, 30, 60), random.randint(1, 3))
    if entity == "user" and form in OF_SESSIONS:
        windows.append("session")
    found: dict[str, Any] = {"name": name, "entity": entity, "aggregation": form, "event": _filter(random), "windows": windows}
    texts = [key for key in KEYS if key not in keys]
    if form in ("sum", "mean"):
        found["column"] = random.choice(NUMBERS)
    elif form == "rate":
        found |= {"of": _filter(random), "smoothing": random.choice((None, {"prior": 0.1, "strength": 5}))}
    elif form == "last":
        found["column"] = random.choice((*texts, *NUMBERS, "event_time", "published_at"))
    elif form in ("distinct", "entropy"):
        found["column"] = random.choice(texts)
    elif form == "top":
        found |= {"column": random.choice(texts), "size": random.randint(1, 3), "half_life_days": random.choice((None, 1, 7))}
    elif form == "decayed_sum":
        found |= {"column": random.choice((None, *NUMBERS)), "half_life_days": random.choice((1, 3, 14))}
    elif form == "shift":
        found |= {"column": random.choice(texts), "compared_days": random.choice((7, 60))}
    return {**found, "unit": "x", "description": "x"}


def _filter(random: Random) -> dict[str, Any]:
    where = random.sample(TESTS, random.choice((0, 0, 1, 2)))
    return {"kinds": random.sample(KINDS, random.randint(1, 3)), "where": where}
