"""One step of an optimizer for the rows of a table that a batch looked up, compiled: two passes over those rows, none over the table.

The first adds up the gradients of each row (`slots` tells where a row's sum stands; it is -1 everywhere before and after), the second
updates those rows. Arrays: ids int64 (n,), gradients (n, D), sums (at least n, D), touched int64 (at least n,), slots int32 (rows,),
table and its state (rows, D).
"""

from typing import Any

import numpy as np

from srp_assets.features.aggregation.kernels import kernel


@kernel
def sum_by_row(ids: Any, gradients: Any, slots: Any, sums: Any, touched: Any) -> int:
    """Adds up the gradients of each row; how many rows there are."""
    count = 0
    for place in range(ids.shape[0]):
        row = ids[place]
        slot = slots[row]
        if slot < 0:
            slots[row] = count
            touched[count] = row
            for column in range(gradients.shape[1]):
                sums[count, column] = gradients[place, column]
            count += 1
        else:
            for column in range(gradients.shape[1]):
                sums[slot, column] += gradients[place, column]
    for place in range(count):
        slots[touched[place]] = -1
    return count


@kernel
def adam_rows(
    count: int, touched: Any, sums: Any, table: Any, means: Any, squares: Any, rate: Any, first: Any, second: Any, tiny: Any, decay: Any
) -> None:
    """Adam for the touched rows; `rate` and `tiny` have the corrections of the step in them."""
    one = np.float32(1.0)
    for place in range(count):
        row = touched[place]
        for column in range(table.shape[1]):
            gradient = sums[place, column] + decay * table[row, column]
            mean = first * means[row, column] + (one - first) * gradient
            square = second * squares[row, column] + (one - second) * gradient * gradient
            means[row, column] = mean
            squares[row, column] = square
            table[row, column] -= rate * mean / (np.sqrt(square) + tiny)


@kernel
def adagrad_rows(count: int, touched: Any, sums: Any, table: Any, squares: Any, rate: Any, tiny: Any, decay: Any) -> None:
    """AdaGrad for the touched rows."""
    for place in range(count):
        row = touched[place]
        for column in range(table.shape[1]):
            gradient = sums[place, column] + decay * table[row, column]
            squares[row, column] += gradient * gradient
            table[row, column] -= rate * gradient / (np.sqrt(squares[row, column]) + tiny)


@kernel
def descend_rows(count: int, touched: Any, sums: Any, table: Any, rate: Any, decay: Any) -> None:
    """Plain gradient descent for the touched rows."""
    for place in range(count):
        row = touched[place]
        for column in range(table.shape[1]):
            table[row, column] -= rate * (sums[place, column] + decay * table[row, column])
