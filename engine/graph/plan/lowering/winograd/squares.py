"""The transforms of `convolve.py`, y = M x M' for the square of a tile and a vector of channels: columns, then rows.

    transform_square(arena, x, x_row, x_column, square, y, y_row, y_column, KIND, M, R)
    add_square(the same)
    finish_square(arena, x, x_row, x_column, square, y, y_row, y_column, addend, addend_row, rows, columns,
                  initial, lowest, highest, KIND, M, R)

x[i, j] is the vector at arena[x + i*x_row + j*x_column], and y likewise. The matrix M is that of KIND of
F(M x M, R x R), literals: one of MATRICES, by its number. `square` holds as many vectors as x and y together; y may
be x. `add_square` adds to y. `finish_square` writes the first `rows` x `columns` of

    max(lowest, min(highest, y + initial + arena[addend + i*addend_row + j*VECTOR_BYTES]))

for vectors `initial`, `lowest` and `highest`; where `addend` is negative, nothing is added.

    filter_points(weights, x, x_step, arena, y, y_step, M, R)
    arena[y + (p * side + q) * y_step] = sum over a, b < R of G[p, a] * G[q, b] * weights[x + (a * R + b) * x_step]

for vectors of LANES outputs, at bytes; M and R are literals. The sums are of float64 and rounded once, at the end: a
filter's error is half a unit in the last place, except in about one of 10**8 cases. They are stored past the caches.

    near_points(the same)

in float32, for filters that are read right away.
"""

from __future__ import annotations

from .....compiler import signatures as types
from .....compiler.cpu import LANES, VECTOR_BYTES
from .....compiler.jit import intrinsic
from .....compiler.llvm_ir import ir
from .....compiler.signatures import vector
from .....products.loops import loop
from .....vectors.llvm import (
    FLAGS,
    I64,
    VECTOR,
    byte_pointer,
    element_pointer,
    larger,
    prefetch_line,
    require_literals,
    require_memory,
    smaller,
)
from .....vectors.streaming import LINE_VECTORS, store_streaming
from .sums import weighted_sums
from .tilings import Tiling, matrices

MATRICES = ("B'", "A'", "A", "B", "G'")
TO_POINTS, FROM_POINTS, TO_POINTS_BACK, FROM_POINTS_BACK, TO_TAPS = range(len(MATRICES))
# Vectors that inputs are fetched before they are needed, two tiles of 4 x 4. Zen 5, one thread, 2026-11-28: quick's
# conv2 and ResNet's 56 x 56 take 6 % less than without, 3 % less than with 4 or 16.
AHEAD_VECTORS = 8
DOUBLES = ir.VectorType(ir.DoubleType(), LANES)


def _typed(name, write, arena, integers, vectors, literals):
    """The signature of a transform and its code, which calls a function of the module."""
    require_memory(arena)
    require_literals(*literals)
    signature = types.void(arena, *[types.int64] * integers, *[vector] * vectors, *literals)

    def codegen(context, builder, signature, args):
        memory = byte_pointer(context, builder, signature.args[0], args[0])
        kinds = [memory.type, *[I64] * integers, *[VECTOR] * vectors]
        numbers = [kind.literal_value for kind in signature.args[-3:]]
        builder.call(_function(builder.module, name, write, kinds, *numbers), [memory, *args[1:-3]])
        return context.get_dummy_value()

    return signature, codegen


@intrinsic(prefer_literal=True)
def transform_square(typingctx, arena, x, x_row, x_column, square, y, y_row, y_column, KIND, M, R):
    return _typed("transform", _store, arena, 7, 0, (KIND, M, R))


@intrinsic(prefer_literal=True)
def add_square(typingctx, arena, x, x_row, x_column, square, y, y_row, y_column, KIND, M, R):
    return _typed("add", _add, arena, 7, 0, (KIND, M, R))


@intrinsic(prefer_literal=True)
def finish_square(
    typingctx, arena, x, x_row, x_column, square, y, y_row, y_column, addend, addend_row, rows, columns, initial,
    lowest, highest, KIND, M, R,
):  # fmt: skip
    return _typed("finish", _finish, arena, 11, 3, (KIND, M, R))


def _function(module, name, write, kinds, number, m, r):
    """A function of its own: kernels are small, and LLVM does not merge transforms into what is around them."""
    name = f"caffe64.winograd.{name}.{number}.{m}.{r}.{LANES}"
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), name)
    function.linkage = "internal"
    for attribute in ("noinline", "nounwind"):
        function.attributes.add(attribute)
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    arena, x, x_row, x_column, square, y, y_row, y_column, *rest = function.args
    matrix = matrices(Tiling(m, r))[MATRICES[number]]
    outputs, inputs = matrix.shape
    middle_row = I64(inputs * VECTOR_BYTES)

    def lines(count, source, start, step, between, emit, ahead=0):
        """emit(line, results) for `count` lines; values of a line are `between` bytes apart."""

        def turn(state):
            pointers = [_vector(builder, state["from"], n, between) for n in range(inputs)]
            for pointer in pointers if ahead else []:
                prefetch_line(builder, builder.gep(pointer, [I64(ahead)]))
            values = [builder.load(pointer, align=4) for pointer in pointers]
            emit(state["line"], weighted_sums(builder, matrix, values))
            return {"from": builder.gep(state["from"], [step]), "line": builder.add(state["line"], I64(1))}

        begin = {"from": builder.gep(source, [start]), "line": I64(0)}
        loop(builder, begin, lambda state: builder.icmp_signed("<", state["line"], count), turn)

    def to_middle(line, results):
        to = builder.gep(arena, [builder.add(square, builder.mul(line, I64(VECTOR_BYTES)))])
        for n, value in enumerate(results):
            builder.store(value, _vector(builder, to, n, middle_row), align=4)

    def to_end(line, results):
        to = builder.gep(arena, [builder.add(y, builder.mul(line, y_row))])
        write(builder, arena, line, results, to, y_column, *rest)

    lines(I64(inputs), arena, x, x_column, x_row, to_middle, AHEAD_VECTORS if number == TO_POINTS else 0)
    lines(rest[2] if rest else I64(outputs), arena, square, middle_row, I64(VECTOR_BYTES), to_end)
    builder.ret_void()
    return function


def _vector(builder, start, number, step):
    """The pointer to vector `number` of those `step` bytes apart."""
    place = builder.gep(start, [builder.mul(step, I64(number))]) if number else start
    return builder.bitcast(place, VECTOR.as_pointer())


def _store(builder, arena, line, results, to, step):
    for n, value in enumerate(results):
        builder.store(value, _vector(builder, to, n, step), align=4)


def _add(builder, arena, line, results, to, step):
    for n, value in enumerate(results):
        pointer = _vector(builder, to, n, step)
        builder.store(builder.fadd(builder.load(pointer, align=4), value, flags=FLAGS), pointer, align=4)


def _finish(
    builder, arena, line, results, to, step, addend, addend_row, rows, columns, initial, lowest, highest
):  # fmt: skip
    added = builder.gep(arena, [builder.add(addend, builder.mul(line, addend_row))])
    adds = builder.icmp_signed(">=", addend, I64(0))
    for n, value in enumerate(results):
        with builder.if_then(builder.icmp_signed(">", columns, I64(n))):
            value = builder.fadd(value, initial, flags=FLAGS)
            without = builder.basic_block
            with builder.if_then(adds):
                pointer = _vector(builder, added, n, I64(VECTOR_BYTES))
                total = builder.fadd(value, builder.load(pointer, align=4), flags=FLAGS)
                inside = builder.basic_block
            result = builder.phi(VECTOR)
            result.add_incoming(value, without)
            result.add_incoming(total, inside)
            result = larger(builder, lowest, smaller(builder, highest, result))
            builder.store(result, _vector(builder, to, n, step), align=4)


@intrinsic(prefer_literal=True)
def filter_points(typingctx, weights, x, x_step, arena, y, y_step, M, R):
    return _typed_points(
        weights, arena, M, R, DOUBLES, LINE_VECTORS == 1
    )  # else the line's other vectors come much later


@intrinsic(prefer_literal=True)
def near_points(typingctx, weights, x, x_step, arena, y, y_step, M, R):
    return _typed_points(weights, arena, M, R, VECTOR, False)


def _typed_points(weights, arena, M, R, kind, streamed):
    """The signature of a transform of filters and its code, which computes with vectors of this kind."""
    require_memory(weights)
    require_memory(arena)
    require_literals(M, R)
    i64 = types.int64
    tiling = Tiling(M.literal_value, R.literal_value)

    def codegen(context, builder, signature, args):
        def pointer(array, at, step, number):
            here = builder.add(args[at], builder.mul(args[step], I64(number)))
            return element_pointer(context, builder, signature.args[array], args[array], here, VECTOR)

        g, r = matrices(tiling)["G"], tiling.r
        taps = [builder.load(pointer(0, 1, 2, number), align=4) for number in range(r * r)]
        taps = [tap if kind == VECTOR else builder.fpext(tap, kind) for tap in taps]
        columns = zip(*(weighted_sums(builder, g, taps[column::r]) for column in range(r)), strict=True)
        for p, column in enumerate(columns):
            for q, value in enumerate(weighted_sums(builder, g, list(column))):
                rounded = value if kind == VECTOR else builder.fptrunc(value, VECTOR)
                to = pointer(3, 4, 5, p * tiling.side + q)
                if streamed:
                    store_streaming(builder, rounded, to)
                else:
                    builder.store(rounded, to, align=VECTOR_BYTES)
        return context.get_dummy_value()

    return types.void(weights, i64, i64, arena, i64, i64, M, R), codegen
