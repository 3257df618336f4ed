"""Compiled kernels on disk: whatever goes wrong with the files, the answer is the same and the import never fails."""

import ast
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minidpt
from minidpt.ops import compiling_numba, vector_math_numba
from minidpt.ops.compiling_numba import KERNELS, compiled, folder, key

ROOT = Path(minidpt.__file__).parents[1]
OPS = ROOT / "minidpt" / "ops"
ONE_KERNEL = "import numpy as np; from minidpt.ops.vector_math_numba import relu32; print(relu32(np.float32(3)))"


NUMBERS = np.arange(5.0)


def np_twice(x):
    return 2 * x


def twice(x):
    return 2 * x


def fresh():
    """A dispatcher that knows nothing yet, as in a new process."""
    return compiled()(twice)


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The folder of compiled kernels, in a cache folder of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiling_numba, "KERNELS", {})
    compiling_numba._say_once.cache_clear()
    return folder()


def loaded(dispatcher):
    return sum(dispatcher.stats.cache_hits.values()) == 1


def in_process(script=ONE_KERNEL, *, wait=True, **environment):
    run = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
    return run if not wait else (*run.communicate(timeout=120), run.returncode)


def test_a_kernel_is_compiled_once_for_each_kind_of_argument(kept):
    first, second = fresh(), fresh()
    assert (first(3), second(4), second(0.5)) == (6, 8, 1.0)
    assert not loaded(first)
    assert loaded(second)
    assert len(list(kept.iterdir())) == 2
    assert kept.stat().st_mode & 0o777 == kept.parent.stat().st_mode & 0o777 == 0o700


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def emptied(path):
    path.write_bytes(b"")


def one_bit_off(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def no_pickle(path):
    compiling_numba._publish(path, b"no pickle")


@pytest.mark.parametrize("damage", [cut, emptied, one_bit_off, no_pickle])
def test_a_broken_file_is_compiled_again(kept, damage):
    fresh()(3)
    (path,) = kept.iterdir()
    damage(path)
    again, after = fresh(), fresh()
    assert (again(3), after(3)) == (6, 6)
    assert not loaded(again)
    assert loaded(after), "the broken file was replaced"


@pytest.mark.parametrize("open_to", [0o770, 0o707])
@pytest.mark.parametrize("which", ["folder", "its parent"])
def test_files_where_others_can_write_are_not_run(kept, caplog, which, open_to):
    fresh()(3)
    (kept if which == "folder" else kept.parent).chmod(open_to)
    again = fresh()
    assert again(3) == 6
    assert not loaded(again)
    assert "others can write to it" in caplog.text


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid(), reason="only root can give a folder away")
def test_files_of_another_user_are_not_run(kept, caplog):
    fresh()(3)
    os.chown(kept, 12345, -1)
    again = fresh()
    assert again(3) == 6
    assert not loaded(again)
    assert "another user's" in caplog.text


def test_a_link_in_place_of_the_folder_is_not_followed(kept, tmp_path):
    fresh()(3)
    kept.rename(tmp_path / "elsewhere")
    kept.symlink_to(tmp_path / "elsewhere")
    again = fresh()
    assert again(3) == 6
    assert not loaded(again)


def test_without_a_place_to_write_each_process_compiles_and_says_so_once(kept, monkeypatch, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    for _ in range(2):
        again = fresh()
        assert again(3) == 6
        assert not loaded(again)
    assert caplog.text.count("compiled kernels cannot be kept") == 1


def test_without_a_home_the_import_does_not_fail():
    script = f"import pathlib\ndef home(): raise RuntimeError\npathlib.Path.home = home\n{ONE_KERNEL}"
    out, err, code = in_process(script, XDG_CACHE_HOME="")
    assert (out, code) == ("3.0\n", 0)
    assert err.count("\n") == 1
    assert "XDG_CACHE_HOME" in err


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on the size of files")
def test_a_full_disk_costs_nothing_but_the_file(tmp_path):
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
    out, err, code = in_process(limit + ONE_KERNEL, XDG_CACHE_HOME=str(tmp_path), PYTHONDONTWRITEBYTECODE="1")
    assert (out, code) == ("3.0\n", 0)
    assert "File too large" in err
    assert not [path for path in tmp_path.rglob("*") if path.is_file()], "no half of a file is left"


def test_two_processes_may_start_cold_at_once(tmp_path):
    runs = [in_process(wait=False, XDG_CACHE_HOME=str(tmp_path)) for _ in range(2)]
    for run in runs:
        assert run.communicate(timeout=120) == ("3.0\n", "")
    assert len(list(tmp_path.rglob("*.kernel"))) == 1


def test_numbas_own_variable_names_the_folder(tmp_path):
    out, err, code = in_process(NUMBA_CACHE_DIR=str(tmp_path))
    assert (out, err, code) == ("3.0\n", "", 0)
    (path,) = tmp_path.rglob("*.kernel")
    assert path.parent.name == key()


def test_machine_code_of_other_settings_is_other_machine_code(tmp_path):
    for _ in range(2):
        assert in_process(XDG_CACHE_HOME=str(tmp_path), NUMBA_BOUNDSCHECK="1")[0] == "3.0\n"
    assert in_process(XDG_CACHE_HOME=str(tmp_path))[0] == "3.0\n"
    assert len(list(tmp_path.rglob("*.kernel"))) == 2


def test_numbas_settings_for_others_are_left_alone():
    script = "import numba; before = vars(numba.config).copy()\n" + ONE_KERNEL
    script += "; print([n for n, v in vars(numba.config).items() if n[:5] == 'CACHE' and v != before[n]])"
    assert in_process(script)[0] == "3.0\n[]\n"


def test_the_key_changes_with_any_kernel_source(tmp_path):
    keys = set()
    for a, b in (("x = 1", "y = 1"), ("x = 2", "y = 1"), ("x = 1", "y = 2")):
        (tmp_path / "a_numba.py").write_text(a)
        (tmp_path / "b_numba.py").write_text(b)
        keys.add(key.__wrapped__(tmp_path))
    assert len(keys) == 3
    assert all(compiling_numba.FOLDER.fullmatch(name) for name in keys)


def test_old_folders_go_when_a_new_one_comes_and_only_ours(kept):
    old = [kept.parent / f"0.{i}.0-0.62.1-0123456789abcdef" for i in range(5)]
    for i, path in enumerate(old):
        path.mkdir(parents=True, mode=0o700)
        (path / "conv.tiles_in-0.cpython-311.kernel").touch()
        os.utime(path, (i, i))
    foreign = kept.parent / "1.0.0-0.62.1-0123456789abcdef"
    foreign.mkdir()
    (foreign / "thesis.txt").touch()
    os.utime(foreign, (0, 0))
    other = kept.parent / "something else"
    other.mkdir()
    kept.parent.chmod(0o700)
    fresh()(3)
    assert sorted(kept.parent.iterdir()) == sorted([kept, *old[2:], foreign, other])


def test_what_is_compiled_is_told(kept, caplog, monkeypatch):
    monkeypatch.setattr(compiling_numba, "KERNELS", {})
    with caplog.at_level(logging.INFO, "minidpt.kernels"):
        compiled(parallel=True)(twice)
        fast = compiled(parallel=True)(np_twice)
        fast(NUMBERS)
    assert [(r.getMessage(), getattr(r, "number", 0), getattr(r, "total", 0)) for r in caplog.records] == [
        ("compiling kernel test_ops_compiling.np_twice", 1, 2),
        ("compiled kernel test_ops_compiling.np_twice", 0, 0),
    ]


# Each kernel


@pytest.mark.parametrize("path", sorted(OPS.glob("*_numba.py")), ids=lambda path: path.name)
def test_kernels_are_compiled_in_one_way(path):
    """By the one decorator, with one of the two sets of freedoms, neither of which assumes away NaN and infinity."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        for decorator in getattr(node, "decorator_list", []):
            words = {word.id for word in ast.walk(decorator) if isinstance(word, ast.Name)}
            assert words.isdisjoint({"njit", "jit", "vectorize", "guvectorize", "numba"}), f"{path.name}:{node.lineno}"
        if isinstance(node, ast.keyword) and node.arg == "fastmath" and path.stem != "compiling_numba":
            assert isinstance(node.value, ast.Name), f"{path.name}:{node.value.lineno}"
            assert node.value.id in ("MAP", "REDUCE"), f"{path.name}:{node.value.lineno}"
    assert "cache=True" not in path.read_text(encoding="utf-8")


def test_the_freedoms_keep_what_is_no_number():
    assert {"contract", "nsz", "arcp", "reassoc", "afn"} >= vector_math_numba.MAP | vector_math_numba.REDUCE


def test_names_of_kernels_are_their_own():
    names = [name for path in OPS.glob("*_numba.py") for name in _decorated(path)]
    assert len(names) == len(set(names)) >= len(KERNELS) > 0


def _decorated(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if any("compiled" in ast.unparse(d) for d in getattr(node, "decorator_list", [])):
            yield f"{path.stem.removesuffix('_numba')}.{node.name.lstrip('_')}"


ALL_MODELS = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import minidpt
from families import FAMILIES
from minidpt.ops import compiling_numba, using
from minidpt.ops.backends import numba_backend
from minidpt.ops.examples import run_all
from test_families import depth_model, picture

with using(numba_backend()) as numba:
    run_all(numba)
HALVES = () if "medium" in numba.precisions else ("product.lay_pairs", "product.copy_halves", "conv.frame_halves")
files = {path.name.split("-")[0] for path in compiling_numba.kept()}
print("lost:", *(k.name for k in compiling_numba.KERNELS.values() if k.name not in (*files, *HALVES)))
kernels = [k for k in compiling_numba.KERNELS.values() if k.name not in HALVES]
print("asleep:", *(k.name for k in kernels if k.called and not k.ready))
load = compiling_numba.KernelCache.load_overload
def told(kernel, signature, context):
    if kernel.called:
        print("new:", where, kernel.name, signature)
    return load(kernel, signature, context)
compiling_numba.KernelCache.load_overload = told
for where in FAMILIES:
    model = depth_model(where)
    for precision in numba.precisions:
        model.to(backend="numba", precision=precision)(picture(where, count=2))
    model.save_pretrained(sys.argv[2])
    type(model).from_pretrained(sys.argv[2], backend="numba")(picture(where))
where = "dpt-mini"
dpt_mini = minidpt.DPTForDepthEstimation.from_pretrained("dpt-mini", backend="numba")
dpt_mini(np.zeros((1, 3, 192, 192), np.float32))
"""


def test_the_examples_compile_all_that_models_need(tmp_path):
    script = ALL_MODELS.replace("sys.argv[1]", repr(str(ROOT / "tests"))).replace("sys.argv[2]", repr(str(tmp_path)))
    out, err, code = in_process(script)
    assert code == 0, err
    lost, rest = out.split("\n", 1)
    assert lost == "lost:", "kernels that cannot be kept: they hold addresses of their process"
    assert rest == "asleep:\n", "minidpt/ops/examples.py needs an example of this kind"
