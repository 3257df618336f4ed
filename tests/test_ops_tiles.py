"""Products on the CPU's tile registers, tested where there are none: on a twin of them in Python, as compiled code for
which a signal handler carries out the instructions, and by looking at what is compiled for a CPU that has them.
"""

import ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest
from tile_cases import BOUNDS, CONV, LINEAR, conv_error, linear_error, numbers, relative_error

from minidpt import ops
from minidpt.ops import backends, conv_numba, micro_numba, pointwise, pointwise_numba, product_numba, tiles_numba
from minidpt.ops.backends import numba_backend

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
needs_wide_panels = pytest.mark.skipif(
    product_numba.WIDTH != 32, reason="a panel is two tiles wide where the CPU has AVX-512 only"
)


class Registers:
    """Eight tiles of 16 rows of 64 bytes, and what the instructions do with them."""

    def __init__(self):
        self.tiles = None
        self.products = 0

    def open(self):
        self.tiles = np.zeros((8, 16, 64), np.uint8)

    def close(self):
        self.tiles = None

    def zero(self, tile):
        self.tiles[tile] = 0

    def load(self, tile, address, stride):
        for m in range(16):
            self.tiles[tile, m] = np.frombuffer(ctypes.string_at(int(address + m * stride), 64), np.uint8)

    def store(self, tile, address, stride):
        for m in range(16):
            ctypes.memmove(int(address + m * stride), self.tiles[tile, m].tobytes(), 64)

    def add_product(self, sums, a, b):
        left, right = (
            (self.tiles[tile].view(np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32).reshape(16, 16, 2)
            for tile in (a, b)
        )
        with np.errstate(invalid="ignore", over="ignore"):
            self.tiles[sums].view(np.float32)[:] += np.einsum("mkj,knj->mn", left, right)
        self.products += 1


@pytest.fixture
def registers(monkeypatch):
    """The twin in place of the instructions, and plain Python in place of the kernels that use them."""
    twin = Registers()
    for name in ("_begin", "_add_products", "_end"):
        monkeypatch.setattr(tiles_numba, name, getattr(tiles_numba, name).py_func)
    for name in ("zero", "load", "store"):
        monkeypatch.setattr(tiles_numba, f"{name}_tile", getattr(twin, name))
    monkeypatch.setattr(tiles_numba, "add_product", twin.add_product)
    for name in ("multiply_tiles", "multiply_tiles_twice", "_multiply"):
        monkeypatch.setattr(product_numba, name, getattr(product_numba, name).py_func)
    monkeypatch.setattr(product_numba, "open_tiles", twin.open)
    monkeypatch.setattr(product_numba, "close_tiles", twin.close)
    monkeypatch.setattr(product_numba, "prefetch", lambda address: None)
    return twin


@needs_wide_panels
@pytest.mark.parametrize("parts", BOUNDS)
@pytest.mark.parametrize("sizes", LINEAR, ids=str)
def test_linear_layers_on_tiles_are_as_exact_as_said(registers, sizes, parts):
    assert linear_error(sizes, parts) < BOUNDS[parts]
    rows, terms, out = sizes
    blocks, steps = -(-rows // 32) * -(-out // 32), -(-terms // 32)
    assert registers.products == blocks * steps * {1: 4, 2: 12}[parts]
    assert registers.tiles is None, "tiles were left open"


@needs_wide_panels
@pytest.mark.parametrize("parts", BOUNDS)
@pytest.mark.parametrize("case", CONV, ids=str)
def test_convolutions_on_tiles_are_as_exact_as_said(registers, case, parts, monkeypatch):
    if parts == 2:
        monkeypatch.setattr(conv_numba, "MANY_PIXELS", 10**6)  # else Winograd's way, in float32
    assert conv_error(case, parts) < BOUNDS[parts]
    assert registers.products
    assert registers.tiles is None, "tiles were left open"


@pytest.mark.skipif(not micro_numba.BFLOAT16, reason="this CPU multiplies no bfloat16 numbers")
def test_pairs_without_tiles_are_as_exact():
    assert max(linear_error(sizes, 1, tiles=False) for sizes in LINEAR) < BOUNDS[1]
    assert max(conv_error(case, 1, tiles=False) for case in CONV) < BOUNDS[1]


@needs_wide_panels
@pytest.mark.parametrize("parts", BOUNDS)
@pytest.mark.parametrize("width", [64, 20])  # whole steps of a tile, and not
def test_a_token_is_appended_on_tiles_too(registers, width, parts):
    x, token, weight, bias = numbers((2, 5, width), (2, 1, 34), (7, width + 34), 7)
    panels = conv_numba.prepare("linear", weight, parts, True)
    fast = pointwise_numba.linear_with_token(x, token, panels, bias, activation="gelu")
    plain = pointwise.linear_with_token(x, token, weight, bias, activation="gelu")
    assert relative_error(fast, plain) < BOUNDS[parts]


@needs_wide_panels
@pytest.mark.parametrize("parts", BOUNDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf], ids=str)
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_what_is_no_number_is_not_hidden_by_tiles(registers, bad, parts):
    x, weight = numbers((3, 40), (5, 40))
    x[1, 7] = bad
    y = product_numba.product(x, product_numba.panels_of(weight, parts=parts, tiles=True))
    assert not np.isfinite(y[1]).any()
    assert np.isfinite(y[[0, 2]]).all()


@pytest.mark.parametrize(
    ("kernel", "run", "medium", "high"),
    [((8, 32, 3, 3), 96, 1, 2), ((8, 20, 3, 3), 60, 1, 0), ((8, 3, 7, 7), 21, 0, 0), ((8, 1, 2, 32), 32, 0, 0)],
)
def test_a_convolution_that_fills_no_tiles_falls_back_in_exactness_or_not_at_all(kernel, run, medium, high):
    weight = np.zeros(kernel, np.float32)
    assert [conv_numba.Kernel(weight, parts, True).parts_for(run) for parts in (1, 2)] == [medium, high]
    assert conv_numba.Kernel(weight, 0, True).parts_for(run) == 0


@pytest.fixture
def with_tiles(monkeypatch):
    """backends as on a CPU with tiles, of which no kernel is run."""
    monkeypatch.setattr(tiles_numba, "TILES", True)
    monkeypatch.setattr(micro_numba, "MEANS", {"highest": "float32", "medium": "pairs"})
    monkeypatch.setattr(backends, "numba_backend", numba_backend.__wrapped__)
    monkeypatch.setattr(product_numba, "tiles_refused", lambda: None)
    return monkeypatch


def test_tiles_bring_precision_high(with_tiles):
    for precision, parts in (("medium", 1), ("high", 2)):
        chosen, runs = ops.choose("numba", precision)
        assert (runs, chosen.precision) == (precision, precision)
        assert "AMX tiles" in chosen.means
        panels = chosen.prepare("linear", np.ones((3, 5), np.float32))
        assert (panels.parts, panels.tiles) == (parts, True)
    assert ops.choose("numba")[0].prepare("linear", np.ones((3, 5), np.float32)).parts == 0


def test_refused_tiles_are_not_used_and_the_reason_is_said(with_tiles):
    with_tiles.setattr(product_numba, "tiles_refused", lambda: "a product was 3e-01 off")
    for precision, runs in (("medium", "medium"), ("high", "highest"), ("highest", "highest")):
        chosen, really = ops.choose("numba", precision)
        assert (really, chosen.precision) == (runs, runs)
        reason = "" if precision == "highest" else ": a product was 3e-01 off"
        assert chosen.means == {"medium": "pairs", "highest": "float32"}[runs] + reason
        assert not chosen.prepare("linear", np.ones((3, 5), np.float32)).tiles


def test_an_environment_variable_turns_tiles_off(with_tiles):
    with_tiles.setenv(tiles_numba.SWITCH, "0")
    assert ops.choose("numba", "high")[1] == "highest"
    chosen, runs = ops.choose("numba", "medium")
    assert (runs, chosen.means) == ("medium", "pairs")
    assert not chosen.prepare("linear", np.ones((3, 5), np.float32)).tiles


@needs_wide_panels
def test_the_check_at_run_time_passes_right_tiles_and_refuses_wrong_ones(registers, monkeypatch):
    monkeypatch.setattr(product_numba, "granted", lambda: True)
    check = product_numba.tiles_refused.__wrapped__
    assert check() is None
    monkeypatch.setattr(tiles_numba, "_add_products", lambda: registers.add_product(0, 4, 6))
    assert check().startswith("a product on AMX tiles was")
    monkeypatch.setattr(product_numba, "granted", lambda: False)
    assert "grants no AMX tiles" in check()


def test_another_system_than_linux_is_not_asked_for_tiles(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "CDLL", None)
    assert tiles_numba.granted.__wrapped__() is False


def python(code_or_file, *arguments, **environment):
    """A new process of Python, which compiles for the CPU that the environment names."""
    env = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)])}
    run = subprocess.run(
        [sys.executable, *code_or_file, *arguments], capture_output=True, text=True, env=env, cwd=ROOT, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout


COMPILED = """
import json, numpy as np
from numba import typeof
from minidpt.ops import product_numba as p

kernel, kinds = p._multiply, []
p._multiply = lambda *args: kinds.append(tuple(typeof(argument) for argument in args))
x, memory = np.zeros((1, 1, 1, 32, 32), np.uint16), np.zeros((1, 1, 16, 2 * p.WIDTH), np.uint16)
y = np.zeros((1, 1, 32, p.WIDTH), np.float32)
p.multiply(x, p.Panels(memory, p.WIDTH, 32, tiles=True), p.ONE_RUN, 16, 1, None, 0, None, None, y)
kernel.compile(kinds[0])
text = "\\n".join(kernel.inspect_asm().values())
names = "ldtilecfg tileloadd tilezero tdpbf16ps tilestored tilerelease vdpbf16ps vfmadd".split()
print(json.dumps([name for name in names if name in text]))
"""
AVX512 = "+avx,+avx2,+fma,+avx512f,+avx512bw,+avx512dq,+avx512vl,+avx512bf16"


@pytest.mark.skipif("x86_64" not in llvm.get_default_triple(), reason="tiles are of x86-64")
def test_tile_instructions_are_compiled_for_a_cpu_that_has_them_only(tmp_path):
    """Only compiled, never run: this CPU may have none of them."""
    there = {"NUMBA_CPU_NAME": "sapphirerapids", "NUMBA_CPU_FEATURES": f"{AVX512},+amx-tile,+amx-bf16"}
    without = {"NUMBA_CPU_NAME": "cooperlake", "NUMBA_CPU_FEATURES": AVX512}
    tiles = ["ldtilecfg", "tileloadd", "tilezero", "tdpbf16ps", "tilestored", "tilerelease"]
    found = [
        json.loads(python(["-c", COMPILED], **environment, NUMBA_CACHE_DIR=str(tmp_path)))
        for environment in (there, without)
    ]
    assert found == [[*tiles, "vdpbf16ps", "vfmadd"], ["vdpbf16ps", "vfmadd"]]


def test_compiled_kernels_are_as_exact_on_the_instructions_themselves(tmp_path):
    """Where this CPU lacks them a signal handler, tile_instructions.c, does what they should."""
    features = llvm.get_host_cpu_features()
    if sys.platform != "linux" or not features.get("avx512bf16"):
        pytest.skip("the rest of the kernels needs Linux and a CPU with AVX-512 and bfloat16")
    environment, library = {}, ""
    if not features.get("amx-bf16"):
        compiler, library = shutil.which("cc"), str(tmp_path / "tiles.so")
        if compiler is None:
            pytest.skip("there is no C compiler, which the instructions' stand-in needs")
        source = HERE / "tile_instructions.c"
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
        names = [("+" if there else "-") + name for name, there in features.items() if not name.startswith("amx")]
        environment["NUMBA_CPU_NAME"] = llvm.get_host_cpu_name()
        environment["NUMBA_CPU_FEATURES"] = ",".join([*names, "+amx-tile", "+amx-bf16"])
    found = json.loads(python([str(HERE / "tile_cases.py")], library, **environment))
    assert found["there"]
    assert found["refused"] is None
    assert found["products"] is None or found["products"] > 10_000
    for precision, bound in (("medium", BOUNDS[1]), ("high", BOUNDS[2])):
        assert max(found[precision]["linear"]) < bound
        assert max(found[precision]["conv"]) < bound
        for family in ("vit", "bit"):
            ran, error = found[precision][family]
            assert ran == precision
            assert error < 5 * bound  # roundings add up from layer to layer
