"""The command that recommends words: `srp lists recommend TASK` proposes a new version of each of its lists."""

from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from srp_assets.cli_common import OK, answer, json_option, open_home
from srp_assets.errors import Unavailable

if TYPE_CHECKING:
    from srp_assets.insights.recommend.proposal import ExpectedPrecision, Proposal, Recommendation
    from srp_assets.insights.recommend.recommending import ListProposal

MOST_WORDS = 50
"""Words to add that are proposed unless more are asked for."""

EXAMPLE_WIDTH = 60


@click.command("recommend", epilog="The file is ready for `srp apply`: look it through, delete what you do not want, and apply it.")
@click.argument("task_id", metavar="TASK")
@click.option("--list", "list_id", metavar="ID", help="This list alone; by default all simple lists of the task.")
@click.option(
    "--limit", "most", type=click.IntRange(min=1), default=MOST_WORDS, show_default=True, metavar="N", help="At most N words to add."
)
@click.option(
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the new version as YAML, with reasons as comments.",
)
@json_option
def recommend_command(task_id: str, list_id: str | None, most: int, target: Path | None, as_json: bool) -> int:
    """Recommend words to add and to drop, and exemptions, for the word lists of TASK.

    Words come from the texts that the task retrieved, against other texts of the same kind; marks (`srp marks import`) sharpen them, and
    say how right what they bring would be.
    """
    from resources.spark import open_session
    from srp_assets.console import progress, say
    from srp_assets.insights.recommend.recommending import recommend
    from srp_assets.insights.recommend.written import proposed_yaml
    from srp_assets.recall.service import Workshop

    with open_home() as home, progress("recommend", shown=not as_json) as report:
        workshop = Workshop(home.engine, home.storage, home.catalogue, home.settings, lambda: open_session(home.settings))
        found = recommend(workshop, task_id, list_id=list_id, most=most, threshold=home.settings.precision_threshold, progress=report)
    written = "---\n".join(proposed_yaml(one.proposal, one.body) for one in found)
    if target is not None:
        _write(target, written)
    if as_json:
        told = {"task_id": task_id, "proposals": [proposal_json(one) for one in found]}
        answer(told | ({"file": str(target)} if target else {}))
        return OK
    for one in found:
        _show(one.proposal)
    if target is not None:
        say(f"written to {target}: look it through, then srp apply {target}")
    return OK


def proposal_json(found: "ListProposal") -> dict[str, Any]:
    """A proposal in the JSON shape that users see, with the new version of the list."""
    from srp_assets.insights.recommend.written import proposed_body

    proposal = found.proposal
    return {
        "list": proposal.list_id,
        "version": proposal.version,
        "expected_precision": _expected_json(proposal.expected_precision),
        "marks": proposal.marks,
        "texts": proposal.texts,
        "background": proposal.background,
        "notes": list(proposal.notes),
        "recommendations": [_recommendation_json(one) for one in proposal.recommendations],
        "document": proposed_body(proposal, found.body),
    }


def _recommendation_json(one: "Recommendation") -> dict[str, Any]:
    return asdict(one) | {"expected_precision": _expected_json(one.expected_precision), "examples": list(one.examples)}


def _expected_json(expected: "ExpectedPrecision") -> dict[str, Any]:
    interval = None if expected.interval is None else asdict(expected.interval)
    if interval is not None and not isfinite(interval["effective_sample_size"]):
        interval["effective_sample_size"] = None
    return {"interval": interval, "basis": expected.basis, "marked": expected.marked}


def _show(proposal: "Proposal") -> None:
    from srp_assets.console import hint, say, table

    columns = ("change", "word", "z", "texts", "rows", "precision", "95 % interval", "an example")
    rows = [_cells(one) for one in proposal.recommendations]
    table(f"list {proposal.list_id} (version {proposal.version})", columns, rows, right=("z", "texts", "rows", "precision"))
    if not rows:
        say("nothing is recommended")
    interval = proposal.expected_precision.interval
    if interval is not None:
        say(f"expected precision of the new version: {interval.estimate:.1%} ({interval.low:.1%} to {interval.high:.1%})")
    for note in proposal.notes:
        hint(note)


def _cells(one: "Recommendation") -> Sequence[str]:
    from srp_assets.console import shortened

    interval = one.expected_precision.interval
    shown = ("", "") if interval is None else (f"{interval.estimate:.0%}", f"{interval.low:.0%} to {interval.high:.0%}")
    example = shortened(one.examples[0], EXAMPLE_WIDTH) if one.examples else ""
    return (
        one.action if one.chosen else f"not {one.action}",
        one.term,
        f"{one.score:.1f}",
        f"{one.support:,}",
        f"{one.new_hits:+,}",
        *shown,
        example,
    )


def _write(target: Path, text: str) -> None:
    """Writes a file, whole or not at all."""
    partial = target.with_name(f".{target.name}.{uuid4().hex}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(target)
    except OSError as error:
        raise Unavailable(
            f"cannot write: {error.strerror or error}", where=str(target), remedy="choose another place, or free space"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
