"""The segmentation loss, as transformers computes it when labels are given."""

import numpy as np

from .ops.resize import resize_bilinear


def cross_entropy(logits: np.ndarray, labels: np.ndarray, ignore_index: int) -> float:
    """-mean over labelled pixels of log softmax(logits)[label]; NaN if every pixel is ignored.

    logits: (N, H, W, K), resized to the labels' size first   labels: (N, H', W') integer class numbers
    [torch: CrossEntropyLoss], accumulated in float64
    """
    labels = np.asarray(labels)
    if labels.ndim != 3 or len(labels) != len(logits) or labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers of shape ({len(logits)}, H, W), not {labels.dtype} {labels.shape}")
    counted = labels != ignore_index
    if not counted.any():
        return float("nan")
    chosen = labels[counted].astype(np.int64)
    if chosen.min() < 0 or chosen.max() >= logits.shape[-1]:
        raise ValueError(f"labels must be 0 to {logits.shape[-1] - 1} or {ignore_index}, found {chosen.max()}")
    scores = resize_bilinear(logits, labels.shape[1:], align_corners=False)[counted].astype(np.float64)
    scores -= scores.max(axis=-1, keepdims=True)
    log_sum = np.log(np.exp(scores).sum(axis=-1))
    return float(np.mean(log_sum - scores[np.arange(len(chosen)), chosen]))
