"""Run the notebooks, each in a fresh kernel, and say how long each took.   (extra `notebooks`)

    python notebooks/run.py                  all of them; a cell that raises is shown and fails the run
    python notebooks/run.py 02 05 --write    these two, and keep what they printed and drew

They run in this folder and import the minidpt beside it. What is written is the same on every machine: no times, no
versions of the kernel, cells numbered from 1. The comment on the first line of a cell that draws says what is to be
seen; it becomes the pictures' alternative text.
"""

import argparse
import base64
import io
import os
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from PIL import Image

FOLDER = Path(__file__).resolve().parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
STEP = 4  # between shades: two thirds of the bytes, no difference seen. A palette lost the colours of small things


def main(words: list[str] | None = None) -> int:
    options = arguments(words)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(FOLDER.parent), os.environ.get("PYTHONPATH")]))
    failed = 0
    for path in options.paths:
        notebook = nbformat.read(path, as_version=4)
        start = time.perf_counter()
        problem = run(notebook, options.timeout)
        print(f"{path.stem}: {time.perf_counter() - start:.1f} s, {len(notebook.cells)} cells", flush=True)
        if problem:
            failed += 1
            print(problem, file=sys.stderr)
        elif options.write:
            nbformat.write(settled(notebook), path)
    return 1 if failed else 0


def arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run the notebooks, each in a fresh kernel.")
    parser.add_argument("names", nargs="*", help="beginnings of file names, or files (default: every notebook here)")
    parser.add_argument("--write", action="store_true", help="save what the cells printed and drew")
    parser.add_argument("--timeout", type=float, default=300, help="seconds a cell may take (default: %(default)s)")
    options = parser.parse_args(words)
    options.paths = []
    for name in options.names or [""]:
        found = [Path(name)] if Path(name).is_file() else sorted(FOLDER.glob(f"{name}*.ipynb"))
        if not found:
            parser.error(f"no notebook is called {name}*.ipynb")
        options.paths += found
    return options


def run(notebook: nbformat.NotebookNode, timeout: float) -> str:
    """Run all cells, outputs in place.   -> what went wrong, with the cell; "" if nothing did"""
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(FOLDER)}},
        coalesce_streams=True,  # how many pieces a text comes in depends on the machine
        extra_arguments=["--log-level=ERROR"],  # a kernel's remarks on its own connection
    )
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError) as problem:
        return re.sub(r"\x1b\[[0-9;]*m", "", str(problem))  # without a terminal's colours
    return ""


def settled(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without what differs from run to run and from machine to machine."""
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat_minor = 5
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        cell.metadata = nbformat.from_dict({})
        for output in cell.get("outputs", []):
            picture = output.get("data", {}).get("image/png")
            if picture:
                output.data = nbformat.from_dict({"image/png": smaller(picture)})
                output.metadata = nbformat.from_dict({"image/png": {"alt": first_comment(cell.source)}})
    return notebook


def first_comment(source: str) -> str:
    line = source.splitlines()[0]
    return line.removeprefix("#").strip() if line.startswith("#") else ""


def smaller(picture: str) -> str:
    """A PNG in base64 on white, in steps of STEP per colour, without the name and version of what drew it."""
    with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
        flat = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA")).convert("RGB")
    flat = flat.point([min((value + STEP // 2) // STEP * STEP, 255) for value in range(256)] * 3)
    buffer = io.BytesIO()
    flat.save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode() + "\n"


if __name__ == "__main__":
    sys.exit(main())
