"""The micro-kernel of convolutions: sums over taps for a few pixels and a few vectors of output channels.

    pixel_tile(arena, weights, tables, x, pixels, taps, groups, w, bias, more, more_pixels, more_step, low,
               y, y_pixels, y_step, rows, GROUP, ROWS, NV)

    acc[p, c] = weights[bias + c] + sum over g < groups, l < GROUP of
                arena[x + tables[pixels + p] + tables[taps + g] + l] * weights[w + (g*GROUP + l)*NV*LANES + c]
    arena[y + tables[y_pixels + p] + c//LANES*y_step + c%LANES]
              = max(low, acc[p, c] + arena[more + tables[more_pixels + p] + c//LANES*more_step + c%LANES])

for p < rows and c < NV*LANES. Where `more` is negative, nothing is added. `arena` and `weights` are float32, `tables`
is int64, the other small letters are places in them or steps, in elements; GROUP, ROWS and NV are literals, rows from 1
to ROWS. The tables say where a pixel lies, so one tile serves all kernel sizes, strides, paddings and dilations, and
the pixels of a tile may belong to several rows of a picture. All is read before anything is written: `more` may be y.

One step of l is NV vector loads, `rows` broadcasts and rows*NV FMAs; all accumulators stay in registers (`tile.py`).
`ahead` is a place in `weights` from which half a cache line a step is fetched into L2 meanwhile: a share of the next
panel. (Without, filters that come from memory held up the first tile of each panel: 250 instead of 330 GFLOP/s.)
"""

from __future__ import annotations

from llvmlite import ir

from . import signatures as types
from .cpu import LANES
from .jit import intrinsic
from .simd import element_pointer, multiply_add, prefetch_line, require_array, require_literals, splat
from .tile import keep_rolled, settled

_FLOAT, _I64 = ir.FloatType(), ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_ZERO = ir.Constant(_VECTOR, [0.0] * LANES)


@intrinsic(prefer_literal=True)
def pixel_tile(
    typingctx, arena, weights, tables, x, pixels, taps, groups, w, ahead, bias, more, more_pixels, more_step, low,
    y, y_pixels, y_step, rows, GROUP, ROWS, NV,
):  # fmt: skip
    require_array(arena)
    require_array(weights)
    require_literals(GROUP, ROWS, NV)
    i64 = types.int64
    signature = types.void(arena, weights, tables, *[i64] * 10, types.float32, *[i64] * 4, GROUP, ROWS, NV)

    def codegen(context, builder, signature, args):
        kinds = signature.args
        floats = element_pointer(context, builder, kinds[0], args[0], _I64(0))
        constants = element_pointer(context, builder, kinds[1], args[1], _I64(0))
        numbers = context.make_array(kinds[2])(context, builder, args[2]).data
        group, most, vectors = (kind.literal_value for kind in kinds[18:])
        function = _function(builder.module, group, most, vectors)
        builder.call(function, [floats, constants, numbers, *args[3:18]])
        return context.get_dummy_value()

    return signature, codegen


def _function(module, group, most, vectors):
    """The tile for 1 to `most` pixels, a function of its own as in `tile.py`."""
    name = f"caffe64.pixels.{group}.{most}x{vectors}x{LANES}"
    if name in module.globals:
        return module.globals[name]
    floats, numbers = _FLOAT.as_pointer(), _I64.as_pointer()
    kinds = [floats, floats, numbers, *[_I64] * 10, _FLOAT, *[_I64] * 4]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), name)
    function.linkage = "internal"
    for attribute in ("noinline", "nounwind"):
        function.attributes.add(attribute)
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    blocks = [function.append_basic_block(f"rows{n}") for n in range(1, most + 1)]
    choice = builder.switch(function.args[-1], blocks[-1])
    for rows, block in enumerate(blocks, 1):
        if rows < most:
            choice.add_case(_I64(rows), block)
        builder.position_at_end(block)
        _emit(builder, group, rows, vectors, *function.args[:-1])
        builder.ret_void()
    return function


def _emit(
    builder, group, rows, vectors, arena, weights, tables, x, pixels, taps, groups, w, ahead, bias, more, more_pixels,
    more_step, low, y, y_pixels, y_step,
):  # fmt: skip
    def number(at, n=0):
        return builder.load(builder.gep(tables, [builder.add(at, _I64(n))]))

    def vector(base, *offsets):
        for offset in offsets:
            base = builder.gep(base, [offset])
        return builder.bitcast(base, _VECTOR.as_pointer())

    starts = [builder.gep(arena, [builder.add(x, number(pixels, p))]) for p in range(rows)]
    acc = {}
    for v in range(vectors):
        initial = builder.load(vector(weights, bias, _I64(v * LANES)), align=4)
        acc |= {(p, v): initial for p in range(rows)}
    width = vectors * LANES
    line = builder.gep(weights, [w])
    end = builder.gep(line, [builder.mul(groups, _I64(group * width))])
    table = builder.gep(tables, [taps])
    acc = _sum(builder, acc, group, rows, vectors, starts, line, end, table, builder.gep(weights, [ahead]))
    sums = dict(acc)
    before = builder.basic_block
    with builder.if_then(builder.icmp_signed(">=", more, _I64(0))):
        base = builder.gep(arena, [more])
        for (p, v), value in acc.items():
            place = vector(base, number(more_pixels, p), builder.mul(more_step, _I64(v)))
            sums[p, v] = builder.fadd(value, builder.load(place, align=4))
        inside = builder.basic_block
    results = {}
    for place, value in acc.items():
        phi = builder.phi(_VECTOR)
        phi.add_incoming(value, before)
        phi.add_incoming(sums[place], inside)
        results[place] = phi
    bound, out = splat(builder, low), builder.gep(arena, [y])
    for (p, v), phi in results.items():
        value = builder.select(builder.fcmp_ordered(">", bound, phi), bound, phi)
        builder.store(value, vector(out, number(y_pixels, p), builder.mul(y_step, _I64(v))), align=4)


def _sum(builder, acc, group, rows, vectors, starts, line, end, table, ahead):
    """The loop over the groups of taps."""
    state = acc | {"line": line, "table": table, "ahead": ahead}
    entry, loop, done = builder.basic_block, *map(builder.append_basic_block, ("pixels.k", "pixels.done"))
    builder.cbranch(builder.icmp_unsigned("!=", line, end), loop, done)
    builder.position_at_end(loop)
    phis = {place: builder.phi(value.type) for place, value in state.items()}
    current = dict(phis)
    tap = builder.load(current["table"])
    places = [builder.gep(start, [tap]) for start in starts]
    for step in range(group):
        if step:
            current = settled(builder, current)
        row = [
            builder.load(
                builder.bitcast(
                    builder.gep(current["line"], [_I64((step * vectors + v) * LANES)]), _VECTOR.as_pointer()
                ),
                align=4,
            )
            for v in range(vectors)
        ]
        for p, place in enumerate(places):
            element = splat(builder, builder.load(builder.gep(place, [_I64(step)]), align=4))
            for v in range(vectors):
                current[p, v] = multiply_add(builder, element, row[v], current[p, v])
        if step % 2:
            prefetch_line(builder, builder.gep(current["ahead"], [_I64(step // 2 * 16)]), 2)
    current["ahead"] = builder.gep(current["ahead"], [_I64(group // 2 * 16)])
    current["line"] = builder.gep(current["line"], [_I64(group * vectors * LANES)])
    current["table"] = builder.gep(current["table"], [_I64(1)])
    again = builder.cbranch(builder.icmp_unsigned("!=", current["line"], end), loop, done)
    again.set_metadata("llvm.loop", keep_rolled(builder.module))
    builder.position_at_end(done)
    results = {}
    for place, phi in phis.items():
        for each in (phi, *([results.setdefault(place, builder.phi(phi.type))] if place in acc else [])):
            each.add_incoming(state[place], entry)
            each.add_incoming(current[place], loop)
    return results
