"""What stands in for cuBLASLt's binding where no card is: it reads and writes the same addresses as the library would,
column by column, and computes with NumPy. It knows no row of ours, only what it is told."""

import ctypes
from types import MappingProxyType, SimpleNamespace

import numpy as np

FLOAT32, BFLOAT16 = 0, 14
FLOAT32_SUMS, TF32_PRODUCTS = 68, 77
TYPES = {FLOAT32: np.float32, BFLOAT16: np.uint16}
HANDLE = 77
ATTRIBUTES = {"TRANSA": (3, np.int32), "EPILOGUE": (7, np.uint32), "BIAS_POINTER": (8, np.int64)}
WISHES = {"MAX_WORKSPACE_BYTES": (1, np.uint64), "MIN_ALIGNMENT_A_BYTES": (5, np.uint32)}
BIAS = 4


def memory(address, count, dtype):
    """The numbers that lie there."""
    size = count * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_byte * size).from_address(address), dtype)


def cut(x, bits):
    """float32 with so many bits after the leading one, rounded to nearest, ties to even."""
    finite = np.where(np.isfinite(x), x, 0).astype(np.float64)
    step = np.exp2(np.floor(np.log2(np.maximum(np.abs(finite), 2.0**-126))) - bits)
    return np.where(np.isfinite(x), np.rint(finite / step) * step, x).astype(np.float32)


class StandIn:
    """asked: how often for an algorithm   calls: of each product, its facts   algorithms: how many it knows"""

    Epilogue = SimpleNamespace(BIAS=BIAS)
    MatmulDescAttribute = MappingProxyType({name: number for name, (number, _) in ATTRIBUTES.items()})
    MatmulPreferenceAttribute = MappingProxyType({name: number for name, (number, _) in WISHES.items()})
    matmul_heuristic_result_dtype = np.dtype([("algo", np.uint64, 8), ("workspace_size", np.uint64)])

    def __init__(self, algorithms=1):
        self.asked, self.calls, self.algorithms = 0, [], algorithms
        self._made = {}

    def _new(self, **facts):
        self._made[len(self._made) + 1] = facts
        return len(self._made)

    def create(self):
        return HANDLE

    def get_version(self):
        return 130203

    def matmul_desc_create(self, compute_type, scale_type):
        assert scale_type == FLOAT32
        return self._new(compute=compute_type)

    def get_matmul_desc_attribute_dtype(self, attr):
        return next(dtype for number, dtype in ATTRIBUTES.values() if number == attr)

    def matmul_desc_set_attribute(self, matmul_desc, attr, buf, size_in_bytes):
        self._set(ATTRIBUTES, matmul_desc, attr, buf, size_in_bytes)

    def _set(self, table, handle, attribute, address, size):
        name, dtype = next((name, dtype) for name, (number, dtype) in table.items() if number == attribute)
        assert size == np.dtype(dtype).itemsize
        self._made[handle][name] = int(memory(address, 1, dtype)[0])

    def matrix_layout_create(self, type, rows, cols, ld):
        assert ld >= rows
        return self._new(type=type, rows=rows, cols=cols, ld=ld)

    def matmul_preference_create(self):
        return self._new()

    def get_matmul_preference_attribute_dtype(self, attr):
        return next(dtype for number, dtype in WISHES.values() if number == attr)

    def matmul_preference_set_attribute(self, pref, attr, buf, size_in_bytes):
        self._set(WISHES, pref, attr, buf, size_in_bytes)

    def matmul_preference_destroy(self, pref):
        self._made[pref] = None

    def matmul_algo_get_heuristic(
        self, light_handle, operation_desc, adesc, bdesc, cdesc, ddesc, preference, requested_algo_count,
        heuristic_results_array, return_algo_count,
    ):  # fmt: skip
        assert (light_handle, requested_algo_count) == (HANDLE, 1)
        self.asked += 1
        found = memory(heuristic_results_array, 1, self.matmul_heuristic_result_dtype)
        found["algo"] = adesc
        self._made[operation_desc]["wishes"] = dict(self._made[preference])
        memory(return_algo_count, 1, np.int32)[0] = self.algorithms

    def matmul(
        self, light_handle, compute_desc, alpha, a, adesc, b, bdesc, beta, c, cdesc, d, ddesc, algo, workspace,
        workspace_size_in_bytes, stream,
    ):  # fmt: skip
        """D = alpha op(A) B + beta C + bias, all stored by columns; bias: one number for each row of D"""
        product = self._made[compute_desc]
        assert light_handle == HANDLE
        assert memory(algo, 8, np.uint64).tolist() == [adesc] * 8, "the algorithm is that of this plan"
        assert workspace_size_in_bytes <= product["wishes"]["MAX_WORKSPACE_BYTES"]
        left, right = self._factor(a, adesc, product), self._factor(b, bdesc, product)
        left = left.T if product.get("TRANSA") == 1 else left
        sums = self._matrix(d, ddesc)
        alpha, beta = (memory(address, 1, np.float32)[0] for address in (alpha, beta))
        result = alpha * (left.astype(np.float64) @ right.astype(np.float64))
        if beta:
            result += beta * self._matrix(c, cdesc)
        if product.get("EPILOGUE") == BIAS:
            result += memory(product["BIAS_POINTER"], len(sums), np.float32)[:, None]
        sums[:] = result
        shape = (*sums.T.shape, len(right))
        self.calls.append({"shape": shape, "beta": float(beta), "stream": stream, **product})

    def _factor(self, address, layout, product):
        """What is multiplied: rounded, or as float32 that ends where bfloat16 does."""
        matrix = self._matrix(address, layout)
        if matrix.dtype == np.uint16:
            return (matrix.astype(np.uint32) << 16).view(np.float32)
        return cut(matrix, 10) if product["compute"] == TF32_PRODUCTS else matrix

    def _matrix(self, address, layout):
        layout = self._made[layout]
        rows, columns, step = layout["rows"], layout["cols"], layout["ld"]
        flat = memory(address, step * (columns - 1) + rows, TYPES[layout["type"]])
        return np.lib.stride_tricks.as_strided(flat, (rows, columns), (flat.itemsize, step * flat.itemsize))
