"""What rules may ask: the features of an entity, the matches that each kind allows, and the type of the value that each match takes.

A rule that passes here is well typed, so that no evaluator has to wonder what comparing a text with a number might mean.
"""

import math
from typing import Any

from srp_assets.errors import InvalidInput, nearest
from srp_assets.strategy.problems import shown
from srp_assets.strategy.resolved import Feature, Match, RuleValue, Scalar
from srp_assets.strategy.times import iso_utc, parse_time
from srp_assets.warehouse.catalogue import ColumnType, Entity, Kind

ORDERED: tuple[Match, ...] = ("=", "!=", "<", "<=", ">", ">=", "between")

MATCHES: dict[Kind, tuple[Match, ...]] = {
    "id": ("=", "in"),
    "enum": ("=", "in"),
    "text": ("matches", "contains"),
    "metric": ORDERED,
    "time": ORDERED,
    "array": ("contains_any", "contains_all"),
    "map": (),
    "flag": ("is",),
    "media": (),
}
"""The matches of each kind. A map is asked by one of its keys (see `MAP_VALUES`); media is only shown."""

MAP_VALUES: dict[ColumnType, tuple[Kind, ColumnType]] = {
    "map<string,string>": ("enum", "string"),
    "map<string,float64>": ("metric", "float64"),
}
"""The kind and type of what lies under a map's key."""

HIT_LISTS = "hit_lists"
"""An array feature of every entity that has texts: the standing word lists that hit a row in any of its texts. A rule on it names lists by
their ids, and is resolved into rules on the texts."""

SEVERAL: frozenset[Match] = frozenset({"in", "between", "contains_any", "contains_all"})
"""The matches whose value is a list."""

INT64 = range(-(2**63), 2**63)

EXAMPLES: dict[ColumnType, str] = {
    "int64": "a whole number, like 100",
    "float64": "a number, like 0.5",
    "string": 'a text, like "abc" (numbers and true/false need quotes)',
    "timestamp": "a time, like 2024-03-09 or 2024-03-09T14:30:00Z",
    "bool": "true or false",
}


def features_of(entity: Entity) -> dict[str, Feature]:
    """The features that the catalogue gives an entity: each column, and each composite of text columns."""
    basic = {name: Feature(name=name, kind=column.kind, type=column.value_type, parts=(name,)) for name, column in entity.columns.items()}
    composite = {name: Feature(name=name, kind="text", type="string", parts=feature.concat) for name, feature in entity.features.items()}
    return basic | composite


def text_features_of(entity: Entity) -> list[Feature]:
    """The text features that the catalogue gives an entity: where standing lists are looked for."""
    return [feature for feature in features_of(entity).values() if feature.kind == "text"]


def has_hit_lists(entity: Entity) -> bool:
    """Whether rules may ask an entity for `hit_lists`: it has texts, and no feature of its own has the name."""
    return bool(text_features_of(entity)) and HIT_LISTS not in features_of(entity)


def compared_as(feature: Feature) -> tuple[Kind, ColumnType]:
    """The kind and type that a rule on the feature compares: those under a map's key, the elements of an array, or its own."""
    if feature.type == "list<string>":
        return feature.kind, "string"
    return MAP_VALUES.get(feature.type, (feature.kind, feature.type))


def check_match(feature: Feature, match: str, key: str | None) -> Match:
    """The match of a rule, which the feature's kind allows, asked with a key exactly if the feature is a map.

    Raises:
        InvalidInput: saying what would be valid.
    """
    is_map = feature.type in MAP_VALUES
    if is_map and key is None:
        raise InvalidInput(f"feature {feature.name!r} is a map and needs a key", remedy="name the entry, like key: spam")
    if key is not None and not is_map:
        raise InvalidInput(f"feature {feature.name!r} is of kind {feature.kind} and takes no key", remedy="leave the key out")
    kind, _ = compared_as(feature)
    if not MATCHES[kind]:
        raise InvalidInput(f"feature {feature.name!r} is of kind {kind}, which no rule can ask", remedy="use another feature")
    for allowed in MATCHES[kind]:
        if match == allowed:
            return allowed
    raise InvalidInput(f"match {match!r} does not fit feature {feature.name!r} of kind {kind}", remedy=_matches_remedy(match, kind))


def _matches_remedy(match: str, kind: Kind) -> str:
    """The nearest match of a kind; a sign is near to nothing, so all are named for it."""
    return nearest(match, MATCHES[kind]) if match.isidentifier() else "valid: " + ", ".join(MATCHES[kind])


def typed_value(feature: Feature, match: Match, value: Any, allowed: tuple[str, ...] = ()) -> RuleValue:
    """The value of a rule in the feature's own type; repeated elements of a list count once.

    Args:
        feature: what the rule looks at.
        match: a match that the feature allows, other than `matches`.
        value: as written.
        allowed: the values that an enum declares; none means any.

    Raises:
        InvalidInput: if the value does not fit, saying what would.
    """
    _, type_ = compared_as(feature)
    if match not in SEVERAL:
        if isinstance(value, list | tuple):
            raise InvalidInput(f"match {match!r} takes one value, not a list", remedy=f"write {EXAMPLES[type_]}")
        return _typed(type_, value, match, allowed)
    if not isinstance(value, list | tuple):
        raise InvalidInput(
            f"match {match!r} takes a list of values", remedy="write [" + ("low, high" if match == "between" else "a, b") + "]"
        )
    values = tuple(_typed(type_, element, match, allowed) for element in value)
    if match != "between":
        if not values:
            raise InvalidInput(f"match {match!r} needs at least one value")
        return tuple(dict.fromkeys(values))
    if len(values) != 2:
        raise InvalidInput("match 'between' takes two values, the lowest and the highest that fit", remedy="write [low, high]")
    if _order(type_, values[0]) > _order(type_, values[1]):
        raise InvalidInput(f"no value lies between {values[0]} and {values[1]}", remedy="write the lower bound first")
    return values


def _order(type_: ColumnType, value: Scalar) -> Any:
    return parse_time(str(value)) if type_ == "timestamp" else value


def _typed(type_: ColumnType, value: Any, match: Match, allowed: tuple[str, ...]) -> Scalar:
    typed = _fitting(type_, value)
    if typed is None:
        raise InvalidInput(f"{shown(value)} does not fit type {type_}", remedy=f"write {EXAMPLES[type_]}")
    if match == "contains" and typed == "":
        raise InvalidInput("every text contains the empty text", remedy="write the text to look for")
    if allowed and str(typed) not in allowed:
        raise InvalidInput(f"{shown(value)} is not among the declared values", remedy=nearest(str(typed), allowed))
    return typed


def _fitting(type_: ColumnType, value: Any) -> Scalar | None:
    """A value in a type; None if it does not fit. A whole float fits int64, every finite number float64."""
    if type_ == "bool":
        return value if isinstance(value, bool) else None
    if type_ in ("int64", "float64"):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        try:
            number = float(value)
        except OverflowError:
            return None
        if type_ == "float64":
            return number if math.isfinite(number) else None
        return int(value) if math.isfinite(number) and value == int(value) and int(value) in INT64 else None
    if not isinstance(value, str) or type_ != "timestamp":
        return value if isinstance(value, str) else None
    try:
        return iso_utc(parse_time(value))
    except ValueError:
        return None
