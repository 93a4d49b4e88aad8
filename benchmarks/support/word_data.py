"""Texts and words for `matching.py`: two novels and two lists of 100,000 words from ../shared/data/matching.

*Sparse* lists are random words of at least 3 Chinese or 7 English characters: few hits, as the lists of operations people give. *Dense*
ones are random samples of the whole list, one-character words included.
"""

import random
import re
from functools import cache
from pathlib import Path
from typing import Literal

import pyarrow as pa

from srp_assets.settings import PROJECT_ROOT

Language = Literal["CN", "EN"]
Regime = Literal["sparse", "dense"]

FOLDER = PROJECT_ROOT.parent / "shared" / "data" / "matching"
NOVELS: dict[Language, str] = {"CN": "journey_to_the_west_zh.txt", "EN": "sherlock.txt"}
LISTS: dict[Language, str] = {"CN": "cn_words_100000.txt", "EN": "en_words_100000.txt"}
LEAST_CHARACTERS: dict[Language, int] = {"CN": 3, "EN": 7}
OPERATORS = frozenset("&~|\\")


def _lines(name: str) -> list[str]:
    lines = (line.strip() for line in (Path(FOLDER) / name).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


@cache
def texts(language: Language, rows: int) -> pa.StringArray:
    """A novel's sentences (Chinese) or lines (English), from its beginning again until there are enough rows."""
    novel = _lines(NOVELS[language])
    if language == "CN":
        novel = [sentence.strip() for line in novel for sentence in re.split(r"(?<=[。！？])(?![”’])", line) if sentence.strip()]
    return pa.array((novel * (rows // len(novel) + 1))[:rows], pa.string())


@cache
def words(language: Language, regime: Regime, count: int) -> tuple[str, ...]:
    """A random sample of a list, the same in every run; all of it where there are fewer."""
    least = LEAST_CHARACTERS[language] if regime == "sparse" else 1
    usable = [word for word in dict.fromkeys(_lines(LISTS[language])) if len(word) >= least and not OPERATORS & set(word)]
    return tuple(random.Random(count).sample(usable, min(count, len(usable))))


@cache
def logical_words(language: Language, count: int) -> tuple[str, ...]:
    """Words with every operator, of the whole list's words: half plain, the others `a&b`, `a~b`, `a|b`, `a&b&a` and `a|b&c~d`."""
    parts = list(words(language, "dense", 2 * count))
    chance = random.Random(count)
    shapes = ("{0}&{1}", "{0}~{1}", "{0}|{1}", "{0}&{1}&{0}", "{0}|{1}&{2}~{3}")
    made = [chance.choice(shapes).format(*chance.sample(parts, 4)) if number % 2 else parts[number] for number in range(count)]
    return tuple(dict.fromkeys(made))
