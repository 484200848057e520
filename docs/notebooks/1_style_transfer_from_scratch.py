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
# # 1. Image style transfer from scratch
#
# There are two families of style transfer. One optimizes the pixels of a single image with a network that was trained
# for something else: two pictures suffice, and it is slow. The other trains a network between two domains: it takes
# many pictures, and then one pass ([notebook 4](4_cyclegan.py); [notebook 5](5_painters.py) for a network that needs no
# more than a painting). This notebook builds the first by hand, after Gatys, Ecker & Bethge, *Image Style Transfer Using Convolutional Neural Networks*, CVPR 2016. Equations are numbered as there.
#
# It needs `keras_style` and Matplotlib, and the folder `examples/` of the repository.

# %%
from pathlib import Path

import keras_style  # before TensorFlow: it sets up what TensorFlow reads once
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

HERE = Path.cwd()
EXAMPLES = next(each / "examples" for each in (HERE, *HERE.parents) if (each / "examples" / "content").is_dir())
SIZE = 128  # pixels of the long side; 256 looks better and takes four times as long


def show(pictures: dict, columns: int = 4, side: float = 2.6) -> None:
    """Pictures in rows, each under its label."""
    rows = -(-len(pictures) // columns)
    _, axes = plt.subplots(rows, columns, figsize=(side * columns, side * rows), squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.axis("off")
    for axis, (label, picture) in zip(axes.flat, pictures.items(), strict=False):
        axis.imshow(np.clip(picture, 0, 1), cmap="gray", vmin=0, vmax=1)
        axis.set_title(label, fontsize=9)
    plt.show()


photograph, painting = (
    keras_style.images.fit(keras_style.images.load(EXAMPLES / file), SIZE)
    for file in ("content/neuschwanstein_castle.jpg", "style/vangogh_cafe_terrace_at_night.png")
)
show({"photograph": photograph, "painting": painting}, columns=2)

# %% [markdown]
# ## Features
#
# VGG16 was trained to say what is in a picture. On its way to the answer it makes *feature maps*: each layer has
# filters, and each filter an answer at every position. Shallow layers see edges and colors, deep layers parts of things,
# at fewer positions.

# %%
STYLE_LAYERS = ["block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1"]
CONTENT_LAYER = "block4_conv2"
backbone = keras_style.backbones.get("vgg16_imagenet")


def features(image) -> dict:
    """Feature maps (1, height, width, filters) of an image (height, width, 3)."""
    return backbone(tf.convert_to_tensor(image[None], tf.float32), [*STYLE_LAYERS, CONTENT_LAYER])


seen = features(photograph)
for layer, maps in seen.items():
    print(f"{layer}: {maps.shape[1]} x {maps.shape[2]} positions, {maps.shape[3]} filters")

brightest = {}
for layer, maps in seen.items():
    strongest = int(tf.argmax(tf.reduce_mean(maps, axis=[0, 1, 2])))
    map_ = maps[0, :, :, strongest].numpy()
    brightest[f"{layer}, filter {strongest}"] = map_ / map_.max()
show(brightest, columns=5, side=2.2)

sizes = [maps.shape[1] * maps.shape[2] for maps in seen.values()]
assert sizes == sorted(sizes, reverse=True)  # deeper layers have fewer positions

# %% [markdown]
# ## Content
#
# The content loss compares features place by place (eq. 1): $\mathcal L_\text{content} = \frac12 \sum (F - P)^2$.
# What a layer has lost cannot be asked for. To see what it still knows, we look for an image with the photograph's
# features at that layer, starting from noise. The loop is gradient descent on pixels, here by Adam.

# %%
random = np.random.default_rng(0)
noise = np.float32(0.5 + 0.1 * random.standard_normal(photograph.shape))


def content_loss(features_of_image, features_of_photograph):
    """Equation 1."""
    return 0.5 * tf.reduce_sum((features_of_image - features_of_photograph) ** 2)


def minimize(loss, start: np.ndarray, steps: int, rate: float = 0.02) -> tuple[np.ndarray, list[float]]:
    """Adam on the pixels of an image, which stay in [0, 1]."""
    image = tf.Variable(start)
    optimizer = tf.keras.optimizers.Adam(rate)
    history = []

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            value = loss(image)
        optimizer.apply([tape.gradient(value, image)], [image])
        image.assign(tf.clip_by_value(image, 0, 1))
        return value

    for _ in range(steps):
        history.append(float(step()))
    return image.numpy(), history


from_layer = {}
for layer in ("block1_conv1", "block2_conv1", "block4_conv2"):
    wanted = backbone(tf.constant(photograph[None]), [layer])[layer]
    scale = content_loss(0, wanted)

    def of_layer(image, layer=layer, wanted=wanted, scale=scale):
        return content_loss(backbone(image[None], [layer])[layer], wanted) / scale

    from_layer[layer], falls = minimize(of_layer, noise, 60)
    print(f"{layer}: {falls[0]:.3f} -> {falls[-1]:.4f} of the features' own squares")
    assert falls[-1] < falls[0] / 2
show(from_layer, columns=3)

error = {layer: float(np.mean((image - photograph) ** 2)) for layer, image in from_layer.items()}
assert error["block1_conv1"] < error["block4_conv2"]  # pixels are lost on the way up, forms last longest

# %% [markdown]
# ## Style
#
# Style is what is left when places are forgotten: which filters answer together. The Gram matrix of a layer (eq. 3) is
# $G_{ij} = \sum_k F_{ik} F_{jk}$, a sum over the positions $k$. A shuffled picture has the same one, as far as the
# features are only shuffled:

# %%


def gram(maps):
    """Equation 3: (filters, filters)."""
    rows = tf.reshape(maps, [-1, maps.shape[-1]])
    return tf.matmul(rows, rows, transpose_a=True)


maps = features(painting)["block3_conv1"]
rows = tf.reshape(maps, [-1, maps.shape[-1]]).numpy()
shuffled = random.permutation(rows).reshape(maps.shape)
np.testing.assert_allclose(gram(shuffled), gram(maps), rtol=1e-3, atol=1e-1 * float(tf.reduce_mean(gram(maps))))

_, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
for axis, (name, image) in zip(
    axes, {"photograph": photograph, "painting": painting, "noise": noise}.items(), strict=True
):
    axis.imshow(np.log1p(gram(features(image)["block1_conv1"])))
    axis.set_title(f"{name}: Gram matrix of block1_conv1 (logarithm)", fontsize=8)
    axis.set_xlabel("filter", fontsize=8)
plt.show()

# %% [markdown]
# The style loss of a layer (eq. 4) is $E = \frac{1}{4 N^2 M^2} \sum (G - A)^2$, and the loss is a weighted sum over
# layers (eq. 5). Pictures of different sizes have Gram matrices of different sizes of numbers, so we divide each by its
# own number of positions $M$. The package's `GramLoss` is the same:

# %%


def style_loss(maps_of_image, maps_of_painting):
    """Equation 4, with each Gram matrix over its own number of positions."""
    filters = maps_of_image.shape[-1]
    g, a = (gram(maps) / (maps.shape[1] * maps.shape[2]) for maps in (maps_of_image, maps_of_painting))
    return tf.reduce_sum((g - a) ** 2) / (4 * filters**2)


of_painting, of_photograph = features(painting), features(photograph)
package = keras_style.losses.GramLoss(normalization="paper")
for layer in STYLE_LAYERS:
    ours, theirs = (
        style_loss(of_photograph[layer], of_painting[layer]),
        package(of_painting[layer], of_photograph[layer]),
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    print(f"{layer}: E = {float(ours):.3g}")

# %% [markdown]
# ## Both
#
# The total is $\alpha \mathcal L_\text{content} + \beta \mathcal L_\text{style}$ (eq. 7). Each term is divided here by
# its value at the target's own size, so that $\alpha = \beta = 1$ is about balanced; the package's defaults do the same.

# %%
content_scale = content_loss(0, of_photograph[CONTENT_LAYER])
style_scales = {layer: style_loss(of_painting[layer] * 0, of_painting[layer]) for layer in STYLE_LAYERS}


def terms(image) -> tuple:
    """Content and style of an image, each relative to its target."""
    got = features(image)
    style = sum(style_loss(got[layer], of_painting[layer]) / style_scales[layer] for layer in STYLE_LAYERS)
    return content_loss(got[CONTENT_LAYER], of_photograph[CONTENT_LAYER]) / content_scale, style / len(STYLE_LAYERS)


def total(image):
    """Equation 7."""
    content, style = terms(image)
    return content + 20 * style


by_hand, history = minimize(total, photograph, 80)
show({"photograph": photograph, "by hand, 80 steps": by_hand, "painting": painting}, columns=3)
plt.figure(figsize=(6, 2.6))
plt.semilogy(history)
plt.xlabel("step")
plt.ylabel("total loss")
plt.show()
assert history[-1] < history[0] / 4
assert float(terms(by_hand)[1]) < float(terms(photograph)[1]) / 8

# %% [markdown]
# That is the method. What `keras_style.transfer` adds: L-BFGS over cosines in opponent colors, several scales for larger
# pictures, a second layer of content, a margin against the frame along the border, weights of the style layers that
# fall with depth, and a little total variation against speckle.

# %%


def transfer(**parameters) -> np.ndarray:
    """A picture by the package's defaults, with few steps."""
    return keras_style.transfer(photograph, painting, size=SIZE, verbose=0, **{"steps": 40, **parameters}).array


by_package = transfer(steps=90)
show({"by hand": by_hand, "keras_style.transfer": by_package}, columns=2)
assert float(terms(by_package)[1]) < float(terms(photograph)[1]) / 8

# %% [markdown]
# ## One photograph by several painters
#
# The same photograph with three further paintings (figure 3 of the paper). Each picture is nearest to its own painting.

# %%
paintings = {"café terrace": painting}
for label, file in (
    ("church", "church_at_auvers.webp"),
    ("night café", "night_cafe.png"),
    ("harvest", "the_harvest.webp"),
):
    paintings[label] = keras_style.images.fit(keras_style.images.load(EXAMPLES / "style" / f"vangogh_{file}"), SIZE)
by_painting = {"café terrace": by_package}
for label, each in list(paintings.items())[1:]:
    by_painting[label] = keras_style.transfer(photograph, each, size=SIZE, steps=40, verbose=0).array
show({f"painting: {label}": each for label, each in paintings.items()})
show({f"by {label}": picture for label, picture in by_painting.items()})


def apart(picture, target) -> float:
    """Style loss, each layer relative to the target's own size."""
    got, wanted = features(picture), features(target)
    each = [
        style_loss(got[layer], wanted[layer]) / style_loss(wanted[layer] * 0, wanted[layer]) for layer in STYLE_LAYERS
    ]
    return float(np.mean(each))


table = np.array([[apart(picture, target) for target in paintings.values()] for picture in by_painting.values()])
print(np.round(table, 2))  # a row for each picture, a column for each painting
assert np.array_equal(table.argmin(axis=1), np.arange(len(paintings)))

# %% [markdown]
# ## The ratio α/β
#
# From the photograph to the texture of the painting alone (figure 4 of the paper). All but the last start from the
# photograph, whose contours even a small weight holds. The last one starts from noise and has no content loss.

# %%
ratios = (100, 10, 1, 0.1, 0.01)
by_ratio = {ratio: transfer(content_weight=ratio) for ratio in ratios}
texture = transfer(content_weight=0, init="noise", steps=80)
show({**{f"α/β = {ratio:g}": picture for ratio, picture in by_ratio.items()}, "α = 0": texture}, columns=6, side=2.2)

measured = np.array([[float(term) for term in terms(picture)] for picture in by_ratio.values()])
plt.figure(figsize=(6, 2.8))
plt.loglog(ratios, measured[:, 0], "o-", label="content")
plt.loglog(ratios, measured[:, 1], "o-", label="style")
plt.xlabel("α/β")
plt.ylabel("loss, relative")
plt.legend()
plt.show()
assert np.all(np.diff(measured[:, 0]) > 0)  # less weight, more difference from the photograph
assert np.all(np.diff(measured[:3, 1]) < 0)  # and less from the painting
assert float(terms(texture)[0]) > measured[:, 0].max()  # nothing asked for the castle

# %% [markdown]
# ## Which layers
#
# Style from the first layer alone, to four. Shallow layers give colors and grain, deep ones strokes and swirls.

# %%
by_layers = {count: transfer(style_layers=STYLE_LAYERS[:count], content_weight=0.3) for count in (1, 2, 3, 4)}
show({f"style up to {STYLE_LAYERS[count - 1]}": picture for count, picture in by_layers.items()})

deepest = [
    float(style_loss(features(picture)["block4_conv1"], of_painting["block4_conv1"])) for picture in by_layers.values()
]
assert deepest[3] == min(deepest) and deepest[3] < deepest[0] / 2

# %% [markdown]
# The content on a shallow layer holds every edge; on a deep one the painting has room.

# %%
by_content = {layer: transfer(content_layers=[layer]) for layer in ("block2_conv2", "block4_conv2")}
show({f"content at {layer}": picture for layer, picture in by_content.items()}, columns=2)

shallow, deep = (float(np.mean((picture - photograph) ** 2)) for picture in by_content.values())
assert shallow < deep

# %% [markdown]
# ## Where to start
#
# From the photograph, from the painting, or from noise, where each seed gives another picture (figure 6 of the paper).

# %%
starts = {"photograph": {"init": "content"}, "painting": {"init": "style"}}
starts |= {f"noise, seed {seed}": {"init": "noise", "seed": seed} for seed in (0, 1)}
by_start = {name: transfer(steps=80, **start) for name, start in starts.items()}
show({f"from the {name}" if name[0] == "p" else name: picture for name, picture in by_start.items()})

first, second = by_start["noise, seed 0"], by_start["noise, seed 1"]
difference = float(np.mean(np.abs(first - second)))
losses = [float(terms(picture)[1]) for picture in (first, second)]
print(
    f"two seeds differ by {255 * difference:.0f} of 255 levels; their style losses are {losses[0]:.4f} and {losses[1]:.4f}"
)
assert difference > 20 / 255
assert max(losses) < 1.5 * min(losses)
