"""Raw bytes in Arrow buffers: whatever a file holds, each row is read as `bytes.decode("utf-8", "replace")` reads it, nothing beyond."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from srp_assets.wordlists import reference, scanner
from srp_assets.wordlists.resolved import ResolvedList
from srp_assets.wordlists.simple import engine as simple_engine

PIECES = [
    *["a", "b", "ab", "É", "é", "K", "西", "安", "￿", "\ufffd", "🔥", "\0"],
]

raw = st.lists(
    st.sampled_from([piece.encode() for piece in PIECES])
    | st.binary(min_size=1, max_size=3)
    | st.sampled_from([b"\xed\xa0\x80", b"\xc0\x80", b"\xe0\x80\x80", b"\xf4\x90\x80\x80", b"\xf0\x9f", b"\xe8\xa5", b"\xf8", b"\xff"]),
    max_size=30,
).map(b"".join)

LISTS = [
    ResolvedList(id="plain", version=1, words=("ab", "ba", "é", "kb", "西安", "安a", "🔥", "￿")),
    ResolvedList(id="replaced", version=1, words=("\ufffd", "\ufffd\ufffd&a", "a\ufffdb", "b~\ufffd", "\0", "aaa")),
    ResolvedList(id="deleted", version=1, words=("ab", "西a", "aab"), transforms=("delete", "normalize")),
    ResolvedList(id="letters", version=1, words=("xian", "na", "ia"), transforms=("pinyin_char",), case_sensitive=True),
]
SCANNER = scanner.compile(LISTS)
PLAIN = scanner.compile(LISTS[:1])


@st.composite
def columns(draw: st.DrawFn) -> tuple[pa.Array, list[bytes | None]]:
    """An array over a buffer with its rows cut anywhere, nulls over bytes that are not theirs, and a slice of it."""
    data = draw(raw)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), min_size=1, max_size=8)))
    large = draw(st.booleans())
    is_there = draw(st.lists(st.booleans(), min_size=len(cuts) - 1, max_size=len(cuts) - 1))
    offsets = np.array(cuts, np.int64 if large else np.int32)
    validity = pa.py_buffer(np.packbits(is_there, bitorder="little").tobytes()) if is_there else None
    array = pa.Array.from_buffers(
        pa.large_string() if large else pa.string(), len(is_there), [validity, pa.py_buffer(offsets.tobytes()), pa.py_buffer(data)]
    )
    rows = [data[start:end] if there else None for start, end, there in zip(cuts, cuts[1:], is_there, strict=False)]
    start = draw(st.integers(0, len(rows)))
    length = draw(st.integers(0, len(rows) - start))
    return array.slice(start, length), rows[start : start + length]


def triples(hits: scanner.Hits) -> list[tuple[int, int, int]]:
    return list(zip(hits.row.tolist(), hits.list.tolist(), hits.word.tolist(), strict=True))


def read(row: bytes | None) -> str | None:
    return None if row is None else row.decode("utf-8", "replace")


@given(columns())
def test_any_bytes_are_read_as_python_reads_them(column: tuple[pa.Array, list[bytes | None]]) -> None:
    array, rows = column
    assert triples(SCANNER.scan(array)) == reference.scan(LISTS, [[read(row)] for row in rows])


@given(columns(), columns())
def test_any_bytes_in_two_parts(one: tuple[pa.Array, list[bytes | None]], other: tuple[pa.Array, list[bytes | None]]) -> None:
    count = min(len(one[1]), len(other[1]))
    hits = SCANNER.scan_parts([one[0].slice(0, count), other[0].slice(0, count)])
    assert triples(hits) == reference.scan(
        LISTS, [[read(first), read(second)] for first, second in zip(one[1][:count], other[1], strict=False)]
    )


@pytest.mark.parametrize("way", ["strides", "literals"])
@given(column=columns())
def test_bytes_are_searched_as_the_automaton_reads_them(way: str, column: tuple[pa.Array, list[bytes | None]]) -> None:
    array, rows = column
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(simple_engine, "LEAST_BYTES", 1)
        patched.setattr(simple_engine.SimpleEngine, "_fastest", lambda engine, _: engine.searches[way])
        assert triples(PLAIN.scan(array)) == reference.scan(LISTS[:1], [[read(row)] for row in rows])


@given(st.lists(st.integers(-3, 9), min_size=2, max_size=6))
@example([0, 5])
@example([3, 2, 4])
def test_offsets_outside_of_the_data_are_refused(offsets: list[int]) -> None:
    data = b"abab"
    buffers = [None, pa.py_buffer(np.array(offsets, np.int32).tobytes()), pa.py_buffer(data)]
    if offsets == sorted(offsets) and offsets[0] >= 0 and offsets[-1] <= len(data):
        rows = [data[start:end].decode() for start, end in zip(offsets, offsets[1:], strict=False)]
        array = pa.Array.from_buffers(pa.string(), len(rows), buffers)
        assert triples(PLAIN.scan(array)) == reference.scan(LISTS[:1], [[row] for row in rows])
    else:
        # Some of them Arrow itself refuses.
        with pytest.raises(ValueError, match="outside of their data|offset"):
            PLAIN.scan(pa.Array.from_buffers(pa.string(), len(offsets) - 1, buffers))


CHECKED = r"""
from random import Random

import numpy as np
import pyarrow as pa
from srp_assets.wordlists import reference, scanner
from srp_assets.wordlists.columns import units_of
from srp_assets.wordlists.resolved import ResolvedList
from srp_assets.wordlists.simple.engine import SimpleEngine
from srp_assets.wordlists.transforms import fold_of

# One pattern of many rules, in texts of several parts: each part touches all of them at once.
shared = ResolvedList(id="shared", version=1, words=tuple(f"a&{letter}" for letter in "bcdefghijk"))
hits = scanner.compile([shared]).scan_parts([pa.array([part]) for part in ("a", "a", "abk")])
assert hits.word.tolist() == [0, 9]

chance = Random(1)
pieces = [*"abA", "\u897f", "\u5b89", "\u00e9", "\U0001f525", "-", " "]
some = lambda most: "".join(chance.choices(pieces, k=chance.randint(1, most)))
for number in range(60):
    transforms = chance.choice([(), ("normalize",), ("delete",), ("pinyin_char",)])
    words = {"a" + some(2 if number % 2 else 9) for _ in range(chance.choice([1, 4, 40]))}
    words |= {f"a{some(2)}{chance.choice('&~|')}a{some(2)}" for _ in range(chance.choice([0, 3, 30]))}
    lists = [ResolvedList(id="list", version=1, words=tuple(sorted(words)), transforms=transforms)]
    rows = [[bytes(chance.choices(range(256), k=9)) + some(30).encode() + b"\xe8\xa5" for _ in range(number % 3 + 1)] for _ in range(4)]
    parts = [pa.array([row[place] for row in rows], pa.binary()) for place in range(number % 3 + 1)]
    texts = [pa.Array.from_buffers(pa.string(), 4, part.buffers()) for part in parts]
    hits = scanner.compile(lists).scan_parts(texts)
    read = [[part.decode("utf-8", "replace") for part in row] for row in rows]
    assert list(zip(hits.row.tolist(), hits.list.tolist(), hits.word.tolist())) == reference.scan(lists, read)
    plain = sorted({"aab", *(word for word in words if len(word.encode()) > 1 and not set(word) & set("&~|"))})
    engine = SimpleEngine.build(plain, [], fold_of((), case_sensitive=True))
    units = units_of(texts[:1])
    by_bytes, by_automaton = engine.by_bytes(engine.searches["strides"], units), engine.automaton.scan_units(units)
    assert sorted(zip(by_bytes.row, by_bytes.entry)) == sorted(zip(by_automaton.row, by_automaton.entry))
print("within bounds")
"""


def test_kernels_stay_within_their_arrays(tmp_path: Path) -> None:
    """With every access checked: a place written outside of an array may otherwise spoil nothing that a test looks at."""
    environment = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", CHECKED], env=environment, timeout=240, check=False, capture_output=True, text=True)
    assert run.stdout == "within bounds\n", run.stderr[-2000:]
