"""The published models: which there are, and which of them are on this machine."""

import argparse
from typing import Any

from . import options
from .report import note, printable, say, say_json

WHERE = {"embedded": "in minidpt itself", "cached": "on this machine", None: "not here"}
UNITS = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (run_action, what) in ACTIONS.items():
        action = actions.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".", allow_abbrev=False)
        if run_action is run_list:
            action.add_argument("--json", action="store_true", help="print one JSON object per model")
        else:
            action.add_argument("id", metavar="ID", help="a published id, its owner may be left out")
            action.add_argument("--revision", metavar="R", help="branch, tag or commit (default: main)")
        options.add_common(action)


def run(args: argparse.Namespace) -> int:
    return ACTIONS[args.action][0](args)


def run_list(args: argparse.Namespace) -> int:
    from ..presets import EMBEDDED, PRESETS, preset

    rows = {**EMBEDDED, **{name: preset(name) or {} for name in PRESETS}}
    records = [_record(name, row, _where(name, row)) for name, row in rows.items()]
    if args.json:
        for record in records:
            if not say_json(record):
                return 1
        return 0
    table = [_cells(record) for record in records]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table)
    say("\n".join(lines))
    if _without_library():
        note("what is on this machine is not known without the extra `hub`: pip install huggingface_hub")
    return 0


def run_pull(args: argparse.Namespace) -> int:
    from ..checkpoints import cache

    if _is_embedded(args.id):
        return _said(f"{args.id}: comes with minidpt, nothing to fetch")
    source, downloaded = cache.pull(args.id, args.revision)
    folder = source.weights[0].parent
    return _said(f"{source.name}: {size(downloaded) if downloaded else 'nothing'} downloaded -> {folder}")


def run_path(args: argparse.Namespace) -> int:
    return _said(str(_found(args).config.parent))


def run_verify(args: argparse.Namespace) -> int:
    from ..checkpoints import cache, contents
    from ..errors import CheckpointError

    source, bad = _found(args), []
    checked = () if _is_embedded(args.id) else cache.checksums(source, args.revision)
    for file in checked:
        verdict = {True: f"{file.digest} as on the Hub", False: f"{file.digest} differs", None: "checksum not known"}
        say(printable(f"{file.file}: {file.size:,} bytes, {verdict[file.good]}"))
        if file.good is False:
            bad.append(file.file)
    if bad:
        raise CheckpointError(
            f"{source.name}: {', '.join(bad)} not as on the Hub; do minidpt models rm {source.name}, then pull it"
        )
    return _said(f"{source.name}: {len(contents(source))} tensors, headers sound")


def run_remove(args: argparse.Namespace) -> int:
    from ..checkpoints import cache

    if _is_embedded(args.id):
        return _said(f"{args.id}: comes with minidpt and stays")
    revisions, freed = cache.remove(args.id, args.revision)
    what = "1 revision" if revisions == 1 else f"{revisions} revisions"
    return _said(f"{cache.hub_id(args.id)}: removed {what}, {freed:,} bytes")


ACTIONS = {
    "list": (run_list, "every model that minidpt knows, with its licence"),
    "pull": (run_pull, "download a model: its config, processor and weights"),
    "path": (run_path, "print the folder of a model that is on this machine"),
    "verify": (run_verify, "hash a model's files again and check their headers"),
    "rm": (run_remove, "take a model out of the cache"),
}


def size(number: float) -> str:
    """Bytes in three digits."""
    unit, scale = next(((unit, scale) for unit, scale in UNITS if number >= scale), ("bytes", 1))
    return f"{number / scale:.3g} {unit}"


def _said(text: str) -> int:
    say(printable(text))
    return 0


def _is_embedded(name: str) -> bool:
    from ..presets import EMBEDDED

    return name in EMBEDDED


def _found(args: argparse.Namespace) -> Any:
    """The files of the embedded model or of one in the cache."""
    from ..checkpoints import cache, locate

    return locate(args.id) if _is_embedded(args.id) else cache.cached(args.id, args.revision)


def _where(name: str, row: dict[str, Any]) -> str | None:
    from ..checkpoints import cache
    from ..errors import MiniDPTError

    if _is_embedded(name):
        return "embedded"
    if "/" not in name:
        return None
    try:
        cache.cached(name)
    except MiniDPTError:
        return None
    return "cached"


def _without_library() -> bool:
    from ..checkpoints import hub
    from ..errors import HubError

    try:
        hub.library("")
    except HubError:
        return True
    return False


def _record(name: str, row: dict[str, Any], where: str | None) -> dict[str, Any]:
    keys = ("kind", "parameters", "bytes", "bytes_are", "licence", "format")
    return {"id": name, **{key: row[key] for key in keys}, "where": where}


def _cells(record: dict[str, Any]) -> list[str]:
    from ..presets import UNKNOWN, is_restricted

    licence, where = record["licence"], WHERE[record["where"]]
    if record["format"] == "original" and "/" not in record["id"]:
        where = "a file of its authors" if licence else "never published"
    if is_restricted(licence):
        licence += ", ASK BEFORE USE" if licence == UNKNOWN else ", NOT FOR COMMERCIAL USE"
    return [
        record["id"],
        record["kind"],
        f"{record['parameters'] / 1e6:.1f} M",
        size(record["bytes"]),
        licence or "-",
        where,
    ]
