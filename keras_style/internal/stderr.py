"""Holds back what native code writes to standard error, past Python."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from keras_style.internal import environment


@contextmanager
def held_back() -> Iterator[None]:
    """Hold back what native code writes to standard error, unless what is done fails or the user asked for it.

    TensorFlow and Ray log some lines before their own log levels take effect, so no setting silences them.
    """
    if environment.chatter_wanted:
        yield
        return
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(terminal, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
