"""The scale-and-shift-invariant loss of MiDaS, in 1/z.

Ranftl, Lasinger, Hafner, Schindler, Koltun: Towards Robust Monocular Depth Estimation (2020), sections 5.1 and 5.2. A
picture alone does not tell its scale, so scale and shift in 1/z are removed from prediction and truth, then compared.
"""

import torch
from torch.nn.functional import cross_entropy

GRADIENT_WEIGHT, GRADIENT_SCALES = 1.0, 4
ANCHOR_WEIGHT = 0.2
CLASS_WEIGHT = 0.3
OUTLIER = 4.0  # in units of the truth's mean absolute deviation


def normalise(x: torch.Tensor) -> torch.Tensor:
    """(x - median(x)) / mean(|x - median(x)|) per picture.   x: (N, H, W)"""
    flat = x.flatten(1)
    middle = flat.median(1, keepdim=True).values
    spread = (flat - middle).abs().mean(1, keepdim=True).clamp(min=1e-4)
    return ((flat - middle) / spread).view_as(x)


def anchor_goal(inverse: torch.Tensor) -> torch.Tensor:
    """(1/z - p2) / (p98 - p2) per picture, p the percentiles: about 0..1.   inverse: (N, H, W)"""
    sample = inverse.flatten(1)[:, ::7]
    low, high = sample.quantile(0.02, 1)[:, None, None], sample.quantile(0.98, 1)[:, None, None]
    return ((inverse - low) / (high - low).clamp(min=1e-4)).clamp(-0.2, 2.0)


def gradient_matching(residual: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of neighbouring residuals, at four resolutions: edges where edges are."""
    total = residual.new_zeros(())
    for scale in range(GRADIENT_SCALES):
        r = residual[:, :: 2**scale, :: 2**scale]
        total = total + (r[:, :, 1:] - r[:, :, :-1]).abs().mean() + (r[:, 1:] - r[:, :-1]).abs().mean()
    return total / GRADIENT_SCALES


def depth_loss(predicted: torch.Tensor, inverse: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """predicted, inverse: (N, H, W), relative inverse depth and 1/z -> (the loss, its point term for the log).

    The anchor is ours: a weak pull of the raw output to about 0..1 keeps the head's last ReLU alive and gives
    pictures a common brightness.
    """
    goal = anchor_goal(inverse)
    residual = normalise(predicted) - normalise(goal)
    point = residual.abs().clamp(max=OUTLIER).mean()
    anchor = (predicted - goal).abs().mean()
    return point + GRADIENT_WEIGHT * gradient_matching(residual) + ANCHOR_WEIGHT * anchor, point


def class_loss(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Cross entropy at the logits' resolution.   logits: (N, 4, h, w); classes: (N, H, W) int64, H a multiple of h"""
    step = classes.shape[1] // logits.shape[2]
    return CLASS_WEIGHT * cross_entropy(logits, classes[:, step // 2 :: step, step // 2 :: step])
