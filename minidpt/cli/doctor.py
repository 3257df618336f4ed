"""What a report about a problem should say of this machine, and whether kernels compute what NumPy does."""

import argparse
from typing import Any

from .models import size
from .report import fail, printable, say, say_json

BYTES = ("bytes", "disk", "memory", "free")
IN_JSON_ONLY = ("errors", "wrong")
SELF_TESTS = (("self_test", ""), ("card_self_test", " on the graphics card"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the report")


def run(args: argparse.Namespace) -> int:
    from ..cpus import bound_pools

    bound_pools()
    from ..diagnosis import diagnose

    sections = {}
    for name, facts in diagnose():
        sections[name] = facts
        if not args.json:
            lines = (f"  {spaced(fact):<16} {words(fact, value)}" for fact, value in told(facts))
            say("\n".join([f"{spaced(name)}:", *lines]))
    if args.json:
        say_json(sections)
    wrong = {
        f"{op}{where}": what
        for name, where in SELF_TESTS
        for op, what in sections.get(name, {}).get("wrong", {}).items()
    }
    for op, what in wrong.items():
        fail(f"{op}: {what}; use --backend numpy and report it")
    return 1 if wrong else 0


def told(facts: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(fact, value) for fact, value in facts.items() if fact not in IN_JSON_ONLY]


def spaced(name: str) -> str:
    return name.replace("_", " ")


def words(fact: str, value: Any) -> str:
    if value is None or value == [] or value == {}:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return printable(", ".join(f"{name}={text}" for name, text in value.items()))
    if isinstance(value, list):
        return ", ".join(value)
    return size(value) if fact in BYTES else printable(str(value))
