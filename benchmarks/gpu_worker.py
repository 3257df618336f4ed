"""A process that measures on the graphics card, and what its parent knows of it: questions and answers, in JSON lines.

A process of its own, as a card's error ends all work of the process that made it, and compilers may take any time.
"""

import json
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from minidpt.benchmarking.worker import answers
from minidpt.errors import one_line

HERE = Path(__file__).resolve().parent
LAST_WORDS = 5  # seconds that a process has for them


def serve(asked):
    """Answer each line of stdin by the method `ask_...` that it names; an error is an answer, too."""
    out = answers()
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = getattr(asked, f"ask_{question.pop('ask')}")(**question)
        except Exception as error:  # the card's, the library's, a compiler's: the report tells it in a line
            answer = {"error": f"{type(error).__name__}: {one_line(error)}"}
        out.write(json.dumps(answer) + "\n")
        out.flush()


def timed(work, stopwatch, rounds, seconds):
    """Run once to warm up, then up to `rounds` times, no longer than so many seconds.

    stopwatch(work) -> (milliseconds between two events of the card around the work, what it answered)
    -> (medians, and every sample, in milliseconds; the last answer)
    """
    work()
    start, device, host, found = time.perf_counter(), [], [], None
    while len(device) < rounds and (not device or time.perf_counter() - start < seconds):
        begin = time.perf_counter()
        spent, found = stopwatch(work)
        device.append(spent)
        host.append(1e3 * (time.perf_counter() - begin))
    medians = {"ms": statistics.median(device), "host_ms": statistics.median(host)}
    return {**medians, "rounds": len(device), "all_ms": device}, found


class Process:
    """A worker that is started when it is first asked, and again after it ended or was too slow."""

    def __init__(self, script, words, environment):
        self.command, self.environment = [sys.executable, str(HERE / script), *words], environment
        self._process, self._lines, self._noise = None, None, None

    def ask(self, what, timeout, **options):
        """-> the answer; {"error": ...} in one line where there is none within so many seconds"""
        if self._process is None or self._process.poll() is not None:
            self._start()
        try:
            self._process.stdin.write(json.dumps({"ask": what, **options}) + "\n")
            self._process.stdin.flush()
            line = self._lines.get(timeout=max(timeout, 0))
        except queue.Empty:
            self.end()
            return {"error": f"stopped after {timeout:.0f} s"}
        except OSError:
            line = ""
        if line:
            return json.loads(line)
        code = self._wait()
        self._noise.seek(0)
        said = self._noise.read().strip().splitlines()
        self.end()
        return {"error": f"its process ended with {code}: {said[-1] if said else 'it said nothing'}"}

    def _start(self):
        self.end()
        self._noise = tempfile.TemporaryFile(mode="w+", errors="replace")  # noqa: SIM115 (closed in `end`)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._noise}
        self._process = subprocess.Popen(self.command, text=True, env=self.environment, **pipes)
        self._lines = queue.Queue()
        threading.Thread(target=self._read, args=(self._process.stdout, self._lines), daemon=True).start()

    @staticmethod
    def _read(stdout, lines):
        for line in stdout:
            lines.put(line)
        lines.put("")

    def _wait(self):
        try:
            return self._process.wait(LAST_WORDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def end(self):
        """Stop it, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()
            self._process.stdout.close()
            self._noise.close()
            self._process = None
