"""The cuda column under test. A file of tests that imports this is skipped where the column cannot run."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="kernels need Numba")

from minidpt import ConfigError, ops
from minidpt.ops.backends import NUMPY, cuda_backend
from minidpt.ops.examples import random_arguments, run

try:
    CUDA = cuda_backend()
except ConfigError as error:
    pytest.skip(f"{error} (here; test_cuda_simulated.py runs these tests in the simulator)", allow_module_level=True)

OWN = cuda_backend(own=True)  # without the library
# Both round in float32: sums of at most 200 terms of size about 1, in another order
ROUNDING = {"atol": 1e-5, "rtol": 1e-5}


@pytest.fixture
def in_use():
    with ops.using(CUDA):
        yield


def both(op, args, options, seed=0):
    """The op's results on the column and by NumPy, of the same random arrays. A tuple stands for one of that shape."""
    args, options = random_arguments((op, args, options), seed)
    given = [a for a in (*args, *options.values()) if isinstance(a, np.ndarray)]
    copies = [a.copy() for a in given]
    on_card, plain = run(CUDA, op, args, options), run(NUMPY, op, args, options)
    for array, copy in zip(given, copies, strict=True):
        assert np.array_equal(array, copy), "an op changed its argument"
    return on_card, plain
