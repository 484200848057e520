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


# SIGTERM


@pytest.mark.parametrize("ignored", [False, True])
def test_sigterm_interrupts_once_and_ends_the_process_in_the_end(ignored):
    ended = []
    if ignored:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in the background jobs of a shell
    with pytest.raises(KeyboardInterrupt), termination_as_interrupt(lambda: ended.append(1)):
        signal.raise_signal(signal.SIGTERM)
    assert ended == [1] and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_sigterm_asks_what_ctrl_c_asks():
    asked, ended = [], []
    with termination_as_interrupt(lambda: ended.append(1)), first_signal(lambda: asked.append(1)):
        signal.raise_signal(signal.SIGTERM)
        assert asked == [1] and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL  # the second ends it at once
    assert ended == [1]


def test_without_sigterm_nothing_ends():
    with termination_as_interrupt(lambda: pytest.fail("it ended")):
        pass
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_handler_of_others_stays():
    theirs = []
    signal.signal(signal.SIGTERM, lambda *_: theirs.append(1))
    try:
        with termination_as_interrupt(lambda: pytest.fail("it ended")):
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert theirs == [1]
