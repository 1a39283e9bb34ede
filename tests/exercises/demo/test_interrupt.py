"""Signals break off what may be broken off, and nothing else."""

from __future__ import annotations

import os
import signal

import pytest

from exercises.demo.interrupt import Stop, Stopped


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_breaks_off_what_is_armed(number: signal.Signals) -> None:
    with Stop() as stop, pytest.raises(Stopped) as stopped, stop.armed():
        send(number)
        pytest.fail("went on")
    assert stopped.value.number == number


def test_elsewhere_it_waits_for_the_next_stretch() -> None:
    went_on = False
    with Stop() as stop:
        send(signal.SIGTERM)
        went_on = True
        with pytest.raises(Stopped), stop.armed():
            pytest.fail("went on")
    assert went_on


def test_a_second_signal_does_not_disturb_the_cleaning_up() -> None:
    cleaned = False
    with Stop() as stop, pytest.raises(Stopped) as stopped, stop.armed():
        try:
            send(signal.SIGINT)
        finally:
            send(signal.SIGINT)
            send(signal.SIGTERM)
            cleaned = True
    assert cleaned
    assert stop.number == signal.SIGINT
    assert stopped.value.number == signal.SIGINT


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Stop():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
