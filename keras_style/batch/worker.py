"""A worker: it opens the model once, then answers for one picture after another. Nothing here knows Ray."""

import errno
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras_style import images
from keras_style.batch import manifest
from keras_style.batch.folder import Folder
from keras_style.batch.report import DONE, FAILED
from keras_style.batch.work import Paint, Work
from keras_style.errors import InputError, StyleError
from keras_style.version import __version__

FATAL = "fatal"  # a status that ends the batch: it would be the same for every picture
ATTEMPTS = 3  # ours: a neighbor that takes the memory can kill a worker twice
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass(frozen=True)
class Job:
    """All that a worker needs to know.

    Attributes:
        work: how a picture is made.
        source: folder of the pictures.
        target: folder of the outputs.
        manifest: content of the manifest in it.
        format: format of the outputs, "png", "jpeg" or "webp".
        quality: quality of JPEG and WebP.
        threads: TensorFlow's threads in one worker.
        version: version of the keras_style that started the batch.
    """

    work: Work
    source: Folder
    target: Folder
    manifest: bytes
    format: str
    quality: int
    threads: int
    version: str = __version__


class Worker:
    """Called with batches of tasks, answers with as many answers; both as JSON, since names need not be Unicode.

    Args:
        job: the job.
        begin: called with a task's number before it is worked on; returns how many times that was so far.
    """

    def __init__(self, job: Job, begin: Callable[[int], int]) -> None:
        self.job, self.begin = job, begin
        self.paint: Paint | None = None
        # TensorFlow reads them when it is loaded. Otherwise each worker would start as many threads as there are cores.
        for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
            os.environ[variable] = str(job.threads)
        # A worker may have a part of a GPU, and TensorFlow would take the memory of all of it.
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        return {"answer": [json.dumps(self.answer(*json.loads(task))) for task in batch["task"]]}

    def answer(self, number: int, name: str, output: str) -> tuple[int, str, str, float]:
        """Make one picture: the task's number, the status, the error, the seconds."""
        try:
            if self.paint is None:
                self._check_place()
                self.paint = self.job.work.open()
        except Exception as error:
            return number, FATAL, _told(error), 0.0
        started = time.perf_counter()
        status, problem = self._made(self.paint, number, name, output)
        return number, status, problem, round(time.perf_counter() - started, 3)

    def _check_place(self) -> None:
        """Refuse a machine that is not set up like the one where the batch was started."""
        if self.job.version != __version__:
            raise InputError(
                f"keras_style is {__version__} on {platform.node()}; expected {self.job.version}, as at the start"
            )
        if self.job.target.read(manifest.FILE) != self.job.manifest:
            raise InputError(
                f"output: on {platform.node()}, {self.job.target} is another folder, or none; "
                "expected storage that all machines share"
            )

    def _made(self, paint: Paint, number: int, name: str, output: str) -> tuple[str, str]:
        job = self.job
        try:
            if job.target.exists(output):  # made by a worker that was lost before it could say so
                return DONE, ""
            if self.begin(number) > ATTEMPTS:
                return FAILED, f"{ATTEMPTS} workers were killed while they worked on it; the memory may not suffice"
            job.target.write(output, images.encode(paint(job.source.image(name)), job.format, job.quality))
        except Exception as error:  # one picture, whatever is wrong with it, does not end the others
            return FATAL if getattr(error, "errno", None) in _NO_SPACE else FAILED, _told(error)
        return DONE, ""


def _told(error: Exception) -> str:
    """One line, with the kind of error where it is not one of ours."""
    text = " ".join(str(error).split())
    return text if isinstance(error, StyleError) else f"{type(error).__name__}: {text}"[:500]
