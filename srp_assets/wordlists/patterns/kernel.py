"""Runs the automata of patterns over texts, in machine code: the one thing here that has to be fast for every character.

`Tables` is what `automaton.py` built, packed into plain arrays; `found` says which of some (text, pattern) pairs hit.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import types

from srp_assets.wordlists.kernels import (
    INT32S,
    INT64S,
    OUT_BOOLS,
    OUT_INT32S,
    OUT_INT64S,
    OUT_UINT8S,
    OUT_UINT64S,
    UINT8S,
    UINT64S,
    kernel,
)
from srp_assets.wordlists.patterns.automaton import FACTS, Automaton
from srp_assets.wordlists.patterns.sets import LAST, named

WHOLE, BEHIND, AHEAD = 0, 1, 2
"""What an automaton is: a whole pattern, or the body of a lookbehind or a lookahead."""

_START, _END, _LINE_START, _LINE_END, _LAST_LINE_END, _BOUNDARY, _NO_BOUNDARY = FACTS.values()

# The columns of `Tables.automata`.
_CLASSES, _CLASSES_END, _MEMBERS, _POSITIONS, _STARTS, _STARTS_END, _STEP_BOUNDS, _END_BOUNDS, _EMPTIES, _EMPTIES_END, _KIND, _NEGATED = (
    range(12)
)
_FACT, _MEETS, _COLUMNS = 12, 13, 14

_ASCII = 128


class Tables(NamedTuple):
    """Packed automata of many patterns.

    Attributes:
        patterns: int64 (patterns, 2), the first automaton of each pattern and the one behind its last.
        automata: int64 (automata, 14), where the parts of each automaton lie in the other arrays, what it is, the fact that it
            establishes, and all facts that it asks for.
        class_starts: int32, the first code points of ranges that an automaton does not tell apart, sorted for each automaton.
        classes: int32, the class of each such range.
        ascii_classes: int32, the classes of the first 128 code points, for each automaton.
        members: uint8, for each class and each position whether the position takes the class.
        start_targets, start_facts: int32 and uint64, where an automaton may begin and under which facts.
        step_bounds: int32, where the steps of each position begin; one more entry for each automaton than it has positions.
        step_targets, step_facts: int32 and uint64, the steps.
        end_bounds: int32, where the ends of each position begin, as `step_bounds`.
        end_facts: uint64, under which facts a match may end at a position.
        empties: uint64, under which facts nothing at all is a match.
        words: int32, bounds of the ranges of letters and digits between which word boundaries lie: first, behind last, first, ..
    """

    patterns: npt.NDArray[np.int64]
    automata: npt.NDArray[np.int64]
    class_starts: npt.NDArray[np.int32]
    classes: npt.NDArray[np.int32]
    ascii_classes: npt.NDArray[np.int32]
    members: npt.NDArray[np.uint8]
    start_targets: npt.NDArray[np.int32]
    start_facts: npt.NDArray[np.uint64]
    step_bounds: npt.NDArray[np.int32]
    step_targets: npt.NDArray[np.int32]
    step_facts: npt.NDArray[np.uint64]
    end_bounds: npt.NDArray[np.int32]
    end_facts: npt.NDArray[np.uint64]
    empties: npt.NDArray[np.uint64]
    words: npt.NDArray[np.int32]


def pack(patterns: Sequence[Sequence[Automaton]]) -> Tables:
    """Packs the automata of patterns, each pattern's in the order in which they are run."""
    pools: dict[str, list[Any]] = {name: [] for name in Tables._fields}
    for automata in patterns:
        begin = len(pools["automata"])
        for automaton in automata:
            _pack_one(automaton, pools)
        pools["patterns"].append((begin, len(pools["automata"])))
    pools["words"] = [bound for low, high in named(r"\w") for bound in (low, high + 1)]
    arrays: dict[str, Any] = {
        name: np.array(pool, np.uint64 if name.endswith("facts") or name == "empties" else np.int32)
        for name, pool in pools.items()
        if name not in ("patterns", "automata", "members")
    }
    return Tables(
        patterns=np.array(pools["patterns"], np.int64).reshape(-1, 2),
        automata=np.array(pools["automata"], np.int64).reshape(-1, _COLUMNS),
        members=np.concatenate([np.empty(0, np.uint8), *pools["members"]]),
        **arrays,
    )


def _pack_one(automaton: Automaton, pools: dict[str, list[Any]]) -> None:
    row = [0] * _COLUMNS
    row[_CLASSES] = len(pools["class_starts"])
    row[_MEMBERS] = sum(map(len, pools["members"]))
    row[_POSITIONS] = len(automaton.sets)
    _pack_classes(automaton, pools)
    row[_CLASSES_END] = len(pools["class_starts"])
    row[_STARTS] = len(pools["start_targets"])
    pools["start_targets"] += [target for target, _ in automaton.starts]
    pools["start_facts"] += [facts for _, facts in automaton.starts]
    row[_STARTS_END] = len(pools["start_targets"])
    row[_STEP_BOUNDS], row[_END_BOUNDS] = len(pools["step_bounds"]), len(pools["end_bounds"])
    ends: dict[int, list[int]] = {}
    for position, facts in automaton.ends:
        ends.setdefault(position, []).append(facts)
    for position in range(len(automaton.sets)):
        pools["step_bounds"].append(len(pools["step_targets"]))
        pools["step_targets"] += [target for target, _ in automaton.steps.get(position, ())]
        pools["step_facts"] += [facts for _, facts in automaton.steps.get(position, ())]
        pools["end_bounds"].append(len(pools["end_facts"]))
        pools["end_facts"] += ends.get(position, [])
    pools["step_bounds"].append(len(pools["step_targets"]))
    pools["end_bounds"].append(len(pools["end_facts"]))
    row[_EMPTIES] = len(pools["empties"])
    pools["empties"] += automaton.empties
    row[_EMPTIES_END] = len(pools["empties"])
    if automaton.look is not None:
        look, row[_FACT] = automaton.look
        row[_KIND], row[_NEGATED] = BEHIND if look.is_behind else AHEAD, look.is_negated
    asked = [facts for _, facts in (*automaton.starts, *automaton.ends, *(step for steps in automaton.steps.values() for step in steps))]
    for facts in (*asked, *automaton.empties):
        row[_MEETS] |= facts
    pools["automata"].append(row)


def _pack_classes(automaton: Automaton, pools: dict[str, list[Any]]) -> None:
    """The code points that an automaton does not tell apart: cut where any of its sets begins or ends, equal pieces have one class."""
    sets = list(dict.fromkeys(automaton.sets))
    changes: dict[int, list[int]] = {0: []}
    for number, chars in enumerate(sets):
        for low, high in chars:
            changes.setdefault(low, []).append(number)
            if high < LAST:
                changes.setdefault(high + 1, []).append(number)
    columns = np.array([sets.index(chars) for chars in automaton.sets], np.int64)
    holding = np.zeros(len(sets), np.uint8)
    known: dict[bytes, int] = {}
    begin = len(pools["classes"])
    for start in sorted(changes):
        # A set that begins where it ends is counted twice: it changes twice.
        for number in changes[start]:
            holding[number] ^= 1
        if holding.tobytes() not in known:
            known[holding.tobytes()] = len(known)
            pools["members"].append(holding[columns])
        pools["class_starts"].append(start)
        pools["classes"].append(known[holding.tobytes()])
    places = np.searchsorted(pools["class_starts"][begin:], np.arange(_ASCII), side="right") - 1
    pools["ascii_classes"] += [pools["classes"][begin + place] for place in places]


_UINT32S = types.Array(types.uint32, 1, "C", readonly=True)
_TABLE = types.Array(types.int64, 2, "C", readonly=True)
_TABLES = (
    *(_TABLE, _TABLE, INT32S, INT32S, INT32S, UINT8S, INT32S, UINT64S),
    *(INT32S, INT32S, UINT64S, INT32S, UINT64S, UINT64S, INT32S),
)


@kernel(types.intp(INT32S, types.intp, types.intp, types.int64))
def _last_not_above(values: Any, begin: int, end: int, value: int) -> int:
    """The place of the last of sorted values that is not above a value; the first one never is."""
    low, high = begin, end
    while high - low > 1:
        middle = (low + high) // 2
        if values[middle] <= value:
            low = middle
        else:
            high = middle
    return low


@kernel(types.boolean(INT32S, types.int64))
def _is_word(words: Any, code: int) -> bool:
    if len(words) == 0 or code < words[0]:
        return False
    return _last_not_above(words, 0, len(words), code) % 2 == 0


@kernel(types.void(_UINT32S, types.int64, types.int64, OUT_UINT64S, types.uint64, INT32S))
def _note_facts(codes: Any, begin: int, end: int, facts: Any, wanted: int, words: Any) -> None:
    """Notes what holds at each place between two characters of a text."""
    length = end - begin
    facts[: length + 1] = np.uint64(0)
    if wanted & np.uint64(_BOUNDARY | _NO_BOUNDARY):
        before = False
        for place in range(length + 1):
            after = place < length and _is_word(words, np.int64(codes[begin + place]))
            facts[place] = np.uint64(_BOUNDARY) if before != after else np.uint64(_NO_BOUNDARY)
            before = after
    if wanted & np.uint64(_LINE_START | _LINE_END):
        for place in range(length):
            if codes[begin + place] == 10:
                facts[place] |= np.uint64(_LINE_END)
                facts[place + 1] |= np.uint64(_LINE_START)
    facts[0] |= np.uint64(_START | _LINE_START)
    facts[length] |= np.uint64(_END | _LINE_END | _LAST_LINE_END)
    if length and codes[end - 1] == 10:
        facts[length - 1] |= np.uint64(_LAST_LINE_END)


_RUN = types.boolean(
    *(*_TABLES, types.intp, _UINT32S, types.int64, types.int64),
    *(OUT_UINT64S, OUT_UINT8S, OUT_INT32S, OUT_INT32S, OUT_INT64S),
)


@kernel(_RUN)
def _run(
    patterns: Any,
    automata: Any,
    class_starts: Any,
    classes: Any,
    ascii_classes: Any,
    members: Any,
    start_targets: Any,
    start_facts: Any,
    step_bounds: Any,
    step_targets: Any,
    step_facts: Any,
    end_bounds: Any,
    end_facts: Any,
    empties: Any,
    words: Any,
    number: int,
    codes: Any,
    begin: int,
    end: int,
    facts: Any,
    reached: Any,
    here: Any,
    there: Any,
    seen: Any,
) -> bool:
    """Runs one automaton over a text from every place at once.

    A whole pattern is done at its first match and says whether there is one. The body of a lookaround notes in `reached` the places where
    it ends (read backwards: begins). `here` and `there` hold the positions after this character and the next, `seen` at which character a
    position was entered last.
    """
    row = automata[number]
    positions, kind = row[_POSITIONS], row[_KIND]
    for position in range(positions):
        seen[position] = -1
    length = end - begin
    count = 0
    for turn in range(length + 1):
        place = length - turn if kind == AHEAD else turn
        fact = facts[place]
        is_end = False
        for empty in range(row[_EMPTIES], row[_EMPTIES_END]):
            if empties[empty] & fact == empties[empty]:
                is_end = True
        for index in range(count):
            bound = row[_END_BOUNDS] + here[index]
            for ending in range(end_bounds[bound], end_bounds[bound + 1]):
                if end_facts[ending] & fact == end_facts[ending]:
                    is_end = True
        if is_end:
            if kind == WHOLE:
                return True
            reached[place] = 1
        if turn == length:
            break
        code = np.int64(codes[begin + place - 1] if kind == AHEAD else codes[begin + place])
        if code < _ASCII:
            class_ = ascii_classes[number * _ASCII + code]
        else:
            class_ = classes[_last_not_above(class_starts, row[_CLASSES], row[_CLASSES_END], code)]
        member = row[_MEMBERS] + class_ * positions
        entered = 0
        for index in range(count):
            bound = row[_STEP_BOUNDS] + here[index]
            for step in range(step_bounds[bound], step_bounds[bound + 1]):
                target = step_targets[step]
                if members[member + target] and seen[target] != turn and step_facts[step] & fact == step_facts[step]:
                    seen[target] = turn
                    there[entered] = target
                    entered += 1
        for start in range(row[_STARTS], row[_STARTS_END]):
            target = start_targets[start]
            if members[member + target] and seen[target] != turn and start_facts[start] & fact == start_facts[start]:
                seen[target] = turn
                there[entered] = target
                entered += 1
        here, there = there, here
        count = entered
    return False


_FOUND = OUT_BOOLS(*(*_TABLES, INT64S, INT64S, _UINT32S, INT64S))


@kernel(_FOUND, allocates=True)
def _found(
    patterns: Any,
    automata: Any,
    class_starts: Any,
    classes: Any,
    ascii_classes: Any,
    members: Any,
    start_targets: Any,
    start_facts: Any,
    step_bounds: Any,
    step_targets: Any,
    step_facts: Any,
    end_bounds: Any,
    end_facts: Any,
    empties: Any,
    words: Any,
    rows: Any,
    entries: Any,
    codes: Any,
    bounds: Any,
) -> Any:
    longest, most = 0, 0
    for index in range(len(rows)):
        longest = max(longest, bounds[rows[index] + 1] - bounds[rows[index]])
    for number in range(len(automata)):
        most = max(most, automata[number, _POSITIONS])
    facts = np.zeros(longest + 1, np.uint64)
    reached = np.zeros(longest + 1, np.uint8)
    here, there, seen = np.empty(most, np.int32), np.empty(most, np.int32), np.empty(most, np.int64)
    hit = np.zeros(len(rows), np.bool_)
    for index in range(len(rows)):
        begin, end = bounds[rows[index]], bounds[rows[index] + 1]
        first, behind = patterns[entries[index], 0], patterns[entries[index], 1]
        wanted = np.uint64(0)
        for number in range(first, behind):
            wanted |= np.uint64(automata[number, _MEETS])
        if wanted:
            _note_facts(codes, begin, end, facts, wanted, words)
        for number in range(first, behind):
            if automata[number, _KIND] != WHOLE:
                reached[: end - begin + 1] = 0
            is_hit = _run(
                patterns, automata, class_starts, classes, ascii_classes, members, start_targets, start_facts, step_bounds, step_targets,
                step_facts, end_bounds, end_facts, empties, words, number, codes, begin, end, facts, reached, here, there, seen,
            )  # fmt: skip
            if automata[number, _KIND] == WHOLE:
                hit[index] = is_hit
            else:
                for place in range(end - begin + 1):
                    if reached[place] != automata[number, _NEGATED]:
                        facts[place] |= np.uint64(automata[number, _FACT])
    return hit


def found(
    tables: Tables,
    rows: npt.NDArray[np.int64],
    entries: npt.NDArray[np.int64],
    codes: npt.NDArray[np.uint32],
    bounds: npt.NDArray[np.int64],
) -> npt.NDArray[np.bool_]:
    """Which patterns hit which texts.

    Args:
        tables: the patterns.
        rows: the text of each pair.
        entries: the pattern of each pair.
        codes: the code points of all texts, one after the other.
        bounds: where each text begins among them, and where the last one ends.

    Returns:
        For each pair whether the pattern hits the text.
    """
    hit: npt.NDArray[np.bool_] = _found(*tables, rows, entries, codes, bounds)
    return hit
