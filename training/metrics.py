"""What an answer is worth, beside what can be had without a network. NumPy only.

Depth: AbsRel, delta1 and rank correlation, beside three baselines. A relative inverse depth has no unit, so scale and
shift are fitted per picture by least squares in 1/z before z is compared. The fit flatters: report the baselines,
fitted the same way, beside every number. Classes: accuracy and intersection over union, beside those of the most
frequent class.
"""

from typing import NamedTuple

import numpy as np

DELTA1 = 1.25
FEWEST = 500  # pixels with a truth, below which a picture is not scored


class Score(NamedTuple):
    abs_rel: float  # mean |z' - z| / z, smaller is better
    delta1: float  # share of pixels with max(z'/z, z/z') < 1.25, larger is better
    rank: float  # Spearman correlation with the true 1/z before any fit; negative means near and far are swapped


def fit(columns: list[np.ndarray], inverse: np.ndarray) -> np.ndarray:
    """The least-squares combination of the columns, each (P,), that comes nearest to inverse (P,) in 1/m.

    Clipped below at half the smallest true 1/z, so that no pixel is fitted behind infinity.
    """
    design = np.stack(columns, 1).astype(np.float64)
    fitted = design @ np.linalg.lstsq(design, inverse, rcond=None)[0]
    return np.clip(fitted, 0.5 * inverse.min(), None)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation of a and b (P,); 0 where one of them is constant."""
    return 0.0 if np.ptp(a) == 0 or np.ptp(b) == 0 else float(np.corrcoef(a, b)[0, 1])


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's correlation of a and b (P,); ties in order of appearance. 0 where one of them is constant."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return correlation(*(np.argsort(np.argsort(x, kind="stable"), kind="stable") for x in (a, b)))


def compare(fitted: np.ndarray, inverse: np.ndarray, raw: np.ndarray) -> Score:
    """fitted, inverse: (P,) in 1/m; raw: (P,) before the fit."""
    ratio = inverse / fitted  # z' / z
    close = np.maximum(ratio, 1 / ratio) < DELTA1
    return Score(float(np.abs(ratio - 1).mean()), float(close.mean()), rank_correlation(raw, inverse))


def score(relative: np.ndarray, inverse: np.ndarray, seen: np.ndarray) -> Score:
    """relative: (H, W) larger is nearer; inverse: (H, W) true 1/z; seen: (H, W) bool, where the truth is known."""
    if relative.shape != inverse.shape:
        raise ValueError(f"prediction {relative.shape} and truth {inverse.shape} differ: resize the prediction")
    raw, truth = relative[seen], inverse[seen].astype(np.float64)
    return compare(fit([raw, np.ones_like(raw)], truth), truth, raw)


def baselines(inverse: np.ndarray, seen: np.ndarray) -> dict[str, Score]:
    """What can be had without looking at the picture (H, W).

    constant: one depth; vertical: lower is nearer; plane: the best a + b x + c y, fitted to the truth itself.
    """
    height, width = inverse.shape
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    x, y, truth = x[seen], y[seen], inverse[seen].astype(np.float64)
    one = np.ones_like(x)
    columns = {"constant": [one], "vertical": [y, one], "plane": [x, y, one]}
    scores = {}
    for name, basis in columns.items():
        fitted = fit(basis, truth)
        scores[name] = compare(fitted, truth, y if name == "vertical" else fitted)
    return scores


def confusion(truth: np.ndarray, answer: np.ndarray, classes: int) -> np.ndarray:
    """Pixels of each class (row) that were taken for each class (column): (K, K).   truth, answer: (H, W) in 0..K-1"""
    pairs = classes * truth.astype(np.int64) + answer
    return np.bincount(pairs.ravel(), minlength=classes**2).reshape(classes, classes)


def always_most_frequent(counts: np.ndarray) -> np.ndarray:
    """The confusion (K, K) of an answer that is everywhere the most frequent class of the truth."""
    constant = np.zeros_like(counts)
    constant[:, counts.sum(1).argmax()] = counts.sum(1)
    return constant


def class_scores(counts: np.ndarray) -> tuple[float, np.ndarray]:
    """Confusion (K, K) -> accuracy, the share of pixels that are right, and intersection over union of each class (K,).

    A class that is neither in the truth nor in the answer has 0.
    """
    right = counts.diagonal()
    union = counts.sum(0) + counts.sum(1) - right
    return float(right.sum() / counts.sum()), right / np.maximum(union, 1)
