"""What a record of the store holds: which entries there are, how long each is, and how long it matters.

The store has a *record* for each value of the first key of each family (`features/aggregation/layout.py`): a user's, an item's, a market's.
A record is a sequence of *entries* of 8-byte words, each a sum of a day, a newest value, or an event of the last hours. Writers only
append; readers add up what belongs together; now and then a record is written anew without what nobody asks for any more
(`compaction.py`).

Tables of pairs under a first key of few values (`MANY_VALUED` says which have many) lie *apart*, in a record for each combination of keys:
a category's clicks at each place and hour of sixty days would fill a record of 100 kB and more, of which a request needs one place and
one hour. Where a first key has many values, each has few events, and one record for all its pairs is read more quickly than one for
each of 200 candidates. What speaks of all values of a key (how many there are, which leads) stays with the first key.

An entry begins with a word that has the code of the entry (16 bits), its words (16 bits) and the day of the event (32 bits). Then:

- what further keys there are: the digest of those between the first and the last, where there are three or more, and that of the last;
- of a count one float64, of a sum two (the sum and what its rounding lost);
- of a newest value the time of its event, the value, the bytes of the event's id, and the id, filled up with zeros;
- of an event of a session its time, a word for each term, the bytes of its id, and the id.

Values are float64; times are microseconds and texts digests, as int64. Which text a digest is of, the store knows where it is asked for.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Literal

from srp_assets.features.aggregation.layout import OF_VALUES, Additive, Family, Layout, Newest, PartialTable, additives_of, table_keys
from srp_assets.features.algebra import reach_days
from srp_assets.features.declaration.definitions import Definitions, Feature
from srp_assets.features.declaration.model import Aggregated, Distinct, EventFilter, Last, Top

Form = Literal["count", "sum", "newest"]

FORMS: tuple[Form, ...] = ("count", "sum", "newest")
"""By the numbers that kernels know them by."""

FORMAT = 2
"""Of records; a change of what their words mean, or of where they lie, raises it, and a store of another format is built anew."""

MANY_VALUED = ("user_id", "item_id", "query")
"""Columns with so many values that each has few of the events."""

SESSION_CODE = 0
"""The code of events of sessions; all other codes are numbered from 1 in each family."""

CODE_BITS, WORDS_BITS = 16, 16


@dataclass(frozen=True)
class Code:
    """What entries of one code are.

    Args:
        number: the code.
        table: the partial table that they are of.
        part: what is summed, or whose newest value is kept.
        form: which words follow the keys.
        reach_days: how many days before today they matter.
        names_texts: whether the text of a value is asked for, not only which values are the same.
    """

    number: int
    table: PartialTable
    part: Additive | Newest
    form: Form
    reach_days: int
    names_texts: bool

    @property
    def key_words(self) -> int:
        """How many words the keys after the first take."""
        return min(len(self.table.keys) - 1, 2)


@dataclass(frozen=True)
class SessionTerm:
    """What one word of an event of a session says: the value of a column, or 1 where there is none; nothing where the filter fails.

    Nothing is written as NaN, and of texts as 0.
    """

    filter: EventFilter
    column: str | None


@dataclass(frozen=True)
class FamilyRecords:
    """The records of one family."""

    family: Family
    codes: tuple[Code, ...]
    session_terms: tuple[SessionTerm, ...]
    named_terms: frozenset[SessionTerm]
    """Terms of texts that are asked for."""
    apart: frozenset[PartialTable]
    """Tables whose entries lie in a record for each combination of their keys."""

    def group(self, table: PartialTable) -> str:
        """What the keys of the records that hold a table begin with."""
        return table.name if table in self.apart else self.family.key

    @property
    def groups(self) -> list[str]:
        """Those of all records."""
        return [self.family.key, *(table.name for table in self.family.tables if table in self.apart)]

    @cached_property
    def by_part(self) -> dict[tuple[tuple[str, ...], Additive | Newest], Code]:
        """The codes by the keys of their table and what they keep."""
        return {(code.table.keys, code.part): code for code in self.codes}


@dataclass(frozen=True)
class RecordLayout:
    """The records of all families."""

    layout: Layout
    families: tuple[FamilyRecords, ...]

    @property
    def definitions(self) -> Definitions:
        """Of the features."""
        return self.layout.definitions

    @cached_property
    def digest(self) -> str:
        """Identity of what the words of records mean: a store is of one of them."""
        kept = [
            (
                of_family.family.key,
                [(code.number, code.table.keys, code.part.name, code.reach_days, code.names_texts) for code in of_family.codes],
                [(term.filter.model_dump(mode="json"), term.column) for term in of_family.session_terms],
            )
            for of_family in self.families
        ]
        apart = sorted(table.name for of_family in self.families for table in of_family.apart)
        return f"{FORMAT}-{sha256(json.dumps([self.layout.digest, kept, apart]).encode()).hexdigest()[:16]}"

    def difference(self, records: str) -> str | None:
        """What the records of a store with this identity are instead; None if they are these."""
        if records == self.digest:
            return None
        format_, separator, _ = records.rpartition("-")
        own = format_ if separator else "1"
        return "records of other definitions" if own == str(FORMAT) else f"records of format {own}, not {FORMAT}"


def record_layout(layout: Layout) -> RecordLayout:
    """The records for what some definitions need."""
    return RecordLayout(layout, tuple(_of_family(layout.definitions, family) for family in layout.families))


def _of_family(definitions: Definitions, family: Family) -> FamilyRecords:
    windowed = [feature for feature in family.features if not feature.is_of_session]
    codes: list[Code] = []
    for table in family.tables:
        own = [feature for feature in windowed if table_keys(definitions, feature) == table.keys]
        for additive in table.additives:
            users = [feature for feature in own if additive in additives_of(_declared(feature))]
            names_texts = any(isinstance(feature.declared, Top) for feature in users)
            form: Form = "count" if additive.part == "count" else "sum"
            codes.append(Code(len(codes) + 1, table, additive, form, max(map(reach_days, users)), names_texts))
        for newest in table.newest:
            users = [feature for feature in own if isinstance(feature.declared, Last) and newest_of(feature.declared) == newest]
            names_texts = definitions.event_columns[newest.column] == "text"
            codes.append(Code(len(codes) + 1, table, newest, "newest", max(map(reach_days, users)), names_texts))
    terms = dict.fromkeys(term for feature in family.features if feature.is_of_session for term in session_terms_of(_declared(feature)))
    named = {
        session_terms_of(_declared(feature))[0]
        for feature in family.features
        if feature.is_of_session and isinstance(feature.declared, Last) and feature.value_type == "text"
    }
    of_values = {table_keys(definitions, feature) for feature in windowed if isinstance(feature.declared, OF_VALUES)}
    apart = (table for table in family.tables if len(table.keys) > 1 and table.keys not in of_values)
    return FamilyRecords(family, tuple(codes), tuple(terms), frozenset(named), frozenset(() if family.key in MANY_VALUED else apart))


def newest_of(declared: Last) -> Newest:
    """What a last value is the newest of."""
    return Newest(declared.event, declared.column)


def session_terms_of(declared: Aggregated) -> tuple[SessionTerm, ...]:
    """What a feature of a session is made of."""
    if isinstance(declared, Last | Distinct):
        return (SessionTerm(declared.event, declared.column),)
    found: Iterable[Additive] = additives_of(declared)
    return tuple(dict.fromkeys(SessionTerm(additive.filter, additive.column) for additive in found))


def _declared(feature: Feature) -> Aggregated:
    assert isinstance(feature.declared, Aggregated)
    return feature.declared
