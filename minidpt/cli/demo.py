"""The embedded picture through the embedded model, depth and classes: first results without any file or network."""

import argparse
import os
from pathlib import Path

from ..cpus import bound_pools
from . import depth, options, segment
from .inputs import plan_outputs
from .report import UsageError, printable, say, say_json

WHAT_IT_IS = {
    "picture": "the picture",
    "png16": "depth as a 16-bit PNG: near = bright",
    "npy": "the same as a float32 array at the picture's size: numpy.load reads it",
    "side": "picture and depth in colours, side by side: look at this one first",
    "overlay": "the picture under the colours of its classes",
    "legend": "their names and shares",
}
DEPTH, CLASSES = ["png16", "npy", "side"], ["overlay", "legend"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_output(parser, default="minidpt-demo")
    options.add_compute(parser)
    parser.set_defaults(model=options.EMBEDDED, revision=None, max_pixels=None)


def run(args: argparse.Namespace) -> int:
    bound_pools(args.threads)
    from ..errors import ResourceError
    from ..files import publish_bytes
    from ..images import embedded_picture
    from ..saving import DEPTH_SUFFIXES, SEGMENTATION_SUFFIXES

    embedded = embedded_picture()
    suffixes = [DEPTH_SUFFIXES[name] for name in DEPTH] + [SEGMENTATION_SUFFIXES[name] for name in CLASSES]
    (stem,) = plan_outputs([embedded.name], args.output, suffixes).values()
    if not embedded.is_file():
        raise ResourceError(f"{embedded.name}: missing from the installed package; install minidpt again")
    if os.path.exists(stem) and Path(stem).read_bytes() != embedded.read_bytes():
        raise UsageError(f"{stem}: another picture of this name is there; choose another folder with -o")
    picture = str(publish_bytes(stem, embedded.read_bytes()))
    measured = depth.estimator(args, DEPTH, options.COLORMAPS[0])(picture, stem)
    named = segment.segmenter(args, CLASSES)(picture, stem)
    files = {"picture": picture, **measured["files"], **named["files"]}
    if args.json:
        say_json({"input": picture, "ok": True} | measured | {"files": files, "classes": named["classes"]})
        return 0
    width = max(map(len, files.values()))
    for name, path in files.items():
        say(f"{printable(path):<{width}}  {WHAT_IT_IS[name]}")
    for record in (measured, named):
        height, columns = record["size"]
        say(f"({record['meaning']}; {height}x{columns}, {record['seconds']:.2f} s, backend {record['backend']})")
    return 0
