"""Tries a list on some texts: what hits and where, and what its exemptions take back and why."""

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from srp_assets.wordlists import scanner
from srp_assets.wordlists.resolved import ExemptGroup, ResolvedList
from srp_assets.wordlists.spans import Span, spans


class WordHit(NamedTuple):
    """A word that hits: its number in its list (from 1), what it is called, and where it lies in the text."""

    number: int
    word: str
    spans: tuple[Span, ...]


class TriedText(NamedTuple):
    """What a list makes of a text.

    `hits` are what a scan would report; `exempt` are the exemptions that hit, by the place of their group; where there are any, the hits
    that they take back are in `silenced`.
    """

    text: str
    hits: tuple[WordHit, ...]
    silenced: tuple[WordHit, ...]
    exempt: tuple[tuple[int, WordHit], ...]


def try_list(words: ResolvedList, texts: Sequence[str]) -> list[TriedText]:
    """Scans texts for a list as a recall would, its exemptions apart."""
    groups = [words.model_copy(update={"exempt": ()}), *map(_as_list, words.exempt)]
    found = scanner.compile(groups).scan(pa.array(texts, pa.string()))
    by_text: list[list[tuple[int, WordHit]]] = [[] for _ in texts]
    for row, group, word in zip(found.row.tolist(), found.list.tolist(), found.word.tolist(), strict=True):
        hit = WordHit(word + 1, groups[group].shown(word), spans(groups[group], word, [texts[row]]))
        by_text[row].append((group, hit))
    return [_tried(text, hits) for text, hits in zip(texts, by_text, strict=True)]


def _tried(text: str, found: Sequence[tuple[int, WordHit]]) -> TriedText:
    own = tuple(hit for group, hit in found if group == 0)
    exempt = tuple((group - 1, hit) for group, hit in found if group > 0)
    return TriedText(text, () if exempt else own, own if exempt else (), exempt)


def _as_list(group: ExemptGroup) -> ResolvedList:
    return ResolvedList(id="exempt", version=1, **dict(group))
