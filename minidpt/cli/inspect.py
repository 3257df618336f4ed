"""What a model is made of: its stages, the shapes between them, its parameters. Only for a page it runs."""

import argparse

from . import options
from .report import UsageError, printable, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="dpt-mini, a published id, a folder, a weights file")
    parser.add_argument("--revision", metavar="R", help="branch, tag or commit of a hub model")
    parser.add_argument("--size", type=options.size, metavar="HxW", help="size of the picture that the network sees")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--tree", action="store_true", help="every tensor instead, beside its name in transformers")
    instead.add_argument(
        "--html",
        metavar="FILE",
        help="a page instead: the data flow to scale, what a photo becomes in every stage, the functions' source",
    )
    parser.add_argument("--image", metavar="PHOTO", help="the photo of that page (default: the embedded picture)")


def run(args: argparse.Namespace) -> int:
    if args.image is not None and args.html is None:
        raise UsageError("--image is the photo of a page: name its file with --html FILE")
    if args.html is not None:
        return _write_page(args)
    if args.tree:
        from ..inspection import tensor_tree

        say(tensor_tree(args.model, revision=args.revision))
    else:
        from ..inspection import describe

        say(describe(args.model, size=args.size, revision=args.revision))
    return 0


def _write_page(args: argparse.Namespace) -> int:
    from ..cpus import bound_pools

    bound_pools(None)
    from ..files import publish_bytes
    from ..inspection import html_page

    content = html_page(args.model, args.image, args.size, args.revision).encode()
    say(f"{printable(str(publish_bytes(args.html, content)))}  {len(content) / 1e3:.0f} kB: open it in a browser")
    return 0
