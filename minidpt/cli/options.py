"""Options that several verbs share, and a parser whose errors take one line.

The names of colour maps and formats are written out here because their homes, render.py and saving.py, import NumPy; a
test holds the lists together.
"""

import argparse
import os
from typing import Any, NoReturn

from .report import UsageError

COLORMAPS = ("inferno", "turbo", "magma", "viridis", "Spectral_r", "gray")
DEPTH_FORMATS = ("png16", "npy", "pfm", "tiff", "png", "json")
EMBEDDED = "dpt-mini"
BACKENDS = ("auto", "numpy", "numba", "cuda")
PRECISIONS = ("highest", "high", "medium")
MAX_SIDE = 16384  # of --size: far above any published model, low enough that a typing error does not fill the memory


class Parser(argparse.ArgumentParser):
    """argparse with usage errors as one line that ends in the way to the help."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; try: {self.prog} --help")


def add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--debug", action="store_true", help="print the traceback of an error")


def add_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="picture files; write -- before names that start with -"
    )
    parser.add_argument("--max-pixels", type=positive, metavar="N", help="refuse larger pictures (default: 64000000)")


def add_output(parser: argparse.ArgumentParser, default: str = ".") -> None:
    parser.add_argument(
        "-o", "--output", default=default, metavar="OUT", help="folder for the files (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per input instead of one line")


def add_model(parser: argparse.ArgumentParser) -> None:
    where = "a folder, a weights file or a hub id (default: %(default)s)"
    parser.add_argument("--model", default=EMBEDDED, metavar="ID_OR_PATH", help=where)
    parser.add_argument("--revision", metavar="R", help="branch, tag or commit of a hub model")


def add_compute(parser: argparse.ArgumentParser) -> None:
    computes = "what computes; auto: numba where it works, else numpy; cuda: an NVIDIA card (default: %(default)s)"
    parser.add_argument("--backend", choices=BACKENDS, default="auto", help=computes)
    parser.add_argument("--precision", choices=PRECISIONS, default="highest", help="of products (default: %(default)s)")
    add_threads(parser)


def add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=threads, metavar="N", help="CPU threads (default: all it may use)")


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def threads(text: str) -> int:
    """A number of threads: 1 to the number of this machine's CPUs."""
    most = os.cpu_count() or 1
    if positive(text) > most:
        raise argparse.ArgumentTypeError(f"expected 1 to {most} (this machine's CPUs), got {text}")
    return int(text)


def depth_formats(text: str) -> list[str]:
    """A comma-separated list of file formats, each once."""
    names = text.split(",")
    unknown = [name for name in names if name not in DEPTH_FORMATS]
    if unknown:
        raise argparse.ArgumentTypeError(f"expected some of {','.join(DEPTH_FORMATS)}, got {unknown[0]!r}")
    return list(dict.fromkeys(names))


def size(text: str) -> tuple[int, int]:
    """HxW, in pixels -> (H, W)."""
    parts = text.lower().split("x")
    if len(parts) != 2:
        raise argparse.ArgumentTypeError(f"expected HxW, for example 384x512, got {text!r}")
    height, width = (positive(part) for part in parts)
    if max(height, width) > MAX_SIDE:
        raise argparse.ArgumentTypeError(f"expected at most {MAX_SIDE} pixels a side, got {text!r}")
    return height, width


def side_or_size(text: str) -> tuple[int, int]:
    """N for a square, or HxW, in pixels -> (H, W)."""
    return size(f"{text}x{text}" if text.isdigit() else text)


def given(**options: Any) -> dict[str, Any]:
    """Only the options that were given."""
    return {name: value for name, value in options.items() if value is not None}
