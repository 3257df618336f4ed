"""Where a function stands and what it says, found when asked: no page quotes an older text than the one that runs."""

import ast
import inspect
import re
import textwrap
from pathlib import Path
from types import CodeType

ROOT = Path(__file__).resolve().parents[2]  # above the package: paths begin with its name
NOT_HERE = "(its source is not on this machine)"


def full_name(code: CodeType) -> str:
    """As one would call it, without what it is nested in locally."""
    return code.co_qualname.replace("<locals>.", "")


def file_and_line(code: CodeType) -> str:
    """minidpt/fusion.py:14, whatever folder the package lies in."""
    path = Path(code.co_filename)
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else Path(path.name)
    return f"{shown.as_posix()}:{code.co_firstlineno}"


def source(code: CodeType) -> str:
    """Its text, moved to the left border."""
    try:
        return textwrap.dedent(inspect.getsource(code)).rstrip()
    except OSError:
        return NOT_HERE


def first_sentence(code: CodeType) -> str:
    """The first line of its docstring, without the shapes that may follow; nothing where it tells shapes alone."""
    text = source(code)
    if text == NOT_HERE:
        return ""
    first, *_ = (ast.get_docstring(ast.parse(text).body[0]) or "").split("\n")  # type: ignore[arg-type]
    return "" if re.match(r"\w+: \(", first) else first.split("   ")[0]
