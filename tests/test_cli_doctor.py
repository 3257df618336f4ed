"""`minidpt doctor`: what it tells of a machine, and a self-test that notices a wrong kernel."""

import dataclasses
import json
import sys

import numpy as np
import pytest

import minidpt
from minidpt import cli, cpus, diagnosis
from minidpt.errors import ConfigError, HubError
from minidpt.ops.backends import numba_backend


def doctor(capsys, *words):
    code = cli.main(["doctor", *words])
    output = capsys.readouterr()
    return code, output.out, output.err


def test_a_sound_machine_passes_and_its_json_says_all(capsys):
    code, out, err = doctor(capsys, "--json")
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert told["self_test"]["passed"] is True
    assert told["self_test"]["ops"] == len(minidpt.ops.OP_NAMES)
    assert told["versions"]["minidpt"] == minidpt.__version__
    assert told["cpu"]["available"] == cpus.available()
    assert told["kernels"]["threading_layer"] in ("tbb", "omp", "workqueue")
    assert told["kernels"]["files"] > 0
    assert told["kernels"]["problem"] is None
    assert told["backend"]["auto"] in ("numpy", "numba")


def test_the_report_has_a_line_for_each_fact(capsys):
    code, out, _ = doctor(capsys)
    assert code == 0
    sections = {line[:-1] for line in out.splitlines() if not line.startswith(" ")}
    assert sections == {"versions", "cpu", "room", "weights", "extras", "backend", "kernels", "self test", "card"}
    assert "  passed           yes" in out


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda x, y: x + y + np.float32(1e-3), "differs by"),
        (lambda x, y: x * np.nan, "differs by nan"),
        (lambda x, y: x[:1], "differs by inf"),
        (lambda x, y: 1 // 0, "ZeroDivisionError"),
    ],
)
def test_a_kernel_that_is_wrong_is_named(capsys, monkeypatch, broken, words):
    sound = numba_backend()
    wrong = dataclasses.replace(sound, ops={**sound.ops, "add": broken})
    monkeypatch.setattr(diagnosis, "numba_backend", lambda: wrong)
    code, out, err = doctor(capsys)
    assert code == 1
    assert "  passed           no" in out
    assert err.startswith("error: add: ")
    assert words in err
    assert err.count("\n") == 1


def test_without_numba_it_says_so_and_goes_on(capsys, monkeypatch):
    def absent():
        raise ConfigError("backend numba: Numba cannot be imported (gone); use backend numpy")

    monkeypatch.setattr(diagnosis, "numba_backend", absent)
    code, out, err = doctor(capsys, "--json")
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert told["self_test"]["passed"] is None
    assert "cannot be imported (gone)" in told["backend"]["because"]
    assert "kernels" not in told


def test_without_the_hubs_library_and_without_proc_it_goes_on(capsys, monkeypatch, tmp_path):
    def absent(repo_id):
        raise HubError("not installed")

    monkeypatch.setattr(diagnosis.hub, "library", absent)
    for name in ("CPU_INFO", "MEMORY_INFO"):
        monkeypatch.setattr(cpus, name, tmp_path / "absent")
    code, out, _ = doctor(capsys, "--json")
    told = json.loads(out)
    assert code == 0
    assert told["weights"] == {"folder": None, "offline": None}
    assert told["cpu"]["name"]
    assert told["cpu"]["features"] == []
    assert told["room"]["memory"] is None


def test_kernels_that_cannot_be_kept_are_a_problem_and_no_failure(capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    if sys.platform == "win32":
        pytest.skip("no /dev/null")
    code, out, _ = doctor(capsys, "--json")
    assert code == 0
    assert json.loads(out)["kernels"]["problem"] == "Not a directory"


def test_the_kernels_words_for_a_cpu_are_read(monkeypatch, tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nmodel name\t: A: B\nflags\t\t: avx2 amx_bf16\n\nprocessor\t: 1\nflags\t\t: none\n")
    monkeypatch.setattr(cpus, "CPU_INFO", path)
    assert cpus.name_and_flags() == ("A: B", ["avx2", "amx_bf16"])
    path.write_text("processor\t: 0\nFeatures\t: asimd sve\n")
    assert cpus.name_and_flags() == ("", ["asimd", "sve"])
