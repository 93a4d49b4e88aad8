"""What people are shown of a text that a rule looked at: its parts one below another, and where in them a word hit."""

from collections.abc import Sequence
from typing import Any

from srp_assets.strategy.resolved import Feature
from srp_assets.wordlists.resolved import ResolvedList
from srp_assets.wordlists.spans import spans

Parts = Sequence[str | None]
"""The texts of a feature's columns; None where one is null."""


ShownPlaces = tuple[list[tuple[int, int]], list[str] | None, bool | None]
"""Where a hit lies in the shown text: its spans, the column of each, and whether no column alone would have hit."""


def shown_text(parts: Parts) -> str | None:
    """The parts that there are, each on lines of its own; None if there are none."""
    present = [part for part in parts if part is not None]
    return "\n".join(present) if present else None


def shown_hit(words: ResolvedList, word: int, feature: Feature, parts: Parts) -> dict[str, Any]:
    """A hit as a case tells it.

    Args:
        words: the list.
        word: the place of the word in it.
        feature: the feature that it hit.
        parts: the texts of the feature's columns.

    Returns:
        `feature`, `list`, `word` and `spans`; for a feature of several columns also `parts` and `crosses`: see `shown_places`.
    """
    found, columns, crosses = shown_places(words, word, feature, parts)
    hit: dict[str, Any] = {"feature": feature.name, "list": words.id, "word": words.shown(word), "spans": [list(span) for span in found]}
    return hit if columns is None else {**hit, "parts": columns, "crosses": crosses}


def shown_places(words: ResolvedList, word: int, feature: Feature, parts: Parts) -> ShownPlaces:
    """Where a word hit, as a case tells it; arguments as of `shown_hit`.

    Returns:
        The spans, as code points [start, end) of the shown text. For a feature of several columns also the column of each span, and whether
        no column alone would have hit, since the word's segments lie in several; None for one of a single column.
    """
    found = spans(words, word, parts)
    if len(feature.parts) == 1:
        return [(span.start, span.end) for span in found], None, None
    starts, start = [], 0
    for part in parts:
        starts.append(start)
        start += 0 if part is None else len(part) + 1
    places = [(starts[span.part] + span.start, starts[span.part] + span.end) for span in found]
    crosses = bool(found) and not any(spans(words, word, [part]) for part in parts)
    return places, [feature.parts[span.part] for span in found], crosses
