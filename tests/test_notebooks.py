"""notebooks/: the committed files keep to the form of the series. Read as JSON; .ci/run runs them."""

import ast
import base64
import importlib.util
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

MAX_CELLS, MAX_LINES, MAX_BYTES = 40, 15, 600_000
MAX_PIXELS = 1200  # of a picture's width: a page shows no more
LAST = "The same in the package"

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


@cache
def cells_of(path):
    """(kind, source, cell) of each cell."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [(cell["cell_type"], "".join(cell["source"]), cell) for cell in cells]


def code_of(path):
    return [(source, cell) for kind, source, cell in cells_of(path) if kind == "code"]


def prose_of(path):
    return [source for kind, source, _ in cells_of(path) if kind == "markdown"]


def pictures_of(path):
    for _, cell in code_of(path):
        for output in cell["outputs"]:
            data = output.get("data", {}).get("image/png")
            if data:
                yield base64.b64decode("".join(data)), output["metadata"].get("image/png", {}).get("alt", "")


def test_notebooks_have_a_number_each():
    numbers = [path.stem[:2] for path in NOTEBOOKS]
    assert len(set(numbers)) == len(numbers)
    for path in NOTEBOOKS:
        assert re.fullmatch(r"\d\d(_[a-z0-9]+)+", path.stem), path.name


@each_notebook
def test_notebook_is_short(path):
    cells = cells_of(path)
    assert len(cells) <= MAX_CELLS
    assert path.stat().st_size <= MAX_BYTES
    for source, _ in code_of(path):
        lines = [line for line in source.splitlines() if line.strip()]  # the formatter adds the empty ones
        assert len(lines) <= MAX_LINES, lines[0]


@each_notebook
def test_notebook_is_committed_as_it_ran(path):
    counts = [cell["execution_count"] for _, cell in code_of(path)]
    assert counts == list(range(1, len(counts) + 1))
    for source, cell in code_of(path):
        for output in cell["outputs"]:
            assert output["output_type"] != "error", source
            assert output.get("name") != "stderr", "".join(output["text"])
        texts = [output for output in cell["outputs"] if output["output_type"] == "stream"]
        assert len(texts) <= 1, f"a text in {len(texts)} pieces:\n{source}"


@each_notebook
def test_every_code_cell_shows_something(path):
    for source, cell in code_of(path)[1:]:  # the first may only import
        assert cell["outputs"] or "assert" in source, f"neither picture nor number nor assert:\n{source}"


@each_notebook
def test_notebook_asks_one_question_and_cites(path):
    opening = prose_of(path)[0]
    assert re.match(rf"# {path.stem[:2]} · .+\?\n", opening), opening.splitlines()[0]
    cited = re.search(r"\[[^\]]+(§|eq\.|fig\.|table|abstract|docs)[^\]]*\]", "\n".join(prose_of(path)[:3]))
    assert cited, "cites no section of a paper"


@each_notebook
def test_notebook_compares_with_the_package_then_asks_the_reader(path):
    assert any("assert" in source for source, _ in code_of(path))
    assert any("minidpt" in source for source, _ in code_of(path))
    prose = "\n".join(prose_of(path))
    answers = prose.count("<details><summary>Answer</summary>")
    assert answers >= 1
    assert answers == prose.count("<details>") == prose.count("</details>")
    assert LAST in cells_of(path)[-1][1]
    assert prose.index("</details>") < prose.index(LAST)


@each_notebook
def test_pictures_are_described_and_fit_a_page(path):
    """The first line of a cell that draws is a comment that says what is seen; run.py makes it the alt text."""
    for data, alt in pictures_of(path):
        assert len(alt) >= 20, f"a picture without alternative text: {alt!r}"
        assert int.from_bytes(data[16:20]) <= MAX_PIXELS, alt  # the width in a PNG's header


@each_notebook
def test_notebook_names_no_machine(path):
    text = path.read_text(encoding="utf-8")
    for _, cell in code_of(path):
        assert cell["metadata"] == {}
    found = re.search(r"/(work|root|home|Users|tmp|opt)/|[A-Z]:\\\\|site-packages|ipykernel_\d|pypi" + r"\.", text)
    assert found is None, f"names {found.group()!r}"
    assert json.loads(text)["metadata"]["language_info"] == {"name": "python"}


@cache
def defined_in(path):
    """Names of functions, classes, methods (Class.method) and constants of a Python file."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
            names |= {f"{node.name}.{sub.name}" for sub in node.body if isinstance(sub, ast.FunctionDef)}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


@each_notebook
def test_links_lead_to_what_they_name(path):
    """Of the last cell's lines with one link to a Python file, each `name` is defined in that file."""
    for source in prose_of(path):
        for link in re.findall(r"\]\(([^)]+)\)", source):
            if "://" not in link:
                assert (FOLDER / link.partition("#")[0]).exists(), link
    checked = 0
    for line in cells_of(path)[-1][1].splitlines():
        files = re.findall(r"\]\(([^)]+\.py)\)", line)
        if len(files) == 1:
            names = re.findall(r"`([A-Za-z_][\w.]*)(?:\(\))?`", line)
            known = defined_in(FOLDER / files[0])
            for name in names:
                assert name in known, f"{files[0]} defines no {name}"
            checked += len(names)
    assert checked, "the last cell names no function of the package"


def run(*words):
    command = [sys.executable, str(FOLDER / "run.py"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def write(path, *sources):
    cells = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": s, "outputs": [], "execution_count": None}
        for i, s in enumerate(sources)
    ]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8")


@pytest.mark.skipif(importlib.util.find_spec("nbclient") is None, reason="running needs the notebooks extra")
def test_run_writes_what_cells_print_and_fails_with_a_cells_error(tmp_path):
    good, bad = tmp_path / "00_good.ipynb", tmp_path / "01_bad.ipynb"
    write(good, "import minidpt\nprint(6 * 7)")
    write(bad, "1 / 0")
    done = run(good, bad, "--write")
    assert done.returncode == 1
    assert "00_good: " in done.stdout
    assert "ZeroDivisionError" in done.stderr
    ((_, cell),) = code_of(good)
    assert (cell["execution_count"], cell["outputs"][0]["text"], cell["metadata"]) == (1, ["42\n"], {})
    assert code_of(bad)[0][1]["execution_count"] is None  # a failed run leaves the file alone
