"""Takes lists apart into what engines look for: entries, each with the words and exemptions of lists that stand behind it.

Words that ask the same, in however many lists, are one entry and are looked for once. Each engine has entries of its own: the automatons,
one for the simple words under each fold, that of patterns, and that of similar texts.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from srp_assets.wordlists.hits import EXEMPTION
from srp_assets.wordlists.resolved import ExemptGroup, ResolvedList
from srp_assets.wordlists.syntax import SPECIAL, Rule, parse, rule_of
from srp_assets.wordlists.transforms import Fold, fold_of

Int32s = npt.NDArray[np.int32]
Entry = TypeVar("Entry", bound=Hashable)


class Behind(NamedTuple):
    """What stands behind entries.

    Attributes:
        bounds: int32, shape (entries + 1,), where the pairs of each entry begin.
        pairs: int32, (list, word) pairs, two numbers each; a word is its place in the list, or `EXEMPTION`.
    """

    bounds: Int32s
    pairs: Int32s


class Group(NamedTuple):
    """The words of a list, or those of an exemption of it, as engines want them: which list it is, and how its words are reported."""

    number: int
    words: ResolvedList | ExemptGroup

    @property
    def is_exemption(self) -> bool:
        """Whether its words take hits back."""
        return isinstance(self.words, ExemptGroup)


def groups_of(lists: Sequence[ResolvedList]) -> Iterable[Group]:
    """All lists and exemptions."""
    for number, words in enumerate(lists):
        yield Group(number, words)
        for group in words.exempt:
            yield Group(number, group)


class Numbering(Generic[Entry]):
    """Numbers different entries in the order in which they are met, and remembers what stands behind each."""

    def __init__(self) -> None:
        self._numbers: dict[Entry, int] = {}
        self._met: list[Int32s] = []

    @property
    def entries(self) -> list[Entry]:
        """All entries, in the order of their numbers."""
        return list(self._numbers)

    def add(self, group: Group, entries: Sequence[Entry], places: Sequence[int]) -> None:
        """Notes the entries that the words at these places of a group are."""
        numbers = self._numbers
        met = np.empty((3, len(entries)), dtype=np.int32)
        met[0] = np.fromiter((numbers.setdefault(entry, len(numbers)) for entry in entries), dtype=np.int32, count=len(entries))
        met[1] = group.number
        met[2] = EXEMPTION if group.is_exemption else places
        self._met.append(met)

    def behind(self) -> Behind:
        """What stands behind the entries."""
        met = np.concatenate([np.empty((3, 0), dtype=np.int32), *self._met], axis=1)
        by_entry = np.argsort(met[0], kind="stable")
        bounds = np.concatenate([[0], np.cumsum(np.bincount(met[0], minlength=len(self._numbers)))])
        return Behind(bounds.astype(np.int32), np.ascontiguousarray(met[1:, by_entry].T).reshape(-1))


class SimpleEntries:
    """The entries of an automaton: transformed plain words, then rules."""

    def __init__(self, fold: Fold) -> None:
        self.fold = fold
        self.words: Numbering[str] = Numbering()
        self.rules: Numbering[Rule] = Numbering()

    def add(self, group: Group) -> None:
        """Adds the words of a group.

        Raises:
            WordError: for a word that saving its list would have refused.
        """
        words = group.words.words
        logical = [] if SPECIAL.isdisjoint(set().union(*words)) else [n for n, word in enumerate(words) if not SPECIAL.isdisjoint(word)]
        places = sorted(set(range(len(words))).difference(logical)) if logical else range(len(words))
        plain = [words[place] for place in places]
        folded = self.fold.many(plain)
        if not all(folded) or any(map(str.isspace, plain)) or not _is_text(plain):
            for word in plain:
                rule_of(parse(word), self.fold)
        self.words.add(group, folded, places)
        self.rules.add(group, [rule_of(parse(words[place]), self.fold) for place in logical], logical)

    def behind(self) -> Behind:
        """What stands behind the words and then the rules."""
        words, rules = self.words.behind(), self.rules.behind()
        return Behind(np.concatenate([words.bounds, words.bounds[-1] + rules.bounds[1:]]), np.concatenate([words.pairs, rules.pairs]))


def _is_text(words: Sequence[str]) -> bool:
    """Whether no word holds half of a character."""
    try:
        "".join(words).encode()
    except UnicodeEncodeError:
        return False
    return True


def simple_entries(groups: Iterable[Group]) -> list[SimpleEntries]:
    """The entries of an automaton for each fold of simple lists."""
    found: dict[Fold, SimpleEntries] = {}
    for group in groups:
        if group.words.type == "simple" and group.words.words:
            fold = fold_of(group.words.transforms, group.words.case_sensitive)
            found.setdefault(fold, SimpleEntries(fold)).add(group)
    return list(found.values())
