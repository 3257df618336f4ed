"""The maths is in pointwise.py. Here NVIDIA's cuBLASLt makes the products of linear layers and 1 x 1 convolutions: in
float32, or of numbers rounded to tf32 or bfloat16; sums and results are always float32. What follows a product is done
with it where the library does exactly that: a bias, a sum with the residual. Its relu may make 0 of NaN and its gelu is
the tanh one, so that activations and scales are one pass of ours over the result, most of which is still in the cache.

cuBLASLt reads matrices column by column. To it our x (M, I) is x^T, and what it writes as y^T = W x^T is our y (M, O).
"""

import importlib
import os
from dataclasses import dataclass
from functools import cache
from math import gcd
from typing import Any

import numpy as np

from ..errors import ResourceError, one_line
from .activations_cuda import CODES, activated
from .device_cuda import SIMULATED, DeviceArray, absent, cuda, empty, kernel, launch, stream_handle, upload
from .product_cuda import Weight
from .product_cuda import weight_of as own_weight_of

SWITCH = "MINIDPT_CUBLAS"  # 0: only kernels of our own
BINDING = "nvmath.bindings.cublasLt"
MEANS = {
    "highest": "cuBLASLt's products, float32; convolutions and attention of our own, float32",
    "high": "cuBLASLt's products, tf32; convolutions and attention of our own, float32",
    "medium": "cuBLASLt's products, bfloat16; convolutions and attention of our own, float32",
}
FIRST_CAPABILITY = (8, 0)  # of cards that multiply tf32 and bfloat16
# names and numbers of cublas_api.h and library_types.h
FLOAT32, BFLOAT16, TRANSPOSED = 0, 14, 1
COMPUTE_FLOAT32, COMPUTE_TF32 = 68, 77
COMPUTE = {"highest": COMPUTE_FLOAT32, "high": COMPUTE_TF32, "medium": COMPUTE_FLOAT32}
WORKSPACE = 1 << 25  # bytes: what NVIDIA recommends for an H100
ALIGNED = 256  # bytes: the most that an algorithm asks for
QUAD_BYTES = 16  # rows of bfloat16 begin at multiples of it: tensor cores are fed so
ONE, ZERO = np.ones(1, np.float32), np.zeros(1, np.float32)


def refusal() -> str | None:
    """Why the library is not used here, or nothing."""
    if os.environ.get(SWITCH) == "0":
        return f"{SWITCH}=0"
    if SIMULATED:
        return "Numba's simulator has none"
    try:
        library()
    except ImportError:
        return "nvmath-python is not installed (pip install 'minidpt[cuda13]', or cuda12 for an older driver)"
    except Exception as error:  # the binding has a class of its own for each way in which a library fails
        return f"cuBLASLt cannot be used ({one_line(error)})"
    return None


def precisions() -> tuple[str, ...]:
    """Those that this card can do."""
    newer = SIMULATED or cuda.get_current_device().compute_capability >= FIRST_CAPABILITY
    return tuple(MEANS) if newer else ("highest",)


def version() -> str:
    """The library's, as in 13.1.0."""
    number = library().binding.get_version()
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


# ---------------------------------------------------------------- weights, and what follows a product


@dataclass(frozen=True)
class Matrix:
    """A weight that the library multiplies with.   shape: (O, I)   values: (O, I), or what `rounded` makes of them"""

    shape: tuple[int, ...]
    values: DeviceArray
    precision: str

    def multiply(
        self,
        x: DeviceArray,
        *,
        first_row: int = 0,
        bias: DeviceArray | None = None,
        activation: str | None = None,
        scale: DeviceArray | None = None,
        residual: DeviceArray | None = None,
    ) -> DeviceArray:
        """As `product_cuda.Weight.multiply`.   first_row: of W^T, for a part of it"""
        rows, out = len(x), self.shape[0]
        if residual is not None and residual.size != rows * out:
            raise ValueError(f"a product of {rows} x {out} numbers and a residual {residual.shape} differ in size")
        y = empty((rows, out))
        if activation is None and scale is None and (bias is None or bias.size == out):
            library().multiply(x, self, first_row, bias, residual, y)
            return y
        library().multiply(x, self, first_row, None, None, y)
        biases = absent(2) if bias is None else bias.reshape(-1, out)
        added = absent(2) if residual is None else residual.reshape(rows, out)
        scales, span = absent(1) if scale is None else scale, rows // max(1, len(biases))
        launch(_finish, y.size, biases, span, CODES[activation], scales, added, y)
        return y


@dataclass(frozen=True)
class Pointwise(Matrix):
    """That of a 1 x 1 convolution.   shape: (O, I, 1, 1)   own: for our own kernel, which knows groups and padding"""

    own: Weight


def weight_of(weight: np.ndarray, precision: str) -> Matrix | Weight:
    """The host's weight (O, I) or (O, I, R, S) on the card, for whichever makes its products at that precision."""
    if weight.shape[2:] not in ((), (1, 1)):
        return own_weight_of(weight)
    values = upload(weight.reshape(weight.shape[:2]))
    values = rounded(values) if precision == "medium" else values
    if weight.ndim == 2:
        return Matrix(weight.shape, values, precision)
    return Pointwise(weight.shape, values, precision, own_weight_of(weight))


def rounded(x: DeviceArray) -> DeviceArray:
    """To bfloat16, each row filled up with zeros to whole quads.   x: (M, I) float32 -> (M, I') uint16"""
    quad = QUAD_BYTES // 2
    y = empty((len(x), -(-x.shape[1] // quad) * quad), np.uint16)
    launch(_round, y.size, x.view(np.uint32), y)
    return y


@kernel("uint32[:,::1], uint16[:,::1]")
def _round(x, y):
    """The upper half of each number's bits, rounded to nearest, ties to even; NaN stays one."""
    rows, width = y.shape
    for i in range(cuda.grid(1), rows * width, cuda.gridsize(1)):
        row, c = i // width, i % width
        bits = x[row, c] if c < x.shape[1] else np.uint32(0)
        upper = bits >> 16
        if bits & 0x7FFFFFFF > 0x7F800000:
            y[row, c] = upper | 0x40
        else:
            y[row, c] = (bits + 0x7FFF + (upper & 1)) >> 16


@kernel("float32[:,::1], int64, int64, float32[::1], float32[:,::1], float32[:,::1]")
def _finish(bias, span, code, scale, residual, y):
    """In place: y[m] = scale activation(y[m] + bias[m // span]) + residual[m]"""
    rows, width = y.shape
    for i in range(cuda.grid(1), rows * width, cuda.gridsize(1)):
        m, o = i // width, i % width
        v = y[m, o]
        if bias.shape[0]:
            v += bias[m // span, o]
        v = activated(v, code)
        if scale.shape[0]:
            v *= scale[o]
        if residual.shape[0]:
            v += residual[m, o]
        y[m, o] = v


# ---------------------------------------------------------------- the library


@dataclass(frozen=True)
class Case:
    """All that the library wants to know before it chooses how to make a product.

    x: (rows, inner) of rows `step` apart   W: (out, inner) of rows `weight_step` apart, which begin at multiples of
    `aligned` bytes   biased, added: whether there is a bias, a residual
    """

    precision: str
    rows: int
    inner: int
    out: int
    step: int
    weight_step: int
    aligned: int
    biased: bool
    added: bool


@dataclass(frozen=True)
class Plan:
    """A product as the library knows it: its description, those of its matrices, and the algorithm that it chose."""

    product: int
    weight: int
    x: int
    y: int
    algorithm: np.ndarray


class Library:
    """cuBLASLt through a binding that has its functions, addresses and handles being ints. Entered under the turn."""

    def __init__(self, binding: Any):
        self.binding = binding
        self._handle = binding.create()
        self._workspace = empty((WORKSPACE,), np.uint8)
        self._plans: dict[Case, Plan] = {}  # some hundred bytes for each shape of a product that was ever made

    def multiply(
        self,
        x: DeviceArray,
        weight: Matrix,
        first: int,
        bias: DeviceArray | None,
        residual: DeviceArray | None,
        y: DeviceArray,
    ) -> None:
        """y = x W^T + bias + residual   x: (M, I)   W: columns `first` to first + I of weight   y: (M, O)"""
        rows, inner = x.shape
        if weight.precision == "medium":
            x = rounded(x)
        offset = first * weight.values.dtype.itemsize
        case = Case(
            weight.precision, rows, inner, y.shape[1], x.shape[1], weight.values.shape[1], gcd(offset, ALIGNED),
            bias is not None, residual is not None,
        )  # fmt: skip
        plan = self._plans.get(case) or self._plan(case, bias)
        if bias is not None:
            self._describe(plan.product, "BIAS_POINTER", bias.address)
        beta, c = (ZERO, y) if residual is None else (ONE, residual)
        self.binding.matmul(
            self._handle,
            plan.product,
            ONE.ctypes.data,
            weight.values.address + offset,
            plan.weight,
            x.address,
            plan.x,
            beta.ctypes.data,
            c.address,
            plan.y,
            y.address,
            plan.y,
            plan.algorithm.ctypes.data,
            self._workspace.address,
            WORKSPACE,
            stream_handle(),
        )

    def _plan(self, case: Case, bias: DeviceArray | None) -> Plan:
        binding = self.binding
        kind = BFLOAT16 if case.precision == "medium" else FLOAT32
        product = binding.matmul_desc_create(COMPUTE[case.precision], FLOAT32)
        self._describe(product, "TRANSA", TRANSPOSED)
        if bias is not None:
            self._describe(product, "EPILOGUE", binding.Epilogue.BIAS)
            self._describe(product, "BIAS_POINTER", bias.address)
        weight = binding.matrix_layout_create(kind, case.inner, case.out, case.weight_step)
        x = binding.matrix_layout_create(kind, case.inner, case.rows, case.step)
        y = binding.matrix_layout_create(FLOAT32, case.out, case.rows, case.out)
        wishes = binding.matmul_preference_create()
        self._wish(wishes, "MAX_WORKSPACE_BYTES", WORKSPACE)
        self._wish(wishes, "MIN_ALIGNMENT_A_BYTES", case.aligned)
        found, count = np.zeros(1, binding.matmul_heuristic_result_dtype), np.zeros(1, np.int32)
        try:
            binding.matmul_algo_get_heuristic(
                self._handle, product, weight, x, y, y, wishes, 1, found.ctypes.data, count.ctypes.data
            )
        except Exception as error:  # of the binding's own class
            raise ResourceError(f"{_no_way(case)} ({one_line(error)})") from None
        finally:
            binding.matmul_preference_destroy(wishes)
        if not count[0]:
            raise ResourceError(_no_way(case))
        self._plans[case] = Plan(product, weight, x, y, found["algo"].copy())
        return self._plans[case]

    def _describe(self, product: int, name: str, value: int) -> None:
        attribute = self.binding.MatmulDescAttribute[name]
        held = np.array([value], self.binding.get_matmul_desc_attribute_dtype(attribute))
        self.binding.matmul_desc_set_attribute(product, attribute, held.ctypes.data, held.nbytes)

    def _wish(self, wishes: int, name: str, value: int) -> None:
        attribute = self.binding.MatmulPreferenceAttribute[name]
        held = np.array([value], self.binding.get_matmul_preference_attribute_dtype(attribute))
        self.binding.matmul_preference_set_attribute(wishes, attribute, held.ctypes.data, held.nbytes)


def _no_way(case: Case) -> str:
    return f"cuBLASLt has no way to multiply {case.rows} x {case.inner} x {case.out} numbers here; set {SWITCH}=0"


@cache
def library() -> Library:
    """The one of this process. Where `refusal` has nothing to say."""
    return Library(importlib.import_module(BINDING))
