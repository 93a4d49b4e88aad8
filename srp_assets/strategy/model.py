"""The documents that people write beside word lists: features, values, rules and strategies, as they are written.

Here is only their form: which keys there are and what they may hold. What the names in them mean (features of an entity, patterns, other
documents) is checked in `validation.py` against the catalogue and what is stored.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, StringConstraints, Tag, field_validator

from srp_assets.warehouse.catalogue import ProductName, Strict
from srp_assets.wordlists.model import WordList

DocumentId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Label = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,200}$", strip_whitespace=True)]
"""An owner or a topic: one line that people read."""

MAX_DEPTH = 16
"""How deep `all`, `any` and `not` may nest in the logic of one object: more is no longer understood by its readers (an arbitrary bound)."""

MAX_RULES = 1000
"""How many rules the logic of one object may have, those of referred rules included (an arbitrary bound)."""


class Document(Strict):
    """What every document has."""

    id: DocumentId
    owner: Label
    topic: Label | None = None


def _plain(value: Any) -> Any:
    """A literal value, or a list of them."""
    elements = value if isinstance(value, list | tuple) else (value,)
    for element in elements:
        if not isinstance(element, bool | int | float | str):
            raise ValueError("a value is a text, a number, true or false, or a list of these")
    return tuple(value) if isinstance(value, list) else value


Plain = Annotated[Any, AfterValidator(_plain)]


class WordListReference(Strict):
    """The words that `matches` looks for."""

    word_list: DocumentId


class ValueReference(Strict):
    """A shared value in place of a literal one."""

    value: DocumentId


def _operand_tag(value: Any) -> str:
    if isinstance(value, WordListReference) or (isinstance(value, dict) and "word_list" in value):
        return "<word_list>"
    return "<value>" if isinstance(value, ValueReference | dict) else "<plain>"


Operand = Annotated[
    Annotated[WordListReference, Tag("<word_list>")] | Annotated[ValueReference, Tag("<value>")] | Annotated[Plain, Tag("<plain>")],
    Discriminator(_operand_tag),
]
"""What a rule compares with. Tags in pointed brackets never show up in the path that an error names."""


class WrittenRule(Strict):
    """One test of one feature; `key` names the entry of a map."""

    feature: str
    match: str
    value: Operand
    key: str | None = None


class WrittenAll(Strict):
    """True where every part is."""

    all: tuple["Logic", ...] = Field(min_length=1)


class WrittenAny(Strict):
    """True where at least one part is."""

    any: tuple["Logic", ...] = Field(min_length=1)


class WrittenNot(Strict):
    """True where its part is not."""

    not_: "Logic" = Field(alias="not")


class RuleReference(Strict):
    """A shared rule."""

    rule: DocumentId


class NoRules(Strict):
    """An object that only joins: `{}`."""


LOGIC_TAGS: dict[str, type[Strict]] = {
    "all": WrittenAll,
    "any": WrittenAny,
    "not": WrittenNot,
    "rule": RuleReference,
    "feature": WrittenRule,
}


def _logic_tag(node: Any) -> str | None:
    if not isinstance(node, dict):
        return next((f"<{key}>" for key, type_ in LOGIC_TAGS.items() if isinstance(node, type_)), None)
    present = [key for key in LOGIC_TAGS if key in node]
    if not present and ("match" in node or "value" in node):
        return "<feature>"
    return f"<{present[0]}>" if len(present) == 1 else None


Logic = Annotated[
    Annotated[WrittenAll, Tag("<all>")]
    | Annotated[WrittenAny, Tag("<any>")]
    | Annotated[WrittenNot, Tag("<not>")]
    | Annotated[RuleReference, Tag("<rule>")]
    | Annotated[WrittenRule, Tag("<feature>")],
    Discriminator(_logic_tag, custom_error_type="logic", custom_error_message="this is neither a rule nor one of all, any, not, rule"),
]
"""The logic of one object."""


def _object_tag(node: Any) -> str:
    return "<nothing>" if node == {} or isinstance(node, NoRules) else "<logic>"


ObjectLogic = Annotated[Annotated[NoRules, Tag("<nothing>")] | Annotated[Logic, Tag("<logic>")], Discriminator(_object_tag)]

for _model in (WrittenAll, WrittenAny, WrittenNot):
    _model.model_rebuild()


class FeatureDocument(Document):
    """A text feature of an entity, put together from several of its text columns."""

    kind: Literal["feature"]
    entity: str
    concat: tuple[str, ...] = Field(min_length=2)


class ValueDocument(Document):
    """A threshold, a text or a list of ids that several rules share."""

    kind: Literal["value"]
    value: Plain


class RuleDocument(Document):
    """Logic on one entity that several strategies share; it may refer to other rules."""

    kind: Literal["rule"]
    entity: str
    logic: Logic


class StrategyDocument(Document):
    """Which rows of which joined objects are looked for, in which products, and whose rows are recalled."""

    kind: Literal["strategy"]
    products: tuple[ProductName, ...] | Literal["*"]
    objects: dict[str, ObjectLogic] = Field(min_length=1)
    recall: str

    @field_validator("products", mode="before")
    @classmethod
    def _any_or_some(cls, products: Any) -> Any:
        is_list = isinstance(products, list | tuple) and products and all(isinstance(name, str) for name in products)
        if products != "*" and (not is_list or "*" in products):
            raise ValueError('products is a list of names, or "*" for all of them')
        return products


AnyDocument = WordList | FeatureDocument | ValueDocument | RuleDocument | StrategyDocument

KINDS: dict[str, type[AnyDocument]] = {
    "word_list": WordList,
    "feature": FeatureDocument,
    "value": ValueDocument,
    "rule": RuleDocument,
    "strategy": StrategyDocument,
}
"""The model of every kind of document."""
