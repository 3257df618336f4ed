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
from minidpt.ops import vector_math_numba
vector_math_numba.int_of_bits = lambda x: np.float32(x).view(np.int32)  # the only parts that are no Python
vector_math_numba.float_of_bits = lambda x: np.int32(x).view(np.float32)

from minidpt.ops.backends import NUMPY, numba_backend
from minidpt.ops.examples import EXAMPLES, random_arguments, run

np.seterr(all="ignore")  # float32 numbers that wrap and overflow, as machine code lets them
for example in EXAMPLES:
    args, options = random_arguments(example)
    if any(np.size(a) > 20_000 for a in args):
        continue  # too long for loops in Python
    plain, loops = run(NUMPY, example[0], args, options), run(numba_backend(), example[0], args, options)
    if not np.allclose(loops, plain, rtol=1e-5, atol=1e-5):
        print("differs:", *example, np.abs(np.subtract(loops, plain)).max())
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
    expected = sorted(name for name in KERNELS if not name.startswith("test_"))
    assert done.stdout == " ".join(expected) + "\n", "an op differs, or a kernel has no example in ops/examples.py"
