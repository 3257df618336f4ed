"""The activations of pointwise.py for one float32 number, as kernels call them."""

import math

import numpy as np

from .device_cuda import device_function

CODES = {
    None: 0,
    "relu": 1,
    "gelu": 2,
    "gelu_new": 3,
    "gelu_pytorch_tanh": 3,
    "silu": 4,
    "swish": 4,
    "sigmoid": 5,
    "hardswish": 6,
    "tanh": 7,
}
ZERO, HALF, ONE, THREE, SIX = (np.float32(v) for v in (0, 0.5, 1, 3, 6))
ROOT_HALF, TANH_SCALE, CUBIC = np.float32(math.sqrt(0.5)), np.float32(math.sqrt(2 / math.pi)), np.float32(0.044715)


@device_function
def activated(x, code):
    """The activation of that code of x; NaN stays NaN, as no comparison with it holds."""
    if code == 1:
        return ZERO if x < ZERO else x
    if code == 2:
        return x * (HALF * (ONE + math.erf(x * ROOT_HALF)))
    if code == 3:
        return x * (HALF * (ONE + math.tanh(TANH_SCALE * (x + CUBIC * x * x * x))))
    if code == 4:
        return x * (HALF * (ONE + math.tanh(HALF * x)))
    if code == 5:
        return HALF * (ONE + math.tanh(HALF * x))
    if code == 6:
        shifted = x + THREE
        shifted = ZERO if shifted < ZERO else shifted
        shifted = SIX if shifted > SIX else shifted
        return x * (shifted / SIX)
    if code == 7:
        return math.tanh(x)
    return x
