"""The command line: one file per verb, loaded when asked for. Here the verb is found and errors get exit codes.

A verb's module has `add_arguments(parser)` and `run(args) -> int`. Nothing heavy is imported before `run`, so that help
is quick and `--threads` still counts.
"""

import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

from .. import errors
from .options import Parser, add_common
from .progress import kernels_shown
from .report import UsageError, fail, say, warnings_as_notes, write_anything

VERBS = {
    "demo": "depth of an embedded picture with the embedded model: the first thing to try",
    "depth": "pictures -> depth maps",
    "segment": "pictures -> maps of class labels",
    "models": "the published models: list, pull, path, verify, rm",
    "inspect": "what a model is made of: stages, shapes, parameters; on one screen or as a page",
    "verify": "a model against transformers or a recorded reference, stage by stage",
    "bench": "how fast a model runs on this machine, alone or beside other engines",
    "convert": "a checkpoint -> a folder that minidpt and transformers load, in another type",
    "warmup": "compile Numba's kernels ahead, once for this user and machine",
    "doctor": "versions, CPU, threads, folders, and a self-test: what a report about a problem should say",
}

DONE, SOME_FAILED, USAGE, BAD_MODEL, BAD_INPUT, NO_NETWORK, NO_RESOURCES, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 130

EXIT_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (UsageError, USAGE),
    (errors.CheckpointError, BAD_MODEL),
    (errors.ConfigError, BAD_MODEL),
    (errors.ImageError, BAD_INPUT),
    (errors.HubError, NO_NETWORK),
    (errors.ResourceError, NO_RESOURCES),
    (MemoryError, NO_RESOURCES),
    (OSError, NO_RESOURCES),  # a full or read-only disk, too many open files; its text names the file
    (KeyboardInterrupt, INTERRUPTED),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: the process's own) and return its exit code; never raises, never exits."""
    write_anything(sys.stdout, sys.stderr)
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # else each retry without network adds its own lines
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in (words[: words.index("--")] if "--" in words else words)
    try:
        with warnings_as_notes():
            code = _dispatch(words)
    except SystemExit as stop:  # argparse, after --help and --version
        code = stop.code if isinstance(stop.code, int) else USAGE
    except BaseException as error:
        if debug:
            traceback.print_exc()
        fail(_one_line(error))
        code = exit_code(error)
    say("", end="")  # flushes what argparse printed
    return code


def exit_code(error: BaseException) -> int:
    """The exit code that stands for an error; 1 for what nobody foresaw."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), SOME_FAILED)


def build_parser(verb: str) -> Parser:
    """The parser of one verb's arguments. Imports the verb's module, and nothing heavy."""
    module = importlib.import_module(f"minidpt.cli.{verb}")
    parser = Parser(prog=f"minidpt {verb}", description=module.__doc__, allow_abbrev=False)
    module.add_arguments(parser)
    add_common(parser)
    parser.set_defaults(run=module.run)
    return parser


def _dispatch(words: list[str]) -> int:
    while words and words[0] == "--debug":
        words = words[1:]
    if not words:
        say(_help(), file=sys.stderr)
        return USAGE
    if words[0] in ("-h", "--help", "help"):
        say(_help())
        return DONE
    if words[0] in ("-V", "--version"):
        from .. import __version__

        say(f"minidpt {__version__}")
        return DONE
    if words[0] not in VERBS:
        raise UsageError(_unknown(words[0]))
    args = build_parser(words[0]).parse_args(words[1:])
    if getattr(args, "json", False):
        return args.run(args)
    with kernels_shown():
        return args.run(args)


def _help() -> str:
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb:<{width}}  {what}" for verb, what in VERBS.items())
    return (
        "usage: minidpt VERB [options]\n\n"
        f"DPT depth estimation and segmentation in plain NumPy.\n\nverbs:\n{verbs}\n\n"
        "minidpt VERB --help lists a verb's options; minidpt --version prints the version.\n"
        "Exit codes: 0 all done, 1 some inputs failed, 2 usage, 3 bad model or config, 4 bad input,\n"
        "5 network needed but absent, 6 out of disk or memory, 130 interrupted."
    )


def _unknown(word: str) -> str:
    if word.startswith("-"):
        return f"unknown option {word} before the verb; try: minidpt --help"
    close = difflib.get_close_matches(word, VERBS, n=1, cutoff=0.5)
    hint = f"did you mean `minidpt {close[0]}`?" if close else f"the verbs are {', '.join(VERBS)}"
    return f"unknown verb {word!r}; {hint}"


def _one_line(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, MemoryError):
        return "not enough memory; use a smaller picture (--max-pixels) or a smaller model"
    if isinstance(error, (errors.MiniDPTError, UsageError, OSError)):
        return str(error)
    return f"unexpected {type(error).__name__}: {error}; run again with --debug and report it"
