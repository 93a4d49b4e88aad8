r"""The lists whose words are patterns: how their words are written, which regex says the same, and what is refused when a list is saved.

- `regex`: each word is a regex (`syntax.py`). It is read as it stands: the transforms apply to the text alone, for a pattern is no
  text (`\s` would lose its meaning under `delete`). Case is ignored as a regex does it, so the text keeps its case and `[[:upper:]]` its
  meaning.
- `similar_char`: the words are the places of one pattern; each has its alternatives, between commas: `hello,hallo`, then `word,world`. It
  hits where one of each stands in order, with at most one other character between them, which is no line feed.
- `acrostic`: each word is the beginnings of a row of phrases, between commas: `h,e,l,p`. It hits where these stand in order, each behind
  punctuation or blanks, the first one also at the very start. A line feed may only stand among the punctuation and blanks right before a
  beginning: a line of other phrases between two beginnings parts them.

Of the last two the alternatives and beginnings are words like those of simple lists, so the transforms and the case fold apply to both
sides. A comma that is meant is written `\,`, a backslash `\\`.
"""

from collections.abc import Iterable
from typing import NamedTuple

import regex

from srp_assets.wordlists.patterns.automaton import FACTS, ambiguous_loop, automata_of
from srp_assets.wordlists.patterns.syntax import PatternError, parse_pattern
from srp_assets.wordlists.patterns.tree import Pattern
from srp_assets.wordlists.resolved import ExemptGroup, ListType, ResolvedList
from srp_assets.wordlists.syntax import WordError, emptied
from srp_assets.wordlists.transforms import Fold, fold_of

PATTERN_TYPES: frozenset[ListType] = frozenset({"similar_char", "acrostic", "regex"})

_IN_EVERY_TEXT = (FACTS["start"] | FACTS["line_start"], FACTS["end"] | FACTS["line_end"] | FACTS["last_line_end"])
"""What holds together at one place of every text."""

BOUNDARY = r"[\s\p{P}]"
"""What a beginning of an acrostic stands behind."""


class PatternEntry(NamedTuple):
    """One pattern to look for: a word of an acrostic or regex list, or all words of a similar_char list."""

    type: ListType
    words: tuple[str, ...]
    transforms: tuple[str, ...]
    case_sensitive: bool

    @property
    def ignores_case(self) -> bool:
        """Whether the pattern itself ignores case; that of the others lies in the fold."""
        return self.type == "regex" and not self.case_sensitive

    @property
    def fold(self) -> Fold:
        """What is done to a text before the pattern is looked for."""
        return fold_of(self.transforms, self.case_sensitive or self.type == "regex")


def entries_of(group: ResolvedList | ExemptGroup) -> list[PatternEntry]:
    """The patterns of a list of one of `PATTERN_TYPES`. The place of a pattern is the place of the word that it hits as."""
    transforms = tuple(sorted(group.transforms))
    patterns = [group.words] if group.type == "similar_char" and group.words else [(word,) for word in group.words]
    return [PatternEntry(group.type, words, transforms, group.case_sensitive) for words in patterns]


def split_word(word: str) -> list[str]:
    r"""What stands between the commas of a word, without its escapes.

    Raises:
        WordError: if nothing stands there, or a backslash stands before anything else than a comma or a backslash.
    """
    parts = [""]
    characters = iter(word)
    for character in characters:
        if character == ",":
            parts.append("")
        elif character != "\\":
            parts[-1] += character
        else:
            escaped = next(characters, "")
            if not escaped or escaped not in ",\\":
                place = f"before {escaped!r}" if escaped else "at the end of the word"
                raise WordError(f"a backslash stands {place}", "write \\\\ if the backslash itself is meant")
            parts[-1] += escaped
    if "" in parts:
        raise WordError("nothing stands before or behind a comma", r"remove the comma, or write \, if the comma itself is meant")
    return parts


def expression(entry: PatternEntry) -> str:
    """The regex that says what a pattern asks of a transformed text; the places and beginnings of other lists are its groups.

    Raises:
        WordError: for a word that cannot be read, or of which the transforms leave nothing.
    """
    if entry.type == "regex":
        return entry.words[0]
    if entry.type == "similar_char":
        return ".?".join(f"({'|'.join(dict.fromkeys(_literals(word, entry.fold)))})" for word in entry.words)
    beginnings = [f"({beginning})" for beginning in _literals(entry.words[0], entry.fold)]
    return rf"(?:^|{BOUNDARY}+?)" + rf".*?{BOUNDARY}+?".join(beginnings)


def compiled(entry: PatternEntry) -> regex.Pattern[str]:
    """The pattern for the module `regex`, which says where in a transformed text it stands."""
    return regex.compile(expression(entry), regex.V0 | (regex.IGNORECASE if entry.ignores_case else 0))


def read_entry(entry: PatternEntry) -> Pattern:
    """The pattern as a tree.

    Raises:
        WordError: for a pattern that cannot be read.
    """
    return parse_pattern(expression(entry), ignore_case=entry.ignores_case)


def check_entry(entry: PatternEntry) -> Pattern:
    """Reads a pattern and makes sure that a scan can look for it in a time that grows with the text and no faster.

    Scans read a text once, whatever the pattern. But where a hit lies in its text, and back references, only trial tells; patterns that
    can read the same characters in exponentially many ways are refused for that, and because nobody means them.

    Raises:
        WordError: for a pattern that cannot be read, is too large, hits every text, or may take a time without bound.
    """
    pattern = read_entry(entry)
    automata = automata_of(pattern)
    for automaton in automata:
        loop = ambiguous_loop(automaton)
        if loop is not None:
            raise PatternError(
                "this repetition can read the same characters in more than one way, so that trying all of them may take for ever",
                "repeat what is inside only once, or make its parts differ: (a+)+ says the same as a+",
                pattern.source,
                loop.start,
                loop.end,
            )
    is_everywhere = any(facts & ~ends == 0 for facts in automata[-1].empties for ends in _IN_EVERY_TEXT)
    if is_everywhere and (not pattern.is_tried or compiled(entry).search("")):
        raise WordError("the pattern hits every text, the empty one too", "ask for at least one character")
    return pattern


def _literals(word: str, fold: Fold) -> Iterable[str]:
    """The parts of a word as a transformed text has them, written so that no character has a meaning."""
    for part in split_word(word):
        folded = fold(part)
        if not folded:
            raise emptied(part)
        yield regex.escape(folded)
