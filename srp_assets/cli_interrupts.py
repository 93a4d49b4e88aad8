"""Ctrl-C that is not lost while a run works in the process of a command."""

import signal
import socket
import sys
import threading
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

ENDING = {signal.SIGINT, signal.SIGTERM}
"""Dagster treats both alike while a run works."""


class Interrupts:
    """Remembers within a `with` block that the process was told to end.

    A signal becomes an exception at whatever the main thread does just then, and some places clear any exception: an extension module that
    is being imported, a look-up from C. So the interpreter also writes each signal to a socket (`signal.set_wakeup_fd`), which nothing
    clears; the work looks into it at its own steps. Where Python cannot raise (in a callback of its memory), it would print the exception
    with its trace; what the work hears anyway is not said. Outside of the main thread, which alone gets signals, the block does nothing.
    """

    def __init__(self) -> None:
        self._arrived = False
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._before: int | None = None
        self._say_unraisable = sys.unraisablehook

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
            self._say_unraisable, sys.unraisablehook = sys.unraisablehook, self._say_unless_heard
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._before is not None:
            signal.set_wakeup_fd(self._before)
            sys.unraisablehook = self._say_unraisable
        self._reader.close()
        self._writer.close()

    def stop_if_any(self) -> None:
        """Ends the work of the main thread if the process was told to end, at any time since the block began.

        Raises:
            KeyboardInterrupt: if so.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        if self._was_told():
            raise KeyboardInterrupt

    def _was_told(self) -> bool:
        with suppress(BlockingIOError):
            self._arrived = self._arrived or not ENDING.isdisjoint(self._reader.recv(4096))
        return self._arrived

    def _say_unless_heard(self, unraisable: "UnraisableHookArgs") -> None:
        is_interrupt = not issubclass(unraisable.exc_type, Exception)
        if not (is_interrupt and self._was_told()):
            self._say_unraisable(unraisable)
