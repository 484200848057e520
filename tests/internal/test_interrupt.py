"""The first Ctrl-C asks, the second acts as usual; afterwards all is as before."""

import signal
import threading

import pytest

from keras_style.internal.interrupt import first_signal


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
