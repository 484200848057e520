"""A batch from its arguments to its report."""

import os
import time
from collections.abc import Sequence

from keras_style import checks
from keras_style.batch import cluster, manifest, report
from keras_style.batch import pictures as files
from keras_style.batch.batch_progress import BatchProgress
from keras_style.batch.batch_result import BatchResult
from keras_style.batch.folder import Folder, explained, resolved
from keras_style.batch.report import DONE_BEFORE, FAILED, Row
from keras_style.batch.work import bound
from keras_style.batch.worker import FATAL, Job
from keras_style.errors import InputError, StyleError
from keras_style.painting.progress import Verbosity
from keras_style.painting.stylizer import Stylizer

SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


def run(
    pictures: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | Stylizer,
    direction: str = "a2b",
    style: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    recursive: bool = False,
    format: str = "png",
    quality: int = 95,
    workers: int | None = None,
    threads: int = 1,
    gpus: float = 0.0,
    address: str | None = None,
    verbose: Verbosity = "auto",
) -> BatchResult:
    """Make a picture of each picture in a folder, with many workers; the same call goes on after any stop.

    An output has the name of its picture, with the folders it is in, and another suffix. It appears when it is whole,
    and is not made again. A picture that cannot be read is listed in `report.csv` in the output folder, and tried again
    by the next call; it stops nothing. The output folder belongs to one batch: `batch.json` in it says with
    which model and settings, and others are refused. One call at a time writes to it.

    What is in an output does not depend on the number of workers, nor on the order in which they work.

    Args:
        pictures: a folder; a pattern such as "photos/*.jpg" or "photos/**/*.png"; or a file. A path, or a URL that
            fsspec knows, such as s3://BUCKET/photos, with the package for it installed. Of a folder or a
            pattern, those are taken whose suffix is that of a picture.
        output: a folder, which is made with its parents; or such a URL.
        model: a generator, as `keras_style.models.open_generator` takes it; a directory with a SavedModel whose
            signature `serving_default` goes from `image` to `image`; or a `keras_style.Stylizer`.
        direction: "a2b" or "b2a", of what holds both.
        style: for a Stylizer, the file of the painting, or a list of several.
        recursive: also the pictures in the folder's folders.
        format: of the outputs: "png", "jpeg" or "webp".
        quality: 1 to 100, of JPEG and WebP.
        workers: processes, each with the model in its memory. None: as many as there are processors, divided by
            `threads`, but no more than one for each 2 GiB of memory.
        threads: of each worker. Many workers with one thread each make more pictures an hour than the reverse.
        gpus: of each worker, such as 1 or 0.5.
        address: of a Ray cluster: "auto", or HOST:PORT. None: this machine alone.
        verbose: 0: print nothing; 1: a progress bar, or a line every 10 seconds where no bar can be shown; "auto": a
            bar if it can be shown.

    Returns:
        What became of each picture. After Ctrl-C, `stopped` is True.

    Raises:
        MissingFileError: a file or folder does not exist.
        InputError: an argument is not as above; two pictures would become one file; the output folder is of another
            batch; a package is missing.
        StyleError: nothing can be made at all, for a reason it tells: no worker can open the model, the disk is full.

    Example:
        >>> result = keras_style.batch.run("photographs", "reliefs", model="satellite_to_relief", workers=2)
        >>> [row.input for row in result.failed]
        []
    """
    started = time.perf_counter()
    cluster.check_installed()
    checks.truth("recursive", recursive)
    checks.choice("format", format, tuple(SUFFIXES))
    checks.whole("quality", quality, 1, 100)
    checks.whole("threads", threads, 1, 1024)
    checks.number("gpus", gpus, 0, 64)
    if workers is not None:
        checks.whole("workers", workers, 1, 10**5)
    if verbose not in ("auto", 0, 1):
        raise InputError(f"verbose is {verbose!r}; expected 'auto', 0 or 1")
    work = bound(model, direction, [style] if isinstance(style, str | os.PathLike) else list(style))
    target = Folder(*resolved("output", output))
    source, names = files.find(pictures, recursive, target)
    rows = [Row(name, made) for name, made in zip(names, files.outputs(names, SUFFIXES[format]), strict=True)]
    settings = {
        "pictures": str(source),
        "format": format,
        "quality": None if format == "png" else quality,
        **work.settings,
    }
    with explained("output", output):
        target.make()
        written, finished = manifest.claim(target, settings, [row.output for row in rows])
    for row in rows:
        if row.output in finished:
            row.status = DONE_BEFORE
    tasks = [(number, row.input, row.output) for number, row in enumerate(rows) if row.output not in finished]
    job = Job(work, source, target, written, format, quality, threads)
    stopped = False
    try:
        if tasks:
            with cluster.connected(address, workers and workers * threads), BatchProgress(len(tasks), verbose) as shown:
                crew = cluster.crew(workers, threads, gpus)
                for number, status, error, seconds in cluster.answers(job, tasks, crew, gpus):
                    if status == FATAL:
                        raise StyleError(error)
                    row = rows[number]
                    row.status, row.error, row.seconds = status, error, seconds
                    shown(status == FAILED)
    except KeyboardInterrupt:
        stopped = True
    finally:
        with explained("output", output):
            target.write(report.FILE, report.encoded(rows))
    return BatchResult(rows, str(target), f"{target}/{report.FILE}", time.perf_counter() - started, stopped)
