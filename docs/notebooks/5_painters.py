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
# # 5. Painters: a style is 990 numbers
#
# [Notebook 1](1_style_transfer_from_scratch.py) optimizes the pixels of each picture anew. A network that was trained
# for a painting paints any photograph in one pass, but there had to be one network for each painting. Dumoulin, Shlens &
# Kudlur, *A Learned Representation for Artistic Style*, ICLR 2017, found that all paintings can share the network but
# for a few numbers. This notebook looks at these numbers, teaches a new painting by optimizing nothing else, and measures
# what was learned.

# %%
import tempfile
from pathlib import Path

import keras_style  # before TensorFlow: it sets up what TensorFlow reads once
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

HERE = Path.cwd()
EXAMPLES = next(each / "examples" for each in (HERE, *HERE.parents) if (each / "examples" / "content").is_dir())
SIZE = 256  # pixels of the long side


def show(pictures: dict, columns: int = 4, side: float = 2.6) -> None:
    """Pictures in rows, each under its label."""
    rows = -(-len(pictures) // columns)
    _, axes = plt.subplots(
        rows, columns, figsize=(side * columns, 0.8 * side * rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, (label, picture) in zip(axes.flat, pictures.items(), strict=False):
        axis.imshow(np.clip(picture, 0, 1))
        axis.set_title(label, fontsize=9)
    plt.show()


def load(file: str, size: int = SIZE) -> np.ndarray:
    return keras_style.images.fit(keras_style.images.load(EXAMPLES / file), size)


def levels(one: np.ndarray, other: np.ndarray) -> float:
    """Mean absolute difference of two pictures, of 255 levels."""
    return 255 * float(np.mean(np.abs(one - other)))


castle, mountain, church = (
    load(file) for file in ("content/neuschwanstein_castle.jpg", "photo/mountain_day.jpg", "photo/berlin_day.jpg")
)
painter = keras_style.models.Painter.from_preset("painters")
some = ("blue_woodblock", "starry_strokes", "crimson_hills", "lilac_impression", "charcoal_dawn", "ember", "nocturne")
show({"photograph": castle, **{style: painter.paint(castle, style).array for style in some}})

# %% [markdown]
# ## Conditional instance normalization
#
# The network is a stack of convolutions. After each, every channel $x$ of the picture's features is normalized by its own
# mean and deviation over the positions, and then gets a factor and an offset that depend on the style $s$ (eq. 5):
#
# $$z = \gamma_s\, \frac{x - \mu(x)}{\sigma(x)} + \beta_s$$
#
# Whatever style the features of the photograph had, in the sense of means and deviations, is taken away, and that of
# the painting is put in its place.

# %%
random = np.random.default_rng(0)
x = np.float32(random.normal(3, 2, (1, 40, 60, 8)))
gamma, beta = np.float32(random.random((2, 8)) + 0.5)
layer = keras_style.layers.ConditionalInstanceNormalization()
z = np.array(layer([x, np.concatenate([gamma, beta])[None]]))

mean, deviation = x.mean(axis=(1, 2)), x.std(axis=(1, 2))
np.testing.assert_allclose(z, gamma * (x - mean[:, None, None]) / deviation[:, None, None] + beta, atol=1e-4)
np.testing.assert_allclose(z.mean(axis=(1, 2))[0], beta, atol=1e-4)  # what it was before is forgotten
np.testing.assert_allclose(z.std(axis=(1, 2))[0], gamma, atol=1e-4)

# %% [markdown]
# ## What a row is
#
# All factors and offsets of all normalizations, one after the other, are the *row* of a style. The network has 18
# normalizations; 32 channels in most of them, and 3 in the last, which are red, green and blue. So a row has 990
# numbers. What all styles share is more than a hundred times as much.

# %%
normalizations = [
    each for each in painter.network.layers if isinstance(each, keras_style.layers.ConditionalInstanceNormalization)
]
channels = [each.output.shape[-1] for each in normalizations]
row = painter.row("starry_strokes")
shared = painter.network.count_params()
print(f"channels: {channels}")
print(f"a row has {row.size} numbers, the network {shared:,}")
assert len(channels) == 18 and row.size == 2 * sum(channels) == 990
assert shared > 100 * row.size

starts = np.cumsum([0, *(2 * count for count in channels)])
_, axes = plt.subplots(2, 1, figsize=(10, 4), sharex=True, layout="constrained")
for style in ("starry_strokes", "blue_woodblock"):
    row_of_style, places = painter.row(style), np.arange(sum(channels))
    parts = [row_of_style[start : start + 2 * count] for start, count in zip(starts, channels, strict=False)]
    for axis, half, label in zip(axes, (0, 1), ("γ", "β"), strict=True):
        axis.plot(places, np.concatenate([np.split(part, 2)[half] for part in parts]), linewidth=0.8, label=style)
        axis.set_ylabel(label, rotation=0)
for axis in axes:
    for edge in np.cumsum(channels)[:-1]:
        axis.axvline(edge - 0.5, color="0.8", linewidth=0.6, zorder=0)
axes[0].legend(fontsize=8)
axes[0].set_title("two rows; the lines are the borders of the normalizations", fontsize=9)
axes[1].set_xlabel("channel, from the first normalization to the last")
plt.show()

# %% [markdown]
# Nothing but the row makes the style. Its last six numbers, factor and offset of red, green and blue, are the palette: here
# are those of one style in the row of another.

# %%


def painted(photograph: np.ndarray, row: np.ndarray) -> np.ndarray:
    """The network's answer to a photograph and a row."""
    height, width = (side // 4 * 4 for side in photograph.shape[:2])
    return np.array(painter.network([photograph[None, :height, :width], row[None]]))[0]


woodblock, mixed = painter.row("blue_woodblock"), painter.row("starry_strokes").copy()
mixed[-6:] = woodblock[-6:]  # γ and β of red, green and blue
palettes = {
    "starry_strokes": painted(castle, row),
    "starry_strokes, last 6 numbers\nof blue_woodblock": painted(castle, mixed),
    "blue_woodblock": painted(castle, woodblock),
}
show(palettes, columns=3, side=3)
first, swapped, second = palettes.values()
colors = [picture.mean(axis=(0, 1)) for picture in (first, swapped, second)]
print("mean colors:", *(np.round(255 * color).astype(int) for color in colors))
assert np.linalg.norm(colors[1] - colors[2]) < np.linalg.norm(colors[0] - colors[2]) / 3

# %% [markdown]
# ## Teach a painting
#
# The paper trains all weights with many paintings, and then learns a new one by its row alone. We begin at that point:
# the network stays as it is, and 990 numbers are optimized by the losses of notebook 1, Gram matrices and content (eq. 7
# of Gatys et al., CVPR 2016). The first row is that of known styles whose blend is nearest to the painting. The preset
# knows this painting and others by the same hand. That would be too easy: first it forgets all styles of known paintings.

# %%
for style in [style for style in painter.styles if "painting" in painter.card(style)]:
    painter.forget(style)

LESSON = 192  # pixels of the long side of what is taught on; the default is 256
painting = keras_style.images.load(EXAMPLES / "style" / "vangogh_cafe_terrace_at_night.png")
before = {style: painter.paint(castle, style).array for style in ("ember", "nocturne")}
weights = painter.base

lesson = painter.teach(painting, "cafe_terrace", castle, size=LESSON, verbose=0)
history = {name: np.array(values) for name, values in lesson.history.items()}
plt.figure(figsize=(8, 3), layout="constrained")
for name, values in history.items():
    plt.semilogy(np.arange(1, lesson.steps + 1), values, label=name, linewidth=2 if name == "loss" else 1)
plt.axhline(history["loss"][0], color="0.6", linestyle="--", linewidth=1, label="loss of the blend of known styles")
plt.xlabel("step")
plt.ylabel("loss")
plt.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()
cafe = painter.paint(castle, "cafe_terrace").array
show({"photograph": castle, "painting": keras_style.images.fit(painting, SIZE), "painted": cafe}, columns=3, side=3)

print(f"{lesson.steps} steps: loss {history['loss'][0]:.2f} -> {history['loss'][-1]:.2f}")
assert history["loss"][-1] < 0.7 * history["loss"][0]
assert history["style"][-1] < history["style"][0] / 2  # half of the way to the painting, and more

# %% [markdown]
# Nothing else has changed: neither the shared weights nor what was known before.

# %%
assert painter.base == weights
for style, picture in before.items():
    np.testing.assert_array_equal(painter.paint(castle, style).array, picture)

# %% [markdown]
# ## One photograph, or several
#
# A row that was learned on one photograph need not fit another. So we teach the same painting once more, on eight
# photographs that come with the package, a crop of each in turn. Then either row paints the castle, and two photographs that
# no lesson saw.
#
# A measure that was optimized proves little. So the gap is that of Gram matrices (eq. 3 of Gatys et al.) on layers that no
# lesson compares, relative to the painting's own: 0 is the painting.

# %%
PHOTOGRAPHS = Path(keras_style.__file__).parent / "photographs"
LAND = ("chateaudechambord", "canyondechelly", "machupicchu", "montstmichel", "horse", "schwerinpalace", "windmill11")
several = [PHOTOGRAPHS / f"{name}.webp" for name in (*LAND, "rocamadour")]
painter.teach(painting, "cafe_by_eight", several, size=LESSON, steps=160, verbose=0)

OTHER_LAYERS = ["block1_conv2", "block2_conv2", "block3_conv2", "block4_conv3"]
backbone = keras_style.backbones.get("vgg16_imagenet")


def gram_matrices(picture: np.ndarray) -> list[np.ndarray]:
    """The Gram matrix of each of the other layers, (filters, filters), over the number of positions."""
    maps = backbone(tf.constant(picture[None]), OTHER_LAYERS)
    rows = [tf.reshape(maps[layer], [-1, maps[layer].shape[-1]]) for layer in OTHER_LAYERS]
    return [(tf.matmul(each, each, transpose_a=True) / each.shape[0]).numpy() for each in rows]


wanted = gram_matrices(keras_style.images.fit(painting, 2 * LESSON))  # strokes of the size that the lessons saw


def gap(picture: np.ndarray) -> float:
    """From the painting; 0 to about 1."""
    pairs = zip(gram_matrices(picture), wanted, strict=True)
    return float(np.mean([np.sum((got - aim) ** 2) / np.sum(aim**2) for got, aim in pairs]))


styles = {"cafe_terrace": "on the castle", "cafe_by_eight": "on eight"}
photographs = {"castle": castle, "mountain": mountain, "church": church}
pictures = {(style, name): painter.paint(each, style).array for style in styles for name, each in photographs.items()}
show({f"{name}, taught {styles[style]}": picture for (style, name), picture in pictures.items()}, columns=3, side=3)
gaps = {style: [gap(pictures[style, name]) for name in photographs] for style in styles}
unpainted = [gap(each) for each in photographs.values()]
print(
    "gap of the photographs themselves:",
    *(f"{name} {value:.2f}" for name, value in zip(photographs, unpainted, strict=True)),
)
for style, values in gaps.items():
    print(f"taught {styles[style]}:", *(f"{name} {value:.3f}" for name, value in zip(photographs, values, strict=True)))

one, eight = (np.array(values) for values in gaps.values())
assert np.all(one < np.array(unpainted) / 3) and np.all(eight < np.array(unpainted) / 3)
np.testing.assert_allclose(one[0], eight[0], rtol=0.1)

# %% [markdown]
# On its own photograph the row of one is as near to the painting as that of eight. On photographs that it never saw it is
# less near, and less than that of eight, on average. But it still comes several times nearer than the photographs are:
# a row says how features are to be, and most of it holds for any photograph.

# %%
assert one[1:].min() > 1.15 * one[0]
assert one[1:].mean() > 1.05 * eight[1:].mean()

# %% [markdown]
# ## Pass it on
#
# A style file holds the row, its name and a digest of the weights that it belongs to.

# %%
with tempfile.TemporaryDirectory() as folder:
    file = painter.save_style("cafe_terrace", Path(folder) / "cafe_terrace.style")
    size = file.stat().st_size
    friend = keras_style.models.Painter.from_preset("painters")
    friend.load_style(file, "from_a_friend")  # the preset has another style of the first name
print(f"{size:,} bytes")
assert size < 10_000
np.testing.assert_array_equal(friend.paint(castle, "from_a_friend").array, cafe)

# %% [markdown]
# ## Blends
#
# A blend of two styles is a blend of their rows, which is a third style. It is not the blend of the two pictures, where each
# would shine through the other.

# %%
shares = np.linspace(0, 1, 5)
pair = ["cafe_terrace", "blue_woodblock"]
blends = [painter.paint(castle, pair, style_blend=[1 - share, share]).array for share in shares]
show({f"{100 * share:.0f} % {pair[1]}": picture for share, picture in zip(shares, blends, strict=True)}, columns=5)

far_from = np.array([[levels(picture, blends[end]) for picture in blends] for end in (0, -1)])
plt.figure(figsize=(5, 2.6), layout="constrained")
for style, distances in zip(pair, far_from, strict=True):
    plt.plot(shares, distances, "o-", label=f"from {style}")
plt.xlabel(f"share of {pair[1]}")
plt.ylabel("difference, levels")
plt.legend(fontsize=8)
plt.show()
assert np.all(np.diff(far_from[0]) > 0) and np.all(np.diff(far_from[1]) < 0)
assert levels(blends[2], (blends[0] + blends[-1]) / 2) > 10  # of rows, not of pictures

# %% [markdown]
# ## Strength and strokes
#
# `strength` does mix pictures: the photograph and the painted one. So the difference from the photograph is proportional to it.
# `stroke` paints a smaller or larger copy, and brings it back to size: the network's strokes have a size in pixels.

# %%
strengths = {
    strength: painter.paint(castle, "cafe_terrace", strength=strength).array for strength in (0.25, 0.5, 0.75, 1)
}
strokes = {stroke: painter.paint(castle, "cafe_terrace", stroke=stroke).array for stroke in (0.5, 1, 2)}
show({f"strength {strength:g}": picture for strength, picture in strengths.items()})
show({f"stroke {stroke:g}": picture for stroke, picture in strokes.items()}, columns=3)


def detail(picture: np.ndarray) -> float:
    """Mean difference of neighboring pixels, of 255 levels."""
    return 255 * float(np.mean(np.abs(np.diff(picture, axis=0))) + np.mean(np.abs(np.diff(picture, axis=1)))) / 2


for strength, picture in strengths.items():
    np.testing.assert_allclose(levels(picture, castle), strength * levels(cafe, castle), rtol=1e-3)
details = [detail(picture) for picture in strokes.values()]
print("detail by stroke:", *(f"{stroke:g}: {value:.1f}" for stroke, value in zip(strokes, details, strict=True)))
assert details == sorted(details, reverse=True)  # the larger the strokes, the fewer

# %% [markdown]
# ## Stability under a shift
#
# In a video the camera moves a little from picture to picture. Two convolutions of the network halve the size, so that it
# sees the picture on a grid of four pixels. If the picture moves by four, the painted one moves along, and only the
# statistics of what came in and went out at the border change. If it moves by one, two or three, the strokes fall differently. We
# paint cuts of one photograph, each some pixels to the right of the first, and compare what they have in common.

# %%
wide = load("content/neuschwanstein_castle.jpg", SIZE + 8)
height, width, margin = wide.shape[0] // 4 * 4, SIZE - 16, 16  # the border is the network's own affair
moves = range(1, 9)
flicker = {}
for style in ("cafe_terrace", "ember"):
    cuts = [painter.paint(wide[:height, move : move + width], style).array for move in (0, *moves)]
    flicker[style] = [
        levels(
            cuts[0][margin:-margin, margin + move : width - margin],
            cuts[move][margin:-margin, margin : width - margin - move],
        )
        for move in moves
    ]
    print(f"{style}:", *(f"{value:.1f}" for value in flicker[style]))
plt.figure(figsize=(5, 2.6), layout="constrained")
for style, values in flicker.items():
    plt.plot(moves, values, "o-", label=style)
plt.xlabel("moved by, pixels")
plt.ylabel("difference, levels")
plt.legend(fontsize=8)
plt.show()
for values in flicker.values():
    assert max(values[3], values[7]) < min(values[:3] + values[4:7]) / 3  # four and eight pixels, and the others

# %% [markdown]
# Noise of two levels, as of a camera, is another matter: it is hardly amplified.

# %%
still = wide[:height, :width]
noisy = np.float32(np.clip(still + random.normal(0, 2 / 255, still.shape), 0, 1))
for style in flicker:
    moved = levels(painter.paint(noisy, style).array, painter.paint(still, style).array)
    print(f"{style}: noise of {levels(noisy, still):.1f} levels becomes {moved:.1f}")
    assert moved < 3 * levels(noisy, still)

# %% [markdown]
# `Painter.fit` trains the shared weights, too, and has a term against flicker, with a weight, `stability_weight`. What it costs
# and what it brings is in [Painters](../painters.md#training-all-weights); how to teach a painting of your own in
# [a guide](../guides/own_painting.md).
