"""A map of many channels as three colours: the directions in which its vectors vary most as red, green and blue."""

import numpy as np

SHOWN = (1, 99)  # percentiles of a component that get no colour and full colour
ROUNDING = 1e-12  # a direction with no more of the variance is one of rounding


def principal_components(x: np.ndarray, count: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates along the directions in which vectors vary most.   (..., D) -> (..., count), (count,) float64

    y = (x - mean) V, V the eigenvectors of the covariance with the largest eigenvalues; beside y each one's share of
    the variance. A direction's sign is arbitrary: here its largest entry is positive. Zeros beyond the rank.
    """
    if x.shape[-1] < count:
        raise ValueError(f"expected at least {count} channels, got {x.shape}")
    vectors = x.reshape(-1, x.shape[-1]).astype(np.float64)
    vectors -= vectors.mean(axis=0)
    variance, directions = np.linalg.eigh(vectors.T @ vectors)  # ascending
    variance, directions = variance[::-1][:count], directions[:, ::-1][:, :count]
    share = np.maximum(variance, 0) / ((vectors**2).sum() or 1.0)
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=0)[None], axis=0)
    directions = directions * np.where(share > ROUNDING, np.sign(largest), 0)
    return (vectors @ directions).reshape(*x.shape[:-1], count), share


def as_colors(components: np.ndarray) -> np.ndarray:
    """Three components as red, green and blue, from their 1st to their 99th percentile.   (h, w, 3) -> 0 to 1

    A component that is constant is half bright.
    """
    low, high = np.percentile(components, SHOWN, axis=(0, 1))
    spread = np.where(high > low, high - low, 1)
    return np.where(high > low, np.clip((components - low) / spread, 0, 1), 0.5)
