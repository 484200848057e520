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
# # 3. Style as a distance of distributions
#
# Li, Wang, Liu & Hou, *Demystifying Neural Style Transfer*, IJCAI 2017: the feature vectors of a layer, one at each
# position, are samples of a distribution. Style transfer moves the image's samples to the painting's, and a style loss
# is a distance between distributions. This notebook looks at such distances in the plane, where they can be seen, and
# then paints with them. Equations are those of Gatys et al., CVPR 2016, where no other paper is named.

# %%
from pathlib import Path

import keras_style  # before TensorFlow: it sets up what TensorFlow reads once
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import stats

HERE = Path.cwd()
EXAMPLES = next(each / "examples" for each in (HERE, *HERE.parents) if (each / "examples" / "content").is_dir())
losses = keras_style.losses


def maps(samples: np.ndarray) -> tf.Tensor:
    """Samples (n, filters) as a feature map (1, n, 1, filters): what a loss of the package takes."""
    return tf.convert_to_tensor(np.asarray(samples)[None, :, None, :])


# %% [markdown]
# ## Distances between two densities
#
# On a line first: two normal distributions $p$ and $q$ of deviation 1, whose means are $d$ apart. For each distance
# there is a closed form, or an integral that a computer does.

# %%
x = np.linspace(-15, 25, 40_001)
step = x[1] - x[0]


def densities(shift: float) -> tuple[np.ndarray, np.ndarray]:
    return stats.norm.pdf(x, 0, 1), stats.norm.pdf(x, shift, 1)


def kl(p, q):
    """Kullback-Leibler: the nats lost by taking q for p."""
    return np.sum(np.where(p > 0, p * (np.log(p + 1e-300) - np.log(q + 1e-300)), 0)) * step


def total_variation(p, q):
    """The largest difference of the probabilities of any event."""
    return 0.5 * np.sum(np.abs(p - q)) * step


def renyi(p, q, order=0.5):
    return np.log(np.sum(p**order * q ** (1 - order)) * step) / (order - 1)


def jensen_shannon(p, q):
    """Jensen-Shannon divergence, which a GAN minimizes: KL to the mixture of both, from either side."""
    return 0.5 * kl(p, (p + q) / 2) + 0.5 * kl(q, (p + q) / 2)


def wasserstein(p, q):
    """The work of moving p to q, what a Wasserstein GAN minimizes: on a line the area between cumulated sums."""
    return np.sum(np.abs(np.cumsum(p - q)) * step) * step


def mmd(p, q, bandwidth=1.0):
    """Squared, with the Gaussian kernel: a squared norm of the difference, smoothed by a Gaussian."""
    coarse = slice(None, None, 40)
    kernel = np.exp(-((x[coarse, None] - x[None, coarse]) ** 2) / (2 * bandwidth**2))
    difference = (p - q)[coarse]
    return difference @ kernel @ difference * (40 * step) ** 2


shifts = np.linspace(0, 8, 33)
curves = {
    name: np.array([distance(*densities(shift)) for shift in shifts])
    for name, distance in {
        "Kullback-Leibler": kl,
        "total variation": total_variation,
        "Rényi, order 1/2": renyi,
        "Jensen-Shannon": jensen_shannon,
        "Wasserstein": wasserstein,
        "MMD², Gaussian kernel": mmd,
    }.items()
}
_, axes = plt.subplots(2, 3, figsize=(10, 4.6), layout="constrained")
for axis, (name, curve) in zip(axes.flat, curves.items(), strict=True):
    axis.plot(shifts, curve)
    axis.set_title(name, fontsize=10)
    axis.set_xlabel("d")
plt.show()

np.testing.assert_allclose(curves["Kullback-Leibler"], shifts**2 / 2, atol=1e-6)
np.testing.assert_allclose(curves["Rényi, order 1/2"], shifts**2 / 4, atol=1e-6)
np.testing.assert_allclose(curves["Wasserstein"], shifts, atol=1e-3)
np.testing.assert_allclose(curves["total variation"], 2 * stats.norm.cdf(shifts / 2) - 1, atol=1e-4)
closed = 2 / np.sqrt(3) * (1 - np.exp(-(shifts**2) / 6))  # of normal distributions and a kernel of deviation 1
np.testing.assert_allclose(curves["MMD², Gaussian kernel"], closed, atol=1e-4)
assert curves["Jensen-Shannon"][-1] < np.log(2)

# %% [markdown]
# Three of them level off: total variation at 1, Jensen-Shannon at $\ln 2$, the Gaussian MMD at a constant. Where two
# distributions hardly overlap, their slope is gone, and nothing says where to go. Wasserstein's slope is the same
# everywhere. That was the point of the Wasserstein GAN.

# %%
slopes = {name: curve[-1] - curve[-2] for name, curve in curves.items()}
for name in ("total variation", "Jensen-Shannon", "MMD², Gaussian kernel"):
    assert slopes[name] < 1e-2
assert abs(slopes["Wasserstein"] - (shifts[1] - shifts[0])) < 1e-3

# %% [markdown]
# ## The same on samples in the plane
#
# A loss never sees densities, only samples. The package's losses on two clouds, one of which is moved away:

# %%
random = np.random.default_rng(0)
cloud = random.standard_normal((2000, 2))
still = random.standard_normal((2000, 2))
by_samples = {
    "GaussianKLLoss": losses.GaussianKLLoss(),
    "GaussianRenyiLoss": losses.GaussianRenyiLoss(),
    "TotalVariationDistanceLoss": losses.TotalVariationDistanceLoss(),
    "JensenShannonLoss": losses.JensenShannonLoss(),
    "SlicedWassersteinLoss": losses.SlicedWassersteinLoss(),
    "MMDLoss('gaussian')": losses.MMDLoss("gaussian"),
}
moves = np.linspace(0, 8, 17)
_, axes = plt.subplots(2, 3, figsize=(10, 4.6), layout="constrained")
measured = {}
for axis, (name, loss) in zip(axes.flat, by_samples.items(), strict=True):
    measured[name] = np.array([float(loss(maps(still), maps(cloud + np.array([move, 0])))) for move in moves])
    axis.plot(moves, measured[name])
    axis.set_title(name, fontsize=10)
    axis.set_xlabel("moved by")
plt.show()

# A shift d of one of two coordinates: KL is d²/2, over two filters; the sliced distance is the mean over directions of
# (d cos)², which is d²/2. The ridge of the Gaussian losses, a hundredth of the mean square, takes a few percent.
far = (moves >= 2) & (moves <= 6)
np.testing.assert_allclose(measured["GaussianKLLoss"][far], moves[far] ** 2 / 4, rtol=0.15)
np.testing.assert_allclose(measured["GaussianRenyiLoss"][far], moves[far] ** 2 / 8, rtol=0.15)
assert np.all(np.diff(measured["SlicedWassersteinLoss"]) > 0)
np.testing.assert_allclose(measured["TotalVariationDistanceLoss"][-1], 0.5, atol=0.05)  # one of two filters is apart

# %% [markdown]
# ## MMD with $(x^\top y)^2$ is Gatys' loss, step by step
#
# The squared maximum mean discrepancy of $n$ samples $x$ and $m$ samples $y$ (Gretton et al., *A Kernel Two-Sample
# Test*, JMLR 2012, eq. 5):
#
# $$\frac{1}{n^2} \sum_{i,i'} k(x_i, x_{i'}) + \frac{1}{m^2} \sum_{j,j'} k(y_j, y_{j'}) - \frac{2}{nm} \sum_{i,j} k(x_i, y_j)$$
#
# **Step 1**: with all pairs, as it stands.

# %%
n, m, filters = 60, 45, 5
xs, ys = random.standard_normal((n, filters)), random.standard_normal((m, filters)) + 0.3


def kernel(a, b):
    return (a @ b.T) ** 2


by_pairs = kernel(xs, xs).sum() / n**2 + kernel(ys, ys).sum() / m**2 - 2 * kernel(xs, ys).sum() / (n * m)

# %% [markdown]
# **Step 2**: the kernel is a scalar product of *features of features*, $\phi(x) = x x^\top$ with all its products:
# $(x^\top y)^2 = \sum_{ab} x_a x_b\, y_a y_b = \langle \phi(x), \phi(y) \rangle$.

# %%
phi_x, phi_y = (np.einsum("ia,ib->iab", each, each) for each in (xs, ys))
np.testing.assert_allclose(np.einsum("iab,jab->ij", phi_x, phi_y), kernel(xs, ys))

# %% [markdown]
# **Step 3**: so the three sums are one squared distance, of the means of $\phi$.

# %%
by_means = np.sum((phi_x.mean(axis=0) - phi_y.mean(axis=0)) ** 2)
np.testing.assert_allclose(by_means, by_pairs)

# %% [markdown]
# **Step 4**: the mean of $x x^\top$ over positions is the Gram matrix (eq. 3) over their number. That is Gatys' loss (eq. 4)
# but for the factor $1 / 4N^2$.

# %%
gram_x, gram_y = xs.T @ xs / n, ys.T @ ys / m
by_gram = np.sum((gram_x - gram_y) ** 2)
np.testing.assert_allclose(by_gram, by_pairs)
np.testing.assert_allclose(float(losses.MMDLoss("poly")(maps(ys), maps(xs))), by_pairs, rtol=1e-6)
np.testing.assert_allclose(
    float(losses.GramLoss(normalization="paper")(maps(ys), maps(xs))), by_pairs / (4 * filters**2), rtol=1e-6
)
print(f"all pairs {by_pairs:.6f}, means of phi {by_means:.6f}, Gram matrices {by_gram:.6f}")

# %% [markdown]
# ## What each distance pulls at
#
# We move a cloud of 300 points to a target of three clusters by the gradient of each loss, as an optimizer moves the
# features of an image. What a loss does not see stays as it was.

# %%
centers = np.array([[2.0, 0.0], [-1.0, 1.8], [-1.0, -1.8]])
target = np.concatenate([center + 0.25 * random.standard_normal((100, 2)) for center in centers])
start = random.standard_normal((300, 2)) * [0.5, 1.0] + [0.8, 0.4]


def moved(loss, steps: int = 400, rate: float = 0.03) -> np.ndarray:
    """The cloud after some steps of Adam on the positions of its points."""
    points, optimizer = tf.Variable(maps(start)), tf.keras.optimizers.Adam(rate)
    for _ in range(steps):
        with tf.GradientTape() as tape:
            value = loss(points)
        optimizer.apply([tape.gradient(value, points)], [points])
    return points.numpy()[0, :, 0]


def compared(loss):
    return lambda points: loss(maps(target), points)


def full_mmd(points, bandwidth: float = 1.0):
    """Gaussian MMD² over all pairs; the package's draws pairs instead, whose mean this is."""
    one, other = points[0, :, 0], tf.constant(target)

    def mean_kernel(a, b):
        return tf.reduce_mean(tf.exp(-tf.reduce_sum((a[:, None] - b[None]) ** 2, axis=-1) / (2 * bandwidth**2)))

    return mean_kernel(one, one) - 2 * mean_kernel(one, other)


pulled = {
    "mmd_linear: means": moved(compared(losses.MMDLoss("linear"))),
    "gatys, mmd_poly: E ff'": moved(compared(losses.MMDLoss("poly"))),
    "moments: means, deviations": moved(compared(losses.MomentsLoss())),
    "gaussian_kl: means, covariances": moved(compared(losses.GaussianKLLoss())),
    "histogram: each coordinate": moved(compared(losses.HistogramLoss())),
    "sliced Wasserstein": moved(compared(losses.SlicedWassersteinLoss(projections=32))),
    "Gaussian MMD, all pairs": moved(full_mmd, rate=0.1),
}
_, axes = plt.subplots(2, 4, figsize=(11, 5.6), sharex=True, sharey=True, layout="constrained")
for axis, (name, points) in zip(axes.flat, {"start": start, **pulled}.items(), strict=True):
    axis.plot(*target.T, ".", color="0.75")
    axis.plot(*points.T, ".", markersize=4)
    axis.set_title(name, fontsize=9)
    axis.set_aspect("equal")
plt.show()


def second_moment(points):
    return points.T @ points / len(points)


linear, poly, moments = (pulled[name] for name in list(pulled)[:3])
np.testing.assert_allclose(linear.mean(axis=0), target.mean(axis=0), atol=0.02)
np.testing.assert_allclose(np.cov(linear.T), np.cov(start.T), atol=0.02)  # the cloud was moved, and nothing else
np.testing.assert_allclose(second_moment(poly), second_moment(target), atol=0.05)
np.testing.assert_allclose(moments.std(axis=0), target.std(axis=0), atol=0.05)


def to_clusters(points):
    """Mean distance to the nearest center: small only where the three clusters were found."""
    return np.linalg.norm(points[:, None] - centers[None], axis=-1).min(axis=1).mean()


apart = {name: to_clusters(points) for name, points in pulled.items()}
print({name: round(float(value), 2) for name, value in apart.items()})
whole = min(apart["sliced Wasserstein"], apart["Gaussian MMD, all pairs"])
assert whole < 0.6 * min(
    apart["mmd_linear: means"], apart["gatys, mmd_poly: E ff'"], apart["gaussian_kl: means, covariances"]
)

# %% [markdown]
# What compares means or second moments cannot find the clusters: an ellipse with the same moments will do. What compares
# whole distributions finds them.
#
# ## Painting with kernels
#
# One pair by the methods of the paper, each with more and more weight on style, which is the paper's $\gamma$
# (the survey's figure of one pair by different kernels).

# %%
SIZE, STEPS = 96, 40
photograph, painting = (
    keras_style.images.fit(keras_style.images.load(EXAMPLES / file), SIZE)
    for file in ("content/neuschwanstein_castle.jpg", "style/vangogh_cafe_terrace_at_night.png")
)
KERNELS = ("mmd_linear", "mmd_poly", "mmd_gaussian", "moments")
WEIGHTS = (0.1, 1, 10)


def paint(method: str, weight: float = 1) -> np.ndarray:
    return keras_style.transfer(
        photograph, painting, method=method, style_weight=weight, size=SIZE, steps=STEPS, verbose=0
    ).array


painted = {(method, weight): paint(method, weight) for method in KERNELS for weight in WEIGHTS}
_, axes = plt.subplots(len(KERNELS), len(WEIGHTS) + 1, figsize=(10, 7.2), layout="constrained")
for row, method in zip(axes, KERNELS, strict=True):
    row[0].imshow(photograph)
    row[0].set_title("photograph", fontsize=8)
    for axis, weight in zip(row[1:], WEIGHTS, strict=True):
        axis.imshow(painted[method, weight])
        axis.set_title(f"{method}, γ = {weight:g}", fontsize=8)
for axis in axes.flat:
    axis.axis("off")
plt.show()


def from_photograph(picture) -> float:
    return float(np.mean(np.abs(picture - photograph)))


for method in KERNELS:
    changes = [from_photograph(painted[method, weight]) for weight in WEIGHTS]
    assert changes[0] < changes[-1], method  # more style, farther from the photograph

# %% [markdown]
# `gatys` and `mmd_poly` are one method, to the picture:

# %%
difference = 255 * np.abs(paint("gatys") - painted["mmd_poly", 1])
print(f"they differ by {difference.mean():.2f} of 255 levels on average")
assert difference.mean() < 2

# %% [markdown]
# And one pair by the distances that the survey names:

# %%
named = ("gaussian_kl", "gaussian_renyi", "jensen_shannon", "total_variation", "sliced_wasserstein", "mmd_gaussian")
by_distance = {method: painted[method, 1] if (method, 1) in painted else paint(method) for method in named}
_, axes = plt.subplots(2, 3, figsize=(9.5, 4.6), layout="constrained")
for axis, (method, picture) in zip(axes.flat, by_distance.items(), strict=True):
    axis.imshow(picture)
    axis.set_title(method, fontsize=9)
    axis.axis("off")
plt.show()


def color_distance(picture) -> float:
    """Between the colors of a picture and of the painting: Wasserstein's, channel by channel."""
    pairs = ((picture[..., channel].ravel(), painting[..., channel].ravel()) for channel in range(3))
    return float(np.mean([stats.wasserstein_distance(*pair) for pair in pairs]))


before = color_distance(photograph)
for method, picture in by_distance.items():
    print(f"{method}: {color_distance(picture):.3f} (photograph: {before:.3f})")
    assert color_distance(picture) < before
