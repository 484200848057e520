"""Training of a painter as a Keras model: all weights that its styles share, and their rows."""

import json
import warnings
import weakref
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from keras_style import backbones, checks, images
from keras_style.errors import InputError
from keras_style.images import ImageLike
from keras_style.internal import environment
from keras_style.internal.digests import array_digest
from keras_style.internal.tensorflow import keras, tf
from keras_style.models.fit_callbacks import StopAtDivergence
from keras_style.models.loading import keras_file
from keras_style.models.training_step import apply_gradients, looked_into, optimizer_of
from keras_style.models.transformation import MULTIPLE
from keras_style.optimize.objective import Objective
from keras_style.painting.painters import sketches
from keras_style.painting.painters.fitting import Fitting
from keras_style.painting.painters.style_table import StyleTable

# Ours: the flicker of two styles, trained for 288 steps, falls by two fifths; see docs/painters.md.
STABILITY_WEIGHT = 100.0
LEARNING_RATE = 1e-3  # Dumoulin et al. 2017, appendix


class Trained(keras.Model):
    """What `Painter.compile` and `Painter.fit` do; a part of `Painter`, which has the network, the table and the cards.

    Attributes:
        paintings: what the styles look like, {name: painting}, as far as it is known: those taught or compiled here.
    """

    network: Any
    table: StyleTable
    paintings: dict[str, Any]
    seed: int | None
    _table_of_the_optimizer: Any

    def compile(
        self,
        method: str | Mapping[str, float] | Objective = "gatys",
        paintings: Mapping[str, ImageLike] | None = None,
        stability_weight: float = STABILITY_WEIGHT,
        optimizer: str | keras.optimizers.Optimizer | None = None,
        *,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
    ) -> None:
        """Set paintings, losses and the optimizer of a training of all weights.

        Args:
            method: how style is compared, as in `teach`.
            paintings: what each style looks like, {name: painting}; names that are new become styles. Those that this
                painter was taught since it was made or loaded need not be given.
            stability_weight: of the mean squared difference of two pictures of a photograph that was moved by up to 3
                pixels and got noise of 2 levels; a video flickers less. 0: it is not computed.
            optimizer: a Keras optimizer or its name; None: Adam with a learning rate of 1e-3.
            run_eagerly, steps_per_execution: as for any `keras.Model`.

        Raises:
            MissingFileError: there is no such painting.
            InputError: an argument is not as above, or a painting is too small or of one color.

        Example:
            >>> painter = keras_style.models.Painter.from_preset("painters")
            >>> painter.compile(method="sliced_wasserstein", paintings={"mine": "painting.png"})
        """
        from keras_style.painting.painters import school

        environment.check_process()
        objective = school.objective_of(method)
        if not any(term.target == "style" for term in objective.terms):
            raise InputError("method: an Objective without a term whose target is 'style'; expected at least one")
        weight = checks.number("stability_weight", stability_weight)
        given = {} if paintings is None else paintings
        if not isinstance(given, Mapping):
            raise InputError(f"paintings is {checks.shown(paintings)}; expected {{name: painting}}")
        sources = {name: images.load(source, name=f"paintings[{name!r}]") for name, source in given.items()}
        for name, picture in sources.items():
            school.check_picture(f"paintings[{name!r}]", picture)
        painter: Any = self
        for name in sources:
            if name not in painter.styles:
                painter.add_style(name, np.zeros(self.table.numbers, np.float32))
        self.paintings = {**self.paintings, **sources}
        # The graph of a step stays as it was written inside; XLA would compile the paintings' sizes one by one.
        super().compile(
            optimizer=None, jit_compile=False, run_eagerly=run_eagerly, steps_per_execution=steps_per_execution
        )
        self.method, self.objective, self.stability_weight = method, objective, weight
        self.optimizer = keras.optimizers.get(keras.optimizers.Adam(LEARNING_RATE) if optimizer is None else optimizer)
        self.fitting: Fitting | None = None

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Train all weights that the styles share, and the row of each style whose painting is known.

        It begins with the weights that are there: those of a preset, or of a new `Painter`. A row of a new style begins
        with the known styles whose blend is nearest to its painting. A row belongs to one set of shared weights: styles
        without a painting are forgotten when the training begins, and style files that were saved before are refused
        afterwards.

        Args:
            x: photographs (B, H, W, 3) in [0, 1], H and W multiples of 4, at least 64, and the same for all, as
                `keras_style.data.photographs` gives them; strokes come out as large as they are in the paintings at
                twice that size.
            *args, **kwargs: those of `keras.Model.fit`; `shuffle` is False by default, so that the same call gives the
                same bits.

        Returns:
            Keras's History: `loss`, and its parts by name.

        Raises:
            InputError: `compile` was not called, no painting is known, or photographs of another shape.
            DivergenceError: a loss is not finite.

        Example:
            >>> painter = keras_style.models.Painter.from_preset("painters")
            >>> painter.compile(paintings={"mine": "painting.png"})
            >>> data = keras_style.data.photographs("photos", image_size=256)
            >>> painter.fit(data, epochs=2, callbacks=[keras_style.training.Resume("run/backup")])
        """
        environment.check_process()
        photographs, x = looked_into(x)
        shape = tuple(getattr(photographs, "shape", ()))
        # Only a dataset knows how many there are in a batch.
        self._begin(shape if isinstance(photographs, tf.TensorSpec) else (None, *shape[1:]))
        self.fed = lambda: x  # Keras would track a dataset as part of the model, and export it
        kwargs.setdefault("shuffle", False)
        callbacks = getattr(kwargs.get("callbacks"), "callbacks", kwargs.get("callbacks"))
        kwargs["callbacks"] = [StopAtDivergence(), *(keras.tree.flatten(callbacks) if callbacks else [])]
        with x.feeding(kwargs.get("initial_epoch", 0)) if hasattr(x, "feeding") else nullcontext():
            history = super().fit(x, *args, **kwargs)
        self._note()
        return history

    def _begin(self, shape: tuple[Any, ...]) -> None:
        """Make the table of the styles that are trained, and the graph of a step for batches of this shape."""
        from keras_style.painting.painters import school

        painter: Any = self
        if getattr(self, "objective", None) is None:  # a loaded painter counts as compiled for Keras
            raise InputError("this painter is not compiled; expected painter.compile(paintings={name: painting}) first")
        if self.distribute_strategy.num_replicas_in_sync > 1:
            raise InputError("a painter is trained on one device; expected no tf.distribute strategy of several")
        sides = shape[1:3]
        if (
            len(shape) != 4
            or shape[3] != 3
            or any(side is None or side % MULTIPLE or side < school.LEAST for side in sides)
        ):
            raise InputError(
                f"photographs have shape {shape}; expected (B, H, W, 3) with H and W multiples of {MULTIPLE}, at least "
                f"{school.LEAST}, as keras_style.data.photographs(..., image_size=256) gives"
            )
        known = {name: each for name, each in self.paintings.items() if name in painter.styles}
        if not known:
            raise InputError(
                f"no painting is known of the {len(painter.styles)} styles; expected compile(paintings={{name: "
                "painting}), or styles that this painter was taught"
            )
        if self.optimizer.built and self._table_of_the_optimizer() is not self.table.rows:
            raise InputError("the styles are others than in the last fit; expected another compile")
        self.paintings = known
        size = round(school.PAINTING * max(sides))
        paintings = {name: school.loaded(f"paintings[{name!r}]", each, size) for name, each in known.items()}
        rows = dict(zip(painter.styles, self.table.rows.numpy(), strict=True))
        rows = {
            name: rows[name] if rows[name].any() else school.row_to_begin_with(painter.knowledge, paintings[name])
            for name in painter.styles
            if name in known
        }
        self._forget([name for name in painter.styles if name not in known])
        # Sketches are of pictures that nobody will paint again; `_note` takes new ones.
        self.table.replace(np.stack(list(rows.values())), np.zeros_like(self.table.sketches.numpy()))
        if not self.optimizer.built:
            self.optimizer = optimizer_of(self.optimizer, self.trainable_variables, self.dtype_policy.name)
            self._table_of_the_optimizer = weakref.ref(self.table.rows)
        self.fitting = Fitting(
            self.network,
            self.table.rows,
            self.objective,
            backbones.get(school.BACKBONE),
            [paintings[name] for name in painter.styles],
            shape,
            self.stability_weight,
            self.seed or 0,
            self.optimizer.scale_loss,
        )
        self.train_function = self.test_function = None  # of the steps of an earlier fit

    def _forget(self, styles: Sequence[str]) -> None:
        painter: Any = self
        if styles:
            warnings.warn(
                f"{len(styles)} styles whose painting is not given are forgotten, as the weights that their rows "
                f"belong to change: {checks.listed(styles[:5])}{' and others' if len(styles) > 5 else ''}",
                stacklevel=4,
            )
        for name in styles:
            painter.forget(name)

    def _note(self) -> None:
        """Write on the cards how the styles were trained, and sketch their pictures, for lessons to come."""
        from keras_style.painting.painters import school
        from keras_style.painting.painters.brush import brushed

        painter: Any = self
        assert self.fitting is not None
        side = self.fitting.shape[1]
        photographs = school.squares(None, max(school.LEAST, round(side / school.CROP)), 0)[:3]
        rows = self.table.rows.numpy()
        taken = [
            np.mean([sketches.sketch(brushed(self.network, each, row)) for each in photographs], 0) for row in rows
        ]
        self.table.replace(rows, np.asarray(taken, np.float32))
        how = {
            "method": "an objective" if isinstance(self.method, Objective) else self.method,
            "size": side,
            "steps": int(keras.ops.convert_to_numpy(self.optimizer.iterations)),
            "stability_weight": self.stability_weight,
        }
        painter.note({"trained": json.loads(json.dumps(how))})

    # Keras

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        photographs = _photographs(data)
        assert self.fitting is not None
        with tf.control_dependencies([photographs]):  # nothing moves before the data are there
            step = tf.cast(tf.convert_to_tensor(self.optimizer.iterations), tf.int64)
            losses, gradients = self.fitting.gradients(photographs, step)
        apply_gradients(self.optimizer, gradients, self.fitting.variables)
        return self._logs(losses)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """The losses of `fit`, as means over the styles."""
        photographs = _photographs(data)
        assert self.fitting is not None
        zero = tf.zeros([], tf.int64)
        names = self.fitting.names
        of_each = tf.map_fn(
            lambda style: tf.stack([self.fitting.losses(photographs, style, zero)[name] for name in names]),
            tf.range(len(self.fitting.aims)),
            tf.float32,
        )
        return self._logs(dict(zip(names, tf.unstack(tf.reduce_mean(of_each, 0), len(names)), strict=True)))

    def _logs(self, losses: Mapping[str, tf.Tensor]) -> dict[str, Any]:
        assert self.fitting is not None
        everything = {"loss": tf.add_n(list(losses.values())), **losses}
        with tf.control_dependencies(list(everything.values())):  # a mean counts no step that has no data
            for name, loss in everything.items():
                self.fitting.seen[name].update_state(loss)
        return self.get_metrics_result()

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Evaluate the losses of `fit` on photographs of the same shape, in all styles, after a `fit`."""
        if getattr(self, "fitting", None) is None:
            raise InputError("evaluate before fit; expected fit first, which takes statistics of the paintings")
        return super().evaluate(x, *args, **kwargs)

    def get_metrics_result(self) -> dict[str, Any]:
        return {metric.name: metric.result() for metric in self.metrics}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        fitting = getattr(self, "fitting", None)
        return [] if fitting is None else list(fitting.seen.values())

    def save(self, filepath: str | Path, *args: Any, **kwargs: Any) -> None:
        """Write a `.keras` file of the weights, without the optimizer: `Resume` keeps what a training needs."""
        keras_file.check_path(filepath, **kwargs)
        optimizer, self.optimizer = getattr(self, "optimizer", None), None
        try:
            super().save(filepath, *args, **kwargs)
        finally:
            self.optimizer = optimizer

    def get_compile_config(self) -> dict[str, Any]:
        """What decides a training, to be compared by `Resume`."""
        if getattr(self, "objective", None) is None:  # a loaded painter counts as compiled for Keras
            return {}
        described = [[repr(term.loss.get_config()), term.layer, repr(term.weight)] for term in self.objective.terms]
        pictures = [images.load(each, name=name) for name, each in self.paintings.items()]
        return {
            "objective": array_digest(np.frombuffer(json.dumps(described).encode(), np.uint8)),
            "styles": " ".join(self.paintings),
            "paintings": array_digest(*pictures),
            "stability_weight": self.stability_weight,
            "optimizer": self.optimizer and keras.saving.serialize_keras_object(self.optimizer),
        }

    def compile_from_config(self, config: Any) -> None:
        """Nothing: a file does not hold the paintings, so that a loaded painter is to be compiled again."""


def _photographs(data: Any) -> tf.Tensor:
    photographs = data[0] if isinstance(data, tuple | list) else data
    return tf.cast(photographs, tf.float32)
