"""Examples in docstrings run as they stand, with dpt-mini and the embedded picture."""

import ast
import re
import textwrap
from importlib import import_module
from pathlib import Path

import pytest

import minidpt
from minidpt import DPTForDepthEstimation, DPTImageProcessor, load_image, record

PACKAGE = Path(minidpt.__file__).parent
DEFINED = (ast.Module, ast.ClassDef, ast.FunctionDef)


def is_python(text):
    try:
        return any(isinstance(node, ast.Call) for node in ast.walk(ast.parse(text)))
    except SyntaxError:
        return False


def examples():
    """(file, code) of every indented block of a docstring that is Python and calls something."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = ast.get_docstring(node) if isinstance(node, DEFINED) else None
            for block in re.findall(r"(?:^ {4}.*\n?)+", text or "", re.M):
                if is_python(code := textwrap.dedent(block)):
                    yield path.relative_to(PACKAGE).as_posix(), code


EXAMPLES = list(examples())


def test_the_examples_are_found():
    assert {"recording.py", "visualize/__init__.py"} <= {path for path, _ in EXAMPLES}


@pytest.mark.parametrize(("path", "code"), EXAMPLES, ids=[path for path, _ in EXAMPLES])
def test_examples_run(path, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo = load_image(PACKAGE / "assets" / "example.jpg")
    names = {
        "record": record,
        "photo": photo,
        "model": DPTForDepthEstimation.from_pretrained("dpt-mini"),
        "pixel_values": DPTImageProcessor.from_pretrained("dpt-mini")(photo)["pixel_values"],
    }
    if "visualize" in code:
        pytest.importorskip("matplotlib", reason="figures need the plot extra")
        names["visualize"] = import_module("minidpt.visualize")
    exec(code, names)
