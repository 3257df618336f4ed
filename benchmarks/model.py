"""One model's time, stage by stage and op by op, with GFLOP/s as shares of what this machine's BLAS reaches.

    python benchmarks/model.py Intel/dpt-large --backend numba --precision highest --rounds 5

Shares above 1 are possible where products are narrower than float32 or fewer than counted (Winograd).
"""

import argparse

from minidpt.cli import options
from minidpt.cpus import bound_pools
from minidpt.errors import MiniDPTError


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL", help="dpt-mini, a published id (random weights if absent), a folder")
    parser.add_argument("--size", type=options.side_or_size, metavar="N|HxW")
    parser.add_argument("--batch", type=options.positive, default=1, metavar="N")
    parser.add_argument("--rounds", type=options.positive, default=5, metavar="N")
    options.add_compute(parser)
    return parser.parse_args(words)


def rows(spent, roof):
    """name, calls, milliseconds, share of all, GFLOP, GFLOP/s, share of BLAS's"""
    whole = sum(one.seconds for one in spent.values())
    for name, one in spent.items():
        rate = one.flops / one.seconds if one.seconds else 0
        counts = [f"{one.flops / 1e9:.2f}", f"{rate / 1e9:.0f}", f"{rate / roof.flops:.2f}"] if one.flops else [""] * 3
        yield [name, str(one.calls), f"{one.seconds * 1e3:.1f}", f"{one.seconds / whole:.0%}", *counts]


def main(words=None):
    args = arguments(words)
    bound_pools(args.threads)  # before NumPy is imported
    from minidpt.benchmarking import machine, roofline
    from minidpt.benchmarking.profile import by_op, by_stage
    from minidpt.benchmarking.tables import markdown
    from minidpt.benchmarking.workload import workload

    try:
        work = workload(args.model, size=args.size, batch=args.batch, backend=args.backend, precision=args.precision)
        roof = roofline.measure()
        profile = by_stage(work.model, work.pixel_values, args.rounds)
        ops = by_op(work.model, work.pixel_values, args.rounds)
    except MiniDPTError as error:
        raise SystemExit(f"error: {error}") from None
    print(f"{work.name}, {work.weights}; input {' x '.join(map(str, work.pixel_values.shape))}")
    print(f"{machine.described()}; backend {work.model.backend}, precision {work.model.precision}")
    print(f"BLAS float32 {roof.flops / 1e9:.0f} GFLOP/s, memory {roof.bandwidth / 1e9:.1f} GB/s")
    print(f"median {profile.median:.3f} s of {args.rounds}, {profile.flops / 1e9:.1f} GFLOP\n")
    for what, spent in (("stage", profile.stages), ("op", ops)):
        print(markdown([what, "calls", "ms", "share", "GFLOP", "GFLOP/s", "of BLAS"], list(rows(spent, roof))), "\n")


if __name__ == "__main__":
    main()
