"""What a day's differences must not exceed, by cause, and what is wrong with a day that does."""

from srp_assets.errors import InvalidInput, nearest
from srp_assets.sequences.declaration import DifferenceLimits, Document
from srp_assets.sequences.differences.hypotheses.catalogue import CAUSES, LEAKS, UNEXPLAINED
from srp_assets.sequences.differences.model import DayFigures


def problems_of(figures: DayFigures, document: Document) -> dict[str, tuple[str, ...]]:
    """What speaks against each sequence, by its name, a line each; nothing where all of it is within the limits.

    Args:
        figures: of a day.
        document: the declaration, with the limits.
    """
    limits = document.differences
    found = {}
    for name, rates in figures.sequences.items():
        problems = []
        for cause, rate in rates.items():
            allowed = limit_of(limits, cause)
            if rate > allowed:
                leak = ", and a leak is never tolerated" if cause in LEAKS else f": {allowed:.2%} are allowed"
                problems.append(f"{cause} in {rate:.2%} of the traces{leak}")
        if figures.traces < limits.traces:
            problems.append(f"{figures.traces:,} traces are too few to judge by: {limits.traces:,} are needed")
        found[name] = tuple(problems)
    return found


def limit_of(limits: DifferenceLimits, cause: str) -> float:
    """The rate up to which a cause is tolerated; 0 for a leak."""
    if cause in LEAKS:
        return 0.0
    return limits.causes.get(cause, limits.rate)


def check_limits(document: Document) -> None:
    """Refuses limits of causes that do not exist, and of leaks.

    Raises:
        InvalidInput: that names the cause.
    """
    for cause in document.differences.causes:
        where = f"{document.name}: differences.causes"
        if cause in LEAKS:
            raise InvalidInput(f"{cause!r} is a leak, which is never tolerated", where=where, remedy="leave it out")
        if cause not in CAUSES and cause != UNEXPLAINED:
            raise InvalidInput(f"there is no cause {cause!r}", where=where, remedy=nearest(cause, [*CAUSES, UNEXPLAINED]))
