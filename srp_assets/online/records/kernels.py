"""The loops over records, compiled: `layout.py` says what their words are.

Records come as one array of words, seen as int64 and as float64, and the bounds of each in it. Days are whole days since 1970, times
microseconds. What cannot be an entry ends a walk: the kernels return -1 then, and whoever asked takes the records for unreadable.
"""

import math
from typing import Any

import numpy as np

from srp_assets.features.aggregation.kernels import add_exactly, kernel

COUNT, SUM, NEWEST = 0, 1, 2
"""The forms of entries."""


@kernel
def entry_starts(words: Any, starts: Any) -> int:
    """Where the entries of a record begin; how many there are.

    Args:
        words: int64, of one record.
        starts: int64, filled here; as long as `words` is always enough.
    """
    place, found = 0, 0
    while place < len(words):
        length = words[place] >> 16 & 0xFFFF
        if length < 2 or place + length > len(words):
            return -1
        starts[found] = place
        found += 1
        place += length
    return found


@kernel
def is_later_id(words: Any, place: int, other: int) -> bool:
    """Whether the id at a place (its bytes, then its words) comes after another one, in the order of UTF-8 and of code points alike."""
    size, size_of_other = words[place], words[other]
    for byte in range(min(size, size_of_other)):
        shift = byte % 8 * 8
        own = words[place + 1 + byte // 8] >> shift & 0xFF
        its = words[other + 1 + byte // 8] >> shift & 0xFF
        if own != its:
            return bool(own > its)
    return bool(size > size_of_other)


@kernel
def is_newer(words: Any, time: int, other: int) -> bool:
    """Whether one of two newest values is newer, by the places of their times; their ids follow after the value."""
    if words[time] != words[other]:
        return bool(words[time] > words[other])
    return bool(is_later_id(words, time + 2, other + 2))


@kernel
def find_slot(middles: Any, lasts: Any, first: int, end: int, middle: int, last: int) -> int:
    """The slot of two keys among slots sorted by them; -1 for none."""
    while first < end:
        half = (first + end) // 2
        if middles[half] < middle or (middles[half] == middle and lasts[half] < last):
            first = half + 1
        elif middles[half] == middle and lasts[half] == last:
            return half
        else:
            end = half
    return -1


@kernel
def walk_records(records: Any, today: int, codes: Any, slots: Any, accumulators: Any, weights: Any, out: Any, collected: Any) -> int:
    """Adds up the entries of records for slots, finds their newest values, and collects the counts of values.

    Args:
        records: words as int64 and as float64, and bounds, int64 of shape (records + 1,).
        today: days since 1970.
        codes: by code: table, words of keys, form, the range of its accumulators, and the place of its newest values in the output (-1 for
            none): int64, six arrays of shape (codes,).
        slots: for each table and record the first slot, int64 of shape (tables, records + 1), and of all slots the two keys, int64; sorted
            by table, record and keys. And the same for slots of which values are collected, with one key.
        accumulators: column, window in days and row of `weights` (-1 for none), int64, three arrays.
        weights: float64, shape (half-lives, longest window + 1).
        out: two parts of sums, float64 of shape (slots, columns), and the places of newest values, int64 of shape (slots, newest), filled
            with -1 before.
        collected: slot, code, value and day, int64, and count, float64, each as long as there may be entries.

    Returns:
        How many counts were collected; -1 if a record is unreadable.
    """
    words, floats, bounds = records
    table_of, key_words, forms, first_accumulator, end_accumulator, newest_place = codes
    first_slot, middles, lasts, first_value_slot, value_middles = slots
    columns, windows, decays = accumulators
    high, low, newest = out
    of_slot, of_code, of_value, of_day, of_count = collected
    found = 0
    for record in range(len(bounds) - 1):
        place, end = bounds[record], bounds[record + 1]
        while place < end:
            header = words[place]
            code, length, day = header & 0xFFFF, header >> 16 & 0xFFFF, header >> 32
            if length < 2 or place + length > end or code >= len(forms):
                return -1
            if code > 0:
                keys, table = key_words[code], table_of[code]
                shortest = keys + (2 if forms[code] == COUNT else 3 if forms[code] == SUM else 4)
                if length < shortest or (forms[code] == NEWEST and words[place + shortest - 1] > (length - shortest) * 8):
                    return -1
                middle = words[place + 1] if keys == 2 else 0
                last = words[place + keys] if keys > 0 else 0
                slot = find_slot(middles, lasts, first_slot[table, record], first_slot[table, record + 1], middle, last)
                body = place + 1 + keys
                if slot >= 0 and forms[code] == NEWEST:
                    column = newest_place[code]
                    if newest[slot, column] < 0 or is_newer(words, body, newest[slot, column]):
                        newest[slot, column] = body
                elif slot >= 0:
                    age = today - day
                    rest = floats[body + 1] if forms[code] == SUM else 0.0
                    for number in range(first_accumulator[code], end_accumulator[code]):
                        if 0 <= age <= windows[number]:
                            weight = 1.0 if decays[number] < 0 else weights[decays[number], age]
                            add_exactly(high[slot], low[slot], columns[number], floats[body] * weight, rest * weight)
                if forms[code] == COUNT:
                    first, until = first_value_slot[table, record], first_value_slot[table, record + 1]
                    if first < until:
                        value_slot = find_slot(value_middles, value_middles, first, until, middle, middle)
                        if value_slot >= 0 and day <= today:
                            of_slot[found], of_code[found], of_value[found], of_day[found] = value_slot, code, last, day
                            of_count[found] = floats[body]
                            found += 1
            place += length
    return found


@kernel
def value_totals(values: Any, days: Any, counts: Any, today: int, window: int, weights: Any, out: Any) -> int:
    """The totals of values over a window: of each its count, and its count weighted by age; how many values there are.

    Args:
        values: int64, sorted.
        days: int64.
        counts: float64.
        today: days since 1970.
        window: days.
        weights: float64, by age; empty for none.
        out: the first place of each value, int64, and count and score, float64, three arrays as long as `values`.
    """
    first, total, score = out
    found = 0
    for place in range(len(values)):
        age = today - days[place]
        if place == 0 or values[place] != values[place - 1]:
            first[found], total[found], score[found] = place, 0.0, 0.0
            found += 1
        if age <= window:
            weight = 1.0 if len(weights) == 0 else weights[age]
            total[found - 1] += counts[place]
            score[found - 1] += counts[place] * weight
    return found


@kernel
def entropy_of(totals: Any) -> float:
    """Shannon entropy of counts, in nats; NaN where there are none."""
    total = totals.sum()
    if total == 0.0:
        return math.nan
    found = 0.0
    for count in totals:
        if count > 0.0:
            found += count / total * math.log(total / count)
    return found


@kernel
def shift_of(totals: Any, others: Any) -> float:
    """Half the sum of the differences of shares; NaN where one side has no counts."""
    total, total_of_others = totals.sum(), others.sum()
    if total == 0.0 or total_of_others == 0.0:
        return math.nan
    found = 0.0
    for place in range(len(totals)):
        found += abs(totals[place] / total - others[place] / total_of_others)
    return found / 2.0


@kernel
def session_places(words: Any, bounds: Any, record: int, earliest: int, before: int, out: Any) -> int:
    """Finds the events of a record's session, those from `earliest` to before `before`; how many, or -1 if the record is unreadable."""
    place, found = bounds[record], 0
    while place < bounds[record + 1]:
        length = words[place] >> 16 & 0xFFFF
        if length < 2 or place + length > bounds[record + 1]:
            return -1
        if words[place] & 0xFFFF == 0 and earliest <= words[place + 1] < before:
            out[found] = place
            found += 1
        place += length
    return found


def words_of(data: bytes) -> tuple[Any, Any]:
    """The words of records, as int64 and as float64."""
    words = np.frombuffer(data, np.int64)
    return words, words.view(np.float64)
