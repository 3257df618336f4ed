"""The bodies of the kernels as Python runs them: no machine code, each index checked, each line open to a debugger."""

import os
import subprocess
import sys
from pathlib import Path

import minidpt
from minidpt.ops.compiling_numba import KERNELS

ROOT = Path(minidpt.__file__).parents[1]

# Prints the kernels that ran, and each call whose result is not NumPy's.
SCRIPT = """
import ctypes
import numpy as np
from minidpt.ops import compiling_numba

ran, compiled = set(), compiling_numba.compiled

def counted(**options):
    def decorate(function):
        kernel = compiled(**options)(function)
        assert kernel is function, "NUMBA_DISABLE_JIT is obeyed"
        def call(*args):
            ran.add(f"{function.__module__.split('.')[-1].removesuffix('_numba')}.{function.__name__.lstrip('_')}")
            return kernel(*args)
        return call
    return decorate

compiling_numba.compiled = counted
from minidpt.ops import buffers, micro_numba, vector_math_numba
buffers.SMALLEST = 64  # small arrays, too, take the ways of large ones
vector_math_numba.int_of_bits = lambda x: np.float32(x).view(np.int32)  # the only parts that are no Python
vector_math_numba.float_of_bits = lambda x: np.int32(x).view(np.float32)


def at(address, count, kind=ctypes.c_float):
    return np.ctypeslib.as_array((kind * count).from_address(int(address)))

def floats(address, count):
    return at(address, count)[None]

def pairs(address, count):  # the first numbers of the pairs, the second ones
    halves = at(address, 2 * count, ctypes.c_uint16)
    return (halves.astype(np.uint32) << 16).view(np.float32).reshape(count, 2).T

def block(rows, read):
    def multiply(a, a_row, a_step, b, c, c_row, count, add):
        panel = read(b, count * micro_numba.WIDTH).reshape(-1, count, micro_numba.WIDTH)
        for m in range(rows):
            left = np.stack([read(a + m * a_row + k * a_step, 1)[:, 0] for k in range(count)], axis=1)
            row = at(c + m * c_row, micro_numba.WIDTH)
            row[:] = (row if add else 0) + sum(one @ of_panel for one, of_panel in zip(left, panel))
    return multiply

micro_numba.multiply_block = block(micro_numba.ROWS, floats)
micro_numba.multiply_low_block = block(micro_numba.LOW_ROWS, floats)
micro_numba.multiply_pairs = block(micro_numba.ROWS, pairs)
micro_numba.multiply_low_pairs = block(micro_numba.LOW_ROWS, pairs)
micro_numba.MEANS["medium"] = "Python"
micro_numba.prefetch = lambda address: None

from minidpt.ops.backends import NUMPY, numba_backend
from minidpt.ops.examples import EXAMPLES, random_arguments, run

np.seterr(all="ignore")  # float32 numbers that wrap and overflow, as machine code lets them
for example in EXAMPLES:
    args, options = random_arguments(example)
    if any(np.size(a) > 20_000 for a in args):
        continue  # too long for loops in Python
    plain = run(NUMPY, example[0], args, options)
    for precision, tolerance in (("highest", 1e-5), ("medium", 5e-2)):  # of three numbers of bfloat16, 2^-9 each
        loops = run(numba_backend(precision), example[0], args, options)
        if not np.allclose(loops, plain, rtol=tolerance, atol=tolerance):
            print("differs:", precision, *example, np.abs(np.subtract(loops, plain)).max())
print(*sorted(ran))
"""


def test_every_kernels_body_is_right_without_being_compiled():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_DISABLE_JIT": "1"},
    )
    assert done.returncode == 0, done.stderr
    from minidpt.ops.backends import numba_backend

    numba_backend()
    *differing, ran = done.stdout.splitlines()
    assert not differing
    # these have tests of this kind of their own, in test_ops_tiles.py
    of_tiles = {name for name in KERNELS if name.startswith("tiles.")} | {"vector_math.bfloat16_value"}
    without_example = {name for name in KERNELS if not name.startswith("test_")} - set(ran.split()) - of_tiles
    assert not without_example, "each kernel needs a call in ops/examples.py"
