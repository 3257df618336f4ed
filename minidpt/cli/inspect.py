"""What a model is made of: its stages, the shapes between them, its parameters. Reads the model, computes nothing."""

import argparse

from . import options
from .report import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="dpt-mini, a published id, a folder, a weights file")
    parser.add_argument("--revision", metavar="R", help="branch, tag or commit of a hub model")
    parser.add_argument("--size", type=options.size, metavar="HxW", help="size of the picture that the network sees")
    parser.add_argument("--tree", action="store_true", help="every tensor instead, beside its name in transformers")


def run(args: argparse.Namespace) -> int:
    if args.tree:
        from ..inspection import tree

        say(tree(args.model, revision=args.revision))
    else:
        from ..inspection import describe

        say(describe(args.model, size=args.size, revision=args.revision))
    return 0
