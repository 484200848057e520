"""docs/performance.md, from the figures that the other benchmarks wrote.

    python benchmarks/page.py

A section whose figures are not there yet, or are of an older form, is left out.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).resolve().parent
PAGE = BENCHMARKS.parent / "docs" / "performance.md"

TITLE = """# Performance

Made by `make performance` from the JSON files in [benchmarks/](../benchmarks), which `make benchmark` and
`make quality` write; do not edit it. Seconds hold for the machine of their section and are there for scale. What counts
are ratios: those who are compared ran side by side in one run, in turn, and a figure is the median of the rounds.
"Load" is the machine's load average when the run began: 0 is an idle one.
"""

NAMES = {
    "keras_style": "keras_style",
    "keras_style_bfloat16": "keras_style, bfloat16",
    "keras_style_jit": "keras_style, XLA",
    "keras_style_without_onednn": "keras_style, oneDNN off",
    "plain_tensorflow": "plain TensorFlow, weights as variables",
    "torch_nchw": "PyTorch, NCHW",
    "torch_channels_last": "PyTorch, channels_last",
    "served": "exported, oneDNN on",
    "served_without_onednn": "exported, oneDNN off",
    "onnxruntime": "onnxruntime",
    "neural_style": "neural-style 0.5.7",
    "pystiche": "pystiche 1.0.1",
    "pymatting": "PyMatting's sparse matrix",
    "scipy": "a sparse matrix by SciPy",
}


def main() -> None:
    PAGE.write_text(page(BENCHMARKS))


def page(figures: Path) -> str:
    """The whole page, from the JSON files in this directory."""
    parts = [TITLE]
    for file, sections in SECTIONS:
        if (path := figures / file).exists():
            report = json.loads(path.read_text())
            found = [text for section in sections if (text := section(report))]
            if found:
                parts += [*found, _source(file, report)]
    return "\n".join(parts)


def step(report: dict[str, Any]) -> str:
    small, large = report["sizes"]
    rows = [
        (
            NAMES[name],
            *(
                cell
                for size in report["sizes"].values()
                for cell in (f"{size[name]['median_seconds']:.2f}", f"{size[name]['keras_style_over_this']:.2f}")
            ),
        )
        for name in report["sizes"][small]
    ]
    ours = [report["sizes"][size]["keras_style"]["median_seconds"] for size in (small, large)]
    pixels = (int(large) / int(small)) ** 2
    text = [
        "## A step\n",
        "The loss and its gradient with respect to the pixels: VGG16 to `block5_conv1`, Gram losses on five layers, a "
        "content loss.\n",
        _table(("", *(cell for size in (small, large) for cell in (f"{size} px: s", "keras_style / this"))), rows),
        f"{pixels:g} times the pixels take {ours[1] / ours[0]:.1f} times as long.",
    ]
    if "gflop" in report:
        sizes = (small, large)
        of_rate = [report["sizes"][size]["keras_style"]["share_of_matrix_product_rate"] for size in sizes]
        fewer = [report["gflop_as_computed"][size] / report["gflop"][size] for size in sizes]

        def shares(values: Iterable[float]) -> str:
            return " and ".join(f"{value:.0%} at {size} px" for value, size in zip(values, sizes, strict=True))

        rate = max(report["matrix_product_gflops"][large].values())
        text.append(
            f"Counted by layers (forward, and back to the pixels), it is {report['gflop'][large]:.0f} GFLOP at {large} "
            f"px. Large float32 matrices are multiplied at {rate:.0f} GFLOP/s, by the faster of TensorFlow and PyTorch "
            f"in the same rounds; by that count a step does {shares(of_rate)} of that rate. It can be more than all of "
            "it, since Winograd's filtering ([winograd.py](../keras_style/backbones/winograd.py)) comes to the same "
            "convolutions "
            f"by {report['gflop_as_computed'][large]:.0f} GFLOP; of these it does "
            f"{shares(a * b for a, b in zip(of_rate, fewer, strict=True))} of the rate. The rest of the time goes to "
            "memory: to tiles on their way there and back, and to activations of the first block."
        )
    return "\n".join([*text, ""])


def methods(report: dict[str, Any]) -> str:
    sizes = report["sizes"]
    rows = [
        (f"`{name}`", *(f"{size[name]['over_gatys']:.2f}" for size in sizes.values()))
        for name in next(iter(sizes.values()))
    ]
    return "\n".join(
        [
            "## A step of every method\n",
            "In units of `gatys`' step in the same run.\n",
            _table(("", *(f"{size} px" for size in sizes)), rows),
        ]
    )


def quality(report: dict[str, Any]) -> str:
    rows = []
    for stem, pair in report["pairs"].items():
        photograph, painting = stem.rsplit("-", 1)[0].split("-")
        for name, sides in pair["peers"].items():
            distances = [sides[side]["curve"][-1]["style_distance"] for side in ("its_losses", "default")]
            for against in (sides, *([sides["later"]] if "later" in sides else [])):
                peer, ours = against["peer"], against["its_losses"]
                rows.append(
                    (
                        f"{photograph}, {painting}" + (" (tuned on)" if pair["tuned_on"] else ""),
                        f"{NAMES[name]}: {peer['iteration']} iterations, {peer['seconds']:.0f} s",
                        str(peer["sum_as_low_at"]),
                        f"{sides['content_weight']:g}",
                        _reached(ours["seconds_to_both"], ours["both_over_peer"]),
                        _reached(ours["seconds_to_total"], ours["total_over_peer"]),
                        ", ".join(f"{distance:.4f}" for distance in (peer["style_distance"], *distances)),
                    )
                )
    return "\n".join(
        [
            "## Time to a peer's quality\n",
            f"{report['size']} px on the long side, all with the weights `{report['weights']}`. A peer runs with its "
            "own layers, weights, optimizer and step size, from the photograph, without total variation; its time is "
            "its iterations times its seconds per iteration, of its first ones. We minimize the peer's own losses "
            "without its deepest style layer, the content's with more weight, from the photograph in the painting's "
            "colors. That start, the weight, scales, steps and the units of L-BFGS's coordinates were tuned on a pair "
            "of their own; the length of its first step also while looking at great_wall_landscape and astronaut, the "
            "weight against neural-style once more after a look at great_wall_landscape, and its weight and steps on "
            "vangogh_the_harvest are that pair's own: under 35 its style loss is never reached. "
            "Our time counts from the start of the process, imports included, a peer's from its first iteration. "
            "The losses are seen by a float64 evaluator that shares "
            "no code with either ([peer_losses.py](../benchmarks/peer_losses.py)).\n",
            _table(
                (
                    "pair",
                    "peer",
                    "iteration at which its own sum was as low",
                    "our weight of the content",
                    "until content and style are as low",
                    "until their sum is",
                    "style distance: peer, ours, our defaults",
                ),
                rows,
            ),
            '"Not reached": not by the end of our curve. '
            "A peer's pixels leave [0, 1] while it optimizes, and are clipped into the file, so that the sum of its "
            "losses can be lower on the way than in the end. Nobody optimizes the style distance "
            "([evaluator.py](../benchmarks/evaluator.py)); lower is nearer.\n",
            "![losses by time](images/quality_curves.png)\n",
            "![pictures of both](images/quality_pairs.jpg)\n",
        ]
    )


def tiling_overhead(report: dict[str, Any]) -> str:
    if "overhead" not in report:
        return ""
    overhead = report["overhead"]
    rows = [
        (_tile(int(name) if name.isdigit() else None), f"{row['over_whole']:.2f}", f"{row['gradient_difference']:.0e}")
        for name, row in overhead["tiles"].items()
    ]
    heading = ("tiles", "time over the whole image's", "relative difference of the gradient")
    text = (
        "Of an image of noise, in float32. Tests find the same gradients in float64 up to its rounding; in "
        "float32, a pooling may take the other of two values that differ by rounding only, which is probably what the "
        "larger differences are.\n"
    )
    return "\n".join([f"## Tiles: what they cost at {overhead['size']} px\n", text, _table(heading, rows)])


def memory(report: dict[str, Any]) -> str:
    if "memory" not in report:
        return ""
    rows = [
        (
            run["method"],
            run["optimizer"],
            f"{run['size']} x {run['size']}",
            _tile(run["tile"]),
            f"{run['peak_gb']:.2f}",
            f"{run['estimated_gb']:.2f}",
        )
        for run in report["memory"]
        if "failed" not in run
    ]
    heading = ("method", "optimizer", "pixels", "tiles", "peak resident memory: GB", "estimated beforehand: GB")
    return "\n".join(
        [
            "## Memory\n",
            "Of the whole process, of which some 1.1 GB are TensorFlow and its graphs; two steps at one scale.\n",
            _table(heading, rows),
        ]
    )


def translated_memory(report: dict[str, Any]) -> str:
    rows = [
        (f"{run['size']} x {run['size']}", "the whole" if run["tile"] is None else f"{run['tile']} rows", end(run))
        for run in report.get("translation", ())
    ]
    if not rows:
        return ""
    heading = ("pixels", "strips", "peak resident memory: GB")
    return "\n".join(["## Memory of a translation\n", "The paper's generator.\n", _table(heading, rows)])


def large(report: dict[str, Any]) -> str:
    if "large" not in report:
        return ""
    run = report["large"]
    rows = [("keras_style", end(run)), *((NAMES[name], end(each)) for name, each in report.get("peers", {}).items())]
    return "\n".join(
        [
            f"## {run['size']} x {run['size']} px in {run['limit_gb']:g} GB\n",
            "Two steps of Adam, or two of a peer, in a process that may not hold more.\n",
            _table(("", "peak resident memory: GB"), rows),
        ]
    )


def end(run: dict[str, Any]) -> str:
    """What a run came to hold, or how it ended."""
    if "peak_gb" in run:
        return f"{run['peak_gb']:.2f}"
    return f"failed: {' '.join(run['last_words'])[:240]}"


def _tile(tile: int | None) -> str:
    return "the whole" if tile is None else f"{tile} x {tile}"


def matting(report: dict[str, Any]) -> str:
    rows = [
        (NAMES[name], f"{row['build_seconds']:.2f}", f"{row['step_seconds']:.2f}", f"{row['megabytes']:.0f}")
        for name, row in report["contenders"].items()
    ]
    heading = ("", "build: s", "step: s", "peak memory: MB")
    return "\n".join([f"## Matting Laplacian, {report['size']} x {report['size']} px\n", _table(heading, rows)])


def training(report: dict[str, Any]) -> str:
    sizes = report["train"]["sizes"]
    rows = [
        (NAMES[name], *(f"{size[name]['rate_over_torch_best']:.2f}" for size in sizes.values()))
        for name in report["contenders"]
    ]
    ours = {int(size): row["keras_style"]["median_seconds"] for size, row in sizes.items()}
    small, *_, large = ours
    return "\n".join(
        [
            "## A training step of CycleGAN\n",
            f"One pair of images, {report['train']['filters']} filters; speed over that of the faster PyTorch layout, "
            "so that more is better.\n",
            _table(("", *(f"{size} px" for size in sizes)), rows),
            f"{(large / small) ** 2:g} times the pixels take {ours[large] / ours[small]:.0f} times as long, with nine "
            "blocks instead of six from 256 px on.\n",
        ]
    )


def translation(report: dict[str, Any]) -> str:
    found, sizes = report["translate"], report["sizes"]
    rows = [
        (NAMES[name], f"{found[name]['rate_over_torch_best']:.2f}", f"{sizes[name]['new_over_again']:.2f}")
        for name in report["contenders"]
    ]
    heading = ("", "speed over the faster PyTorch layout", "a size not seen before, over the same again")
    return "\n".join([f"## Translation, {found['size']} px, {found['filters']} filters\n", _table(heading, rows)])


def serving(report: dict[str, Any]) -> str:
    networks = report["networks"]
    key = "speed_over_torch_channels_last"
    rows = [
        (
            NAMES[name],
            *(f"{row[name][key]:.2f}, {row[name][key + '_by_processor_time']:.2f}" for row in networks.values()),
        )
        for name in report["contenders"]
    ]
    heading = ("", *("{} blocks, {} filters".format(*name.split("/")) for name in networks))
    return "\n".join(
        [
            f"## Exported generators, {report['size']} px\n",
            "As TensorFlow Serving runs them. Speed over PyTorch, channels_last: by the clock, by processor time.\n",
            _table(heading, rows),
        ]
    )


def server(report: dict[str, Any]) -> str:
    rows = [
        (
            "{} blocks, {} filters".format(*name.removeprefix("resnet_").split("/")),
            what,
            f"{row['served_over_direct']:.2f}",
            f"{row['added_milliseconds']:.0f}",
        )
        for name, sent in report["networks"].items()
        for what, row in sent.items()
    ]
    heading = ("generator", "sent", "a request over the graph alone", "added: ms")
    return "\n".join([f"## What the embedded server adds, {report['size']} px\n", _table(heading, rows)])


def graphics_card(report: dict[str, Any]) -> str:
    steps, theirs = report["steps"], report.get("torch", {})
    names = {"float32": "float32", "tensor_float_32": "TensorFloat-32", "bfloat16": "bfloat16"}
    sizes = list(dict.fromkeys(name.split()[0] for name in steps))

    def cell(size: str, arithmetic: str) -> str:
        row, their = steps[f"{size} {arithmetic}"], theirs.get(f"{size} {arithmetic}")
        ratio = f"; {row['median_seconds'] / their['median_seconds']:.2f}" if their else ""
        return f"{1e3 * row['median_seconds']:.1f} ms, {row['peak_gb']:.1f} GB{ratio}"

    rows = [(title, *(cell(size, name) for size in sizes)) for name, title in names.items()]
    errors = ", ".join(
        f"{report['agreement'][name]['total']:.0e} and {report['agreement'][name]['gradient']:.0e} in {title}"
        for name, title in names.items()
    )
    compiled = ", ".join(
        f"{row['median_seconds'] / steps[name.removesuffix(' xla')]['median_seconds']:.2f} of the time in "
        f"{names[name.split()[1]]} ({row['first_seconds']:.0f} s to compile)"
        for name, row in steps.items()
        if name.endswith(" xla")
    )
    return "\n".join(
        [
            "## A step on a GPU\n",
            "The step above: time, the card's memory at its peak, and, where PyTorch (channels_last) took it on the "
            "same card, keras_style / PyTorch.\n",
            _table(("", *(f"{size} px" for size in sizes)), rows),
            f"Relative errors of the loss and of its gradient at 256 px, against float64 on the processor: {errors}. "
            f"Compiled by XLA, a step takes {compiled}.\n",
        ]
    )


SECTIONS: Sequence[tuple[str, Sequence[Callable[[dict[str, Any]], str]]]] = (
    ("step.json", (step,)),
    ("methods.json", (methods,)),
    ("quality.json", (quality,)),
    ("tiling.json", (memory, large, translated_memory, tiling_overhead)),
    ("matting.json", (matting,)),
    ("cyclegan.json", (training, translation)),
    ("serving.json", (serving,)),
    ("server.json", (server,)),
    ("gpu.json", (graphics_card,)),
)


def _reached(seconds: float | None, ratio: float | None) -> str:
    return "not reached" if seconds is None else f"{seconds:.0f} s: {ratio:.3f} of the peer's time"


def _source(file: str, report: dict[str, Any]) -> str:
    said = [report["processor"]]
    if "cores" in report:
        said.append(f"{report['cores']} cores")
    if "rounds" in report:
        said.append(f"{report['rounds']} rounds")
    if "load_before" in report:
        said.append(f"load {report['load_before']:g}")
    return f"[{file}](../benchmarks/{file}): {', '.join(said)}.\n"


def _table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heading = list(heading)
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


if __name__ == "__main__":
    main()
