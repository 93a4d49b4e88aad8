"""A strategy as a task runs it: every reference replaced by what it named, every value typed, every version pinned.

This is the border between the strategies that people write and whatever evaluates them (`reference.py`, the compiler of the merged scan).
It is plain data: it can be hashed node by node, goes to JSON and comes back equal, and needs no registry to be understood.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from srp_assets.warehouse.catalogue import ColumnType, Kind
from srp_assets.wordlists.resolved import ResolvedList

Match = Literal["=", "!=", "in", "<", "<=", ">", ">=", "between", "matches", "contains", "contains_any", "contains_all", "is", "sampled"]
"""Every way a rule may compare a feature; `features.py` says which kind allows which. Nobody writes `sampled` (see `sampling.py`)."""

Scalar = bool | int | float | str
RuleValue = Scalar | tuple[Scalar, ...]
"""What a resolved rule compares with: one literal, or several for `in`, `between`, `contains_any` and `contains_all`."""


class Frozen(BaseModel):
    """Base of what is resolved: cannot change, and is written under the keys that users know."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)


class Feature(Frozen):
    """What a rule looks at. `parts` are the columns that it reads: its own name, or those of a composite text in their order."""

    name: str
    kind: Kind
    type: ColumnType
    parts: tuple[str, ...] = Field(min_length=1)


class Rule(Frozen):
    """One test of one feature.

    `value` has the feature's own type: whole numbers for int64, floats for float64, ISO 8601 text in UTC with a final `Z` for times, the
    key of a list in `ResolvedStrategy.lists` for `matches`. `between` takes the two bounds, both included. `key` names the entry of a
    map.
    """

    feature: Feature
    match: Match
    value: RuleValue
    key: str | None = None


class AllOf(Frozen):
    """True where every child is."""

    all: tuple["Node", ...] = Field(min_length=1)


class AnyOf(Frozen):
    """True where at least one child is."""

    any: tuple["Node", ...] = Field(min_length=1)


class Not(Frozen):
    """True where its child is not: two-valued, so `not` of a rule on a null is true."""

    not_: "Node" = Field(alias="not")


def _tag(node: Any) -> str | None:
    for name, type_ in (("all", AllOf), ("any", AnyOf), ("not", Not), ("rule", Rule)):
        if isinstance(node, type_) or (isinstance(node, dict) and ("feature" if name == "rule" else name) in node):
            return name
    return "not" if isinstance(node, dict) and "not_" in node else None


Node = Annotated[
    Annotated[AllOf, Tag("all")] | Annotated[AnyOf, Tag("any")] | Annotated[Not, Tag("not")] | Annotated[Rule, Tag("rule")],
    Discriminator(_tag),
]
"""The logic of one filtered object."""

for _model in (AllOf, AnyOf, Not):
    _model.model_rebuild()


class ResolvedStrategy(Frozen):
    """A strategy with everything that it needs.

    `objects` holds the objects of one declared pattern in the pattern's order; None is an object without rules, which only joins. `lists`
    is keyed by `id@version`; `documents` says which version of every document was taken, keyed by `kind/id`, the strategy's own included.
    `derived` names the features that rules asked for and that a build works out, like `hit_lists`.
    """

    id: str
    version: int
    products: tuple[str, ...] | Literal["*"]
    recall: str
    objects: dict[str, Node | None] = Field(min_length=1)
    lists: dict[str, ResolvedList] = {}
    documents: dict[str, int] = {}
    derived: tuple[str, ...] = ()


def rules_of(node: Node | None) -> Iterator[Rule]:
    """Every rule of a logic, also those under `not`, as often as it occurs, in the order in which it was written."""
    if isinstance(node, Rule):
        yield node
    elif isinstance(node, Not):
        yield from rules_of(node.not_)
    elif isinstance(node, AllOf | AnyOf):
        for child in node.all if isinstance(node, AllOf) else node.any:
            yield from rules_of(child)
