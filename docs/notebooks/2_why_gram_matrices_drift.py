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
# # 2. Why Gram matrices drift, and how photographs stay photographs
#
# Two extensions of Gatys' method. Risser, Wilmot & Barnes, *Stable and Controllable Neural Texture Synthesis and Style
# Transfer Using Histogram Losses* (arXiv 1701.08893, 2017) add what Gram matrices do not see. Luan, Paris, Shechtman &
# Bala, *Deep Photo Style Transfer* (CVPR 2017) add what keeps a photograph one.

# %%
from pathlib import Path

import keras_style  # before TensorFlow: it sets up what TensorFlow reads once
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import stats

HERE = Path.cwd()
EXAMPLES = next(each / "examples" for each in (HERE, *HERE.parents) if (each / "examples" / "content").is_dir())
losses, images = keras_style.losses, keras_style.images
random = np.random.default_rng(0)


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


def load(file: str, size: int) -> np.ndarray:
    return images.fit(images.load(EXAMPLES / file), size)


# %% [markdown]
# ## Two distributions, one Gram matrix
#
# Over its number of positions a Gram matrix is $\operatorname{E} f f^\top = \Sigma + \mu \mu^\top$: covariance and mean
# in one sum. So a cloud with little spread far from zero and another with much spread near zero
# can have the same. We make the second cloud so that they do, exactly.

# %%
narrow = np.array([1.0, 0.8]) + 0.15 * random.standard_normal((1500, 2))
wide = random.standard_normal((1500, 2))


def second_moment(points):
    return points.T @ points / len(points)


def root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(values) @ vectors.T


wide = wide @ np.linalg.inv(root(second_moment(wide))) @ root(second_moment(narrow))
_, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
for points, name in ((narrow, "one"), (wide, "the other")):
    axes[0].plot(*points.T, ".", markersize=2, label=name)
    axes[1].hist(points[:, 0], 60, density=True, alpha=0.6, label=name)
axes[0].set_aspect("equal")
axes[0].set_title("two clouds with one Gram matrix", fontsize=9)
axes[1].set_title("their first coordinate", fontsize=9)
axes[0].legend()
plt.show()


def maps(points):
    """Samples (n, filters) as a feature map (1, n, 1, filters)."""
    return tf.convert_to_tensor(points[None, :, None, :])


def distance(loss) -> float:
    return float(loss(maps(narrow), maps(wide)))


np.testing.assert_allclose(second_moment(wide), second_moment(narrow), atol=1e-12)
assert distance(losses.GramLoss()) < 1e-9 * distance(losses.MomentsLoss())  # it sees no difference
assert distance(losses.MomentsLoss()) > 0.1  # means and deviations do
assert distance(losses.HistogramLoss()) > 0.1  # and so do histograms
print(
    {type(each).__name__: distance(each) for each in (losses.GramLoss(), losses.MomentsLoss(), losses.HistogramLoss())}
)

# %% [markdown]
# ## Histogram matching
#
# $R$ keeps the order of a filter's values and gives them the target's distribution. The best known
# use is on pictures, where the filters are the colors:

# %%
photograph = load("content/neuschwanstein_castle.jpg", 192)
painting = load("style/vangogh_cafe_terrace_at_night.png", 192)
matched = losses.match_histograms(photograph, painting).numpy()
show({"photograph": photograph, "target": painting, "matched": matched}, columns=3)

_, axes = plt.subplots(1, 3, figsize=(10, 2.6), layout="constrained")
for axis, (name, image) in zip(
    axes, {"photograph": photograph, "target": painting, "matched": matched}.items(), strict=True
):
    for channel, color in enumerate(("tab:red", "tab:green", "tab:blue")):
        axis.hist(image[..., channel].ravel(), 64, range=(0, 1), histtype="step", color=color)
    axis.set_title(name, fontsize=9)
    axis.set_xlabel("level of red, green, blue", fontsize=8)
axes[0].set_ylabel("pixels", fontsize=8)
plt.show()

for channel in range(3):
    got, wanted, was = (each[..., channel].ravel() for each in (matched, painting, photograph))
    assert stats.wasserstein_distance(got, wanted) < 0.01 * stats.wasserstein_distance(was, wanted)
    assert stats.spearmanr(got, was).statistic > 0.999  # the order is kept, up to ties

# %% [markdown]
# The histogram loss is the distance to what is matched, $\lVert F - R(F) \rVert^2$, here by the package and by hand:

# %%
loss = losses.HistogramLoss()
by_hand = np.mean((photograph - matched) ** 2)
np.testing.assert_allclose(float(loss(painting[None], photograph[None])), by_hand, rtol=1e-3)

# %% [markdown]
# ## Textures
#
# A texture is style without content: only the style loss, on a larger canvas. Nothing holds the contrast in place, so
# by Gram matrices alone it drifts. A canvas of twice the exemplar's side:

# %%
exemplar = images.load(EXAMPLES / "texture" / "brick.png")[:96, :96]
textures = {
    method: keras_style.synthesize_texture(exemplar, size=192, method=method, steps=120, verbose=0).array
    for method in ("gatys", "histogram")
}
canvases = {f"{method}, 192 x 192 pixels": canvas for method, canvas in textures.items()}
show({"exemplar, 96 x 96 pixels": exemplar, **canvases}, columns=3, side=3)


def unlike(canvas: np.ndarray, block: int = 24) -> float:
    """Distance of the mean colors of blocks of the canvas from those of blocks of the exemplar."""

    def blocks(image):
        shifted = [
            image[y : y + block, x : x + block].mean(axis=(0, 1))
            for y in range(0, len(image) - block + 1, 8)
            for x in range(0, len(image) - block + 1, 8)
        ]
        return np.array(shifted)

    pairs = zip(blocks(canvas).T, blocks(exemplar).T, strict=True)
    return float(np.mean([stats.wasserstein_distance(got, wanted) for got, wanted in pairs]))


print({method: round(unlike(canvas), 4) for method, canvas in textures.items()})
assert unlike(textures["histogram"]) < 0.6 * unlike(textures["gatys"])  # patches keep the exemplar's colors

# %% [markdown]
# ## Painting by region
#
# Localized transfer: each region has a painting of its own, and its statistics are compared with
# that painting's alone.

# %%
SIZE = 128
day = load("photo/mountain_day.jpg", SIZE)
sky = images.load(EXAMPLES / "photo" / "mountain_day_sky.png")
night, harvest = load("style/vangogh_cafe_terrace_at_night.png", SIZE), load("style/vangogh_the_harvest.webp", SIZE)
localized = keras_style.transfer(
    day,
    {"sky": night, "uncovered": harvest},
    content_masks={"sky": EXAMPLES / "photo" / "mountain_day_sky.png"},
    size=SIZE,
    steps=60,
    verbose=0,
).array
show({"photograph": day, "mask": sky, "for the sky": night, "for the rest": harvest, "picture": localized}, columns=5)

above = images.fit(sky, SIZE)[..., 0] > 0.5
mean_of_sky, mean_of_rest = localized[above].mean(axis=0), localized[~above].mean(axis=0)


def nearer(color, one, other) -> bool:
    return np.linalg.norm(color - one.mean(axis=(0, 1))) < np.linalg.norm(color - other.mean(axis=(0, 1)))


assert nearer(mean_of_sky, night, harvest) and nearer(mean_of_rest, harvest, night)

# %% [markdown]
# ## Affine maps of color
#
# What a picture editor does to a whole photograph is often an affine map of its colors: gray, sepia, gains of channels.

# %%
gray = np.tile([0.2989, 0.5870, 0.1140], (3, 1))
sepia = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]]) / 1.36
gains = np.diag([0.5, 0.7, 0.95])
edited = {
    "gray": np.float32(day @ gray.T),
    "sepia": np.float32(day @ sepia.T),
    "channel gains": np.float32(day @ gains.T + [0.05, 0.02, 0.04]),
}
show({"photograph": day, **edited})


def residual(picture, of=day) -> float:
    """The part of a picture's variance in windows of 3 x 3 that no affine map of the colors explains: 0 to 1."""
    return float(losses.affine_residual(np.float64(picture), np.float64(of)))


for name, picture in edited.items():
    print(f"{name}: {residual(picture):.1e}")
    assert residual(picture) < 1e-3
assert residual(random.random(day.shape)) > 0.5  # noise is at 5/8

# %% [markdown]
# One map for the whole picture cannot be a style. At dusk black windows light up, while the dark roof stays dark: one
# color becomes two. A map for each window of pixels can do that. A toy, with a house whose windows turn from black to
# white:

# %%
house = np.full((36, 48, 3), [0.55, 0.65, 0.8])
house[14:, 6:42] = [0.6, 0.45, 0.35]
house[6:14, 4:44] = 0.1
lit = house.copy() * [0.5, 0.5, 0.6]
for x in (10, 22, 34):
    house[19:27, x : x + 6] = 0.1
    lit[19:27, x : x + 6] = [1.0, 0.95, 0.7]

colors = np.concatenate([house.reshape(-1, 3), np.ones((house[..., 0].size, 1))], axis=1)
best = np.linalg.lstsq(colors, lit.reshape(-1, 3), rcond=None)[0]
one_map = (colors @ best).reshape(house.shape)


def map_for_each_window(image, target, radius: int = 1) -> np.ndarray:
    """Each window's best affine map, and the mean of what the windows over a pixel say."""
    total, count = np.zeros_like(image), np.zeros(image.shape[:2])[..., None]
    for y in range(radius, image.shape[0] - radius):
        for x in range(radius, image.shape[1] - radius):
            window = np.s_[y - radius : y + radius + 1, x - radius : x + radius + 1]
            inputs = np.concatenate([image[window].reshape(-1, 3), np.ones((9, 1))], axis=1)
            fitted = inputs @ np.linalg.lstsq(inputs, target[window].reshape(-1, 3), rcond=1e-9)[0]
            total[window] += fitted.reshape(3, 3, 3)
            count[window] += 1
    return total / count


many_maps = map_for_each_window(house, lit)
show({"by day": house, "at dusk": lit, "one map": one_map, "a map for each window": many_maps})
errors = [float(np.mean((each - lit) ** 2)) for each in (one_map, many_maps)]
print(f"squared error of one map {errors[0]:.4f}, of a map for each window {errors[1]:.2g}")
assert errors[1] < 1e-3 * errors[0]

# %% [markdown]
# ## The matting Laplacian
#
# $v^\top L v$ is what all windows' best maps leave of a channel $v$ (Levin, Lischinski & Weiss, *A Closed-Form Solution
# to Natural Image Matting*, PAMI 2008, eq. 12). Luan et al. add it to the objective, summed over the channels (their
# eq. 2). Here is the matrix itself for a small photograph, by its definition, beside the package's loss, which never
# builds it.

# %%
small = np.float64(load("photo/berlin_day.jpg", 32))
height, width, _ = small.shape
EPSILON, PIXELS = 1e-4, 9
laplacian = np.zeros((height * width, height * width))
index = np.arange(height * width).reshape(height, width)
for y in range(1, height - 1):
    for x in range(1, width - 1):
        inside = index[y - 1 : y + 2, x - 1 : x + 2].ravel()
        window = small.reshape(-1, 3)[inside]
        centered = window - window.mean(axis=0)
        covariance = centered.T @ centered / PIXELS + EPSILON / PIXELS * np.eye(3)
        laplacian[np.ix_(inside, inside)] += (
            np.eye(PIXELS) - (1 + centered @ np.linalg.inv(covariance) @ centered.T) / PIXELS
        )

picture = random.random(small.shape)
channels = picture.reshape(-1, 3)
by_matrix = np.trace(channels.T @ laplacian @ channels)
loss = losses.MattingLaplacianLoss(small, epsilon=EPSILON)
by_package = float(loss(small[None], picture[None]))
print(f"by the matrix {by_matrix:.4f}, by the package {by_package:.4f}")

_, axes = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
axes[0].imshow(np.abs(laplacian[:200, :200]) ** 0.5, cmap="magma")
axes[0].set_title("a corner of |L|, square roots", fontsize=9)
axes[0].set_xlabel("pixel", fontsize=8)
axes[1].imshow(small)
axes[1].set_title("the photograph", fontsize=9)
axes[1].axis("off")
plt.show()

np.testing.assert_allclose(by_package, by_matrix, rtol=1e-4)
np.testing.assert_allclose(laplacian, laplacian.T, atol=1e-9)
assert np.linalg.eigvalsh(laplacian).min() > -1e-8
constant = np.ones(height * width)
assert abs(constant @ laplacian @ constant) < 1e-6  # a constant is an affine map

# %% [markdown]
# ## A photograph at dusk
#
# The same pair by Gatys' loss and by the objective of Luan et al. (their eq. 4), sky and ground apart. The crops below
# are the survey's figure: lines bend, or they stay.

# %%
SIZE = 192
day, dusk = load("photo/berlin_day.jpg", SIZE), load("photo/berlin_dusk.jpg", SIZE)
masks = {
    "content_masks": EXAMPLES / "photo" / "berlin_day_sky.png",
    "style_masks": EXAMPLES / "photo" / "berlin_dusk_sky.png",
}
by_method = {
    method: keras_style.transfer(day, dusk, method=method, size=SIZE, steps=steps, verbose=0, **masks).array
    for method, steps in (("gatys", 60), ("photo", 80))
}
show({"by day": day, "at dusk": dusk, **by_method}, side=3)

crop = np.s_[day.shape[0] // 3 : day.shape[0] * 5 // 6, SIZE // 4 : SIZE * 5 // 8]
show({f"{name}, crop": each[crop] for name, each in {"by day": day, **by_method}.items()}, columns=3, side=3.2)

left = {method: residual(picture, day) for method, picture in by_method.items()}
print({method: f"{value:.1e}" for method, value in left.items()})
assert left["photo"] < left["gatys"] / 20


def colors_from(picture, target) -> float:
    pairs = ((picture[..., channel].ravel(), target[..., channel].ravel()) for channel in range(3))
    return float(np.mean([stats.wasserstein_distance(*pair) for pair in pairs]))


assert colors_from(by_method["photo"], dusk) < 0.6 * colors_from(day, dusk)  # and it is dusk all the same
