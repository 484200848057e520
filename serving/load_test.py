"""Load a served model and say how it bears up.

    python serving/load_test.py --model satellite_to_relief --concurrency 8 --requests 500           # closed loop
    python serving/load_test.py --model satellite_to_relief --rate 20 --seconds 60 --output load.json  # open loop

In a closed loop each of `--concurrency` users sends the next picture when the last one is back: it finds the largest
throughput. In an open loop pictures come at random times, `--rate` a second on average, whether or not the server
keeps up, as from the world; a latency counts from the moment at which the picture was due. The picture is noise, the
hardest for every codec, or a file of yours.
"""

import argparse
import asyncio
import collections
import io
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from keras_style.errors import ServingError, StyleError
from keras_style.serving import TLS, AsyncStyleClient

PERCENTILES = (50, 90, 95, 99, 100)


def main() -> int:
    """Run the command."""
    given = _arguments()
    try:
        report = asyncio.run(_measure(given))
    except (StyleError, OSError) as error:
        print(f"load_test: {error}", file=sys.stderr)
        return 2
    text = json.dumps(report, indent=2)
    if given.output:
        given.output.write_text(text + "\n")
    print(text)
    return 0 if report["requests"] == report["answers"] else 1


async def load(
    client: AsyncStyleClient,
    picture: bytes | np.ndarray,
    style: bytes | np.ndarray | None = None,
    *,
    steps: int | None = None,
    concurrency: int = 8,
    rate: float | None = None,
    requests: int = 1000,
    seconds: float = 60.0,
    seed: int = 0,
) -> dict[str, Any]:
    """Send one picture again and again.

    Args:
        client: whom to ask.
        picture: what to send; with `style` and `steps` as `AsyncStyleClient.stylize` takes them.
        concurrency: users of a closed loop; in an open one, the most requests under way. Pictures that are due while
            there are as many are counted as `skipped`.
        rate: pictures a second of an open loop; None makes a closed one.
        requests: how many at most.
        seconds: how long at most. What is under way then is waited for.
        seed: of the times at which pictures are due.

    Returns:
        `requests` sent, `answers`, `errors` by status code, `skipped`, `seconds`, `answers_per_second`, `latency_ms`
        of the answers by percentile, and `versions`, answers by version of the model.
    """
    latencies: list[float] = []
    errors: collections.Counter[str] = collections.Counter()
    versions: collections.Counter[int] = collections.Counter()
    under_way = skipped = 0
    turns = iter(range(requests))
    began = time.perf_counter()
    end = began + seconds

    async def ask(due: float) -> None:
        nonlocal under_way
        under_way += 1
        try:
            answer = await client.stylize(picture, style, steps=steps)
            latencies.append(time.perf_counter() - due)
            versions[answer.version] += 1
        except ServingError as error:
            errors[error.code or "NO_PICTURE"] += 1
        finally:
            under_way -= 1

    async def user() -> None:
        for _ in turns:
            if time.perf_counter() >= end:
                return
            await ask(time.perf_counter())

    async def world(per_second: float) -> None:
        nonlocal skipped
        times = random.Random(seed)
        due = began
        async with asyncio.TaskGroup() as tasks:
            for _ in turns:
                due += times.expovariate(per_second)
                if due >= end:
                    return
                await asyncio.sleep(due - time.perf_counter())
                if under_way < concurrency:
                    tasks.create_task(ask(due))
                    await asyncio.sleep(0)  # so that it counts as under way
                else:
                    skipped += 1

    if rate is None:
        await asyncio.gather(*(user() for _ in range(concurrency)))
    else:
        await world(rate)
    elapsed = time.perf_counter() - began
    return {
        "requests": len(latencies) + errors.total(),
        "answers": len(latencies),
        "errors": dict(errors),
        "skipped": skipped,
        "seconds": round(elapsed, 3),
        "answers_per_second": round(len(latencies) / elapsed, 3),
        "latency_ms": _percentiles(latencies),
        "versions": {str(version): count for version, count in sorted(versions.items())},
    }


def _percentiles(latencies: list[float]) -> dict[str, float]:
    if not latencies:
        return {}
    values = np.percentile(np.array(latencies) * 1000, PERCENTILES)
    named = (f"p{percentile}" if percentile < 100 else "max" for percentile in PERCENTILES)
    return {name: round(float(value), 3) for name, value in zip(named, values, strict=True)}


async def _measure(given: argparse.Namespace) -> dict[str, Any]:
    encrypted = given.tls_ca or given.tls_certificate
    async with AsyncStyleClient(
        given.server,
        given.model,
        label=given.label,
        signature=given.signature,
        deadline=given.timeout,
        retries=0,  # what the server refuses is what is measured
        tls=TLS(given.tls_ca, given.tls_certificate, given.tls_key) if encrypted else None,
    ) as client:
        await client.wait(given.wait)
        picture = given.picture.read_bytes() if given.picture else noise(given.size)
        style = given.style.read_bytes() if given.style else None
        for _ in range(given.warm_up):
            await client.stylize(picture, style, steps=given.steps)
        report = await load(
            client,
            picture,
            style,
            steps=given.steps,
            concurrency=given.concurrency,
            rate=given.rate,
            requests=given.requests,
            seconds=given.seconds,
        )
    shown = ("server", "model", "label", "signature", "size", "concurrency", "rate", "timeout")
    return {"settings": {name: getattr(given, name) for name in shown}, **report}


def noise(size: int) -> bytes:
    """A JPEG of `size` x `size` pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Load a served model and say how it bears up.")
    parser.add_argument("--server", default="localhost:8500", help="HOST:PORT of gRPC")
    parser.add_argument("--model", required=True)
    parser.add_argument("--label", help="a version by its label")
    parser.add_argument("--signature", help="the one to call; serving_bytes by default")
    parser.add_argument("--picture", type=Path, help="a file to send instead of noise")
    parser.add_argument("--size", type=int, default=256, help="pixels of a side of the noise")
    parser.add_argument("--style", type=Path, help="the painting, for an exported optimization")
    parser.add_argument("--steps", type=int, help="of the optimization")
    parser.add_argument("--concurrency", type=int, default=8, help="users, or the most requests under way")
    parser.add_argument("--rate", type=float, help="pictures a second: an open loop")
    parser.add_argument("--requests", type=int, default=1000, help="at most")
    parser.add_argument("--seconds", type=float, default=60.0, help="at most")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds for a picture")
    parser.add_argument("--warm-up", type=int, default=2, help="pictures that are sent first and not counted")
    parser.add_argument("--wait", type=float, default=60.0, help="seconds until the model must be ready")
    parser.add_argument("--tls-ca", type=Path, help="PEM file of who vouches for the server")
    parser.add_argument("--tls-certificate", type=Path, help="PEM file of the client's own certificate")
    parser.add_argument("--tls-key", type=Path, help="PEM file of its key")
    parser.add_argument("--output", "-o", type=Path, help="write the JSON there, too")
    given = parser.parse_args()
    if min(given.concurrency, given.requests, given.size) < 1 or given.seconds <= 0 or (given.rate or 1) <= 0:
        parser.error("--concurrency, --requests, --size, --seconds and --rate must be above 0")
    return given


if __name__ == "__main__":
    sys.exit(main())
