"""Where a hit lies in its text: spans of the original, untransformed text, for texts that hit.

A character of a transformed text comes from one character of the original; a span goes from the first to the last original character of
what was found. What the transforms took away in between is inside, what they took away before and behind is not.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

from srp_assets.wordlists.patterns.entries import PATTERN_TYPES, PatternEntry, compiled, entries_of
from srp_assets.wordlists.resolved import ExemptGroup, ListType, ResolvedList
from srp_assets.wordlists.similar.limit import limit_of
from srp_assets.wordlists.syntax import Demand, parse, rule_of
from srp_assets.wordlists.transforms import Fold, fold_of

SEARCH_SECONDS = 1.0
"""How long all places of a pattern in one text are looked for; then the whole text is marked. A trial that takes longer would be noticed by
whoever waits for the case."""

KEPT = 4096
"""Words and transformed texts that are kept from one call to the next: the hits of a page of cases, of one text, or of one list."""


class Span(NamedTuple):
    """A place in a text: the part of it, and the code points of the original part from `start` to before `end`."""

    part: int
    start: int
    end: int


Places = Iterable[tuple[int, int]]
"""Where something was found in a transformed text."""

Finder = Callable[[Sequence[str | None]], list[tuple[int, Places]]]
"""Says for each part, which is transformed, where a word was found in it; nothing if the word does not hit."""


def spans(words: ResolvedList | ExemptGroup, word: int, parts: Sequence[str | None]) -> tuple[Span, ...]:
    """The spans of a word in a text; none if the word does not hit it. What the list's exemptions take back is not asked.

    Args:
        words: the list, or one of its exemptions.
        word: the place of the word, as a hit names it.
        parts: the parts of the text; None is no part.

    Returns:
        Sorted, each once: for a simple word every occurrence of every segment that it requires; for similar characters and acrostics each
        place and beginning where the pattern was found, from left to right; for a regex all that it matches, from left to right; for a
        similar word the parts that are similar, as a whole. A regex that hits without taking a character has the whole part.
    """
    fold, find = _finder(words.type, _asked(words, word), tuple(words.transforms), words.case_sensitive, words.threshold)
    mapped = [None if part is None else _mapped(fold, part) for part in parts]
    found: set[Span] = set()
    for number, places in find([None if part is None else part[0] for part in mapped]):
        origin = (mapped[number] or ("", ()))[1]
        whole = len(parts[number] or "")
        found |= {Span(number, origin[start], origin[end - 1] + 1) if end > start else Span(number, 0, whole) for start, end in places}
    return tuple(sorted(found))


def _asked(words: ResolvedList | ExemptGroup, word: int) -> tuple[str, ...]:
    return words.words if words.type == "similar_char" else (words.words[word],)


@lru_cache(maxsize=KEPT)
def _mapped(fold: Fold, part: str) -> tuple[str, Sequence[int]]:
    return fold.mapped(part)


@lru_cache(maxsize=KEPT)
def _finder(
    type_: ListType, words: tuple[str, ...], transforms: tuple[str, ...], case_sensitive: bool, threshold: float | None
) -> tuple[Fold, Finder]:
    """What transforms the texts for a word, and what finds it in them."""
    fold = fold_of(transforms, case_sensitive)
    if type_ in PATTERN_TYPES:
        (entry,) = entries_of(ExemptGroup(type=type_, words=words, transforms=transforms, case_sensitive=case_sensitive))
        return entry.fold, _pattern_finder(entry)
    if type_ == "similar":
        return fold, _similar_finder(fold(words[0]), threshold or 1.0)
    rule = rule_of(parse(words[0]), fold)
    return fold, _simple_finder(rule.required, rule.forbidden)


def _simple_finder(required: frozenset[Demand], forbidden: frozenset[Demand]) -> Finder:
    def find(parts: Sequence[str | None]) -> list[tuple[int, Places]]:
        def places(demand: Demand) -> list[tuple[int, tuple[int, int]]]:
            return [
                (number, place) for number, part in enumerate(parts) if part for text in demand[0] for place in _occurrences(text, part)
            ]

        found = [(places(demand), demand[1]) for demand in required]
        is_hit = all(len(of_demand) >= wanted for of_demand, wanted in found)
        if not is_hit or any(len(places(demand)) >= demand[1] for demand in forbidden):
            return []
        return [(number, (place,)) for of_demand, _ in found for number, place in of_demand]

    return find


def _occurrences(segment: str, part: str) -> Iterator[tuple[int, int]]:
    """Every place of a segment, overlapping ones too."""
    place = part.find(segment)
    while place >= 0:
        yield place, place + len(segment)
        place = part.find(segment, place + 1)


def _pattern_finder(entry: PatternEntry) -> Finder:
    pattern = compiled(entry)

    def find(parts: Sequence[str | None]) -> list[tuple[int, Places]]:
        found: list[tuple[int, Places]] = []
        for number, part in enumerate(parts):
            if part is None:
                continue
            try:
                found_here = list(pattern.finditer(part, timeout=SEARCH_SECONDS))
                matches = [place for match in found_here for place in (match.regs[:1] if entry.type == "regex" else match.regs[1:])]
            except TimeoutError:
                matches = [(0, 0)]
            taken = [(start, end) for start, end in matches if end > start]
            found.append((number, taken or matches[:1]))
        return found

    return find


def _similar_finder(word: str, threshold: float) -> Finder:
    limit = limit_of(len(word), threshold)

    def find(parts: Sequence[str | None]) -> list[tuple[int, Places]]:
        present = [(number, part) for number, part in enumerate(parts) if part is not None]
        return [
            (number, [(0, 0)]) for number, part in present if Levenshtein.distance(word, part) <= limit.edits(max(len(word), len(part)))
        ]

    return find
