"""minidpt beside PyTorch, ONNX Runtime and OpenVINO: speed, error, memory, cold start. README's tables and its chart.

    python benchmarks/peers.py                                    everything: some forty minutes, 20 GB of memory
    python benchmarks/peers.py --models dpt-hybrid-midas --engines numba,pytorch --rounds 3 --what speed
    python benchmarks/peers.py --what growth                      how the cost grows with pixels, batch and threads
    python benchmarks/peers.py --write                            README's tables and docs/peers.png anew, from this run

Models have random weights of the published shapes. Every engine runs in a process of its own and computes alone, one
pass in turn; what is shown is the median. Engines that are not installed are left out; pip install ".[bench]" has all.
"""

import argparse
import datetime
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from minidpt.benchmarking import contest, engines, growth, machine, tables
from minidpt.benchmarking.workload import workload
from minidpt.errors import MiniDPTError
from minidpt.files import publish_bytes

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "docs" / "peers.png"
SIZES = {  # the published shapes that the project holds itself to -> the side of their input
    "Intel/dpt-large": 384,
    "Intel/dpt-hybrid-midas": 384,
    "depth-anything/Depth-Anything-V2-Small-hf": 518,
    "Intel/dpt-swinv2-tiny-256": 256,
}
WHAT = ("speed", "memory", "cold", "growth")


def say(text):
    print(text, file=sys.stderr, flush=True)


def listed(allowed):
    def parse(text):
        unknown = [word for word in text.split(",") if word not in allowed]
        if unknown:
            raise argparse.ArgumentTypeError(f"expected some of {','.join(allowed)}, got {unknown[0]!r}")
        return text.split(",")

    return parse


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=lambda text: text.split(","), default=list(SIZES), metavar="LIST")
    parser.add_argument("--engines", type=listed(engines.ENGINES), metavar="LIST", help=",".join(engines.ENGINES))
    parser.add_argument("--what", type=listed(WHAT), default=list(WHAT), metavar="LIST", help=",".join(WHAT))
    parser.add_argument("--rounds", type=int, default=9, metavar="N")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1), metavar="N")
    parser.add_argument(
        "--isa", choices=machine.ISAS, help="no other instructions than these, on all sides alike; float32 only"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="every sample")
    parser.add_argument("--write", action="store_true", help="put the tables into README and draw docs/peers.png")
    return parser.parse_args(words)


def known(name):
    """A model's side: of those above, or the config's own."""
    return next(((side, side) for full, side in SIZES.items() if name in (full, full.partition("/")[2])), None)


def measured(name, args):
    """-> the results of one model"""
    entrants = contest.contenders(args.engines, args.threads, args.isa, say)
    say(f"{name}: writing it")
    with tempfile.TemporaryDirectory() as temporary:
        folder = workload(name, size=known(name)).write(Path(temporary))
        exact = contest.make_ready(folder, entrants, say)
        results = [contest.Result(entrant) for entrant in entrants]
        if "speed" in args.what:
            say(f"{name}: {args.rounds} rounds of {', '.join(map(str, entrants))}")
            results = contest.race(folder, entrants, args.rounds, exact, say)
        ran = [result for result in results if not result.failure]
        if "memory" in args.what:
            for result in ran:
                contest.measure_peak(folder, result)
        if "cold" in args.what:
            say(f"{name}: cold starts")
            contest.measure_cold(folder, ran)
    return results


def grown(args):
    """-> growth's points, on one thread and on all asked for"""
    counts = sorted({1, args.threads})
    chosen = [
        contest.Contender(engine, precision, threads, args.isa)
        for engine, precision in growth.ENTRANTS
        for threads in counts
        if not engines.missing(engine) and (args.engines is None or engine in args.engines)
    ]
    with tempfile.TemporaryDirectory() as temporary:
        folder = workload(growth.MODEL).write(Path(temporary))
        return growth.grow(folder, chosen, growth.shapes(), args.rounds, say)


def about(args):
    """What every table says above itself."""
    restricted = f", no instructions beyond {args.isa}" if args.isa else ""
    day = datetime.date.today().isoformat()
    return f"{machine.described()}; {args.threads} threads{restricted}; {day}; medians of {args.rounds} rounds."


def main(words=None):
    args = arguments(words)
    record = {"about": about(args), "versions": engines.versions(), "models": {}, "growth": []}
    rows = []

    def keep():  # after every step: hours of measuring are not lost to the last of them
        if args.json:
            publish_bytes(args.json, (json.dumps(record, indent=1) + "\n").encode())

    try:
        for name in args.models if set(args.what) - {"growth"} else ():
            results = measured(name, args)
            record["models"][name] = [result.to_json() for result in results]
            rows += tables.peers_rows(name.rpartition("/")[2], results)
            keep()
        if "growth" in args.what:
            points = grown(args)
            record["growth"] = [asdict(point) for point in points]
            keep()
    except MiniDPTError as error:
        raise SystemExit(f"error: {error}") from None
    texts = {}
    if rows:
        texts["peers"] = f"{record['about']} {record['versions']}\n\n{tables.markdown(tables.PEERS_HEAD, rows)}"
    if record["growth"]:
        texts["growth"] = f"{record['about']} Depth-Anything-V2-Small, seconds per picture.\n\n{growth.table(points)}"
    print("\n\n".join(texts.values()))
    if args.write:
        if rows:
            from peers_chart import draw

            draw(record, CHART)
            texts["peers"] += f"\n\n![Seconds per picture, by model, engine and precision](docs/{CHART.name})"
        for marker, text in texts.items():
            tables.replace_between(ROOT / "README.md", marker, text)


if __name__ == "__main__":
    main()
