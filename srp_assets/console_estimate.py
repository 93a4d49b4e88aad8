"""What people are shown of a dry run, and of an estimate beside what came out."""

from typing import TYPE_CHECKING

from srp_assets.console import hint, number, say, table
from srp_assets.console_cases import show_cases
from srp_assets.recall.batch import TaskSpec
from srp_assets.recall.registry import Task
from srp_assets.recall.registry_estimates import Estimate

if TYPE_CHECKING:
    from srp_assets.recall.estimate.plan_estimate import DryRun


def print_dry_run(task: TaskSpec, found: "DryRun") -> None:
    """Prints the pinned versions, the plan in words, what is expected, and the cases of the sample."""
    estimate = found.estimate
    say(f"{task.strategy.id} (version {task.strategy.version}) on {', '.join(task.products) or 'no product'}; nothing was queued")
    table("versions", ("document", "version"), sorted(task.strategy.documents.items()), right=("version",))
    say("plan")
    for object_ in found.objects:
        say(f"  {object_.sentence()}")
    for join in [join for object_ in found.objects for join in object_.joins]:
        say(f"  joined: {join}")
    say(f"  {estimate.cells:,} cells, {estimate.rows:,} rows to read")
    basis = f"as {found.measured} earlier batches of this home took" if found.measured else "no batch was measured on this home yet"
    rows = [
        ("cases", cases_text(estimate)),
        ("share", f"{estimate.share_of_all(estimate.cases):.2%} of {estimate.recalled_rows:,} rows of {task.strategy.recall}"),
        ("time", f"about {estimate.seconds:,.1f} s in a batch of its own ({basis})"),
    ]
    table("estimate", ("", ""), rows)
    if found.unbuilt:
        hint(f"{len(found.unbuilt):,} periods are not built: what landed there is not in the estimate; srp build")
    say("cases of the sample" if not estimate.is_exact else "cases")
    show_cases(found.cases, total=estimate.sample_cases, note=None)


def cases_text(estimate: Estimate) -> str:
    """The expected number of cases in words."""
    if estimate.is_exact:
        return f"{number(estimate.cases)}, exactly: all rows were looked at"
    seen = f"{estimate.sample_cases:,} in a sample of {estimate.share:.3g} of the roots" if estimate.sample_cases else "none in the sample"
    return f"about {number(estimate.cases)}, between {number(estimate.cases_low)} and {number(estimate.cases_high)} (95 %; {seen})"


def print_estimate(estimate: Estimate, task: Task) -> None:
    """Prints what was estimated before a task's submission beside what came out, as far as it has."""
    ran = None if task.started_at is None or task.finished_at is None else (task.finished_at - task.started_at).total_seconds()
    rows = [
        ("cases", cases_text(estimate), number(task.cases)),
        ("seconds", f"{estimate.seconds:,.1f}, alone", "" if ran is None else f"{ran:,.1f}, in its batch"),
    ]
    table("estimate", ("", "estimated", "came out"), rows)
