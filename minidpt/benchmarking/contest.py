"""Engines beside each other: each in its own process, asked in turns, so that a noisy machine is noisy for all."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from ..errors import ConfigError, ResourceError
from ..images import embedded_picture
from . import engines, machine
from .workload import PIXELS

PAUSE = 0.05  # seconds between passes, in which the threads of the last engine stop spinning
WARM_UPS = 2
COLD_STARTS = 3
SIZES_OF_WEIGHTS = 3  # memory that a worker may take, in sizes of the weights' file: OpenVINO's while it compiles
Say = Callable[[str], object]


@dataclass(frozen=True)
class Contender:
    """An engine at a precision, on so many threads, with no other instructions than isa's (machine.ISAS)."""

    engine: str
    precision: str
    threads: int
    isa: str | None = None

    def __str__(self) -> str:
        return f"{engines.FULL_NAMES[self.engine]} {self.precision}"

    def environment(self) -> dict[str, str]:
        return machine.environment(self.threads, self.isa)


@dataclass
class Result:
    """What one contender did; an empty list or None: not measured.

    seconds: of each round   error: relative L2, of its output   peak: bytes   cold: seconds of each start
    failure: why there is nothing
    """

    contender: Contender
    seconds: list[float] = field(default_factory=list)
    error: float | None = None
    peak: int | None = None
    cold: list[float] = field(default_factory=list)
    failure: str = ""

    @property
    def median(self) -> float | None:
        return statistics.median(self.seconds) if self.seconds else None

    def to_json(self) -> dict[str, Any]:
        """Every sample, and what was run."""
        return {**asdict(self), "median": self.median}


class Worker:
    """A contender's process.   ConfigError with its own words where it fails"""

    def __init__(self, contender: Contender, folder: Path):
        self.contender = contender
        words = [contender.engine, contender.precision, str(folder), str(contender.threads)]
        self._noise = tempfile.TemporaryFile(mode="w+", errors="replace")  # noqa: SIM115 (closed in __exit__)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "minidpt.benchmarking.worker", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            text=True,
            env=contender.environment(),
        )
        try:
            self.ready = self._answer()
        except BaseException:
            self.__exit__()
            raise

    def ask(self, what: str, **options: Any) -> dict[str, Any]:
        """One question of worker.py's list, and its answer."""
        with suppress(BrokenPipeError):  # its last words then say why
            if self._process.stdin is not None:
                self._process.stdin.write(json.dumps({"ask": what, **options}) + "\n")
                self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        answer = json.loads(line) if line else {"error": self._last_words()}
        if "error" in answer:
            raise ConfigError(f"{self.contender}: {answer['error']}")
        return answer

    def _last_words(self) -> str:
        self._process.wait()
        self._noise.seek(0)
        lines = self._noise.read().strip().splitlines()
        return f"its process ended with {self._process.returncode}: {lines[-1] if lines else 'it said nothing'}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()
        self._process.terminate()
        self._process.wait()
        self._noise.close()


def contenders(
    names: Sequence[str] | None, threads: int, isa: str | None, say: Say, ours: Sequence[str] = ("numba",)
) -> list[Contender]:
    """Every precision of the engines named, `ours` and all others if None; a line about each that is not installed.

    isa: float32 alone, as those instructions have no bfloat16 products; PyTorch would take minutes for a pass.
    """
    found = []
    for engine in names or [e for e in engines.ENGINES if e in ours or e not in engines.OURS]:
        if lacking := engines.missing(engine):
            say(f"{engines.FULL_NAMES[engine]} is left out: {', '.join(lacking)} not installed")
            continue
        if isa and (free := machine.UNRESTRICTED[isa].get(engine)):
            say(f"{engines.FULL_NAMES[engine]} cannot be restricted to {isa} whole: {free} uses what this CPU has")
        precisions = [p for p in engines.ENGINES[engine] if not isa or p in engines.FLOAT32]
        found += [Contender(engine, precision, threads, isa) for precision in precisions]
    return found


def make_ready(folder: Path, entrants: Sequence[Contender], say: Say) -> np.ndarray | None:
    """Export the graph that some contenders run, and compute the exact output. -> it, or None without torch"""
    if not entrants or engines.missing("pytorch"):
        return None
    threads, reference = entrants[0].threads, folder / "reference.npy"
    with Worker(Contender("pytorch", engines.EXACT, threads), folder) as worker:
        worker.ask("pixels", file=str(folder / PIXELS))
        worker.ask("output", file=str(reference))
    if any(contender.engine in engines.RUN_A_GRAPH for contender in entrants):
        say("exporting the graph")
        with Worker(Contender("pytorch", "float32", threads), folder) as worker:
            worker.ask("pixels", file=str(folder / PIXELS))
            worker.ask("export", file=str(folder / engines.GRAPH))
    return np.load(reference)


@contextmanager
def at_work(folder: Path, entrants: Sequence[Contender], say: Say) -> Iterator[tuple[list[Worker], list[Result]]]:
    """Start every contender that can, all alive at once. -> the workers, and the results of those that failed

    A contender that would run another precision than it is named for is left out: its row would show another's.
    """
    weights = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    workers, failed = [], []
    with ExitStack() as stack:
        for contender in entrants:
            free = machine.available_memory()
            try:
                if free is not None and free < SIZES_OF_WEIGHTS * weights:
                    raise ResourceError(
                        f"{contender}: {free / 1e9:.1f} GB of memory are free, it may need "
                        f"{SIZES_OF_WEIGHTS * weights / 1e9:.1f} GB; name fewer engines"
                    )
                worker = stack.enter_context(Worker(contender, folder))
                if (runs := worker.ready["precision"]) != contender.precision:
                    raise ConfigError(f"{contender}: this CPU runs {runs} instead, which has its own row")
                worker.ask("pixels", file=str(folder / PIXELS))
                for _ in range(WARM_UPS):
                    worker.ask("pass")
            except (ConfigError, ResourceError) as error:
                say(str(error))
                failed.append(Result(contender, failure=str(error)))
            else:
                workers.append(worker)
        yield workers, failed


def race(folder: Path, entrants: Sequence[Contender], rounds: int, exact: np.ndarray | None, say: Say) -> list[Result]:
    """One pass of each contender in turn, `rounds` times over; then the error of each."""
    with at_work(folder, entrants, say) as (workers, failed):
        results = [Result(worker.contender) for worker in workers]
        for _ in range(rounds):
            for worker, result in zip(workers, results, strict=True):
                time.sleep(PAUSE)
                result.seconds.append(worker.ask("pass")["seconds"])
        for worker, result in zip(workers, results, strict=True):
            if exact is not None:
                worker.ask("output", file=str(folder / "output.npy"))
                result.error = relative_error(np.load(folder / "output.npy"), exact)
    return results + failed


def measure_peak(folder: Path, result: Result) -> None:
    """The most memory that a fresh process holds which loads the model and runs one picture."""
    with Worker(result.contender, folder) as worker:
        worker.ask("pixels", file=str(folder / PIXELS))
        worker.ask("pass")
        result.peak = worker.ask("peak")["bytes"]


def measure_cold(folder: Path, results: Sequence[Result]) -> None:
    """Seconds from the start of a process to one photo's files, in turns; a first start of each fills its caches."""
    with tempfile.TemporaryDirectory() as out:
        for start in range(1 + COLD_STARTS):
            for result in results:
                command = cold_command(result.contender, folder, Path(out))
                begin = time.perf_counter()
                run = subprocess.run(command, capture_output=True, text=True, env=result.contender.environment())
                seconds = time.perf_counter() - begin
                if run.returncode:
                    last = (run.stderr.strip().splitlines() or ["it said nothing"])[-1]
                    raise ConfigError(f"{result.contender}: one photo from start to files failed: {last}")
                if start:
                    result.cold.append(seconds)
                time.sleep(PAUSE)


def cold_command(contender: Contender, folder: Path, out: Path) -> list[str]:
    """minidpt's own command line, or the smallest program on another engine."""
    photo = str(embedded_picture())
    if contender.engine in engines.OURS:
        options = ["--backend", contender.engine, "--precision", contender.precision]
        return [sys.executable, "-m", "minidpt", "depth", photo, "--model", str(folder), "-o", str(out), *options]
    words = [contender.engine, contender.precision, str(folder), str(contender.threads), photo, str(out / "depth")]
    cache = [str(out / f"cache-{contender.precision}")] if contender.engine == "openvino" else []
    return [sys.executable, "-m", "minidpt.benchmarking.cold", *words, *cache]


def relative_error(found: np.ndarray, exact: np.ndarray) -> float:
    """|found - exact| / |exact|, both as one vector"""
    return float(np.linalg.norm(found.astype(np.float64) - exact) / np.linalg.norm(exact))
