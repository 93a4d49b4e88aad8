"""The log catalogue: which logs a platform writes, declared in one YAML file, validated once at the border.

A log has a role, which gives it its columns (`schema.py`), and may add columns or say under which names and formats its source has them.
Funnel steps are logs of the role `step`: nothing in the code knows the word "cart". Windows and the gap of sessions are declared here too.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from srp_assets.declarations import read_declaration
from srp_assets.errors import InvalidInput, nearest
from srp_assets.logs.durations import Duration, whole_days
from srp_assets.logs.schema import CONTEXT_COLUMNS, ROLE_COLUMNS, ROLE_IDENTITY, TABLES, Role, table_schema
from srp_assets.warehouse.catalogue import Catalogue, Column, ColumnType, Entity, FilteredObject, Kind, Name, Pattern, Strict

DEFAULT_WINDOWS: Mapping[Role, timedelta] = {
    "impression": timedelta(hours=1),
    "click": timedelta(minutes=30),
    "step": timedelta(days=7),
}
"""How long after what it belongs to an event still belongs to it: an impression to its request, a click or a step to its impression."""

LONGEST_WINDOW = timedelta(days=90)
"""A day's labels are read from the days of the window after it: a longer one would read a quarter of a year for a day."""

ONLY_ROLES: tuple[Role, ...] = ("request", "impression", "click", "served_features")
"""Roles that at most one log has."""


class LogColumn(Strict):
    """What a catalogue says of a log's column: of one of the role's, how its source has it; of another one, the whole of it."""

    kind: Kind | None = None
    type: ColumnType | None = None
    required: bool | None = None
    unit: str | None = None
    values: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    description: str | None = None

    def over(self, known: Column | None) -> Column:
        """The column as it is then; `known` is the role's column of this name.

        Raises:
            ValueError: if a column of the role would change its type, or a new one has no kind or description.
        """
        said = {name: getattr(self, name) for name in self.model_fields_set}
        if known is None:
            if self.kind is None or self.description is None:
                raise ValueError("a column that the role has not needs kind and description")
            return Column(**said)
        if self.kind not in (None, known.kind) or self.type not in (None, known.value_type):
            raise ValueError(f"its role makes it a {known.value_type} of kind {known.kind}")
        if known.required and self.required is False:
            raise ValueError("its role requires it")
        return Column(**{**known.model_dump(), **said})


class LogDeclaration(Strict):
    """One log as it is written.

    `window` is how long after its request (an impression) or its impression (a click, a step) an event belongs to it; `after` says whether
    a step needs a click; `identity` names the columns that identify an event to which its source gives no event_id; `fresh_within` is how
    long before the end of a day the last event of it may lie before a check warns that the log has stopped.
    """

    role: Role
    description: str
    window: Duration | None = None
    after: Literal["impression", "click"] = "click"
    identity: tuple[Name, ...] = ()
    fresh_within: Duration | None = None
    columns: dict[Name, LogColumn] = {}

    @model_validator(mode="after")
    def _fits_its_role(self) -> Self:
        if self.window is not None and self.role not in DEFAULT_WINDOWS:
            raise ValueError(f"a log of role {self.role} has no window")
        if self.window is not None and not timedelta(0) < self.window <= LONGEST_WINDOW:
            raise ValueError(f"window must be more than nothing and at most {LONGEST_WINDOW.days} days")
        if "after" in self.model_fields_set and self.role != "step":
            raise ValueError("only a step says what it comes after")
        return self


class Log(Strict):
    """One log with all that holds for it: the declaration, over its role."""

    name: Name
    role: Role
    description: str
    window: timedelta
    after: Literal["impression", "click"]
    identity: tuple[Name, ...]
    fresh_within: timedelta | None
    columns: dict[Name, Column]

    @property
    def entity(self) -> Entity:
        """The log as an entity of the warehouse, so that the warehouse's readers and its validation serve it."""
        key = tuple(name for name in ("trace_id", "item_id") if name in self.columns and self.columns[name].required)
        return Entity(description=self.description, key=key, bucket_key=key[0], publish_time="event_time", columns=self.columns)


class LogCatalogue(Strict):
    """The whole declaration.

    `session_gap` is the pause after which a user's next action begins a new session (exactly that long does not); `buckets` is the number
    of files that a day's actions and sessions are split into by user.
    """

    name: Name
    first_day: date
    session_gap: Duration = timedelta(minutes=30)
    buckets: int = Field(4, ge=1, le=4096)
    declared: dict[Name, LogDeclaration] = Field(alias="logs", min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not timedelta(0) < self.session_gap <= timedelta(hours=12):
            raise ValueError("session_gap must be more than nothing and at most 12 hours")
        for role in ONLY_ROLES:
            named = [name for name, log in self.declared.items() if log.role == role]
            if len(named) > 1:
                raise ValueError(f"logs {' and '.join(named)} have the role {role}, which only one may have")
        for name in self.declared:
            if name in TABLES:
                raise ValueError(f"logs.{name} has the name of a table that is built from logs")
            log = self.logs[name]
            for column in log.identity:
                if column not in log.columns:
                    raise ValueError(f"logs.{name}.identity names an unknown column {column!r} ({nearest(column, log.columns)})")
        for table in TABLES:
            schema = table_schema(self, table)
            twice = sorted({column for column in schema.names if schema.names.count(column) > 1})
            if twice:
                raise ValueError(f"{table} would have two columns {twice[0]!r}: choose another name for a log or an added column")
        _ = self.warehouse_catalogue
        return self

    @cached_property
    def logs(self) -> dict[str, Log]:
        """The logs by name, each with all that holds for it."""
        return {name: _log(name, declared) for name, declared in self.declared.items()}

    @cached_property
    def steps(self) -> tuple[str, ...]:
        """The names of the funnel's steps, in their declared order."""
        return tuple(name for name, log in self.declared.items() if log.role == "step")

    def of_role(self, role: Role) -> Log | None:
        """The one log of a role that only one may have."""
        return next((log for log in self.logs.values() if log.role == role), None)

    @cached_property
    def action_kinds(self) -> tuple[str, ...]:
        """The kinds of actions: the names of the logs of impressions, clicks and steps, in this order."""
        single = [log.name for log in (self.of_role("impression"), self.of_role("click")) if log is not None]
        return (*single, *self.steps)

    @cached_property
    def context_columns(self) -> dict[str, Column]:
        """What a request says: the columns of every catalogue, then those that this one adds."""
        request = self.of_role("request")
        added = {} if request is None else {name: it for name, it in request.columns.items() if name not in ROLE_COLUMNS["request"]}
        return {**CONTEXT_COLUMNS, **added}

    @cached_property
    def label_days(self) -> int:
        """The whole days after an impression's own in which its labels may still come."""
        return max((whole_days(log.window) for log in self.logs.values() if log.role in ("click", "step")), default=0)

    @cached_property
    def request_days(self) -> int:
        """The whole days before an impression's own in which its request may lie."""
        impression = self.of_role("impression")
        return whole_days(impression.window) if impression and self.of_role("request") else 0

    @cached_property
    def warehouse_catalogue(self) -> Catalogue:
        """The logs as a catalogue of the warehouse: what its readers and its validation ask for."""
        return Catalogue(
            name=self.name,
            products="open",
            partition_unit="day",
            first_period=self.first_day.isoformat(),
            entities={name: log.entity for name, log in self.logs.items()},
            objects={name: FilteredObject(entity=name) for name in self.logs},
            patterns=tuple(Pattern(objects=(name,)) for name in self.logs),
        )

    @cached_property
    def digest(self) -> str:
        """Identity of the declaration: a home is bound to it."""
        return sha256(self.model_dump_json(by_alias=True).encode()).hexdigest()


def _log(name: str, declared: LogDeclaration) -> Log:
    columns = dict(ROLE_COLUMNS[declared.role])
    for column, said in declared.columns.items():
        try:
            columns[column] = said.over(columns.get(column))
        except ValueError as error:
            raise ValueError(f"logs.{name}.columns.{column}: {_first_message(error)}") from error
    identity = declared.identity or ROLE_IDENTITY[declared.role]
    if not identity:
        columns["event_id"] = Column(**{**columns["event_id"].model_dump(), "required": True})
    return Log(
        name=name,
        role=declared.role,
        description=declared.description,
        window=declared.window or DEFAULT_WINDOWS.get(declared.role, timedelta(0)),
        after=declared.after,
        identity=identity,
        fresh_within=declared.fresh_within,
        columns=columns,
    )


def _first_message(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        return error.errors()[0]["msg"].removeprefix("Value error, ")
    return str(error)


def load_log_catalogue(path: Path) -> LogCatalogue:
    """Reads and validates a log catalogue.

    Raises:
        InvalidInput: if the file cannot be read or does not declare a valid catalogue.
    """
    declared = read_declaration(path, name="the log catalogue", remedy="check SRP_LOGS")
    try:
        return LogCatalogue.model_validate(declared)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise InvalidInput(message, where=f"{path}: {place}" if place else str(path), remedy="correct the log catalogue") from error
