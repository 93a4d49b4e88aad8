"""From what stands in a file, or in the registry, to a document of its kind."""

import getpass
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from pydantic import ValidationError

from srp_assets.errors import InvalidInput, nearest
from srp_assets.strategy.features import HIT_LISTS, features_of, has_hit_lists
from srp_assets.strategy.model import (
    KINDS,
    AnyDocument,
    Logic,
    NoRules,
    RuleDocument,
    RuleReference,
    StrategyDocument,
    ValueReference,
    WordListReference,
    WrittenAll,
    WrittenAny,
    WrittenNot,
)
from srp_assets.strategy.problems import InvalidDocuments, form_problems, shown
from srp_assets.strategy.registry import Reference
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.wordlists.model import WordList


@dataclass(frozen=True)
class Written:
    """A document with the place that its errors name, its body as it is stored, and where its lists' entries stand in its file.

    `lines` are as in `RawDocument`.
    """

    place: str
    document: AnyDocument
    body: Mapping[str, Any]
    lines: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @property
    def reference(self) -> Reference:
        """Kind and id."""
        return self.document.kind, self.document.id

    @property
    def digest(self) -> str:
        """Identity of the content: two bodies that differ only in the order of their keys have the same."""
        return sha256(json.dumps(self.body, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def reference_of(content: Mapping[str, Any], place: str) -> Reference:
    """Kind and id of a document that has not been read yet.

    Raises:
        InvalidInput: if the kind is none, or there is no id.
    """
    kind, id_ = content.get("kind"), content.get("id")
    if "kind" not in content:
        raise InvalidInput("key 'kind' is missing", where=place, remedy="valid: " + ", ".join(sorted(KINDS)))
    if not isinstance(kind, str) or kind not in KINDS:
        raise InvalidInput(f"{shown(kind)} is no kind of document", where=f"{place}: kind", remedy=nearest(str(kind), KINDS))
    if not isinstance(id_, str):
        problem = f"{shown(id_)} is not a text" if "id" in content else "key 'id' is missing"
        raise InvalidInput(problem, where=f"{place}: {kind}", remedy="give it a name, like id: homework")
    return kind, id_


def read_document(body: Mapping[str, Any], place: str, lines: Mapping[str, Sequence[int]] | None = None) -> Written:
    """A document of its kind.

    Args:
        body: what stands in the file or in the registry.
        place: where that is.
        lines: the lines on which the entries of its lists stand.

    Raises:
        InvalidDocuments: with everything that is wrong with its form.
    """
    try:
        kind, id_ = reference_of(body, place)
    except InvalidInput as error:
        raise InvalidDocuments([error]) from error
    place = f"{place}: {kind} {id_}"
    try:
        return Written(place, KINDS[kind].model_validate(body), body, lines or {})
    except ValidationError as error:
        raise InvalidDocuments(form_problems(error, kind, place)) from error


def applying_user() -> str | None:
    """Who applies: the owner of a new document that names none. None where the machine does not know its user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None


def references_of(document: AnyDocument, catalogue: Catalogue) -> set[Reference]:
    """What a document refers to by name, whether that exists or not."""
    if isinstance(document, WordList):
        return {("word_list", id_) for id_ in document.exempt_lists}
    if isinstance(document, RuleDocument):
        return _logic_references(document.logic, catalogue, document.entity)
    found: set[Reference] = set()
    if isinstance(document, StrategyDocument):
        for name, logic in document.objects.items():
            if name in catalogue.objects and not isinstance(logic, NoRules):
                found |= _logic_references(logic, catalogue, catalogue.objects[name].entity)
    return found


def _logic_references(node: Logic, catalogue: Catalogue, entity_name: str) -> set[Reference]:
    if isinstance(node, RuleReference):
        return {("rule", node.rule)}
    if isinstance(node, WrittenNot):
        return _logic_references(node.not_, catalogue, entity_name)
    if isinstance(node, WrittenAll | WrittenAny):
        children = node.all if isinstance(node, WrittenAll) else node.any
        return set().union(*(_logic_references(child, catalogue, entity_name) for child in children))
    found: set[Reference] = set()
    if isinstance(node.value, WordListReference):
        found.add(("word_list", node.value.word_list))
    if isinstance(node.value, ValueReference):
        found.add(("value", node.value.value))
    if entity_name in catalogue.entities and node.feature == HIT_LISTS and has_hit_lists(catalogue.entities[entity_name]):
        lists = node.value if isinstance(node.value, list | tuple) else ()
        return found | {("word_list", id_) for id_ in lists if isinstance(id_, str)}
    if entity_name in catalogue.entities and node.feature not in features_of(catalogue.entities[entity_name]):
        found.add(("feature", node.feature))
    return found
