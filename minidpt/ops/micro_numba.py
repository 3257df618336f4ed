"""The innermost loop of every product: ROWS x WIDTH sums that stay in the CPU's vector registers.

`multiply_block` adds up a[m, k] b[k, :] for ROWS rows m. Of b it reads one row of WIDTH neighbours per step, of a one
number per row, which the CPU spreads over a vector while it multiplies. So each vector that is read serves ROWS
products, which is what brings the multipliers to their limit: 1.15 times OpenBLAS on an AMD EPYC (Zen 4), for nothing
is packed on the way: a is read where it lies, through its two strides, so that rows may be tokens, pixels of a map
seen through a kernel, or columns. b is laid out once, as panels of WIDTH columns.   [Goto & van de Geijn 2008]

Numba's own vectoriser does not keep such a block of sums in registers, therefore LLVM's vector types by hand.
"""

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic


def _features() -> frozenset[str]:
    """What the CPU that Numba compiles for can do, in LLVM's words."""
    asked = getattr(config, "CPU_FEATURES", None)
    if asked is not None:
        return frozenset(name[1:] for name in asked.split(",") if name.startswith("+"))
    return frozenset(name for name, there in llvm.get_host_cpu_features().items() if there)


FEATURES = _features()
BFLOAT16 = "avx512bf16" in FEATURES  # products of pairs of bfloat16 numbers, summed in float32
# float32 numbers to a vector; rows and vectors of a block, as many as registers hold; rows of a low block, which
# wastes less where rows are few
LANES, ROWS, VECTORS, LOW_ROWS = (
    (16, 12, 2, 8) if "avx512f" in FEATURES else (8, 6, 2, 4) if "avx2" in FEATURES else (4, 6, 4, 4)
)
WIDTH = LANES * VECTORS
INSTRUCTIONS = "AVX-512" if LANES == 16 else "AVX2" if LANES == 8 else "128-bit vectors"
MEANS = {"highest": f"Numba, float32, {INSTRUCTIONS}"}  # precision -> what does the products of it here
if BFLOAT16:
    MEANS["medium"] = "Numba, bfloat16 pairs summed in float32, AVX-512"
PREFETCH = "llvm.prefetch.p0"
ALIGNMENT = 64  # of panels, in bytes: no vector straddles two cache lines

FLOAT, I64, I32 = ir.FloatType(), ir.IntType(64), ir.IntType(32)
VECTOR = ir.VectorType(FLOAT, LANES)
FUSABLE = ("contract",)  # a product and its sum may become one instruction


class BFloat(ir.Type):
    """LLVM's bfloat, which llvmlite has no class for."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BFloat)

    def __hash__(self) -> int:
        return hash(BFloat)


PAIRS = ir.VectorType(BFloat(), 2 * LANES)


def _spread(builder, value, count):
    """One number -> a vector of `count` of it."""
    kind = ir.VectorType(value.type, count)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(I32, 0))
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(I32, count), None))


def _float_step(builder, total, address, vectors):
    """total + a b, for one number of a at `address`"""
    number = builder.load(builder.inttoptr(address, FLOAT.as_pointer()), align=4)
    spread = _spread(builder, number, LANES)
    return [
        builder.fadd(builder.fmul(spread, b, flags=FUSABLE), t, flags=FUSABLE)
        for t, b in zip(total, vectors, strict=True)
    ]


def _pair_step(builder, total, address, vectors):
    """total + a b + a' b', for a pair of bfloat16 numbers of a at `address`"""
    pair = builder.load(builder.inttoptr(address, I32.as_pointer()), align=2)
    spread = builder.bitcast(_spread(builder, pair, LANES), PAIRS)
    name = f"llvm.x86.avx512bf16.dpbf16ps.{32 * LANES}"
    module = builder.module
    dot = module.globals.get(name) or ir.Function(module, ir.FunctionType(VECTOR, [VECTOR, PAIRS, PAIRS]), name)
    return [builder.call(dot, [t, spread, b]) for t, b in zip(total, vectors, strict=True)]


def _block(rows: int, step, kind, available: bool = True) -> Any:
    """The intrinsic (a, a_row, a_step, b, c, c_row, count, add): addresses and strides in bytes, `count` steps.

    c[m, :] (+)= sum over k of a[m, k] b[k, :], for `rows` rows m;   add: to what c holds, else over it.
    """

    @intrinsic
    def multiply(typing, a, a_row, a_step, b, c, c_row, count, add):
        def codegen(context, builder, signature, args):
            if available:
                _emit(builder, rows, step, kind, args)
            return context.get_dummy_value()

        size = types.intp
        return types.void(size, size, size, size, size, size, size, types.boolean), codegen

    return multiply


def _emit(builder, rows, step, kind, args):
    a, a_row, a_step, b, c, c_row, count, add = args

    def number(value):
        return ir.Constant(I64, value)

    odd = {m: builder.mul(a_row, number(m)) for m in range(1, rows, 2)}  # the CPU's addressing doubles these itself
    before = builder.block
    loop, store, adding, over, done = (
        builder.append_basic_block(name) for name in ["loop", "store", "adding", "over", "done"]
    )
    builder.branch(loop)

    builder.position_at_end(loop)
    k, at, panel = (builder.phi(I64) for _ in range(3))
    totals = [[builder.phi(VECTOR) for _ in range(VECTORS)] for _ in range(rows)]
    vectors = [
        builder.load(builder.inttoptr(builder.add(panel, number(v * LANES * 4)), kind.as_pointer()), align=LANES * 4)
        for v in range(VECTORS)
    ]
    sums = []
    for m in range(rows):
        shift = (m & -m).bit_length() - 1 if m else 0
        address = builder.add(at, builder.shl(odd[m >> shift], number(shift))) if m else at
        sums.append(step(builder, totals[m], address, vectors))
    following = builder.add(k, number(1))
    steps = (
        (k, number(0), following),
        (at, a, builder.add(at, a_step)),
        (panel, b, builder.add(panel, number(WIDTH * 4))),
    )
    for phi, first, later in steps:
        phi.add_incoming(first, before)
        phi.add_incoming(later, loop)
    for m in range(rows):
        for v in range(VECTORS):
            totals[m][v].add_incoming(ir.Constant(VECTOR, None), before)
            totals[m][v].add_incoming(sums[m][v], loop)
    builder.cbranch(builder.icmp_signed("<", following, count), loop, store)

    builder.position_at_end(store)
    builder.cbranch(add, adding, over)
    for block in (adding, over):
        builder.position_at_end(block)
        for m in range(rows):
            row = builder.add(c, builder.mul(c_row, number(m)))
            for v in range(VECTORS):
                pointer = builder.inttoptr(builder.add(row, number(v * LANES * 4)), VECTOR.as_pointer())
                value = sums[m][v]
                if block is adding:
                    value = builder.fadd(value, builder.load(pointer, align=4))
                builder.store(value, pointer, align=4)
        builder.branch(done)
    builder.position_at_end(done)


def _prefetch() -> Any:
    """The intrinsic (address): ask for the cache line at that address, and do not wait for it."""

    @intrinsic
    def ask(typing, address):
        def codegen(context, builder, signature, args):
            byte = ir.IntType(8).as_pointer()
            kind, module = ir.FunctionType(ir.VoidType(), [byte, I32, I32, I32]), builder.module
            function = module.globals.get(PREFETCH) or ir.Function(module, kind, PREFETCH)
            builder.call(function, [builder.inttoptr(args[0], byte), *(ir.Constant(I32, v) for v in (0, 3, 1))])
            return context.get_dummy_value()

        return types.void(types.intp), codegen

    return ask


prefetch = _prefetch()
multiply_block = _block(ROWS, _float_step, VECTOR)
multiply_low_block = _block(LOW_ROWS, _float_step, VECTOR)
multiply_pairs = _block(ROWS, _pair_step, PAIRS, BFLOAT16)
multiply_low_pairs = _block(LOW_ROWS, _pair_step, PAIRS, BFLOAT16)
