"""The loops that write records, compiled: from rows of a batch to cells, from cells to entries, and records anew.

A *cell* is what one entry holds: a code, its further keys and a day within one record; of newest values without the day. A *bucket* is a
record that the batch adds to. `layout.py` says what the words of entries are.
"""

from typing import Any

import numpy as np

from srp_assets.features.aggregation.kernels import add_exactly, kernel
from srp_assets.online.records.kernels import COUNT, NEWEST, SUM, is_newer

FIRST, LAST, MIDDLE, APART, BEGIN, END = range(6)
"""What is known of a table: the column of its first key, those of the digests of its last and middle keys (-1 for none), whether its
records lie apart, and the range of its codes."""

NUMBER, FORM, FILTER, VALUES = range(4)
"""What is known of a code: its number, its form, the row of flags that says which events count, and the row of what is summed or kept."""

BUCKET, CODE, DAY, MIDDLE_WORD, LAST_WORD = range(5)
"""What a cell is of."""

OF_TABLE, OF_FIRST, ROW = 0, 1, 2
"""What a bucket is: of a table that lies apart or (-1 - column of the first key) of a first key; its value by number; a row of it; then the
two words of further keys of what lies apart."""


@kernel
def _hash_of(first: int, second: int, third: int, fourth: int) -> int:
    """A number that differs in all its bits where one of the four differs."""
    found = first * -7046029254386353131 + second
    found = (found ^ found >> 29) * -4417276706812531889 + third
    found = (found ^ found >> 32) * 1609587929392839161 + fourth
    found = (found ^ found >> 29) * -7046029254386353131
    return found ^ found >> 32


@kernel
def _bucket_of(table: int, first: int, middle: int, last: int, row: int, places: Any, buckets: Any, count: int) -> int:
    """The bucket of a row of a table; `count` if it is a new one."""
    mask = len(places) - 1
    place = _hash_of(table, first, middle, last) & mask
    while places[place] >= 0:
        own = buckets[places[place]]
        if own[OF_TABLE] == table and own[OF_FIRST] == first and own[ROW + 1] == middle and own[ROW + 2] == last:
            return int(places[place])
        place = place + 1 & mask
    places[place] = count
    buckets[count, OF_TABLE], buckets[count, OF_FIRST], buckets[count, ROW] = table, first, row
    buckets[count, ROW + 1], buckets[count, ROW + 2] = middle, last
    return count


@kernel
def _cell_of(bucket: int, code: int, day: int, middle: int, last: int, places: Any, cells: Any, count: int) -> int:
    """The cell of what a row adds; `count` if it is a new one."""
    mask = len(places) - 1
    place = _hash_of(bucket << 16 | code, day, middle, last) & mask
    while places[place] >= 0:
        own = cells[places[place]]
        same = own[BUCKET] == bucket and own[CODE] == code and own[DAY] == day
        if same and own[MIDDLE_WORD] == middle and own[LAST_WORD] == last:
            return int(places[place])
        place = place + 1 & mask
    places[place] = count
    cells[count, BUCKET], cells[count, CODE], cells[count, DAY] = bucket, code, day
    cells[count, MIDDLE_WORD], cells[count, LAST_WORD] = middle, last
    return count


@kernel
def count_rows(rows: Any, tables: Any, codes: Any, counted: Any, sums: Any, room: Any) -> tuple[int, int]:
    """Finds the cells of all rows and what they add up to.

    Args:
        rows: by column of a first key and row its value by number (-1 for null), digests of further keys (0 for null), days, places in the
            order of contract 2, and what is summed: int64, int64, int64, int64 and float64; rows last.
        tables: int64, shape (tables, 6).
        codes: int64, shape (codes, 4).
        counted: by filter and row whether it counts, bool.
        sums: both parts of the sum of each cell, float64, 0 before; and the row of its newest value, int64.
        room: hash tables of cells and of buckets, int64, -1 before, as long as a power of two; cells, int64 of shape (cells, 5); and
            buckets, int64 of shape (buckets, 5); as many as there may be.

    Returns:
        How many cells and how many buckets there are.
    """
    firsts, keys, days, order, values = rows
    high, low, newest = sums
    cell_places, bucket_places, cells, buckets = room
    found, found_buckets = 0, 0
    for table in range(len(tables)):
        own = tables[table]
        for row in range(len(days)):
            first = firsts[own[FIRST], row]
            middle = keys[own[MIDDLE], row] if own[MIDDLE] >= 0 else 0
            last = keys[own[LAST], row] if own[LAST] >= 0 else 0
            if first < 0 or (own[MIDDLE] >= 0 and middle == 0) or (own[LAST] >= 0 and last == 0):
                continue
            bucket = -1
            for code in range(own[BEGIN], own[END]):
                if not counted[codes[code, FILTER], row]:
                    continue
                if bucket < 0:
                    if own[APART]:
                        bucket = _bucket_of(table, first, middle, last, row, bucket_places, buckets, found_buckets)
                    else:
                        bucket = _bucket_of(-1 - own[FIRST], first, 0, 0, row, bucket_places, buckets, found_buckets)
                    found_buckets = max(found_buckets, bucket + 1)
                form = codes[code, FORM]
                cell = _cell_of(bucket, code, 0 if form == NEWEST else days[row], middle, last, cell_places, cells, found)
                is_new = cell == found
                found = max(found, cell + 1)
                if form == COUNT:
                    high[cell] += 1.0
                elif form == SUM:
                    add_exactly(high, low, cell, values[codes[code, VALUES], row], 0.0)
                elif is_new or order[row] > order[newest[cell]]:
                    newest[cell] = row
    return found, found_buckets


@kernel
def pack_cells(cells: Any, sums: Any, tables_codes: Any, buckets: int, rows: Any, ids: Any) -> tuple[Any, Any]:
    """Writes cells as entries, those of one bucket after each other.

    Args:
        cells: int64, shape (cells, 5).
        sums: as `count_rows` filled them.
        tables_codes: `codes` of `count_rows`, and by code the words of its further keys, int64.
        buckets: how many there are.
        rows: days, times, and by column the words of newest values, int64.
        ids: the words of all ids, where those of each row begin, and their bytes, int64.

    Returns:
        Words, and where those of each bucket begin, one more than there are buckets.
    """
    high, low, newest = sums
    codes, key_words = tables_codes
    days, times, values = rows
    words_of_ids, id_bounds, id_sizes = ids
    bounds = np.zeros(buckets + 1, np.int64)
    for cell in range(len(cells)):
        bounds[cells[cell, BUCKET] + 1] += _length_of(cells[cell, CODE], newest[cell], codes, key_words, id_bounds)
    for bucket in range(buckets):
        bounds[bucket + 1] += bounds[bucket]
    words = np.empty(bounds[buckets], np.int64)
    floats = words.view(np.float64)
    ends = bounds[:buckets].copy()
    for cell in range(len(cells)):
        code, row, place = cells[cell, CODE], newest[cell], ends[cells[cell, BUCKET]]
        length = _length_of(code, row, codes, key_words, id_bounds)
        ends[cells[cell, BUCKET]] += length
        is_newest = codes[code, FORM] == NEWEST
        words[place] = codes[code, NUMBER] | length << 16 | (days[row] if is_newest else cells[cell, DAY]) << 32
        if key_words[code] == 2:
            words[place + 1] = cells[cell, MIDDLE_WORD]
        if key_words[code] > 0:
            words[place + key_words[code]] = cells[cell, LAST_WORD]
        body = place + 1 + key_words[code]
        if is_newest:
            words[body], words[body + 1], words[body + 2] = times[row], values[codes[code, VALUES], row], id_sizes[row]
            for word in range(id_bounds[row + 1] - id_bounds[row]):
                words[body + 3 + word] = words_of_ids[id_bounds[row] + word]
        else:
            floats[body] = high[cell]
            if codes[code, FORM] == SUM:
                floats[body + 1] = low[cell]
    return words, bounds


@kernel
def _length_of(code: int, row: int, codes: Any, key_words: Any, id_bounds: Any) -> int:
    """How many words an entry has."""
    shortest = 1 + key_words[code]
    if codes[code, FORM] == COUNT:
        return int(shortest + 1)
    if codes[code, FORM] == SUM:
        return int(shortest + 2)
    return int(shortest + 3 + id_bounds[row + 1] - id_bounds[row])


@kernel
def pack_rows(of_record: Any, records: int, fixed: Any, ids: Any) -> tuple[Any, Any]:
    """Writes an entry for each row that has a record, those of one record after each other and in the order of the rows.

    Args:
        of_record: of each row, -1 for none, int64.
        records: how many there are.
        fixed: the words of each row before those of its id, int64 of shape (rows, words); the number of all words of an entry is added here
            to the first, and the bytes of the id are the last.
        ids: the words of all ids, and where those of each row begin, int64.

    Returns:
        Words, and where those of each record begin.
    """
    words_of_ids, id_bounds = ids
    width = fixed.shape[1]
    bounds = np.zeros(records + 1, np.int64)
    for row in range(len(of_record)):
        if of_record[row] >= 0:
            bounds[of_record[row] + 1] += width + id_bounds[row + 1] - id_bounds[row]
    for record in range(records):
        bounds[record + 1] += bounds[record]
    words = np.empty(bounds[records], np.int64)
    ends = bounds[:records].copy()
    for row in range(len(of_record)):
        if of_record[row] < 0:
            continue
        place, size = ends[of_record[row]], id_bounds[row + 1] - id_bounds[row]
        words[place : place + width] = fixed[row]
        words[place] |= width + size << 16
        words[place + width : place + width + size] = words_of_ids[id_bounds[row] : id_bounds[row] + size]
        ends[of_record[row]] += width + size
    return words, bounds


@kernel
def compact(record: Any, codes: Any, first_days: Any, earliest: int, room: Any, out: Any) -> int:
    """Writes a record anew: sums of one cell added up, of newest values the newest, events of sessions, nothing that is too old.

    Args:
        record: its words as int64 and as float64.
        codes: words of further keys and form, by code, int64.
        first_days: the first day that matters, by code, int64.
        earliest: the first time that matters to sessions.
        room: a hash table, int64, -1 before, as long as a power of two and at least as the record; and where the entries begin that stay
            as they are, int64, as long as there may be entries.
        out: the words of the result as int64 and as float64, as long as the record.

    Returns:
        How many words the result has; -1 if the record is unreadable.
    """
    words, floats = record
    key_words, forms = codes
    places, kept = room
    out_words, out_floats = out
    mask, place, written, found = len(places) - 1, 0, 0, 0
    while place < len(words):
        header = words[place]
        code, length = header & 0xFFFF, header >> 16 & 0xFFFF
        if length < 2 or place + length > len(words) or code >= len(forms):
            return -1
        if code == 0:
            if words[place + 1] >= earliest:
                kept[found] = place
                found += 1
        else:
            keys, form = key_words[code], forms[code]
            if length < keys + (2 if form == COUNT else 3 if form == SUM else 4):
                return -1
            if header >> 32 >= first_days[code]:
                middle, last = (words[place + 1] if keys == 2 else 0), (words[place + keys] if keys > 0 else 0)
                # Newest values are of one cell whatever their days and lengths are.
                cell = code if form == NEWEST else header
                slot = _hash_of(cell, middle, last, form) & mask
                while places[slot] != -1 and not _is_of_cell(words, out_words, kept, places[slot], cell, keys, middle, last):
                    slot = slot + 1 & mask
                if form == NEWEST:
                    if places[slot] == -1:
                        places[slot] = -2 - found
                        kept[found] = place
                        found += 1
                    elif is_newer(words, place + 1 + keys, kept[-2 - places[slot]] + 1 + keys):
                        kept[-2 - places[slot]] = place
                elif places[slot] == -1:
                    places[slot] = written
                    out_words[written : written + length] = words[place : place + length]
                    written += length
                elif form == COUNT:
                    out_floats[places[slot] + 1 + keys] += floats[place + 1 + keys]
                else:
                    add_exactly(out_floats, out_floats[1:], places[slot] + 1 + keys, floats[place + 1 + keys], floats[place + 2 + keys])
        place += length
    for number in range(found):
        length = words[kept[number]] >> 16 & 0xFFFF
        out_words[written : written + length] = words[kept[number] : kept[number] + length]
        written += length
    return written


@kernel
def _is_of_cell(words: Any, out_words: Any, kept: Any, found: int, cell: int, keys: int, middle: int, last: int) -> bool:
    """Whether an entry, in the result or (-2 and less) one that stays as it is, is of a cell."""
    if found >= 0:
        same = out_words[found] == cell
        return bool(same and (keys == 0 or out_words[found + keys] == last) and (keys < 2 or out_words[found + 1] == middle))
    place = kept[-2 - found]
    same = words[place] & 0xFFFF == cell
    return bool(same and (keys == 0 or words[place + keys] == last) and (keys < 2 or words[place + 1] == middle))
