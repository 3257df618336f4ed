"""The learning curve: what the averaged weights are worth after so many samples and hours, over all pieces. (torch)

curve.csv goes from piece to piece with the weights; `python -m training card` keeps the last one in this folder.
"""

import csv
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import interpolate

from . import metrics
from .augment import nearest_pixels, squeeze, to_pixels
from .dataset import Maps
from .evaluate import FARTHEST
from .losses import anchor_goal, normalise
from .model import Mini
from .plan import CURVE
from .things import COARSE_OF

COLUMNS = ("samples", "hours", "size", "training_point", "point", "abs_rel", "delta1", "accuracy")  # size: the piece's
PICTURES, TOGETHER = 128, 16  # held-out scenes that are scored, and how many at a time
SIZE = 128  # pixels a side, whatever the piece's: numbers of one curve must be comparable


class Curve:
    """Rows of COLUMNS as text. Samples and hours count from the first piece on."""

    def __init__(self, before: Path | None = None):
        """before: the folder that the weights come from; without a curve there, a new one starts."""
        self.rows: list[list[str]] = []
        if before and (before / CURVE).exists():
            self.rows = list(csv.reader((before / CURVE).read_text().splitlines()))[1:]
        self.samples, self.hours = (int(self.rows[-1][0]), float(self.rows[-1][1])) if self.rows else (0, 0.0)

    def add(self, samples: int, hours: float, size: int, training_point: float, scores: dict[str, float]) -> None:
        """A row for the weights after `samples` and `hours` of this piece."""
        numbers = [training_point, *(scores[name] for name in COLUMNS[4:])]
        row = [self.samples + samples, f"{self.hours + hours:.3f}", size, *(f"{x:.4f}" for x in numbers)]
        self.rows.append([str(cell) for cell in row])

    def write(self, folder: Path) -> None:
        """All rows so far to folder/curve.csv."""
        with open(folder / CURVE, "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *self.rows])


@torch.no_grad()
def held_out_scores(model: Mini, maps: Maps, size: int = SIZE) -> dict[str, float]:
    """Scores of the first PICTURES held-out scenes, squeezed to size x size.

    point: the loss's own; abs_rel (median) and delta1 (mean) after a fit, see metrics; accuracy of the four classes.
    """
    model.eval().read_size(size)
    device = next(model.parameters()).device
    nearest = nearest_pixels(maps.rgb.shape[1], size)
    points, scores, right = [], [], []
    for first in range(0, min(PICTURES, len(maps.written())), TOGETHER):
        index = maps.written()[first : first + TOGETHER]
        inverse = maps.inverse[index][:, nearest[:, None], nearest].astype(np.float32)
        classes = COARSE_OF[maps.label[index][:, nearest[:, None], nearest]]
        pixels = to_pixels(squeeze(torch.from_numpy(maps.rgb[index]), size))
        predicted, logits = (x.float().cpu() for x in model(pixels.to(device)))
        residual = normalise(predicted) - normalise(anchor_goal(torch.from_numpy(inverse)))
        points += residual.abs().mean((1, 2)).tolist()
        logits = interpolate(logits, (size, size), mode="bilinear", align_corners=True)
        right.append((logits.argmax(1).numpy() == classes).mean())
        for own, truth in zip(predicted.numpy(), inverse, strict=True):
            if (seen := truth > 1 / FARTHEST).sum() >= metrics.FEWEST:
                scores.append(metrics.score(own, truth, seen))
    abs_rel, delta1, _ = np.array(scores).T
    return {
        "point": float(np.mean(points)),
        "abs_rel": float(np.median(abs_rel)),
        "delta1": float(delta1.mean()),
        "accuracy": float(np.mean(right)),
    }
