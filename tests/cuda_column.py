"""The cuda column under test. A file of tests that imports this is skipped where the column cannot run."""

import pytest

pytest.importorskip("numba", reason="kernels need Numba")

from minidpt import ConfigError, ops
from minidpt.ops.backends import cuda_backend

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
