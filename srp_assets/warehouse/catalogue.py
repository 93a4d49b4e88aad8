"""The catalogue: what a platform holds, declared in one YAML file, validated once at the border.

It declares products, entities with their columns, filtered objects (an entity in a role), relations between them, patterns and the
partition unit. Nothing else in the code knows the word "post". Strategies are validated against it, tables are created from it.
"""

from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from srp_assets.declarations import read_declaration
from srp_assets.errors import InvalidInput, nearest
from srp_assets.warehouse.periods import Unit, start_of

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
ProductName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]

Kind = Literal["id", "text", "metric", "enum", "array", "map", "media", "time", "flag"]
ColumnType = Literal["int64", "float64", "string", "timestamp", "bool", "list<string>", "map<string,string>", "map<string,float64>"]

TYPES_OF_KIND: dict[Kind, tuple[ColumnType, ...]] = {
    "id": ("string", "int64"),
    "text": ("string",),
    "metric": ("int64", "float64"),
    "enum": ("string", "int64"),
    "array": ("list<string>",),
    "map": ("map<string,string>", "map<string,float64>"),
    "media": ("string",),
    "time": ("timestamp",),
    "flag": ("bool",),
}
"""The types a column of each kind may have; the first is the default."""

RESERVED_COLUMNS = frozenset({"product", "visible", "period", "landed_at", "source", "source_row", "row_hash", "moved_to", "bucket"})


class Strict(BaseModel):
    """Base of everything that users write: unknown keys are refused, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(Strict):
    """One column of an entity.

    `sources` are the names under which raw rows may carry it (its own name always counts); `formats` are strptime formats of a time
    that is not ISO 8601; `required` forbids null; `values` lists what an enum may hold (open if empty); `bounds` are where one bucket of
    a metric's distribution ends and the next begins (`[100, 1000]`: below 100, 100 to below 1000, from 1000 on); `least` and `most` are
    the numbers that make sense: others land all the same, and a check warns of them.
    """

    kind: Kind
    type: ColumnType | None = None
    required: bool = False
    unit: str | None = None
    values: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    bounds: tuple[int | float, ...] = ()
    least: float | None = None
    most: float | None = None
    description: str

    @property
    def value_type(self) -> ColumnType:
        """The declared type, or the kind's default."""
        return self.type or TYPES_OF_KIND[self.kind][0]

    @model_validator(mode="after")
    def _type_fits_kind(self) -> Self:
        if self.value_type not in TYPES_OF_KIND[self.kind]:
            raise ValueError(f"type {self.type} does not fit kind {self.kind}; valid: {', '.join(TYPES_OF_KIND[self.kind])}")
        if self.values and self.kind != "enum":
            raise ValueError("only an enum lists values")
        if self.formats and self.kind != "time":
            raise ValueError("only a time has formats")
        if self.bounds and self.kind != "metric":
            raise ValueError("only a metric has bounds")
        if (self.least, self.most) != (None, None) and self.kind != "metric":
            raise ValueError("only a metric has least and most")
        if self.least is not None and self.most is not None and not self.least <= self.most:
            raise ValueError("least must not be above most")
        if any(not low < high for low, high in pairwise(self.bounds)):
            raise ValueError("bounds must ascend")
        return self


class Condition(Strict):
    """A test of one column against null or a value: the predicate of a role or of visibility. A null equals nothing."""

    column: Name
    test: Literal["is_null", "is_not_null", "equals", "not_equals"]
    value: str | int | bool | None = None

    @model_validator(mode="after")
    def _value_where_compared(self) -> Self:
        if (self.value is None) != self.test.endswith("null"):
            raise ValueError(f"test {self.test} {'needs a value' if self.value is None else 'takes no value'}")
        return self

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether a row satisfies the condition (two-valued: null equals nothing, and is different from every value)."""
        value = row.get(self.column)
        if self.test == "is_null":
            return value is None
        if self.test == "is_not_null":
            return value is not None
        return (value is not None and value == self.value) == (self.test == "equals")


class RootLookup(Strict):
    """How the bucket key of a row is found when the raw row does not carry it.

    The raw row's `column` holds the key of a row of one of `entities`, tried in this order; the bucket key is that row's bucket key.
    Until it has landed the row is pending. `keep` names, by entity, the column that keeps the found row's own key.
    """

    column: Name
    entities: tuple[Name, ...] = Field(min_length=1)
    keep: dict[Name, Name] = {}


class CompositeFeature(Strict):
    """A text feature made of several text columns; no simple word matches across the seam between its parts."""

    concat: tuple[Name, ...] = Field(min_length=2)
    description: str = ""


class Entity(Strict):
    """A general object: one table, all products.

    `key` identifies a row within a product; `bucket_key` is the column that its table is bucketed and joined on; `updated_at`, where the
    source has one, decides which version is newest; `visible` is the condition for visible rows (all are, where it is missing);
    `case_columns` are shown with every case.
    """

    description: str
    key: tuple[Name, ...] = Field(min_length=1)
    bucket_key: Name
    buckets: int = Field(1, ge=1, le=4096)
    publish_time: Name
    updated_at: Name | None = None
    visible: Condition | None = None
    root: RootLookup | None = None
    columns: dict[Name, Column] = Field(min_length=1)
    features: dict[Name, CompositeFeature] = {}
    case_columns: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        named: list[tuple[str, str]] = [("key", name) for name in self.key]
        named += [("bucket_key", self.bucket_key), ("publish_time", self.publish_time)]
        named += [("case_columns", name) for name in self.case_columns]
        if self.updated_at:
            named.append(("updated_at", self.updated_at))
        if self.visible:
            named.append(("visible", self.visible.column))
        if self.root:
            named += [("root.column", self.root.column)] + [("root.keep", name) for name in self.root.keep.values()]
        for feature_name, feature in self.features.items():
            named += [(f"features.{feature_name}", part) for part in feature.concat]
        for place, name in named:
            if name not in self.columns:
                raise ValueError(f"{place} names an unknown column {name!r} ({nearest(name, self.columns)})")
        for name in self.columns:
            if name in RESERVED_COLUMNS:
                raise ValueError(f"column name {name!r} is reserved")
        for name in (*self.key, self.bucket_key):
            if self.columns[name].kind != "id":
                raise ValueError(f"key column {name!r} must be of kind id")
        for name in filter(None, (self.publish_time, self.updated_at)):
            if self.columns[name].kind != "time":
                raise ValueError(f"column {name!r} must be of kind time")
        for feature_name, feature in self.features.items():
            if feature_name in self.columns:
                raise ValueError(f"features.{feature_name} has the name of a column")
            for part in feature.concat:
                if self.columns[part].kind != "text":
                    raise ValueError(f"features.{feature_name}: part {part!r} is not a text")
        return self

    def feature_parts(self, feature: str) -> tuple[str, ...]:
        """The columns that a feature reads: a composite feature's parts, or the column itself."""
        return self.features[feature].concat if feature in self.features else (feature,)

    @property
    def fact_columns(self) -> tuple[str, ...]:
        """The columns by which cases are counted: the publish time, and every metric, enum and flag."""
        counted = ("metric", "enum", "flag")
        return tuple(name for name, column in self.columns.items() if name == self.publish_time or column.kind in counted)

    def is_visible(self, row: Mapping[str, Any]) -> bool:
        """Whether a row is visible."""
        return self.visible is None or self.visible.holds(row)


class FilteredObject(Strict):
    """An entity in a role: what strategies speak of. `visibility: all` sees hidden rows too."""

    entity: Name
    visibility: Literal["visible", "all"] = "visible"
    where: tuple[Condition, ...] = ()
    description: str = ""

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether a row of the entity has this role (its visibility is not asked)."""
        return all(condition.holds(row) for condition in self.where)


ColumnPair = tuple[Name, Name]


class Relation(Strict):
    """How two filtered objects join: one of `any_of`, each a conjunction of equal (left column, right column) pairs, within a product."""

    left: Name
    right: Name
    any_of: tuple[tuple[ColumnPair, ...], ...] = Field(min_length=1)

    @property
    def objects(self) -> frozenset[str]:
        """The two objects."""
        return frozenset((self.left, self.right))

    def oriented(self, left: str) -> "Relation":
        """The same relation with `left` on the left side."""
        if left == self.left:
            return self
        flipped = tuple(tuple((right, left_) for left_, right in pairs) for pairs in self.any_of)
        return Relation(left=self.right, right=self.left, any_of=flipped)


class Pattern(Strict):
    """A connected, acyclic set of filtered objects that a strategy may join.

    `edges` names the relations that hold, as pairs of objects; without it, all declared relations between the objects do.
    """

    objects: tuple[Name, ...] = Field(min_length=1)
    edges: tuple[tuple[Name, Name], ...] | None = None

    @cached_property
    def object_set(self) -> frozenset[str]:
        """The objects without order."""
        return frozenset(self.objects)


class Catalogue(Strict):
    """The whole declaration. `products: open` accepts any product name that lands."""

    name: Name
    products: tuple[ProductName, ...] | Literal["open"]
    partition_unit: Unit
    first_period: str
    entities: dict[Name, Entity] = Field(min_length=1)
    objects: dict[Name, FilteredObject] = Field(min_length=1)
    relations: tuple[Relation, ...] = ()
    patterns: tuple[Pattern, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        start_of(self.first_period, self.partition_unit)
        for name, object_ in self.objects.items():
            self._require(object_.entity, self.entities, f"objects.{name}.entity")
            for condition in object_.where:
                self._require(condition.column, self.entities[object_.entity].columns, f"objects.{name}.where")
        for entity_name, entity in self.entities.items():
            if entity.root:
                for target in entity.root.entities:
                    self._require(target, self.entities, f"entities.{entity_name}.root.entities")
                    self._check_root(entity_name, entity, entity.root, target)
        for number, relation in enumerate(self.relations):
            for side in (relation.left, relation.right):
                self._require(side, self.objects, f"relations.{number}")
            for pairs in relation.any_of:
                for left, right in pairs:
                    self._require(left, self.entity_of(relation.left).columns, f"relations.{number}")
                    self._require(right, self.entity_of(relation.right).columns, f"relations.{number}")
                    left_type = self.entity_of(relation.left).columns[left].value_type
                    if left_type != self.entity_of(relation.right).columns[right].value_type:
                        raise ValueError(f"relations.{number}: {left} and {right} have different types")
        for number, pattern in enumerate(self.patterns):
            for name in pattern.objects:
                self._require(name, self.objects, f"patterns.{number}")
            if len(pattern.object_set) != len(pattern.objects):
                raise ValueError(f"patterns.{number} repeats an object")
            for edge in pattern.edges or ():
                if not any(relation.objects == frozenset(edge) <= pattern.object_set for relation in self.relations):
                    raise ValueError(f"patterns.{number}.edges: no relation between {' and '.join(edge)} of the pattern is declared")
            edges = self.edges(pattern)
            if len(edges) != len(pattern.objects) - 1 or not self._connected(pattern, edges):
                raise ValueError(f"patterns.{number} ({'+'.join(pattern.objects)}) is not connected and acyclic under the relations")
        return self

    @staticmethod
    def _require(name: str, valid: Mapping[str, Any], place: str) -> None:
        if name not in valid:
            raise ValueError(f"{place}: unknown name {name!r} ({nearest(name, valid)})")

    def _check_root(self, name: str, entity: Entity, root: RootLookup, target_name: str) -> None:
        """What is looked up and what is found must have the types of the columns they are compared with and copied to."""
        target = self.entities[target_name]
        if len(target.key) != 1:
            raise ValueError(f"entities.{name}.root.entities: {target_name} has a key of several columns and cannot be looked up")
        pairs = [(root.column, target.key[0]), (entity.bucket_key, target.bucket_key)]
        pairs += [(root.keep[target_name], target.key[0])] if target_name in root.keep else []
        for own, found in pairs:
            if entity.columns[own].value_type != target.columns[found].value_type:
                raise ValueError(f"entities.{name}.root: {own} and {target_name}.{found} have different types")

    @staticmethod
    def _connected(pattern: Pattern, edges: tuple[Relation, ...]) -> bool:
        reached = {pattern.objects[0]}
        for _ in edges:
            for edge in edges:
                if edge.objects & reached:
                    reached |= edge.objects
        return reached == pattern.object_set

    def entity_of(self, object_name: str) -> Entity:
        """The entity behind a filtered object."""
        return self.entities[self.objects[object_name].entity]

    def edges(self, pattern: Pattern) -> tuple[Relation, ...]:
        """The relations that hold between the objects of a pattern."""
        chosen = None if pattern.edges is None else {frozenset(edge) for edge in pattern.edges}
        return tuple(
            relation
            for relation in self.relations
            if relation.objects <= pattern.object_set and (chosen is None or relation.objects in chosen)
        )

    def pattern_of(self, objects: frozenset[str]) -> Pattern | None:
        """The declared pattern with exactly these objects."""
        return next((pattern for pattern in self.patterns if pattern.object_set == objects), None)

    def allows_product(self, product: str) -> bool:
        """Whether rows of this product may land."""
        return self.products == "open" or product in self.products

    @cached_property
    def digest(self) -> str:
        """Identity of the declaration: a home is bound to it."""
        return sha256(self.model_dump_json().encode()).hexdigest()


def load_catalogue(path: Path) -> Catalogue:
    """Reads and validates a catalogue file.

    Raises:
        InvalidInput: if the file cannot be read or does not declare a valid catalogue.
    """
    declared = read_declaration(path, name="the catalogue", remedy="check SRP_CATALOGUE")
    try:
        return Catalogue.model_validate(declared)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise InvalidInput(message, where=f"{path}: {place}" if place else str(path), remedy="correct the catalogue") from error
