"""Scores of both heads, each beside its baselines, as a table and as JSON.

predict: (H, W, 3) uint8 -> (h, w) float, larger is nearer; another size than the picture's is stretched to it
segment: (H, W, 3) uint8 -> (H, W) integers, index into things.COARSE
"""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from . import families, metrics
from .dataset import open_maps
from .things import COARSE, COARSE_OF

Predict = Callable[[np.ndarray], np.ndarray]
Segment = Callable[[np.ndarray], np.ndarray]
Sample = tuple[str, np.ndarray, np.ndarray, np.ndarray]  # group, rgb (H, W, 3), inverse (H, W) 1/m, seen (H, W) bool
FARTHEST = 500.0  # metres; rendered things behind it count as sky, which is not scored
METHODS = ("model", "constant", "vertical", "plane")


def stretch(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear resize of (h, w) floats."""
    if x.shape == (height, width):
        return x
    return np.asarray(Image.fromarray(x.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR))


def rendered_samples(data: Path, limit: int | None = None) -> Iterator[Sample]:
    """The held-out rendered scenes, grouped by family."""
    maps = open_maps(data / "held_out")
    for i in maps.written()[:limit]:
        inverse = maps.inverse[i].astype(np.float32)
        yield families.NAMES[maps.family[i]], maps.rgb[i], inverse, inverse > 1 / FARTHEST


def rendered_classes(data: Path, limit: int | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Picture (H, W, 3) and true coarse class (H, W) of the held-out rendered scenes."""
    maps = open_maps(data / "held_out")
    for i in maps.written()[:limit]:
        yield maps.rgb[i], COARSE_OF[maps.label[i]]


def read_pair(colour: Path, depth: Path) -> Sample:
    """A photograph and its depth, a 16-bit PNG in millimetres with 0 for none, registered to each other."""
    rgb, millimetres = np.asarray(Image.open(colour).convert("RGB")), np.asarray(Image.open(depth))
    if millimetres.ndim != 2 or millimetres.dtype.kind not in "ui":
        found = f"{millimetres.shape} {millimetres.dtype}"
        raise ValueError(f"{depth}: expected one channel of whole millimetres, got {found}")
    seen = millimetres > 0
    return colour.stem, rgb, 1000.0 / np.maximum(millimetres, 1), seen


def evaluate(predict: Predict, samples: Iterable[Sample]) -> dict[str, dict[str, dict[str, float]]]:
    """{group: {method: {abs_rel, delta1, rank, pictures}}}; group "all" holds every picture.

    delta1 and rank are means over pictures, abs_rel the median: one hill behind a near tree outweighs a hundred rooms.
    """
    scores: dict[str, dict[str, list[metrics.Score]]] = {}
    for group, rgb, inverse, seen in samples:
        if seen.sum() < metrics.FEWEST:
            continue
        own = metrics.score(stretch(predict(rgb), *inverse.shape), inverse, seen)
        for method, value in {"model": own, **metrics.baselines(inverse, seen)}.items():
            for name in (group, "all"):
                scores.setdefault(name, {}).setdefault(method, []).append(value)
    return {
        group: {method: summary(values) for method, values in sorted(by_method.items())}
        for group, by_method in sorted(scores.items())
    }


def summary(values: list[metrics.Score]) -> dict[str, float]:
    abs_rel, delta1, rank = np.array(values).T
    return {
        "abs_rel": float(np.median(abs_rel)),
        "delta1": float(delta1.mean()),
        "rank": float(rank.mean()),
        "pictures": len(values),
    }


def evaluate_classes(segment: Segment, samples: Iterable[tuple[np.ndarray, np.ndarray]]) -> dict[str, dict]:
    """{"model" or "majority": {accuracy, mean_iou, iou: {class: share}}}; the pixels of all pictures count alike."""
    counts = sum(metrics.confusion(classes, segment(rgb), len(COARSE)) for rgb, classes in samples)
    result = {}
    for method, matrix in (("model", counts), ("majority", metrics.always_most_frequent(counts))):
        accuracy, iou = metrics.class_scores(matrix)
        by_name = dict(zip(COARSE, iou.tolist(), strict=True))
        result[method] = {"accuracy": accuracy, "mean_iou": float(iou.mean()), "iou": by_name}
    return result


def format_classes(result: dict) -> str:
    """Rows methods, columns accuracy and intersection over union."""
    lines = [f"{'':10}" + "".join(f"{name:>10}" for name in ("accuracy", "mean IoU", *COARSE))]
    for method, s in result.items():
        cells = (s["accuracy"], s["mean_iou"], *s["iou"].values())
        lines.append(f"{method:10}" + "".join(f"{cell:>10.3f}" for cell in cells))
    return "\n".join(lines)


def format_table(result: dict) -> str:
    """Rows groups, columns methods, cells AbsRel / delta1 / rank correlation."""
    width = max(map(len, result)) + 2
    head = f"{'':{width}}{'n':>5}" + "".join(f"{method:>24}" for method in METHODS)
    lines = ["median AbsRel / mean delta1 / mean rank correlation; scale and shift fitted per picture in 1/z", head]
    for group in sorted(result, key=lambda name: name != "all"):
        cells = [result[group][method] for method in METHODS]
        texts = [f"{c['abs_rel']:.3f} / {c['delta1']:.3f} / {c['rank']:+.2f}" for c in cells]
        lines.append(f"{group:{width}}{cells[0]['pictures']:>5}" + "".join(f"{text:>24}" for text in texts))
    return "\n".join(lines)


def predictor(folder: Path) -> Predict:
    """predict() of a saved transformers folder, through minidpt: what is scored is what users run."""
    from minidpt import pipeline

    run = pipeline("depth-estimation", model=folder)
    return lambda rgb: run(rgb)["predicted_depth"]


def segmenter(folder: Path) -> Segment | None:
    """segment() of the second head, through minidpt too; None where the folder has no second head."""
    from minidpt import DPTForSemanticSegmentation, DPTImageProcessor
    from minidpt.checkpoints import with_head
    from minidpt.pipelines import segment

    if with_head(folder, "segmentation") == folder:
        return None
    model, processor = DPTForSemanticSegmentation.from_pretrained(folder), DPTImageProcessor.from_pretrained(folder)
    coarse = np.array([COARSE.index(name) for _, name in sorted(model.config.id2label.items())])
    return lambda rgb: coarse[segment(model, processor, rgb)[0]]


def evaluate_folder(
    model: Path,
    data: Path,
    *,
    limit: int | None = None,
    pair: tuple[Path, Path] | None = None,
    json_path: Path | None = None,
) -> dict:
    """Print, write and return the scores of a saved folder on the held-out scenes, and of its depth on one pair."""
    predict, segment = predictor(model), segmenter(model)
    results = {"rendered": evaluate(predict, rendered_samples(data, limit))}
    if pair:
        results["pair"] = evaluate(predict, [read_pair(*pair)])
    for name, result in results.items():
        print(f"\n{name}: {format_table(result)}")
    if segment:
        results["classes"] = evaluate_classes(segment, rendered_classes(data, limit))
        print(f"\nclasses: accuracy and intersection over union\n{format_classes(results['classes'])}")
    if json_path:
        json_path.write_text(json.dumps(results, indent=1) + "\n")
    return results
