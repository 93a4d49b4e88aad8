"""Compiled loops over fields: looking up embeddings with their linear weights, and the pairs of a factorization machine.

Between the products of matrices these are what a step of a small model is made of. As separate operations of torch they were a third of it.
"""

from typing import Any

import numpy as np

from srp_assets.features.aggregation.kernels import kernel


@kernel
def gather(table: Any, ids: Any, vectors: Any, linear: Any) -> bool:
    """Copies the rows of a table; false if an id is none of its rows.

    Args:
        table: (rows, D + 1), the linear weight last.
        ids: int64, (B, F).
        vectors: to be filled, (B, F, D).
        linear: zeros, (B, 1): the sum of the linear weights of each row.
    """
    width = vectors.shape[2]
    for row in range(ids.shape[0]):
        for place in range(ids.shape[1]):
            found = ids[row, place]
            if found < 0 or found >= table.shape[0]:
                return False
            for column in range(width):
                vectors[row, place, column] = table[found, column]
            linear[row, 0] += table[found, width]
    return True


@kernel
def spread(of_vectors: Any, of_linear: Any, of_rows: Any) -> None:
    """The gradient of each looked-up row, (B * F, D + 1), from those of its vector, (B, F, D), and of the sum, (B, 1)."""
    fields, width = of_vectors.shape[1], of_vectors.shape[2]
    for row in range(of_vectors.shape[0]):
        for place in range(fields):
            to = row * fields + place
            for column in range(width):
                of_rows[to, column] = of_vectors[row, place, column]
            of_rows[to, width] = of_linear[row, 0]


@kernel
def pair_sums(fields: Any, totals: Any, out: Any) -> None:
    """Half of the squared sum of vectors without the squares of fields.

    Args:
        fields: (B, F, D).
        totals: (B, D): the sum of all other vectors, to which those of the fields are added.
        out: to be filled, (B, 1).
    """
    width = fields.shape[2]
    squares = np.empty(width, dtype=fields.dtype)
    for row in range(fields.shape[0]):
        squares[:] = 0
        for place in range(fields.shape[1]):
            for column in range(width):
                value = fields[row, place, column]
                totals[row, column] += value
                squares[column] += value * value
        found = 0.0
        for column in range(width):
            found += totals[row, column] * totals[row, column] - squares[column]
        out[row, 0] = 0.5 * found


@kernel
def pair_gradients(gradient: Any, fields: Any, totals: Any, of_fields: Any) -> None:
    """The gradients of fields, g (total - v), from that of each row, (B, 1)."""
    for row in range(fields.shape[0]):
        of_row = gradient[row, 0]
        for place in range(fields.shape[1]):
            for column in range(fields.shape[2]):
                of_fields[row, place, column] = of_row * (totals[row, column] - fields[row, place, column])
