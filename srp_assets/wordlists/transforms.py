"""What a text is turned into before words are looked for: transforms and the case fold, all of them per code point.

A list with transforms T hits where T(word) occurs in T(text): T is applied to both sides. Every transform is a table from one code point to
what it becomes (nothing, a character, several), so T of a text is T of its code points one by one. The order is fixed, whatever order a
list names them in:

1. `emoji`: an emoji becomes its English name between blanks (first, or `delete` would take the emoji away);
2. `normalize`: full-width, circled and mathematical letters, accents, look-alikes and unit signs become plain letters and digits (before
   `simplify`, which knows no compatibility forms, and before `delete`, which would take a circled letter for a sign);
3. `simplify`: traditional and variant ideographs become simplified ones;
4. `delete`: blanks, punctuation, signs, marks and controls go;
5. the case fold, unless the list is case sensitive: Unicode's simple folding, one code point to one (ß stays; `normalize` makes it ss);
6. `pinyin`: an ideograph becomes one private symbol for its syllable without tone; or `pinyin_char`: the syllable's letters.

The tables are derived once per process from matcher_py and then corrected by `overrides.py`, which gives the reasons. Nothing is
derived before it is asked for.
"""

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from matcher_py import ProcessType, text_process

from srp_assets.wordlists.overrides import COMBINING_ACCENTS, LOST_VARIANTS, UNCHANGED_BY_SIMPLIFY

Transform = Literal["simplify", "delete", "normalize", "pinyin", "pinyin_char", "emoji"]
TRANSFORMS: tuple[Transform, ...] = get_args(Transform)

Table = dict[int, str]
"""From a code point to what it becomes; a code point that is not in it stays. As `str.translate` takes it."""

FIRST_SYLLABLE = 0x100000
"""Syllables are private-use characters from here on. Such characters in a text are no syllables: under `pinyin` they are all U+FFFD."""

_SEPARATOR = "\U0010fffd"
"""Stands between code points that are transformed together; no table changes it."""

_PLACE = {name: place for place, name in enumerate(("emoji", "normalize", "simplify", "delete", "case", "pinyin", "pinyin_char"))}
"""The order of the steps."""


@dataclass(frozen=True, eq=False)
class Fold:
    """All transforms of a list in one: T. Calling it transforms a text; `table` says what T makes of a code point.

    For whole columns the table is there as arrays: `code_points` that T changes, each becoming the `widths` characters of `results`
    from `starts` on.
    """

    transforms: frozenset[str]
    case_sensitive: bool
    table: Table

    def __call__(self, text: str) -> str:
        """T of a text."""
        return text.translate(self.table)

    def mapped(self, text: str) -> tuple[str, list[int]]:
        """T of a text, and for each of its characters the place of the character of the text that became it."""
        becomes = [self.table.get(ord(character), character) for character in text]
        return "".join(becomes), [place for place, result in enumerate(becomes) for _ in result]

    @cached_property
    def code_points(self) -> npt.NDArray[np.int64]:
        """The code points that T changes."""
        return np.fromiter(self.table, dtype=np.int64, count=len(self.table))

    @cached_property
    def widths(self) -> npt.NDArray[np.int64]:
        """How many characters each changed code point becomes."""
        return np.fromiter(map(len, self.table.values()), dtype=np.int64, count=len(self.table))

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """Where in `results` the characters of each changed code point begin."""
        return np.cumsum(self.widths) - self.widths

    @cached_property
    def results(self) -> npt.NDArray[np.uint32]:
        """The characters that changed code points become, one after the other."""
        return np.frombuffer("".join(self.table.values()).encode("utf-32-le"), dtype="<u4")


def fold_of(transforms: Iterable[str], case_sensitive: bool) -> Fold:
    """The fold for these transforms, in whatever order they are named; equal ones are the same object.

    Raises:
        KeyError: for a name that is no transform.
    """
    return _fold(frozenset(transforms), case_sensitive)


@cache
def _fold(transforms: frozenset[str], case_sensitive: bool) -> Fold:
    steps = transforms if case_sensitive else transforms | {"case"}
    tables = [table_of(name) for name in sorted(steps, key=_PLACE.__getitem__)]
    return Fold(transforms, case_sensitive, _composed(tables))


def _composed(tables: list[Table]) -> Table:
    """One table for any number of tables, applied one after the other."""
    if len(tables) < 2:
        return tables[0] if tables else {}
    affected = sorted(set().union(*tables))
    joined = _SEPARATOR.join(map(chr, affected))
    for table in tables:
        joined = joined.translate(table)
    return _changes(affected, joined.split(_SEPARATOR))


def _changes(code_points: Iterable[int], becomes: Iterable[str]) -> Table:
    return {code: text for code, text in zip(code_points, becomes, strict=True) if text != chr(code)}


@cache
def table_of(step: str) -> Table:
    """The table of one transform, or of the case fold (`case`)."""
    return _DERIVE[step]()


def _code_points() -> Iterable[int]:
    """Every code point to which Unicode gives a meaning."""
    return chain(range(0xD800), range(0xE000, 0x33480), range(0xE0000, 0xE0200))


def _case() -> Table:
    """Unicode's simple case folding: one code point becomes one. Combining marks are no letters and stay."""
    table: Table = {}
    for code in _code_points():
        character = chr(code)
        folded = character.casefold()
        if len(folded) > 1:
            folded = character.lower()
        if folded != character and len(folded) == 1 and not unicodedata.combining(character):
            table[code] = folded
    return table


def _upstream(process: int) -> Table:
    """What matcher_py makes of every code point, in one call."""
    return _changes(_code_points(), text_process(process, _SEPARATOR.join(map(chr, _code_points()))).split(_SEPARATOR))


def _closed(table: Mapping[int, str]) -> Table:
    """A table whose results it does not change any more ("closed")."""
    closed: Table = {}
    for code, text in table.items():
        seen = {text}
        while (again := text.translate(table)) not in seen:
            seen.add(again)
            text = again
        closed[code] = text
    return closed


def _emoji() -> Table:
    return {code: f"{name} " if name else "" for code, name in _upstream(ProcessType.EMOJI_NORM).items()}


def _delete() -> Table:
    return _upstream(ProcessType.DELETE)


def _is_han(code: int) -> bool:
    return code == 0x3007 or 0x3400 <= code < 0xA000 or 0xF900 <= code < 0xFB00 or 0x20000 <= code < 0x34000


def _simplify() -> Table:
    table = _upstream(ProcessType.VARIANT_NORM)
    table |= {ord(LOST_VARIANTS[place]): LOST_VARIANTS[place + 1] for place in range(0, len(LOST_VARIANTS), 2)}
    for character in UNCHANGED_BY_SIMPLIFY:
        table.pop(ord(character), None)
    for code in (*range(0x2E80, 0x2FE0), *range(0xF900, 0xFB00), *range(0x2F800, 0x2FA20)):
        plain = unicodedata.normalize("NFKC", chr(code))
        if plain != chr(code) and all(_is_han(ord(character)) for character in plain):
            table[code] = plain
    return _closed(table)


def _normalize() -> Table:
    table = _upstream(ProcessType.NORMALIZE)
    for code in list(table):
        plain = unicodedata.normalize("NFKC", chr(code))
        if any(_is_han(ord(character)) for character in plain):
            table[code] = plain  # "ideographs", and for a numeral itself: "numerals"
    for first, last in COMBINING_ACCENTS:
        table |= dict.fromkeys(range(first, last + 1), "")
    table |= _case_pairs(_closed(table))
    closed = _closed(table)
    kept = {code: text.upper() if chr(code).isupper() else text for code, text in closed.items()}  # "case kept"
    return {code: text for code, text in kept.items() if text != chr(code)}


def _case_pairs(closed: Table) -> Table:
    """The same reading for a letter in all its cases: the small letter's where that is plain Latin, else the capital's ("case pairs")."""
    cases = table_of("case")
    readings: Table = {}
    for code, small in cases.items():
        reading, of_small = (closed.get(letter, chr(letter)).translate(cases) for letter in (code, ord(small)))
        if reading != of_small:
            readings.setdefault(ord(small), of_small if of_small.isascii() else reading)
    return readings | {code: readings[ord(small)] for code, small in cases.items() if ord(small) in readings}


@cache
def _syllables() -> Table:
    """From an ideograph to its syllable ("han only")."""
    return {code: text.strip() for code, text in _upstream(ProcessType.ROMANIZE).items() if _is_han(code)}


def _pinyin() -> Table:
    syllables = _syllables()
    symbols = {syllable: chr(FIRST_SYLLABLE + number) for number, syllable in enumerate(sorted(set(syllables.values())))}
    taken = {ord(symbol): "\ufffd" for symbol in symbols.values()}
    return taken | {code: symbols[syllable] for code, syllable in syllables.items()}


_DERIVE: dict[str, Callable[[], Table]] = {
    "case": _case,
    "emoji": _emoji,
    "normalize": _normalize,
    "simplify": _simplify,
    "delete": _delete,
    "pinyin": _pinyin,
    "pinyin_char": _syllables,
}
