"""Contenders in processes of their own, which answer one line of JSON to a line; and what machine this is."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any


def start(program: str, name: str, **environment: str | None) -> subprocess.Popen:
    """`program --worker NAME`, with these changes to the environment; None takes a variable away."""
    changed = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    return subprocess.Popen(
        [sys.executable, program, "--worker", name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={key: value for key, value in changed.items() if value is not None},
        text=True,
        bufsize=1,
    )


def ask(worker: subprocess.Popen, request: str) -> Any:
    worker.stdin.write(request + "\n")
    worker.stdin.flush()
    answer = worker.stdout.readline()
    if not answer:
        sys.exit(f"{worker.args[-1]} died of {request!r}; run it alone: {' '.join(worker.args)}")
    return json.loads(answer)


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
