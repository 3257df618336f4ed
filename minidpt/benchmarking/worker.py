"""One engine in a process of its own: loads, then answers one JSON line for each that it is asked.

    python -m minidpt.benchmarking.worker ENGINE PRECISION FOLDER THREADS

{"ask": "pixels", "file": F}    take F's pixels as the input from now on
{"ask": "pass"}                 one forward pass -> {"seconds": ...}
{"ask": "output", "file": F}    one forward pass, its result to F
{"ask": "export", "file": F}    PyTorch's model as an ONNX graph to F
{"ask": "peak"}                 -> {"bytes": ...}, the most memory held so far
The first line comes unasked: {"precision": what really runs, "seconds": to load}. {"error": ...} is the last one.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ..errors import MiniDPTError, one_line
from . import engines, machine


def answers() -> TextIO:
    """Stdout for answers alone: what libraries print goes to stderr from now on."""
    kept = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(kept, "w", encoding="utf-8")


class Worker:
    """What an engine's process does when asked."""

    def __init__(self, engine: str, precision: str, folder: str, threads: str):
        self.loaded = engines.load(engine, precision, Path(folder), int(threads))
        self.pixels = np.zeros(0, np.float32)

    def ask_pixels(self, file: str) -> dict[str, Any]:
        self.pixels = np.load(file)
        return {}

    def ask_pass(self) -> dict[str, Any]:
        start = time.perf_counter()
        self.loaded.run(self.pixels)
        return {"seconds": time.perf_counter() - start}

    def ask_output(self, file: str) -> dict[str, Any]:
        np.save(file, self.loaded.run(self.pixels))
        return {}

    def ask_export(self, file: str) -> dict[str, Any]:
        engines.export(self.loaded.model, self.pixels, Path(file))
        return {}

    def ask_peak(self) -> dict[str, Any]:
        return {"bytes": machine.peak_memory()}


def main(words: list[str]) -> int:
    """Answer until stdin ends. -> exit code"""
    out = answers()

    def say(answer: dict[str, Any]) -> None:
        out.write(json.dumps(answer) + "\n")
        out.flush()

    try:
        start = time.perf_counter()
        worker = Worker(*words)
        say({"precision": worker.loaded.precision, "seconds": time.perf_counter() - start})
        for line in sys.stdin:
            question = json.loads(line)
            say(getattr(worker, f"ask_{question.pop('ask')}")(**question))
    except Exception as error:  # whatever another engine raises: the parent tells it in one line
        name = "" if isinstance(error, MiniDPTError) else f"{type(error).__name__}: "
        say({"error": name + one_line(error)})
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
