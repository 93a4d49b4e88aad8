"""Interrupts that the main thread's exception handling lost are still known."""

import os
import signal
import sys
from types import FrameType

import pytest

from srp_assets.cli_interrupts import Interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_raised_nothing_ends_the_work_at_its_next_step(number: signal.Signals) -> None:
    received: list[int] = []

    def lose(received_number: int, frame: FrameType | None) -> None:
        received.append(received_number)

    before = signal.signal(number, lose)
    try:
        with Interrupts() as interrupts:
            interrupts.stop_if_any()
            os.kill(os.getpid(), number)
            for _ in range(2):
                with pytest.raises(KeyboardInterrupt):
                    interrupts.stop_if_any()
    finally:
        signal.signal(number, before)
    assert received == [number]


class Told:
    """Raises when it goes, where Python cannot raise."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __del__(self) -> None:
        raise self.error


def test_an_interrupt_that_could_not_be_raised_is_not_said_and_still_ends_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: said.append(unraisable.exc_type))
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        with Interrupts() as interrupts:
            del_now(KeyboardInterrupt())
            os.kill(os.getpid(), signal.SIGINT)
            del_now(KeyboardInterrupt())
            del_now(ValueError("a defect"))
            with pytest.raises(KeyboardInterrupt):
                interrupts.stop_if_any()
        del_now(KeyboardInterrupt())
    finally:
        signal.signal(signal.SIGINT, before)
    assert said == [KeyboardInterrupt, ValueError, KeyboardInterrupt]


def del_now(error: BaseException) -> None:
    """Has Python meet an exception while it frees an object."""
    Told(error)


def test_other_signals_end_nothing() -> None:
    before = signal.signal(signal.SIGUSR1, lambda number, frame: None)
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGUSR1)
            interrupts.stop_if_any()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_who_was_told_of_signals_before_is_told_again_afterwards() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer)
    try:
        with Interrupts():
            pass
        assert signal.set_wakeup_fd(before) == writer
    finally:
        signal.set_wakeup_fd(before)
        os.close(reader)
        os.close(writer)
