"""Candidates for new features, made from what is declared: other windows and half-lives, other statistics, crosses of categories.

A candidate is a declaration as a person would write it, so that what is proposed can be accepted as it stands. What the document has
already, under whatever name, is no candidate: versions tell. What is explored is declared too (`automatic.explore`), since every entity and
event multiplies what has to be summed up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from srp_assets.features.declaration.definitions import Definitions, resolve
from srp_assets.features.declaration.model import AnyDeclaration, FeatureDocument

WINDOWS = (3, 14)
"""Days that lie between those that people declare."""

HALF_LIVES = (1, 7, 30)
STATISTICS_WINDOW = 30
NUMBERS = ("price", "amount", "dwell_seconds", "position")
IDENTITIES = ("user_id", "item_id", "query")
"""Columns with too many values to be categories."""

NO_UNIT = "none"

PREFIX = "auto"
"""The beginning of the names of candidates: no declared feature has it by accident."""

COST_OF_A_TABLE = 2.0
"""What speaks of the values of a column needs a table of its own: twice the cost of what joins an existing one (an arbitrary ratio)."""


@dataclass(frozen=True)
class Candidate:
    """A feature that might pay.

    Args:
        name: of the feature, with its window.
        declaration: as it stands in a document.
        generator: `temporal`, `statistical` or `cross`.
        cost: of acquiring it, in the unit that the document declares costs in.
        parts: of a cross, the features that say each of its columns alone.
    """

    name: str
    declaration: dict[str, Any]
    generator: str
    cost: float
    parts: tuple[str, ...] = ()


def candidates_of(document: FeatureDocument) -> list[Candidate]:
    """Every candidate of a document that it does not have yet."""
    found = [*_temporal(document), *_statistical(document), *_crosses(document)]
    # Units are words that a person chooses: they do not make two features different here.
    known = {feature.version for feature in resolve(document.model_copy(update={"features": _without_units(document)})).features.values()}
    plain = [replace(candidate, declaration=candidate.declaration | {"unit": NO_UNIT}) for candidate in found]
    versions = {name: feature.version for name, feature in with_candidates(document, plain).features.items()}
    return [candidate for candidate in found if versions[candidate.name] not in known]


def _without_units(document: FeatureDocument) -> tuple[AnyDeclaration, ...]:
    return tuple(declared.model_copy(update={"unit": NO_UNIT}) for declared in document.features)


def with_candidates(document: FeatureDocument, candidates: Sequence[Candidate]) -> Definitions:
    """The features of a document together with candidates."""
    declared = [*document.features, *(candidate.declaration for candidate in candidates)]
    return resolve(FeatureDocument.model_validate({**dict(document), "features": declared}))


def categories_of(document: FeatureDocument) -> list[str]:
    """The columns that entities are made of, identities aside."""
    return sorted({key for entity in document.entities.values() for key in entity.keys} - set(IDENTITIES))


def _explored(document: FeatureDocument) -> Iterator[tuple[str, str, float]]:
    """Entity, event and cost of what is explored."""
    for entity, events in document.automatic.explore.items():
        for event in events:
            yield entity, event, document.automatic.costs.get(entity, 1.0)


def _temporal(document: FeatureDocument) -> Iterator[Candidate]:
    """Counts over other windows, and decayed ones."""
    for entity, event, cost in _explored(document):
        about: dict[str, Any] = {"entity": entity, "event": event, "unit": f"{event} events"}
        what = f"{event} events of {entity.replace('_', ' and ')}"
        for days in WINDOWS:
            declared = {"name": f"{PREFIX}_{entity}_{event}", "aggregation": "count", "windows": [days], **about, "description": what}
            yield Candidate(f"{declared['name']}_{days}d", declared, "temporal", cost)
        for half_life in HALF_LIVES:
            name = f"{PREFIX}_{entity}_{event}_half_{half_life}"
            declared = {"name": name, "aggregation": "decayed_sum", "half_life_days": half_life, "windows": [60], **about}
            yield Candidate(f"{name}_60d", declared | {"description": f"{what}, older ones less"}, "temporal", cost)


def _statistical(document: FeatureDocument) -> Iterator[Candidate]:
    """Means of numbers, and diversity of categories."""
    for entity, event, cost in _explored(document):
        about: dict[str, Any] = {"entity": entity, "event": event, "windows": [STATISTICS_WINDOW]}
        what = f"{event} events of {entity.replace('_', ' and ')}"
        for column in NUMBERS:
            name = f"{PREFIX}_{entity}_{event}_{column}"
            declared = {
                "name": name,
                "aggregation": "mean",
                "column": column,
                **about,
                "unit": column,
                "description": f"mean {column} of {what}",
            }
            yield Candidate(f"{name}_{STATISTICS_WINDOW}d", declared, "statistical", cost)
        for column in categories_of(document):
            if column not in document.entities[entity].keys:
                name = f"{PREFIX}_{entity}_{event}_{column}_entropy"
                declared = {"name": name, "aggregation": "entropy", "column": column, **about, "unit": "nats"}
                declared |= {"description": f"diversity of {column} in {what}"}
                yield Candidate(f"{name}_{STATISTICS_WINDOW}d", declared, "statistical", cost * COST_OF_A_TABLE)


def _crosses(document: FeatureDocument) -> Iterator[Candidate]:
    """Pairs of categories of a request."""
    for first, second in combinations(categories_of(document), 2):
        name = f"{PREFIX}_{first}_{second}"
        declared = {"name": name, "function": "cross", "inputs": [first, second], "default": "none", "unit": "category"}
        parts = (f"{PREFIX}_value_{first}", f"{PREFIX}_value_{second}")
        yield Candidate(name, declared | {"description": f"{first} and {second} as one value"}, "cross", 1.0, parts)


def parts_of(document: FeatureDocument) -> list[Candidate]:
    """The columns that are crossed, each as a feature: what a cross has to know more than."""
    about = {"unit": "category", "description": "a column that is crossed"}
    names = {column: f"{PREFIX}_value_{column}" for column in categories_of(document)}
    return [
        Candidate(name, {"name": name, "function": "value", "inputs": [column], **about}, "cross", 1.0) for column, name in names.items()
    ]
