"""The micro-kernel of convolutions: sums over taps for pixels and a few vectors of output channels.

    pixel_tiles(arena, weights, tables, x, pixels, taps, groups, run, w, bias, addend, addend_pixels, addend_step,
                lowest, highest, y, y_pixels, y_step, count, GROUP, ROWS, NV)

acc[p, v] = weights[bias][v] + sum over g < groups, l < run of
            arena[x + tables[pixels + p] + tables[taps + g]][l] * weights[w][(g*run + l)*NV + v]
arena[y + tables[y_pixels + p] + v*y_step]
          = max(lowest, min(highest, acc[p, v] + arena[addend + tables[addend_pixels + p] + v*addend_step]))

for p < count and v < NV, where acc[p, v] is a vector of LANES, arena[i] and weights[i] are the data at byte i, and [l]
counts float32 from there on, [v] vectors. Where `addend` is negative, nothing is added. `arena` and `weights` are
blocks of bytes or float32, `tables` is int64; x, w, bias, addend, y, their steps and the contents of the tables are in
bytes. GROUP, ROWS and NV are literals. If GROUP is `run`, the steps of l are unrolled; else it is 0. The tables give
each pixel's offset, so one micro-kernel covers all kernel sizes, strides, paddings and dilations.

The pixels are divided evenly into the fewest tiles of at most ROWS pixels, larger ones first: full tiles would leave a
small one, which is slow, at the end. One step of l is NV vector loads, `rows` broadcasts and rows*NV FMAs; all
accumulators stay in registers (`loops.py`). A tile reads everything before it writes: `addend` may be y.

Where steps are unrolled, each tile also prefetches its share of the next panel into L2, half a cache line per step.
(Without, filters from memory stalled the first tile of each panel: 250 instead of 330 GFLOP/s, 2026-11-22, machine not
recorded.) The loop over tiles inside the function halves a tile's overhead, 28 -> 14 cycles (EPYC Zen 3, 2026-11-22).
"""

from __future__ import annotations

import numpy as np

from ..compiler import signatures as types
from ..compiler.cpu import LANES, REGISTERS, VECTOR_BYTES
from ..compiler.jit import inline, intrinsic
from ..compiler.llvm_ir import ir
from ..vectors.llvm import (
    FLOAT,
    I64,
    VECTOR,
    byte_pointer,
    larger,
    multiply_add,
    prefetch_line,
    require_literals,
    require_memory,
    smaller,
    splat,
)
from .loops import in_tiles, loop, opaque

NO_UPPER_BOUND = np.float32(np.inf)
PANEL = 2  # vectors of outputs of a tile
ROWS = 8 if LANES == 16 else 6  # pixels of a tile: with more, the pointers would be spilled
assert ROWS * PANEL + PANEL + 1 <= REGISTERS, "the accumulators would spill"


@inline
def sum_pixels(
    arena, weights, tables, x, pixels, taps, groups, run, w, bias, addend, addend_pixels, addend_step, lowest,
    highest, y, y_pixels, y_step, count, vectors,
):  # fmt: skip
    """`pixel_tiles` for a panel of `vectors`, 1 or PANEL, with the literals for `run`."""
    if run == LANES:
        sum_blocks(arena, weights, tables, x, pixels, taps, groups, w, bias, addend, addend_pixels, addend_step,
                   lowest, highest, y, y_pixels, y_step, count, vectors)  # fmt: skip
    elif vectors == PANEL:
        pixel_tiles(arena, weights, tables, x, pixels, taps, groups, run, w, bias, addend, addend_pixels,
                    addend_step, lowest, highest, y, y_pixels, y_step, count, 0, ROWS, PANEL)  # fmt: skip
    else:
        pixel_tiles(arena, weights, tables, x, pixels, taps, groups, run, w, bias, addend, addend_pixels,
                    addend_step, lowest, highest, y, y_pixels, y_step, count, 0, ROWS, 1)  # fmt: skip


@inline
def sum_blocks(
    arena, weights, tables, x, pixels, taps, groups, w, bias, addend, addend_pixels, addend_step, lowest, highest, y,
    y_pixels, y_step, count, vectors,
):  # fmt: skip
    """The same for runs of LANES; kernels with no other take half the time to compile."""
    if vectors == PANEL:
        pixel_tiles(arena, weights, tables, x, pixels, taps, groups, LANES, w, bias, addend, addend_pixels,
                    addend_step, lowest, highest, y, y_pixels, y_step, count, LANES, ROWS, PANEL)  # fmt: skip
    else:
        pixel_tiles(arena, weights, tables, x, pixels, taps, groups, LANES, w, bias, addend, addend_pixels,
                    addend_step, lowest, highest, y, y_pixels, y_step, count, LANES, ROWS, 1)  # fmt: skip


@intrinsic(prefer_literal=True)
def pixel_tiles(
    typingctx, arena, weights, tables, x, pixels, taps, groups, run, w, bias, addend, addend_pixels, addend_step,
    lowest, highest, y, y_pixels, y_step, count, GROUP, ROWS, NV,
):  # fmt: skip
    require_memory(arena)
    require_memory(weights)
    require_literals(GROUP, ROWS, NV)
    i64 = types.int64
    signature = types.void(arena, weights, tables, *[i64] * 10, *[types.float32] * 2, *[i64] * 4, GROUP, ROWS, NV)

    def codegen(context, builder, signature, args):
        kinds = signature.args
        memory, constants = (byte_pointer(context, builder, kinds[i], args[i]) for i in (0, 1))
        numbers = context.make_array(kinds[2])(context, builder, args[2]).data
        group, most, vectors = (kind.literal_value for kind in kinds[19:])
        function = _function(builder.module, group, most, vectors)
        builder.call(function, [memory, constants, numbers, *args[3:19]])
        return context.get_dummy_value()

    return signature, codegen


def _function(module, group, most, vectors):
    """The loop over tiles of up to `most` pixels, a function of its own as in `tile.py`."""
    name = f"caffe64.pixels.{group}.{most}x{vectors}x{LANES}"
    if name in module.globals:
        return module.globals[name]
    memory, numbers = ir.IntType(8).as_pointer(), I64.as_pointer()
    kinds = [memory, memory, numbers, *[I64] * 10, FLOAT, FLOAT, *[I64] * 4]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), name)
    function.linkage = "internal"
    for attribute in ("noinline", "nounwind"):
        function.attributes.add(attribute)
    groups, run, w, count = *function.args[6:9], function.args[-1]
    builder = ir.IRBuilder(function.append_basic_block("entry"))

    def begin(tiles):
        size = builder.mul(builder.mul(groups, run), I64(vectors * VECTOR_BYTES))
        share, panel = builder.udiv(size, tiles), builder.add(w, size)

        def emit(rows, tile, pixel):
            ahead = builder.add(panel, builder.mul(tile, share))
            _emit(builder, group, rows, vectors, pixel, ahead, *function.args[:-1])

        return emit

    in_tiles(builder, count, most, begin)
    builder.ret_void()
    return function


def _emit(
    builder, group, rows, vectors, pixel, ahead, arena, weights, tables, x, pixels, taps, groups, run, w, bias, addend,
    addend_pixels, addend_step, lowest, highest, y, y_pixels, y_step,
):  # fmt: skip
    """One tile of `rows` pixels, from `pixel` on."""

    def number(at, n):
        return builder.load(builder.gep(tables, [builder.add(at, I64(n))]))

    def vector(base, *offsets):
        for offset in offsets:
            base = builder.gep(base, [offset])
        return builder.bitcast(base, VECTOR.as_pointer())

    def floats(offset):
        return builder.bitcast(builder.gep(weights, [offset]), FLOAT.as_pointer())

    pixels, addend_pixels, y_pixels = (builder.add(each, pixel) for each in (pixels, addend_pixels, y_pixels))
    starts = [builder.gep(arena, [builder.add(x, number(pixels, p))]) for p in range(rows)]  # x[pixel p]
    acc = {}
    for v in range(vectors):  #                                     acc[:, v] = bias[v]
        initial = builder.load(vector(weights, bias, I64(v * VECTOR_BYTES)), align=4)
        acc |= {(p, v): initial for p in range(rows)}
    line, table = floats(w), builder.gep(tables, [taps])
    steps = builder.mul(groups, run)
    end = builder.gep(line, [builder.mul(steps, I64(vectors * LANES))])
    if group:
        state = _sum(builder, acc, group, vectors, starts, line, end, table, floats(ahead))
    else:
        state = _sum_runs(builder, acc, vectors, starts, line, end, table, run)
    acc = {key: state[key] for key in acc}
    sums = dict(acc)
    without = builder.basic_block  # where nothing is added
    with builder.if_then(builder.icmp_signed(">=", addend, I64(0))):
        base = builder.gep(arena, [addend])
        for (p, v), value in acc.items():  #                       addend[pixel p, v]
            pointer = vector(base, number(addend_pixels, p), builder.mul(addend_step, I64(v)))
            sums[p, v] = builder.fadd(value, builder.load(pointer, align=4))
        inside = builder.basic_block
    results = {}
    for key, value in acc.items():
        phi = builder.phi(VECTOR)
        phi.add_incoming(value, without)
        phi.add_incoming(sums[key], inside)
        results[key] = phi
    lowest, highest, out = splat(builder, lowest), splat(builder, highest), builder.gep(arena, [y])
    for (p, v), phi in results.items():  #                          y[pixel p, v]
        pointer = vector(out, number(y_pixels, p), builder.mul(y_step, I64(v)))
        builder.store(larger(builder, lowest, smaller(builder, highest, phi)), pointer, align=4)


def _sum(builder, acc, group, vectors, starts, line, end, table, ahead):
    """The loop over the groups of taps, the steps of a group unrolled."""

    def turn(current):
        values = _pointers(builder, starts, current["table"])
        for step in range(group):
            if step:
                current = opaque(builder, current)
            _multiply(builder, current, vectors, [builder.gep(value, [I64(step)]) for value in values], step)
            if step % 2:
                prefetch_line(builder, builder.gep(current["ahead"], [I64(step // 2 * 16)]), 2)
        current["ahead"] = builder.gep(current["ahead"], [I64(group // 2 * 16)])
        current["line"] = builder.gep(current["line"], [I64(group * vectors * LANES)])
        current["table"] = builder.gep(current["table"], [I64(1)])
        return current

    state = acc | {"line": line, "table": table, "ahead": ahead}
    return loop(builder, state, lambda current: builder.icmp_unsigned("!=", current["line"], end), turn)


def _sum_runs(builder, acc, vectors, starts, line, end, table, run):
    """The same with a loop over the steps of a group."""

    def turn(current):
        values, following = _pointers(builder, starts, current["table"]), builder.gep(current["table"], [I64(1)])

        def step(inner):
            _multiply(builder, inner, vectors, [builder.gep(value, [inner["step"]]) for value in values], 0)
            inner["line"] = builder.gep(inner["line"], [I64(vectors * LANES)])
            inner["step"] = builder.add(inner["step"], I64(1))
            return inner

        inside = {key: value for key, value in current.items() if key != "table"} | {"step": I64(0)}
        inside = loop(builder, inside, lambda inner: builder.icmp_signed("<", inner["step"], run), step)
        return inside | {"table": following}

    state = acc | {"line": line, "table": table}
    return loop(builder, state, lambda current: builder.icmp_unsigned("!=", current["line"], end), turn)


def _pointers(builder, starts, table):
    """Pointers to the run of taps of each pixel; `table` points to its offset."""
    tap = builder.load(table)
    return [builder.bitcast(builder.gep(start, [tap]), FLOAT.as_pointer()) for start in starts]


def _multiply(builder, current, vectors, pointers, step):
    """One step of l: to the sums in `current`, x at `pointers` times the `step`-th row of weights from "line" on."""
    row = []
    for v in range(vectors):  #                                     w[l, v]
        at = builder.gep(current["line"], [I64((step * vectors + v) * LANES)])
        row.append(builder.load(builder.bitcast(at, VECTOR.as_pointer()), align=4))
    for p, pointer in enumerate(pointers):  #                       x[pixel p][l], broadcast
        element = splat(builder, builder.load(pointer, align=4))
        for v in range(vectors):
            current[p, v] = multiply_add(builder, element, row[v], current[p, v])
