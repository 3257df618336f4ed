"""benchmarks/: what the scripts are asked and what they write. Nothing here judges a time."""

import importlib
import json
import re
import sys
from pathlib import Path

import pytest

from minidpt.benchmarking import machine
from minidpt.ops.backends import NUMPY, numba_backend

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield importlib.import_module
    for name in ("peers", "peers_chart", "model"):
        sys.modules.pop(name, None)


def test_the_peers_script_writes_every_sample_and_a_table(script, tmp_path, capsys):
    file = tmp_path / "samples.json"
    few = ["--rounds", "2", "--threads", "1", "--what", "speed,memory"]
    script("peers").main(["--models", "dpt-mini", "--engines", "numpy", *few, "--json", str(file)])
    (result,) = json.loads(file.read_text(encoding="utf-8"))["models"]["dpt-mini"]
    assert len(result["seconds"]) == 2
    assert result["peak"] > 1e7
    out = capsys.readouterr().out
    assert machine.described() in out
    assert re.search(r"\| dpt-mini \| minidpt \(numpy\) \| highest \| [\d.]+ \|", out)


@pytest.mark.parametrize("words", [["--engines", "tensorflow"], ["--what", "size"], ["--isa", "mmx"]])
def test_the_peers_script_refuses_what_it_does_not_know(script, words, capsys):
    with pytest.raises(SystemExit):
        script("peers").arguments(words)
    assert words[1] in capsys.readouterr().err


def test_readme_has_a_place_for_every_table():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for marker in ("peers", "growth"):
        assert text.count(f"<!-- {marker} -->\n") == text.count(f"<!-- /{marker} -->") == 1


def test_the_chart_has_a_bar_for_each_result(script, tmp_path):
    pytest.importorskip("matplotlib", reason="charts need the plot extra")
    from PIL import Image

    one = {"contender": {"engine": "numba", "precision": "highest"}, "median": 1.0}
    two = {"contender": {"engine": "openvino", "precision": "bfloat16"}, "median": 0.5}
    none = {"contender": {"engine": "pytorch", "precision": "float32"}, "median": None}
    record = {"about": "a machine", "models": {"Intel/dpt": [one, two, none], "failed": [none]}}
    script("peers_chart").draw(record, tmp_path / "peers.png")
    with Image.open(tmp_path / "peers.png") as picture:
        assert picture.width > picture.height > 100


def test_the_model_script_tells_stages_and_ops(script, capsys, monkeypatch):
    from minidpt.benchmarking import roofline

    monkeypatch.setattr(roofline, "SIDE", 64)
    monkeypatch.setattr(roofline, "COPIED", 1 << 16)
    script("model").main(["dpt-mini", "--size", "64", "--rounds", "1"])
    out = capsys.readouterr().out
    assert re.search(r"^\| fusion \| 1 \|", out, re.MULTILINE)
    assert re.search(r"^\| conv2d \| \d+ \|", out, re.MULTILINE)


def test_every_op_that_has_a_kernel_is_timed(script):
    fast = numba_backend()
    kernels = {name for name in fast.ops if fast.ops[name] is not NUMPY.ops[name]}
    assert kernels <= {case.op for case in script("ops").CASES}
