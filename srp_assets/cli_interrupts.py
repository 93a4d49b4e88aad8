"""Ctrl-C that is not lost while a run works in the process of a command."""

import signal
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

ENDING = {signal.SIGINT, signal.SIGTERM}
"""Dagster treats both alike while a run works."""


class Interrupts:
    """Remembers within a `with` block that the process was told to end.

    A signal becomes an exception at whatever the main thread does just then, and some places clear any exception: an extension module that
    is being imported, a look-up from C. So the interpreter also writes each signal to a socket (`signal.set_wakeup_fd`), which nothing
    clears; the work looks into it at its own steps. Outside of the main thread, which alone gets signals, the block does nothing.
    """

    def __init__(self) -> None:
        self._arrived = False
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._before: int | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._before is not None:
            signal.set_wakeup_fd(self._before)
        self._reader.close()
        self._writer.close()

    def stop_if_any(self) -> None:
        """Ends the work of the main thread if the process was told to end, at any time since the block began.

        Raises:
            KeyboardInterrupt: if so.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        with suppress(BlockingIOError):
            self._arrived = self._arrived or not ENDING.isdisjoint(self._reader.recv(4096))
        if self._arrived:
            raise KeyboardInterrupt
