"""A float32 vector for kernels: a Numba type that is an LLVM `<LANES x float>`, and its operations.

    v = load(x, i)                LANES values from x.flat[i:i+LANES]      no alignment needed, no bounds check
    v = load_part(x, i, count)    the first `count` lanes, the others 0    reads nothing past x.flat[i+count-1]
    store(x, i, v)  store_part(x, i, v, count)
    v = broadcast(s)   zeros()    every lane s; every lane 0
    v + w   v - w   v * w   v / w   -v
    fma(v, w, u)                  v * w + u, one rounding where the CPU has FMA
    maximum(v, w)  minimum(v, w)  the second operand where either is NaN, so maximum(bound, x) keeps a NaN in x
    where_less(v, w, a, b)        a where v < w, else b (also where either is NaN)
    where_equal(v, w, a, b)       a where v == w, else b (also where either is NaN); 0 is -0
    square_root(v)                correctly rounded; NaN below 0
    absolute(v)  round_even(v)    |v|;  nearest integer, ties to even, for |v| < 2**22
    scale_by_power(v, n, K)       v * 2**(n + K) for integral n, a literal K, and n + K in [-126, 127]
    reduce_add(v)  reduce_max(v)  one float; the order of the additions is fixed
    element(x, i)  store_element(x, i, s)   the float x.flat[i]; x.flat[i] = s
    prefetch(x, i)                starts fetching the cache line of x.flat[i]; i may lie anywhere
    join_lower(v, w)  join_upper(v, w)   the lower halves of both, the upper halves of both

`x` is any C-contiguous float32 array, indexed flat whatever its number of dimensions. For load, store, their parts,
element, store_element, prefetch and copy_transposed it may also be a block of memory, a uint8 array: then i, and the
steps, are in bytes, and the elements are float32 all the same. An address is base + index either way, so this costs
nothing. Few files build LLVM code (tests/test_architecture.py lists them); everything else is Python in these
operations, written once for all widths.
"""

from __future__ import annotations

from ..compiler import signatures as types
from ..compiler.cpu import LANES
from ..compiler.jit import intrinsic
from ..compiler.llvm_ir import ir
from ..compiler.signatures import register, vector
from .llvm import (
    I32,
    INTS,
    VECTOR,
    declare,
    element_pointer,
    lane_mask,
    larger,
    masked_load,
    masked_store,
    multiply_add,
    prefetch_line,
    require_literals,
    require_memory,
    smaller,
    splat,
)

ROUNDER = 1.5 * 2**23


def _vector_type():
    """Numba's type, and its operators with it; Numba is imported when something is compiled."""
    from .vector_type import vector_type

    return vector_type


register(vector, _vector_type)


# ---------------------------------------------------------------------------------------------- memory
@intrinsic
def load(typingctx, x, i):
    require_memory(x)

    def codegen(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[0], args[0], args[1], VECTOR)
        return builder.load(pointer, align=4)

    return vector(x, types.int64), codegen


@intrinsic
def load_part(typingctx, x, i, count):
    require_memory(x)

    def codegen(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[0], args[0], args[1], VECTOR)
        return masked_load(builder, pointer, lane_mask(builder, args[2]))

    return vector(x, types.int64, types.int64), codegen


@intrinsic
def store(typingctx, x, i, v):
    require_memory(x)

    def codegen(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[0], args[0], args[1], VECTOR)
        builder.store(args[2], pointer, align=4)
        return context.get_dummy_value()

    return types.void(x, types.int64, vector), codegen


@intrinsic
def store_part(typingctx, x, i, v, count):
    require_memory(x)

    def codegen(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[0], args[0], args[1], VECTOR)
        masked_store(builder, args[2], pointer, lane_mask(builder, args[3]))
        return context.get_dummy_value()

    return types.void(x, types.int64, vector, types.int64), codegen


@intrinsic
def element(typingctx, x, i):
    require_memory(x)

    def codegen(context, builder, signature, args):
        return builder.load(element_pointer(context, builder, signature.args[0], args[0], args[1]), align=4)

    return types.float32(x, types.int64), codegen


@intrinsic
def store_element(typingctx, x, i, s):
    require_memory(x)

    def codegen(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[0], args[0], args[1])
        builder.store(args[2], pointer, align=4)
        return context.get_dummy_value()

    return types.void(x, types.int64, types.float32), codegen


@intrinsic
def prefetch(typingctx, x, i):
    require_memory(x)

    def codegen(context, builder, signature, args):
        prefetch_line(builder, element_pointer(context, builder, signature.args[0], args[0], args[1]))
        return context.get_dummy_value()

    return types.void(x, types.int64), codegen


# ------------------------------------------------------------------------------------------ arithmetic
@intrinsic
def join_lower(typingctx, v, w):
    return vector(vector, vector), lambda context, builder, signature, args: _joined(builder, args, 0)


@intrinsic
def join_upper(typingctx, v, w):
    return vector(vector, vector), lambda context, builder, signature, args: _joined(builder, args, LANES // 2)


def _joined(builder, pair, start):
    half = [start + lane for lane in range(LANES // 2)]
    return builder.shuffle_vector(*pair, ir.Constant(INTS, half + [LANES + lane for lane in half]))


@intrinsic
def broadcast(typingctx, s):
    return vector(types.float32), lambda context, builder, signature, args: splat(builder, args[0])


@intrinsic
def zeros(typingctx):
    return vector(), lambda context, builder, signature, args: ir.Constant(VECTOR, [0.0] * LANES)


@intrinsic
def fma(typingctx, v, w, u):
    return vector(vector, vector, vector), lambda context, builder, signature, args: multiply_add(builder, *args)


@intrinsic
def maximum(typingctx, v, w):
    def codegen(context, builder, signature, args):
        return larger(builder, *args)

    return vector(vector, vector), codegen


@intrinsic
def minimum(typingctx, v, w):
    def codegen(context, builder, signature, args):
        return smaller(builder, *args)

    return vector(vector, vector), codegen


@intrinsic
def where_less(typingctx, v, w, a, b):
    def codegen(context, builder, signature, args):
        v, w, a, b = args
        return builder.select(builder.fcmp_ordered("<", v, w), a, b)

    return vector(vector, vector, vector, vector), codegen


@intrinsic
def where_equal(typingctx, v, w, a, b):
    def codegen(context, builder, signature, args):
        v, w, a, b = args
        return builder.select(builder.fcmp_ordered("==", v, w), a, b)

    return vector(vector, vector, vector, vector), codegen


@intrinsic
def absolute(typingctx, v):
    def codegen(context, builder, signature, args):
        bits = builder.and_(builder.bitcast(args[0], INTS), splat(builder, I32(0x7FFFFFFF), INTS))
        return builder.bitcast(bits, VECTOR)

    return vector(vector), codegen


@intrinsic
def square_root(typingctx, v):
    def codegen(context, builder, signature, args):
        kind = ir.FunctionType(VECTOR, [VECTOR])
        return builder.call(declare(builder, f"llvm.sqrt.v{LANES}f32", kind), args)

    return vector(vector), codegen


@intrinsic
def round_even(typingctx, v):
    def codegen(context, builder, signature, args):
        # One unit in its last place is 1, so the addition rounds to an integer on every CPU.
        rounder = ir.Constant(VECTOR, [ROUNDER] * LANES)
        return builder.fsub(builder.fadd(args[0], rounder), rounder)

    return vector(vector), codegen


@intrinsic(prefer_literal=True)
def scale_by_power(typingctx, v, n, K):
    require_literals(K)

    def codegen(context, builder, signature, args):
        # Added to 1.5 * 2**23, a whole number is in the lowest bits, as in `round_even`: here the exponent n + K + 127.
        biased = ir.Constant(VECTOR, [ROUNDER + 127 + K.literal_value] * LANES)
        bits = builder.bitcast(builder.fadd(args[1], biased), INTS)
        power = builder.bitcast(builder.shl(bits, splat(builder, I32(23), INTS)), VECTOR)
        return builder.fmul(args[0], power)

    return vector(vector, vector, K), codegen


def _reduction(combine):
    """Halve the vector until one lane is left: the order is fixed, the depth log2(LANES)."""

    @intrinsic
    def reduce(typingctx, v):
        def codegen(context, builder, signature, args):
            value, width = args[0], LANES
            while width > 1:
                width //= 2
                undefined = ir.Constant(value.type, ir.Undefined)
                index = ir.VectorType(I32, width)
                lower = builder.shuffle_vector(value, undefined, ir.Constant(index, list(range(width))))
                upper = builder.shuffle_vector(value, undefined, ir.Constant(index, list(range(width, 2 * width))))
                value = combine(builder, lower, upper)
            return builder.extract_element(value, I32(0))

        return types.float32(vector), codegen

    return reduce


reduce_add = _reduction(lambda builder, a, b: builder.fadd(a, b))
reduce_max = _reduction(lambda builder, a, b: builder.select(builder.fcmp_unordered(">", a, b), a, b))
