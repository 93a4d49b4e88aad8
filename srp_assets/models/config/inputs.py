"""What a model reads: the form in which a configuration says how a feature becomes numbers.

A feature may be written as its name alone; `resolving.py` then chooses the form by the type that it is declared with.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from srp_assets.features.declaration.model import Name
from srp_assets.training.set_sequences import MASK, column_of
from srp_assets.warehouse.catalogue import Strict

Space = Annotated[int, Field(ge=2, le=2**31)]
"""Rows that ids are hashed to; ids that fall on one row share its weights."""

Dimension = Annotated[int, Field(ge=1, le=1024)] | None
"""Numbers of an embedding; what the configuration says of all inputs if None."""

DEFAULT_SPACE = 100_000
DEFAULT_LIST_LENGTH = 20


class OfOneFeature(Strict):
    """An input that reads one feature, and has its name."""

    feature: Name

    @property
    def reads(self) -> tuple[str, ...]:
        """The features whose columns it needs."""
        return (self.feature,)

    @property
    def name(self) -> str:
        """What this input is called."""
        return self.feature


class Hashed(OfOneFeature):
    """An id or text, hashed to one of `space` rows of an embedding; a missing one has a row of its own."""

    encode: Literal["hash"]
    dimension: Dimension = None
    space: Space = DEFAULT_SPACE


class Vocabulary(OfOneFeature):
    """A text of which each value that training saw at least `least_rows` times has a row; all others share one."""

    encode: Literal["vocabulary"]
    dimension: Dimension = None
    least_rows: int = Field(1, ge=1)


class Bucketed(OfOneFeature):
    """A number that counts as one of the intervals between `edges`, or between the quantiles of what training saw."""

    encode: Literal["buckets"]
    dimension: Dimension = None
    edges: tuple[float, ...] = ()
    quantiles: int | None = Field(None, ge=2, le=1000)

    @model_validator(mode="after")
    def _edges_or_quantiles(self) -> Self:
        if bool(self.edges) == (self.quantiles is not None):
            raise ValueError("write either edges or quantiles")
        if list(self.edges) != sorted(set(self.edges)):
            raise ValueError("edges must rise")
        return self


class Number(OfOneFeature):
    """A number as it is, or normalised; times count as seconds.

    `standard` takes off the mean and divides by the standard deviation of what training saw; `log` does so with sign(x) log(1 + |x|).
    A missing value counts as `default`, or as the mean where there is none; normalised values are limited to +-`limit`.
    """

    encode: Literal["number"]
    normalization: Literal["none", "standard", "log"] = "standard"
    default: float | None = None
    limit: float = Field(10.0, gt=0)


class Crossed(Strict):
    """Several texts that count as one: their combination is hashed."""

    encode: Literal["cross"]
    dimension: Dimension = None
    features: tuple[Name, ...] = Field(min_length=2, max_length=4)
    space: Space = DEFAULT_SPACE

    @property
    def reads(self) -> tuple[str, ...]:
        """The features whose columns it needs."""
        return self.features

    @property
    def name(self) -> str:
        """What this input is called."""
        return "_x_".join(self.features)


class Listed(OfOneFeature):
    """A list of texts, the mean of whose embeddings counts; with `like`, each has the row that it has in that input.

    Elements beyond `length` do not count; an empty list is zeros.
    """

    encode: Literal["list"]
    dimension: Dimension = None
    length: int = Field(DEFAULT_LIST_LENGTH, ge=1, le=10_000)
    like: Name | None = None
    space: Space | None = None

    @model_validator(mode="after")
    def _like_or_space(self) -> Self:
        if self.like is not None and (self.space is not None or self.dimension is not None):
            raise ValueError("with like, space and dimension are those of that input")
        return self


class Plain(OfOneFeature):
    """A feature by its name alone, before the type that it is declared with says what that means."""

    encode: Literal["plain"] = "plain"

    @model_validator(mode="before")
    @classmethod
    def _from_a_name(cls, written: Any) -> Any:
        return {"feature": written} if isinstance(written, str) else written


Encoded = Hashed | Vocabulary | Bucketed | Number | Crossed | Listed
"""An input that says how it is encoded."""

ENCODINGS = ("hash", "vocabulary", "buckets", "number", "cross", "list")


def _tag(written: Any) -> str | None:
    """Which form an input has. Names in pointed brackets never show up in the path that an error names."""
    if isinstance(written, str):
        return "<plain>"
    encode = written.get("encode") if isinstance(written, dict) else getattr(written, "encode", None)
    return f"<{encode}>"


Input = Annotated[
    Annotated[Plain, Tag("<plain>")]
    | Annotated[Hashed, Tag("<hash>")]
    | Annotated[Vocabulary, Tag("<vocabulary>")]
    | Annotated[Bucketed, Tag("<buckets>")]
    | Annotated[Number, Tag("<number>")]
    | Annotated[Crossed, Tag("<cross>")]
    | Annotated[Listed, Tag("<list>")],
    Discriminator(
        _tag,
        custom_error_type="encoding",
        custom_error_message=f"an input is a feature's name or says how it is encoded; valid encodings: {', '.join(ENCODINGS)}",
    ),
]


class SequenceColumn(Strict):
    """One column of a behaviour sequence.

    Texts have, with `like`, each the row that it has in that input of the candidate, which they are compared with; with `space`, rows of
    their own, hashed. Numbers have a row for each interval between `edges`. What has rows of its own has no counterpart in the candidate:
    it meets zeros there.
    """

    feature: Name
    like: Name | None = None
    space: Space | None = None
    edges: tuple[float, ...] = ()
    dimension: Dimension = None

    @model_validator(mode="after")
    def _says_whose_rows(self) -> Self:
        if sum((self.like is not None, self.space is not None, bool(self.edges))) != 1:
            raise ValueError("write one of like, space and edges")
        if self.like is not None and self.dimension is not None:
            raise ValueError("with like, dimension is that of that input")
        if list(self.edges) != sorted(set(self.edges)):
            raise ValueError("edges must rise")
        return self


class Sequence(Strict):
    """What a user did, newest first, as aligned lists: features, or the columns of a declared sequence that the training set carries.

    With `of`, the sequence is the one that was found for the row's item: columns are called as its declaration calls them, and only where
    its mask says that something is, a row is looked up.
    """

    name: Name
    of: Name | None = None
    length: int = Field(50, ge=1, le=10_000)
    columns: tuple[SequenceColumn, ...] = Field(min_length=1, max_length=8)

    @model_validator(mode="after")
    def _is_compared(self) -> Self:
        if all(column.like is None for column in self.columns):
            raise ValueError("at least one column must be like an input of the candidate")
        return self

    def read(self, column: SequenceColumn) -> str:
        """The column of the training set that holds a column."""
        return column.feature if self.of is None else column_of(self.of, column.feature)

    @property
    def mask(self) -> str | None:
        """The column that says where something is; None where lists are as long as what is in them."""
        return None if self.of is None else column_of(self.of, MASK)

    @property
    def reads(self) -> tuple[str, ...]:
        """All columns of the training set that it needs."""
        return (*(self.read(column) for column in self.columns), *(() if self.mask is None else (self.mask,)))

    def rows_of(self, column: SequenceColumn) -> str:
        """What the rows of a column are called: the input that it is like, or a name of its own, which no input can have."""
        return column.like or f"{self.name}.{column.feature}"
