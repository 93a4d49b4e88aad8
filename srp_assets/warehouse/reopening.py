"""Which runs the reopened periods need: few, each over a range, none twice at a time, and none again and again where it keeps failing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from srp_assets.warehouse.registry_builds import PeriodKey

BRIDGED_PERIODS = 50
"""Periods without changes that a range may run across: asking for them costs a look at the registry, another run costs seconds."""

FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)


@dataclass(frozen=True)
class PeriodSpan:
    """Periods of an entity's table from `first` to `last`, both included."""

    entity: str
    first: str
    last: str

    def overlaps(self, other: "PeriodSpan") -> bool:
        """Whether a period is in both."""
        return self.entity == other.entity and self.first <= other.last and other.first <= self.last

    @property
    def name(self) -> str:
        """How the memory of a sensor calls it."""
        return f"{self.entity} {self.first} {self.last}"


@dataclass(frozen=True)
class Asked:
    """How often a span was asked for as of some state (the newest ingest, say), and when it may be asked for again."""

    as_of: int | str
    times: int
    again_at: datetime


def spans(stale: Iterable[PeriodKey], periods: Sequence[str]) -> list[PeriodSpan]:
    """The stale periods as few spans of the periods that can be built now (`periods`, in order); others wait until they can."""
    place = {period: number for number, period in enumerate(periods)}
    by_entity: dict[str, set[int]] = {}
    for key in stale:
        if key.period in place:
            by_entity.setdefault(key.entity, set()).add(place[key.period])
    found: list[PeriodSpan] = []
    for entity, places in sorted(by_entity.items()):
        ordered = sorted(places)
        first = ordered[0]
        for here, following in zip(ordered, [*ordered[1:], None], strict=True):
            if following is None or following - here > BRIDGED_PERIODS + 1:
                found.append(PeriodSpan(entity, periods[first], periods[here]))
                first = following if following is not None else first
    return found


def due(
    wanted: Iterable[PeriodSpan], building: Sequence[PeriodSpan], memory: Mapping[str, Asked], as_of: int | str, now: datetime
) -> tuple[list[PeriodSpan], dict[str, Asked]]:
    """What to ask for now, and what to remember.

    A span waits while a run builds any of its periods. One that was asked for and is still wanted, although nothing has changed since, has
    failed: it waits twice as long each time, so that a build that cannot succeed does not keep the machine busy.
    """
    asked: list[PeriodSpan] = []
    remembered: dict[str, Asked] = {}
    for span in wanted:
        before = memory.get(span.name)
        if before is not None and before.as_of != as_of:
            before = None
        if any(span.overlaps(other) for other in building) or (before is not None and now < before.again_at):
            if before is not None:
                remembered[span.name] = before
            continue
        times = before.times + 1 if before else 1
        wait = min(FIRST_WAIT * 2 ** min(times - 1, 16), LONGEST_WAIT)
        asked.append(span)
        remembered[span.name] = Asked(as_of, times, now + wait)
    return asked, remembered
