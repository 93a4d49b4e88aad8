"""What a pattern asks of a text, as a tree: made by `syntax.py` from regexes and by `entries.py` from other lists."""

from dataclasses import dataclass
from typing import Literal, Union

from srp_assets.wordlists.patterns.sets import CodePoints

Kind = Literal["start", "end", "line_start", "line_end", "last_line_end", "boundary", "no_boundary"]
"""What holds between two characters. `last_line_end` is what `$` means: the end, or before a line feed that is the last character."""


@dataclass(frozen=True, slots=True)
class Chars:
    """One character of a set."""

    chars: CodePoints


@dataclass(frozen=True, slots=True)
class Concat:
    """One after the other; nothing at all if there are no items."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of several."""

    branches: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """Again and again. `start` and `end` are where it stands in the pattern; `most` is None without bound."""

    body: "Node"
    least: int
    most: int | None
    is_possessive: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class At:
    """A place between two characters."""

    kind: Kind


@dataclass(frozen=True, slots=True)
class Look:
    """A place behind or before which something stands, or does not."""

    body: "Node"
    is_behind: bool
    is_negated: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A group that a back reference may mean."""

    body: "Node"
    number: int


@dataclass(frozen=True, slots=True)
class Reference:
    """What a group found, once more."""

    number: int


@dataclass(frozen=True, slots=True)
class Atomic:
    """Something that, once found, is not looked for in another way."""

    body: "Node"


Node = Union[Chars, Concat, Either, Repeat, At, Look, Group, Reference, Atomic]  # noqa: UP007 (names that are defined above one another)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that was read.

    `groups` are the bodies by number; `is_tried` says that only trial tells whether it is found: it refers back to a group, or asks that
    what was found be not looked for in another way.
    """

    source: str
    node: Node
    groups: dict[int, Node]
    is_tried: bool
