"""How features are declared: the form of the YAML document, and nothing of what computes them.

What the names in a document mean (columns, entities, other features) is checked in `definitions.py`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, StringConstraints, Tag, field_validator, model_validator

from srp_assets.features.declaration.columns import ValueType
from srp_assets.features.declaration.functions import FUNCTIONS, Parameters
from srp_assets.warehouse.catalogue import Strict

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Sentence = Annotated[str, StringConstraints(min_length=1, max_length=300, strip_whitespace=True)]
Days = Annotated[int, Field(ge=1, le=366)]
"""Whole days; the longest window bounds what a build has to read, so a year is enough."""

SESSION = "session"
Window = Days | Literal["session"]

DEFAULT_DECAY_WINDOW = 60
"""Days beyond which a decayed sum counts nothing."""

Default = float | str | tuple[str, ...] | None

FORMAT = 1
"""Of what a definition's digest is made from; a change of the meaning of an aggregation raises it."""


class EventTest(Strict):
    """A test of one column of an event. A null equals nothing, and is neither at least nor below anything."""

    column: Name
    test: Literal["is_null", "is_not_null", "equals", "not_equals", "at_least", "below"]
    value: float | str | None = None

    @model_validator(mode="after")
    def _value_fits_test(self) -> Self:
        if (self.value is None) != self.test.endswith("null"):
            raise ValueError(f"test {self.test} {'needs a value' if self.value is None else 'takes no value'}")
        if self.test in ("at_least", "below") and not isinstance(self.value, float):
            raise ValueError(f"test {self.test} compares with a number")
        return self

    def holds(self, event: Mapping[str, Any]) -> bool:
        """Whether an event passes."""
        found = event.get(self.column)
        if self.test == "is_null":
            return found is None
        if self.test == "is_not_null":
            return found is not None
        if self.test == "not_equals":
            return bool(found != self.value)
        if found is None:
            return False
        if self.test == "equals":
            return bool(found == self.value)
        return bool(found >= self.value) if self.test == "at_least" else bool(found < self.value)


class EventFilter(Strict):
    """Which events count: of one of these kinds, and all tests hold. A kind's name alone may be written in its place."""

    kinds: tuple[Name, ...] = Field(min_length=1)
    where: tuple[EventTest, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _from_a_name(cls, written: Any) -> Any:
        return {"kinds": (written,)} if isinstance(written, str) else written

    @field_validator("kinds")
    @classmethod
    def _in_one_order(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(kinds)))

    def holds(self, event: Mapping[str, Any]) -> bool:
        """Whether an event counts."""
        return event["kind"] in self.kinds and all(test.holds(event) for test in self.where)


class Smoothing(Strict):
    """A rate is drawn towards `prior` as if `strength` more trials with that rate had been seen."""

    prior: float = Field(ge=0)
    strength: float = Field(gt=0)


class Declared(Strict):
    """What every declaration says."""

    name: Name
    default: Default = None
    unit: Sentence
    description: Sentence
    owner: Sentence | None = None


class Aggregated(Declared):
    """What every aggregation says: of which events of which entity, over which windows. It stands for a feature for each window."""

    entity: Name
    event: EventFilter
    windows: tuple[Window, ...] = Field(min_length=1)

    @field_validator("windows")
    @classmethod
    def _each_once(cls, windows: tuple[Window, ...]) -> tuple[Window, ...]:
        if len(set(windows)) < len(windows):
            raise ValueError("a window stands twice")
        return windows


class Count(Aggregated):
    """How many events."""

    aggregation: Literal["count"]
    default: float | None = 0.0


class Sum(Aggregated):
    """The sum of a column over the events where it is not null; the default where there is none."""

    aggregation: Literal["sum"]
    column: Name
    default: float | None = 0.0


class Mean(Aggregated):
    """The mean of a column over the events where it is not null; the default where there is none."""

    aggregation: Literal["mean"]
    column: Name
    default: float | None = None


class Rate(Aggregated):
    """Events by events `of`, smoothed: (events + prior * strength) / (events of + strength); the default where that divides by zero."""

    aggregation: Literal["rate"]
    of: EventFilter
    smoothing: Smoothing | None = None
    default: float | None = None


class Last(Aggregated):
    """The column's value in the newest event where it is not null."""

    aggregation: Literal["last"]
    column: Name


class Distinct(Aggregated):
    """How many different values, not counting null, a text column has."""

    aggregation: Literal["distinct"]
    column: Name
    default: float | None = 0.0


class Top(Aggregated):
    """The `size` values of a text column with the most events, the greatest first; with a half-life, events count by their age.

    Counts that agree to ten digits are a tie, and the smaller text (by code points) comes first.
    """

    aggregation: Literal["top"]
    column: Name
    size: int = Field(ge=1, le=100)
    half_life_days: Days | None = None
    default: tuple[str, ...] | None = ()


class DecayedSum(Aggregated):
    """The sum of a column, or of 1 for each event, weighted by 2^(-age / half-life), the age in whole days between the dates."""

    aggregation: Literal["decayed_sum"]
    half_life_days: Days
    column: Name | None = None
    windows: tuple[Window, ...] = (DEFAULT_DECAY_WINDOW,)
    default: float | None = 0.0


class Entropy(Aggregated):
    """How diverse the values of a text column are: the Shannon entropy of their shares, in nats."""

    aggregation: Literal["entropy"]
    column: Name
    default: float | None = None


class Shift(Aggregated):
    """How far the shares of a text column's values moved: half the sum of |share in the window - share in `compared_days`|, 0 to 1."""

    aggregation: Literal["shift"]
    column: Name
    compared_days: Days
    default: float | None = None


class Derived(Declared):
    """A function of other features, attributes and columns of the request; `{window}` in a name makes one feature for each window."""

    function: str
    inputs: tuple[str, ...] = Field(min_length=1)
    windows: tuple[Window, ...] = ()
    period: float | None = Field(None, gt=0)
    unit_of_time: Literal["seconds", "hours", "days"] | None = None
    value: str | None = None

    @model_validator(mode="after")
    def _function_has_what_it_needs(self) -> Self:
        function = FUNCTIONS.get(self.function)
        if function is None:
            raise ValueError(f"there is no function {self.function!r}; valid: {', '.join(FUNCTIONS)}")
        for parameter in ("period", "unit_of_time", "value"):
            if (getattr(self, parameter) is not None) != (parameter in function.parameters):
                raise ValueError(f"{self.function} {'needs' if parameter in function.parameters else 'takes no'} {parameter}")
        expected = len(function.inputs)
        if len(self.inputs) < 2 if function.repeats else len(self.inputs) != expected:
            raise ValueError(f"{self.function} takes {'two or more inputs' if function.repeats else f'{expected} input(s)'}")
        if any("{window}" in name for name in self.inputs) != bool(self.windows):
            raise ValueError("windows are for inputs with {window} in their names, and those need windows")
        return self

    @property
    def parameters(self) -> Parameters:
        """What it states beside its inputs."""
        given = {name: getattr(self, name) for name in ("period", "unit_of_time", "value")}
        return Parameters(**{name: value for name, value in given.items() if value is not None})


Aggregation = Count | Sum | Mean | Rate | Last | Distinct | Top | DecayedSum | Entropy | Shift

_AGGREGATIONS: dict[str, type[Aggregated]] = {
    "count": Count,
    "sum": Sum,
    "mean": Mean,
    "rate": Rate,
    "last": Last,
    "distinct": Distinct,
    "top": Top,
    "decayed_sum": DecayedSum,
    "entropy": Entropy,
    "shift": Shift,
}


def _tag(written: Any) -> str | None:
    """Which form a declaration has. Names in pointed brackets never show up in the path that an error names."""
    if isinstance(written, Declared):
        return f"<{getattr(written, 'aggregation', 'derived')}>"
    if isinstance(written, dict):
        return "<derived>" if "function" in written else f"<{written.get('aggregation')}>"
    return None


AnyDeclaration = Annotated[
    Annotated[Count, Tag("<count>")]
    | Annotated[Sum, Tag("<sum>")]
    | Annotated[Mean, Tag("<mean>")]
    | Annotated[Rate, Tag("<rate>")]
    | Annotated[Last, Tag("<last>")]
    | Annotated[Distinct, Tag("<distinct>")]
    | Annotated[Top, Tag("<top>")]
    | Annotated[DecayedSum, Tag("<decayed_sum>")]
    | Annotated[Entropy, Tag("<entropy>")]
    | Annotated[Shift, Tag("<shift>")]
    | Annotated[Derived, Tag("<derived>")],
    Discriminator(
        _tag,
        custom_error_type="declaration",
        custom_error_message=f"this has neither a function nor an aggregation; valid aggregations: {', '.join(_AGGREGATIONS)}",
    ),
]


class EntityKeys(Strict):
    """Whom features are about: one object or a pair, by the columns that identify it in events and requests alike."""

    keys: tuple[Name, ...] = Field(min_length=1, max_length=4)
    description: Sentence


class Attribute(Strict):
    """A column of an entity of the warehouse that events and requests get by its key, as it stood when their day began."""

    type: ValueType
    column: str
    unit: Sentence
    description: Sentence


class AttributeSource(Strict):
    """An entity of the warehouse whose rows describe what events name by `key`."""

    key: Name
    columns: dict[Name, Attribute] = Field(min_length=1)


class Automatic(Strict):
    """When a generated feature is proposed.

    `explore` says of which entities and events features are generated; `costs` are those of acquiring a feature of an entity, in any unit
    (1 where none is declared); `pays` is the log loss that a unit of cost has to save.
    """

    explore: dict[Name, tuple[Name, ...]] = {}
    costs: dict[Name, Annotated[float, Field(gt=0)]] = {}
    pays: float = Field(0.0005, gt=0)


class Parity(Strict):
    """When served values agree with those that are computed again (the words are those of `expectations/parity_rules.py`).

    `rows` are needed for a verdict; `share` is by how much mean and variance may differ, `near_zero` the part of the standard deviation
    that stands for a mean which is nearer to zero; `nulls`, `mismatches` and `unmatched` are shares of the rows: by how much nulls may
    differ, how many values may, and how many sampled rows may be without a request in the logs.
    """

    rows: int = Field(1000, ge=1)
    share: float = Field(0.05, ge=0, le=1)
    near_zero: float = Field(0.1, gt=0, le=1)
    nulls: float = Field(0.01, ge=0, le=1)
    mismatches: float = Field(0.001, ge=0, le=1)
    unmatched: float = Field(0.02, ge=0, le=1)


class Drift(Strict):
    """When a day's values are worth a warning.

    `index` is the population stability index over `buckets` of about equal size, `nulls` the change of the share of nulls; a day is
    compared with the one before it, and with the `days` before it together, from which models are trained.
    """

    index: float = Field(0.2, gt=0)
    nulls: float = Field(0.05, gt=0, le=1)
    buckets: int = Field(10, ge=2, le=100)
    days: int = Field(14, ge=1, le=366)


class FeatureDocument(Strict):
    """Everything that is declared about features. `context` are columns that the catalogue of logs adds to requests."""

    name: Name
    owner: Sentence
    events: tuple[Name, ...] = Field(min_length=1)
    context: dict[Name, Literal["text", "number"]] = {}
    attributes: dict[Name, AttributeSource] = {}
    entities: dict[Name, EntityKeys] = Field(min_length=1)
    features: tuple[AnyDeclaration, ...] = Field(min_length=1)
    automatic: Automatic = Automatic()
    parity: Parity = Parity()
    drift: Drift = Drift()
