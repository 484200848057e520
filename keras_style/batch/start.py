"""A batch from its arguments to its report."""

import os
import signal
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
from keras_style.checks import Verbosity
from keras_style.errors import StyleError
from keras_style.internal import docstrings
from keras_style.internal.declared import texts
from keras_style.internal.interrupt import termination_as_interrupt
from keras_style.painting.parameters import Parameters
from keras_style.painting.stylizer import Stylizer

SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


@docstrings.explained(texts(Parameters))
def run(
    pictures: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | Stylizer,
    direction: str = "a2b",
    style: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    style_blend: Sequence[float] | None = None,
    size: int | None = None,
    strength: float | None = None,
    stroke: float | None = None,
    preserve_color: str | None = None,
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

    An output has the name of its picture, including the folders it is in, and another suffix. It appears when it is
    whole, and is not made again. A picture that cannot be read does not stop the others: `report.csv` in the output
    folder lists it, and the next call tries it again. The output folder belongs to one batch: `batch.json` in it holds
    the model and the settings, and others are refused. Only one call at a time may write to it.

    Outputs depend neither on the number of workers nor on the order in which they work.

    Args:
        pictures: a folder; a pattern such as "photos/*.jpg" or "photos/**/*.png"; or a file. A path, or a URL that
            fsspec knows, such as s3://BUCKET/photos, if the package for it is installed. Folders and patterns give the
            files that have the suffix of a picture.
        output: a folder, which is made with its parents; or such a URL.
        model: a generator: a preset, the directory of a run, or a file (.keras, .h5, .pth, .model, .safetensors); a
            directory with a SavedModel whose signature `serving_default` maps `image` to `image`; a painter, such as
            "painters"; or, in Python, a `keras_style.Stylizer`.
        direction: "a2b" or "b2a", for a model that holds both.
        style: with a painter, the name of one of its styles, or a list of several; with a Stylizer, the file of the
            painting, or a list of several.
        (others): with a painter, as for `keras_style.transfer`; without a size each picture keeps its own.
        recursive: also take the pictures in the folders of the folder.
        format: format of the outputs: "png", "jpeg" or "webp".
        quality: quality of JPEG and WebP, 1 to 100.
        workers: processes, each with the model in its memory. None: as many as there are processors, divided by
            `threads`, but at most one per 2 GiB of memory.
        threads: threads per worker. Many workers with one thread make more pictures per hour than the reverse.
        gpus: GPUs per worker, such as 1 or 0.5.
        address: address of a Ray cluster: "auto", or HOST:PORT. None: this machine alone.
        verbose: 0: print nothing; 1: a progress bar, or a line every 10 seconds where no bar can be shown; "auto": a
            bar if it can be shown.

    Returns:
        The status of each picture. After Ctrl-C, `stopped` is True.

    Raises:
        MissingFileError: a file or folder does not exist.
        InputError: an argument is not as above; two pictures would become one file; the output folder belongs to
            another batch; a package is missing.
        StyleError: no picture can be made, for the reason given: no worker can open the model, the disk is full.

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
    checks.verbosity("verbose", verbose)
    painting = {
        "style_blend": style_blend,
        "size": size,
        "strength": strength,
        "stroke": stroke,
        "preserve_color": preserve_color,
    }
    work = bound(model, direction, [style] if isinstance(style, str | os.PathLike) else list(style), painting)
    target = Folder(*resolved("output", output))
    source, names, left_out = files.find(pictures, recursive, target)
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
    with termination_as_interrupt(signal.raise_signal):
        try:
            if tasks:
                connected = cluster.connected(address, workers and workers * threads)
                with connected, BatchProgress(len(tasks), verbose) as shown:
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
    return BatchResult(rows, str(target), f"{target}/{report.FILE}", time.perf_counter() - started, stopped, left_out)
