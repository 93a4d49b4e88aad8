"""From declarations to features: each window by itself, every name looked up, in an order in which inputs come first, with a version.

A feature's version is the digest of everything that its values depend on, its inputs and keys included; words for people are not part of
it. Two features with the same version are computed alike, whatever their names.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

from srp_assets.errors import InvalidInput, nearest
from srp_assets.features.declaration.columns import COMPUTED_COLUMNS, EVENT_COLUMNS, REQUEST_COLUMNS, ValueType
from srp_assets.features.declaration.functions import FUNCTIONS
from srp_assets.features.declaration.model import (
    FORMAT,
    SESSION,
    Aggregated,
    AttributeSource,
    Count,
    DecayedSum,
    Derived,
    Distinct,
    EntityKeys,
    Entropy,
    EventFilter,
    FeatureDocument,
    Last,
    Mean,
    Rate,
    Shift,
    Sum,
    Top,
    Window,
)

NUMBER_COLUMNS = (Sum, Mean, DecayedSum)
TEXT_COLUMNS = (Distinct, Top, Entropy, Shift)
OF_SESSIONS = (Count, Sum, Mean, Rate, Last, Distinct)
"""What a session window is for: a session is short, so decay, rankings and shares of it say nothing."""

VERSION_LETTERS = 16
FOR_PEOPLE = {"name", "description", "owner", "windows"}


@dataclass(frozen=True)
class Feature:
    """One feature.

    Args:
        name: its declaration's, with the window: `user_clicks_7d`, `user_clicks_session`.
        declared: the declaration.
        window: days, `session`, or None where it has none.
        value_type: what its values are.
        inputs: the names that a derived feature reads.
        owner: who answers for it.
        version: digest of its definition.
    """

    name: str
    declared: Aggregated | Derived
    window: Window | None
    value_type: ValueType
    inputs: tuple[str, ...]
    owner: str
    version: str

    @property
    def entity(self) -> str:
        """What it is about; `derived` where it is derived from others."""
        return self.declared.entity if isinstance(self.declared, Aggregated) else "derived"

    @property
    def is_of_session(self) -> bool:
        """Whether its window is the running session."""
        return self.window == SESSION


@dataclass(frozen=True)
class Definitions:
    """All features of a document, inputs before what is derived from them."""

    name: str
    attributes: Mapping[str, AttributeSource] = field(repr=False)
    entities: Mapping[str, tuple[str, ...]] = field(repr=False)
    features: Mapping[str, Feature] = field(repr=False)
    event_columns: Mapping[str, ValueType] = field(repr=False)
    request_columns: Mapping[str, ValueType] = field(repr=False)
    aggregated: tuple[Feature, ...] = field(init=False, repr=False)
    derived: tuple[Feature, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        features = self.features.values()
        object.__setattr__(self, "aggregated", tuple(found for found in features if isinstance(found.declared, Aggregated)))
        object.__setattr__(self, "derived", tuple(found for found in features if isinstance(found.declared, Derived)))

    @cached_property
    def lookback_days(self) -> int:
        """The longest window, in days."""
        windows = [feature.window for feature in self.aggregated if isinstance(feature.window, int)]
        compared = [feature.declared.compared_days for feature in self.aggregated if isinstance(feature.declared, Shift)]
        return max([*windows, *compared], default=1)

    @cached_property
    def digest(self) -> str:
        """Identity of all definitions together, whatever their order."""
        return _digest(sorted((feature.name, feature.version) for feature in self.features.values()))

    def selected(self, names: Iterable[str]) -> "Definitions":
        """The features of these names and what they are derived from.

        Raises:
            InvalidInput: if there is no feature of a name.
        """
        wanted: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name in self.request_columns or name in wanted:
                continue
            if name not in self.features:
                raise InvalidInput(f"there is no feature {name!r}", where=self.name, remedy=nearest(name, self.features))
            wanted.add(name)
            waiting.extend(self.features[name].inputs)
        features = {name: feature for name, feature in self.features.items() if name in wanted}
        return Definitions(self.name, self.attributes, self.entities, features, self.event_columns, self.request_columns)

    def sources_of(self, names: Iterable[str]) -> tuple[str, ...]:
        """The sources of attributes from which the features of these names come, by themselves or through others.

        Raises:
            InvalidInput: if there is no feature of a name.
        """
        used: set[str] = set()
        for feature in self.selected(names).features.values():
            used |= {*feature.inputs, *_columns_of(feature.declared)}
            if isinstance(feature.declared, Aggregated):
                used |= set(self.entities[feature.declared.entity])
        return tuple(name for name, source in self.attributes.items() if used.intersection(source.columns))


def resolve(document: FeatureDocument) -> Definitions:
    """Every feature of a document.

    Raises:
        InvalidInput: where names or types do not fit, with the place in the document and what would be valid.
    """
    attributes = _attribute_types(document)
    added = {**document.context, **attributes}
    event_columns: dict[str, ValueType] = EVENT_COLUMNS | added
    request_columns: dict[str, ValueType] = REQUEST_COLUMNS | added
    for name, entity in document.entities.items():
        _check_entity(name, entity, event_columns, request_columns)
    for part in ("costs", "explore"):
        for name in getattr(document.automatic, part):
            if name not in document.entities:
                raise InvalidInput(f"there is no entity {name!r}", where=f"automatic.{part}", remedy=nearest(name, document.entities))
    for name in {kind for kinds in document.automatic.explore.values() for kind in kinds}:
        if name not in document.events:
            raise InvalidInput(f"there is no event {name!r}", where="automatic.explore", remedy=nearest(name, document.events))
    drafts: dict[str, tuple[str, Aggregated | Derived, Window | None]] = {}
    for number, declared in enumerate(document.features):
        place = f"features[{number}] ({declared.name})"
        if isinstance(declared, Aggregated):
            _check_aggregated(document, declared, event_columns, place)
        for name, window in _names(declared):
            if name in drafts or name in request_columns or name in event_columns:
                raise InvalidInput(f"the name {name!r} is taken", where=place, remedy="choose another name")
            drafts[name] = (place, declared, window)
    features: dict[str, Feature] = {}
    for name in _inputs_first(drafts, request_columns):
        place, draft, window = drafts[name]
        inputs = _inputs(draft, window)
        types = [request_columns[source] if source in request_columns else features[source].value_type for source in inputs]
        value_type = _aggregated_type(draft, event_columns) if isinstance(draft, Aggregated) else _derived_type(draft, types, place)
        _check_default(draft, value_type, place)
        version = _version(document, draft, window, inputs, features)
        features[name] = Feature(name, draft, window, value_type, inputs, draft.owner or document.owner, version)
    entities = {name: entity.keys for name, entity in document.entities.items()}
    return Definitions(document.name, document.attributes, entities, features, event_columns, request_columns)


def _attribute_types(document: FeatureDocument) -> dict[str, ValueType]:
    types: dict[str, ValueType] = {}
    for source_name, source in document.attributes.items():
        where = f"attributes.{source_name}"
        if EVENT_COLUMNS.get(source.key) != "text" or source.key in COMPUTED_COLUMNS:
            raise InvalidInput(
                f"{source.key!r} is no key of events", where=f"{where}.key", remedy=nearest(source.key, _keys(EVENT_COLUMNS))
            )
        for name, attribute in source.columns.items():
            if name in EVENT_COLUMNS or name in REQUEST_COLUMNS or name in types or name in document.context:
                raise InvalidInput(f"the name {name!r} is taken", where=f"{where}.columns", remedy="choose another name")
            types[name] = attribute.type
    return types


def _keys(columns: Mapping[str, ValueType]) -> list[str]:
    return [name for name, type_ in columns.items() if type_ == "text"]


def _check_entity(name: str, entity: EntityKeys, event_columns: Mapping[str, ValueType], request_columns: Mapping[str, ValueType]) -> None:
    both = [key for key in _keys(event_columns) if key in request_columns]
    for key in entity.keys:
        if key not in both:
            raise InvalidInput(f"{key!r} is no text of events and requests", where=f"entities.{name}.keys", remedy=nearest(key, both))
    if len(set(entity.keys)) < len(entity.keys):
        raise InvalidInput("a key stands twice", where=f"entities.{name}.keys", remedy="remove one")


def _check_aggregated(document: FeatureDocument, declared: Aggregated, columns: Mapping[str, ValueType], place: str) -> None:
    if declared.entity not in document.entities:
        remedy = nearest(declared.entity, document.entities)
        raise InvalidInput(f"there is no entity {declared.entity!r}", where=f"{place}.entity", remedy=remedy)
    for filter_place, filter_ in _filters(declared):
        for kind in filter_.kinds:
            if kind not in document.events:
                raise InvalidInput(f"there is no event {kind!r}", where=f"{place}.{filter_place}", remedy=nearest(kind, document.events))
        for test in filter_.where:
            _check_test(test.column, test.value, columns, f"{place}.{filter_place}.where")
    column = getattr(declared, "column", None)
    if column is not None:
        wanted = (
            ["number", "text", "time"] if isinstance(declared, Last) else ["number" if isinstance(declared, NUMBER_COLUMNS) else "text"]
        )
        valid = [name for name, type_ in columns.items() if type_ in wanted]
        if column not in valid:
            raise InvalidInput(f"{column!r} is no {' or '.join(wanted)} of events", where=f"{place}.column", remedy=nearest(column, valid))
    keys = document.entities[declared.entity].keys
    if isinstance(declared, TEXT_COLUMNS) and column in keys:
        raise InvalidInput(f"{column!r} is a key of {declared.entity}", where=f"{place}.column", remedy="its value is always the same")
    if SESSION in declared.windows and (keys != ("user_id",) or not isinstance(declared, OF_SESSIONS)):
        names = "count, sum, mean, rate, last and distinct of an entity whose key is user_id alone"
        raise InvalidInput("there is no session of that", where=f"{place}.windows", remedy=f"sessions are for {names}")


def _check_test(column: str, value: Any, columns: Mapping[str, ValueType], place: str) -> None:
    valid = [name for name, type_ in columns.items() if type_ in ("number", "text")]
    if column not in valid:
        raise InvalidInput(f"{column!r} is no number or text of events", where=place, remedy=nearest(column, valid))
    if value is not None and isinstance(value, str) != (columns[column] == "text"):
        raise InvalidInput(f"{column!r} is a {columns[column]}", where=place, remedy=f"compare it with a {columns[column]}")


def _filters(declared: Aggregated) -> Iterator[tuple[str, EventFilter]]:
    yield "event", declared.event
    if isinstance(declared, Rate):
        yield "of", declared.of


def _suffix(window: Window) -> str:
    return SESSION if window == SESSION else f"{window}d"


def _names(declared: Aggregated | Derived) -> Iterator[tuple[str, Window | None]]:
    if not declared.windows:
        yield declared.name, None
    for window in declared.windows:
        yield f"{declared.name}_{_suffix(window)}", window


def _inputs(declared: Aggregated | Derived, window: Window | None) -> tuple[str, ...]:
    if isinstance(declared, Aggregated):
        return ()
    suffix = "" if window is None else _suffix(window)
    return tuple(name.replace("{window}", suffix) for name in declared.inputs)


def _inputs_first(
    drafts: Mapping[str, tuple[str, Aggregated | Derived, Window | None]], request_columns: Mapping[str, ValueType]
) -> Iterator[str]:
    """The names of all features, each after its inputs, otherwise in the order of the document."""
    done: set[str] = set()
    for first in drafts:
        path = [first]
        while path:
            place, declared, window = drafts[path[-1]]
            sources = [name for name in _inputs(declared, window) if name not in request_columns and name not in done]
            if path[-1] in done or not sources:
                name = path.pop()
                if name not in done:
                    done.add(name)
                    yield name
                continue
            if sources[0] not in drafts:
                valid = [*drafts, *request_columns]
                raise InvalidInput(f"there is no input {sources[0]!r}", where=f"{place}.inputs", remedy=nearest(sources[0], valid))
            if sources[0] in path:
                raise InvalidInput(
                    f"{sources[0]!r} is derived from itself", where=f"{place}.inputs", remedy="derive it from other features"
                )
            path.append(sources[0])


def _aggregated_type(declared: Aggregated, columns: Mapping[str, ValueType]) -> ValueType:
    if isinstance(declared, Last):
        return columns[declared.column]
    return "texts" if isinstance(declared, Top) else "number"


def _derived_type(declared: Derived, types: Sequence[ValueType], place: str) -> ValueType:
    function = FUNCTIONS[declared.function]
    for number, found in enumerate(types):
        expected = function.inputs[min(number, len(function.inputs) - 1)]
        if expected is not None and found != expected:
            raise InvalidInput(
                f"{declared.function} takes a {expected} there, not a {found}",
                where=f"{place}.inputs[{number}]",
                remedy=f"{declared.function}: {function.meaning}",
            )
    return function.result or types[0]


def _check_default(declared: Aggregated | Derived, value_type: ValueType, place: str) -> None:
    types: dict[ValueType, type] = {"number": float, "text": str, "texts": tuple, "time": type(None)}
    if declared.default is not None and not isinstance(declared.default, types[value_type]):
        wanted = "null" if value_type == "time" else f"a {value_type}"
        raise InvalidInput(f"the default of a {value_type} is {wanted}, or null", where=f"{place}.default", remedy="correct it")


def _version(
    document: FeatureDocument,
    declared: Aggregated | Derived,
    window: Window | None,
    inputs: Sequence[str],
    features: Mapping[str, Feature],
) -> str:
    """Digest of what the values depend on; inputs that are features stand by their versions."""
    content: dict[str, Any] = {"format": FORMAT, "window": window} | declared.model_dump(
        mode="json", exclude=FOR_PEOPLE | {"inputs", "entity"}
    )
    used = set(_columns_of(declared)) | set(inputs)
    if isinstance(declared, Aggregated):
        content["keys"] = document.entities[declared.entity].keys
        used |= set(document.entities[declared.entity].keys)
    content["inputs"] = [features[name].version if name in features else name for name in inputs]
    content["attributes"] = [
        (name, source_name, source.key, attribute.type, attribute.column)
        for source_name, source in sorted(document.attributes.items())
        for name, attribute in sorted(source.columns.items())
        if name in used
    ]
    return _digest(content)[:VERSION_LETTERS]


def _columns_of(declared: Aggregated | Derived) -> Iterator[str]:
    if isinstance(declared, Aggregated):
        if column := getattr(declared, "column", None):
            yield column
        for _, filter_ in _filters(declared):
            yield from (test.column for test in filter_.where)


def _digest(content: Any) -> str:
    return sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
