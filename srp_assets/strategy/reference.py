"""What a strategy means, said as plainly as possible: the oracle that every faster evaluation is tested against.

Rows are dicts of an entity's own columns and `product`; they are the newest versions, one row for each key within a product. Nothing here
is clever: a rule asks one row, logic combines rules, an object is the rows that have its role and fit its logic, a strategy joins its
objects along the pattern, and every recalled row that takes part in at least one joined combination is one case.

Two-valued logic: a rule on a null is false, whatever its match (`!=` too), so `not` of it is true. In a join a null equals nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from srp_assets.strategy.resolved import AllOf, AnyOf, Feature, Node, Not, ResolvedStrategy, Rule, rules_of
from srp_assets.strategy.sampling import is_sampled
from srp_assets.strategy.shown import shown_hit, shown_text
from srp_assets.strategy.times import iso_utc, parse_time
from srp_assets.warehouse.catalogue import Catalogue, Entity, Pattern, Relation
from srp_assets.wordlists import reference as wordlists
from srp_assets.wordlists.resolved import ResolvedList

Row = Mapping[str, Any]
Lists = Mapping[str, ResolvedList]
Key = tuple[Any, ...]

SHOWN_KEYS = 3
"""How many keys of an object's joined rows a case names."""


def matches_row(node: Node | None, row: Row, lists: Lists) -> bool:
    """Whether a row fits an object's logic; without logic every row does."""
    if node is None:
        return True
    if isinstance(node, AllOf):
        return all(matches_row(child, row, lists) for child in node.all)
    if isinstance(node, AnyOf):
        return any(matches_row(child, row, lists) for child in node.any)
    if isinstance(node, Not):
        return not matches_row(node.not_, row, lists)
    return rule_holds(node, row, lists)


def rule_holds(rule: Rule, row: Row, lists: Lists) -> bool:
    """Whether one rule is true of a row.

    Texts are compared as they are: `contains` looks for exactly its text, upper and lower case apart, in one part of a composite feature
    at a time. `contains_any` and `contains_all` compare whole elements; null elements equal nothing. An absent key of a map is a null.
    """
    if rule.match == "matches":
        return bool(word_hits(rule, row, lists))
    if rule.match == "contains":
        return any(str(rule.value) in text for text in _texts(rule.feature, row))
    found = row.get(rule.feature.name)
    if found is not None and rule.key is not None:
        found = dict(found).get(rule.key)
    if found is None:
        return False
    if rule.match == "sampled":
        return is_sampled(rule, found)
    return _compare(rule, found)


def _compare(rule: Rule, found: Any) -> bool:
    value: Any = rule.value
    if rule.feature.kind == "time":
        value = tuple(parse_time(bound) for bound in value) if isinstance(value, tuple) else parse_time(value)
    match rule.match:
        case "=" | "is":
            return found == value
        case "!=":
            return found != value
        case "in":
            return found in value
        case "<":
            return found < value
        case "<=":
            return found <= value
        case ">":
            return found > value
        case ">=":
            return found >= value
        case "between":
            lowest, highest = value
            return lowest <= found <= highest
        case "contains_any":
            return any(element in found for element in value)
        case "contains_all":
            return all(element in found for element in value)
    raise ValueError(f"match {rule.match!r} compares no single value")


def word_hits(rule: Rule, row: Row, lists: Lists) -> set[int]:
    """The words, by their places in the rule's list, that hit a row's text; a null part of a composite text is absent."""
    return wordlists.hits(lists[str(rule.value)], [row.get(part) for part in rule.feature.parts])


def _texts(feature: Feature, row: Row) -> list[str]:
    return [row[part] for part in feature.parts if row.get(part) is not None]


def joins(relation: Relation, left: Row, right: Row) -> bool:
    """Whether two rows of one product satisfy a relation: all pairs of columns of at least one alternative are equal and not null."""
    return any(
        all(left.get(left_column) is not None and left.get(left_column) == right.get(right_column) for left_column, right_column in pairs)
        for pairs in relation.any_of
    )


def object_rows(
    strategy: ResolvedStrategy,
    catalogue: Catalogue,
    name: str,
    rows: Iterable[Row],
    published_from: datetime | None = None,
    published_to: datetime | None = None,
) -> list[Row]:
    """The rows of an entity that are this object and fit its logic.

    Only the recalled object is limited by publish time; the end is excluded.
    """
    entity = catalogue.entity_of(name)
    object_ = catalogue.objects[name]
    chosen = []
    for row in rows:
        is_seen = object_.visibility == "all" or entity.is_visible(row)
        is_in_range = name != strategy.recall or _published(row[entity.publish_time], published_from, published_to)
        if is_seen and object_.holds(row) and is_in_range and matches_row(strategy.objects[name], row, strategy.lists):
            chosen.append(row)
    return chosen


def _published(moment: datetime, published_from: datetime | None, published_to: datetime | None) -> bool:
    return (published_from is None or published_from <= moment) and (published_to is None or moment < published_to)


def combinations(catalogue: Catalogue, pattern: Pattern, candidates: Mapping[str, Sequence[Row]]) -> list[dict[str, Row]]:
    """Every choice of one row for each object of a pattern such that all its relations hold."""
    edges = catalogue.edges(pattern)
    chosen: list[dict[str, Row]] = [{}]
    for name in pattern.objects:
        extended = [combination | {name: row} for combination in chosen for row in candidates[name]]
        chosen = [
            combination
            for combination in extended
            if all(joins(edge, combination[edge.left], combination[edge.right]) for edge in edges if edge.objects <= combination.keys())
        ]
    return chosen


def evaluate(
    strategy: ResolvedStrategy,
    catalogue: Catalogue,
    rows: Mapping[str, Sequence[Row]],
    products: Iterable[str],
    published_from: datetime | None = None,
    published_to: datetime | None = None,
) -> list[dict[str, Any]]:
    """The cases of a strategy, ordered by product and key.

    Args:
        strategy: what to evaluate.
        catalogue: the catalogue that it was resolved against.
        rows: the newest versions of all rows, by entity.
        products: where to run; rows of different products never join.
        published_from: the recalled object's publish time is at or after this.
        published_to: the recalled object's publish time is before this.

    Returns:
        One dict for each recalled row, in the JSON shape of a case: product, object, id, hits, texts, extra, joined.
    """
    pattern = catalogue.pattern_of(frozenset(strategy.objects))
    if pattern is None:
        raise ValueError(f"{'+'.join(strategy.objects)} is no declared pattern")
    cases = []
    for product in sorted(set(products)):
        candidates = {}
        for name in pattern.objects:
            of_product = [row for row in rows.get(catalogue.objects[name].entity, ()) if row["product"] == product]
            candidates[name] = object_rows(strategy, catalogue, name, of_product, published_from, published_to)
        joined: dict[Key, dict[str, dict[Key, Row]]] = {}
        for combination in combinations(catalogue, pattern, candidates):
            recalled = key_of(catalogue.entity_of(strategy.recall), combination[strategy.recall])
            rows_of_case = joined.setdefault(recalled, {name: {} for name in pattern.objects})
            for name, row in combination.items():
                rows_of_case[name][key_of(catalogue.entity_of(name), row)] = row
        cases += [_case(strategy, catalogue, pattern, product, joined[recalled]) for recalled in sorted(joined)]
    return cases


def key_of(entity: Entity, row: Row) -> Key:
    """The key of a row as typed values: numbers order as numbers, texts by code points."""
    return tuple(row[column] for column in entity.key)


def key_text(key: Key) -> str:
    """A key as text: its columns joined by `/`."""
    return "/".join(str(part) for part in key)


def _case(
    strategy: ResolvedStrategy, catalogue: Catalogue, pattern: Pattern, product: str, joined: Mapping[str, Mapping[Key, Row]]
) -> dict[str, Any]:
    """One case; what is told of another object than the recalled one is told of its first joined row, in key order."""
    keys = {name: sorted(joined[name]) for name in pattern.objects}
    first = {name: joined[name][keys[name][0]] for name in pattern.objects}
    hits: list[dict[str, Any]] = []
    texts: dict[str, str] = {}
    for name in pattern.objects:
        hits += _hits(strategy, name, first[name])
        texts |= _rule_texts(strategy, name, first[name])
    recalled = first[strategy.recall]
    entity = catalogue.entity_of(strategy.recall)
    extra = {}
    for column in entity.case_columns:
        if entity.columns[column].kind != "text":
            extra[column] = _json(recalled.get(column))
        elif recalled.get(column) is not None:
            texts[f"{strategy.recall}.{column}"] = recalled[column]
    others = [name for name in pattern.objects if name != strategy.recall]
    return {
        "product": product,
        "object": strategy.recall,
        "id": key_text(keys[strategy.recall][0]),
        "hits": hits,
        "texts": texts,
        "extra": extra,
        "joined": {name: {"rows": len(keys[name]), "keys": [key_text(key) for key in keys[name][:SHOWN_KEYS]]} for name in others},
    }


def _hits(strategy: ResolvedStrategy, name: str, row: Row) -> list[dict[str, Any]]:
    """Every word that hits a row through any `matches` rule of the object, also under `not`; each word of a list and feature once."""
    found = {
        (rule.feature.name, strategy.lists[str(rule.value)].id, place): rule
        for rule in rules_of(strategy.objects[name])
        if rule.match == "matches"
        for place in word_hits(rule, row, strategy.lists)
    }
    return [
        {"object": name, **shown_hit(strategy.lists[str(rule.value)], place, rule.feature, [row.get(part) for part in rule.feature.parts])}
        for (_, _, place), rule in sorted(found.items(), key=lambda hit: hit[0])
    ]


def _rule_texts(strategy: ResolvedStrategy, name: str, row: Row) -> dict[str, str]:
    """The texts that the object's rules look at; the parts of a composite one stand on lines of their own."""
    features = {rule.feature for rule in rules_of(strategy.objects[name]) if rule.feature.kind == "text"}
    found = {f"{name}.{feature.name}": shown_text([row.get(part) for part in feature.parts]) for feature in features}
    return {place: text for place, text in found.items() if text is not None}


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso_utc(value)
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, list | tuple) else value
