"""Compile Numba's kernels ahead, so that no later run has to. They are kept for this user on this kind of CPU."""

import argparse
import time

from ..cpus import bound_pools
from . import options
from .report import printable, say, say_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_threads(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of one line")


def run(args: argparse.Namespace) -> int:
    bound_pools(args.threads)
    start = time.perf_counter()
    from ..errors import ResourceError
    from ..ops import examples, using
    from ..ops.backends import numba_backend

    with using(numba_backend()) as numba:
        from ..ops.compiling_numba import KERNELS, folder, kept

        called = {name: kernel for name, kernel in KERNELS.items() if kernel.called}
        before = {name: kernel.seconds for name, kernel in called.items()}
        examples.run_all(numba)
    taken = {name: kernel.seconds - before[name] for name, kernel in called.items() if kernel.seconds > before[name]}
    total = time.perf_counter() - start
    files = kept()
    if not files:
        raise ResourceError("the kernels could be compiled but not kept; the note above says why")
    size = sum(file.stat().st_size for file in files)
    if args.json:
        slowest_first = {name: round(taken[name], 3) for name in sorted(taken, key=taken.__getitem__, reverse=True)}
        say_json({"compiled": slowest_first, "seconds": round(total, 3), "folder": str(folder()), "bytes": size})
        return 0
    done = f"{len(taken)} of {len(called)} kernels compiled in {total:.1f} s"
    say(printable(f"{done if taken else f'all {len(called)} kernels are there'}: {folder()} ({size / 1e6:.1f} MB)"))
    return 0
