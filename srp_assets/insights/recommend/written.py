"""A proposal as a YAML document that `srp apply` takes: the new version of the list, with the reason of every change as a comment."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from srp_assets.insights.recommend.proposal import Action, ExpectedPrecision, Proposal, Recommendation

ACTIONS: tuple[Action, ...] = ("add", "drop", "exempt")

EXAMPLE_WIDTH = 100
"""Characters of an example that a comment shows."""


def proposed_yaml(proposal: Proposal, body: Mapping[str, Any]) -> str:
    """The document.

    Args:
        proposal: what is proposed.
        body: the newest version of the list, as it is stored.
    """
    return "".join(f"{line}\n" for line in _lines(proposal, body))


def proposed_body(proposal: Proposal, body: Mapping[str, Any]) -> dict[str, Any]:
    """The new version's content, without comments."""
    adds, drops, exemptions = ([found.term for found in proposal.chosen(action)] for action in ACTIONS)
    words = [word for word in body["words"] if word not in drops]
    exempt = [*body.get("exempt", ()), *(term for term in exemptions if term not in body.get("exempt", ()))]
    changed = {"words": words + [term for term in adds if term not in words]} | ({"exempt": exempt} if exempt else {})
    return dict(body) | changed


def quoted(value: Any) -> str:
    """A value as YAML on one line, texts in double quotes: whatever they hold, they stay one text and end no line."""
    written = json.dumps(value, ensure_ascii=False)
    return "".join(character if character.isprintable() else _escaped(character) for character in written)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _lines(proposal: Proposal, body: Mapping[str, Any]) -> Iterator[str]:
    marks = f"{proposal.marks:,} marks" if proposal.marks else "no marks"
    yield f"# Proposed from task {proposal.task_id}: {proposal.texts:,} retrieved texts against {proposal.background:,} others, {marks}."
    yield f"# Expected precision of this version: {_precision(proposal.expected_precision)}."
    for note in proposal.notes:
        yield f"# Note: {quoted(note)[1:-1]}"
    new = proposed_body(proposal, body)
    recommended = {action: {found.term: found for found in proposal.chosen(action)} for action in ACTIONS}
    for name, value in new.items():
        if name not in ("words", "exempt"):
            yield f"{name}: {quoted(value)}"
            continue
        yield f"{name}:"
        known = body.get(name, ())
        for entry in value:
            change = None if entry in known else recommended["add" if name == "words" else "exempt"].get(str(entry))
            if change is not None:
                yield from _comments(change)
            yield f"  - {quoted(entry)}"
        if name == "words":
            for dropped in recommended["drop"].values():
                yield f"  # dropped: {quoted(dropped.term)}"
                yield from _comments(dropped)
            for left in proposal.of("add"):
                if not left.chosen:
                    yield f"  # left out: {quoted(left.term)}, {quoted(left.reason)[1:-1]}"


def _comments(change: Recommendation) -> Iterator[str]:
    yield f"  # {quoted(change.reason)[1:-1]}"
    for example in change.examples:
        shown = example if len(example) <= EXAMPLE_WIDTH else f"{example[: EXAMPLE_WIDTH - 1]}…"
        yield f"  #   {quoted(shown)}"


def _precision(expected: ExpectedPrecision) -> str:
    if expected.interval is None:
        return "not known, nothing is marked"
    interval = expected.interval
    basis = "" if expected.basis == "new rows" else ", of cases alone: what is new may be worse"
    return (
        f"{interval.estimate:.1%} ({interval.low:.1%} to {interval.high:.1%} with a confidence of 95 %, {expected.marked:,} marks{basis})"
    )
