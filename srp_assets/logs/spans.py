"""Which days of which logs decide about a day: what a build reads, and what reopens it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.durations import whole_days

DAY = timedelta(days=1)


@dataclass(frozen=True)
class DaySpan:
    """Days from `first` to `last`, both included; `last` before `first` holds none."""

    first: date
    last: date

    def __iter__(self) -> Iterator[date]:
        day = self.first
        while day <= self.last:
            yield day
            day += DAY

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def widened(self, before: int, after: int) -> "DaySpan":
        """The span with so many days more before and after it."""
        return DaySpan(self.first - before * DAY, self.last + after * DAY)

    def as_texts(self) -> tuple[str, str]:
        """Both ends as the registry writes days."""
        return self.first.isoformat(), self.last.isoformat()


def log_spans(catalogue: LogCatalogue, actions: DaySpan, outcomes: DaySpan | None) -> dict[str, DaySpan]:
    """The days of each log that decide about the actions of some days and the outcomes of others.

    An action looks back to what it is credited to: over the longest window of a step to impressions and clicks, from a click once more over
    its own window, from an impression to its request. An outcome also looks ahead over the longest window.
    """
    click = catalogue.of_role("click")
    touch_days = catalogue.label_days + (whole_days(click.window) if click else 0)
    first, last = actions.first, actions.last
    if outcomes is not None:
        first, last = min(first, outcomes.first), max(last, outcomes.last + catalogue.label_days * DAY)
    steps = DaySpan(first, last)
    touches = steps.widened(touch_days, 0)
    by_role = {"step": steps, "click": touches, "impression": touches, "request": touches.widened(catalogue.request_days, 0)}
    return {name: by_role[log.role] for name, log in catalogue.logs.items() if log.role in by_role}
