"""All causes by name."""

from collections.abc import Iterator

from srp_assets.sequences.differences.hypotheses import arrival, attributes, cuts, form, identity, numbers, order, search
from srp_assets.sequences.differences.hypotheses.base import Cause, Proposal, Seen


def _nothing(_: Seen) -> Iterator[Proposal]:
    """Nothing has to be tried."""
    return iter(())


UNEXPLAINED = "unexplained"
"""What no cause makes equal: a result of its own."""

TRACE_MISSING = (
    Cause("trace_missing_online", "traces", "the request was made again, and nothing of it was logged when it was served", _nothing),
    Cause("trace_missing_offline", "traces", "the request was served, and is not among those that were made again", _nothing),
)
"""Seen by the keys alone."""

HYPOTHESES: tuple[Cause, ...] = (
    *order.CAUSES, *arrival.CAUSES, *cuts.CAUSES, *identity.CAUSES, *search.CAUSES, *attributes.CAUSES, *numbers.CAUSES, *form.CAUSES,
)  # fmt: skip
"""What is tried on a trace."""

CAUSES: dict[str, Cause] = {cause.name: cause for cause in (*HYPOTHESES, *TRACE_MISSING)}
"""All causes by name."""

LEAKS = frozenset(cause.name for cause in CAUSES.values() if cause.is_leak)
