"""Compiled loops between hits and bitmaps: of a thousand tasks over rows that fit many of them, each row and task is touched once."""

from numba import types

from srp_assets.wordlists.kernels import INT64S, OUT_INT64S, Array, kernel

UINT8_ROWS = types.Array(types.uint8, 2, "C", readonly=True)
OUT_UINT8_ROWS = types.Array(types.uint8, 2, "C")
OUT_UINT64_ROWS = types.Array(types.uint64, 2, "C")


@kernel(types.void(INT64S, INT64S, INT64S, OUT_UINT8_ROWS))
def mark_rows(rows: Array, probes: Array, slots: Array, out_bits: Array) -> None:
    """Sets the bit of the row of each hit in the bits of its probe.

    Args:
        rows: the row of each hit, shape (hits,).
        probes: its probe, shape (hits,).
        slots: the place of each probe in `out_bits`.
        out_bits: one bit a row, least significant first, shape (slots, ceil(rows / 8)).
    """
    for hit in range(len(rows)):
        out_bits[slots[probes[hit]], rows[hit] >> 3] |= 1 << (rows[hit] & 7)


@kernel(types.void(UINT8_ROWS, INT64S, INT64S, OUT_UINT64_ROWS))
def fill_bitmaps(held: Array, tasks: Array, places: Array, out_words: Array) -> None:
    """Turns bits by task into bitmaps by row.

    Args:
        held: the rows that fit each task, one bit a row, least significant first, shape (tasks, ceil(rows / 8)).
        tasks: the bit of each task in the bitmaps, shape (tasks,).
        places: the place of each row among those with a bitmap, shape (rows,).
        out_words: the bitmaps, shape (rows with a bitmap, words).
    """
    for task in range(len(tasks)):
        word, mask = tasks[task] >> 6, types.uint64(1) << types.uint64(tasks[task] & 63)
        for byte in range(held.shape[1]):
            left = held[task, byte]
            row = byte << 3
            while left:
                if left & 1:
                    out_words[places[row], word] |= mask
                left >>= 1
                row += 1


@kernel(types.int64(INT64S, INT64S, INT64S, INT64S, OUT_INT64S, OUT_INT64S, types.int64))
def pack_hits(rows: Array, probes: Array, words: Array, places: Array, out_places: Array, out_hits: Array, shift: int) -> int:
    """Writes the hits of chosen rows, each as one integer; answers how many.

    Args:
        rows: the row of each hit, shape (hits,).
        probes: its probe, shape (hits,).
        words: the place of its word, shape (hits,).
        places: the place of each row among the chosen ones, below zero for others, shape (rows,).
        out_places: the place of each written hit's row.
        out_hits: the probe, shifted, plus the word.
        shift: by how many bits.
    """
    count = 0
    for hit in range(len(rows)):
        place = places[rows[hit]]
        if place >= 0:
            out_places[count], out_hits[count] = place, (probes[hit] << shift) | words[hit]
            count += 1
    return count
