"""How many threads there are, and the ways in which threads and kernels could end a process without a word."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import minidpt
from minidpt import cpus

ROOT = Path(minidpt.__file__).parents[1]
MODEL = """
import sys
from test_families import depth_model, picture
model, x = depth_model("vit").to(backend="numba"), picture("vit")
"""


def in_process(script, **environment):
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    unset = {name: value for name, value in os.environ.items() if name not in cpus.THREAD_VARIABLES}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**unset, "PYTHONPATH": paths, **environment},
    )
    return run.returncode, run.stdout, run.stderr


# How many


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Control groups as {file: content}; `own` is what the kernel says of this process."""

    def write(own, files):
        (tmp_path / "own").write_text(own)
        for name, content in files.items():
            path = tmp_path / "groups" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    monkeypatch.setattr(cpus, "OWN_CGROUPS", tmp_path / "own")
    monkeypatch.setattr(cpus, "CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(cpus, "affinity", lambda: 8)
    return write


@pytest.mark.parametrize(
    ("own", "files", "quota", "count"),
    [
        ("0::/\n", {}, None, 8),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None, 8),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5, 2),
        ("0::/a/b\n", {"a/cpu.max": "300000 100000\n", "a/b/cpu.max": "max 100000\n"}, 3, 3),
        ("0::/a/b\n", {"a/cpu.max": "300000 100000\n", "a/b/cpu.max": "10000 100000\n"}, 0.1, 1),
        ("0::/../other\n", {"cpu.max": "1600000 100000\n"}, 16, 8),
        ("0::/\n", {"cpu.max": "what 100000\n"}, None, 8),
        ("0::/\n", {"cpu.max": ""}, None, 8),
        ("4:memory:/\n3:cpu,cpuacct:/x\n0::/\n", {"cpu,cpuacct/x/cpu.cfs_quota_us": "-1\n"}, None, 8),
        (
            "4:memory:/\n3:cpu,cpuacct:/not/here\n",
            {"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "50000\n"},
            5,
            5,
        ),
    ],
)
def test_a_quota_of_cpu_time_bounds_the_threads(groups, own, files, quota, count):
    groups(own, files)
    assert cpus.cpu_quota() == quota
    assert cpus.available() == count


def test_without_control_groups_there_is_no_quota(monkeypatch, tmp_path):
    monkeypatch.setattr(cpus, "OWN_CGROUPS", tmp_path / "absent")
    assert cpus.cpu_quota() is None
    assert cpus.available() == cpus.affinity() >= 1


THREADS = """
import os, sys
from pathlib import Path
from minidpt import cpus
cpus.available, cpus.affinity = lambda: 2, lambda: {affinity}
from minidpt.cli import build_parser
cpus.bound_pools(build_parser("depth").parse_args(["a", *sys.argv[1:]]).threads)
print("numpy" in sys.modules, *(os.environ.get(name) for name in cpus.THREAD_VARIABLES))
"""


@pytest.mark.parametrize(
    ("affinity", "words", "environment", "expected"),
    [
        (2, ["--threads", "1"], {}, "1 1 1 1"),
        (2, ["--threads", "1"], {"OMP_NUM_THREADS": "4"}, "1 1 1 1"),
        (2, [], {}, "None None None None"),  # BLAS and Numba find two by themselves
        (8, [], {}, "2 2 2 2"),
        (8, [], {"OPENBLAS_NUM_THREADS": "1"}, "2 1 2 2"),
        (2, [], {"OMP_NUM_THREADS": "3"}, "3 3 3 3"),  # else Numba would take two
        (2, [], {"OMP_NUM_THREADS": "2,1"}, "2,1 None None None"),
    ],
)
def test_pools_are_bound_together_before_numpy_loads(affinity, words, environment, expected):
    script = f"import sys; sys.argv[1:] = {words!r}\n" + THREADS.format(affinity=affinity)
    code, out, err = in_process(script, **environment)
    assert (code, out) == (0, f"False {expected}\n"), err


def test_numba_keeps_to_the_quota_in_a_program_of_ones_own():
    script = "from minidpt import cpus; cpus.available = lambda: 1\n" + MODEL
    code, out, err = in_process(script + "import numba; print(numba.get_num_threads())")
    assert (code, out) == (0, "1\n"), err


# What ends a process


TWO_THREADS = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(2) as pool:
    depths = list(pool.map(lambda _: model(x).predicted_depth, range(20)))
import numba, numpy as np
print(numba.threading_layer(), all(np.array_equal(depth, depths[0]) for depth in depths))
"""


def test_two_threads_may_run_models_on_the_layer_that_would_end_the_process():
    code, out, err = in_process(MODEL + TWO_THREADS, NUMBA_THREADING_LAYER="workqueue")
    assert (code, out) == (0, "workqueue True\n"), err


def test_without_gnu_openmp_and_tbb_another_layer_runs():
    hidden = "import sys; sys.modules['numba.np.ufunc.omppool'] = sys.modules['numba.np.ufunc.tbbpool'] = None\n"
    code, out, err = in_process(hidden + MODEL + TWO_THREADS)
    assert (code, out) == (0, "workqueue True\n"), err


FORK = """
import multiprocessing as mp
from minidpt.errors import ConfigError
model(x)
def child(backend):
    try:
        return float(model.to(backend=backend)(x).predicted_depth[0, 0, 0])
    except ConfigError as error:
        return str(error)
with mp.get_context("fork").Pool(1) as pool:
    for backend in ("numpy", "numba"):
        print(pool.apply_async(child, (backend,)).get(timeout=60))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="GNU OpenMP and fork")
def test_a_forked_child_is_told_what_to_do_rather_than_ended():
    code, out, err = in_process(MODEL + FORK, NUMBA_THREADING_LAYER="omp")
    if "omp" in err and "No threading layer" in err:
        pytest.skip("no GNU OpenMP here")
    assert code == 0, err
    plain, told = out.splitlines()
    assert float(plain) != 0
    assert "spawn or forkserver" in told


@pytest.mark.skipif(sys.platform != "linux", reason="GNU OpenMP and fork")
def test_a_forked_child_may_run_kernels_where_the_layer_allows_it():
    code, out, err = in_process(MODEL + FORK, NUMBA_THREADING_LAYER="workqueue")
    assert code == 0, err
    plain, fast = map(float, out.splitlines())
    assert abs(plain - fast) < 1e-4


def test_a_child_forked_while_another_thread_has_the_turn_can_take_it():
    pytest.importorskip("numba", reason="kernels need Numba")
    script = """
import os, threading
from minidpt.ops.buffers import POOL
held, done = threading.Event(), threading.Event()
def hold():
    with POOL:
        held.set(); done.wait()
thread = threading.Thread(target=hold); thread.start(); held.wait()
child = os.fork()
if not child:
    with POOL: os._exit(7)
done.set(); thread.join()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    assert in_process(script)[1] == "7\n"
