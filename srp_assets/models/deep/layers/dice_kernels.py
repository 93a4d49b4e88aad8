"""The gate of Dice in one pass over its input, and its gradients in another: as separate operations it was half of DIN's elementwise work.

Arrays are of shape (rows, width); `slope` and its gradient, (width,).
"""

from typing import Any

from srp_assets.features.aggregation.kernels import kernel


@kernel
def gate(x: Any, share: Any, slope: Any, out: Any) -> None:
    """X (share + (1 - share) slope)."""
    for row in range(x.shape[0]):
        for column in range(x.shape[1]):
            out[row, column] = x[row, column] * (slope[column] + share[row, column] * (1 - slope[column]))


@kernel
def gate_gradients(gradient: Any, x: Any, share: Any, slope: Any, of_x: Any, of_logit: Any, of_slope: Any) -> None:
    """The gradients of x, of the logit whose sigmoid is the share, and of the slope (added up in float64)."""
    for row in range(x.shape[0]):
        for column in range(x.shape[1]):
            passed, rest = share[row, column], 1 - slope[column]
            through = gradient[row, column] * x[row, column]
            of_x[row, column] = gradient[row, column] * (slope[column] + passed * rest)
            of_logit[row, column] = through * rest * passed * (1 - passed)
            of_slope[column] += through * (1 - passed)
