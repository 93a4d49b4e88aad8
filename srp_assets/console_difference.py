"""What people are shown of a difference between two versions of a strategy."""

from collections.abc import Sequence

from srp_assets.console import hint, say, table
from srp_assets.console_cases import show_cases
from srp_assets.recall.batch import TaskSpec
from srp_assets.recall.difference.changes import Change
from srp_assets.recall.difference.plan_difference import Compared


def print_difference(old: TaskSpec, new: TaskSpec, changed: Sequence[Change], found: Compared) -> None:
    """Prints what changed in the documents, the counts, and cases of each kind with their hits marked."""
    difference = found.difference
    say(f"{new.strategy.id}: version {new.strategy.version} against version {old.strategy.version}")
    if changed:
        table("changed", ("", "in", "old", "new"), [(change.what, change.where, change.old, change.new) for change in changed])
    else:
        say("nothing that the strategy asks for has changed")
    for kind, total in (("added", difference.added), ("lost", difference.lost), ("kept", difference.kept)):
        cases = difference.samples[kind]
        if cases:
            say(f"{kind}:")
            show_cases(cases, total=total, note=None)
    counts = (found.old_cases, found.new_cases, difference.added, difference.lost, difference.kept)
    table(
        "cases",
        ("old", "new", "added", "lost", "kept"),
        [tuple(f"{count:,}" for count in counts)],
        right=("old", "new", "added", "lost", "kept"),
    )
    for note in found.notes:
        hint(note)
    if found.unbuilt:
        hint(f"{len(found.unbuilt):,} periods are not built, what landed there was not compared: srp build")
