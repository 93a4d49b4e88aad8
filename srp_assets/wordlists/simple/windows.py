"""Where a scan may pass over text without following the automaton: windows.

A word can only begin to matter where its first symbols stand. Every pattern of two symbols or more is watched for by its first 2 to 9
ones, its gram: a scan keeps the last symbols of the text and asks a small set of bits whether they may be some pattern's gram. Nearly
always they are not, and nothing else is read. (A pattern of one symbol is marked in the alphabet's codes.) Lists mix long and short words,
so there are up to four window lengths, and each pattern has the longest that it fills.

Long windows rarely fit by chance, and each length costs a test for every symbol: `chosen` weighs both. Where a list's patterns are so
short and many that text is full of them, no window pays, and the scan follows the automaton all the way.
"""

from itertools import combinations

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]

MOST_WINDOWS = 4
LONGEST = 9
WINDOW_BITS = 64
"""The symbols of a window are packed into one word."""

_TEST_CYCLES = 2.5
_GRAM_CYCLES = 175.0
_FOLLOWING_CYCLES = 65.0
"""About what the test of a window, a gram found and a step of the automaton cost, measured: only their ratios matter."""

_FIRST_SHARE = 0.25
_LEAST_SELECTIVITY = (0.01, 0.1, 0.15, 0.25, 0.42)
"""How often the first symbol of a word stands in a text, as a share of how often two symbols of words are the same; and by how much each
further one makes a gram rarer at best, for language is not random. Measured on a Chinese and an English novel."""


def chosen(lengths: Int64s, symbol_counts: Int64s) -> tuple[int, ...]:
    """The window lengths for patterns, longest first; none if the automaton should be followed from the first symbol on.

    Args:
        lengths: shape (patterns,), the symbols of each pattern.
        symbol_counts: how often each symbol occurs in them.
    """
    several = lengths[lengths > 1]
    shares = symbol_counts / max(1, symbol_counts.sum())
    coincidence = float(np.sum(shares**2))
    single = min(0.9, int(np.sum(lengths == 1)) * coincidence * _FIRST_SHARE)
    if not len(several):
        return (2,) if single * _GRAM_CYCLES < _FOLLOWING_CYCLES else ()
    least, most = int(several.min()), min(LONGEST, WINDOW_BITS // max(1, int(len(symbol_counts) - 1).bit_length()))
    least = min(least, most)
    rarities = _rarities(coincidence, most)
    candidates = [
        (*sorted(longer, reverse=True), least)
        for count in range(MOST_WINDOWS)
        for longer in combinations(range(least + 1, min(most, int(several.max())) + 1), count)
    ]
    at_least = np.array([np.sum(several >= length) for length in range(most + 2)])

    def cycles(windows: tuple[int, ...]) -> float:
        cost = single * _GRAM_CYCLES
        watched = 0
        for window in windows:
            found = min(0.9, (int(at_least[window]) - watched) * rarities[window])
            cost += _TEST_CYCLES + found * _GRAM_CYCLES
            watched = int(at_least[window])
        return cost

    best = min(candidates, key=cycles)
    return best if cycles(best) < _FOLLOWING_CYCLES else ()


def _rarities(coincidence: float, longest: int) -> list[float]:
    """How often a gram of each length stands at a place of a text, about, if two symbols of the patterns are the same this often."""
    rarities = [1.0, coincidence * _FIRST_SHARE]
    while len(rarities) <= longest:
        least = _LEAST_SELECTIVITY[min(len(rarities) - 2, len(_LEAST_SELECTIVITY) - 1)]
        rarities.append(rarities[-1] * max(coincidence, least))
    return rarities
