"""What word lists mean, in naive Python: slow and obviously right. The scanner must say the same.

A **text** has one part, or several if the feature is composed of several columns; a missing part is as if it were not there. A list's
transforms and its case fold (`transforms.py`) are applied to every part of the text and to every segment of the word: below, "text" and
"segment" mean the transformed ones. Regexes alone are read as they are written (`patterns/entries.py` says why).
"""

from collections.abc import Sequence
from fractions import Fraction

from srp_assets.wordlists.patterns.entries import PATTERN_TYPES, PatternEntry, compiled, entries_of
from srp_assets.wordlists.resolved import ExemptGroup, ResolvedList
from srp_assets.wordlists.syntax import Demand, Rule, parse, rule_of
from srp_assets.wordlists.transforms import fold_of

Text = Sequence[str | None]
"""The parts of a text."""


def occurrences(segment: str, part: str) -> int:
    """How often a segment occurs in a part of a text. Overlapping occurrences count: `aa` occurs twice in `aaa`."""
    count = 0
    place = part.find(segment)
    while place >= 0:
        count += 1
        place = part.find(segment, place + 1)
    return count


def is_met(demand: Demand, parts: Sequence[str]) -> bool:
    """Whether the alternatives of a segment occur often enough, added up over alternatives and parts.

    An occurrence lies within one part: nothing matches across the seam between two. `a|b&a|b` wants two occurrences in total, of a, of
    b or of both; `a|b&b|a` are two different segments, which one a meets; an alternative written twice counts once. The same character
    may serve several segments and alternatives: `abc&bc&c` hits "abc".
    """
    alternatives, wanted = demand
    return sum(occurrences(alternative, part) for alternative in alternatives for part in parts) >= wanted


def rule_hits(rule: Rule, parts: Sequence[str]) -> bool:
    """Whether all that is required stands in the text and nothing that is forbidden does.

    A forbidden segment vetoes wherever it stands, within a required one too: `apple~pp` never hits. `a~b~b` is vetoed by two b, not by one.
    """
    return all(is_met(demand, parts) for demand in rule.required) and not any(is_met(demand, parts) for demand in rule.forbidden)


def pattern_hits(entry: PatternEntry, text: Text) -> bool:
    """Whether a pattern is found in any part of a text; it never goes on from one part into the next."""
    pattern = compiled(entry)
    return any(pattern.search(entry.fold(part)) for part in text if part is not None)


def distance(one: str, other: str) -> int:
    """How many characters have to be inserted, deleted or replaced to make one text of another (Levenshtein's distance)."""
    row = list(range(len(other) + 1))
    for place, character in enumerate(one, 1):
        before, row = row, [place]
        for column, candidate in enumerate(other, 1):
            row.append(min(before[column] + 1, row[-1] + 1, before[column - 1] + (character != candidate)))
    return row[-1]


def is_similar(word: str, part: str, threshold: float) -> bool:
    """Whether a whole part of a text is similar enough to a word.

    Similarity is 1 - distance / length of the longer one, and exact: the threshold is the decimal number that people read, so that one
    edit in ten characters is 0.9 whatever the fractions of a computer say.
    """
    longer = max(len(word), len(part))
    return 1 - Fraction(distance(word, part), longer) >= Fraction(str(threshold))


def words_hit(group: ResolvedList | ExemptGroup, text: Text) -> set[int]:
    """The places of the words that hit a text under the transforms and the case rule of their group, exempt or not.

    A similar_char list hits as a whole, by the name of its word 0.
    """
    if group.type in PATTERN_TYPES:
        return {place for place, entry in enumerate(entries_of(group)) if pattern_hits(entry, text)}
    fold = fold_of(group.transforms, group.case_sensitive)
    parts = [fold(part) for part in text if part is not None]
    if group.type == "similar":
        threshold = group.threshold or 1.0
        return {place for place, word in enumerate(group.words) if any(is_similar(fold(word), part, threshold) for part in parts)}
    return {place for place, word in enumerate(group.words) if rule_hits(rule_of(parse(word), fold), parts)}


def is_exempt(words: ResolvedList, text: Text) -> bool:
    """Whether any exemption of a list hits a text."""
    return any(words_hit(group, text) for group in words.exempt)


def hits(words: ResolvedList, text: Text) -> set[int]:
    """The places of the words of a list that hit a text.

    If an exemption of the list hits the text, the whole list is silent on it; other lists are not affected.
    """
    return set() if is_exempt(words, text) else words_hit(words, text)


def scan(lists: Sequence[ResolvedList], texts: Sequence[Text]) -> list[tuple[int, int, int]]:
    """All hits as (row, list, word), in this order."""
    return [
        (row, number, word) for row, text in enumerate(texts) for number, words in enumerate(lists) for word in sorted(hits(words, text))
    ]


def silenced(lists: Sequence[ResolvedList], texts: Sequence[Text]) -> list[int]:
    """For each list, on how many texts its exemptions took hits away."""
    return [sum(is_exempt(words, text) and bool(words_hit(words, text)) for text in texts) for words in lists]
