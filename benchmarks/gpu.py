"""All that is to be known of the cuda backend on a card, in one command: right, how fast, beside PyTorch, and why.

    python benchmarks/gpu.py --json gpu.json            on a machine with a card; --quick where it is lent for minutes
    python benchmarks/gpu.py --write                    README's table, too
    python benchmarks/gpu.py --rehearse                 the same questions in Numba's simulator, PyTorch on the CPU

The most important comes first; what --budget leaves no time for is named. What fails is a line of the report, never its
end: minidpt and PyTorch run in processes of their own (gpu_ours.py, gpu_torch.py), started again after an error of the
card. Times are medians between two events of the card, from pixels in the host's memory to depth there, for both alike.
"""

import argparse
import datetime
import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from gpu_worker import Process

from minidpt.benchmarking.tables import markdown, number, ratio, replace_between
from minidpt.cli import options as shared
from minidpt.files import publish_bytes

ROOT = Path(__file__).resolve().parent.parent
LARGE, SMALL = "dpt-large", "Depth-Anything-V2-Small-hf"
BATCHES = (1, 8, 32)
COLUMNS = (  # ours: kernels of our own or the library's products, the precision -> PyTorch's name for it
    (True, "highest", "float32"),
    (False, "highest", "float32"),
    (False, "high", "tf32"),
    (False, "medium", "bfloat16"),
)
QUICK = {"budget": 210.0, "rounds": 10}  # seconds in all: under four minutes with the last step's overrun
FEW_SECONDS = 5.0  # that one time is measured for, unless its rounds are done before
PEAKS = ("copy", "float32", "tf32", "bfloat16", "own highest", "library highest", "library high", "library medium")
OURS, THEIRS = "minidpt", "PyTorch"
HEAD = ("model", "batch", "engine", "precision", "ms a picture", "pictures/s", "/ PyTorch eager", "of peak", "error")


@dataclass(frozen=True)
class Step:
    """One question.   who: which process   about: in words   limit: seconds, after which the process is stopped"""

    who: str
    ask: str
    about: str
    limit: float
    options: dict = field(default_factory=dict)


def steps(args):
    """Every question, the most important first: is it right, one model one at a time, then wider.

    --quick begins with the small model: NumPy's results for dpt-large took most of a lent machine's first minute.
    """
    names = ["tiny"] if args.rehearse else [SMALL, LARGE] if args.quick else [LARGE, SMALL]
    batches = (1,) if args.rehearse else BATCHES

    def correct(name):
        yield Step(OURS, "write", f"{name}: NumPy's results", 120, {"name": name})
        for own, precision, _ in COLUMNS[:2]:
            yield Step(
                *(OURS, "stages", f"{name}: every stage, {whose(own)}", 120),
                {"name": name, "own": own, "precision": precision},
            )

    def ours(name, batch):
        for own, precision, _ in COLUMNS:
            asked = {"name": name, "own": own, "precision": precision, "batch": batch}
            yield timing(OURS, f"{whose(own)}, {precision}", asked)

    def theirs(name, batch, compiled):
        for precision in ("float32", "tf32", "bfloat16"):
            asked = {"name": name, "precision": precision, "compiled": compiled, "batch": batch}
            yield timing(THEIRS, f"{'compiled' if compiled else 'eager'}, {precision}", asked)

    def timing(who, how, asked):
        about = f"{asked['name']}: {who}, {how}, batch {asked['batch']}"
        return Step(who, "time", about, 180, {**asked, "rounds": args.rounds, "seconds": FEW_SECONDS})

    def why(name):
        for own, precision in ((True, "highest"), (False, "medium")):
            asked = {"name": name, "own": own, "precision": precision}
            about = f"{name}: {whose(own)}, {precision}"
            yield Step(OURS, "by_op", f"{about}, by op", 120, {**asked, "rounds": min(args.rounds, 5)})
            yield Step(OURS, "kernels", f"{about}, by kernel", 120, asked)

    yield Step(OURS, "card", "the card", 120)
    yield Step(THEIRS, "card", "PyTorch", 120)
    for own in (True, False):
        yield Step(OURS, "ops", f"every op, {whose(own)}", 240, {"own": own})
    yield from correct(names[0])
    yield from ours(names[0], 1)
    yield from theirs(names[0], 1, compiled=False)
    yield Step(OURS, "peaks", "what the card can do, through minidpt", 60)
    yield Step(THEIRS, "peaks", "what the card can do, through PyTorch", 60)
    yield from why(names[0])
    for name in names[1:]:
        yield from correct(name)
        yield from ours(name, 1)
        yield from theirs(name, 1, compiled=False)
    for batch in batches[1:]:
        for name in names:
            yield from ours(name, batch)
            yield from theirs(name, batch, compiled=False)
    for batch in batches:
        for name in names:
            yield from theirs(name, batch, compiled=True)


def whose(own):
    return "kernels of our own" if own else "the library's products"


# ---------------------------------------------------------------- asking


def run(args, keep):
    """-> every step with its answer, in order; `keep` gets each as soon as it is there"""
    end, done = time.monotonic() + args.budget, []
    with tempfile.TemporaryDirectory() as folder:
        words = [folder, *(["tiny"] if args.rehearse else [])]
        environment = {**os.environ, **({"NUMBA_ENABLE_CUDASIM": "1"} if args.rehearse else {})}
        paths = filter(None, (str(ROOT), environment.get("PYTHONPATH")))
        environment["PYTHONPATH"] = os.pathsep.join(paths)  # so that it runs in a clone that is not installed
        workers = {
            OURS: Process("gpu_ours.py", words, environment),
            THEIRS: Process("gpu_torch.py", words, environment),
        }
        sizes, gone = {}, {}
        try:
            for step in steps(args):
                left, asked = end - time.monotonic(), dict(step.options)
                if step.who in gone:
                    continue
                if left <= 0:
                    answer = {"error": "left out: no time left"}
                else:
                    if step.who == THEIRS and step.ask == "time":
                        asked["size"] = sizes.get(asked["name"])
                    start = time.monotonic()
                    answer = workers[step.who].ask(step.ask, min(step.limit, left), **asked)
                    answer["took"] = round(time.monotonic() - start, 1)
                if step.ask == "write" and "size" in answer:
                    sizes[step.options["name"]] = answer["size"]
                if step.ask == "card" and "error" in answer and left > 0:
                    gone[step.who] = answer["error"]
                done.append({"who": step.who, "ask": step.ask, "about": step.about, **step.options, **answer})
                keep(done[-1])
        finally:
            for worker in workers.values():
                worker.end()
    return done


def summary(found):
    """An answer in a few words."""
    if "error" in found:
        return found["error"]
    if found["ask"] == "time":
        return f"{found['ms']:.2f} ms (error {found['error_of_depth']:.1e}; {found['rounds']} rounds)"
    if found["ask"] == "stages":
        wrong = f", beyond it: {', '.join(found['failed'][:5])}" if found["failed"] else ", all within"
        return f"{found['stages']} stages, nearest to its bound {found['worst']}{wrong}"
    if found["ask"] == "ops":
        wrong = "; ".join(f"{op}: {what}" for op, what in found["wrong"].items())
        return f"{found['ops']} ops; {'WRONG: ' + wrong if wrong else 'all right'}; worst {found['worst']}"
    if found["ask"] == "write":
        return f"{found['flops'] / 1e9:.0f} GFLOP a picture of {' x '.join(map(str, found['size']))}"
    if found["ask"] == "peaks":
        rates = (f"{what} {rate / 1e12:.2f}" for what, rate in found.items() if what in PEAKS)
        return f"{', '.join(rates)} (TB/s, TFLOP/s)"
    if found["ask"] == "card":
        return ", ".join(str(found[key]) for key in ("name", "driver", "torch", "library") if key in found)
    if found["ask"] == "kernels":
        return f"the card was busy for {found['busy_ms']:.2f} ms"
    return f"{len(found['rows'])} rows"


# ---------------------------------------------------------------- telling


def peaks(done):
    """The most of each that any engine reached.   -> {"copy", "float32", "tf32", "bfloat16"}"""
    same = {f"library {precision}": theirs for _, precision, theirs in COLUMNS} | {"own highest": "float32"}
    best = {}
    for found in done:
        if found["ask"] == "peaks" and "error" not in found:
            for what, rate in found.items():
                what = same.get(what, what)
                if what in ("copy", "float32", "tf32", "bfloat16"):
                    best[what] = max(best.get(what, 0.0), rate)
    return best


def rows(done):
    """README's rows: what was timed, by model, batch and precision."""
    times = [found for found in done if found["ask"] == "time" and "error" not in found]
    flops = {found["name"]: found["flops"] for found in done if found["ask"] == "write" and "flops" in found}
    same = {precision: theirs for _, precision, theirs in COLUMNS}
    eager = {
        (t["name"], t["batch"], t["precision"]): t["ms"] for t in times if t["who"] == THEIRS and not t["compiled"]
    }
    best, table = peaks(done), []
    for t in sorted(times, key=lambda t: (list(flops).index(t["name"]) if t["name"] in flops else 9, t["batch"])):
        precision = same.get(t["precision"], t["precision"])
        if t["who"] == OURS:
            engine = "minidpt, own kernels" if t["own"] else "minidpt, cuBLASLt"
        else:
            engine = "PyTorch compiled" if t["compiled"] else "PyTorch eager"
        rate = 1e3 * flops.get(t["name"], 0) * t["batch"] / t["ms"]
        of_peak = rate / best[precision] if rate and precision in best else None
        cells = [t["name"], str(t["batch"]), engine, t["precision"], f"{t['ms'] / t['batch']:.2f}"]
        cells += [f"{1e3 * t['batch'] / t['ms']:.1f}", ratio(t["ms"], eager.get((t["name"], t["batch"], precision)))]
        table.append([*cells, number(of_peak, ".2f"), number(t["error_of_depth"], ".1e")])
    return table


def machine(done):
    """What the table says above itself: card, versions, peaks."""
    cards = {found["who"]: found for found in done if found["ask"] == "card"}
    ours, theirs = cards.get(OURS, {}), cards.get(THEIRS, {})
    facts = [ours.get("name") or theirs.get("name") or "no card", ours.get("driver"), ours.get("library")]
    versions = [f"{name} {ours[name]}" for name in ("numba", "numba-cuda", "nvmath-python") if ours.get(name)]
    versions += [f"{name} {theirs[name]}" for name in ("torch", "transformers") if theirs.get(name)]
    best = peaks(done)
    reached = [f"{what} {rate / 1e12:.1f} {'TB' if what == 'copy' else 'TFLOP'}/s" for what, rate in best.items()]
    facts = ", ".join(filter(None, facts))
    return f"{facts}; {datetime.date.today()}. {', '.join(versions)}. Measured peaks: {', '.join(reached) or '-'}."


def report(done):
    """Markdown: the table, what was held against NumPy, what is missing."""
    parts = [machine(done), markdown(HEAD, rows(done))]
    parts += ["\n".join(f"- {f['about']}: {summary(f)}" for f in done if f["ask"] in ("ops", "stages"))]
    missing = [f"- {f['about']}: {f['error']}" for f in done if "error" in f]
    return "\n\n".join([*parts, *(["Not measured:", "\n".join(missing)] if missing else [])])


def details(done):
    """Where the time of one picture goes."""
    best, texts = peaks(done), []
    for found in done:
        if found["ask"] == "by_op" and "rows" in found:
            whole = sum(row[2] for row in found["rows"])
            table = [
                [op, str(calls), f"{ms:.3f}", f"{ms / whole:.0%}", share(flops, ms, best.get("float32"))]
                for op, calls, ms, flops in found["rows"]
            ]
            texts.append(f"{found['about']}\n\n{markdown(['op', 'calls', 'ms', 'share', 'of float32 peak'], table)}")
        elif found["ask"] == "kernels" and "rows" in found:
            table = [[f"`{kernel}`", str(calls), f"{ms:.3f}"] for kernel, calls, ms in found["rows"]]
            texts.append(f"{found['about']}: {summary(found)}\n\n{markdown(['kernel', 'calls', 'ms'], table)}")
    return "\n\n".join(texts)


def share(flops, ms, peak):
    return number(1e3 * flops / ms / peak if flops and ms and peak else None, ".2f")


def smi():
    """nvidia-smi's line about the card, or why there is none."""
    query = "name,driver_version,memory.total,clocks.max.sm,power.limit"
    words = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"]
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        return f"nvidia-smi: {type(error).__name__}"


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, metavar="SECONDS", help="stop after so many (default: an hour)")
    parser.add_argument("--rounds", type=shared.positive, metavar="N", help="of each time (default: 50)")
    parser.add_argument("--quick", action="store_true", help="a few rounds, and what fits into four minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every answer, with every sample")
    parser.add_argument("--write", action="store_true", help="put the table between README's <!-- gpu --> markers")
    parser.add_argument("--rehearse", action="store_true", help="without a card: a tiny model, in Numba's simulator")
    args = parser.parse_args(words)
    given = QUICK if args.quick else {"budget": 3600.0, "rounds": 1 if args.rehearse else 50}
    args.budget = given["budget"] if args.budget is None else args.budget
    args.rounds = given["rounds"] if args.rounds is None else args.rounds
    if args.rehearse and args.write:
        parser.error("--rehearse measures nothing that README could show")
    return args


def main(words=None):
    args = arguments(words)
    record = {"smi": smi(), "date": str(datetime.date.today()), "steps": []}
    print(record["smi"], flush=True)

    def keep(found):  # after every step: a machine that is lent may be gone before the last
        print(f"{found['about']}: {summary(found)}", flush=True)
        record["steps"].append(found)
        if args.json:
            publish_bytes(args.json, (json.dumps(record, indent=1) + "\n").encode())

    done = run(args, keep)
    print(f"\n{report(done)}\n\n{details(done)}")
    if args.write:
        replace_between(ROOT / "README.md", "gpu", report(done))


if __name__ == "__main__":
    main()
