"""A checkpoint, also as its authors published it -> a folder in transformers' format, in the type you want.

Originals that are read: isl-org/DPT and MiDaS 3.x (.pt), Depth Anything V1, V2 (.pth), DINOv2's DPT heads (.pth, with
the encoder's file beside them), segmentation_models.pytorch's DPT. No torch is needed and nothing in the file runs.
"""

import argparse

from .report import say

DTYPES = ("float32", "float16", "bfloat16")
KINDS = ("relative", "nyu", "kitti", "v1", "v2", "hypersim", "vkitti")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", metavar="SRC", help="a folder, a weights file, a Hub id, dpt-mini or dpt-mini/segmentation"
    )
    parser.add_argument("destination", metavar="DST", help="the folder to write")
    parser.add_argument("--dtype", choices=DTYPES, help="of the written weights (default: float32)")
    parser.add_argument("--backbone", metavar="FILE", help="the encoder's file, where SRC is a DPT head of DINOv2")
    parser.add_argument(
        "--as",
        dest="kind",
        choices=KINDS,
        help="what weights do not tell, and else the file's name says: relative, nyu or kitti (isl-org's hybrids); "
        "v1, v2, hypersim or vkitti (Depth Anything)",
    )
    parser.add_argument(
        "--max-depth", metavar="M", type=float, help="the largest depth, in metres, of a metric Depth Anything model"
    )


def run(args: argparse.Namespace) -> int:
    from ..conversion import convert

    say(
        convert(
            args.source,
            args.destination,
            dtype=args.dtype,
            encoder=args.backbone,
            kind=args.kind,
            max_depth=args.max_depth,
        )
    )
    return 0
