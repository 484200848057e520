"""What a painter is taught by: photographs, an objective, and a lesson from its first step to its last."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_style import backbones, checks, images
from keras_style.backbones.backbone import Backbone
from keras_style.checks import Verbosity
from keras_style.errors import DivergenceError, InputError
from keras_style.images import ImageLike, folders
from keras_style.internal.digests import array_digest
from keras_style.internal.paths import user_path
from keras_style.internal.tensorflow import keras, tf
from keras_style.models.transformation import MULTIPLE
from keras_style.optimize.checkpoint import State
from keras_style.optimize.gradient_descent import descend
from keras_style.optimize.image_optimizer import History, Minimum
from keras_style.optimize.iterate import Iterate, OnIterate
from keras_style.optimize.objective import Objective
from keras_style.optimize.schedule import Stage
from keras_style.painting import methods
from keras_style.painting.methods.blend import Blend
from keras_style.painting.methods.method import times
from keras_style.painting.methods.painter_lesson import LESSON, PAINTER
from keras_style.painting.painters import sketches
from keras_style.painting.painters.brush import brushed
from keras_style.painting.painters.knowledge import Knowledge
from keras_style.painting.painters.lesson import Lesson
from keras_style.painting.result import TransferResult
from keras_style.painting.session import Session

PHOTOGRAPHS = Path(__file__).parents[2] / "photographs"  # those of the package
BACKBONE = "vgg16_imagenet"
LEAST = 64  # pixels of each side of a painting or a photograph; ours
FLAT = 2 / 255  # a standard deviation below which there is nothing to learn from
MOST = 1000  # photographs in memory

# Ours, by the style loss of other photographs than those that are taught on, and by eye.
STEPS_OF_SEVERAL = 400
LEARNING_RATE, LAST_RATE, BETA_2 = 0.1, 0.1, 0.99  # the rate falls to this share of it, by a cosine
PAINTING = 2.0  # long side of the painting as a multiple of the photographs': strokes for pictures of that size
CROP = 0.75  # side of the squares of several photographs, likewise
BLENDED = 3  # known styles with which a lesson begins, at most
_WINDOW, _GAIN = 12, 2e-3  # steps of a single photograph; the share of the loss to be gained in them
_ROUNDS, _GAIN_OF_SEVERAL = 4, 0.0  # rounds of several, likewise: the falling rate gains 2 % at the end

OTHERS = 0.5  # of the style weights of other methods, which add up to twice those of the Gram losses
_SHARED = ("content_layers", "content_weight", "tv_weight")


@dataclass(frozen=True, eq=False)
class Taught:
    """What came of a lesson.

    Attributes:
        row: (N,).
        sketch: (M,), of the pictures that it paints.
        result: the first photograph, painted, with the history.
        how: for the card: how it was taught.
    """

    row: np.ndarray
    sketch: np.ndarray
    result: TransferResult
    how: dict[str, Any]


def lesson(
    painter: Knowledge,
    painting: ImageLike,
    photographs: Any,
    method: Any,
    steps: int | None,
    size: int,
    seed: int,
    verbose: Verbosity,
    callbacks: Sequence[OnIterate],
    checkpoint: str | Path | None,
    checkpoint_every: int,
) -> Taught:
    """Teach a painting; the arguments are those of `Painter.teach`, the painter stays as it is."""
    session = Session(callbacks=callbacks, checkpoint=checkpoint, checkpoint_every=checkpoint_every, verbose=verbose)
    size = checks.whole("size", size, LEAST, 4096)
    seed = checks.whole("seed", seed, 0, 2**32 - 1)
    if steps is not None:
        steps = checks.whole("steps", steps, 1, 10**6)
    objective = objective_of(method)
    style = loaded("painting", painting, round(size * PAINTING))
    pictures = squares(photographs, size, seed)
    how = {
        "method": method
        if isinstance(method, str)
        else "an objective"
        if isinstance(method, Objective)
        else {**method},
        "photographs": len(pictures),
        "size": size,
        "steps": steps or (LESSON.steps if len(pictures) == 1 else STEPS_OF_SEVERAL),
        "seed": seed,
    }
    return taught(painter, style, pictures, objective, backbones.get(BACKBONE), how, session)


def objective_of(method: str | Mapping[str, float] | Objective) -> Objective:
    """What teaching minimizes: an objective as it is, or that of a method with the numbers of teaching."""
    return method if isinstance(method, Objective) else Objective(recipe(method).terms())


def row_to_begin_with(painter: Knowledge, painting: np.ndarray) -> np.ndarray:
    """The row (N,) of the known styles whose blend is nearest to the painting, by their sketches."""
    if not painter.sketches.any():
        return unsketched_row(painter)
    weights = sketches.nearest_blend(painter.sketches, sketches.sketch(painting), BLENDED)
    return np.asarray(weights @ painter.rows, np.float32)


def unsketched_row(painter: Knowledge) -> np.ndarray:
    """The row (N,) to begin with where no sketch is known: the mean of those that are not zero, or a plain one."""
    learned = painter.rows[painter.rows.any(1)]
    return np.asarray(learned.mean(0), np.float32) if len(learned) else _plain(painter.network)


def recipe(method: str | Mapping[str, float]) -> Blend:
    """A method, or several, with the numbers of teaching."""
    shared = {name: getattr(LESSON, name) for name in _SHARED}
    parts = [
        (
            each,
            LESSON
            if each.name in ("gatys", PAINTER.name)
            else replace(variant, style_weight=times(variant.style_weight, OTHERS), **shared),
            share,
        )
        for each, variant, share in methods.blend(method, "default").parts
    ]
    return Blend(tuple(parts))


def loaded(name: str, picture: ImageLike, long_side: int) -> np.ndarray:
    """A painting or photograph to teach with, no larger than it is.

    Raises:
        MissingFileError, InputError: it cannot be read, is too small, or of one color.
    """
    whole = images.load(picture, name=name)
    check_picture(name, whole)
    height, width = whole.shape[:2]
    fitted = images.fit(whole, min(long_side, max(height, width)))
    if min(fitted.shape[:2]) < images.MIN_SIDE:
        raise InputError(
            f"{name}: at {long_side} pixels it is {fitted.shape[1]} x {fitted.shape[0]}; expected sides of at least "
            f"{images.MIN_SIDE}: use a larger size"
        )
    return fitted


def check_picture(name: str, picture: np.ndarray) -> None:
    """Refuse a painting or photograph (H, W, 3) from which nothing can be learned.

    Raises:
        InputError: it is too small, or of one color.
    """
    height, width = picture.shape[:2]
    if min(height, width) < LEAST:
        raise InputError(f"{name}: it is {width} x {height} pixels; expected at least {LEAST} on each side to teach")
    if picture.std(axis=(0, 1)).max() < FLAT:
        raise InputError(f"{name}: it is of one color throughout; expected a picture with something to learn from")


def squares(photographs: Any, size: int, seed: int) -> list[np.ndarray]:
    """The photographs to teach on: a single one as a whole, of several a square each, all of one size.

    Raises:
        MissingFileError, InputError: there is none, or one is not as expected.
    """
    sources = _sources(photographs)
    if len(sources) > MOST:
        raise InputError(f"photographs: {len(sources):,} of them; expected at most {MOST}: `fit` takes any number")
    if len(sources) == 1:
        return [cut(loaded("photographs", sources[0], size))]
    side = max(images.MIN_SIDE, round(size * CROP) // MULTIPLE * MULTIPLE)
    found = []
    for number, source in enumerate(sources):
        picture = loaded(f"photographs[{number}]", source, 10**6)
        height, width = picture.shape[:2]
        scale = side / min(height, width)
        picture = images.resize(picture, max(side, round(height * scale)), max(side, round(width * scale)))
        random = np.random.default_rng((seed, number))
        top, left = (int(random.integers(each - side + 1)) for each in picture.shape[:2])
        found.append(picture[top : top + side, left : left + side])
    return found


def _sources(photographs: Any) -> list[Any]:
    if photographs is None:
        photographs = PHOTOGRAPHS
    if isinstance(photographs, list | tuple):
        if not photographs:
            raise InputError("photographs is an empty list; expected at least one")
        return list(photographs)
    if isinstance(photographs, str | os.PathLike) and (folder := user_path(photographs)).is_dir():
        return list(folders.pictures_in(folder, recursive=True, name="photographs"))
    return [photographs]


def cut(picture: np.ndarray) -> np.ndarray:
    """A picture less the rows and columns beyond a multiple of four."""
    height, width = (side // MULTIPLE * MULTIPLE for side in picture.shape[:2])
    return picture[:height, :width]


def taught(
    painter: Knowledge,
    painting: np.ndarray,
    photographs: list[np.ndarray],
    objective: Objective,
    backbone: Backbone,
    how: dict[str, Any],
    session: Session,
) -> Taught:
    """The lesson itself: pictures as arrays, an objective, and `how` with the steps and the seed."""
    steps, seed = how["steps"], how["seed"]
    height, width, _ = photographs[0].shape
    course = Course(painter, [painting], [1.0], photographs, objective, backbone, steps, seed)
    digests = {
        "painting": array_digest(painting),
        "photographs": array_digest(*photographs),
        "painter": painter.base,
        "rows": array_digest(painter.rows),
    }
    settings = {
        **how,
        "objective": [[repr(term.loss.get_config()), term.layer, term.weight] for term in objective.terms],
    }
    stages = [Stage(height, width, steps)]
    result = session.run(stages, lambda: course, settings, digests, lambda row: course.preview(row))
    done = {**how, "steps": result.steps}
    seen = [photographs[0]] if len(photographs) == 1 else photographs[:3]
    sketch = np.mean([sketches.sketch(brushed(painter.network, each, course.row)) for each in seen], axis=0)
    return Taught(course.row, sketch, replace(result, settings=done), {"taught": done})


@dataclass(eq=False)
class Course:
    """A run of a lesson, as `Session` runs it: its image is the row (1, N).

    Attributes:
        painter: whose styles it may begin with; it stays as it is.
        paintings: (H', W', 3) each; of several, a blend is learned.
        blend: the weight of each.
        photographs: (H, W, 3) each, of one size, a multiple of four.
        objective: what is minimized.
        backbone: whose features are compared.
        steps: at most.
        seed: of the order of the photographs.
        row: (N,), what was found.
    """

    painter: Knowledge
    paintings: Sequence[np.ndarray]
    blend: Sequence[float]
    photographs: list[np.ndarray]
    objective: Objective
    backbone: Backbone
    steps: int
    seed: int
    row: np.ndarray = field(init=False)

    def preview(self, row: np.ndarray) -> np.ndarray:
        """The first photograph as a row (1, N) paints it."""
        return brushed(self.painter.network, self.photographs[0], row.reshape(-1))

    def run(
        self, on_iterate: OnIterate, state: State | None, save: Callable[[State], None], save_every: int
    ) -> Minimum:
        history: History = {name: list(values) for name, values in state.history.items()} if state else {}
        lesson = Lesson(
            self.painter.network,
            self.backbone,
            self.objective,
            self.paintings,
            self.blend,
            self.photographs,
            self.seed,
        )
        stopped = False

        def follow(iterate: Iterate) -> bool:
            nonlocal stopped
            if not np.isfinite(iterate.loss):
                raise DivergenceError(f"the loss is not finite at step {iterate.step}; try another method or painting")
            for name, value in {"loss": iterate.loss, **iterate.losses}.items():
                history.setdefault(name, []).append(value)
            read = iterate.read_image
            stopped = on_iterate(replace(iterate, scale=max(self.photographs[0].shape))) is True
            ended = stopped or self.nothing_gained(history["loss"])
            if ended or iterate.step % save_every == 0 or iterate.step == self.steps:
                so_far = {name: list(values) for name, values in history.items()}
                save(State(0, iterate.step, read(), iterate.read_state(), so_far))
            return ended

        row = self.start(lesson)[None] if state is None else state.image
        if state is None or (state.step < self.steps and not self.nothing_gained(history["loss"])):
            rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, self.steps, LAST_RATE)
            optimizer = keras.optimizers.Adam(rate, beta_2=BETA_2)
            resume = None if state is None else (state.step, state.optimizer)
            row = descend(optimizer, lesson.evaluate, row, self.steps, follow, resume, bounded=False)
        self.row = row[0]
        return Minimum(row, history, stopped)

    def nothing_gained(self, losses: list[float]) -> bool:
        """Whether the last steps, in which every photograph had its turn, were hardly better than those before."""
        number = len(self.photographs)
        window, gain = (_WINDOW, _GAIN) if number == 1 else (_ROUNDS * number, _GAIN_OF_SEVERAL)
        # The photographs differ by more than a round gains, so that only whole rounds are compared.
        if len(losses) < 4 * window or len(losses) % number:
            return False
        before, now = np.mean(losses[-2 * window : -window]), np.mean(losses[-window:])
        return bool(before - now <= gain * before)

    def start(self, lesson: Lesson) -> np.ndarray:
        """The row to begin with: the blend of known styles that is nearest to the painting, if there are any."""
        rows, known = self.painter.rows, self.painter.sketches
        if not known.any():
            return unsketched_row(self.painter)
        wanted = np.tensordot(self.blend, [sketches.sketch(each) for each in self.paintings], 1)
        nearest = np.flatnonzero(known.any(1))[sketches.apart(known[known.any(1)], wanted).argmin()]
        candidates = [sketches.nearest_blend(known, wanted, BLENDED), np.eye(len(rows))[nearest]]
        found = [np.asarray(weights @ rows, np.float32) for weights in candidates]
        # The picture of a blend is not the blend of the pictures: both are looked at.
        return min(found, key=lambda row: float(sum(lesson.evaluate(tf.constant(row[None]), 1)[0].values())))


def _plain(network: Any) -> np.ndarray:
    """Of a painter without styles: normalizations that leave what they get."""
    row = np.zeros(network.inputs[1].shape[1], np.float32)
    for layer in network.layers:
        if hasattr(layer, "start"):
            row[layer.start : layer.start + layer.output.shape[-1]] = 1
    return row
