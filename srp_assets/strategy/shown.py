"""What people are shown of a text that a rule looked at: its parts one below another, and where in them a word hit."""

from collections.abc import Sequence
from typing import Any

from srp_assets.strategy.resolved import Feature
from srp_assets.wordlists.resolved import ResolvedList
from srp_assets.wordlists.spans import spans

Parts = Sequence[str | None]
"""The texts of a feature's columns; None where one is null."""


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
        `feature`, `list`, `word` and `spans`: code points [start, end) of the shown text. For a feature of several columns also `parts`,
        the column of each span, and `crosses`: whether no column alone would have hit, since the word's segments lie in several.
    """
    found = spans(words, word, parts)
    starts, start = [], 0
    for part in parts:
        starts.append(start)
        start += 0 if part is None else len(part) + 1
    hit: dict[str, Any] = {
        "feature": feature.name,
        "list": words.id,
        "word": words.shown(word),
        "spans": [[starts[span.part] + span.start, starts[span.part] + span.end] for span in found],
    }
    if len(feature.parts) > 1:
        hit["parts"] = [feature.parts[span.part] for span in found]
        hit["crosses"] = bool(found) and not any(spans(words, word, [part]) for part in parts)
    return hit
