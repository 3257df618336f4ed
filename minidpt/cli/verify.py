"""A model against a reference, stage by stage: where it differs, by how much, and whether that is within rounding.

Against transformers (needs the extra parity: pip install "minidpt[parity]"), against a reference recorded with --save,
or, with neither, a published model against its published values. Exit code 0: all within the bound, 1: not.
"""

import argparse
import os
import shlex
from typing import Any

from ..cpus import bound_pools
from . import options
from .inputs import model_name
from .report import UsageError, note, printable, say, say_json

TRANSFORMERS = "transformers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="dpt-mini, a published id, a folder, a .safetensors file")
    parser.add_argument("--revision", metavar="R", help="branch, tag or commit of a hub model")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--against", metavar="REFERENCE", help="transformers, or a file that --save wrote (default: published values)"
    )
    what.add_argument("--save", metavar="FILE", help="record what transformers says, to check later without torch")
    pixels = parser.add_mutually_exclusive_group()
    pixels.add_argument("--image", metavar="FILE", help="the input picture (default: the embedded one)")
    pixels.add_argument("--size", type=options.size, metavar="HxW", help="random pixels of this size instead")
    parser.add_argument(
        "--thin",
        type=options.positive,
        metavar="N",
        help="with --save: keep every N-th value of each stage (default: as many as fit some 45 MB)",
    )
    options.add_compute(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the report")


def run(args: argparse.Namespace) -> int:
    bound_pools(args.threads)
    if args.thin and not args.save:
        raise UsageError("--thin goes with --save")
    if args.precision == "medium":
        raise UsageError("--precision medium: verify knows bounds for highest and high")
    chosen = {"revision": args.revision, "backend": args.backend, "precision": args.precision}
    if args.save:
        return record(args, chosen)
    if args.against is None:
        return against_published(args, chosen)
    return against_transformers(args, chosen) if args.against == TRANSFORMERS else against_file(args, chosen)


def against_transformers(args: argparse.Namespace, chosen: dict) -> int:
    from ..verification.counterpart import require
    from ..verification.reference import reference
    from ..verification.subject import hold, load, subject

    require()
    loaded = load(args.model, **chosen)
    tested = subject(args.model, loaded, image=args.image, size=args.size, revision=args.revision)
    tape = tested.tape()
    return tell(args, hold(tested, tape, reference(tested.opened, tested.model, tested.pixel_values, tape)))


def against_file(args: argparse.Namespace, chosen: dict) -> int:
    from ..verification.recorded import read, refuse_other_weights
    from ..verification.subject import hold, load, subject

    if args.image or args.size:
        raise UsageError("--against FILE: the file holds its input; --image and --size do not go with it")
    recorded = read(args.against)
    loaded = load(args.model, **chosen)
    refuse_other_weights(args.model, loaded[1], recorded)
    tested = subject(args.model, loaded, pixel_values=recorded.reference.pixel_values, revision=args.revision)
    return tell(args, hold(tested, tested.tape(), recorded.reference))


def against_published(args: argparse.Namespace, chosen: dict) -> int:
    from ..verification.published import published, verify_published

    if not published(args.model):
        raise UsageError(
            f"{args.model}: no published values are known; say against what: --against transformers, "
            "--against FILE, or --save FILE to record"
        )
    if args.size:
        raise UsageError("--size: published values are of a picture; they need no size")
    return tell(args, verify_published(args.model, image=args.image, **chosen))


def record(args: argparse.Namespace, chosen: dict) -> int:
    from ..verification.counterpart import require
    from ..verification.recorded import may_be_replaced, save, thinned, weights_digest
    from ..verification.reference import reference
    from ..verification.subject import load, subject

    if not may_be_replaced(args.save):
        raise UsageError(f"--save {args.save}: is there and no reference; choose another name")
    require()
    loaded = load(args.model, **chosen)
    tested = subject(args.model, loaded, image=args.image, size=args.size, revision=args.revision)
    tape = tested.tape()
    found = thinned(reference(tested.opened, tested.model, tested.pixel_values, tape), args.thin)
    size = save(
        args.save,
        found,
        model=model_name(args.model),
        digest=weights_digest(tested.model),
        command=shlex.join(["minidpt", "verify", *command_line(args)]),
    )
    step = max(stage.step for stage in found.stages.values())
    kept = "every value" if step == 1 else f"one value in {step}"
    about = {"file": args.save, "stages": len(found.stages), "step": step, "bytes": size, "notes": list(found.notes)}
    if args.json:
        say_json(about)
        return 0
    for line in found.notes:
        note(line)
    say(printable(f"{args.save}: {len(found.stages)} stages of {tested.name}, {kept} of each, {size / 1e6:.1f} MB"))
    say(printable(f"check with: {shlex.join(['minidpt', 'verify', args.model, '--against', args.save])}"))
    return 0


def command_line(args: argparse.Namespace) -> list[str]:
    """The arguments that made a reference, without folders: files tell nothing of the machine."""
    words = [model_name(args.model), "--save", os.path.basename(args.save)]
    if args.image:
        words += ["--image", os.path.basename(args.image)]
    if args.size:
        words += ["--size", "{}x{}".format(*args.size)]
    return words + (["--thin", str(args.thin)] if args.thin else [])


def tell(args: argparse.Namespace, report: Any) -> int:
    """Print the report. -> exit code"""
    if args.json:
        say_json(report.to_json())
    else:
        say("\n".join(printable(line) for line in report.text().split("\n")))
    return 0 if report.passed else 1
