"""Signals: kept in mind while there is work to do, raised where there is none."""

import os
import signal
import threading

import pytest

from nmt.training.signals import Signals, Stop

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP]


def come(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", NUMBERS)
def test_where_there_is_nothing_to_end_it_stops_at_once(number):
    with pytest.raises(Stop, match=number.name), Signals():
        come(number)


@pytest.mark.parametrize("number", NUMBERS)
def test_work_under_way_is_done_first(number, capfd):
    with Signals() as signals:
        signals.patient = True
        come(number)
        assert signals.asked == number.name
    assert "stopping after this step" in capfd.readouterr().err


@pytest.mark.parametrize("first", NUMBERS)
def test_a_second_interrupt_ends_at_once(first):
    with Signals() as signals:
        signals.patient = True
        come(first)
        come(signal.SIGTERM)  # said twice, it means the same
        with pytest.raises(KeyboardInterrupt):
            come(signal.SIGINT)


def test_a_hangup_that_is_ignored_stays_ignored():
    """As nohup has it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as signals:
            come(signal.SIGHUP)
        assert signals.asked is None
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_afterwards_signals_do_what_they_did():
    before = [signal.getsignal(number) for number in NUMBERS]
    with Signals():
        assert [signal.getsignal(number) for number in NUMBERS] != before
    assert [signal.getsignal(number) for number in NUMBERS] == before


def test_in_another_thread_they_are_left_alone():
    before = [signal.getsignal(number) for number in NUMBERS]
    inside = []

    def listen() -> None:
        with Signals():
            inside.extend(signal.getsignal(number) for number in NUMBERS)

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert inside == before
