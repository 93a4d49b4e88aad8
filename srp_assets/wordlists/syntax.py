r"""How a word is written: plain text with four operators.

    a&b     all of: both segments stand in the text, in any order; a repeated segment must occur that often
    a~b     not: b does not stand anywhere in the text; b repeated vetoes only if it occurs that often
    a|b     any of: binds tightest, so `do|does&my` is (do or does) and my
    AT\&T   a backslash takes an operator, or a backslash, literally

Blanks count as they stand. `parse` reads a word; `rule_of` says what a read word asks of a transformed text, in one canonical form.
Words that could not mean anything are refused here, each with its remedy.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

Segment = tuple[str, ...]
"""The alternatives of a segment, as written without their escapes; most segments have one."""

MAX_SEGMENTS = 255
"""More segments than anybody can read; scanners number them in one byte."""

SPECIAL = frozenset("&~|\\")
"""The operators, and the backslash that escapes them. A word without these is its own only segment."""

_OPERATOR = re.compile("([&~|])")


class WordError(ValueError):
    """A word cannot be read. `remedy` says what to write instead."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class ParsedWord:
    """A word as it was written: what it requires and what it forbids, repetitions included, in order."""

    required: tuple[Segment, ...]
    forbidden: tuple[Segment, ...]

    @property
    def texts(self) -> Sequence[str]:
        """Every alternative of every segment."""
        return [text for segment in self.required + self.forbidden for text in segment]


Demand = tuple[Segment, int]
"""A transformed segment, and how many occurrences of its alternatives in total."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a word asks of a transformed text. Words that ask the same have equal rules.

    The same segment written n times is one demand for n occurrences. Segments are the same if their transformed alternatives are, in
    the order in which they are written, repetitions dropped: `A` and `a` are if case is ignored, `a|a` and `a` are, `a|b` and `b|a` are
    not, so one a meets `a|b&b|a` while `a|b&a|b` wants two occurrences.
    """

    required: frozenset[Demand]
    forbidden: frozenset[Demand]

    @property
    def texts(self) -> Iterable[str]:
        """Every transformed alternative of every segment."""
        return (text for demands in (self.required, self.forbidden) for segment, _ in demands for text in segment)


def require_word(word: str) -> None:
    """Makes sure that there is a word at all, of any type of list.

    Raises:
        WordError: if it is empty or no text.
    """
    if not word.strip():
        raise WordError("the word is empty", "remove it")
    try:
        word.encode()
    except UnicodeEncodeError as error:
        raise WordError("the word holds half of a character (a lone surrogate)", "write the whole character") from error


def parse(word: str) -> ParsedWord:
    """Reads a word.

    Raises:
        WordError: for an empty word or segment, a stray operator, an unknown escape, a word that is only a negation.
    """
    require_word(word)
    if not SPECIAL.intersection(word):
        return ParsedWord(((word,),), ())
    pieces = _split(word)
    texts, operators = pieces[::2], ["&", *pieces[1::2]]
    if not texts[0] and operators[1] == "~":
        del texts[0], operators[0]
    segments: dict[str, list[Segment]] = {"&": [], "~": []}
    joined_by = ""
    if "" in texts:
        place = texts.index("")
        raise _stray((*operators, operators[-1])[place + 1], at_start=place == 0 and operators[0] == "&")
    for operator, text in zip(operators, texts, strict=True):
        if operator == "|":
            segments[joined_by][-1] += (text,)
        else:
            joined_by = operator
            segments[joined_by].append((text,))
    if not segments["&"]:
        raise WordError("the word only forbids and requires nothing", "name what must stand in the text: wanted~unwanted")
    if len(segments["&"]) + len(segments["~"]) > MAX_SEGMENTS:
        raise WordError(f"the word has more than {MAX_SEGMENTS} segments", "write several words")
    return ParsedWord(tuple(segments["&"]), tuple(segments["~"]))


def rule_of(word: ParsedWord, fold: Callable[[str], str]) -> Rule:
    """What a word asks of a text that `fold` transformed.

    Raises:
        WordError: if the transforms leave nothing of a segment.
    """
    return Rule(_demands(word.required, fold), _demands(word.forbidden, fold))


def _demands(segments: tuple[Segment, ...], fold: Callable[[str], str]) -> frozenset[Demand]:
    if not segments:
        return frozenset()
    folded = [tuple(dict.fromkeys(map(fold, alternatives))) for alternatives in segments]
    for before, after in zip(segments, folded, strict=True):
        if "" in after:
            raise emptied(next(text for text in before if not fold(text)))
    return frozenset(Counter(folded).items())


def emptied(text: str) -> WordError:
    """The error for something of which the transforms leave nothing."""
    return WordError(f"the list's transforms leave nothing of {text!r}", "remove it, or put it in a list without `delete`")


def _split(word: str) -> list[str]:
    """The texts of a word and the operators between them: text, operator, text, .., text."""
    if "\\" not in word:
        return _OPERATOR.split(word)
    pieces = [""]
    characters = iter(word)
    for character in characters:
        if character in "&~|":
            pieces += [character, ""]
        elif character != "\\":
            pieces[-1] += character
        else:
            escaped = next(characters, "")
            if not escaped or escaped not in SPECIAL:
                place = f"before {escaped!r}" if escaped else "at the end of the word"
                raise WordError(f"a backslash stands {place}", "write \\\\ if the backslash itself is meant")
            pieces[-1] += escaped
    return pieces


def _stray(operator: str, *, at_start: bool) -> WordError:
    where = "at the start" if at_start else "beside another operator or at the end"
    return WordError(
        f"operator {operator} {where} leaves an empty segment", f"remove it, or write \\{operator} if the character itself is meant"
    )
