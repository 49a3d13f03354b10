"""Copies between arrays of float32, indexed flat:

copy(x, i, y, j, count)       y.flat[j:j+count] = x.flat[i:i+count], for parts that do not overlap
copy_transposed(x, i, x_step, y, j, y_step)
                              y.flat[j + k*y_step + n] = x.flat[i + n*x_step + k] for k, n < LANES; no overlap
copy_zipped(x, i, x_step, y, j, ROWS)
                              y.flat[j + k*ROWS + n] = x.flat[i + n*x_step + k] for k < LANES, n < ROWS, where the
                              literal ROWS is a power of two up to LANES; no overlap
"""

from __future__ import annotations

from ..compiler import signatures as types
from ..compiler.cpu import LANES
from ..compiler.jit import inline, intrinsic
from ..compiler.llvm_ir import ir
from .llvm import I64, INTS, VECTOR, element_pointer, require_array, require_literals, require_memory
from .simd import load, load_part, store, store_part


@inline
def copy(x, i, y, j, count):
    """y.flat[j:j+count] = x.flat[i:i+count], float32 without overlap; writes nothing else."""
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
    """The start of line `number`, as a pointer to a vector; `step` counts elements of `pointer`'s type."""
    start = builder.gep(pointer, [builder.mul(step, step.type(number))])
    return builder.bitcast(start, VECTOR.as_pointer())


def _transposed(builder, lines):
    """The transpose of a matrix whose rows are LANES vectors: log2(LANES) rounds, each of which swaps the off-diagonal
    quarters of all blocks of 2*step x 2*step."""
    step = 1
    while step < LANES:
        swapped = list(lines)
        for n in range(LANES):
            if not n & step:
                pair = lines[n], lines[n + step]
                upper = [p if not p & step else LANES + p - step for p in range(LANES)]
                lower = [p + step if not p & step else LANES + p for p in range(LANES)]
                swapped[n], swapped[n + step] = (
                    builder.shuffle_vector(*pair, ir.Constant(INTS, choice)) for choice in (upper, lower)
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
            builder.store(line, _line(builder, target, I64(LANES), n), align=4)
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
    upper = [lane + half for lane in lower]
    return [builder.shuffle_vector(*pair, ir.Constant(INTS, choice)) for pair in pairs for choice in (lower, upper)]
