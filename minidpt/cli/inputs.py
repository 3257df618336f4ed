"""From the pictures named on the command line to one result each: names first, then a loop past bad pictures."""

import argparse
import hashlib
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .options import given
from .report import UsageError, fail, note, printable, say, say_json

MAX_NAME_BYTES = 255  # of one file name, on every common file system


def plan_outputs(images: Iterable[str], folder: str, suffixes: Iterable[str]) -> dict[str, str]:
    """{picture: where its results go, without suffix}: OUT/<file name>, extension and all: a.jpg and a.png do not meet.

    When two pictures share a name, all keep their folders below the deepest one they have in common. A picture named
    twice is done once. Raises UsageError when OUT is a file, when names differ only in case or Unicode form, or when a
    result would replace one of the pictures.
    """
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise UsageError(f"-o {folder}: is a file, expected a folder; name another")
    suffixes = list(suffixes)
    unique = {os.path.abspath(image): image for image in reversed(list(images))}
    pictures = list(reversed(unique))
    names = {picture: os.path.basename(picture) for picture in pictures}
    if _first_clash(names):
        common = os.path.commonpath([os.path.dirname(picture) for picture in pictures])
        names = {picture: os.path.relpath(picture, common) for picture in pictures}
    clash = _first_clash(names)
    if clash:
        raise UsageError(
            f"{unique[clash[0]]} and {unique[clash[1]]}: results would have the same name; give them apart, with two -o"
        )
    longest = max(len(suffix) for suffix in suffixes)
    plan = {unique[picture]: os.path.join(folder, _shortened(name, longest)) for picture, name in names.items()}
    inputs = {os.path.realpath(picture) for picture in pictures}
    for stem in plan.values():
        replaced = [stem + suffix for suffix in suffixes if os.path.realpath(stem + suffix) in inputs]
        if replaced:
            raise UsageError(f"{replaced[0]}: a result would replace this input; choose another folder with -o")
    return plan


def _first_clash(names: dict[str, str]) -> tuple[str, str] | None:
    seen: dict[str, str] = {}
    for picture, name in names.items():
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            return seen[folded], picture
        seen[folded] = picture
    return None


def _shortened(name: str, suffix_bytes: int) -> str:
    """The name, cut where a suffix would make it longer than file systems allow; a digest then keeps it unique."""
    room = MAX_NAME_BYTES - suffix_bytes
    head, tail = os.path.split(name)
    raw = os.fsencode(tail)
    if len(raw) <= room:
        return name
    digest = hashlib.sha256(raw).hexdigest()[:8]
    while len(os.fsencode(tail)) > room - len(digest) - 1:
        tail = tail[:-1]
    return os.path.join(head, f"{tail}-{digest}")


def for_each(plan: dict[str, str], work: Callable[[str, str], dict[str, Any]], args: argparse.Namespace) -> int:
    """Do `work(picture, stem) -> record` for every picture and report each. -> exit code

    A picture that cannot be read, or is too large for the memory, stops only itself, unless it is the only one: then
    its error is the command's. Any other error (model, disk) would meet the next picture too, and stops all.
    """
    from tqdm import tqdm

    from ..errors import ImageError

    failed = 0
    quiet = len(plan) == 1 or not sys.stderr.isatty()
    with tqdm(plan.items(), disable=quiet, unit="picture", leave=False, file=sys.stderr) as bar:
        for done, (picture, stem) in enumerate(bar, start=1):
            try:
                record = {"input": picture, "ok": True} | work(picture, stem)
            except (ImageError, MemoryError) as error:
                reason = str(error) if isinstance(error, ImageError) else f"{picture!r}: not enough memory; shrink it"
                record = {"input": picture, "ok": False, "error": type(error).__name__, "message": printable(reason)}
                failed += 1
                bar.clear()
                if len(plan) == 1:
                    if args.json:
                        say_json(record)
                    raise
                fail(reason)
            bar.clear()
            if not _report(record, as_json=args.json) and done < len(plan):
                return 1  # nobody listens any more, and there is work left
    if failed:
        fail(f"{failed} of {len(plan)} pictures failed")
    return 1 if failed else 0


def _report(record: dict[str, Any], *, as_json: bool) -> bool:
    if as_json:
        return say_json(record)
    if not record["ok"]:
        return True
    files = ", ".join(record["files"].values())
    height, width = record["size"]
    line = f"{record['input']} -> {files} ({record['meaning']}, {height}x{width}, {record['seconds']:.2f} s)"
    return say(printable(line))


def load_model(args: argparse.Namespace, model_class: Any) -> tuple[Any, Any]:
    """(model, processor) as the options ask; a note where another precision than the wanted one runs."""
    from .. import DPTImageProcessor

    model = model_class.from_pretrained(
        args.model, backend=args.backend, precision=args.precision, **given(revision=args.revision)
    )
    if model.precision != args.precision:
        note(f"backend {model.backend} has no precision {args.precision}; the more exact {model.precision} runs")
    processor = DPTImageProcessor.from_pretrained(args.model, **given(revision=args.revision))
    return model, processor


def about_run(args: argparse.Namespace, model: Any, image: Any, network_size: tuple[int, int]) -> dict[str, Any]:
    """What every result tells of its making.   image: (H, W, 3)   network_size: (h, w) of the network's input"""
    return {
        "model": model_name(args.model),
        **given(revision=args.revision),
        "backend": model.backend,
        "precision": model.precision,
        "input_size": list(image.shape[:2]),
        "network_size": list(network_size),
    }


def model_name(name_or_path: str) -> str:
    """How results name their model: a hub id as it is, a path by its last part: no file tells of a home folder."""
    return Path(os.path.abspath(name_or_path)).name if os.path.exists(name_or_path) else name_or_path
