"""Time until a picture is as good as a peer's, in the eyes of a judge that shares no code with either.

    make quality

Four parts, each of which keeps what it has finished:

    python benchmarks/quality.py paint --peer BIN      the peers paint every pair: 10 to 60 minutes a picture
    python benchmarks/quality.py judge                 their losses by iteration -> benchmarks/quality_peers.json
    python benchmarks/quality.py measure --peer BIN    everyone's clock, side by side -> benchmarks/quality.json
    python benchmarks/quality.py show                  curves and pictures -> docs/images/quality_*

BIN is the bin directory of an environment with the peers (`make .venv/peer/.installed`). A peer's losses by iteration
do not depend on the machine, so they are recorded once and committed; its seconds per iteration are measured beside our
own run, before it and after it, over a few of its first iterations, which are its cheapest: the history of L-BFGS is
still short. Our seconds count from the start of the process, imports included; a peer's do not.

We run twice in each race: with the peer's own losses (time to quality), and with our defaults, whose losses are others.
Of the peer's losses we weigh the content's more than it does: a peer's pixels leave [0, 1] and are clipped in the end,
which costs it more of the style than of the content, so that under its own weights pixels that stay within come to less
of the one and more of the other. That weight, scales and steps are tuned on a pair that is not raced (`--tuning` races
it, too), but for INSTEAD. The judge is benchmarks/peer_losses.py, in float64, and `style_distance` of
benchmarks/evaluator.py, which nobody optimizes; it sees what a file holds, 8 bits a channel.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import peers
import plot
from evaluator import style_distance
from PIL import Image, ImageDraw, ImageFont
from workers import processor

from keras_style import Stylizer, images
from keras_style.backbones import weights

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "outputs" / "quality"
CURVES = ROOT / "benchmarks" / "quality_peers.json"
PICTURES = ROOT / "benchmarks" / "quality_peers"
REPORT = ROOT / "benchmarks" / "quality.json"

SIZE = 512
ITERATIONS = 300
EVERY = 10  # iterations of a peer between two looks
LATER = 50  # those after the first ITERATIONS
LOOK = 2  # steps of ours
ROUND = 8  # iterations of a peer that are timed at a time
TUNING = (("red_panda.jpg", "vangogh_night_cafe.png"),)
JUDGEMENT = (
    ("great_wall_landscape.jpg", "vangogh_church_at_auvers.webp"),
    ("neuschwanstein_castle.jpg", "vangogh_the_harvest.webp"),
    ("astronaut.png", "vangogh_cafe_terrace_at_night.png"),
    ("neuschwanstein_castle.jpg", "vangogh_cafe_terrace_at_night.png"),
)
LONG = {("pystiche", "astronaut.png"): 1000}  # iterations of the peer that goes on, to see what more of them bring
# Without the deepest of the peers' style layers, which is less than 0.5 % of their style loss and a tenth of a step.
STYLE_LAYERS = [f"block{number}_conv1" for number in (1, 2, 3, 4)]
OURS = {"variant": "reference", "scales": 1, "init": "recolored", "style_layers": STYLE_LAYERS}
OBJECTIVES: dict[str, dict[str, Any]] = {
    # `gatys` with the numbers of Gatys's notebook is pystiche's objective, and up to two weights neural-style's.
    "neural_style": {**OURS, "content_weight": 35.0, "style_weight": 100.0, "steps": 60},
    "pystiche": {**OURS, "content_weight": 30.0, "style_weight": 1000.0, "steps": 60},
    "default": {},
}
# Of a peer and a painting. This peer loses nothing to clipping there: under 35 we never come to as low a style loss.
# The numbers were found on this very pair.
INSTEAD: dict[tuple[str, str], dict[str, Any]] = {
    ("neural_style", "vangogh_the_harvest"): {"content_weight": 9.0, "steps": 100}
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("paint", "judge", "measure", "show", "ours"), metavar="PART")
    parser.add_argument("--peer", type=Path, help="bin directory of an environment with the peers")
    parser.add_argument("--only", choices=peers.PEERS, help="one peer instead of all")
    parser.add_argument("--tuning", action="store_true", help="the pairs for tuning instead of those for judgement")
    for name in ("--objective", "--stem", "--started"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part == "ours":
        paint_ours(given.stem, given.objective, float(given.started))
        return
    if given.part in ("paint", "measure") and given.peer is None:
        parser.error(f"{given.part} needs --peer")
    WORK.mkdir(parents=True, exist_ok=True)
    names = (given.only,) if given.only else peers.PEERS
    pairs = TUNING if given.tuning else JUDGEMENT
    if given.part == "paint":
        for pair in pairs:
            for name in names:
                paint(name, *pair, given.peer)
    elif given.part == "judge":
        for pair in pairs:
            for name in names:
                judge_peer(name, *pair)
    elif given.part == "measure":
        measure(names, pairs, given.peer)
    else:
        show(pairs)


# The peers' curves


def paint(name: str, content: str, style: str, bin: Path) -> None:
    """A picture of a peer, and those on the way to it; none again that is there, or whose curve is recorded."""
    stem = prepare(content, style)
    output = WORK / f"{stem}-{name}.png"
    curve = _recorded()["curves"].get(name, {}).get(stem)
    iterations = LONG.get((name, content), ITERATIONS)
    if output.exists() or (curve and curve[-1]["iteration"] == iterations):
        return
    print(output.name, flush=True)
    for iteration, _ in enumerate(peers.run(_command(name, content, style, bin, iterations, EVERY)), start=1):
        print(f"\r{iteration} of {iterations}", end="", flush=True)
    print()


def judge_peer(name: str, content: str, style: str) -> None:
    """Add what the pictures there show to the recorded curve; a run that was cut short gives a shorter one."""
    stem = prepare(content, style)
    found = {int(path.stem.rpartition("_")[2]): path for path in WORK.glob(f"{stem}-{name}_*.png")}
    found = {iteration: path for iteration, path in found.items() if iteration <= ITERATIONS or iteration % LATER == 0}
    if (last := WORK / f"{stem}-{name}.png").exists():
        found[LONG.get((name, content), ITERATIONS)] = last
    recorded = _recorded()
    curve = {point["iteration"]: point for point in recorded["curves"].get(name, {}).get(stem, [])}
    missing = sorted(found.keys() - curve.keys())
    if not missing:
        return
    judge = Judge(name, stem)
    for iteration in missing:
        curve[iteration] = {"iteration": iteration, **judge(images.load(found[iteration]))}
        print(name, stem, curve[iteration], flush=True)
    recorded["curves"].setdefault(name, {})[stem] = [curve[iteration] for iteration in sorted(curve)]
    CURVES.write_text(json.dumps(recorded, indent=1) + "\n")
    PICTURES.mkdir(exist_ok=True)
    last = max(iteration for iteration in found if iteration <= ITERATIONS)
    images.save(images.load(found[last]), PICTURES / f"{stem}-{name}.jpg", quality=92)


class Judge:
    """Sees a picture of a pair as a peer defines its losses, and the style as nobody does."""

    def __init__(self, name: str, stem: str):
        import peer_losses  # PyTorch: our own run does without

        self.photograph, self.painting = (images.load(WORK / f"{stem}-{each}.png") for each in ("content", "style"))
        self.losses = peer_losses.Judge(name, self.photograph, self.painting)

    def __call__(self, picture: np.ndarray) -> dict[str, float]:
        full = images.resize(picture, *self.photograph.shape[:2])
        seen = {**self.losses(full), "style_distance": style_distance(full, self.painting)}
        return {measure: float(f"{value:.5g}") for measure, value in seen.items()}


# The race


def measure(names: Sequence[str], pairs: Sequence[tuple[str, str]], bin: Path) -> None:
    """Seconds of everyone, in turn; what each pair gave is written when it is done."""
    recorded = _recorded()["curves"]
    report = json.loads(REPORT.read_text()) if REPORT.exists() else {}
    report |= {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "size": SIZE,
        "weights": weights.INSTALLED,
    }
    for pair in pairs:
        stem = prepare(*pair)
        racing = [name for name in names if stem in recorded.get(name, {})]
        load = round(os.getloadavg()[0], 2)
        commands = {name: _command(name, *pair, bin, ROUND) for name in racing}
        seconds = {name: [peers.seconds_per_iteration(command)] for name, command in commands.items()}
        clocks = {}
        for objective in (*racing, "default"):
            clocks[objective] = race(stem, objective)
            for name, command in commands.items():
                seconds[name].append(peers.seconds_per_iteration(command))
        before = report.get("pairs", {}).get(stem, {}).get("peers", {})  # with --only, the other peers' figures stay
        row: dict[str, Any] = {"load_before": load, "tuned_on": pair in TUNING, "peers": before}
        for name in racing:
            pace = round(float(np.median(seconds[name])), 3)
            theirs, later = (reached(recorded[name][stem], at, pace) for at in (ITERATIONS, LONG.get((name, pair[0]))))
            judge = Judge(name, stem)
            looks = {name: clocks[name], "default": clocks["default"][-1:]}
            ours = {objective: seen(judge, stem, objective, clock) for objective, clock in looks.items()}
            side: dict[str, Any] = {
                "peer": theirs,
                "content_weight": numbers_of(stem, name)["content_weight"],
                "its_losses": summary(ours[name], theirs),
                "default": summary(ours["default"], theirs),
            }
            if later:
                side["later"] = {"peer": later, "its_losses": {**summary(ours[name], later), "curve": []}}
            row["peers"][name] = side
            print(json.dumps({stem: side}), flush=True)
        report.setdefault("pairs", {})[stem] = row
        report["load_before"] = max(each["load_before"] for each in report["pairs"].values())
        REPORT.write_text(json.dumps(report, indent=1) + "\n")


def race(stem: str, objective: str) -> list[dict[str, float]]:
    """Our run in a process of its own: seconds since its start, and the step, of every picture that was kept."""
    command = [sys.executable, __file__, "ours", "--stem", stem, "--objective", objective, "--started"]
    subprocess.run([*command, str(time.time())], check=True)
    return json.loads((WORK / f"{stem}-ours-{objective}.json").read_text())


def paint_ours(stem: str, objective: str, started: float) -> None:
    """Our picture, and those on the way to it; they are written when the clock has stopped."""
    photograph = images.load(WORK / f"{stem}-content.png")
    kept = []

    def look(iterate) -> None:
        if iterate.step % LOOK == 0 or iterate.step == iterate.steps:
            kept.append((time.time() - started, iterate.step, iterate.scale, iterate.image))

    numbers = numbers_of(stem, objective)
    stylizer = Stylizer(size=max(photograph.shape[:2]), backbone="vgg16_imagenet", **numbers)
    stylizer(photograph, WORK / f"{stem}-style.png", callbacks=[look], verbose=0)
    clock = []
    for seconds, step, scale, picture in kept:
        images.save(picture, WORK / f"{stem}-ours-{objective}_{step}.png")
        clock.append({"seconds": round(seconds, 2), "step": step, "scale": scale})
    (WORK / f"{stem}-ours-{objective}.json").write_text(json.dumps(clock))


def numbers_of(stem: str, objective: str) -> dict[str, Any]:
    """Of our run: what a `Stylizer` is given."""
    instead = [numbers for (peer, style), numbers in INSTEAD.items() if peer == objective and f"-{style}-" in stem]
    return {**OBJECTIVES[objective], **(instead[0] if instead else {})}


def seen(judge: Judge, stem: str, objective: str, clock: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{**at, **judge(images.load(WORK / f"{stem}-ours-{objective}_{at['step']}.png"))} for at in clock]


def summary(curve: list[dict[str, float]], theirs: dict[str, float]) -> dict[str, Any]:
    """When both losses were the peer's or less; None if they never were.

    The losses of a coarse scale count as seen at full size, where they are those of a blurred picture.
    """

    def when(reached) -> float | None:
        return next((point["seconds"] for point in curve if reached(point)), None)

    both = when(lambda point: point["content"] <= theirs["content"] and point["style"] <= theirs["style"])
    goal = theirs["content"] + theirs["style"]
    total = when(lambda point: point["content"] + point["style"] <= goal)
    return {
        "seconds_to_both": both,
        "both_over_peer": both and round(both / theirs["seconds"], 4),
        "seconds_to_total": total,
        "total_over_peer": total and round(total / theirs["seconds"], 4),
        "curve": curve,
    }


def reached(curve: list[dict[str, float]], iterations: int | None, pace: float) -> dict[str, float]:
    """Where a peer's recorded curve stood after so many iterations of `pace` seconds; nothing if there were none.

    "sum_as_low_at" is the first iteration at which its own sum of losses was as low, or lower. Long before, it may be:
    pixels leave [0, 1] while a peer optimizes, and are clipped into the file.
    """
    if iterations is None:
        return {}
    goal = [point for point in curve if point["iteration"] <= iterations][-1]
    total = goal["content"] + goal["style"]
    as_low = next(point["iteration"] for point in curve if point["content"] + point["style"] <= total)
    seconds = round(pace * goal["iteration"], 1)
    return {"seconds_per_iteration": pace, **goal, "seconds": seconds, "sum_as_low_at": as_low}


# What there is to see


def show(pairs: Sequence[tuple[str, str]]) -> None:
    """The curves of each pair and peer by time, and the pictures that came out of them."""
    measured, recorded = json.loads(REPORT.read_text())["pairs"], _recorded()["curves"]
    panels, strips = [], []
    for pair in pairs:
        stem = prepare(*pair)
        if stem not in measured:
            continue
        sides = measured[stem]["peers"]
        for name, side in sides.items():
            pace = side["peer"]["seconds_per_iteration"]
            shown = [point for point in recorded[name][stem] if point["iteration"] <= ITERATIONS]
            theirs = [{**point, "seconds": pace * point["iteration"]} for point in shown]
            curves = {name: theirs, "keras_style": side["its_losses"]["curve"]}
            panels.append(
                {
                    f"{measure}: {Path(pair[0]).stem}": {
                        each: [(point["seconds"], point[measure]) for point in curve] for each, curve in curves.items()
                    }
                    for measure in ("content", "style", "style_distance")
                }
            )
        cells = [(WORK / f"{stem}-content.png", "photograph"), (WORK / f"{stem}-style.png", "painting")]
        for name, side in sides.items():
            last = side["its_losses"]["curve"][-1]
            cells += [
                (PICTURES / f"{stem}-{name}.jpg", f"{name}: {side['peer']['seconds']:.0f} s"),
                (WORK / f"{stem}-ours-{name}_{last['step']}.png", f"keras_style, its losses: {last['seconds']:.0f} s"),
            ]
        last = side["default"]["curve"][-1]
        cells.append(
            (WORK / f"{stem}-ours-default_{last['step']}.png", f"keras_style, default: {last['seconds']:.0f} s")
        )
        strips.append(_strip(cells))
    plot.grid(panels, "seconds").save(ROOT / "docs" / "images" / "quality_curves.png")
    sheet = Image.new("RGB", (max(strip.width for strip in strips), sum(strip.height for strip in strips)), "white")
    top = 0
    for strip in strips:
        sheet.paste(strip, (0, top))
        top += strip.height
    sheet.save(ROOT / "docs" / "images" / "quality_pairs.jpg", quality=88, subsampling=0)


def _strip(cells: Sequence[tuple[Path, str]], side: int = 340) -> Image.Image:
    """Pictures in rows of four, each with what it is above it."""
    pictures = [Image.open(path).convert("RGB") for path, _ in cells]
    for picture in pictures:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    height = max(picture.height for picture in pictures) + 24
    strip = Image.new("RGB", (4 * (side + 8), -(-len(cells) // 4) * height), "white")
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(14)
    for number, (picture, (_, label)) in enumerate(zip(pictures, cells, strict=True)):
        left, top = number % 4 * (side + 8), number // 4 * height
        strip.paste(picture, (left, top + 20))
        draw.text((left + 2, top + 2), label, "black", font=font)
    return strip


# Files


def prepare(content: str, style: str) -> str:
    """The files that everyone gets, photograph and painting of one long side; how their names begin."""
    stem = f"{Path(content).stem}-{Path(style).stem}-{SIZE}"
    for kind, name in (("content", content), ("style", style)):
        path = WORK / f"{stem}-{kind}.png"
        if not path.exists():
            images.save(images.fit(images.load(ROOT / "examples" / kind / name), SIZE), path)
    return stem


def _recorded() -> dict[str, Any]:
    return json.loads(CURVES.read_text()) if CURVES.exists() else {"size": SIZE, "curves": {}}


def _command(name: str, content: str, style: str, bin: Path, iterations: int, every: int = 0) -> list[str]:
    model = WORK / "vgg16_imagenet.pth"
    if not model.exists():
        peers.convert(bin, model)
    stem = prepare(content, style)
    output = WORK / (f"{stem}-{name}.png" if every else "timed.png")
    files = (WORK / f"{stem}-content.png", WORK / f"{stem}-style.png")
    return peers.command(name, bin, model, *files, output, SIZE, iterations, every)


if __name__ == "__main__":
    main()
