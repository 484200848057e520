# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4. CycleGAN: two folders without pairs
#
# Zhu, Park, Isola & Efros, *Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks*, ICCV 2017.
# Two domains of pictures, here satellite pictures and shaded relief, and no pair of them. Generators $G$ (A to B) and
# $F$ (B to A) learn against discriminators that tell their pictures from real ones. Equations are numbered as in the
# paper.

# %%
from pathlib import Path

import keras_style  # before TensorFlow: it sets up what TensorFlow reads once
import matplotlib.pyplot as plt
import numpy as np

HERE = Path.cwd()
EXAMPLES = next(each / "examples" for each in (HERE, *HERE.parents) if (each / "examples" / "satellite").is_dir())
satellite, relief = (
    keras_style.images.load(EXAMPLES / "satellite" / f"{name}.png") for name in ("iberia", "iberia_relief")
)


def show(pictures: dict, columns: int = 3, side: float = 3.2) -> None:
    """Pictures in rows, each under its label."""
    rows = -(-len(pictures) // columns)
    height = 0.86 * side * rows
    _, axes = plt.subplots(rows, columns, figsize=(side * columns, height), squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.axis("off")
    for axis, (label, picture) in zip(axes.flat, pictures.items(), strict=False):
        axis.imshow(np.clip(picture, 0, 1))
        axis.set_title(label, fontsize=9)
    plt.show()


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Mean absolute difference of values in [0, 1]."""
    return float(np.mean(np.abs(one - other)))


# %% [markdown]
# ## Input, translated, reconstructed
#
# The package ships a trained pair of generators. It never saw this part of the world. The first row of each figure is
# the paper's: $a$, $G(a)$, $F(G(a))$; what the picture should have become stands beside it for us alone, since no
# training had pairs.

# %%
gan = keras_style.models.CycleGAN.from_preset("satellite_to_relief")
to_relief = gan.translate(satellite, "a2b")
back = gan.translate(to_relief, "b2a")
show({"a: satellite": satellite, "G(a)": to_relief, "F(G(a))": back, "for comparison: relief": relief}, columns=4)

to_satellite = gan.translate(relief, "b2a")
again = gan.translate(to_satellite, "a2b")
show({"b: relief": relief, "F(b)": to_satellite, "G(F(b))": again, "for comparison: satellite": satellite}, columns=4)

assert difference(back, satellite) < difference(to_relief, satellite) / 3  # the way back leads to where it began
assert difference(to_relief, relief) < difference(satellite, relief) / 3  # and the way there somewhere

# %% [markdown]
# ## The losses, by hand
#
# Pictures are in $[-1, 1]$. The cycle's loss is $\lVert F(G(a)) - a \rVert_1$ and the like for $b$ (eq. 2), means over
# all values. The adversarial loss is least squares (§4): a generator wants scores of 1.

# %%
SIDE = 64


def crops(image: np.ndarray, stride: int = 16) -> np.ndarray:
    """Squares of an image, in [-1, 1]."""
    height, width, _ = image.shape
    corners = [(y, x) for y in range(0, height - SIDE + 1, stride) for x in range(0, width - SIDE + 1, stride)]
    return np.float32([2 * image[y : y + SIDE, x : x + SIDE] - 1 for y, x in corners])


middle = satellite.shape[1] // 2
train_a, train_b = crops(satellite[:, :middle]), crops(relief[:, middle:])  # the west of one, the east of the other
a, b = train_a[:1], train_b[:1]
gan.compile()
measured = gan.evaluate(a, b, batch_size=1, verbose=0, return_dict=True)

fake_b, fake_a = gan.generator_a2b(a), gan.generator_b2a(b)
by_hand = {
    "cycle_a": np.mean(np.abs(gan.generator_b2a(fake_b) - a)),
    "cycle_b": np.mean(np.abs(gan.generator_a2b(fake_a) - b)),
    "identity_a": np.mean(np.abs(gan.generator_b2a(a) - a)),
    "adversarial_a2b": np.mean((np.array(gan.discriminator_b(fake_b)) - 1) ** 2),
}
for name, value in by_hand.items():
    print(f"{name}: by hand {value:.4f}, by the package {measured[name]:.4f}")
    np.testing.assert_allclose(value, measured[name], rtol=1e-3)

# %% [markdown]
# ## With and without the cycle
#
# An adversarial loss alone (eq. 1) is content with any picture of the right kind. So we go on training the shipped generators
# twice, for the same steps against the same new discriminators: once with the paper's weight $\lambda = 10$ of the
# cycle, and once with 0.

# %%
EPOCHS = 4


def trained(cycle_weight: float) -> keras_style.models.CycleGAN:
    """The shipped generators after some more steps on crops without pairs."""
    model = keras_style.models.CycleGAN.from_preset("satellite_to_relief")
    model.compile(cycle_weight=cycle_weight)
    data = keras_style.data.unpaired((train_a + 1) / 2, (train_b + 1) / 2, image_size=SIDE, seed=0)
    model.fit(data, epochs=EPOCHS, verbose=0)
    return model


rows, errors = {}, {}
for name, weight in {"with the cycle": 10.0, "without": 0.0}.items():
    model = trained(weight)
    translated = model.translate(satellite, "a2b")
    reconstructed = model.translate(translated, "b2a")
    rows |= {f"{name}: input": satellite, f"{name}: translated": translated, f"{name}: reconstructed": reconstructed}
    errors[name] = difference(reconstructed, satellite), difference(translated, relief)
show(rows)
for name, (cycle, truth) in errors.items():
    print(f"{name}: the way back is {cycle:.3f} from the input, the translation {truth:.3f} from the true relief")

# %% [markdown]
# Without the cycle nothing asks the generators to keep what is where. Their pictures still look like relief to the
# discriminator; coasts and mountains wander, and the way back no longer leads to where it began.

# %%
assert errors["without"][0] > 1.5 * errors["with the cycle"][0]
assert errors["without"][1] > errors["with the cycle"][1]  # the truth, which neither training saw

# %% [markdown]
# ## One's own folders
#
# The survey shows Monet to photographs, horses to zebras and others. They need the paper's data sets, which
# `configs/cyclegan/` names, and a GPU or some days: [Train two folders](../guides/train.md).
