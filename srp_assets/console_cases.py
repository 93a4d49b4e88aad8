"""Cases as people read them: the texts with their hits marked, what else is known, and what they were joined with."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.text import Text

from srp_assets.console import harmless, hint, out, say, shortened
from srp_assets.wordlists.syntax import WordError, parse

MARK = "bold yellow"

Span = tuple[int, int]


def show_cases(cases: Sequence[Mapping[str, Any]], *, total: int, note: str | None) -> None:
    """Prints cases one under another."""
    if note:
        hint(note)
    for case in cases:
        _show(case)
    shown = f"the first {len(cases):,} of " if len(cases) < total else ""
    say(f"{shown}{total:,} cases" if total != 1 else "1 case")


def _show(case: Mapping[str, Any]) -> None:
    extra = ", ".join(f"{name} {shortened(value, 40)}" for name, value in case["extra"].items() if value is not None)
    out.print(Text.assemble((f"{harmless(case['product'])} {case['object']} {harmless(case['id'])}", "bold"), f"  {extra}"), soft_wrap=True)
    for place, text in case["texts"].items():
        hits = [hit for hit in case["hits"] if f"{hit['object']}.{hit['feature']}" == place]
        out.print(Text(f"  {place}: ").append_text(marked(text, hits)), soft_wrap=True)
    for hit in case["hits"]:
        out.print(Text(f"  hit: {harmless(hit['word'])} of {hit['list']} in {hit['object']}.{hit['feature']}"), soft_wrap=True)
    for name, other in case["joined"].items():
        keys = ", ".join(harmless(key) for key in other["keys"])
        more = " .." if other["rows"] > len(other["keys"]) else ""
        say(f"  {name}: {other['rows']:,} ({keys}{more})")
    say("")


def marked(text: str, hits: Iterable[Mapping[str, Any]]) -> Text:
    """The harmless text with its hits marked: by their spans, or where these are not known by what stands there literally."""
    found: list[Span] = []
    for hit in hits:
        found += [(start, end) for start, end in hit["spans"]] or _literal(text, hit["word"])
    line = Text()
    position = 0
    for start, end in _merged(found):
        line.append(harmless(text[position:start]))
        line.append(harmless(text[start:end]), style=MARK)
        position = end
    return line.append(harmless(text[position:]))


def _literal(text: str, word: str) -> list[Span]:
    try:
        segments = [alternative for segment in parse(word).required for alternative in segment]
    except WordError:
        segments = [word]
    return [match.span() for segment in segments for match in re.finditer(re.escape(segment), text, re.IGNORECASE)]


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif end > start:
            merged.append((start, end))
    return merged
