"""The tests of the cuda column in Numba's simulator, which needs no card but a process of its own; and what is said
where no card is."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from pictures import encoded, random_picture

from minidpt import ConfigError, cli
from minidpt.ops.backends import cuda_backend

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


@pytest.mark.parametrize(
    ("installed", "problem", "words"),
    [
        (None, None, r"numba-cuda is not installed \(pip install 'minidpt\[cuda13\]'"),
        (True, "no driver\nanywhere", r"no NVIDIA card can be used \(no driver anywhere\)"),
        (True, None, "no NVIDIA card can be used;"),
    ],
)
def test_without_a_card_one_line_says_what_is_missing(monkeypatch, capsys, tmp_path, installed, problem, words):
    from minidpt.ops import device_cuda

    absent = SimpleNamespace(is_available=lambda: False, cuda_error=lambda: problem)
    monkeypatch.setattr(device_cuda, "SIMULATED", False)
    monkeypatch.setattr(device_cuda, "cuda", absent)
    monkeypatch.setattr(device_cuda.importlib.util, "find_spec", lambda name: installed)
    cuda_backend.cache_clear()
    with pytest.raises(ConfigError, match=words) as caught:
        cuda_backend()
    assert str(caught.value).endswith("use backend numba or numpy")
    assert "\n" not in str(caught.value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(encoded(random_picture(), "PNG"))
    assert cli.main(["depth", "a.png", "--backend", "cuda"]) == 3
    assert capsys.readouterr().err == f"error: {caught.value}\n"


def test_without_numbas_cuda_one_line_says_what_to_use(monkeypatch):
    monkeypatch.setitem(sys.modules, "minidpt.ops.device_cuda", None)
    with pytest.raises(ConfigError, match=r"cannot be imported .* use backend numpy"):
        cuda_backend.__wrapped__()
