"""How long a scan of so many rows will take, from how long earlier ones took on this home. No framework."""

from collections.abc import Sequence
from statistics import median

from srp_assets.recall.registry_estimates import Measured

FIXED_SECONDS = 3.0
"""Of a batch, whatever it reads: before any was measured here."""

ROWS_PER_SECOND = 500_000
"""Rows that a batch reads in a second beyond that: a plain default for a small machine, until batches were measured here."""

MEASURED_BATCHES = 20
"""So many of the newest batches count: a home moves to other machines."""


def forecast_seconds(rows: int, measured: Sequence[Measured]) -> float:
    """Seconds of a batch.

    The default line (fixed seconds, and rows by their rate) times the median of how much longer, or shorter, earlier batches took than the
    line says of them: one measured factor serves small and large batches alike and no single odd batch spoils it.
    """
    ratios = [batch.seconds / _line(batch.rows) for batch in measured if batch.seconds > 0]
    return round(_line(rows) * (median(ratios) if ratios else 1.0), 1)


def _line(rows: int) -> float:
    return FIXED_SECONDS + rows / ROWS_PER_SECOND
