"""A painter: one network, and a row of numbers for each style that it knows."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from keras_style import checks
from keras_style.checks import Verbosity
from keras_style.errors import InputError
from keras_style.images import ImageLike
from keras_style.internal import environment
from keras_style.internal.digests import array_digest
from keras_style.internal.tensorflow import keras
from keras_style.models.loading import keras_file, presets
from keras_style.models.painter_network import MINIMUM, numbers, painter_network
from keras_style.models.transformation import MULTIPLE
from keras_style.optimize.iterate import OnIterate
from keras_style.optimize.objective import Objective
from keras_style.painting.painters import sketches, style_file
from keras_style.painting.painters.knowledge import Knowledge
from keras_style.painting.painters.names import FILE, LINE, card_of, new_name, styles_of
from keras_style.painting.painters.style_table import StyleTable
from keras_style.painting.painters.trained import Trained
from keras_style.painting.result import TransferResult
from keras_style.painting.session import CHECKPOINT_EVERY


@keras.saving.register_keras_serializable("keras_style")
class Painter(Trained):
    """A network that paints any photograph in any of its styles, at any size, and learns new ones in half a minute.

    All styles share the network's convolutions. A style is a row of numbers, the gammas and betas of the network's
    normalizations: 990 of them with the sizes of the default. So it is learned by optimizing 990 numbers, kept in four
    kilobytes, and blended with others.

    Args:
        styles: what it knows, {name: a line about it, or a card with a "line"}, or names; rows are zero until they are
            loaded or taught.
        filters: of the first three convolutions; the residual blocks have as many as the third.
        blocks: how many residual blocks.
        expand: filters after each of the two enlargements.
        seed: of the kernels' start; None takes Keras's global seed.
        name: of the model.
        dtype: a Keras dtype policy or its name; None takes the global one.

    Call arguments: `inputs`: images (B, H, W, 3) in [0, 1], H and W multiples of 4 and at least 16, and style weights
        (B, S), how much of each style.

    Returns:
        Images of the same shape in [0, 1].

    Raises:
        InputError: an argument is not as above.

    Example:
        >>> painter = keras_style.models.Painter.from_preset("painters")
        >>> painter.paint("photo.jpg", "great_wave", size=512).save("out.png")
        >>> painter.teach("painting.png", "mine", "photo.jpg")
        >>> painter.paint("photo.jpg", ["mine", "great_wave"], style_blend=[2, 1], size=512).save("out.png")

    Reference: Dumoulin et al., "A Learned Representation for Artistic Style", ICLR 2017.
    """

    def __init__(
        self,
        styles: Mapping[str, Any] | Sequence[str] = (),
        filters: Sequence[int] = (32, 32, 32),
        blocks: int = 6,
        expand: Sequence[int] = (8, 4),
        seed: int | None = None,
        name: str = "painter",
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        self_cards = styles_of(styles)
        filters, expand = _widths("filters", filters, 3), _widths("expand", expand, 2)
        blocks = checks.whole("blocks", blocks, 0, 1000)
        policy = keras.dtype_policies.get(dtype)
        super().__init__(name=name, dtype=policy, **kwargs)
        self.filters, self.blocks, self.expand, self.seed = filters, blocks, expand, seed
        self.network = painter_network(filters, blocks, expand, seed, policy)
        self.table = StyleTable(len(self_cards), numbers(filters, blocks, expand), sketches.SIZE, name="styles")
        self._cards = self_cards
        self.paintings = {}
        self.built = True

    # What it knows

    @property
    def styles(self) -> dict[str, str]:
        """The styles in their order, {name: a line about it}."""
        return {name: card[LINE] for name, card in self._cards.items()}

    def card(self, style: str) -> dict[str, Any]:
        """All that is known about a style, as JSON values: its line, and where there is more: painter, source ..."""
        return dict(self._cards[self._known(style)])

    @property
    def multiple(self) -> int:
        """Number of pixels that H and W must be multiples of, where the network is called itself."""
        return MULTIPLE

    @property
    def minimum(self) -> int:
        """The smallest H and W there, in pixels."""
        return MINIMUM

    @property
    def base(self) -> str:
        """Digest of the weights that all styles share; a row fits no others."""
        return array_digest(*(variable.numpy() for variable in self.network.weights))

    def row(self, style: str | Sequence[str], style_blend: Sequence[float] | None = None) -> np.ndarray:
        """The row (N,) of a style, or of several, blended.

        Raises:
            InputError: an unknown style, or weights that do not fit.
        """
        return np.asarray(self.style_weights(style, style_blend) @ self.table.rows.numpy(), np.float32)

    def style_weights(self, style: str | Sequence[str], style_blend: Sequence[float] | None = None) -> np.ndarray:
        """How much of each style, (S,), in their order: what an exported painter takes.

        Raises:
            InputError: an unknown style, or weights that do not fit.
        """
        names = [style] if isinstance(style, str) else style
        if not isinstance(names, list | tuple) or not names:
            raise InputError(f"style is {checks.shown(style)}; expected a name, or a list of names")
        places = [list(self._cards).index(self._known(name)) for name in names]
        weights = np.zeros(len(self._cards), np.float32)
        np.add.at(weights, places, checks.shares("style_blend", style_blend, len(names)))
        return weights

    def _known(self, style: Any) -> str:
        if not isinstance(style, str) or style not in self._cards:
            known = ", ".join(self._cards) or "none: this painter has not been taught any yet"
            raise InputError(f"style is {checks.shown(style)}; expected one of {known}")
        return style

    @property
    def knowledge(self) -> Knowledge:
        """What a lesson begins with."""
        return Knowledge(self.network, self.table.rows.numpy(), self.table.sketches.numpy(), self.base)

    # Painting

    def paint(
        self,
        photo: ImageLike,
        style: str | Sequence[str],
        size: int | None = None,
        style_blend: Sequence[float] | None = None,
        strength: float = 1.0,
        stroke: float = 1.0,
        preserve_color: str | None = None,
    ) -> TransferResult:
        """Paint a photograph.

        Args:
            photo: a path, a binary file object, a PIL image, or an array (H, W, 3), uint8 or floating point in [0, 1].
            style: a name in `styles`, or a list of several.
            size: long side of the result in pixels; None: the photograph's own.
            style_blend: weight of each style; equal by default.
            strength: from 0, the photograph itself, to 1, the style.
            stroke: size of the strokes, from 0.25 to 4; 1 is the one that was learned, 2 twice that. Strokes below 1
                take the time of a larger picture.
            preserve_color: "luminance" keeps the photograph's colors and paints light and dark only; "match" gives the
                picture the photograph's mean color and covariance.

        Returns:
            The picture. A history is empty, since nothing was optimized.

        Raises:
            MissingFileError: there is no such photograph.
            InputError: an argument is not as above.

        Example:
            >>> painter = keras_style.models.Painter.from_preset("painters")
            >>> painter.paint("photo.jpg", "great_wave", size=256, strength=0.8).save("out.png")
        """
        from keras_style.painting.painters.easel import painted

        environment.check_process()
        weights = self.style_weights(style, style_blend)
        result = painted(self.network, photo, self.row(style, style_blend), size, strength, stroke, preserve_color)
        styles = {name: float(weight) for name, weight in zip(self._cards, weights, strict=True) if weight}
        return replace(result, settings={"model": self.name, "style": styles, **result.settings})

    # Learning

    def teach(
        self,
        painting: ImageLike | Sequence[ImageLike],
        name: str | Sequence[str],
        photographs: ImageLike | Sequence[ImageLike] | None = None,
        method: str | Mapping[str, float] | Objective = "gatys",
        steps: int | None = None,
        size: int = 256,
        seed: int = 0,
        verbose: Verbosity = "auto",
        *,
        about: Mapping[str, Any] | None = None,
        callbacks: Sequence[OnIterate] = (),
        checkpoint: str | Path | None = None,
        checkpoint_every: int = CHECKPOINT_EVERY,
    ) -> TransferResult | list[TransferResult]:
        """Learn a painting: find the row whose pictures look like it. The shared weights stay as they are.

        It begins with the blend of known styles that is nearest to the painting, and ends early where nothing more is
        gained. The style is there when all steps are done or a callback has ended them; an interrupt or an error adds
        nothing.

        Args:
            painting: the painting, like a photograph in `paint`, at least 64 pixels on each side; or a list of several,
                which are learned one after the other.
            name: under which it is known from then on; a list for several. A name that is taken is refused.
            photographs: to learn on: one, a list, or a folder. One photograph takes half a minute, and the style fits
                that photograph best; None: those that come with the package, which take a minute and a half.
            method: how style is compared: a name in `keras_style.methods()`, or {name: share} of several, with weights
                for teaching; or a `keras_style.Objective`, on the network `vgg16_imagenet`.
            steps: how many; None: 80 for one photograph, 400 for several.
            size: long side of the photographs in pixels. Strokes come out as large as they are in the painting at twice
                that size.
            seed: of the order of photographs and of random losses; the same seed gives the same bits.
            verbose: 0: print nothing; 1: a progress bar, or a line where no bar can be shown; "auto": a bar if it can
                be shown.
            about: for the style's card, JSON values such as {"painter": "Katsushika Hokusai", "year": 1831}; "line" is
                the line in `styles`.
            callbacks: functions called after each step with a `keras_style.Iterate`, whose image is the first
                photograph as it is painted now; one that returns True ends the lesson.
            checkpoint: directory where the lesson saves itself, and from where the same call goes on; of one painting.
            checkpoint_every: steps between two saves.

        Returns:
            The first photograph painted in the new style, with the history of losses; a list for several paintings.

        Raises:
            MissingFileError: a file does not exist.
            InputError: an argument is not as above, a painting or photograph is too small or of one color, a name is
                taken.
            CheckpointError: the checkpoint is damaged or of other arguments.

        Example:
            >>> painter = keras_style.models.Painter.from_preset("painters")
            >>> painter.teach("painting.png", "mine", "photo.jpg", steps=2)
            >>> painter.save_style("mine", "mine.style")
        """
        from keras_style.painting.painters import school

        environment.check_process()
        several = isinstance(painting, list | tuple)
        paintings: list[Any] = list(painting) if isinstance(painting, list | tuple) else [painting]
        names: list[Any] = list(name) if several and isinstance(name, list | tuple) else [name]
        if len(paintings) != len(names):
            raise InputError(f"{len(paintings)} paintings and the name {checks.shown(name)}; expected a name for each")
        if several and checkpoint is not None:
            raise InputError("checkpoint with a list of paintings; expected it with one painting")
        for number, each in enumerate(names):
            new_name(each, [*self._cards, *names[:number]])
        watched = (verbose, callbacks, checkpoint, checkpoint_every)
        results = []
        for each, called in zip(paintings, names, strict=True):
            lesson = school.lesson(self.knowledge, each, photographs, method, steps, size, seed, *watched)
            self.add_style(called, lesson.row, card_of(called, about, lesson.how), lesson.sketch)
            self.paintings = {**self.paintings, called: each}
            results.append(lesson.result)
        return results if several else results[0]

    def add_style(
        self, name: str, row: np.ndarray, about: Mapping[str, Any] | None = None, sketch: np.ndarray | None = None
    ) -> None:
        """Add a style by its row.

        Args:
            name: a new one.
            row: (N,), the gammas and betas of each normalization in turn.
            about: its card.
            sketch: of its pictures; None: it is not among those with which a lesson may begin.

        Raises:
            InputError: the name is taken, or a row of another length.
        """
        new_name(name, list(self._cards))
        if np.shape(row) != (self.table.numbers,) or not np.isfinite(row).all():
            raise InputError(f"row has shape {np.shape(row)}; expected {self.table.numbers} finite numbers")
        taken = self.table.sketches.numpy()
        sketch = np.zeros(sketches.SIZE, np.float32) if sketch is None else np.asarray(sketch, np.float32)
        self.table.replace(np.vstack([self.table.rows.numpy(), row]), np.vstack([taken, sketch]))
        self._cards = {**self._cards, name: card_of(name, about)}

    def note(self, about: Mapping[str, Any]) -> None:
        """Write JSON values on the cards of all styles."""
        self._cards = {name: card_of(name, {**card, **about}) for name, card in self._cards.items()}

    def forget(self, style: str) -> None:
        """Remove a style.

        Raises:
            InputError: there is none of that name.
        """
        place = list(self._cards).index(self._known(style))
        rows, taken = (np.delete(each.numpy(), place, 0) for each in (self.table.rows, self.table.sketches))
        self.table.replace(rows, taken)
        self._cards = {name: card for name, card in self._cards.items() if name != style}
        self.paintings = {name: each for name, each in self.paintings.items() if name != style}

    # Files

    def save_style(self, style: str, path: str | os.PathLike[str]) -> Path:
        """Write a style to a file of its own, a few kilobytes, with its card.

        Args:
            style: a name in `styles`.
            path: the file, such as "mine.style"; its directory must exist.

        Raises:
            InputError: an unknown style, or a path that cannot be written.

        Example:
            >>> keras_style.models.Painter.from_preset("painters").save_style("great_wave", "great_wave.style")
            PosixPath('great_wave.style')
        """
        place = list(self._cards).index(self._known(style))
        row, sketch = self.table.rows.numpy()[place], self.table.sketches.numpy()[place]
        return style_file.write(path, style_file.Style(style, self._cards[style], self.base, row, sketch))

    def load_style(self, path: str | os.PathLike[str], name: str | None = None) -> str:
        """Add a style from a file that `save_style` wrote.

        Args:
            path: the file.
            name: under which it is known here; None: the name that it had.

        Returns:
            The name.

        Raises:
            MissingFileError: there is no such file.
            InputError: the name is taken.
            WeightsError: the file is damaged, or belongs to another painter's weights.

        Example:
            >>> painter = keras_style.models.Painter.from_preset("painters")
            >>> file = painter.save_style("great_wave", "great_wave.style")
            >>> painter.load_style(file, "great_wave_again")
            'great_wave_again'
        """
        style = self.read_style(path)
        name = style.name if name is None else name
        self.add_style(name, style.row, style.card, style.sketch)
        return name

    def read_style(self, path: str | os.PathLike[str]) -> style_file.Style:
        """Read a style from a file without adding it; errors are those of `load_style`."""
        return style_file.read(path, self.base, self.table.numbers, sketches.SIZE)

    @classmethod
    def from_preset(cls, preset: str | os.PathLike[str]) -> Self:
        """A trained painter.

        Args:
            preset: a name in `keras_style.presets()`, such as "painters", a directory that `save_preset` wrote, or
                hf://USER/MODEL.

        Raises:
            InputError: there is no such preset, or it holds another model.
            MissingFileError, WeightsError: files are missing or damaged.

        Example:
            >>> list(keras_style.models.Painter.from_preset("painters").styles)[:2]
            ['ochre_and_blue', 'yellow_outlines']
        """
        environment.check_process()
        _, files = presets.load(preset)
        if FILE not in files:
            raise InputError(f"preset {preset} holds {', '.join(files)}; expected a painter, {FILE}")
        painter = keras_file.load(files[FILE])
        if not isinstance(painter, cls):
            raise InputError(f"{files[FILE]} holds a {type(painter).__name__}; expected a {cls.__name__}")
        for name, file in files.items():
            if name.endswith(style_file.SUFFIX):
                painter.load_style(file)
        return painter

    def save_preset(self, folder: str | os.PathLike[str], summary: str, card: str = "") -> Path:
        """Write the painter as a preset, a directory that `from_preset` opens.

        Args:
            folder: is made, with its parents.
            summary: a line about it.
            card: Markdown, the preset's model card.

        Raises:
            InputError: the directory holds a preset already, or cannot be written.
        """
        files = {FILE: keras_file.encoded(self), **({presets.CARD: card.encode()} if card else {})}
        return presets.save(Path(folder), {"summary": summary}, files)

    # Keras

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        images, weights = inputs
        return self.network([images, self.table(weights)], training=training)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "styles": {name: dict(card) for name, card in self._cards.items()},
            "filters": self.filters,
            "blocks": self.blocks,
            "expand": self.expand,
            "seed": self.seed,
        }


def _widths(name: str, given: Any, count: int) -> list[int]:
    if not isinstance(given, list | tuple) or len(given) != count:
        raise InputError(f"{name} is {checks.shown(given)}; expected {count} numbers of filters")
    return [checks.whole(name, each, 1, 10**5) for each in given]
