"""Negative down-sampling by a hash of the row, and the re-calibration that makes probabilities right again.

Sets keep every impression; whoever trains leaves out rows as it reads, each label its own. Which rows stay is a function of the
impression's id and the seed, so a row is in or out in every process and every epoch alike.
"""

import numpy as np
import pyarrow as pa

MULTIPLIERS = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
"""Of splitmix64 (Steele, Lea and Flood 2014), whose finaliser spreads the hash over all bits."""


def uniform_of_ids(ids: pa.Array | pa.ChunkedArray, seed: int) -> np.ndarray:
    """A number in [0, 1) for each id, the same on every machine, shape (rows,); a missing id counts as an empty one.

    The bytes of ids are folded in words of 8, all rows at once, and mixed after each word.
    """
    array = (ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids).fill_null("").cast(pa.large_binary())
    if len(array) == 0:
        return np.zeros(0)
    _, offsets, content = array.buffers()
    starts = np.frombuffer(offsets, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    lengths = np.diff(starts)
    letters = np.concatenate([np.frombuffer(content, dtype=np.uint8), np.zeros(8, np.uint8)])
    state = np.full(len(array), seed, dtype=np.uint64) * np.uint64(MULTIPLIERS[0]) + lengths.astype(np.uint64)
    for begin in range(0, max(1, int(lengths.max())), 8):
        places = np.minimum(starts[:-1, None] + begin + np.arange(8), len(letters) - 1)
        word = np.where(begin + np.arange(8) < lengths[:, None], letters[places], 0).astype(np.uint8).view("<u8")[:, 0]
        goes_on = (lengths > begin) | (begin == 0)
        state = np.where(goes_on, _mixed(state + word + np.uint64(MULTIPLIERS[0])), state)
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(state: np.ndarray) -> np.ndarray:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(MULTIPLIERS[1])
    state = (state ^ (state >> np.uint64(27))) * np.uint64(MULTIPLIERS[2])
    return state ^ (state >> np.uint64(31))


def kept_rows(ids: pa.Array | pa.ChunkedArray, positive: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which rows stay: all positive ones, and `share` of the others; bool, shape (rows,)."""
    if share >= 1:
        return np.ones(len(positive), dtype=bool)
    return positive | (uniform_of_ids(ids, seed) < share)


def recalibrated(probabilities: np.ndarray, share: float) -> np.ndarray:
    """What a model that saw only `share` of the negative rows would have said had it seen all: p / (p + (1 - p) / share).

    He et al. 2014, "Practical Lessons from Predicting Clicks on Ads at Facebook", section 6.3.
    """
    found = np.asarray(probabilities, dtype=np.float64)
    return found / (found + (1 - found) / share)
