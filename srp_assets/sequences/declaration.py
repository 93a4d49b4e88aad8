"""How sequences are declared: the form of the YAML document, what its names mean, and the identity of what it says.

One portrait serves all sequences of a document: the newest actions of a user, of every kind. A sequence takes what it wants from it in two
steps. The general search knows only the request; the final one takes, for each candidate, what has to do with it.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, ValidationError, model_validator

from srp_assets.declarations import read_declaration
from srp_assets.errors import InvalidInput, nearest
from srp_assets.features.declaration.columns import ValueType
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.declaration.model import Days, Name, Sentence
from srp_assets.features.times import Clock
from srp_assets.online.portrait import LONGEST
from srp_assets.warehouse.catalogue import Strict

FORMAT = 1
"""Of what a version is made from; a change of the meaning of a declaration raises it."""

KIND = "kind"

Output = Literal[
    "kind",
    "item_id",
    "event_time",
    "arrival_time",
    "market",
    "category",
    "device",
    "price",
    "amount",
    "dwell",
    "time_gap",
    "score",
    "bucket",
]
"""What models read of an action. `time_gap` is the seconds from the action to the request."""


class Portrait(Strict):
    """The newest actions of a user, of every kind, which all sequences search.

    `days` are whole days before that of the request, and its own until then. `clock` says whether an action counts once it has arrived.
    `logged` is the share of traces, chosen by their hash, whose whole portrait the online side writes down.
    """

    length: int = Field(LONGEST, ge=1, le=LONGEST)
    days: Days = 60
    clock: Clock = "as_arrived"
    logged: float = Field(1.0, ge=0, le=1)


class Condition(Strict):
    """A test of one column of an action. Null is among no values, and is neither at least nor below anything."""

    column: Name
    test: Literal["in", "not_in", "at_least", "below", "is_null", "is_not_null"]
    values: tuple[str, ...] = ()
    value: float | None = None

    @model_validator(mode="after")
    def _value_fits_test(self) -> Self:
        if (self.test in ("in", "not_in")) != bool(self.values):
            raise ValueError(f"test {self.test} {'needs' if self.test in ('in', 'not_in') else 'takes no'} values")
        if (self.test in ("at_least", "below")) != (self.value is not None):
            raise ValueError(f"test {self.test} {'needs' if self.test in ('at_least', 'below') else 'takes no'} value")
        return self


class Preference(Strict):
    """Which of two actions comes first: whose text is named earlier, or whose number is larger or smaller; what has none comes last."""

    column: Name
    values: tuple[str, ...] = ()
    first: Literal["largest", "smallest"] | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if bool(self.values) == (self.first is not None):
            raise ValueError("name either values or first")
        if len(set(self.values)) < len(self.values):
            raise ValueError("a value stands twice")
        return self


class Session(Strict):
    """Whether only the running session counts, or only what was before it. A longer gap ends a session, exactly this one does not."""

    gap_minutes: int = Field(30, ge=1)
    keep: Literal["running", "before"]


class GeneralSearch(Strict):
    """About a thousand of the portrait, whatever the candidate is.

    An action has to pass all of `where`; its item, as it stands on the day of the request, all of `items`: what was taken down since
    can be left out so. Of those, the first by `order` count, and of equal ones the newest.
    """

    length: int = Field(1_000, ge=1)
    where: tuple[Condition, ...] = ()
    items: tuple[Condition, ...] = ()
    session: Session | None = None
    order: tuple[Preference, ...] = ()


class HardSearch(Strict):
    """Actions that agree with the candidate in one of some attributes; null agrees with nothing.

    The class of an action is the place of the first attribute in which it agrees. Lower classes count first, in a class the newest. With a
    half-life the score decides, ties by the newest: (attributes - class) * 2^(-age / half-life), ages in whole days (contract 10).
    `fill` takes the newest of what agrees in nothing where places are left; their class is the number of attributes, their score 0.
    """

    search: Literal["hard"]
    length: int = Field(100, ge=1)
    attributes: tuple[Name, ...] = Field(min_length=1)
    half_life_days: int | None = Field(None, ge=1)
    fill: bool = False


class SoftSearch(Strict):
    """Actions on the items whose vectors have the largest inner product with the candidate's, ties by the newest.

    What has no vector is not found. With a half-life the score is product - ln 2 * age / half-life: the logarithm of the weight that
    softmax attention gives, times 2^(-age / half-life). `approximate` looks only at the actions whose items have nearly the candidate's
    signs; how much that misses is measured.
    """

    search: Literal["soft"]
    length: int = Field(100, ge=1)
    half_life_days: int | None = Field(None, ge=1)
    approximate: bool = False


class Hashing(Strict):
    """Ids of items as numbers from 1 to `space`; 0 is what is missing."""

    space: int = Field(ge=1)
    seed: int = Field(0, ge=0)


class Sequence(Strict):
    """One sequence: what is searched, and how models read it.

    `columns` are those that models read, as aligned arrays of `final.length` places. Where there is less, the places at the end are empty,
    or those at the start, and the mask says so.
    """

    name: Name
    owner: Sentence | None = None
    description: Sentence
    general: GeneralSearch = GeneralSearch()
    final: Annotated[HardSearch | SoftSearch, Discriminator("search")]
    columns: tuple[Output, ...] = ("item_id", "category", "kind", "time_gap", "price")
    padding: Literal["end", "start"] = "end"
    hashing: Hashing | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.final.length > self.general.length:
            raise ValueError(f"final.length {self.final.length} is more than general.length {self.general.length}")
        if ("bucket" in self.columns) and self.hashing is None:
            raise ValueError("the column bucket needs hashing")
        return self


class DifferenceLimits(Strict):
    """In which share of a day's traces what was served may differ from what is computed again, for models to be promoted.

    `rate` holds for each cause that `causes` does not name; `unexplained` is a cause like others. Knowledge from after the request is never
    tolerated. Fewer than `traces` of a day are no evidence. Where the online side logs `every_request`, one without a log differs.
    """

    rate: float = Field(0.001, ge=0, le=1)
    causes: dict[Name, float] = {"trace_missing_offline": 0.02}
    traces: int = Field(100, ge=1)
    every_request: bool = False


class Document(Strict):
    """All that one file declares. `embeddings` names the declared vectors of items that soft searches take, in their current version."""

    name: Name
    owner: Sentence
    embeddings: Name | None = None
    portrait: Portrait = Portrait()
    differences: DifferenceLimits = DifferenceLimits()
    sequences: tuple[Sequence, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        names = [sequence.name for sequence in self.sequences]
        if len(set(names)) < len(names):
            raise ValueError("a sequence stands twice")
        for sequence in self.sequences:
            if sequence.general.length > self.portrait.length:
                raise ValueError(f"{sequence.name}: general.length {sequence.general.length} is more than portrait.length")
        return self

    @property
    def portrait_version(self) -> str:
        """Identity of what portraits are."""
        return _digest(self.portrait.model_dump(mode="json", exclude={"logged"}))

    def version(self, sequence: Sequence) -> str:
        """Identity of all that decides what a sequence is; owner and description do not."""
        return _digest([self.portrait_version, sequence.model_dump(mode="json", exclude={"owner", "description"})])

    def owner_of(self, sequence: Sequence) -> str:
        """Who is asked about a sequence."""
        return sequence.owner or self.owner

    def named(self, name: str) -> Sequence:
        """The sequence of a name.

        Raises:
            InvalidInput: if there is none.
        """
        for sequence in self.sequences:
            if sequence.name == name:
                return sequence
        raise InvalidInput(f"there is no sequence {name!r}", where=self.name, remedy=nearest(name, [own.name for own in self.sequences]))


def _digest(content: Any) -> str:
    return sha256(json.dumps([FORMAT, content], sort_keys=True).encode()).hexdigest()[:12]


def load_sequences(path: Path, definitions: Definitions) -> Document:
    """Reads and validates a file of declarations.

    Args:
        path: the file.
        definitions: of the features beside which sequences are declared: they say which columns and attributes actions have.

    Raises:
        InvalidInput: if the file cannot be read or declares something that is not valid, with the place in it.
    """
    declared = read_declaration(path, name="the sequences", remedy="correct the file")
    try:
        document = Document.model_validate(declared)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise InvalidInput(message, where=f"{path}: {place}" if place else str(path), remedy="correct the declaration") from error
    if document.portrait.days > definitions.lookback_days:
        reach = definitions.lookback_days
        message = f"a portrait of {document.portrait.days} days is longer than the {reach} that the online store is loaded with"
        remedy = "the longest window of a feature says how far that is"
        raise InvalidInput(message, where=f"{path}: portrait.days", remedy=remedy)
    soft = [sequence.name for sequence in document.sequences if sequence.final.search == "soft"]
    if soft and document.embeddings is None:
        message = f"the soft search of {soft[0]!r} needs vectors"
        raise InvalidInput(message, where=f"{path}: embeddings", remedy="name the embeddings that embeddings.yaml declares")
    for sequence in document.sequences:
        try:
            check_columns(sequence, definitions)
        except InvalidInput as error:
            raise InvalidInput(error.message, where=f"{path}: {sequence.name}.{error.where}", remedy=error.remedy) from error
    return document


def check_columns(sequence: Sequence, definitions: Definitions) -> None:
    """Refuses columns that actions, items or candidates do not have, or that hold something else than what they are tested for.

    Raises:
        InvalidInput: that names the place in the sequence.
    """
    attributes = {name for source in definitions.attributes.values() for name in source.columns}
    events: dict[str, ValueType] = {KIND: "text", **definitions.event_columns}
    of_items = {name for source in definitions.attributes.values() if source.key == "item_id" for name in source.columns}
    for condition in sequence.general.where:
        _check_condition(condition, events, "general.where")
    for condition in sequence.general.items:
        _check_condition(condition, {name: events[name] for name in of_items}, "general.items")
    for preference in sequence.general.order:
        _check_type(preference.column, events, "text" if preference.values else "number", "general.order")
    if isinstance(sequence.final, HardSearch):
        both = {name: type_ for name, type_ in events.items() if name in definitions.request_columns or name in attributes}
        for name in sequence.final.attributes:
            _check_type(name, both, "text", "final.attributes")


def _check_condition(condition: Condition, columns: dict[str, ValueType], place: str) -> None:
    of_null = condition.test in ("is_null", "is_not_null")
    type_: ValueType = "number" if condition.value is not None or of_null and columns.get(condition.column) == "number" else "text"
    _check_type(condition.column, columns, type_, place)


def _check_type(name: str, columns: dict[str, ValueType], type_: ValueType, place: str) -> None:
    if name not in columns:
        raise InvalidInput(f"there is no column {name!r}", where=place, remedy=nearest(name, columns))
    if columns[name] != type_:
        own = [column for column, its in columns.items() if its == type_]
        raise InvalidInput(f"{name!r} holds no {type_}", where=place, remedy=f"one that does: {', '.join(own)}")
