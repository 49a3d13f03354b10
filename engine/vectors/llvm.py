"""LLVM code for vectors of LANES float32: the parts of which operations (`simd.py`) and tiles are built.

Each takes llvmlite's builder and LLVM values; none is called by kernels.
"""

from __future__ import annotations

from ..compiler.cpu import LANES
from ..compiler.llvm_ir import ir

FLOAT = ir.FloatType()
I32 = ir.IntType(32)
I64 = ir.IntType(64)
VECTOR = ir.VectorType(FLOAT, LANES)
MASK = ir.VectorType(ir.IntType(1), LANES)
INTS = ir.VectorType(I32, LANES)
FLAGS = ("contract",)


def require_array(x) -> None:
    """Typing check: `x` is a C-contiguous float32 array."""
    from numba.core import types as numba_types
    from numba.core.errors import TypingError

    if not (isinstance(x, numba_types.Array) and x.dtype == numba_types.float32 and x.layout == "C"):
        raise TypingError(f"expected a C-contiguous float32 array, got {x}")


def require_memory(x) -> None:
    """Typing check: `x` is a C-contiguous array of float32, or of bytes."""
    from numba.core import types as numba_types
    from numba.core.errors import TypingError

    kinds = numba_types.float32, numba_types.uint8
    if not (isinstance(x, numba_types.Array) and x.dtype in kinds and x.layout == "C"):
        raise TypingError(f"expected a C-contiguous array of float32 or uint8, got {x}")


def require_literals(*kinds) -> None:
    """Typing check: each of `kinds` is a literal integer."""
    from numba.core import types as numba_types
    from numba.core.errors import TypingError

    if not all(isinstance(kind, numba_types.IntegerLiteral) for kind in kinds):
        raise TypingError(f"expected literal integers, got {kinds}")


def element_pointer(context, builder, array_type, array, index, pointee=FLOAT):
    """LLVM pointer to array.flat[index], in bytes for an array of bytes, seen as a pointer to `pointee`."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), pointee.as_pointer())


def byte_pointer(context, builder, array_type, array):
    """LLVM pointer to the first byte of an array."""
    return builder.bitcast(context.make_array(array_type)(context, builder, array).data, ir.IntType(8).as_pointer())


def splat(builder, scalar, kind=VECTOR):
    """A vector with `scalar` in every lane."""
    single = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, I32(0))
    return builder.shuffle_vector(single, ir.Constant(kind, ir.Undefined), ir.Constant(INTS, [0] * LANES))


def lane_mask(builder, count):
    """<LANES x i1>: true in the first `count` (i64) lanes."""
    lanes = ir.Constant(INTS, list(range(LANES)))
    return builder.icmp_signed("<", lanes, splat(builder, builder.trunc(count, I32), INTS))


def masked_load(builder, pointer, mask):
    """The lanes where `mask` is true, 0 elsewhere; memory of the other lanes is not touched."""
    kind = ir.FunctionType(VECTOR, [VECTOR.as_pointer(), I32, MASK, VECTOR])
    function = declare(builder, f"llvm.masked.load.v{LANES}f32.p0", kind)
    return builder.call(function, [pointer, I32(4), mask, ir.Constant(VECTOR, [0.0] * LANES)])


def masked_store(builder, value, pointer, mask):
    """Write the lanes where `mask` is true; memory of the other lanes is not touched."""
    kind = ir.FunctionType(ir.VoidType(), [VECTOR, VECTOR.as_pointer(), I32, MASK])
    builder.call(declare(builder, f"llvm.masked.store.v{LANES}f32.p0", kind), [value, pointer, I32(4), mask])


def multiply_add(builder, v, w, u):
    """v * w + u. `fmuladd`, not `fma`: without FMA instructions the latter is a library call per lane."""
    kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
    return builder.call(declare(builder, f"llvm.fmuladd.v{LANES}f32", kind), [v, w, u], fastmath=FLAGS)


def larger(builder, v, w):
    """v where v > w, else w, also where either is NaN."""
    return builder.select(builder.fcmp_ordered(">", v, w), v, w)


def smaller(builder, v, w):
    """v where v < w, else w, also where either is NaN."""
    return builder.select(builder.fcmp_ordered("<", v, w), v, w)


def prefetch_line(builder, pointer, level=1):
    """Start fetching the cache line at `pointer` into the cache of this level, for reading."""
    bytes_ = ir.IntType(8).as_pointer()
    function = declare(builder, "llvm.prefetch.p0", ir.FunctionType(ir.VoidType(), [bytes_, I32, I32, I32]))
    builder.call(function, [builder.bitcast(pointer, bytes_), I32(0), I32(4 - level), I32(1)])


def declare(builder, name, kind):
    # `declare_intrinsic` of llvmlite does not know vector types, so the intrinsics are declared by name.
    known = builder.module.globals.get(name)
    return known if known is not None else ir.Function(builder.module, kind, name)
