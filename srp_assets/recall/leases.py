"""The claim on a batch while a run tries it: renewed by a heartbeat, and noticed when it is lost.

It is the lease of `warehouse/lease.py`, kept with the batch itself: one row says whose it is, at which attempt, and until when. What an
attempt that lost its batch would still record is refused by the number of the attempt (`registry_batches.py`). Clocks of machines that
share a registry must agree to much better than `recall_lease_seconds`.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Event
from types import TracebackType
from typing import Self

from sqlalchemy import Engine

from srp_assets.recall.registry import Batch
from srp_assets.recall.registry_batches import renew_attempt
from srp_assets.warehouse.heartbeat import Heartbeat

BEATS = 4
"""Renewals in the time of a lease: a registry that is away for a while costs nobody their batch."""

LONGEST_PAUSE_SECONDS = 5.0
"""Between two renewals: a run notices within it that its batch was cancelled or taken over."""


class AttemptLease:
    """Holds the batch of an attempt within a `with` block.

    Args:
        engine: of the registry.
        attempt: the attempt that has just begun.
        seconds: how long it lasts without renewal.

    `interrupt` may be set to what stops the work; it is called, again and again until the block ends, once the batch is lost.
    """

    def __init__(self, engine: Engine, attempt: Batch, *, seconds: float) -> None:
        self._engine = engine
        self._attempt = attempt
        self._duration = timedelta(seconds=seconds)
        self._lost = Event()
        self.interrupt: Callable[[], object] | None = None
        pause = min(seconds / BEATS, LONGEST_PAUSE_SECONDS)
        self._heartbeat = Heartbeat(self._beat, seconds=pause, name=f"lease-{attempt.batch_id}")

    def __enter__(self) -> Self:
        self._heartbeat.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._heartbeat.__exit__(kind, error, trace)

    @property
    def is_lost(self) -> bool:
        """Whether the batch is known to be no longer this attempt's."""
        return self._lost.is_set()

    def _beat(self) -> bool:
        if not self._lost.is_set():
            with self._engine.begin() as connection:
                if renew_attempt(connection, self._attempt, datetime.now(UTC) + self._duration):
                    return True
            self._lost.set()
        if self.interrupt is not None:
            # Work that is between two calls of Spark begins the next one, and a call may fail: the next beat interrupts again.
            with suppress(Exception):
                self.interrupt()
        return True
