"""The micro-kernel of depthwise convolutions: sums over taps for pixels of a row, a filter for each lane.

    row_tile(arena, weights, tables, x, step, taps, n, w, bias, low, y, places, COUNT, STEP, KERNEL)

acc[p] = weights[bias : bias + LANES]
         + sum over t < n of  arena[at : at + LANES] * weights[w + t*LANES : ... + LANES]
           at = x + p*step + tables[taps + t]
arena[y + tables[places + p] : ... + LANES] = max(low, acc[p])

for p < COUNT. `arena` and `weights` are float32, `tables` is int64; the small letters are places in them or steps, in
elements. COUNT, STEP and KERNEL are literals. STEP * LANES is `step`, or STEP is 0.

Where KERNEL is not 0, the taps are the KERNEL**2 of a square, those of a row side by side: then a row's weights stay in
registers, and each vector of x is loaded once for all sums that it belongs to, 9 loads for 21 FMAs with 7 pixels,
STEP 1 and KERNEL 3 (36 cycles for all 63 FMAs; with a load for each FMA, 46).
"""

from __future__ import annotations

from llvmlite import ir

from . import signatures as types
from .cpu import LANES
from .jit import intrinsic
from .simd import VECTOR, element_pointer, larger, multiply_add, require_array, require_literals, splat

_I64 = ir.IntType(64)


@intrinsic(prefer_literal=True)
def row_tile(typingctx, arena, weights, tables, x, step, taps, n, w, bias, low, y, places, COUNT, STEP, KERNEL):
    require_array(arena)
    require_array(weights)
    require_literals(COUNT, STEP, KERNEL)
    i64 = types.int64
    signature = types.void(arena, weights, tables, *[i64] * 6, types.float32, i64, i64, COUNT, STEP, KERNEL)

    def codegen(context, builder, signature, args):
        kinds = signature.args
        floats = element_pointer(context, builder, kinds[0], args[0], _I64(0))
        constants = element_pointer(context, builder, kinds[1], args[1], _I64(0))
        numbers = context.make_array(kinds[2])(context, builder, args[2]).data
        literals = (kind.literal_value for kind in kinds[-3:])
        _emit(builder, *literals, floats, constants, numbers, *args[3:12])
        return context.get_dummy_value()

    return signature, codegen


def _emit(builder, pixels, blocks, kernel, arena, weights, tables, x, step, taps, n, w, bias, low, y, places):
    def vector(base, at):
        return builder.load(builder.bitcast(builder.gep(base, [at]), VECTOR.as_pointer()), align=4)

    def offset(p):
        return _I64(p * blocks * LANES) if blocks else builder.mul(step, _I64(p))

    def place_of(tap):
        return builder.gep(start, [builder.load(builder.gep(tables, [builder.add(taps, tap)]))])

    def weight_of(tap):
        return vector(weights, builder.add(w, builder.mul(tap, _I64(LANES))))

    initial, start = vector(weights, bias), builder.gep(arena, [x])
    if kernel:
        sums = [initial] * pixels
        for line in range(kernel):
            place = place_of(_I64(line * kernel))
            filters = [weight_of(_I64(line * kernel + t)) for t in range(kernel)]
            for i in range((pixels - 1) * blocks + kernel):
                value = vector(place, _I64(i * LANES))
                for p in range(pixels):
                    if 0 <= i - p * blocks < kernel:
                        sums[p] = multiply_add(builder, value, filters[i - p * blocks], sums[p])
    else:
        entry, loop, done = builder.basic_block, *map(builder.append_basic_block, ("row.tap", "row.done"))
        builder.branch(loop)
        builder.position_at_end(loop)
        tap, phis = builder.phi(_I64), [builder.phi(VECTOR) for _ in range(pixels)]
        place, weight = place_of(tap), weight_of(tap)
        sums = [multiply_add(builder, vector(place, offset(p)), weight, phi) for p, phi in enumerate(phis)]
        following = builder.add(tap, _I64(1))
        for phi, first, later in zip([tap, *phis], [_I64(0), *[initial] * pixels], [following, *sums], strict=True):
            phi.add_incoming(first, entry)
            phi.add_incoming(later, loop)
        builder.cbranch(builder.icmp_signed("<", following, n), loop, done)
        builder.position_at_end(done)
    bound, out = splat(builder, low), builder.gep(arena, [y])
    for p, total in enumerate(sums):
        to = builder.gep(out, [builder.load(builder.gep(tables, [builder.add(places, _I64(p))]))])
        builder.store(larger(builder, bound, total), builder.bitcast(to, VECTOR.as_pointer()), align=4)
