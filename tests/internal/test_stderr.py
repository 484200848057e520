"""Standard error: logs of native code are left out, and nothing of others is lost."""

import os
import subprocess
import sys
import threading

import pytest
from running import python

from keras_style.internal import stderr


def absl(number: int, level: str = "I") -> bytes:
    return b"%c0000 00:00:1796054239.936463 %7d port.cc:153] said by %d\n" % (ord(level), number, number)


def ours() -> bytes:
    return absl(threading.get_native_id())


def test_logs_of_this_thread_are_left_out(capfd):
    others = absl(threading.get_native_id() + 1)
    ray = b"[2026-11-30 15:58:51,705 I %d 1] logging.cc:303: Set ray log level\n"
    tensorflow = b"2026-11-30 15:58:51.705123: W tensorflow/core/util/port.cc:153] On\n"
    with stderr.without_logs():
        os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n")
        os.write(2, ours() + others)
        os.write(2, ray % os.getpid() + tensorflow + ray % 1)
        os.write(2, b"half a line")
    os.write(2, b", and its end\n")
    assert capfd.readouterr().err.encode() == others + ray % 1 + b"half a line, and its end\n"


def test_a_fatal_line_is_not_left_out(capfd):
    with stderr.without_logs():
        os.write(2, absl(threading.get_native_id(), "F"))
    assert "port.cc" in capfd.readouterr().err


def test_lines_of_other_threads_arrive_all(capfd):
    def write() -> None:
        for number in range(500):
            print(f"line {number}", file=sys.stderr, flush=True)

    writer = threading.Thread(target=write)
    with stderr.without_logs():
        writer.start()
        os.write(2, ours())
    writer.join()
    assert capfd.readouterr().err == "".join(f"line {number}\n" for number in range(500))


def test_what_a_child_says_arrives_even_afterwards(capfd):
    script = "import sys, time; print('begun', file=sys.stderr, flush=True); input(); print('done', file=sys.stderr)"
    before = {*threading.enumerate()}
    with stderr.without_logs():
        child = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE)
    (reader,) = {*threading.enumerate()} - before
    child.communicate(b"\n")
    assert child.returncode == 0
    reader.join()
    assert capfd.readouterr().err == "begun\ndone\n"


def test_logs_are_shown_if_it_fails(capfd):
    def fail() -> None:
        with stderr.without_logs():
            os.write(2, b"first\n" + ours())
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    assert capfd.readouterr().err.encode() == b"first\n" + ours()


def test_it_can_be_entered_often():
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(20):
        with stderr.without_logs():
            os.write(2, ours())
    assert not before or len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    "how", ["sys.stderr = None", "sys.stderr.close()", "os.close(2); sys.stderr = None", "os.close(2)"]
)
def test_no_standard_error_is_fine(how):
    script = f"""
import os, sys
from keras_style.internal import stderr
{how}
with stderr.without_logs():
    with open(os.devnull, "w") as next_file:
        os.write(2, b"native")
if sys.stderr is None:
    stderr.say("nobody hears it")
print("ends", flush=True)
os._exit(0)
"""
    finished = python(script)
    assert (finished.returncode, finished.stdout) == (0, "ends\n"), finished.stderr
