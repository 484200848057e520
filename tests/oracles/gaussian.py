"""Normal distributions fitted to features (height, width, filters), and how far they are from one another."""

import numpy as np
from scipy import integrate, stats

Gaussian = tuple[np.ndarray, np.ndarray]  # mean and covariance


def fitted(image: np.ndarray, style: np.ndarray, epsilon: float) -> tuple[Gaussian, Gaussian]:
    """The two distributions, both widened by epsilon times the mean of the mean squares of both."""
    ridge = epsilon * ((image.astype(np.float64) ** 2).mean() + (style.astype(np.float64) ** 2).mean()) / 2

    def fit(features: np.ndarray) -> Gaussian:
        rows = features.reshape(-1, features.shape[-1]).astype(np.float64)
        centered = rows - rows.mean(axis=0)
        covariance = np.einsum("mi,mj->ij", centered, centered) / len(rows)
        return rows.mean(axis=0), covariance + ridge * np.eye(rows.shape[1])

    return fit(image), fit(style)


def kullback_leibler(p: Gaussian, q: Gaussian) -> float:
    """KL(P || Q) in nats, from determinants and an explicit inverse."""
    inverse, shift = np.linalg.inv(q[1]), q[0] - p[0]
    log_ratio = np.linalg.slogdet(q[1])[1] - np.linalg.slogdet(p[1])[1]
    return float(np.trace(inverse @ p[1]) - len(shift) + shift @ inverse @ shift + log_ratio) / 2


def sampled_kullback_leibler(p: Gaussian, q: Gaussian, samples: int) -> tuple[float, float]:
    """Mean of ln p(x)/q(x) over x drawn from P, and its standard error."""
    p_density, q_density = (stats.multivariate_normal(mean, covariance) for mean, covariance in (p, q))
    drawn = p_density.rvs(samples, random_state=0)
    ratios = p_density.logpdf(drawn) - q_density.logpdf(drawn)
    return float(ratios.mean()), float(ratios.std() / np.sqrt(samples))


def renyi(p: Gaussian, q: Gaussian, alpha: float) -> float:
    """D_alpha(P || Q) in nats from the integral of p^alpha q^(1-alpha), whose exponent is one quadratic form."""
    inverses = alpha * np.linalg.inv(p[1]), (1 - alpha) * np.linalg.inv(q[1])
    joint = inverses[0] + inverses[1]
    linear = inverses[0] @ p[0] + inverses[1] @ q[0]
    constant = p[0] @ inverses[0] @ p[0] + q[0] @ inverses[1] @ q[0]
    log_norms = alpha * np.linalg.slogdet(p[1])[1] + (1 - alpha) * np.linalg.slogdet(q[1])[1]
    log_integral = (linear @ np.linalg.solve(joint, linear) - constant - np.linalg.slogdet(joint)[1] - log_norms) / 2
    return float(log_integral / (alpha - 1))


def integrated_renyi(p: Gaussian, q: Gaussian, alpha: float) -> float:
    """D_alpha(P || Q) of distributions of one variable, by quadrature of its definition."""
    p_density, q_density = (stats.norm(mean[0], np.sqrt(covariance[0, 0])) for mean, covariance in (p, q))
    ends = [d.mean() + side * 40 * d.std() for d in (p_density, q_density) for side in (-1, 1)]

    def integrand(x: float) -> float:
        return np.exp(alpha * p_density.logpdf(x) + (1 - alpha) * q_density.logpdf(x))

    points = sorted((p_density.mean(), q_density.mean()))
    value, _ = integrate.quad(integrand, min(ends), max(ends), points=points, limit=500, epsabs=0, epsrel=1e-11)
    return float(np.log(value) / (alpha - 1))
