"""The workers: actors of Ray Data, on this machine or on a cluster."""

import contextlib
import importlib.util
import json
import logging
import math
import os
import secrets
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from keras_style.batch.worker import Job, Worker
from keras_style.errors import InputError, StyleError
from keras_style.internal import stderr

Answer = tuple[int, str, str, float]

_BLOCKS = 8  # per worker, at least: so none waits long for the last
_MEMORY = 2 * 2**30  # bytes that a worker may need; ours, see docs/guides/batch.md


def check_installed() -> None:
    """Check that the packages of the extra are installed.

    Raises:
        InputError: they are missing.
    """
    missing = [name for name in ("ray", "pyarrow", "fsspec") if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"a batch needs the package {missing[0]}: pip install 'keras-style[batch]'")


@contextlib.contextmanager
def connected(address: str | None, cpus: int | None) -> Iterator[None]:
    """Ray, for the time of the `with`: the one that runs in this process already, a cluster's, or a new one.

    Args:
        address: address of a cluster, "auto" or HOST:PORT; None for this machine.
        cpus: processors of a new one; None for all of this machine.

    Raises:
        InputError: no cluster answers at the address.
    """
    _prepare(local=address is None)
    import ray

    if ray.is_initialized():
        if address is not None:
            raise InputError(f"address is {address!r}, and Ray runs in this process already; expected None")
        yield
        return
    terminated = signal.getsignal(signal.SIGTERM)
    new: dict[str, Any] = {"address": "local", "num_cpus": cpus, "include_dashboard": False}
    try:
        with stderr.without_logs():
            ray.init(**({"address": address} if address else new), log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(f"address is {address!r}: {' '.join(str(error).split())}") from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, terminated)  # Ray has a handler that exits at once
    try:
        yield
    finally:
        ray.shutdown()


def _prepare(local: bool) -> None:
    """Set what Ray reads from the environment; a value that the user set wins."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # or native code would write into the progress bar
    if local and not {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys():
        # Ray listens on the network, and lets in who has the token; without ours it writes one to the home directory.
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def crew(workers: int | None, threads: int, gpus: float) -> int:
    """The number of workers: as many as were asked for, or as many as fit.

    Raises:
        InputError: they do not fit.
    """
    import ray

    machines = [machine["Resources"] for machine in ray.nodes() if machine["Alive"]]

    def fitting(machine: Mapping[str, float]) -> int:
        by_gpus = machine.get("GPU", 0) / gpus if gpus else math.inf
        return int(min(machine.get("CPU", 0) // threads, by_gpus))

    fit = sum(map(fitting, machines))
    if fit < (workers or 1):
        there = " and ".join(
            f"{sum(machine.get(kind, 0) for machine in machines):g} {kind}s"
            for kind in (["CPU", "GPU"] if gpus else ["CPU"])
        )
        raise InputError(
            f"workers is {workers or 1}, with threads {threads}{f' and gpus {gpus:g}' if gpus else ''}; "
            f"expected at most {fit}, for {there} on {len(machines)} {'machine' if len(machines) == 1 else 'machines'}"
        )
    in_memory = sum(min(fitting(machine), int(machine.get("memory", 0)) // _MEMORY) for machine in machines)
    return workers or max(1, in_memory)


def answers(job: Job, tasks: Sequence[tuple[int, str, str]], workers: int, gpus: float) -> Iterator[Answer]:
    """Run the tasks, and yield the answers as they come, in no order.

    Only names and the model pass through Ray. A worker that dies is replaced, and its tasks are run again.

    Raises:
        StyleError: Ray gave up, with its reason.
    """
    import ray
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what matters is raised
    begin = _counter(ray)
    at_once = max(1, min(job.work.at_once, len(tasks) // (workers * _BLOCKS)))
    context = ray.data.DataContext.get_current()
    before = context.enable_progress_bars, context.print_on_execution_start
    context.enable_progress_bars = context.print_on_execution_start = False
    try:
        dataset = ray.data.from_items(
            [{"task": json.dumps(task)} for task in tasks], override_num_blocks=-(-len(tasks) // at_once)
        ).map_batches(
            Worker,
            fn_constructor_args=(job, begin),
            compute=ray.data.ActorPoolStrategy(size=min(workers, len(tasks))),
            batch_size=None,
            num_cpus=job.threads,
            num_gpus=gpus or None,
        )
        with contextlib.closing(iter(dataset.iter_rows())) as rows:
            for row in rows:
                yield json.loads(row["answer"])
    except ray.exceptions.RayError as error:
        raise StyleError(f"Ray: {' '.join(str(error).split())[-500:]}") from error
    finally:
        context.enable_progress_bars, context.print_on_execution_start = before


def _counter(ray: Any) -> Callable[[int], int]:
    """A count, for all workers, of how often each task was begun: a worker that was killed cannot tell."""

    @ray.remote(num_cpus=0)
    class Counter:
        def __init__(self) -> None:
            self.counts: dict[int, int] = {}

        def begin(self, number: int) -> int:
            self.counts[number] = self.counts.get(number, 0) + 1
            return self.counts[number]

    counter: Any = Counter.remote()  # type: ignore[attr-defined]
    return lambda number: ray.get(counter.begin.remote(number))
