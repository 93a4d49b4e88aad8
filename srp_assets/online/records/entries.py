"""Writes the entries of records as bytes; `layout.py` says what they are."""

from struct import Struct

from srp_assets.online.records.layout import CODE_BITS, SESSION_CODE, WORDS_BITS

WORD = 8

LONGEST_ID = 65_536
"""Bytes of an event's id that are kept: an entry has to fit its own length."""

_INTEGERS = [Struct(f"<{count}q") for count in range(7)]
_KEYS_AND_COUNT = [Struct(f"<{1 + keys}qd") for keys in range(3)]
_KEYS_AND_SUM = [Struct(f"<{1 + keys}qdd") for keys in range(3)]
_FLOAT = Struct("<d")
_INTEGER = Struct("<q")

Keys = tuple[int, ...]
"""The words of the keys after the first, none to two."""


def head(code: int, words: int, day: int) -> int:
    """The first word of an entry."""
    return code | words << CODE_BITS | day << CODE_BITS + WORDS_BITS


def count_entry(code: int, keys: Keys, day: int, count: float) -> bytes:
    """A count of a day."""
    return _KEYS_AND_COUNT[len(keys)].pack(head(code, 2 + len(keys), day), *keys, count)


def sum_entry(code: int, keys: Keys, day: int, high: float, low: float) -> bytes:
    """A sum of a day, in two parts."""
    return _KEYS_AND_SUM[len(keys)].pack(head(code, 3 + len(keys), day), *keys, high, low)


def newest_entry(code: int, keys: Keys, day: int, time: int, value: int, event_id: str) -> bytes:
    """A newest value; the value is a word (`number_word` of a number)."""
    written, size = _padded(event_id)
    words = 4 + len(keys) + len(written) // WORD
    return _INTEGERS[4 + len(keys)].pack(head(code, words, day), *keys, time, value, size) + written


def session_entry(day: int, time: int, values: bytes, event_id: str) -> bytes:
    """An event of a session; `values` are the words of its terms."""
    written, size = _padded(event_id)
    words = 3 + (len(values) + len(written)) // WORD
    return _INTEGERS[2].pack(head(SESSION_CODE, words, day), time) + values + _INTEGER.pack(size) + written


def number_word(value: float) -> int:
    """The word of a number."""
    found: int = _INTEGER.unpack(_FLOAT.pack(value))[0]
    return found


def _padded(text: str) -> tuple[bytes, int]:
    """A text as whole words, and its bytes without what fills them up."""
    written = text.encode()[:LONGEST_ID]
    return written + bytes(-len(written) % WORD), len(written)
