"""The arrays of evaluation, and how its loops are compiled."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Keys = npt.NDArray[np.uint64]


def kernel(function: Callable[..., Any]) -> Any:
    """Compiles a function when it is first called; what was compiled is kept for other processes, where there is a folder for it.

    Kernels call no function of another file: numba looks at a kernel's own file alone to see whether what it kept is still right.
    """
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder for the cache
        return njit(nogil=True)(function)


def divided(numerator: Floats, denominator: Floats) -> Floats:
    """A quotient, NaN where there is nothing to divide by."""
    result: Floats = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result
