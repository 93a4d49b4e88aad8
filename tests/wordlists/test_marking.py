"""Marked texts keep the text, mark exactly their places and let nothing of it act."""

import html
import re

from hypothesis import given
from hypothesis import strategies as st

from srp_assets.console import harmless
from srp_assets.wordlists.marking import MARK, for_html, for_terminal, merged, pieces

places = st.lists(st.tuples(st.integers(-2, 14), st.integers(-2, 14)), max_size=5)


@given(st.text(max_size=12), places)
def test_exactly_the_places_are_marked(text: str, found: list[tuple[int, int]]) -> None:
    marks = [is_marked for piece, is_marked in pieces(text, found) for _ in piece]
    assert "".join(piece for piece, _ in pieces(text, found)) == text
    assert marks == [any(start <= place < end for start, end in found) for place in range(len(text))]
    assert all(piece for piece, _ in pieces(text, found))


def test_places_that_touch_are_one() -> None:
    assert merged([(4, 6), (0, 2), (2, 3), (5, 5), (1, 2), (8, 8)]) == [(0, 3), (4, 6)]


@given(st.text(alphabet=st.sampled_from("<>&\"'ab/ 西\n"), max_size=12), places)
def test_html_holds_the_text_and_no_tag_but_marks(text: str, found: list[tuple[int, int]]) -> None:
    marked = for_html(text, found)
    assert html.unescape(re.sub("</?mark>", "", marked)) == text
    assert set(re.findall("<[^>]*>", marked)) <= {"<mark>", "</mark>"}
    assert not set("<>\"'") & set(re.sub("</?mark>", "", marked))


def test_html_and_terminal_mark_the_same() -> None:
    assert for_html("<b> & co", [(1, 2), (4, 5)]) == "&lt;<mark>b</mark>&gt; <mark>&amp;</mark> co"
    line = for_terminal("a\x1b[31mb", [(6, 7)], harmless)
    assert line.plain == "a\\x1b[31mb"
    assert [(span.start, span.end, span.style) for span in line.spans] == [(9, 10, MARK)]
