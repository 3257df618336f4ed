"""The tests of the cuda column in Numba's simulator, which needs no card but a process of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="the simulator is Numba's")

ROOT = Path(__file__).parent.parent
FILES = sorted(map(str, [*ROOT.glob("tests/test_ops_cuda*.py"), ROOT / "tests" / "test_models_cuda.py"]))
# Threads of a block wait for each other, and the one that lets them go on does not rest: they need their turn often.
START = "import sys, pytest; sys.setswitchinterval(1e-5); sys.exit(pytest.main(sys.argv[1:]))"


@pytest.mark.skipif("NUMBA_ENABLE_CUDASIM" in os.environ, reason="this is the simulator's process")
def test_the_column_passes_its_tests_in_the_simulator():
    words = [sys.executable, "-c", START, "-q", "-p", "no:cacheprovider", "--tb=short", *FILES]
    run = subprocess.run(
        words, cwd=ROOT, env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}, capture_output=True, text=True, timeout=1800
    )
    failed = "\n".join(line for line in run.stdout.splitlines() if re.match("FAILED|ERROR", line))
    assert run.returncode == 0, f"{failed}\n\n{run.stdout[-6000:]}{run.stderr[-2000:]}"
    assert "no NVIDIA card" not in run.stdout, "the tests were skipped"
