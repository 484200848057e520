"""CycleGAN: two generators that undo each other, two discriminators that tell their images from real ones."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from keras_style import checks
from keras_style.checks import DIRECTIONS
from keras_style.errors import InputError
from keras_style.internal import environment
from keras_style.internal.tensorflow import keras, tf
from keras_style.models import adversarial as adversarial_losses
from keras_style.models.fit_callbacks import checked
from keras_style.models.image_pool import ImagePool
from keras_style.models.loading import keras_file, presets
from keras_style.models.loading.generator_file import generator_name
from keras_style.models.networks import DISCRIMINATORS, GENERATORS, Network, channels, pair
from keras_style.models.training_step import (
    LOSSES,
    Images,
    Optimizer,
    Optimizers,
    descend,
    distance,
    largest_of,
    looked_into,
    many_machines,
    optimizer_of,
    pair_of,
    pair_of_weights,
    stacked,
    wide,
)
from keras_style.version import __version__


@keras.saving.register_keras_serializable("keras_style")
class CycleGAN(keras.Model):
    """Learns to turn images of domain A into images of domain B and back, from two collections without pairs.

    One training step, for images a and b, generators G: A to B and F: B to A, and discriminators D_A and D_B:

    1. G and F descend along adv(D_B(G(a))) + adv(D_A(F(b))) + weight_a (|F(G(a)) - a| + identity_weight |F(a) - a|)
       + weight_b (|G(F(b)) - b| + identity_weight |G(b) - b|), by one gradient of the sum;
    2. each discriminator descends along half of adv(D(real)) + adv(D(fake)), where the fakes are those of 1. after they
       went through an `ImagePool`.

    All distances and squares are means over all values, images being in [-1, 1]. Called with images of A it gives
    `generator_a2b(images)`, which `predict` does as well.

    Args:
        generator: "resnet_9" (for 256 pixels and more), "resnet_6" (for 128), either with "_resize" for enlargement in
            the place of transposed convolutions, "unet_256", "unet_128"; each also with "_affine" for the instance
            normalization of the paper's program, which learns an offset and a factor for each channel; a Keras model,
            which becomes G, and F is its clone with weights of its own; or a pair (G, F).
        filters: of the first convolution of each named network; 64 in the paper.
        discriminator: "patch_70" (each score judges 70 x 70 pixels), "patch_34" and "patch_16" for smaller images,
            "pixel", each also with "_affine"; a Keras model, which becomes D_A, or a pair (D_A, D_B).
        image_size: side in pixels, or (height, width), of the images trained on, which the pools hold. None: `fit`
            takes it from the data.
        pool_size: images that each pool holds; 50 in the paper. 0: none.
        seed: of the named networks' weights, of the pools and of the gradient penalty.
        discriminator_filters: `filters` of the discriminators, where they are others.
        channels: of images for the named networks: 3, RGB, or 1, gray.

    Attributes:
        generator_a2b, generator_b2a: G and F: images (B, H, W, 3) to images, both in [-1, 1].
        discriminator_a, discriminator_b: images to scores.
        pool_a, pool_b: pools of generated images of A, and of B.

    Raises:
        InputError: an argument is something else than expected.

    Example:
        >>> gan = keras_style.models.CycleGAN(generator="resnet_9", filters=64)
        >>> gan.compile()
        >>> gan.fit(keras_style.data.unpaired("trainA", "trainB"), epochs=200)
        >>> painted = gan.translate("photo.jpg", direction="a2b")

    Reference: Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV 2017,
    equations 1 to 3 and section 4; identity: section 5.2; order of updates: `models/cycle_gan_model.py` of
    junyanz/pytorch-CycleGAN-and-pix2pix.
    """

    def __init__(
        self,
        generator: Network = "resnet_9",
        filters: int = 64,
        discriminator: Network = "patch_70",
        image_size: int | Sequence[int] | None = None,
        pool_size: int = 50,
        seed: int = 0,
        discriminator_filters: int | None = None,
        channels: int = 3,
        name: str = "cyclegan",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.filters = checks.whole("filters", filters, 1, 10**5)
        self.image_size = checks.sides("image_size", image_size)
        self.seed = checks.whole("seed", seed, 0, 2**32 - 1)
        seeds = [int(number) for number in np.random.SeedSequence(self.seed).generate_state(7)]
        self.discriminator_filters = discriminator_filters
        self.channels = checks.whole("channels", channels, 1, 10**5)
        options = {"filters": self.filters, "channels": self.channels, "dtype": self.dtype_policy}
        networks = {"generator": generator, "discriminator": discriminator}
        self._named = {role: given for role, given in networks.items() if isinstance(given, str)}
        self.generator_a2b, self.generator_b2a = pair(
            "generator", generator, GENERATORS, ("generator_a2b", "generator_b2a"), seeds[0:2], options
        )
        if discriminator_filters is not None:
            options["filters"] = checks.whole("discriminator_filters", discriminator_filters, 1, 10**5)
        self.discriminator_a, self.discriminator_b = pair(
            "discriminator", discriminator, DISCRIMINATORS, ("discriminator_a", "discriminator_b"), seeds[2:4], options
        )
        self.pool_a = ImagePool(pool_size, seeds[4], name="pool_a")
        self.pool_b = ImagePool(pool_size, seeds[5], name="pool_b")
        self._penalty_seed = seeds[6]
        self._rewind: tuple[Any, int] | None = None
        self.losses_seen = {name: keras.metrics.Mean(name, "float32") for name in LOSSES}
        # Instance normalization treats each image by itself; batch normalization would see another batch.
        layers = self._flatten_layers(include_self=False, recursive=True)
        self._one_by_one = not any(isinstance(layer, keras.layers.BatchNormalization) for layer in layers)
        if self.image_size:
            self._fix_image_size(self.image_size)
        self.built = True

    # Training

    def compile(
        self,
        adversarial: adversarial_losses.Given = "lsgan",
        cycle_weight: float | Sequence[float] = 10.0,
        identity_weight: float = 0.5,
        generator_optimizer: Optimizer | None = None,
        discriminator_optimizer: Optimizer | None = None,
        *,
        jit_compile: bool | str = "auto",
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
    ) -> None:
        """Set losses and optimizers; the defaults are those of the published program in PyTorch.

        Args:
            adversarial: "lsgan", "vanilla", "wasserstein", or an object as `keras_style.models.adversarial` describes.
            cycle_weight: of cycle consistency (paper, section 4); or a pair, of A to B to A and of B to A to B.
            identity_weight: of the identity loss, as a share of its domain's `cycle_weight`; 0: it is not computed, as
                in the paper's program until 2018. The paper has 0.5 for paintings to photographs and for flowers.
            generator_optimizer, discriminator_optimizer: one for both generators, and one for both discriminators.
                None: Adam, learning rate 2e-4 and beta_1 0.5. Under mixed_float16 either gets loss scaling.
            jit_compile: whether XLA compiles the step. "auto": with a GPU, and not under a `tf.distribute` strategy.
            run_eagerly, steps_per_execution: as for any `keras.Model`.

        Raises:
            InputError: an argument is something else than expected.
        """
        super().compile(
            optimizer=None, jit_compile=jit_compile, run_eagerly=run_eagerly, steps_per_execution=steps_per_execution
        )
        self.adversarial = adversarial_losses.get(adversarial)
        weights = pair_of_weights(cycle_weight)
        self.cycle_weight = weights[0] if weights[0] == weights[1] else weights
        self.identity_weight = checks.number("identity_weight", identity_weight)
        policy = self.dtype_policy.name
        self.generator_optimizer = optimizer_of(generator_optimizer, self._generator_variables, policy)
        self.discriminator_optimizer = optimizer_of(discriminator_optimizer, self._discriminator_variables, policy)
        self.optimizer = Optimizers(self.generator_optimizer, self.discriminator_optimizer)

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Train as `keras.Model.fit` does; `x` gives pairs (images of A, images of B) in [-1, 1], or is those of A, `y`
        those of B. Unlike there, `shuffle` is False by default, so that the same call gives the same bits.

        Of the logs, `loss` is `generator_loss`, which both generators follow. Callbacks of Keras set the learning rate
        of the generators, and that of the discriminators in proportion. Replicas of a `tf.distribute` strategy share
        each batch, also on several machines.

        Raises:
            InputError: images of another size than before, a batch that the replicas cannot share evenly, a callback
                that cannot work, or, over several machines, data that are no `tf.data.Dataset` of images of one size.
            DivergenceError: a loss is not finite.
        """
        environment.check_process()
        # The pools' variables are made now, not in the first step, so that a callback can restore them.
        images, x = looked_into(x)
        shape = tuple(getattr(images, "shape", ()))
        replicas = self.distribute_strategy.num_replicas_in_sync
        if len(shape) == 4 and shape[0] is not None and shape[0] % replicas:
            raise InputError(f"batches hold {shape[0]} images for {replicas} replicas; expected a multiple of that")
        if sides := largest_of(shape, x, self.jit_compile):
            self._fix_image_size(sides)
        self.fed = lambda: x  # Keras would track a dataset as part of the model, and export it
        kwargs.setdefault("shuffle", False)
        kwargs["callbacks"] = checked(kwargs.get("callbacks"), getattr(self, "optimizer", None))
        if (validation := kwargs.get("validation_data")) is not None:
            kwargs["validation_data"] = self._shared(validation)
        feeding = x.feeding(kwargs.get("initial_epoch", 0)) if hasattr(x, "feeding") else nullcontext()
        with feeding, self._begun(x):
            history = super().fit(self._shared(x), *args, **kwargs)
        self.optimizer.finalize(self._generator_variables, self._discriminator_variables)
        return history

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Evaluate the losses of `fit`, on the same images each time; pools stay as they are."""
        data = getattr(x, "pairs", x)
        if not hasattr(data, "position"):
            return super().evaluate(self._shared(x), *args, **kwargs)
        position, data.position = data.position, 0
        try:
            with self._begun(data):
                return super().evaluate(self._shared(x), *args, **kwargs)
        finally:
            data.position = position  # the same data may be in training

    @contextmanager
    def _begun(self, data: Any) -> Iterator[None]:
        """Under a strategy, Keras takes a batch before it begins, which moves the position of the data."""
        self._rewind = (data, data.position) if hasattr(data, "position") else None
        try:
            yield
        finally:
            self._rewind = None

    # Keras calls these two after it took that batch, and before callbacks such as `Resume` set the position.

    def make_train_function(self, force: bool = False) -> Any:
        if self._rewind:
            self._rewind[0].position = self._rewind[1]
        return super().make_train_function(force)

    def make_test_function(self, force: bool = False) -> Any:
        if self._rewind:
            self._rewind[0].position = self._rewind[1]
        return super().make_test_function(force)

    def _shared(self, data: Any) -> Any:
        return stacked(data) if many_machines(self.distribute_strategy) and not hasattr(data, "pairs") else data

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        real_a, real_b = pair_of(data)
        # Nothing moves before the data are there: at their end, counters would otherwise count a step that is not done.
        with tf.control_dependencies([real_a, real_b]):
            return self._train_step(real_a, real_b)

    def _train_step(self, real_a: Images, real_b: Images) -> dict[str, tf.Tensor]:
        # Adding up gradients of replicas makes a mean of means.
        share = 1 / self.distribute_strategy.num_replicas_in_sync
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            variables = self._generator_variables
            tape.watch([variable.value for variable in variables])
            losses, fake_a, fake_b = self._generator_losses(real_a, real_b, training=True)
            total = self.generator_optimizer.scale_loss(losses["generator_loss"] * share)
        descend(self.generator_optimizer, tape, total, variables)

        fake_a, fake_b = self.pool_a(fake_a), self.pool_b(fake_b)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            variables = self._discriminator_variables
            tape.watch([variable.value for variable in variables])
            halves = self._discriminator_losses(real_a, real_b, fake_a, fake_b, training=True)
            total = halves["discriminator_a"] + halves["discriminator_b"]
            total = self.discriminator_optimizer.scale_loss(total * share)
        descend(self.discriminator_optimizer, tape, total, variables)
        return self._logs({**losses, **halves})

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        real_a, real_b = pair_of(data)
        losses, fake_a, fake_b = self._generator_losses(real_a, real_b, training=False)
        return self._logs({**losses, **self._discriminator_losses(real_a, real_b, fake_a, fake_b, training=False)})

    def _generator_losses(
        self, real_a: Images, real_b: Images, training: bool
    ) -> tuple[dict[str, tf.Tensor], Images, Images]:
        """All that the generators see, and the generated images (of A, of B)."""
        if self.identity_weight:
            fake_b, same_b = self._each(self.generator_a2b, real_a, real_b, training)
            fake_a, same_a = self._each(self.generator_b2a, real_b, real_a, training)
            identity_a, identity_b = distance(same_a, real_a), distance(same_b, real_b)
        else:
            fake_b = wide(self.generator_a2b(real_a, training=training))
            fake_a = wide(self.generator_b2a(real_b, training=training))
            identity_a = identity_b = tf.zeros([])
        losses = {
            "adversarial_a2b": self.adversarial.generator(wide(self.discriminator_b(fake_b, training=training))),
            "adversarial_b2a": self.adversarial.generator(wide(self.discriminator_a(fake_a, training=training))),
            "cycle_a": distance(self.generator_b2a(fake_b, training=training), real_a),
            "cycle_b": distance(self.generator_a2b(fake_a, training=training), real_b),
            "identity_a": identity_a,
            "identity_b": identity_b,
        }
        total = losses["adversarial_a2b"] + losses["adversarial_b2a"]
        for weight, side in zip(pair_of_weights(self.cycle_weight), "ab", strict=True):
            total += weight * losses[f"cycle_{side}"] + weight * self.identity_weight * losses[f"identity_{side}"]
        return {"generator_loss": total, **losses}, fake_a, fake_b

    def _discriminator_losses(
        self, real_a: Images, real_b: Images, fake_a: Images, fake_b: Images, training: bool
    ) -> dict[str, tf.Tensor]:
        sides = (("a", self.discriminator_a, real_a, fake_a), ("b", self.discriminator_b, real_b, fake_b))
        losses = {}
        for number, (side, discriminator, real, fake) in enumerate(sides):
            real_scores, fake_scores = self._each(discriminator, wide(real), fake, training)
            loss = self.adversarial.discriminator(real_scores, fake_scores)
            if hasattr(self.adversarial, "penalty"):
                step = tf.cast(self.discriminator_optimizer.iterations, "int64")
                seed = tf.stack([tf.constant(self._penalty_seed + number, "int64"), step])
                loss += self.adversarial.penalty(discriminator, wide(real), fake, seed)
            losses[f"discriminator_{side}"] = 0.5 * loss
        return losses

    def _each(self, network: keras.Model, x: Images, y: Images, training: bool) -> tuple[Images, Images]:
        """Both through the network at once where that gives the same.

        Besides the time it saves, no gradient is then a sum of more than two, whose order TensorFlow may change.
        """
        if self._one_by_one and x.shape[1:].is_compatible_with(y.shape[1:]) and x.shape.is_fully_defined():
            both = network(tf.concat([x, y], axis=0), training=training)
            parts = tf.split(both, [x.shape[0], y.shape[0]])
        else:
            parts = [network(x, training=training), network(y, training=training)]
        return wide(parts[0]), wide(parts[1])

    def _logs(self, losses: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        with tf.control_dependencies(list(losses.values())):  # a mean counts no step that has no data
            for name, loss in losses.items():
                self.losses_seen[name].update_state(loss)
        logs = self.get_metrics_result()
        # Over several machines, Keras 3.15 takes the mean along an axis that scalars do not have.
        return {name: value[None] for name, value in logs.items()} if many_machines(self.distribute_strategy) else logs

    def get_metrics_result(self) -> dict[str, Any]:
        logs = {metric.name: metric.result() for metric in self.metrics}
        return {"loss": logs["generator_loss"], **logs}  # the name that callbacks of Keras look for

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return list(self.losses_seen.values())

    @property
    def _generator_variables(self) -> list[keras.Variable]:
        return self.generator_a2b.trainable_variables + self.generator_b2a.trainable_variables

    @property
    def _discriminator_variables(self) -> list[keras.Variable]:
        return self.discriminator_a.trainable_variables + self.discriminator_b.trainable_variables

    def _fix_image_size(self, sides: tuple[int, int]) -> None:
        """Make the pools' variables, for images of this height and width."""
        if self.pool_a.size and self.image_size and self.pool_a.built and self.image_size != sides:
            raise InputError(
                f"images are {sides[0]} x {sides[1]} pixels (height x width); this CycleGAN's pools hold images of "
                f"{self.image_size[0]} x {self.image_size[1]}: train with those, or make a new CycleGAN"
            )
        self.image_size = sides
        for pool, generator in ((self.pool_a, self.generator_b2a), (self.pool_b, self.generator_a2b)):
            if not pool.built:
                pool.build((None, *sides, channels(generator)))
                pool.built = True

    # Inference

    def call(self, images: Images, training: bool | None = None) -> Images:
        return self.generator_a2b(images, training=training)

    def translate(self, images: Any, direction: str = "a2b", batch_size: int = 1, width: int | None = None) -> Any:
        """Images of one domain in the look of the other: `keras_style.models.translate` with one of the generators.

        Args:
            images: a picture, an array (N, H, W, 3) or a list of pictures, in [0, 1] or uint8, of any H and W.
            direction: "a2b" or "b2a".
            batch_size: images that go through the generator together.
            width: in pixels, to which each picture is resized first; its aspect stays. None: as they are.

        Returns:
            float32 in [0, 1]: (H, W, 3) for one picture, (N, H, W, 3) for an array of them, a list for a list.

        Raises:
            InputError: another direction, or an image that cannot be read.
        """
        from keras_style.models.translation import translate

        checks.choice("direction", direction, DIRECTIONS)
        return translate(getattr(self, f"generator_{direction}"), images, batch_size=batch_size, width=width)

    # Saving

    def save(self, filepath: str | Path, *args: Any, **kwargs: Any) -> None:
        keras_file.check_path(filepath, **kwargs)
        super().save(filepath, *args, **kwargs)

    def export(self, *_: Any, **__: Any) -> None:
        raise InputError(
            "a CycleGAN is two generators; expected keras_style.export_saved_model(gan.generator_a2b, ...)"
        )

    @classmethod
    def from_preset(cls, preset: str | Path) -> "CycleGAN":
        """A trained CycleGAN by name; its discriminators are untrained.

        Args:
            preset: a name in `keras_style.presets()`, a directory that `save_to_preset` wrote, or with the extra `hub`
                hf://USER/MODEL or hf://USER/MODEL@REVISION on the Hugging Face Hub.

        Raises:
            InputError: there is no such preset, or it is not one of a CycleGAN.
            WeightsError: a file is damaged, or could not be downloaded.

        Example:
            >>> gan = keras_style.models.CycleGAN.from_preset("satellite_to_relief")
            >>> relief = gan.translate("satellite.png")
        """
        description, files = presets.load(preset)
        names = [generator_name(direction) for direction in DIRECTIONS]
        if any(name not in files for name in names) or not isinstance(description.get("cyclegan"), dict):
            raise InputError(f"preset {preset} holds {', '.join(files)}; expected a CycleGAN's {' and '.join(names)}")
        generators = [keras_file.load(files[name]) for name in names]
        try:
            with keras_file.creating_at_most(keras_file.UNTRAINED):
                return cls(generator=generators, **description["cyclegan"])
        except (TypeError, ValueError) as error:  # names that are no arguments, and values
            raise InputError(f"preset {preset}: its description does not fit a CycleGAN: {error}") from None

    def save_to_preset(self, directory: str | Path, summary: str = "", card: str = "") -> Path:
        """Write the generators as a preset that `from_preset` opens, and that can be put on the Hub as it is.

        Args:
            directory: made if it does not exist, with its parents; it may not hold a preset.
            summary: a line about what it does.
            card: the model card, Markdown, written to `README.md`: data, license, training, scores.

        Raises:
            InputError: the directory cannot be written or holds a preset already.
        """
        files = {generator_name(each): keras_file.encoded(getattr(self, f"generator_{each}")) for each in DIRECTIONS}
        if card:
            files[presets.CARD] = card.encode()
        names = ("filters", "image_size", "pool_size", "seed", "discriminator_filters", "channels")
        config = self.get_config()
        described = {name: config[name] for name in names}
        if discriminator := self._named.get("discriminator"):
            described["discriminator"] = discriminator
        description = {"summary": summary, "keras_style": __version__, "cyclegan": described}
        return presets.save(directory, description, files)

    def get_config(self) -> dict[str, Any]:
        def described(role: str, *networks: keras.Model) -> Any:
            return self._named.get(role) or [keras.saving.serialize_keras_object(network) for network in networks]

        return {
            "generator": described("generator", self.generator_a2b, self.generator_b2a),
            "filters": self.filters,
            "discriminator": described("discriminator", self.discriminator_a, self.discriminator_b),
            "image_size": self.image_size,
            "pool_size": self.pool_a.size,
            "seed": self.seed,
            "discriminator_filters": self.discriminator_filters,
            "channels": self.channels,
            "name": self.name,
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "CycleGAN":
        networks: dict[str, Any] = {
            role: keras.saving.deserialize_keras_object(config[role], custom_objects=custom_objects)
            for role in ("generator", "discriminator")
            if isinstance(config.get(role), list)
        }
        networks["dtype"] = keras.dtype_policies.get(config.get("dtype"))
        return cls(**{**config, **networks})

    def get_compile_config(self) -> dict[str, Any]:
        if not self.compiled:
            return {}
        return keras.saving.serialize_keras_object(
            {
                "adversarial": self.adversarial,
                "cycle_weight": self.cycle_weight,
                "identity_weight": self.identity_weight,
                "generator_optimizer": self.generator_optimizer,
                "discriminator_optimizer": self.discriminator_optimizer,
                "jit_compile": self.jit_compile,
                "run_eagerly": self.run_eagerly,
                "steps_per_execution": self.steps_per_execution,
                # Where a schedule has lowered the rates, it needs to know from where.
                "initial_learning_rates": [
                    getattr(optimizer, "initial_learning_rate", None)
                    for optimizer in (self.generator_optimizer, self.discriminator_optimizer)
                ],
            }
        )

    def compile_from_config(self, config: dict[str, Any]) -> None:
        config = keras.saving.deserialize_keras_object(config)
        rates = config.pop("initial_learning_rates")
        self.compile(**config)
        for optimizer, rate in zip((self.generator_optimizer, self.discriminator_optimizer), rates, strict=True):
            if rate is not None:
                optimizer.initial_learning_rate = rate
