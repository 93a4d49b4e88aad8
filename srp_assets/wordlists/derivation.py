"""Where the tables of `transforms.py` come from: what matcher_py makes of every code point, corrected by `overrides.py`.

The reasons of the corrections stand there under the names that the comments give here. Nothing else uses matcher_py.
"""

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from itertools import chain

from matcher_py import ProcessType, text_process

from srp_assets.wordlists.overrides import COMBINING_ACCENTS, LOST_VARIANTS, UNCHANGED_BY_SIMPLIFY

Table = dict[int, str]
"""From a code point to what it becomes; a code point that is not in it stays."""

FIRST_SYLLABLE = 0x100000
"""Syllables are private-use characters from here on. Such characters in a text are no syllables: under `pinyin` they are all U+FFFD."""

_SEPARATOR = "\U0010fffd"
"""Stands between code points that are transformed together; no table changes it."""


def derive(step: str, table_of: Callable[[str], Table]) -> Table:
    """The table of one transform, or of the case fold (`case`).

    Args:
        step: its name.
        table_of: gives the tables of other steps; that of `normalize` rests on the case fold.
    """
    return _normalize(table_of("case")) if step == "normalize" else _DERIVE[step]()


def _code_points() -> Iterable[int]:
    """Every code point to which Unicode gives a meaning."""
    return chain(range(0xD800), range(0xE000, 0x33480), range(0xE0000, 0xE0200))


def _case() -> Table:
    """Unicode's simple case folding: one code point becomes one. Combining marks are no letters and stay."""
    table: Table = {}
    for code in _code_points():
        character = chr(code)
        folded = character.casefold()
        if len(folded) > 1:
            folded = character.lower()
        if folded != character and len(folded) == 1 and not unicodedata.combining(character):
            table[code] = folded
    return table


def _upstream(process: int) -> Table:
    """What matcher_py makes of every code point, in one call."""
    becomes = text_process(process, _SEPARATOR.join(map(chr, _code_points()))).split(_SEPARATOR)
    return {code: text for code, text in zip(_code_points(), becomes, strict=True) if text != chr(code)}


def _closed(table: Mapping[int, str]) -> Table:
    """A table whose results it does not change any more ("closed")."""
    closed: Table = {}
    for code, text in table.items():
        seen = {text}
        while (again := text.translate(table)) not in seen:
            seen.add(again)
            text = again
        closed[code] = text
    return closed


def _emoji() -> Table:
    return {code: f"{name} " if name else "" for code, name in _upstream(ProcessType.EMOJI_NORM).items()}


def _delete() -> Table:
    return _upstream(ProcessType.DELETE)


def _is_han(code: int) -> bool:
    return code == 0x3007 or 0x3400 <= code < 0xA000 or 0xF900 <= code < 0xFB00 or 0x20000 <= code < 0x34000


def _simplify() -> Table:
    table = _upstream(ProcessType.VARIANT_NORM)
    table |= {ord(LOST_VARIANTS[place]): LOST_VARIANTS[place + 1] for place in range(0, len(LOST_VARIANTS), 2)}
    for character in UNCHANGED_BY_SIMPLIFY:
        table.pop(ord(character), None)
    for code in (*range(0x2E80, 0x2FE0), *range(0xF900, 0xFB00), *range(0x2F800, 0x2FA20)):
        plain = unicodedata.normalize("NFKC", chr(code))
        if plain != chr(code) and all(_is_han(ord(character)) for character in plain):
            table[code] = plain
    return _closed(table)


def _normalize(cases: Table) -> Table:
    table = _upstream(ProcessType.NORMALIZE)
    for code in list(table):
        plain = unicodedata.normalize("NFKC", chr(code))
        if any(_is_han(ord(character)) for character in plain):
            table[code] = plain  # "ideographs", and for a numeral itself: "numerals"
    for first, last in COMBINING_ACCENTS:
        table |= dict.fromkeys(range(first, last + 1), "")
    table |= _case_pairs(_closed(table), cases)
    closed = _closed(table)
    kept = {code: text.upper() if chr(code).isupper() else text for code, text in closed.items()}  # "case kept"
    return {code: text for code, text in kept.items() if text != chr(code)}


def _case_pairs(closed: Table, cases: Table) -> Table:
    """The same reading for a letter in all its cases: the small letter's where that is plain Latin, else the capital's ("case pairs")."""
    readings: Table = {}
    for code, small in cases.items():
        reading, of_small = (closed.get(letter, chr(letter)).translate(cases) for letter in (code, ord(small)))
        if reading != of_small:
            readings.setdefault(ord(small), of_small if of_small.isascii() else reading)
    return readings | {code: readings[ord(small)] for code, small in cases.items() if ord(small) in readings}


def _syllables() -> Table:
    """From an ideograph to its syllable ("han only")."""
    return {code: text.strip() for code, text in _upstream(ProcessType.ROMANIZE).items() if _is_han(code)}


def _pinyin() -> Table:
    syllables = _syllables()
    symbols = {syllable: chr(FIRST_SYLLABLE + number) for number, syllable in enumerate(sorted(set(syllables.values())))}
    taken = {ord(symbol): "\ufffd" for symbol in symbols.values()}
    return taken | {code: symbols[syllable] for code, syllable in syllables.items()}


_DERIVE: dict[str, Callable[[], Table]] = {
    "case": _case,
    "emoji": _emoji,
    "simplify": _simplify,
    "delete": _delete,
    "pinyin": _pinyin,
    "pinyin_char": _syllables,
}
