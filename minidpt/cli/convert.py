"""A checkpoint -> a folder in transformers' format, which minidpt and transformers load, in the type you want."""

import argparse

from .report import say

DTYPES = ("float32", "float16", "bfloat16")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SRC", help="a folder, a weights file, a Hub id or dpt-mini")
    parser.add_argument("destination", metavar="DST", help="the folder to write")
    parser.add_argument("--dtype", choices=DTYPES, help="of the written weights (default: float32)")


def run(args: argparse.Namespace) -> int:
    from ..conversion import convert

    say(convert(args.source, args.destination, dtype=args.dtype))
    return 0
