"""`minidpt doctor` on the graphics card: stand-ins for one that works, half works, or is not there."""

import dataclasses
import json
from types import SimpleNamespace

import pytest

pytest.importorskip("numba", reason="kernels need Numba")

from minidpt import cli, diagnosis
from minidpt.errors import ConfigError
from minidpt.ops import backends, cublas_cuda, device_cuda
from minidpt.ops.backends import NUMPY

FACTS = {"name": "NVIDIA Stand-in", "compute_capability": "9.0", "memory": 80 << 30, "free": 79 << 30}
COLUMN = dataclasses.replace(NUMPY, name="cuda", precisions=("highest", "medium"), at=lambda precision: COLUMN)


@pytest.fixture(autouse=True)
def a_card(monkeypatch):
    """One that computes as NumPy does, with the library."""
    monkeypatch.setattr(diagnosis, "cuda_backend", lambda: COLUMN)
    monkeypatch.setattr(diagnosis, "numba_backend", absent("no Numba"))
    monkeypatch.setattr(device_cuda, "card", lambda: FACTS)
    monkeypatch.setattr(cublas_cuda, "refusal", lambda: None)
    monkeypatch.setattr(cublas_cuda, "version", lambda: "13.1.0")


def absent(why):
    def backend():
        raise ConfigError(why)

    return backend


def doctor(capsys, *words):
    code = cli.main(["doctor", *words])
    output = capsys.readouterr()
    return code, output.out, output.err


def test_a_card_is_described_and_tested(capsys):
    code, out, err = doctor(capsys)
    assert (code, err) == (0, "")
    card, tested = out[out.index("card:") :].split("card self test:")
    for fact in ("NVIDIA Stand-in", "9.0", "85.9 GB", "cuBLASLt 13.1.0", "medium=BLAS, float32"):
        assert fact in card
    assert "passed           yes" in tested


def test_without_the_library_it_says_why(capsys, monkeypatch):
    monkeypatch.setattr(cublas_cuda, "refusal", lambda: "MINIDPT_CUBLAS=0")
    code, out, _ = doctor(capsys, "--json")
    assert (code, json.loads(out)["card"]["library"]) == (0, "none: MINIDPT_CUBLAS=0")


def test_a_driver_that_fails_to_answer_is_one_line(capsys, monkeypatch):
    monkeypatch.setattr(device_cuda, "card", lambda: 1 // 0)
    code, out, err = doctor(capsys)
    assert (code, err) == (0, "")
    assert "  problem          integer division or modulo by zero" in out


def test_a_kernel_of_the_card_that_is_wrong_is_named(capsys, monkeypatch):
    wrong = dataclasses.replace(COLUMN, ops={**COLUMN.ops, "add": lambda x, y: x})
    monkeypatch.setattr(diagnosis, "cuda_backend", lambda: wrong)
    code, _, err = doctor(capsys)
    assert code == 1
    assert err.startswith("error: add on the graphics card: differs by")


NO_DRIVER = "CUDA driver library cannot be found.\nEnsure that one is installed."


@pytest.mark.parametrize(
    ("installed", "problem", "words"),
    [
        (False, None, "numba-cuda is not installed (pip install"),
        (True, NO_DRIVER, "no NVIDIA card can be used (CUDA driver library cannot be found. Ensure"),
        (True, None, "no NVIDIA card can be used;"),
    ],
)
def test_without_a_card_one_line_says_why(capsys, monkeypatch, installed, problem, words):
    backends.cuda_backend.cache_clear()
    monkeypatch.setattr(diagnosis, "cuda_backend", backends.cuda_backend)
    monkeypatch.setattr(device_cuda, "SIMULATED", False)
    monkeypatch.setattr(device_cuda.importlib.util, "find_spec", lambda name: object() if installed else None)
    stand_in = SimpleNamespace(is_available=lambda: False, cuda_error=lambda: problem)
    monkeypatch.setattr(device_cuda, "cuda", stand_in)
    code, out, err = doctor(capsys, "--json")
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert told["card"]["usable"] is False
    assert words in told["card"]["because"]
    assert "\n" not in told["card"]["because"]
    assert "card_self_test" not in told


def test_what_a_driver_tells_is_put_in_words(monkeypatch, tmp_path):
    monkeypatch.undo()
    device = SimpleNamespace(name=b"NVIDIA H100 80GB HBM3", compute_capability=(9, 0))
    memory = SimpleNamespace(get_memory_info=lambda: (70, 80))
    compiler = SimpleNamespace(info="/usr/lib/libnvvm.so", by="site-packages")
    stand_in = SimpleNamespace(
        get_current_device=lambda: device,
        current_context=lambda: memory,
        cuda_paths=SimpleNamespace(get_cuda_paths=lambda: {"nvvm": compiler}),
        cudadrv=SimpleNamespace(driver=SimpleNamespace(driver=SimpleNamespace(get_version=lambda: (13, 0)))),
        runtime=SimpleNamespace(get_version=lambda: (13, 1)),
    )
    file = tmp_path / "version"
    file.write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build\nGCC version: 12\n"
    )
    monkeypatch.setattr(device_cuda, "cuda", stand_in)
    monkeypatch.setattr(device_cuda, "SIMULATED", False)
    monkeypatch.setattr(device_cuda, "DRIVER_FILE", file)
    assert device_cuda.card() == {
        "name": "NVIDIA H100 80GB HBM3",
        "compute_capability": "9.0",
        "memory": 80,
        "free": 70,
        "driver": "580.159.04 for CUDA 13.0 and older",
        "toolkit": "13.1, /usr/lib/libnvvm.so (site-packages)",
    }
    monkeypatch.setattr(device_cuda, "DRIVER_FILE", tmp_path / "absent")
    assert device_cuda.card()["driver"] == "a driver for CUDA 13.0 and older"
