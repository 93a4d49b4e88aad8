"""Cases as people read them: the texts with their hits marked, what else is known, and what they were joined with."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from srp_assets.console import harmless, hint, out, say, shortened
from srp_assets.wordlists.marking import for_terminal


def show_cases(cases: Sequence[Mapping[str, Any]], *, total: int, note: str | None) -> None:
    """Prints cases one under another."""
    if note:
        hint(note)
    for case in cases:
        _show(case)
    shown = f"the first {len(cases):,} of " if len(cases) < total else ""
    say(f"{shown}{total:,} cases" if total != 1 else "1 case")


def show_withdrawn(cases: Sequence[Mapping[str, Any]], *, total: int) -> None:
    """Prints cases that no longer hold one under another, each with when and by which builds it was withdrawn."""
    for case in cases:
        builds = ", ".join(
            f"{build['entity']} of {harmless(build['product'])} in {build['period']} (build {build['build_id']})"
            for build in case["withdrawn_by"]
        )
        say(f"withdrawn at {case['withdrawn_at']} by {builds}")
        _show(case)
    shown = f"the first {len(cases):,} of " if len(cases) < total else ""
    say(f"{shown}{total:,} withdrawn cases" if total != 1 else "1 withdrawn case")


def _show(case: Mapping[str, Any]) -> None:
    extra = ", ".join(f"{name} {shortened(value, 40)}" for name, value in case["extra"].items() if value is not None)
    out.print(Text.assemble((f"{harmless(case['product'])} {case['object']} {harmless(case['id'])}", "bold"), f"  {extra}"), soft_wrap=True)
    for place, text in case["texts"].items():
        spans = [(start, end) for hit in case["hits"] if f"{hit['object']}.{hit['feature']}" == place for start, end in hit["spans"]]
        out.print(Text(f"  {place}: ").append_text(for_terminal(text, spans, harmless)), soft_wrap=True)
    for hit in case["hits"]:
        crossing = ", its parts together" if hit.get("crosses") else ""
        out.print(Text(f"  hit: {harmless(hit['word'])} of {hit['list']} in {hit['object']}.{hit['feature']}{crossing}"), soft_wrap=True)
    for name, other in case["joined"].items():
        keys = ", ".join(harmless(key) for key in other["keys"])
        more = " .." if other["rows"] > len(other["keys"]) else ""
        say(f"  {name}: {other['rows']:,} ({keys}{more})")
    say("")
