"""Pictures -> maps of class labels, each as a PNG whose pixel values are class numbers and whose palette shows them."""

import argparse
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from ..cpus import bound_pools
from . import options
from .inputs import about_run, for_each, load_model, plan_outputs
from .report import note

ABOUT_EMBEDDED = (
    "dpt-mini tells four coarse classes apart; for 150, name a published model, --model Intel/dpt-large-ade (needs: "
    "pip install huggingface_hub), or a local folder"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_images(parser)
    options.add_output(parser)
    options.add_model(parser)
    parser.add_argument("--npy", action="store_true", help="add the labels as an array")
    parser.add_argument("--overlay", action="store_true", help="add the picture under the classes' colours")
    parser.add_argument("--legend", action="store_true", help="add a picture of the classes' colours and names")
    options.add_compute(parser)


def run(args: argparse.Namespace) -> int:
    bound_pools(args.threads)
    from ..saving import SEGMENTATION_SUFFIXES

    formats = ["png", *(name for name in ("npy", "overlay", "legend") if getattr(args, name))]
    plan = plan_outputs(args.images, args.output, [SEGMENTATION_SUFFIXES[name] for name in formats])
    return for_each(plan, segmenter(args, formats), args)


def segmenter(args: argparse.Namespace, formats: list[str]) -> Callable[[str, str], dict[str, Any]]:
    """`work(picture, stem)` for `for_each`. The model is loaded once, after the first picture could be read."""
    from .. import DPTForSemanticSegmentation, load_image
    from ..pipelines import segment
    from ..render import class_shares
    from ..saving import save_segmentation

    @cache
    def load() -> tuple[Any, Any]:
        loaded = load_model(args, DPTForSemanticSegmentation)
        if args.model == options.EMBEDDED:
            note(ABOUT_EMBEDDED)
        return loaded

    def work(picture: str, stem: str) -> dict[str, Any]:
        image = load_image(picture, **options.given(max_pixels=args.max_pixels))
        model, processor = load()
        start = time.perf_counter()
        labels, network_size = segment(model, processor, image)
        names = model.config.id2label
        about = about_run(args, model, image, network_size)
        paths = save_segmentation(stem, labels, id2label=names, formats=formats, image=image, metadata=about)
        shares = class_shares(labels)
        largest = ", ".join(
            f"{names.get(label, f'class {label}')} {share:.0%}" for label, share in [*shares.items()][:3]
        )
        return {
            "files": dict(zip(formats, map(str, paths), strict=True)),
            "kind": "segmentation",
            "meaning": f"labels, {len(shares)} classes: {largest}",
            "size": list(labels.shape),
            "seconds": round(time.perf_counter() - start, 3),
            "classes": {names.get(label, f"class {label}"): round(share, 6) for label, share in shares.items()},
            **about,
        }

    return work
