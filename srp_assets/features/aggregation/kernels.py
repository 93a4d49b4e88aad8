"""The loops of the aggregation, compiled: over rows and requests sorted by key, so that each key is walked through once.

All times are microseconds and all days whole days since 1970, as int64. *History* is partial sums of the days before a request's own;
the *tail* is rows that became known on that day. A row or sum is known on `known_day`, at `known_time`; it counts in the window of its
`event_day`. Rows of all kinds are sorted by (key, known day, known time), history by (key, event day), requests by (key, day, as_of).

Sums are kept in two parts, the sum and what its rounding lost (T. J. Dekker, "A floating-point technique for extending the available
precision", Numerische Mathematik 18, 1971): so they do not depend on the order of the rows, whatever cancels.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit


def kernel(function: Callable[..., Any]) -> Any:
    """Compiles a function when it is first called; what was compiled is kept for other processes, where there is a folder for it."""
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:
        return njit(nogil=True)(function)


@kernel
def add_exactly(high: Any, low: Any, place: int, value: float, rest: float) -> None:
    """Adds a sum of two parts (`value` and what it lost) to one of two parts."""
    before = high[place]
    total = before + value
    back = total - before
    lost = (before - (total - back)) + (value - back)
    high[place] = total
    low[place] += lost + rest


@kernel
def sum_groups(groups: Any, values: Any, high: Any, low: Any) -> None:
    """Sums of rows by group.

    Args:
        groups: int64, shape (rows,).
        values: float64, shape (rows, columns).
        high: float64, shape (groups, columns), filled here.
        low: what `high` lost, of the same shape.
    """
    for row in range(groups.shape[0]):
        group = groups[row]
        for column in range(values.shape[1]):
            if values[row, column] != 0.0:
                add_exactly(high[group], low[group], column, values[row, column], 0.0)


@kernel
def newest_of_groups(groups: Any, order: Any, newest: Any) -> None:
    """The row of each group that is last in an order.

    Args:
        groups: int64, shape (rows,).
        order: int64, shape (rows,): the place of each row; negative for rows that do not count.
        newest: int64, shape (groups,), filled with -1 before: the row.
    """
    for row in range(groups.shape[0]):
        group = groups[row]
        if order[row] >= 0 and (newest[group] < 0 or order[row] > order[newest[group]]):
            newest[group] = row


@kernel
def additive_sums(requests: Any, history: Any, tail: Any, accumulators: Any, weights: Any, out: Any) -> None:
    """Sums over windows, weighted by age where they decay, for each request.

    Args:
        requests: key, day and time of each, int64, three arrays of shape (requests,).
        history: key, event day and known day, int64, and two parts of sums, float64 of shape (rows, columns).
        tail: key, event day, known day and known time, int64, and values, float64 of shape (rows, columns).
        accumulators: column, window in days and row of `weights` (-1 for none), int64, three arrays of shape (accumulators,).
        weights: float64, shape (half-lives, longest window + 1): the weight of each age.
        out: float64, shape (requests, accumulators), filled here.
    """
    request_key, request_day, request_time = requests
    history_key, history_day, history_known, history_high, history_low = history
    tail_key, tail_day, tail_known, tail_time, tail_values = tail
    columns, windows, decays = accumulators
    longest = 0
    for window in windows:
        longest = max(longest, window)
    high, low = np.zeros(len(columns)), np.zeros(len(columns))
    first, later, request = 0, 0, 0
    while request < len(request_key):
        key, day = request_key[request], request_day[request]
        high[:] = 0.0
        low[:] = 0.0
        while first < len(history_key) and (history_key[first] < key or (history_key[first] == key and history_day[first] < day - longest)):
            first += 1
        row = first
        while row < len(history_key) and history_key[row] == key and history_day[row] < day:
            if history_known[row] < day:
                for place in range(len(columns)):
                    age = day - history_day[row]
                    if age <= windows[place]:
                        weight = 1.0 if decays[place] < 0 else weights[decays[place], age]
                        part, rest = history_high[row, columns[place]], history_low[row, columns[place]]
                        add_exactly(high, low, place, part * weight, rest * weight)
            row += 1
        while later < len(tail_key) and (tail_key[later] < key or (tail_key[later] == key and tail_known[later] < day)):
            later += 1
        while request < len(request_key) and request_key[request] == key and request_day[request] == day:
            while (
                later < len(tail_key) and tail_key[later] == key and tail_known[later] == day and tail_time[later] < request_time[request]
            ):
                for place in range(len(columns)):
                    age = day - tail_day[later]
                    if age <= windows[place]:
                        weight = 1.0 if decays[place] < 0 else weights[decays[place], age]
                        add_exactly(high, low, place, tail_values[later, columns[place]] * weight, 0.0)
                later += 1
            for place in range(len(columns)):
                out[request, place] = high[place] + low[place]
            request += 1


@kernel
def newest_rows(requests: Any, history: Any, tail: Any, longest: int, out: Any) -> None:
    """The newest row that each request knows.

    Args:
        requests: as for `additive_sums`.
        history: key, event day, known day and order of each row (negative: does not count), int64.
        tail: key, event day, known day, known time and order, int64.
        longest: days back that matter.
        out: int64, shape (requests,): the row in history, or after its rows that in the tail; -1 for none.
    """
    request_key, request_day, request_time = requests
    history_key, history_day, history_known, history_order = history
    tail_key, _, tail_known, tail_time, tail_order = tail
    first, later, request = 0, 0, 0
    while request < len(request_key):
        key, day = request_key[request], request_day[request]
        newest, greatest = -1, np.int64(-1)
        while first < len(history_key) and (history_key[first] < key or (history_key[first] == key and history_day[first] < day - longest)):
            first += 1
        row = first
        while row < len(history_key) and history_key[row] == key and history_day[row] < day:
            if history_known[row] < day and history_order[row] > greatest:
                newest, greatest = row, history_order[row]
            row += 1
        while later < len(tail_key) and (tail_key[later] < key or (tail_key[later] == key and tail_known[later] < day)):
            later += 1
        while request < len(request_key) and request_key[request] == key and request_day[request] == day:
            while (
                later < len(tail_key) and tail_key[later] == key and tail_known[later] == day and tail_time[later] < request_time[request]
            ):
                if tail_order[later] > greatest:
                    newest, greatest = len(history_key) + later, tail_order[later]
                later += 1
            out[request] = newest
            request += 1


DISTINCT, ENTROPY, SHIFT, TOP = 0, 1, 2, 3
"""What is asked of the values of a column."""


@kernel
def rank_key(score: float) -> float:
    """A score without its last 20 bits, as `times.rank_key` has it."""
    mantissa, exponent = math.frexp(score)
    return math.ldexp(np.rint(mantissa * 2.0**33), exponent - 33)


@kernel
def entropy_of(counts: Any, total: float) -> float:
    """Shannon entropy of counts, in nats."""
    found = 0.0
    for count in counts:
        if count > 0.0:
            found += count / total * math.log(total / count)
    return found


@kernel
def shift_of(counts: Any, total: float, others: Any, total_of_others: float) -> float:
    """Half the sum of the differences of shares."""
    found = 0.0
    for place in range(len(counts)):
        found += abs(counts[place] / total - others[place] / total_of_others)
    return found / 2.0


@kernel
def greatest_of(scores: Any, size: int, keys: Any, out: Any, start: int) -> None:
    """The slots of the greatest scores, the first slot first among equal ones; -1 where there are no more."""
    found = 0
    for slot in range(len(scores)):
        if scores[slot] > 0.0:
            key = rank_key(scores[slot])
            if found < size or key > keys[found - 1]:
                place = found if found < size else size - 1
                while place > 0 and keys[place - 1] < key:
                    keys[place] = keys[place - 1]
                    out[start + place] = out[start + place - 1]
                    place -= 1
                keys[place] = key
                out[start + place] = slot
                found = min(found + 1, size)
    for place in range(found, size):
        out[start + place] = -1


@kernel
def values_of_columns(
    requests: Any, history: Any, tail: Any, slots: Any, accumulators: Any, weights: Any, asked: Any, out: Any, out_top: Any
) -> None:
    """What is asked of the values of a column, for each request.

    Each value that a key has is a slot of that key; slots of a key are numbered in the order of the values.

    Args:
        requests: as for `additive_sums`.
        history: key, event day, known day and slot, int64, and counts, float64 of shape (rows,).
        tail: key, event day, known day, known time and slot, int64, and counts, float64 of shape (rows,).
        slots: int64, shape (keys,): how many slots each key has.
        accumulators: window in days and row of `weights` (-1 for none), int64, two arrays.
        weights: as for `additive_sums`.
        asked: what, and of which accumulator, compared with which, and for TOP the size and the first column in `out_top`, int64 arrays.
        out: float64, shape (requests, asked), filled here; NaN where nothing counts.
        out_top: int64, shape (requests, sum of sizes), filled here with slots, -1 for none.
    """
    request_key, request_day, request_time = requests
    history_key, history_day, history_known, history_slot, history_count = history
    tail_key, tail_day, tail_known, tail_time, tail_slot, tail_count = tail
    windows, decays = accumulators
    what, first_of, second_of, sizes, starts = asked
    longest, most, greatest = 0, 0, 1
    for window in windows:
        longest = max(longest, window)
    for key in request_key:
        most = max(most, slots[key])
    for size in sizes:
        greatest = max(greatest, size)
    counts = np.zeros((len(windows), most))
    totals = np.zeros(len(windows))
    distinct = np.zeros(len(windows), np.int64)
    keys = np.zeros(greatest)
    first, later, request = 0, 0, 0
    while request < len(request_key):
        key, day = request_key[request], request_day[request]
        own = slots[key]
        counts[:, :own] = 0.0
        totals[:] = 0.0
        distinct[:] = 0
        while first < len(history_key) and (history_key[first] < key or (history_key[first] == key and history_day[first] < day - longest)):
            first += 1
        row = first
        while row < len(history_key) and history_key[row] == key and history_day[row] < day:
            if history_known[row] < day:
                age = day - history_day[row]
                for place in range(len(windows)):
                    if age <= windows[place] and history_count[row] > 0.0:
                        if counts[place, history_slot[row]] == 0.0:
                            distinct[place] += 1
                        weight = 1.0 if decays[place] < 0 else weights[decays[place], age]
                        counts[place, history_slot[row]] += history_count[row] * weight
                        totals[place] += history_count[row] * weight
            row += 1
        while later < len(tail_key) and (tail_key[later] < key or (tail_key[later] == key and tail_known[later] < day)):
            later += 1
        changed = True
        while request < len(request_key) and request_key[request] == key and request_day[request] == day:
            while (
                later < len(tail_key) and tail_key[later] == key and tail_known[later] == day and tail_time[later] < request_time[request]
            ):
                age = day - tail_day[later]
                for place in range(len(windows)):
                    if age <= windows[place] and tail_count[later] > 0.0:
                        if counts[place, tail_slot[later]] == 0.0:
                            distinct[place] += 1
                        weight = 1.0 if decays[place] < 0 else weights[decays[place], age]
                        counts[place, tail_slot[later]] += tail_count[later] * weight
                        totals[place] += tail_count[later] * weight
                        changed = True
                later += 1
            if not changed:
                out[request] = out[request - 1]
                out_top[request] = out_top[request - 1]
            else:
                for number in range(len(what)):
                    one, other = first_of[number], second_of[number]
                    out[request, number] = np.nan
                    if what[number] == TOP:
                        greatest_of(counts[one, :own], sizes[number], keys, out_top[request], starts[number])
                    elif totals[one] > 0.0:
                        if what[number] == DISTINCT:
                            out[request, number] = distinct[one]
                        elif what[number] == ENTROPY:
                            out[request, number] = entropy_of(counts[one, :own], totals[one])
                        elif totals[other] > 0.0:
                            out[request, number] = shift_of(counts[one, :own], totals[one], counts[other, :own], totals[other])
            changed = False
            request += 1


@kernel
def session_sums(requests: Any, rows: Any, values: Any, gap: int, longest: int, out: Any, out_newest: Any) -> None:
    """Sums and newest rows of the session that leads to each request.

    Args:
        requests: key and time, int64.
        rows: key, event time and known time, int64, sorted by (key, event time, event id).
        values: float64, shape (rows, columns).
        gap: the longest pause within a session, in microseconds.
        longest: how far back a session reaches, in microseconds.
        out: float64, shape (requests, columns), filled here.
        out_newest: int64, shape (requests, columns), filled here: the newest row whose value is not zero; -1 for none.
    """
    request_key, request_time = requests
    row_key, row_time, row_known = rows
    high, low = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    before = 0
    for request in range(len(request_key)):
        key, time = request_key[request], request_time[request]
        high[:] = 0.0
        low[:] = 0.0
        out_newest[request] = -1
        while before < len(row_key) and (row_key[before] < key or (row_key[before] == key and row_time[before] < time)):
            before += 1
        later, row = time, before - 1
        while row >= 0 and row_key[row] == key:
            if row_known[row] < time:
                if later - row_time[row] > gap or time - row_time[row] > longest:
                    break
                later = row_time[row]
                for column in range(values.shape[1]):
                    if values[row, column] != 0.0:
                        add_exactly(high, low, column, values[row, column], 0.0)
                        if out_newest[request, column] < 0:
                            out_newest[request, column] = row
            row -= 1
        for column in range(values.shape[1]):
            out[request, column] = high[column] + low[column]


@kernel
def session_distinct(requests: Any, rows: Any, codes: Any, gap: int, longest: int, marks: Any, out: Any) -> None:
    """How many different codes (negative: none) the session has that leads to each request; `marks` are int64, -1, one for each code."""
    request_key, request_time = requests
    row_key, row_time, row_known = rows
    before = 0
    for request in range(len(request_key)):
        key, time = request_key[request], request_time[request]
        found = 0
        while before < len(row_key) and (row_key[before] < key or (row_key[before] == key and row_time[before] < time)):
            before += 1
        later, row = time, before - 1
        while row >= 0 and row_key[row] == key:
            if row_known[row] < time:
                if later - row_time[row] > gap or time - row_time[row] > longest:
                    break
                later = row_time[row]
                if codes[row] >= 0 and marks[codes[row]] != request:
                    marks[codes[row]] = request
                    found += 1
            row -= 1
        out[request] = found
