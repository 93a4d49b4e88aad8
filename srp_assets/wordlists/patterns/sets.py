r"""Sets of code points, as patterns write them: `[a-z]`, `\w`, `.`, with or without regard to case.

What a class such as `\w` or `\p{Han}` holds is asked of the module `regex`, whose language our patterns speak: it is asked about every
code point once, so every engine that a pattern is given to sees the same set, whatever its own tables of Unicode say.
"""

from bisect import bisect_right
from collections.abc import Iterable
from functools import cache, lru_cache

import regex

CodePoints = tuple[tuple[int, int], ...]
"""A set of code points: ranges with both ends included, sorted, apart from each other by at least one code point."""

LAST = 0x10FFFF

_SURROGATES = (0xD800, 0xDFFF)

EVERY: CodePoints = ((0, LAST),)
NEWLINE: CodePoints = ((10, 10),)


def united(ranges: Iterable[tuple[int, int]]) -> CodePoints:
    """The set of all code points in any of the ranges, which may overlap and come in any order."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def complement(chars: CodePoints) -> CodePoints:
    """Every other code point."""
    starts = [0, *(high + 1 for _, high in chars)]
    ends = [*(low - 1 for low, _ in chars), LAST]
    return tuple((low, high) for low, high in zip(starts, ends, strict=True) if low <= high)


def of_text(characters: Iterable[str]) -> CodePoints:
    """The set of these characters."""
    return united((ord(character), ord(character)) for character in characters)


def holds(chars: CodePoints, code: int) -> bool:
    """Whether a code point is in the set."""
    place = bisect_right(chars, (code, LAST)) - 1
    return place >= 0 and code <= chars[place][1]


def overlap(one: CodePoints, other: CodePoints) -> bool:
    """Whether two sets share a code point."""
    mine, theirs = 0, 0
    while mine < len(one) and theirs < len(other):
        if one[mine][1] < other[theirs][0]:
            mine += 1
        elif other[theirs][1] < one[mine][0]:
            theirs += 1
        else:
            return True
    return False


def size(chars: CodePoints) -> int:
    """How many code points the set has."""
    return sum(high - low + 1 for low, high in chars)


NOT_NEWLINE = complement(NEWLINE)


@cache
def named(escape: str, *, ignore_case: bool = False) -> CodePoints:
    r"""What a class of `regex` holds.

    Args:
        escape: the class as a pattern writes it: `\w`, `\p{Lu}`, `[[:punct:]]`.
        ignore_case: whether the pattern ignores case, which makes `\p{Lu}` hold all cased letters.

    Raises:
        regex.error: if there is no such class.
    """
    flags = regex.V0 | regex.IGNORECASE if ignore_case else regex.V0
    # The surrogates are not asked about, so a run may seem to go on behind them.
    runs = (run[0] for run in regex.compile(f"{escape}+", flags).finditer(_all_characters()))
    return united(piece for run in runs for piece in _without_surrogates(ord(run[0]), ord(run[-1])))


@lru_cache(maxsize=1 << 16)
def in_all_cases(chars: CodePoints) -> CodePoints:
    """The set with every character that a pattern without regard to case takes for one of them (i for I, ſ for s, K for k)."""
    if all(low > ord("z") and _is_caseless(low, high) for low, high in chars):
        return chars
    expression = "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in chars)
    return united((*chars, *of_text(regex.findall(f"[{expression}]", cased_letters(), regex.V0 | regex.IGNORECASE))))


@cache
def cased_letters() -> str:
    """Every character that has cases."""
    either = r"[\p{Changes_When_Casemapped}\p{Changes_When_Casefolded}\p{Cased}]"
    return "".join(regex.findall(either, _all_characters(), regex.V0))


@cache
def _cased_set() -> CodePoints:
    return of_text(cased_letters())


def _is_caseless(low: int, high: int) -> bool:
    return not overlap(((low, high),), _cased_set())


def _without_surrogates(low: int, high: int) -> CodePoints:
    below, above = (low, min(high, _SURROGATES[0] - 1)), (max(low, _SURROGATES[1] + 1), high)
    return tuple(piece for piece in (below, above) if piece[0] <= piece[1])


@cache
def _all_characters() -> str:
    return "".join(map(chr, (*range(_SURROGATES[0]), *range(_SURROGATES[1] + 1, LAST + 1))))
