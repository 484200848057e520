"""The matting Laplacian as an explicit matrix, and affine fits in windows, solved one by one."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import sparse


def laplacian(image: np.ndarray, epsilon: float, radius: int = 1) -> sparse.csr_matrix:
    """L (H W, H W) of an image (H, W, 3), entry by entry.

    Eq. 12 of Levin et al. 2008, over all windows w inside the border that hold both pixels i and j, is the sum of
    delta_ij - 1/|w| (1 + (I_i - mu)' (Sigma + epsilon/|w|)^-1 (I_j - mu)).
    """
    height, width, _ = image.shape
    side = 2 * radius + 1
    area = side**2
    pixels = np.arange(height * width, dtype=np.int32).reshape(height, width)
    members = sliding_window_view(pixels, (side, side)).reshape(-1, area)
    centered = image.astype(np.float64).reshape(-1, 3)[members]
    centered -= centered.mean(axis=1, keepdims=True)
    covariance = centered.transpose(0, 2, 1) @ centered / area
    affinity = centered @ np.linalg.solve(covariance + epsilon / area * np.eye(3), centered.transpose(0, 2, 1))
    entries = np.eye(area) - (1 + affinity) / area
    rows, columns = np.repeat(members, area, axis=1), np.tile(members, (1, area))
    shape = (height * width,) * 2
    return sparse.coo_matrix((entries.ravel(), (rows.ravel(), columns.ravel())), shape).tocsr()


def value_and_gradient(matrix: sparse.csr_matrix, image: np.ndarray) -> tuple[float, np.ndarray]:
    """Sum over channels of v' L v, and 2 L v."""
    channels = image.astype(np.float64).reshape(-1, image.shape[-1])
    product = matrix @ channels
    return float((channels * product).sum()), 2 * product.reshape(image.shape)


def local_affine(picture: np.ndarray, photograph: np.ndarray, radius: int, epsilon: float) -> np.ndarray:
    """The guided filter: least squares in the window around each pixel, cropped at the border; then the mean of maps.

    The ridge is epsilon times the pixels of the window, on the slopes alone.
    """
    height, width, _ = picture.shape
    windows = {
        (y, x): np.s_[max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1]
        for y in range(height)
        for x in range(width)
    }
    maps = np.empty((height, width, 4, 3))
    for center, window in windows.items():
        colors = photograph[window].reshape(-1, 3).astype(np.float64)
        design = np.c_[colors, np.ones(len(colors))]
        ridge = np.c_[np.sqrt(epsilon * len(colors)) * np.eye(3), np.zeros(3)]
        goal = np.r_[picture[window].reshape(-1, 3).astype(np.float64), np.zeros((3, 3))]
        maps[center] = np.linalg.lstsq(np.r_[design, ridge], goal, rcond=None)[0]
    output = np.empty((height, width, 3))
    for center, window in windows.items():
        output[center] = np.r_[photograph[center].astype(np.float64), 1] @ maps[window].mean(axis=(0, 1))
    return output
