"""Products on the CPU's tile registers (Intel AMX): eight of them, 16 rows of 64 bytes each, and one instruction that
multiplies two as matrices of bfloat16 numbers and adds to a third in float32.   [Intel SDM, vol. 1, ch. 18]

`multiply_tiles` keeps 32 x 32 sums in four registers. It reads what `multiply_pairs` reads: a row of x holds 32
neighbours of k in 64 bytes, and 16 rows of a panel, a pair of k in each, are a tile of the weight, another one beside
it. `multiply_tiles_twice` takes every number as the sum of two bfloat16 numbers, high and low, and adds up the three
products of them that matter: 4e-6 of the result away from float32's, where one product is 2e-3.

An experiment on a server Xeon had 7 times OpenBLAS's float32 with one product, 3 times with three. These functions were
written without such a CPU: their instructions were run in emulation, and nobody has timed them yet.
"""

import ctypes
import os
import sys
from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .compiling_numba import compiled
from .micro_numba import BFLOAT16, FEATURES, WIDTH

TILES = BFLOAT16 and {"amx-tile", "amx-bf16"} <= FEATURES  # of the CPU that Numba compiles for
SWITCH = "MINIDPT_TILES"  # the environment variable that turns tiles off where it is 0
HEIGHT = 32  # rows of x to a block of sums
TERMS = 32  # of a sum to one step: 16 pairs
MEANS = {  # precision -> what does the products of it
    "high": "Numba, sums of three bfloat16 products on AMX tiles, float32 where these do not fit",
    "medium": "Numba, bfloat16 pairs summed in float32, AMX tiles and AVX-512",
}
SIDE, ROW = 16, 64  # rows of a tile, bytes of each
DOWN = WIDTH * 4  # bytes from a row of a panel to the next
# one table of 64 bytes: which palette; bytes to a row of each register, in 16 bits; their rows
SHAPES = bytes([1, *[0] * 15, *[ROW, 0] * 8, *[0] * 16, *[SIDE] * 8, *[0] * 8])
I8 = ir.IntType(8)
emitted: Any = intrinsic(prefer_literal=True)  # a number written in the source stays one, as instructions want it
ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA = 158, 0x1023, 18  # [Linux: Documentation/arch/x86/xstate.rst]


def wanted() -> bool:
    """Whether this CPU has tiles and MINIDPT_TILES does not turn them off."""
    return TILES and os.environ.get(SWITCH) != "0"


@cache
def granted() -> bool:
    """Whether the system lets this process use tiles, for which Linux wants to be asked once."""
    if sys.platform != "linux" or sys.maxsize < 2**32:
        return False
    return ctypes.CDLL(None).syscall(ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA) == 0


def _emit(builder, name: str, *operands) -> None:
    """A call of LLVM's function for one instruction; nothing where the CPU has none."""
    if TILES:
        module = builder.module
        kind = ir.FunctionType(ir.VoidType(), [operand.type for operand in operands])
        builder.call(module.globals.get(name) or ir.Function(module, kind, name), operands)


def _register(kind) -> ir.Constant:
    """The number of a register, which is a part of the instruction."""
    return ir.Constant(I8, kind.literal_value)


@emitted
def open_tiles(typing):
    """Give this thread's registers their shapes."""

    def codegen(context, builder, signature, args):
        shapes = context.insert_const_bytes(builder.module, SHAPES, "shapes_of_tiles")
        _emit(builder, "llvm.x86.ldtilecfg", shapes)
        return context.get_dummy_value()

    return types.void(), codegen


@emitted
def close_tiles(typing):
    """Let go of them, so that the system need not save them any more."""

    def codegen(context, builder, signature, args):
        _emit(builder, "llvm.x86.tilerelease")
        return context.get_dummy_value()

    return types.void(), codegen


@emitted
def zero_tile(typing, tile):
    def codegen(context, builder, signature, args):
        _emit(builder, "llvm.x86.tilezero", _register(tile))
        return context.get_dummy_value()

    return types.void(tile), codegen


def _moving(name: str) -> Any:
    """The intrinsic (tile, address, stride): one register from or to memory, its rows `stride` bytes apart."""

    @emitted
    def move(typing, tile, address, stride):
        def codegen(context, builder, signature, args):
            _emit(builder, name, _register(tile), builder.inttoptr(args[1], I8.as_pointer()), args[2])
            return context.get_dummy_value()

        return types.void(tile, types.intp, types.intp), codegen

    return move


load_tile = _moving("llvm.x86.tileloadd64")
store_tile = _moving("llvm.x86.tilestored64")


@emitted
def add_product(typing, sums, a, b):
    """sums[m, n] += sum over 16 pairs k of a[m, 2k] b[k, 2n] + a[m, 2k + 1] b[k, 2n + 1]"""

    def codegen(context, builder, signature, args):
        _emit(builder, "llvm.x86.tdpbf16ps", *(_register(tile) for tile in (sums, a, b)))
        return context.get_dummy_value()

    return types.void(sums, a, b), codegen


@compiled()
def _begin(c, c_row, add):
    """Registers 0 to 3: the sums that c holds, or zeros."""
    if add:
        load_tile(0, c, c_row)
        load_tile(1, c + ROW, c_row)
        load_tile(2, c + SIDE * c_row, c_row)
        load_tile(3, c + SIDE * c_row + ROW, c_row)
    else:
        zero_tile(0)
        zero_tile(1)
        zero_tile(2)
        zero_tile(3)


@compiled()
def _add_products():
    """Registers 0 to 3 += all products of 4 and 5 (the rows of x) with 6 and 7 (the columns of the weight)."""
    add_product(0, 4, 6)
    add_product(1, 4, 7)
    add_product(2, 5, 6)
    add_product(3, 5, 7)


@compiled()
def _end(c, c_row):
    store_tile(0, c, c_row)
    store_tile(1, c + ROW, c_row)
    store_tile(2, c + SIDE * c_row, c_row)
    store_tile(3, c + SIDE * c_row + ROW, c_row)


@compiled()
def multiply_tiles(a, a_row, b, c, c_row, steps, add):
    """c[m, :] (+)= sum over k of a[m, k] b[k, :], for HEIGHT rows m and WIDTH columns, `steps` times TERMS terms k.

    Addresses and strides in bytes, between `open_tiles` and `close_tiles`.   add: to what c holds, else over it
    """
    _begin(c, c_row, add)
    for _ in range(steps):
        load_tile(4, a, a_row)
        load_tile(6, b, DOWN)
        load_tile(7, b + ROW, DOWN)
        load_tile(5, a + SIDE * a_row, a_row)
        _add_products()
        a += ROW
        b += SIDE * DOWN
    _end(c, c_row)


@compiled()
def multiply_tiles_twice(a, a_low, a_row, b, b_low, c, c_row, steps, add):
    """As `multiply_tiles`, of the numbers a + a_low and b + b_low, but for the products of what is low in both.

    In this order each tile is read once.
    """
    _begin(c, c_row, add)
    for _ in range(steps):
        load_tile(4, a_low, a_row)
        load_tile(6, b, DOWN)
        load_tile(7, b + ROW, DOWN)
        load_tile(5, a_low + SIDE * a_row, a_row)
        _add_products()
        load_tile(4, a, a_row)
        load_tile(5, a + SIDE * a_row, a_row)
        _add_products()
        load_tile(6, b_low, DOWN)
        load_tile(7, b_low + ROW, DOWN)
        _add_products()
        a, a_low = a + ROW, a_low + ROW
        b, b_low = b + SIDE * DOWN, b_low + SIDE * DOWN
    _end(c, c_row)
