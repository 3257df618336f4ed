"""Pictures -> depth maps, each as a 16-bit PNG and as float32 .npy at the picture's own size."""

import argparse
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from ..cpus import bound_pools
from . import options
from .inputs import about_run, for_each, load_model, plan_outputs
from .report import note

MEANINGS = {
    "relative_inverse": "relative inverse depth: larger = nearer, no unit",
    "metric": "metric depth in metres: larger = farther",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_images(parser)
    options.add_output(parser)
    options.add_model(parser)
    parser.add_argument(
        "--format",
        type=options.depth_formats,
        metavar="LIST",
        help=f"some of {','.join(options.DEPTH_FORMATS)} (default: png16,npy)",
    )
    names = ", ".join(options.COLORMAPS)
    parser.add_argument("--colormap", choices=options.COLORMAPS, metavar="NAME", help=f"add a colour picture: {names}")
    parser.add_argument("--side", action="store_true", help="add picture and colours side by side")
    options.add_compute(parser)


def run(args: argparse.Namespace) -> int:
    bound_pools(args.threads)
    from ..saving import DEFAULT_DEPTH_FORMATS, DEPTH_SUFFIXES

    formats = list(args.format or DEFAULT_DEPTH_FORMATS)
    if args.colormap and "png" not in formats:
        formats.append("png")
    if args.side:
        formats.append("side")
    plan = plan_outputs(args.images, args.output, [DEPTH_SUFFIXES[name] for name in formats])
    estimate = estimator(args, formats, args.colormap or options.COLORMAPS[0])
    return for_each(plan, estimate, args)


def estimator(args: argparse.Namespace, formats: list[str], colormap: str) -> Callable[[str, str], dict[str, Any]]:
    """`work(picture, stem)` for `for_each`. The model is loaded once, after the first picture could be read."""
    from .. import AutoModelForDepthEstimation, load_image
    from ..pipelines import estimate_depth
    from ..saving import describe_depth, save_depth

    @cache
    def load() -> tuple[Any, Any]:
        return load_model(args, AutoModelForDepthEstimation)

    def work(picture: str, stem: str) -> dict[str, Any]:
        image = load_image(picture, **options.given(max_pixels=args.max_pixels))
        model, processor = load()
        start = time.perf_counter()
        depth, kind, network_size = estimate_depth(model, processor, image)
        about = about_run(args, model, image, network_size)
        paths = save_depth(stem, depth, kind=kind, formats=formats, colormap=colormap, image=image, metadata=about)
        seconds = time.perf_counter() - start
        facts = describe_depth(depth, kind=kind)
        _note_oddities(picture, facts)
        return {
            "files": dict(zip(formats, map(str, paths), strict=True)),
            "meaning": MEANINGS[kind],
            "size": list(depth.shape),
            "seconds": round(seconds, 3),
            **facts,
            **about,
        }

    return work


def _note_oddities(picture: str, facts: dict[str, Any]) -> None:
    from ..render import is_flat

    if facts["min"] is None:
        note(f"{picture}: the depth map has no valid value")
    elif is_flat(facts["min"], facts["max"]):
        note(f"{picture}: the depth map is constant; its pictures are black")
    if facts["clipped_fraction"]:
        note(
            f"{picture}: {facts['clipped_fraction']:.1%} of it lies beyond 65.535 m and is clipped in png16, not in npy"
        )
