"""Waiting for a condition, never for a length of time."""

from collections.abc import Callable
from threading import Event
from time import monotonic
from typing import TypeVar

Found = TypeVar("Found")

LOOK_SECONDS = 0.2


def until(condition: Callable[[], Found | None], what: str, *, seconds: float = 300, alive: Callable[[], bool] = lambda: True) -> Found:
    """What the condition gives as soon as it gives something.

    Raises:
        AssertionError: if it does not in time, or whoever should bring it about is dead.
    """
    end = monotonic() + seconds
    pause = Event()
    while True:
        found = condition()
        if found:
            return found
        assert alive(), f"waited for {what}, but who should bring it about has ended"
        assert monotonic() < end, f"waited {seconds:.0f} s for {what}"
        pause.wait(LOOK_SECONDS)
