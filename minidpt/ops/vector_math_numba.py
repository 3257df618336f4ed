"""Functions of one number from which LLVM makes vector code: the inner parts of the kernels in this folder.

Calls into the C library's exp and erf would stop that, so here they are polynomials. NaN passes through all of them.
REDUCE lets sums be reordered, which a vector sum needs; MAP does not, for `exp32` lives from exact rounding steps.
Neither assumes that there is no NaN or infinity.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .compiling_numba import compiled

MAP = {"contract", "nsz", "arcp"}
REDUCE = MAP | {"reassoc"}

LOG2E, LN2_HIGH, LN2_LOW = np.float32(1.4426950408889634), np.float32(0.693359375), np.float32(-2.12194440e-4)
ROUNDING = np.float32(12582912.0)  # 1.5 * 2^23: adding it leaves the nearest whole number in the lowest bits
LOWEST = np.float32(-87.0)  # exp of less is no normal float32; 0 is returned for it, but for a hair
ONE_BITS = np.int32(0x3F800000)
SQRT_HALF = np.float32(0.7071067811865476)


def _bit_cast(source, target, llvm_type):
    @intrinsic
    def cast(typing, x):
        def codegen(context, builder, signature, args):
            return builder.bitcast(args[0], llvm_type)

        return target(source), codegen

    return cast


int_of_bits = _bit_cast(types.float32, types.int32, ir.IntType(32))
float_of_bits = _bit_cast(types.int32, types.float32, ir.FloatType())


@compiled(fastmath=MAP)
def exp32(x):
    """e^x to 2e-7 of it, for x from -87 to 88; below, about 1e-38.   x = n ln 2 + r, e^x = 2^n e^r, |r| <= ln(2) / 2"""
    x = LOWEST if x < LOWEST else x
    shifted = x * LOG2E + ROUNDING
    n = shifted - ROUNDING
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    p = np.float32(0.0013829421950504184)
    p = p * r + np.float32(0.008374771103262901)
    p = p * r + np.float32(0.0416683591902256)
    p = p * r + np.float32(0.1666642129421234)
    p = p * r + np.float32(0.49999991059303284)
    p = p * r + np.float32(1.0)
    p = p * r + np.float32(1.0)
    return p * float_of_bits((int_of_bits(shifted) << np.int32(23)) + ONE_BITS)


@compiled(fastmath=MAP)
def erf32(x):
    """The error function to 4e-7: x P(x^2) / Q(x^2), fitted on [-4, 4], beyond which it is 1 in float32."""
    x = np.float32(4.0) if x > np.float32(4.0) else x
    x = np.float32(-4.0) if x < np.float32(-4.0) else x
    t = x * x
    p = np.float32(-1.3858127978494394e-08)
    p = p * t + np.float32(4.818214620172512e-06)
    p = p * t + np.float32(0.0003841549623757601)
    p = p * t + np.float32(0.0038443978410214186)
    p = p * t + np.float32(0.05436672642827034)
    p = p * t + np.float32(0.18471941351890564)
    p = p * t + np.float32(1.128379225730896)
    q = np.float32(6.43711828161031e-05)
    q = q * t + np.float32(0.0013125778641551733)
    q = q * t + np.float32(0.015468002296984196)
    q = q * t + np.float32(0.11385925859212875)
    q = q * t + np.float32(0.4970368444919586)
    q = q * t + np.float32(1.0)
    return x * p / q


@compiled(fastmath=MAP)
def gelu32(x):
    return x * (np.float32(0.5) + np.float32(0.5) * erf32(x * SQRT_HALF))


@compiled(fastmath=MAP)
def sigmoid32(x):
    """1 / (1 + e^-x); e^-|x| cannot overflow"""
    e = exp32(-abs(x))
    return (np.float32(1.0) if x >= np.float32(0.0) else e) / (np.float32(1.0) + e)


@compiled(fastmath=MAP)
def silu32(x):
    return x * sigmoid32(x)


@compiled(fastmath=MAP)
def hardswish32(x):
    y = x + np.float32(3.0)
    y = np.float32(0.0) if y < np.float32(0.0) else y
    y = np.float32(6.0) if y > np.float32(6.0) else y
    return x * (y / np.float32(6.0))


@compiled(fastmath=MAP)
def relu32(x):
    return np.float32(0.0) if x < np.float32(0.0) else x


@compiled(fastmath=MAP)
def bfloat16_bits(x):
    """The nearest bfloat16's 16 bits, ties to even; NaN stays NaN."""
    bits = int_of_bits(x)
    rounded = (bits + np.int32(0x7FFF) + ((bits >> np.int32(16)) & np.int32(1))) >> np.int32(16)
    return np.uint16(rounded if x == x else np.int32(0x7FC0))


@compiled(fastmath=MAP)
def bfloat16_value(bits):
    """The float32 number that these 16 bits stand for."""
    return float_of_bits(np.int32(bits) << np.int32(16))


CODES = {None: 0, "relu": 1, "gelu": 2, "silu": 3, "swish": 3, "sigmoid": 4, "hardswish": 5}  # the rest stays NumPy's


@compiled(fastmath=MAP)
def activate_row(row, code):
    """The activation of that code, in place."""
    if code == 1:
        for i in range(len(row)):
            row[i] = relu32(row[i])
    elif code == 2:
        for i in range(len(row)):
            row[i] = gelu32(row[i])
    elif code == 3:
        for i in range(len(row)):
            row[i] = silu32(row[i])
    elif code == 4:
        for i in range(len(row)):
            row[i] = sigmoid32(row[i])
    elif code == 5:
        for i in range(len(row)):
            row[i] = hardswish32(row[i])
