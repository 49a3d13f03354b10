"""A float32 vector for kernels: a Numba type that is an LLVM `<LANES x float>`, and its verbs.

    v = load(x, i)                LANES values from x.flat[i:i+LANES]      no alignment needed, no bounds check
    v = load_part(x, i, count)    the first `count` lanes, the others 0    reads nothing past x.flat[i+count-1]
    store(x, i, v)  store_part(x, i, v, count)
    v = broadcast(s)   zeros()    every lane s; every lane 0
    v + w   v - w   v * w   v / w   -v
    fma(v, w, u)                  v * w + u, one rounding where the CPU has FMA
    maximum(v, w)  minimum(v, w)  the second operand where either is NaN, so maximum(bound, x) keeps a NaN in x
    where_less(v, w, a, b)        a where v < w, else b (also where either is NaN)
    square_root(v)                correctly rounded; NaN below 0
    absolute(v)  round_even(v)    |v|;  nearest integer, ties to even, for |v| < 2**22
    scale_by_power(v, n)          v * 2**n for integral n in [-126, 127]
    reduce_add(v)  reduce_max(v)  one float; the order of the additions is fixed
    element(x, i)  store_element(x, i, s)   the float x.flat[i]; x.flat[i] = s
    prefetch(x, i)                starts fetching the cache line of x.flat[i]; i may lie anywhere
    copy(x, i, y, j, count)       y.flat[j:j+count] = x.flat[i:i+count], for parts that do not overlap
    copy_transposed(x, i, x_step, y, j, y_step)
                                  y.flat[j + k*y_step + n] = x.flat[i + n*x_step + k] for k, n < LANES; no overlap
    copy_zipped(x, i, x_step, y, j, ROWS)
                                  y.flat[j + k*ROWS + n] = x.flat[i + n*x_step + k] for k < LANES, n < ROWS, where the
                                  literal ROWS is a power of two up to LANES; no overlap
    join_low(v, w)  join_high(v, w)   the lower halves of both, the upper halves of both

`x` is any C-contiguous float32 array, indexed flat whatever its number of dimensions. For load, store, their parts,
element, store_element, prefetch and copy_transposed it may also be a block of memory, a uint8 array: then i, and the
steps, are in bytes, and what lies there is float32 all the same. An address is base + index either way, so that costs
nothing. Only this file, `tile.py` and `lowlevel.py` build LLVM code; everything else is Python in these verbs, written
once for all widths.
"""

from __future__ import annotations

from llvmlite import ir

from ..compiler import signatures as types
from ..compiler.cpu import LANES
from ..compiler.jit import inline, intrinsic
from ..compiler.signatures import vector

_FLOAT = ir.FloatType()
_I32 = ir.IntType(32)
_I64 = ir.IntType(64)
VECTOR = ir.VectorType(_FLOAT, LANES)
_MASK = ir.VectorType(ir.IntType(1), LANES)
_INTS = ir.VectorType(_I32, LANES)
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


def element_pointer(context, builder, array_type, array, index, pointee=_FLOAT):
    """LLVM pointer to array.flat[index], in bytes for an array of bytes, seen as a pointer to `pointee`."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), pointee.as_pointer())


def byte_pointer(context, builder, array_type, array):
    """LLVM pointer to the first byte of an array."""
    return builder.bitcast(context.make_array(array_type)(context, builder, array).data, ir.IntType(8).as_pointer())


def splat(builder, scalar, kind=VECTOR):
    """A vector with `scalar` in every lane."""
    single = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, _I32(0))
    return builder.shuffle_vector(single, ir.Constant(kind, ir.Undefined), ir.Constant(_INTS, [0] * LANES))


def lane_mask(builder, count):
    """<LANES x i1>: true in the first `count` (i64) lanes."""
    lanes = ir.Constant(_INTS, list(range(LANES)))
    return builder.icmp_signed("<", lanes, splat(builder, builder.trunc(count, _I32), _INTS))


def masked_load(builder, pointer, mask):
    """The lanes where `mask` is true, 0 elsewhere; memory of the other lanes is not touched."""
    kind = ir.FunctionType(VECTOR, [VECTOR.as_pointer(), _I32, _MASK, VECTOR])
    function = _declare(builder, f"llvm.masked.load.v{LANES}f32.p0", kind)
    return builder.call(function, [pointer, _I32(4), mask, ir.Constant(VECTOR, [0.0] * LANES)])


def masked_store(builder, value, pointer, mask):
    """Write the lanes where `mask` is true; memory of the other lanes is not touched."""
    kind = ir.FunctionType(ir.VoidType(), [VECTOR, VECTOR.as_pointer(), _I32, _MASK])
    builder.call(_declare(builder, f"llvm.masked.store.v{LANES}f32.p0", kind), [value, pointer, _I32(4), mask])


def multiply_add(builder, v, w, u):
    """v * w + u. `fmuladd`, not `fma`: without FMA instructions the latter is a library call per lane."""
    kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
    return builder.call(_declare(builder, f"llvm.fmuladd.v{LANES}f32", kind), [v, w, u], fastmath=FLAGS)


def larger(builder, v, w):
    """v where v > w, else w, also where either is NaN."""
    return builder.select(builder.fcmp_ordered(">", v, w), v, w)


def prefetch_line(builder, pointer, level=1):
    """Start fetching the cache line at `pointer` into the cache of this level, for reading."""
    bytes_ = ir.IntType(8).as_pointer()
    function = _declare(builder, "llvm.prefetch.p0", ir.FunctionType(ir.VoidType(), [bytes_, _I32, _I32, _I32]))
    builder.call(function, [builder.bitcast(pointer, bytes_), _I32(0), _I32(4 - level), _I32(1)])


def _declare(builder, name, kind):
    # `declare_intrinsic` of llvmlite does not know vector types, so the intrinsics are declared by name.
    known = builder.module.globals.get(name)
    return known if known is not None else ir.Function(builder.module, kind, name)


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


@inline
def copy(x, i, y, j, count):
    whole = count // LANES * LANES
    for at in range(0, whole, LANES):
        store(y, j + at, load(x, i + at))
    if whole < count:
        store_part(y, j + whole, load_part(x, i + whole, count - whole), count - whole)


@intrinsic
def copy_transposed(typingctx, x, i, x_step, y, j, y_step):
    require_memory(x)
    require_memory(y)
    i64 = types.int64

    def codegen(context, builder, signature, args):
        x, i, x_step, y, j, y_step = args
        source = builder.gep(context.make_array(signature.args[0])(context, builder, x).data, [i])
        target = builder.gep(context.make_array(signature.args[3])(context, builder, y).data, [j])
        lines = [builder.load(_line(builder, source, x_step, n), align=4) for n in range(LANES)]
        for n, line in enumerate(_transposed(builder, lines)):
            builder.store(line, _line(builder, target, y_step, n), align=4)
        return context.get_dummy_value()

    return types.void(x, i64, i64, y, i64, i64), codegen


def _line(builder, pointer, step, number):
    """Where line `number` starts, as a pointer to a vector; `step` is in what `pointer` points to."""
    start = builder.gep(pointer, [builder.mul(step, step.type(number))])
    return builder.bitcast(start, VECTOR.as_pointer())


def _transposed(builder, lines):
    """LANES vectors as the columns of what they were the rows of: log2(LANES) rounds, each of which swaps the
    off-diagonal quarters of all blocks of 2*step x 2*step."""
    step = 1
    while step < LANES:
        swapped = list(lines)
        for n in range(LANES):
            if not n & step:
                pair = lines[n], lines[n + step]
                upper = [p if not p & step else LANES + p - step for p in range(LANES)]
                lower = [p + step if not p & step else LANES + p for p in range(LANES)]
                swapped[n], swapped[n + step] = (
                    builder.shuffle_vector(*pair, ir.Constant(_INTS, choice)) for choice in (upper, lower)
                )
        lines, step = swapped, 2 * step
    return lines


@intrinsic(prefer_literal=True)
def copy_zipped(typingctx, x, i, x_step, y, j, ROWS):
    require_array(x)
    require_array(y)
    require_literals(ROWS)
    i64 = types.int64

    def codegen(context, builder, signature, args):
        x, i, x_step, y, j, _ = args
        source = element_pointer(context, builder, signature.args[0], x, i)
        target = element_pointer(context, builder, signature.args[3], y, j)
        rows = ROWS.literal_value
        lines = [builder.load(_line(builder, source, x_step, n), align=4) for n in range(rows)]
        for n, line in enumerate(_zipped(builder, lines)):
            builder.store(line, _line(builder, target, _I64(LANES), n), align=4)
        return context.get_dummy_value()

    return types.void(x, i64, i64, y, i64, ROWS), codegen


def _zipped(builder, lines):
    """The vectors that hold lines[0][0], lines[1][0], ..., lines[0][1], lines[1][1], ...: the even and the odd lines
    are zipped, then both results with each other."""
    if len(lines) == 1:
        return lines
    pairs = zip(_zipped(builder, lines[::2]), _zipped(builder, lines[1::2]), strict=True)
    half = LANES // 2
    lower = [n // 2 + n % 2 * LANES for n in range(LANES)]
    upper = [place + half for place in lower]
    return [builder.shuffle_vector(*pair, ir.Constant(_INTS, choice)) for pair in pairs for choice in (lower, upper)]


# ------------------------------------------------------------------------------------------ arithmetic
@intrinsic
def join_low(typingctx, v, w):
    return vector(vector, vector), lambda context, builder, signature, args: _joined(builder, args, 0)


@intrinsic
def join_high(typingctx, v, w):
    return vector(vector, vector), lambda context, builder, signature, args: _joined(builder, args, LANES // 2)


def _joined(builder, pair, start):
    places = [start + lane for lane in range(LANES // 2)]
    return builder.shuffle_vector(*pair, ir.Constant(_INTS, places + [LANES + place for place in places]))


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
        v, w = args
        return builder.select(builder.fcmp_ordered("<", v, w), v, w)

    return vector(vector, vector), codegen


@intrinsic
def where_less(typingctx, v, w, a, b):
    def codegen(context, builder, signature, args):
        v, w, a, b = args
        return builder.select(builder.fcmp_ordered("<", v, w), a, b)

    return vector(vector, vector, vector, vector), codegen


@intrinsic
def absolute(typingctx, v):
    def codegen(context, builder, signature, args):
        bits = builder.and_(builder.bitcast(args[0], _INTS), splat(builder, _I32(0x7FFFFFFF), _INTS))
        return builder.bitcast(bits, VECTOR)

    return vector(vector), codegen


@intrinsic
def square_root(typingctx, v):
    def codegen(context, builder, signature, args):
        kind = ir.FunctionType(VECTOR, [VECTOR])
        return builder.call(_declare(builder, f"llvm.sqrt.v{LANES}f32", kind), args)

    return vector(vector), codegen


@intrinsic
def round_even(typingctx, v):
    def codegen(context, builder, signature, args):
        # 1.5 * 2**23: one unit in the last place is 1, so the addition rounds to an integer on every CPU.
        magic = ir.Constant(VECTOR, [12582912.0] * LANES)
        return builder.fsub(builder.fadd(args[0], magic), magic)

    return vector(vector), codegen


@intrinsic
def scale_by_power(typingctx, v, n):
    def codegen(context, builder, signature, args):
        exponent = builder.add(builder.fptosi(args[1], _INTS), splat(builder, _I32(127), _INTS))
        power = builder.bitcast(builder.shl(exponent, splat(builder, _I32(23), _INTS)), VECTOR)
        return builder.fmul(args[0], power)

    return vector(vector, vector), codegen


def _reduction(combine):
    """Halve the vector until one lane is left: the order is fixed, the depth log2(LANES)."""

    @intrinsic
    def reduce(typingctx, v):
        def codegen(context, builder, signature, args):
            value, width = args[0], LANES
            while width > 1:
                width //= 2
                undefined = ir.Constant(value.type, ir.Undefined)
                index = ir.VectorType(_I32, width)
                low = builder.shuffle_vector(value, undefined, ir.Constant(index, list(range(width))))
                high = builder.shuffle_vector(value, undefined, ir.Constant(index, list(range(width, 2 * width))))
                value = combine(builder, low, high)
            return builder.extract_element(value, _I32(0))

        return types.float32(vector), codegen

    return reduce


reduce_add = _reduction(lambda builder, a, b: builder.fadd(a, b))
reduce_max = _reduction(lambda builder, a, b: builder.select(builder.fcmp_unordered(">", a, b), a, b))


def _operation(instruction):
    @intrinsic
    def apply(typingctx, v, w):
        def codegen(context, builder, signature, args):
            return getattr(builder, instruction)(*args, flags=FLAGS)

        return vector(vector, vector), codegen

    return apply


# What the operators of vectors do (`vector_type.py` says so to Numba).
add, subtract, multiply, divide = map(_operation, ("fadd", "fsub", "fmul", "fdiv"))


@intrinsic
def negate(typingctx, v):
    return vector(vector), lambda context, builder, signature, args: builder.fneg(args[0])
