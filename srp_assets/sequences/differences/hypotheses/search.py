"""Causes by which a search took other actions of the same portrait."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from srp_assets.sequences.declaration import SoftSearch
from srp_assets.sequences.differences.coding import same_column
from srp_assets.sequences.differences.hypotheses.base import RARE, SINGLED_OUT, USUAL, Cause, Proposal, Seen
from srp_assets.sequences.differences.replaying import Key, Replayed

OTHER_GAPS = (1, 5, 10, 15, 20, 45, 60, 90, 120)
"""Minutes that other places end a session after."""

UNLIMITED = 1 << 30


def general_keys(seen: Seen) -> Iterator[Key]:
    """The rows of general searches that are not as served, although they had the same actions."""
    if not seen.is_same_history:
        return
    for key in seen.asked.keys:
        if key[1] == "general" and not np.array_equal(seen.made[key]["event_id"], seen.case.served[key]["event_id"]):
            yield key


def final_keys(seen: Seen) -> Iterator[Key]:
    """The rows of final searches that are not as served, although they had the same actions."""
    if not seen.is_same_history:
        return
    for key in seen.asked.keys:
        if key[1] == "final" and not np.array_equal(seen.made[key]["event_id"], seen.case.served[key]["event_id"]):
            yield key


def _kinds(seen: Seen) -> Iterator[Proposal]:
    """A kind of actions is missing as a whole; or a test was not made that the declaration asks for."""
    if len(seen.missing):
        kinds = seen.of(seen.missing, "kind")
        gone = set(kinds.tolist()) - set(seen.of(seen.kept, "kind").tolist())
        if gone and len(seen.kept):
            cost = USUAL + 0.5 * (len(gone) - 1) + _rarity(int(np.isin(kinds, list(gone)).sum()))
            yield Proposal(replace(seen.conditions, left_out_kinds=seen.conditions.left_out_kinds | gone), cost)
    for key in general_keys(seen):
        name = str(key[0])
        made, served = seen.made[key], seen.case.served[key]
        missing = ~np.isin(made["event_id"], served["event_id"])
        gone = set(made["kind"][missing].tolist())
        if gone and gone.isdisjoint(made["kind"][~missing].tolist()):
            others = {**seen.conditions.unsearched_kinds, name: seen.conditions.unsearched_kinds.get(name, frozenset()) | gone}
            yield Proposal(replace(seen.conditions, unsearched_kinds=others), USUAL + _rarity(int(missing.sum())))
        if (~np.isin(served["event_id"], made["event_id"])).any():
            tests = len(seen.world.document.named(name).general.where)
            for number in range(tests):
                ignored = seen.conditions.ignored_conditions.get(name, frozenset())
                if number not in ignored:
                    one = {**seen.conditions.ignored_conditions, name: ignored | {number}}
                    yield Proposal(replace(seen.conditions, ignored_conditions=one), USUAL)


def _rarity(missing: int) -> float:
    """A kind with one action is missing by chance rather than by rule."""
    return 1.0 if missing == 1 else 0.0


def _hidden(seen: Seen) -> Iterator[Proposal]:
    """Items were kept that had been taken down."""
    declared = any(sequence.general.items for sequence in seen.world.document.sequences)
    if declared and not seen.conditions.ignores_items and any(True for _ in general_keys(seen)):
        yield Proposal(replace(seen.conditions, ignores_items=True), USUAL)


def _session(seen: Seen) -> Iterator[Proposal]:
    """A session ended after another gap, or at exactly the gap."""
    declared = any(sequence.general.session is not None for sequence in seen.world.document.sequences)
    said = seen.label("session_gap_minutes")
    if not declared or (said is None and not any(True for _ in general_keys(seen))):
        return
    if said is None and not seen.conditions.session_gap_ends:
        yield Proposal(replace(seen.conditions, session_gap_ends=True), USUAL - 0.5)
    if seen.conditions.session_gap is None:
        for gap in OTHER_GAPS if said is None or said[0] is None else (int(said[0]),):
            yield Proposal(replace(seen.conditions, session_gap=gap), USUAL if said else USUAL + 0.5, gap, gap)


def _score_ties(seen: Seen) -> Iterator[Proposal]:
    """Of equal scores the oldest came first."""
    soft = {sequence.name for sequence in seen.world.document.sequences if isinstance(sequence.final, SoftSearch)}
    if seen.conditions.score_ties == "newest" and any(key[0] in soft for key in final_keys(seen)):
        yield Proposal(replace(seen.conditions, score_ties="oldest"), USUAL)


def _missed(seen: Seen) -> Iterator[Proposal]:
    """A soft search overlooked actions that have larger scores than what it found."""
    missed = {}
    lengths = {key[:2]: UNLIMITED for key in seen.asked.keys if key[1] == "final"}
    unlimited = None
    for key in final_keys(seen):
        name, _, candidate = key
        if not isinstance(seen.world.document.named(str(name)).final, SoftSearch):
            return
        if unlimited is None:
            everything = replace(seen.conditions, lengths={**seen.conditions.lengths, **lengths})
            unlimited = Replayed(seen.world, seen.asked, everything)
        scored, served = unlimited[key], seen.case.served[key]
        length = seen.conditions.lengths.get((name, "final"), seen.world.document.named(str(name)).final.length)
        overlooked = ~np.isin(scored["event_id"], served["event_id"])
        if len(served["event_id"]) >= length:
            least = scored["score"][~overlooked].min(initial=np.inf)
            overlooked &= scored["score"] > least
        if overlooked.any():
            already = seen.conditions.missed.get((str(name), candidate), frozenset())
            missed[str(name), candidate] = already | frozenset(scored["event_id"][overlooked].tolist())
    if missed:
        count = sum(map(len, missed.values()))
        yield Proposal(replace(seen.conditions, missed={**seen.conditions.missed, **missed}), RARE + SINGLED_OUT / 4 * count)


def _decay(seen: Seen) -> Iterator[Proposal]:
    """Scores do not fade with age."""
    fading = {sequence.name for sequence in seen.world.document.sequences if sequence.final.half_life_days is not None}
    finals = [key for key in seen.asked.keys if key[1] == "final" and key[0] in fading] if seen.is_same_history else []
    differ = any(not same_column("score", seen.case.served[key]["score"], seen.made[key]["score"]) for key in finals)
    if differ and not seen.conditions.ignores_decay:
        yield Proposal(replace(seen.conditions, ignores_decay=True), USUAL)


CAUSES = (
    Cause("filter_by_kind", "search", "other kinds of actions were taken than the declaration says", _kinds),
    Cause("hidden_item_kept", "search", "actions on items that were taken down were kept", _hidden),
    Cause("session_boundary", "search", "a session ended elsewhere", _session),
    Cause("soft_search_tie", "search", "of equal scores another action was taken", _score_ties),
    Cause("approximate_search_miss", "search", "an approximate search overlooked actions with larger scores", _missed),
    Cause("decay_left_out", "search", "scores did not fade with age", _decay),
)
