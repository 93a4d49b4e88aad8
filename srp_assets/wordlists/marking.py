"""Texts with the places marked that hit, for terminals and for HTML."""

from collections.abc import Callable, Iterable, Iterator
from html import escape

from rich.text import Text

MARK = "bold yellow"
"""How a terminal shows a marked place."""

Place = tuple[int, int]
"""Code points of a text from the first to before the last."""


def merged(places: Iterable[Place]) -> list[Place]:
    """The places sorted, with those that overlap or touch made one; empty ones are left out."""
    joined: list[Place] = []
    for start, end in sorted(places):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        elif end > start:
            joined.append((start, end))
    return joined


def pieces(text: str, places: Iterable[Place]) -> Iterator[tuple[str, bool]]:
    """The text in pieces, each with whether it is marked; what lies outside of the text is not."""
    position = 0
    for start, end in merged((max(0, start), min(end, len(text))) for start, end in places):
        if start > position:
            yield text[position:start], False
        yield text[start:end], True
        position = end
    if position < len(text):
        yield text[position:], False


def for_terminal(text: str, places: Iterable[Place], show: Callable[[str], str]) -> Text:
    """The text for a terminal.

    Args:
        text: as it came from the data.
        places: what to mark.
        show: makes what came from data harmless for a terminal.
    """
    line = Text()
    for piece, is_marked in pieces(text, places):
        line.append(show(piece), style=MARK if is_marked else None)
    return line


def for_html(text: str, places: Iterable[Place]) -> str:
    """The text as HTML: everything escaped, also for the value of an attribute, and every marked place within `<mark>`."""
    return "".join(f"<mark>{escape(piece)}</mark>" if is_marked else escape(piece) for piece, is_marked in pieces(text, places))
