"""How fast a model runs on this machine: time, its share by stage, memory; with --peers beside other engines.

A published model that is not on this machine runs with random weights of its shapes: time and memory are the same.
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

from ..cpus import bound_pools
from . import options
from .report import UsageError, note, printable, say, say_json

DEFAULT_ROUNDS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        nargs="?",
        default="dpt-mini",
        metavar="MODEL",
        help="dpt-mini, a published id, a folder, a weights file (default: %(default)s)",
    )
    parser.add_argument(
        "--size", type=options.side_or_size, metavar="N|HxW", help="of the network's input (default: the model's own)"
    )
    parser.add_argument("--batch", type=options.positive, default=1, metavar="N", help="pictures at once (default: 1)")
    parser.add_argument(
        "--rounds", type=options.positive, default=DEFAULT_ROUNDS, metavar="N", help="passes timed (default: 10)"
    )
    options.add_compute(parser)
    parser.add_argument(
        "--peers",
        action="store_true",
        help="the same model on PyTorch, ONNX Runtime and OpenVINO, in turns, where they are installed",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the report")


def run(args: argparse.Namespace) -> int:
    if args.peers and args.backend == "cuda":
        raise UsageError(
            "--peers: the other engines are run on the CPU, where --backend cuda is no match; leave one out"
        )
    bound_pools(args.threads)
    from ..benchmarking import machine
    from ..benchmarking.profile import by_stage
    from ..benchmarking.workload import workload

    chosen = {"backend": args.backend, "precision": args.precision}
    work = workload(args.model, size=args.size, batch=args.batch, **chosen)
    if work.model.precision != args.precision:
        note(f"backend {work.model.backend} has no precision {args.precision}; {work.model.precision} runs")
    threads = args.threads or os.cpu_count() or 1
    if args.peers:
        refuse_without_counterpart(args.model, work.model)
    profile = by_stage(work.model, work.pixel_values, args.rounds)
    record = {
        "model": work.name,
        "weights": work.weights,
        "machine": machine.described(),
        "threads": threads,
        "backend": work.model.backend,
        "precision": work.model.precision,
        "input": list(work.pixel_values.shape),
        "seconds": profile.rounds,
        "median": profile.median,
        "minimum": min(profile.rounds),
        "flops": profile.flops,
        "flops_per_second": profile.flops / profile.median,
        "peak_bytes": machine.peak_memory(),
        "stages": [
            {"stage": name, "seconds": stage.seconds, "share": stage.seconds / profile.median, "flops": stage.flops}
            for name, stage in profile.stages.items()
        ],
    }
    if not args.json:
        say("\n".join(map(printable, report(record))))
    if args.peers:
        results = beside_peers(work, threads, args.rounds)
        record["engines"] = [result.to_json() for result in results]
        if not args.json:
            say("\n" + peers_table(work.name, results))
    if args.json:
        say_json(record)
    return 0


def report(record: dict[str, Any]) -> list[str]:
    """The lines that a reader gets of one model on minidpt."""
    peak = record["peak_bytes"]
    lines = [
        f"{record['model']}, {record['weights']}",
        f"machine  {record['machine']}; {record['threads']} threads",
        f"input    {' x '.join(map(str, record['input']))}, random; backend {record['backend']}, "
        f"precision {record['precision']}",
        f"time     median {record['median']:.3f} s, minimum {record['minimum']:.3f} s, of {len(record['seconds'])}",
        f"work     {record['flops'] / 1e9:.1f} GFLOP (products only), {record['flops_per_second'] / 1e9:.0f} GFLOP/s",
        f"memory   {'not known' if peak is None else f'{peak / 1e6:.0f} MB at most'}, of this whole process",
        "",
        f"{'stage':<12}{'ms':>9}{'share':>8}{'GFLOP':>9}{'GFLOP/s':>9}",
    ]
    for stage in record["stages"]:
        rate = stage["flops"] / stage["seconds"] / 1e9 if stage["seconds"] else 0.0
        lines.append(
            f"{stage['stage']:<12}{stage['seconds'] * 1e3:>9.1f}{stage['share']:>8.0%}"
            f"{stage['flops'] / 1e9:>9.2f}{rate:>9.0f}"
        )
    return lines


def refuse_without_counterpart(name: str, model: Any) -> None:
    """UsageError for a model that transformers does not run as a whole: no other engine gets it then."""
    from ..benchmarking.engines import missing
    from ..verification.counterpart import runs_whole

    if not hasattr(type(model), "neck_tensors") or (not missing("pytorch") and not runs_whole(model)):
        raise UsageError(f"--peers: transformers does not run {name} as a whole, so no other engine can; leave it out")


def beside_peers(work: Any, threads: int, rounds: int) -> list[Any]:
    """The model as it was chosen, and every peer that is installed, in turns; then the peak memory of each."""
    from ..benchmarking import contest

    ours = contest.Contender(work.model.backend, work.model.precision, threads)
    field = [ours, *contest.contenders(None, threads, None, note, ours=())]
    with tempfile.TemporaryDirectory() as folder:
        work.write(Path(folder))
        exact = contest.make_ready(Path(folder), field, note)
        results = contest.race(Path(folder), field, rounds, exact, note)
        for result in results:
            if not result.failure:
                contest.measure_peak(Path(folder), result)
    return results


def peers_table(name: str, results: list[Any]) -> str:
    from ..benchmarking import tables

    return tables.markdown(tables.PEERS_HEAD, tables.peers_rows(name, results))
