"""Causes by which actions were not there yet, came too late, came twice, or were there too early."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from srp_assets.features.times import MICROSECONDS_OF_DAY
from srp_assets.sequences.differences.coding import Integers
from srp_assets.sequences.differences.conditions import Copy
from srp_assets.sequences.differences.hypotheses.base import RARE, RECOGNIZED, SINGLED_OUT, USUAL, Cause, Proposal, Seen
from srp_assets.sequences.differences.replaying import Replayed

END_OF_TIME = 2**62
UNCUT = 1 << 30

LATE = 300_000_000
"""Five minutes: nobody leaves out what comes sooner."""


def _delay(seen: Seen) -> Iterator[Proposal]:
    """Everything that arrived after a moment is missing; or each arrival is noted later by the same time."""
    own, other = seen.common
    if len(own):
        later = np.unique(seen.served_actions["arrival_time"][own] - seen.made_actions["arrival_time"][other])
        if len(later) == 1 and later[0] > 0:
            shift = int(later[0])
            yield Proposal(replace(seen.conditions, arrival_shift=seen.conditions.arrival_shift + shift), USUAL, shift, shift)
            return
    if not len(seen.missing):
        return
    newest_kept = int(seen.of(seen.kept, "arrival_time").max(initial=-END_OF_TIME))
    arrived = seen.of(seen.missing, "arrival_time")
    later = arrived[arrived > newest_kept]
    if len(later):
        cut = int(later.min())
        low, high = seen.asked.as_of - cut, seen.asked.as_of - newest_kept
        yield Proposal(replace(seen.conditions, known_before=cut), USUAL, low, min(high, END_OF_TIME))


def _late_left_out(seen: Seen) -> Iterator[Proposal]:
    """What arrived long after it happened is missing."""
    if not len(seen.missing) or not len(seen.kept):
        return
    lateness = [seen.of(ids, "arrival_time") - seen.of(ids, "event_time") for ids in (seen.kept, seen.missing)]
    most, least = int(lateness[0].max(initial=0)), int(lateness[1].min())
    if most < least and least > LATE:
        yield Proposal(replace(seen.conditions, most_lateness=most), USUAL, most, least)


def _late_taken(seen: Seen) -> Iterator[Proposal]:
    """What had happened but not arrived is there."""
    places = seen.in_log(seen.extra)
    actions = seen.world.actions
    late = (actions["event_time"][places] < seen.asked.as_of) & (actions["arrival_time"][places] >= seen.asked.as_of)
    if late.any() and seen.conditions.known_before is None:
        yield Proposal(replace(seen.conditions, known_before=END_OF_TIME), USUAL)


def _future(seen: Seen) -> Iterator[Proposal]:
    """What happened or arrived after the request is there, as far as somebody read ahead."""
    actions, as_of = seen.world.actions, seen.asked.as_of
    places = seen.in_log(seen.extra)
    known = np.maximum(actions["event_time"], actions["arrival_time"])
    ahead = places[known[places] >= as_of]
    if not len(ahead) or seen.conditions.until is not None:
        return
    until = int(known[ahead].max()) + 1
    own = seen.world.of_user(seen.asked.user)
    later = known[own][known[own] >= until]
    high = int(later.min()) - as_of if len(later) else END_OF_TIME
    cost = USUAL if (actions["event_time"][ahead] >= as_of).any() else USUAL + 0.5
    yield Proposal(replace(seen.conditions, until=until, known_before=None), cost, until - as_of, high)


def _stale_snapshot(seen: Seen) -> Iterator[Proposal]:
    """What arrived in whole days before the day of the request is missing; what arrived on the day is there."""
    if not len(seen.missing):
        return
    midnight = seen.asked.day * MICROSECONDS_OF_DAY
    arrived, kept = seen.of(seen.missing, "arrival_time"), seen.of(seen.kept, "arrival_time")
    newest_kept = int(kept[kept < midnight].max(initial=-1))
    gone = arrived[(arrived > newest_kept) & (arrived < midnight)]
    if newest_kept < 0 or not len(gone):
        return
    first = int(gone.min()) // MICROSECONDS_OF_DAY
    if newest_kept >= first * MICROSECONDS_OF_DAY:
        return
    said = seen.case.snapshot_day
    low, high = seen.asked.day - first, seen.asked.day - (newest_kept // MICROSECONDS_OF_DAY + 1)
    gap = (first * MICROSECONDS_OF_DAY, midnight)
    cost = USUAL - 0.5 if said is not None and said < seen.asked.day else USUAL
    yield Proposal(replace(seen.conditions, unknown_between=(*seen.conditions.unknown_between, gap)), cost, low, high)


def _no_snapshot(seen: Seen) -> Iterator[Proposal]:
    """Nothing is there from before the day of the request."""
    midnight = seen.asked.day * MICROSECONDS_OF_DAY
    if (seen.of(seen.missing, "arrival_time") < midnight).any() and (seen.of(seen.kept, "arrival_time") >= midnight).all():
        gap = (-END_OF_TIME, midnight)
        cost = USUAL - 0.5 if seen.case.snapshot_day is None else USUAL + 1.0
        yield Proposal(replace(seen.conditions, unknown_between=(*seen.conditions.unknown_between, gap)), cost)


def _copies(seen: Seen) -> Iterator[Proposal]:
    """An action stands twice, under its own id or under another one."""
    if not seen.repeated and not len(seen.extra):
        return
    shown = seen.served_actions
    own = {code: place for place, code in enumerate(seen.made_actions["event_id"].tolist())}
    by_content = dict(zip(_contents(seen.made_actions), seen.made_actions["event_id"].tolist(), strict=True))
    counted: set[int] = set()
    found = []
    known = set(seen.world.place_of_event)
    arrivals, contents = shown["arrival_time"].tolist(), _contents(shown)
    for place, code in sorted(enumerate(shown["event_id"].tolist()), key=lambda pair: (arrivals[pair[0]], pair[0])):
        original = own.get(code) if code in counted else None
        if original is not None:
            found.append(Copy(code, code, arrivals[place]))
        elif code not in known and contents[place] in by_content:
            found.append(Copy(code, by_content[contents[place]], arrivals[place]))
        counted.add(code)
    if found:
        yield Proposal(replace(seen.conditions, copies=(*seen.conditions.copies, *found)), USUAL + RECOGNIZED * len(found))


def _contents(actions: object) -> list[tuple[int, int, int]]:
    columns = [actions[name].tolist() for name in ("event_time", "item_id", "kind")]  # type: ignore[index]
    return list(zip(*columns, strict=True))


def _lost(seen: Seen) -> Iterator[Proposal]:
    """Single actions are missing, without a rule: they never came."""
    if not len(seen.missing):
        return
    made, served = _uncut(seen), seen.served_actions["event_id"]
    gone = ~np.isin(made, served)
    reached = np.flatnonzero(~gone)
    if seen.is_reached and len(reached):
        # What is older than the oldest that was served was cut, not lost.
        gone[reached[-1] + 1 :] = False
    count = int(gone.sum())
    if count and len(reached):
        removed = seen.conditions.removed | frozenset(made[gone].tolist())
        yield Proposal(replace(seen.conditions, removed=removed), RARE + SINGLED_OUT * count)


def _uncut(seen: Seen) -> Integers:
    """The ids of the widest row as it would be if it were not cut, the newest first."""
    if seen.widest is None or not seen.is_reached:
        return np.asarray(seen.made_actions["event_id"])
    lengths = {**seen.conditions.lengths, seen.widest[:2]: UNCUT}
    return np.asarray(Replayed(seen.world, seen.asked, replace(seen.conditions, lengths=lengths))[seen.widest]["event_id"])


CAUSES = (
    Cause("missing_at_head", "arrival", "the stream was behind: what arrived last is missing", _delay),
    Cause("late_event_excluded", "arrival", "actions that arrived long after they happened were left out", _late_left_out),
    Cause("late_event_included", "arrival", "actions were counted that had happened and not arrived", _late_taken, is_leak=True),
    Cause("leaked_future", "arrival", "actions were counted that came after the request", _future, is_leak=True),
    Cause("stale_snapshot", "arrival", "the snapshot was of an earlier day: whole days before the request are missing", _stale_snapshot),
    Cause("snapshot_missing", "arrival", "no snapshot was there: only the day of the request is", _no_snapshot),
    Cause("duplicate_kept", "arrival", "an action that came twice was counted twice", _copies),
    Cause("events_lost", "arrival", "single actions never came", _lost),
)
