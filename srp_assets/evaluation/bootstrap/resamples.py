"""Resamples of units: how often each is drawn, and sums over their rows for all resamples at once.

A unit is drawn as often as a Poisson variable of mean 1 says, each by itself, instead of a fixed number of draws with replacement: the
same for many units, and a unit's draws follow from its key, the seed and the resample alone. So two models judged on the same units share
their resamples, whatever else differs, and nothing has to be kept (F. Chamandy et al., "Estimating uncertainty for massive data streams",
Google technical report 2012; A. B. Owen and D. Eckles, "Bootstrapping data arrays of arbitrary order", Annals of Applied Statistics 6,
2012).

Resamples go in blocks of `LANES`: each row is read once a block, and the numbers of its unit lie together in one line of the cache. AUC
needs the rows in order of score, which is sorted once: every resample is one walk along it. Blocks run on all cores; each holds `LANES`
bytes a unit.
"""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from srp_assets.evaluation.arrays import Codes, Flags, Floats, Keys, Places, kernel

LANES = 64
"""Resamples of a block: one cache line of a byte each. A constant, so that the loops over them are compiled to vectors."""

MOST_DRAW_BYTES = 2**31
"""What the draws of all blocks that run at once may take: with more units, fewer blocks run at once."""

_DRAW_BITS = 16
"""Bits of chance for a draw: four draws come from one hash. Chances are right to 2^-17."""


def _poisson_quantiles() -> Any:
    """The draw for each number of 16 bits, uint8, shape (65536,)."""
    cumulative = np.cumsum([math.exp(-1) / math.factorial(count) for count in range(12)])
    middles = (np.arange(2**_DRAW_BITS) + 0.5) / 2**_DRAW_BITS
    return np.searchsorted(cumulative, middles).astype(np.uint8)


QUANTILES = _poisson_quantiles()


@dataclass(frozen=True)
class SortedRows:
    """Rows in ascending order of score, all arrays of shape (rows,).

    Args:
        unit: number of each row's unit.
        label: whether the row has the label.
        weight: of the row.
        residual: what is summed by bin.
        bin: in ascending order.
        last_of_ties: whether the next row has another score.
    """

    unit: Codes
    label: Flags
    weight: Floats
    residual: Floats
    bin: Codes
    last_of_ties: Flags


@dataclass(frozen=True)
class Resampled:
    """Sums for each resample.

    Args:
        sums: of the parts of units, shape (resamples, parts).
        wins: weight of the pairs of rows that are in order, shape (resamples,); empty without sorted rows.
        residuals: sums by bin, shape (resamples, bins); empty without sorted rows.
    """

    sums: Floats
    wins: Floats
    residuals: Floats


def resampled(keys: Keys, parts: Floats, resamples: int, seed: int, rows: SortedRows | None = None, bins: int = 0) -> Resampled:
    """Draws units and adds up what belongs to them.

    Args:
        keys: what identifies each unit, shape (units,).
        parts: what is summed, shape (units, parts).
        resamples: how many.
        seed: another one gives other draws.
        rows: rows for sums of pairs and by bin.
        bins: how many bins they have.
    """
    blocks = -(-resamples // LANES)
    sums = np.zeros((blocks, parts.shape[1], LANES))
    wins = np.zeros((blocks if rows else 0, LANES))
    residuals = np.zeros((blocks if rows else 0, bins, LANES))
    contiguous = np.ascontiguousarray(parts)

    def run(block: int) -> None:
        draws = np.empty((len(keys), LANES), np.uint8)
        _draw(keys, np.uint64(seed), np.uint64(block), QUANTILES, draws)
        _add_units(draws, contiguous, sums[block])
        if rows is not None:
            of_rows = (rows.unit, rows.label, rows.weight, rows.residual, rows.bin, rows.last_of_ties)
            _add_rows(draws, *of_rows, np.zeros((3, LANES)), wins[block], residuals[block])

    # The kernels let go of Python's lock.
    threads_at_once = max(1, min(os.cpu_count() or 1, MOST_DRAW_BYTES // (LANES * max(len(keys), 1))))
    with ThreadPoolExecutor(threads_at_once) as threads:
        list(threads.map(run, range(blocks)))
    return Resampled(
        sums=sums.transpose(0, 2, 1).reshape(blocks * LANES, -1)[:resamples],
        wins=wins.reshape(-1)[:resamples],
        residuals=residuals.transpose(0, 2, 1).reshape(-1, bins)[:resamples] if bins and rows else np.zeros((0, bins)),
    )


def multiplicities(keys: Keys, seed: int, resamples: int) -> Places:
    """How often each unit is drawn, shape (resamples, units): what `resampled` uses without ever holding it whole."""
    blocks = -(-resamples // LANES)
    draws = np.empty((blocks, len(keys), LANES), np.uint8)
    for block in range(blocks):
        _draw(keys, np.uint64(seed), np.uint64(block), QUANTILES, draws[block])
    return draws.transpose(0, 2, 1).reshape(blocks * LANES, -1)[:resamples].astype(np.int64)


@kernel
def _draw(keys: Any, seed: Any, block: Any, quantiles: Any, draws: Any) -> None:
    """Draws each unit for the resamples of a block.

    The hash is the finalizer of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
    """
    golden = np.uint64(0x9E3779B97F4A7C15)
    first, second = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
    low = np.uint64(0xFFFF)
    hashes = draws.shape[1] // 4
    for unit in range(len(keys)):
        state = keys[unit] + (seed + np.uint64(1)) * golden
        state = (state ^ (state >> np.uint64(30))) * first
        state = (state ^ (state >> np.uint64(27))) * second
        state = state ^ (state >> np.uint64(31))
        for number in range(hashes):
            bits = state + (block * np.uint64(hashes) + np.uint64(number + 1)) * golden
            bits = (bits ^ (bits >> np.uint64(30))) * first
            bits = (bits ^ (bits >> np.uint64(27))) * second
            bits = bits ^ (bits >> np.uint64(31))
            for part in range(4):
                draws[unit, 4 * number + part] = quantiles[(bits >> np.uint64(16 * part)) & low]


@kernel
def _add_units(draws: Any, parts: Any, sums: Any) -> None:
    for unit in range(draws.shape[0]):
        for part in range(parts.shape[1]):
            value = parts[unit, part]
            if value != 0.0:
                for lane in range(LANES):
                    sums[part, lane] += value * draws[unit, lane]


@kernel
def _add_rows(
    draws: Any,
    units: Any,
    label: Any,
    weight: Any,
    residual: Any,
    bins: Any,
    last_of_ties: Any,
    so_far: Any,
    wins: Any,
    residuals: Any,
) -> None:
    """Walks along the rows from the lowest score to the highest: of each row with the label, what lies below it counts, of ties half.

    It makes no array and no view of one: counting references to them would take longer than the sums.

    Args:
        draws: of units, shape (units, LANES).
        units: as in `SortedRows`, like the next five.
        label: likewise.
        weight: likewise.
        residual: likewise.
        bins: likewise.
        last_of_ties: likewise.
        so_far: weight without the label below, with it in the present tie, and without it there; zeros of shape (3, LANES).
        wins: shape (LANES,), filled here.
        residuals: shape (bins, LANES), filled here.
    """
    begins = True
    for row in range(len(units)):
        unit, own = units[row], weight[row]
        if residuals.shape[0] > 0:
            value, into = residual[row], bins[row]
            for lane in range(LANES):
                residuals[into, lane] += value * draws[unit, lane]
        if begins and last_of_ties[row]:
            if label[row]:
                for lane in range(LANES):
                    wins[lane] += own * draws[unit, lane] * so_far[0, lane]
            else:
                for lane in range(LANES):
                    so_far[0, lane] += own * draws[unit, lane]
            continue
        side = 1 if label[row] else 2
        for lane in range(LANES):
            so_far[side, lane] += own * draws[unit, lane]
        begins = last_of_ties[row]
        if begins:
            for lane in range(LANES):
                wins[lane] += so_far[1, lane] * (so_far[0, lane] + 0.5 * so_far[2, lane])
                so_far[0, lane] += so_far[2, lane]
                so_far[1, lane] = 0.0
                so_far[2, lane] = 0.0
