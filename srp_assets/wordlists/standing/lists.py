"""Standing lists: what is looked for in every built period, and how it is told whether kept hits are still those of today's lists.

`registry.py` names the hits that are kept, `keeping.py` brings them up to date, `hit_scan.py` finds them.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from srp_assets.warehouse.catalogue import Catalogue, Entity
from srp_assets.wordlists.resolved import ResolvedList

MEANING = 1
"""To be raised when the same list may hit other rows than before (another transform table, a corrected engine): all kept hits are stale
then."""


@dataclass(frozen=True)
class ListMark:
    """Which words of a list were looked for: two versions with the same words and rules have the same digest."""

    id: str
    version: int
    digest: str


def text_features(entity: Entity) -> dict[str, tuple[str, ...]]:
    """The texts in which standing lists are looked for, with their parts: each text column and each composite feature of the catalogue."""
    columns = {name: (name,) for name, column in entity.columns.items() if column.kind == "text"}
    return columns | {name: feature.concat for name, feature in entity.features.items()}


def entities_with_texts(catalogue: Catalogue) -> list[str]:
    """The entities that can have standing hits."""
    return [name for name, entity in catalogue.entities.items() if text_features(entity)]


def list_digest(list_: ResolvedList) -> str:
    """Identity of what a list hits: its words, type, transforms and exemptions, those of lists that it exempts by included.

    Neither id nor version: a new version that only changes the topic finds the same, and need not be looked for again.
    """
    return _digest([MEANING, list_.model_dump(mode="json", exclude={"id", "version"})])


def mark_of(list_: ResolvedList) -> ListMark:
    """What is recorded of a list that was looked for."""
    return ListMark(list_.id, list_.version, list_digest(list_))


def hits_digest(features: Mapping[str, tuple[str, ...]], lists: Iterable[ResolvedList]) -> str | None:
    """Identity of all that is looked for in an entity; None where there is nothing to look for."""
    marks = sorted((list_.id, list_digest(list_)) for list_ in lists)
    return _digest([sorted(features.items()), marks]) if features and marks else None


def _digest(content: object) -> str:
    return sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
