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

`derivation.py` says where the tables come from. Deriving one takes about 0.1 s, so that every table is kept in the user's cache folder
(`table_cache.py`) and read from there, in some milliseconds, whenever a process asks for it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from srp_assets.wordlists import table_cache

Transform = Literal["simplify", "delete", "normalize", "pinyin", "pinyin_char", "emoji"]
TRANSFORMS: tuple[Transform, ...] = get_args(Transform)

Table = dict[int, str]
"""From a code point to what it becomes; a code point that is not in it stays. As `str.translate` takes it."""

SEPARATOR = "\U0010fffd"
"""Stands between texts that are transformed together; no table changes it, or makes it."""

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

    def many(self, texts: Sequence[str]) -> list[str]:
        """T of each of many texts, in less time than one by one."""
        folded = SEPARATOR.join(texts).translate(self.table).split(SEPARATOR)
        # Other numbers mean no texts, or one that holds the separator.
        return folded if len(folded) == len(texts) else [self(text) for text in texts]

    def mapped(self, text: str) -> tuple[str, Sequence[int]]:
        """T of a text, and for each of its characters the place of the character of the text that became it."""
        if self.keeps_places:
            return self(text), range(len(text))
        becomes = [self.table.get(ord(character), character) for character in text]
        return "".join(becomes), [place for place, result in enumerate(becomes) for _ in result]

    @cached_property
    def keeps_places(self) -> bool:
        """Whether each character becomes one character, as by the case fold alone."""
        return bool((self.widths == 1).all())

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
    return Fold(transforms, case_sensitive, _table(tuple(sorted(steps, key=_PLACE.__getitem__))))


def table_of(step: str) -> Table:
    """The table of one transform, or of the case fold (`case`)."""
    return _table((step,))


@cache
def _table(steps: tuple[str, ...]) -> Table:
    """One table for any number of steps, applied one after the other."""
    return table_cache.kept("+".join(steps), lambda: _derived(steps)) if steps else {}


def _derived(steps: tuple[str, ...]) -> Table:
    # Imported where a table is missing: matcher_py is not loaded in processes that find theirs.
    from srp_assets.wordlists.derivation import derive

    if len(steps) == 1:
        return derive(steps[0], table_of)
    tables = [table_of(step) for step in steps]
    affected = sorted(set().union(*tables))
    joined = SEPARATOR.join(map(chr, affected))
    for table in tables:
        joined = joined.translate(table)
    return {code: text for code, text in zip(affected, joined.split(SEPARATOR), strict=True) if text != chr(code)}
