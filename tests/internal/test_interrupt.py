"""The first Ctrl-C asks, the second acts as usual; afterwards all is as before."""

import signal
import threading

import pytest

from keras_style.internal.interrupt import first_signal, termination_as_interrupt


@pytest.fixture(autouse=True)
def usual():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_asks_and_the_second_interrupts():
    asked = []
    with first_signal(lambda: asked.append(1)):
        signal.raise_signal(signal.SIGINT)
        assert asked == [1]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert asked == [1] and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_each_signal_is_counted_by_itself():
    asked = []
    terminated = signal.getsignal(signal.SIGTERM)
    with first_signal(lambda: asked.append(1), signal.SIGINT, signal.SIGTERM):
        signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is terminated
        signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert asked == [1, 1]


def test_in_another_thread_nothing_changes():
    seen = []

    def enter():
        with first_signal(lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


# SIGTERM and SIGHUP

endings = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])


@endings
@pytest.mark.parametrize("ignored", [False, True])
def test_it_interrupts_once_and_ends_the_process_in_the_end(number, ignored):
    ended = []
    if ignored:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in the background jobs of a shell
    with pytest.raises(KeyboardInterrupt), termination_as_interrupt(ended.append):
        signal.raise_signal(number)
    assert ended == [number] and signal.getsignal(number) is signal.SIG_DFL


@endings
def test_it_asks_what_ctrl_c_asks(number):
    asked, ended = [], []
    with termination_as_interrupt(ended.append), first_signal(lambda: asked.append(1)):
        signal.raise_signal(number)
        assert asked == [1]
        for each in (signal.SIGTERM, signal.SIGHUP):
            assert signal.getsignal(each) is signal.SIG_DFL  # the second ends it at once
    assert ended == [number]


def test_without_one_nothing_ends():
    with termination_as_interrupt(lambda number: pytest.fail("it ended")):
        pass
    for number in (signal.SIGTERM, signal.SIGHUP):
        assert signal.getsignal(number) is signal.SIG_DFL


@endings
def test_a_handler_of_others_stays(number):
    theirs = []
    signal.signal(number, lambda *_: theirs.append(1))
    try:
        with termination_as_interrupt(lambda number: pytest.fail("it ended")):
            signal.raise_signal(number)
    finally:
        signal.signal(number, signal.SIG_DFL)
    assert theirs == [1]


def test_nohup_is_obeyed():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with termination_as_interrupt(lambda number: pytest.fail("it ended")):
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
