"""A sign of life: what a process repeats in a thread as long as it works on something that it holds a lease on."""

from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType
from typing import Self

from sqlalchemy.exc import SQLAlchemyError


class Heartbeat:
    """Repeats `beat` within a `with` block, until it says that there is nothing more to hold.

    A beat that the database does not take is followed by the next: the lease outlasts several of them.

    Args:
        beat: renews the lease; False once it is lost.
        seconds: between two beats; several must fit into the lease.
        name: of the thread.
    """

    def __init__(self, beat: Callable[[], bool], *, seconds: float, name: str) -> None:
        self._beat = beat
        self._seconds = seconds
        self._stopped = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            try:
                if not self._beat():
                    return
            except SQLAlchemyError:
                continue
