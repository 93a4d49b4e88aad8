r"""What every text that a pattern hits must hold: a short expression without bounds to its left or right, for an engine that is fast on it.

From the parts of a pattern that stand between its wide gaps, the one that the fewest texts hold is taken. Places between characters and
lookarounds are left out, a class becomes a few ranges around its characters: whatever the pattern finds, its filter finds too. So a filter
needs none of what the engines do not know or know otherwise (lookarounds, `\b`, Unicode classes, cases): only sets, alternatives, short
repetitions. Candidates are confirmed by `kernel.py`.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from srp_assets.wordlists.patterns.sets import CodePoints, size, united
from srp_assets.wordlists.patterns.tree import At, Atomic, Chars, Concat, Either, Group, Look, Node, Pattern, Repeat

MIN_BITS = 7.0
"""A filter that passes more than about one place in a hundred saves nothing: reporting candidates costs more than looking at the text."""

MAX_COPIES = 8
"""Copies of a repetition that a filter asks for; more make it slower, hardly rarer."""

MAX_ITEMS = 48
"""Items of a filter, for the same reason."""

MAX_RANGES = 12
"""Ranges of a class in a filter; classes of letters have hundreds, which make automata large."""

NARROW = 0.3
"""A repetition without bound stays in a filter if its characters are rarer than this: blanks and signs are, letters are not."""

_FREQUENCIES = (
    *((0, 31, 0.0005), (32, 32, 0.15), (33, 47, 0.005), (48, 57, 0.005), (58, 64, 0.003), (65, 90, 0.01), (91, 96, 0.001), (97, 122, 0.03)),
    *((123, 127, 0.001), (0x80, 0x7FF, 0.001), (0x3001, 0x3002, 0.03), (0x3040, 0x30FF, 0.004), (0x4E00, 0x9FFF, 0.0004)),
    *((0xAC00, 0xD7A3, 0.0004), (0xFF01, 0xFF20, 0.005)),
)
"""How often each character of a range stands in texts of a language that uses it, roughly; only the order of filters hangs on it."""

_ELSEWHERE = 0.00001


def filter_of(pattern: Pattern) -> str | None:
    """The filter of a pattern, in a syntax that hyperscan and re2 share; None if no filter would keep enough texts away."""
    pieces = [_trimmed(piece[:MAX_ITEMS]) for piece in _pieces([pattern.node])]
    best = max(pieces, key=_bits, default=[])
    if _bits(best) < MIN_BITS:
        return None
    return "".join(_written(_fewest(item) if place in (0, len(best) - 1) else item) for place, item in enumerate(best))


def _fewest(item: Node) -> Node:
    """A repetition at an end, no more often than it must be: it is found, how much further it goes is of no interest."""
    return replace(item, most=item.least) if isinstance(item, Repeat) else item


def _pieces(nodes: Iterable[Node]) -> list[list[Node]]:
    """The rows of items between the wide gaps of a pattern."""
    pieces: list[list[Node]] = [[]]
    for node in nodes:
        if isinstance(node, Chars | Either):
            pieces[-1].append(node)
        elif isinstance(node, Concat | Group | Atomic):
            first, *more = _pieces(node.items if isinstance(node, Concat) else [node.body])
            pieces[-1] += first
            pieces += more
        elif isinstance(node, Repeat):
            is_narrow = isinstance(node.body, Chars) and _frequency(node.body.chars) < NARROW
            if is_narrow or (node.most is not None and node.most <= MAX_COPIES):
                pieces[-1].append(node)
            else:
                copies = [node.body] * min(node.least, MAX_COPIES)
                first, *more = _pieces(copies)
                pieces[-1] += first
                pieces += [*more, list(_pieces(copies)[-1])]
        elif not isinstance(node, At | Look):
            pieces.append([])  # a back reference
    return pieces


def _trimmed(items: list[Node]) -> list[Node]:
    """Without items at the ends that say next to nothing: they only make for more matches."""
    while items and _bits(items[:1]) < 1:
        items = items[1:]
    while items and _bits(items[-1:]) < 1:
        items = items[:-1]
    return items


def _bits(items: Iterable[Node]) -> float:
    """How rare a row of items is: the negative logarithm, to base 2, of how often it stands at a place."""
    return sum(map(_bits_of, items))


def _bits_of(node: Node) -> float:
    if isinstance(node, Chars):
        return -math.log2(max(1e-9, min(1.0, _frequency(node.chars))))
    if isinstance(node, Either):
        return -math.log2(min(1.0, sum(2 ** -_bits_of(branch) for branch in node.branches)))
    if isinstance(node, Concat):
        return _bits(node.items)
    if isinstance(node, Group | Atomic):
        return _bits_of(node.body)
    if isinstance(node, Repeat):
        return node.least * _bits_of(node.body)
    return 0.0


@lru_cache(maxsize=1 << 16)
def _frequency(chars: CodePoints) -> float:
    total = size(chars) * _ELSEWHERE
    for low, high in chars:
        total += sum(max(0, min(high, end) - max(low, start) + 1) * each for start, end, each in _FREQUENCIES)
    return total


def _written(node: Node) -> str:
    if isinstance(node, Chars):
        return _class(node.chars)
    if isinstance(node, Concat):
        return "".join(map(_written, node.items))
    if isinstance(node, Either):
        return "(?:" + "|".join(map(_written, node.branches)) + ")"
    if isinstance(node, Group | Atomic):
        return _written(node.body)
    if isinstance(node, Repeat):
        return _repetition(node)
    # Places between characters are left out; what a group found could be anything.
    return "" if isinstance(node, At | Look) else "(?s:.*)"


def _repetition(node: Repeat) -> str:
    body = _written(node.body)
    if not body:
        return ""
    least = min(node.least, MAX_COPIES)
    most = None if node.most is None else node.most if node.most <= MAX_COPIES else least if node.most == node.least else None
    return f"(?:{body}){{{least},{'' if most is None else most}}}"


def _class(chars: CodePoints) -> str:
    # Texts hold no surrogates, and the engines know none.
    kept = [piece for low, high in chars for piece in ((low, min(high, 0xD7FF)), (max(low, 0xE000), high)) if piece[0] <= piece[1]]
    ranges = list(_coarser(united(kept)))
    if len(ranges) == 1 and size(tuple(ranges)) == 1:
        return _character(ranges[0][0])
    return "[" + "".join(_character(low) if low == high else f"{_character(low)}-{_character(high)}" for low, high in ranges) + "]"


def _coarser(chars: CodePoints) -> CodePoints:
    """A set of few ranges around a set, widened where that adds the fewest characters, and never among the first 128."""
    ranges = list(chars)
    surplus = len(ranges) - MAX_RANGES
    gaps = sorted((ranges[place + 1][0] - ranges[place][1], place) for place in range(len(ranges) - 1) if ranges[place][1] > 127)
    closed = {place for _, place in gaps[: max(0, surplus)]}
    coarse: list[tuple[int, int]] = []
    for place, (low, high) in enumerate(ranges):
        if place - 1 in closed:
            coarse[-1] = (coarse[-1][0], high)
        else:
            coarse.append((low, high))
    return tuple(coarse)


def _character(code: int) -> str:
    return chr(code) if chr(code).isalnum() and code < 128 else f"\\x{{{code:x}}}"
