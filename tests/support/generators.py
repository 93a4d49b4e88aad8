"""Hypothesis strategies for any catalogue: rows, ingests of their versions, word lists, resolved strategies, batches of them.

Hypothesis draws sizes and seeds, everything else follows from them. Values come from small pools that rows, rules and word lists share,
so that rules hit, rows join and bounds are met exactly. Everything is built backwards from the catalogue: a generated rule is well typed
by construction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from typing import Any

from hypothesis import strategies as st

from srp_assets.strategy.features import MAP_VALUES, MATCHES, compared_as, features_of
from srp_assets.strategy.resolved import AllOf, AnyOf, Feature, Node, Not, ResolvedStrategy, Rule, rules_of
from srp_assets.strategy.times import iso_utc
from srp_assets.warehouse.catalogue import Catalogue, Column, ColumnType, Entity, Pattern
from srp_assets.wordlists.resolved import ExemptGroup, ResolvedList

Row = dict[str, Any]
Rows = dict[str, list[Row]]

PRODUCTS = ("alpha", "beta")
"""The products of a catalogue that is open to any."""

TOKENS = ("free", "gift", "Free", "help", "homework", "no", "作业", "免费", "café", "ＦＲＥＥ", "👍")
NAMES = ("a", "b", "A", "北京")
MAP_KEYS = ("spam", "toxic")
TIMES = tuple(
    datetime(2024, month, day, hour, minute, tzinfo=UTC) + timedelta(microseconds=microsecond)
    for month, day, hour, minute, microsecond in (
        (1, 1, 0, 0, 0),
        (1, 31, 23, 59, 59_999_999),
        (2, 1, 0, 0, 0),
        (2, 1, 0, 0, 1),
        (2, 29, 12, 30, 0),
        (3, 1, 0, 0, 0),
    )
)
POOLS: Mapping[ColumnType, Sequence[Any]] = {
    "int64": (0, 1, 2, 3, 4, -1),
    "float64": (0.0, 0.25, 0.5, 1.0, -1.5),
    "string": NAMES,
    "timestamp": TIMES,
    "bool": (False, True),
}
IDS: Mapping[ColumnType, Sequence[Any]] = {
    "int64": (9, 10, 2, 100, 11, 1, 3, -1, 20, 12, 4, 5, 30, 6, 7, 200),
    "string": ("b", "a", "A", "北京", "é", "10", "9", "1", "c", "d", "2", "e", "f", "g", "h", "i"),
}
"""The first ones more often, so that some rows join many; of different lengths, so that the order of numbers is not that of their texts."""

NULL_SHARE = 0.15

SEEDS = st.integers(0, 2**32 - 1)
"""What most of an example follows from. Drawing each value by itself took ten times as long."""

FIRST_UPDATE = datetime(2024, 6, 1, tzinfo=UTC)


def _scalar(random: Random, type_: ColumnType, allowed: Sequence[str] = (), *, is_id: bool = False) -> Any:
    """A value of a type as a row holds it (a time as a datetime)."""
    pool = _pool(type_, allowed, is_id=is_id)
    return pool[int(len(pool) * random.random() ** 3)] if is_id else random.choice(pool)


def _pool(type_: ColumnType, allowed: Sequence[str] = (), *, is_id: bool = False) -> Sequence[Any]:
    if allowed:
        return [int(value) for value in allowed] if type_ == "int64" else allowed
    if is_id and type_ in IDS:
        return IDS[type_]
    return POOLS[type_]


def _value(random: Random, column: Column, null_share: float = NULL_SHARE) -> Any:
    """A value that a column may hold; null now and then unless it is required."""
    if not column.required and random.random() < null_share:
        return None
    type_ = column.value_type
    if column.kind == "text":
        return " ".join(random.choices(TOKENS, k=random.randrange(5)))
    if type_ == "list<string>":
        return random.choices(NAMES, k=random.randrange(4))
    if type_ in MAP_VALUES:
        return {key: _scalar(random, MAP_VALUES[type_][1]) for key in MAP_KEYS if random.random() < 0.6}
    return _scalar(random, type_, column.values, is_id=column.kind == "id")


def products_of(catalogue: Catalogue) -> tuple[str, ...]:
    """The products that generated rows belong to."""
    return PRODUCTS if catalogue.products == "open" else catalogue.products


def _identities(catalogue: Catalogue, entity: Entity, random: Random) -> list[Row]:
    """Every product and key that a generated row may have, in random order, but so that the ids that many rows name come early."""
    pools = [list(enumerate(_pool(entity.columns[name].value_type, is_id=True))) for name in entity.key]
    places = {}
    for name, *key in product(products_of(catalogue), *pools):
        identity = (name, *(value for _, value in key))
        places[identity] = sum(place for place, _ in key) + random.random() * 6
    return [dict(zip(("product", *entity.key), identity, strict=True)) for identity in sorted(places, key=places.__getitem__)]


def _entity_row(random: Random, catalogue: Catalogue, entity: Entity, identity: Row) -> Row:
    """One row of an entity with a given product and key; each role has its share of the rows, and most rows are visible."""
    of_roles = {condition.column for object_ in catalogue.objects.values() for condition in object_.where}
    row = {"product": identity["product"]}
    for name, column in entity.columns.items():
        row[name] = _value(random, column, 0.5 if name in of_roles else NULL_SHARE)
    if entity.visible and not entity.columns[entity.visible.column].required and not entity.is_visible(row) and random.random() < 0.5:
        row[entity.visible.column] = None
    return row | identity


@st.composite
def table_rows(draw: st.DrawFn, catalogue: Catalogue, *, max_rows: int = 30) -> Rows:
    """The newest versions of all rows, by entity: keys are unique within a product; null, hidden, orphaned and joined rows among them.

    Only the numbers of rows and one seed are drawn, each row follows from the seed and its place: this is quick. What is drawn is how
    many rows are missing, because Hypothesis prefers small numbers, and sparse rows would seldom join.
    """
    seed = draw(SEEDS)
    rows: Rows = {}
    for name, entity in catalogue.entities.items():
        identities = _identities(catalogue, entity, Random(f"{seed} {name}"))
        most = min(max_rows, len(identities))
        count = most - draw(st.integers(0, most))
        rows[name] = [
            _entity_row(Random(f"{seed} {name} {place}"), catalogue, entity, identity) for place, identity in enumerate(identities[:count])
        ]
    return rows


@dataclass(frozen=True)
class Ingest:
    """What one ingest lands: rows of one product (without the column `product`), by entity."""

    product: str
    rows: Rows


@st.composite
def ingests(draw: st.DrawFn, catalogue: Catalogue, *, max_rows: int = 30, rounds: int = 3) -> tuple[list[Ingest], Rows]:
    """A history of ingests, and the newest versions that must be in the tables after it.

    Older versions differ anywhere but in their key: another publish time makes a row move, another visibility hides it again. Where the
    entity says when it was updated, versions land in any order, and exact duplicates land again at any time; elsewhere the last one
    landed is the newest, so versions land in their order and duplicates within one ingest.
    """
    newest = draw(table_rows(catalogue, max_rows=max_rows))
    random = Random(draw(SEEDS))
    landed: dict[tuple[int, str], Rows] = {}
    for entity_name, rows in newest.items():
        entity = catalogue.entities[entity_name]
        for place, row in enumerate(rows):
            identity = {name: row[name] for name in ("product", *entity.key)}
            versions = [*(_entity_row(random, catalogue, entity, identity) for _ in range(random.choice((0, 0, 0, 1, 2)))), row]
            if entity.updated_at:
                versions = [
                    version | {entity.updated_at: FIRST_UPDATE + timedelta(days=place, seconds=number)}
                    for number, version in enumerate(versions)
                ]
                rows[place] = versions[-1]
                copies = [version for version in versions for _ in range(random.choice((1, 1, 1, 2)))]
                landings = [(random.randrange(rounds), version) for version in copies]
            else:
                order = sorted(random.sample(range(rounds), k=len(versions)))
                landings = [
                    (number, version) for number, version in zip(order, versions, strict=True) for _ in range(random.choice((1, 1, 1, 2)))
                ]
            for number, version in landings:
                own = {column: value for column, value in version.items() if column != "product"}
                landed.setdefault((number, row["product"]), {}).setdefault(entity_name, []).append(own)
    return [Ingest(product_, landed[number, product_]) for number, product_ in sorted(landed)], newest


TRANSFORMS = ((), (), ("normalize",), ("simplify", "normalize"))


def _word(random: Random) -> str:
    """A plain or logical word over the tokens that texts are made of."""
    first, second = random.sample(TOKENS, k=2)
    return random.choice((first, first, f"{first}&{second}", f"{first}&{first}", f"{first}|{second}", f"{first}~{second}"))


def _list(random: Random, number: int) -> ResolvedList:
    exempt = ExemptGroup(words=(_word(random),), transforms=random.choice(TRANSFORMS), case_sensitive=random.random() < 0.5)
    return ResolvedList(
        id=f"list-{number // 2}",
        version=number % 2 + 1,
        words=tuple(dict.fromkeys(_word(random) for _ in range(random.randint(1, 3)))),
        transforms=random.choice(TRANSFORMS),
        case_sensitive=random.random() < 0.5,
        exempt=(exempt,) if random.random() < 0.4 else (),
    )


@st.composite
def resolved_lists(draw: st.DrawFn, *, max_size: int = 3) -> tuple[ResolvedList, ...]:
    """The word lists that a batch of strategies shares; some have exempt words, transforms, or a second version."""
    random = Random(draw(SEEDS))
    return tuple(_list(random, number) for number in range(draw(st.integers(1, max_size))))


def list_key(list_: ResolvedList) -> str:
    """How a resolved strategy names a list."""
    return f"{list_.id}@{list_.version}"


def random_rule(random: Random, entity: Entity, list_keys: Sequence[str]) -> Rule:
    """Any well-typed rule on any feature of an entity, composite features that are documents among them."""
    by_kind: dict[str, list[Feature]] = {}
    for feature in features_of(entity).values():
        if MATCHES[compared_as(feature)[0]]:
            by_kind.setdefault(feature.kind, []).append(feature)
    if len(by_kind.get("text", ())) > 1:
        own = [feature.name for feature in by_kind["text"] if len(feature.parts) == 1]
        by_kind["text"].append(Feature(name="joined-texts", kind="text", type="string", parts=(own[-1], own[0])))
    kinds = sorted(by_kind)
    feature = random.choice(by_kind[random.choice([*kinds, "text"] if "text" in by_kind else kinds)])
    match = random.choice(MATCHES[compared_as(feature)[0]])
    key = random.choice((*MAP_KEYS, "absent")) if feature.type in MAP_VALUES else None
    return Rule(feature=feature, match=match, value=_rule_value(random, entity, feature, match, list_keys), key=key)


def _rule_value(random: Random, entity: Entity, feature: Feature, match: str, list_keys: Sequence[str]) -> Any:
    if match == "matches":
        return random.choice(list_keys)
    if match == "contains":
        return random.choice((*TOKENS, " ", "\n", "e g"))
    column = entity.columns.get(feature.name)
    _, type_ = compared_as(feature)
    pool = _pool(type_, column.values if column else (), is_id=feature.kind == "id")
    if match == "between":
        bounds = sorted(random.choices(pool, k=2))
        return tuple(iso_utc(bound) if type_ == "timestamp" else bound for bound in bounds)
    if match in ("in", "contains_any", "contains_all"):
        return tuple(random.sample(list(pool), k=random.randint(1, min(4, len(pool)))))
    value = random.choice(pool)
    return iso_utc(value) if type_ == "timestamp" else value


def random_node(random: Random, entity: Entity, list_keys: Sequence[str], rules: int) -> Node:
    """Nested logic of a number of rules of one entity."""
    if rules == 1:
        node: Node = random_rule(random, entity, list_keys)
    else:
        sizes = [1] * random.randint(1, min(3, rules))
        for _ in range(rules - len(sizes)):
            sizes[random.randrange(len(sizes))] += 1
        if len(sizes) == 1:
            sizes = [rules - 1, 1]
        children = tuple(random_node(random, entity, list_keys, size) for size in sizes)
        node = AllOf(all=children) if random.random() < 0.4 else AnyOf(any=children)
    return Not(not_=node) if random.random() < 0.2 else node


@st.composite
def resolved_strategies(
    draw: st.DrawFn, catalogue: Catalogue, lists: Sequence[ResolvedList], *, name: str = "strategy", pattern: Pattern | None = None
) -> ResolvedStrategy:
    """A strategy over a declared pattern (any, unless one is given), recalling any of its objects; objects without rules among them.

    Drawn are a seed and how many rules its objects have: a failing example shrinks to little logic.
    """
    random = Random(draw(SEEDS))
    most = draw(st.integers(1, 5))
    pattern = pattern or random.choice(catalogue.patterns)
    list_keys = [list_key(list_) for list_ in lists]
    ruled = {random.choice(pattern.objects), random.choice(pattern.objects)}
    objects = {
        object_name: random_node(random, catalogue.entity_of(object_name), list_keys, random.randint(1, most))
        if object_name in ruled
        else None
        for object_name in pattern.objects
    }
    used = {rule.value for node in objects.values() for rule in rules_of(node) if rule.match == "matches"}
    return ResolvedStrategy(
        id=name,
        version=1,
        products="*",
        recall=random.choice(pattern.objects),
        objects=objects,
        lists={list_key(list_): list_ for list_ in lists if list_key(list_) in used},
        documents={f"strategy/{name}": 1},
    )


@dataclass(frozen=True)
class Task:
    """A strategy with where and over which publish times of the recalled object it runs."""

    strategy: ResolvedStrategy
    products: tuple[str, ...]
    published_from: datetime | None
    published_to: datetime | None


@st.composite
def batches(draw: st.DrawFn, catalogue: Catalogue, *, max_size: int = 20, same_pattern: bool = False) -> list[Task]:
    """Up to `max_size` tasks that share their word lists, as a batch does; now and then two tasks share their whole strategy."""
    lists = draw(resolved_lists())
    random = Random(draw(SEEDS))
    pattern = random.choice(catalogue.patterns) if same_pattern else None
    tasks: list[Task] = []
    for number in range(draw(st.integers(1, max_size))):
        strategy = draw(resolved_strategies(catalogue, lists, name=f"strategy-{number}", pattern=pattern))
        if tasks and random.random() < 0.1:
            strategy = random.choice(tasks).strategy
        names = products_of(catalogue)
        products = random.sample(names, k=random.randint(1, len(names)))
        bounds = [random.choice(TIMES) if random.random() < 0.2 else None for _ in range(2)]
        tasks.append(Task(strategy, tuple(products), *bounds))
    return tasks
