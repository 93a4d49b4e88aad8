"""Causes that cut a history elsewhere."""

from collections.abc import Iterator
from dataclasses import replace

from srp_assets.features.times import MICROSECONDS_OF_DAY, MICROSECONDS_OF_HOUR
from srp_assets.sequences.differences.hypotheses.base import USUAL, Cause, Proposal, Seen
from srp_assets.sequences.differences.replaying import Key

LONGEST_OFFSET = 14
"""Hours by which days of some place begin before or after those of UTC."""


def _retention(seen: Seen) -> Iterator[Proposal]:
    """Everything from before a moment is missing."""
    if not len(seen.missing):
        return
    oldest_kept = int(seen.of(seen.kept, "event_time").min(initial=seen.asked.as_of))
    happened = seen.of(seen.missing, "event_time")
    older = happened[happened < oldest_kept]
    if len(older):
        newest = int(older.max())
        # A retention counts in days before that of the request.
        low = (seen.asked.day * MICROSECONDS_OF_DAY - oldest_kept) / MICROSECONDS_OF_DAY
        high = (seen.asked.day * MICROSECONDS_OF_DAY - newest) / MICROSECONDS_OF_DAY
        yield Proposal(replace(seen.conditions, since=newest + 1), USUAL, low, high)


def _length(seen: Seen) -> Iterator[Proposal]:
    """A stage has another number of actions at most."""
    for stage, sequence in dict.fromkeys((key[1], key[0]) for key in seen.case.asked.keys):
        keys = [key for key in seen.case.asked.keys if key[:2] == (sequence, stage)]
        served = max(len(seen.case.served[key]["event_id"]) for key in keys)
        made = max(len(seen.made[key]["event_id"]) for key in keys)
        said = next((seen.case.labels[key]["length"][0] for key in keys if "length" in seen.case.labels[key]), None)
        if said is not None or served < made or (served > made and made > 0):
            length = served if said is None else int(said)
            cost = USUAL - 0.5 if said is not None else USUAL
            lengths = {**seen.conditions.lengths, (sequence, stage): length}
            if length > 0 and lengths != dict(seen.conditions.lengths) and _is_first(seen, keys):
                yield Proposal(replace(seen.conditions, lengths=lengths), cost, length, length)


def _is_first(seen: Seen, keys: list[Key]) -> bool:
    """Whether the stage before is as served: what is cut there is not cut here."""
    before = {"general": "portrait", "final": "general"}.get(keys[0][1])
    for key in seen.case.asked.keys:
        if key[1] == before and key[0] in (None, keys[0][0]) and len(seen.made[key]["event_id"]) != len(seen.case.served[key]["event_id"]):
            return False
    return True


def _day_boundary(seen: Seen) -> Iterator[Proposal]:
    """The window begins with a day of another place."""
    first = (seen.asked.day - seen.world.document.portrait.days) * MICROSECONDS_OF_DAY
    if seen.conditions.window_shift or not (len(seen.missing) or len(seen.extra)):
        return
    if len(seen.missing):
        newest_missing = int(seen.of(seen.missing, "event_time").max())
        oldest_kept = int(seen.of(seen.kept, "event_time").min(initial=seen.asked.as_of))
        hours = -(-(newest_missing + 1 - first) // MICROSECONDS_OF_HOUR)
        if 0 < hours <= LONGEST_OFFSET and newest_missing < oldest_kept:
            high = min((oldest_kept - first) / MICROSECONDS_OF_HOUR, LONGEST_OFFSET)
            yield Proposal(replace(seen.conditions, window_shift=hours * MICROSECONDS_OF_HOUR), USUAL - 0.5, hours, high)
    places = seen.in_log(seen.extra)
    times = seen.world.actions["event_time"][places]
    if len(times) and times.max() < first:
        hours = -(-(first - int(times.min())) // MICROSECONDS_OF_HOUR)
        if hours <= LONGEST_OFFSET:
            yield Proposal(replace(seen.conditions, window_shift=-hours * MICROSECONDS_OF_HOUR), USUAL - 0.5, -LONGEST_OFFSET, -hours)


CAUSES = (
    Cause("missing_at_tail", "cuts", "the history was kept for a shorter time: what is older is missing", _retention),
    Cause("other_length", "cuts", "a stage was cut at another length", _length),
    Cause("day_boundary", "cuts", "the window begins with the day of another place than UTC", _day_boundary),
)
