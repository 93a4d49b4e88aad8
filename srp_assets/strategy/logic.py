"""What the logic of one object means: its features, values, word lists and shared rules looked up, its rules typed.

The documents around the logic are checked in `validation.py`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, TypeVar

from srp_assets.errors import InvalidInput, NotFound, nearest
from srp_assets.strategy.features import HIT_LISTS, check_match, features_of, has_hit_lists, text_features_of, typed_value
from srp_assets.strategy.library import Found, Library, kind_of
from srp_assets.strategy.model import (
    MAX_DEPTH,
    MAX_RULES,
    AnyDocument,
    FeatureDocument,
    Logic,
    RuleDocument,
    RuleReference,
    ValueDocument,
    ValueReference,
    WordListReference,
    WrittenAll,
    WrittenNot,
    WrittenRule,
)
from srp_assets.strategy.resolved import AllOf, AnyOf, Feature, Match, Node, Not, Rule, RuleValue
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.wordlists.model import WordList
from srp_assets.wordlists.model import resolve as resolve_list
from srp_assets.wordlists.resolved import ResolvedList

AnyKind = TypeVar("AnyKind", bound=AnyDocument)


class _TooLarge(Exception):
    """The logic of an object has more rules than are allowed."""


class LogicReader:
    """Turns written logic into resolved logic.

    `problems` holds everything that was wrong, `lists` and `documents` what was used: the resolved word lists by `id@version`, and the
    versions of all documents by `kind/id`; `derived` names the derived features.
    """

    def __init__(self, catalogue: Catalogue, library: Library) -> None:
        self.catalogue = catalogue
        self.library = library
        self.problems: list[InvalidInput] = []
        self.lists: dict[str, ResolvedList] = {}
        self.documents: dict[str, int] = {}
        self.derived: set[str] = set()
        self._rules = 0

    def read(self, logic: Logic, entity: str, path: str, trail: tuple[str, ...] = ()) -> Node | None:
        """The resolved logic of an object; None if anything in it is wrong.

        Args:
            logic: as written.
            entity: the entity behind the object, which exists.
            path: where the logic stands.
            trail: the rule document that it stands in, if it does.
        """
        self._rules = 0
        try:
            return self._node(logic, entity, path, depth=0, trail=trail)
        except _TooLarge:
            self.problem(path, f"the logic has more than {MAX_RULES:,} rules", "use match: in with several values, or several strategies")
            return None

    def _node(self, node: Logic, entity: str, path: str, depth: int, trail: tuple[str, ...]) -> Node | None:
        if isinstance(node, WrittenRule):
            self._rules += 1
            if self._rules > MAX_RULES:
                raise _TooLarge
            return self._rule(node, entity, path)
        if isinstance(node, RuleReference):
            return self._shared_rule(node, entity, path, depth, trail)
        if depth == MAX_DEPTH:
            self.problem(path, f"the logic nests deeper than {MAX_DEPTH} levels of all, any and not", "write it flatter")
            return None
        if isinstance(node, WrittenNot):
            child = self._node(node.not_, entity, f"{path}.not", depth + 1, trail)
            return None if child is None else Not(not_=child)
        key, written = ("all", node.all) if isinstance(node, WrittenAll) else ("any", node.any)
        resolved = [self._node(child, entity, f"{path}.{key}[{number}]", depth + 1, trail) for number, child in enumerate(written)]
        children = tuple(child for child in resolved if child is not None)
        if len(children) < len(resolved):
            return None
        return AllOf(all=children) if key == "all" else AnyOf(any=children)

    def _shared_rule(self, node: RuleReference, entity: str, path: str, depth: int, trail: tuple[str, ...]) -> Node | None:
        if node.rule in trail:
            self.problem(path, f"rule {node.rule!r} refers to itself: {' -> '.join((*trail, node.rule))}", "remove one of the references")
            return None
        found = self.refer(RuleDocument, node.rule, path)
        if found is None:
            return None
        if found.document.entity != entity:
            self.problem(path, f"rule {node.rule!r} is for entity {found.document.entity}, not {entity}", f"use a rule for {entity}")
            return None
        return self._node(found.document.logic, entity, f"{found.place}: logic", depth, (*trail, node.rule))

    def _rule(self, rule: WrittenRule, entity: str, path: str) -> Node | None:
        if rule.feature == HIT_LISTS and has_hit_lists(self.catalogue.entities[entity]):
            return self._hit_lists(rule, entity, path)
        feature = self._feature(rule.feature, entity, f"{path}.feature")
        if feature is None:
            return None
        with self._noting(f"{path}.match"):
            match = check_match(feature, rule.match, rule.key)
            with self._noting(f"{path}.value"):
                value = self._value(rule, feature, match, entity, f"{path}.value")
                return None if value is None else Rule(feature=feature, match=match, value=value, key=rule.key)
        return None

    def _hit_lists(self, rule: WrittenRule, entity: str, path: str) -> Node | None:
        """A rule on the standing lists that hit a row, as rules on the row's texts."""
        feature = Feature(name=HIT_LISTS, kind="array", type="list<string>", parts=(HIT_LISTS,))
        ids: RuleValue | None = None
        with self._noting(f"{path}.match"):
            match = check_match(feature, rule.match, rule.key)
            with self._noting(f"{path}.value"):
                if isinstance(rule.value, WordListReference):
                    raise InvalidInput(f"match {match!r} takes a list of values", remedy=f"write [{rule.value.word_list}]")
                ids = self._value(rule, feature, match, entity, f"{path}.value")
        if not isinstance(ids, tuple):
            return None
        self.derived.add(HIT_LISTS)
        texts = text_features_of(self.catalogue.entities[entity])
        self._rules += len(ids) * len(texts) - 1
        if self._rules > MAX_RULES:
            raise _TooLarge
        keys = [self._standing_list(str(id_), f"{path}.value[{number}]") for number, id_ in enumerate(ids)]
        hit = [[Rule(feature=text, match="matches", value=key) for text in texts] for key in keys if key is not None]
        if len(hit) < len(ids):
            return None
        if match == "contains_any":
            return _any_of([rule for rules in hit for rule in rules])
        return AllOf(all=tuple(_any_of(rules) for rules in hit)) if len(hit) > 1 else _any_of(hit[0])

    def _standing_list(self, id_: str, path: str) -> str | None:
        """The key of a list that is standing; None if there is a problem with it."""
        found = self.library.find(WordList, id_) if ("word_list", id_) not in self.library.broken else None
        if ("word_list", id_) in self.library.broken or (found is not None and (found.is_archived or found.document.standing)):
            return self._word_list(id_, path)
        near = nearest(id_, [other for other in self.library.ids(WordList) if self._is_standing(other)])
        if found is None:
            self.problem(path, f"there is no standing word list {id_!r}", near)
        else:
            self.problem(path, f"word list {id_!r} is not standing", f"write standing: true into it, or name another: {near}")
        return None

    def _is_standing(self, id_: str) -> bool:
        found = self.library.find(WordList, id_)
        return found is not None and found.document.standing

    def _feature(self, name: str, entity: str, path: str) -> Feature | None:
        own = features_of(self.catalogue.entities[entity])
        if name in own:
            return own[name]
        if ("feature", name) not in self.library.broken and self.library.find(FeatureDocument, name) is None:
            shared = [id_ for id_ in self.library.ids(FeatureDocument) if self._is_feature_of(id_, entity)]
            derived = [HIT_LISTS] if has_hit_lists(self.catalogue.entities[entity]) else []
            self.problem(path, f"entity {entity} has no feature {name!r}", nearest(name, [*own, *derived, *shared]))
            return None
        found = self.refer(FeatureDocument, name, path)
        if found is None:
            return None
        if found.document.entity != entity:
            self.problem(path, f"feature {name!r} is of entity {found.document.entity}, not {entity}", nearest(name, own))
            return None
        return Feature(name=name, kind="text", type="string", parts=found.document.concat)

    def _is_feature_of(self, id_: str, entity: str) -> bool:
        found = self.library.find(FeatureDocument, id_)
        return found is not None and found.document.entity == entity

    def _value(self, rule: WrittenRule, feature: Feature, match: Match, entity: str, path: str) -> RuleValue | None:
        """The typed value of a rule; None if a document that it refers to cannot be used."""
        operand = rule.value
        if match == "matches":
            if isinstance(operand, WordListReference):
                return self._word_list(operand.word_list, f"{path}.word_list")
            raise InvalidInput("match 'matches' takes a word list", remedy=self._list_remedy(operand))
        if isinstance(operand, WordListReference):
            raise InvalidInput(f"match {match!r} takes no word list", remedy="use match: matches")
        if isinstance(operand, ValueReference):
            found = self.refer(ValueDocument, operand.value, f"{path}.value")
            if found is None:
                return None
            operand = found.document.value
        column = self.catalogue.entities[entity].columns.get(feature.name)
        return typed_value(feature, match, operand, column.values if column else ())

    def _list_remedy(self, operand: Any) -> str:
        if isinstance(operand, str) and self.library.find(WordList, operand):
            return f"write value: {{word_list: {operand}}}"
        return "write value: {word_list: ID}, or use match: contains for one text"

    def _word_list(self, id_: str, path: str) -> str | None:
        found = self.refer(WordList, id_, path)
        resolved = self.resolve_list(found) if found else None
        if found is None or resolved is None:
            return None
        key = f"{id_}@{found.version}"
        self.lists[key] = resolved
        return key

    def resolve_list(self, found: Found[WordList]) -> ResolvedList | None:
        """A word list with the lists that it exempts by; None if one of them cannot be used."""
        exempting = {}
        for id_ in found.document.exempt_lists:
            other = self.refer(WordList, id_, f"{found.place}: exempt")
            if other is None:
                return None
            exempting[id_] = other.document
        try:
            return resolve_list(found.document, found.version, exempting)
        except (InvalidInput, NotFound) as error:
            self.problem(f"{found.place}: exempt", error.message, error.remedy)
            return None

    def refer(self, model: type[AnyKind], id_: str, path: str) -> Found[AnyKind] | None:
        """The document that a name means; None if it cannot be read, and a problem too if there is none or it is archived."""
        kind = kind_of(model)
        if (kind, id_) in self.library.broken:
            return None
        found = self.library.find(model, id_)
        if found is not None and not found.is_archived:
            self.documents[f"{kind}/{id_}"] = found.version
            return found
        ids = self.library.ids(model)
        label = f"{kind.replace('_', ' ')} {id_!r}"
        if found is None:
            self.problem(path, f"there is no {label}", nearest(id_, ids))
            return None
        near = get_close_matches(id_, ids, n=1)
        self.problem(path, f"{label} is archived", f"use another one, like {near[0]}" if near else "use another one, or apply it again")
        return None

    def problem(self, where: str, message: str, remedy: str | None) -> None:
        """Notes a problem."""
        self.problems.append(InvalidInput(message, where=where, remedy=remedy))

    @contextmanager
    def _noting(self, path: str) -> Iterator[None]:
        """Notes an error as a problem at this path."""
        try:
            yield
        except InvalidInput as error:
            self.problem(path, error.message, error.remedy)


def _any_of(rules: Sequence[Rule]) -> Node:
    """True where at least one rule is."""
    return AnyOf(any=tuple(rules)) if len(rules) > 1 else rules[0]
