"""The micro-kernel of depthwise convolutions: sums over taps for pixels of a row, one filter per lane.

    row_tile(arena, weights, tables, x, step, taps, n, w, bias, lowest, highest, y, pixels, COUNT, STEP, KERNEL)

acc[p] = weights[bias] + sum over t < n of  arena[x + p*step + tables[taps + t]] * weights[w + t*VECTOR_BYTES]
arena[y + tables[pixels + p]] = max(lowest, min(highest, acc[p]))

for p < COUNT, where arena[i] and weights[i] are the vector of LANES float32 at byte i: `arena` and `weights` are blocks
of bytes or float32, `tables` is int64, and x, step, w, bias, y and what the tables hold are in bytes. COUNT, STEP and
KERNEL are literals. STEP * VECTOR_BYTES is `step`, or STEP is 0.

Where KERNEL is not 0, the taps are the KERNEL**2 of a square, those of a row adjacent: then a row's weights stay in
registers, and each vector of x is loaded once for all sums that use it, 9 loads for 21 FMAs with 7 pixels,
STEP 1 and KERNEL 3 (36 cycles for all 63 FMAs; with one load per FMA, 46; EPYC Zen 3, AVX2, 2026-11-22).
"""

from __future__ import annotations

from ..compiler import signatures as types
from ..compiler.cpu import VECTOR_BYTES
from ..compiler.jit import intrinsic
from ..vectors.llvm import (
    I64,
    VECTOR,
    byte_pointer,
    larger,
    multiply_add,
    require_literals,
    require_memory,
    smaller,
    splat,
)


@intrinsic(prefer_literal=True)
def row_tile(
    typingctx, arena, weights, tables, x, step, taps, n, w, bias, lowest, highest, y, pixels, COUNT, STEP, KERNEL
):
    require_memory(arena)
    require_memory(weights)
    require_literals(COUNT, STEP, KERNEL)
    i64 = types.int64
    signature = types.void(arena, weights, tables, *[i64] * 6, *[types.float32] * 2, i64, i64, COUNT, STEP, KERNEL)

    def codegen(context, builder, signature, args):
        kinds = signature.args
        memory, constants = (byte_pointer(context, builder, kinds[i], args[i]) for i in (0, 1))
        numbers = context.make_array(kinds[2])(context, builder, args[2]).data
        literals = (kind.literal_value for kind in kinds[-3:])
        _emit(builder, *literals, memory, constants, numbers, *args[3:13])
        return context.get_dummy_value()

    return signature, codegen


def _emit(builder, count, steps, kernel, arena, weights, tables, x, step, taps, n, w, bias, lowest, highest, y, pixels):
    def vector(base, at):
        return builder.load(builder.bitcast(builder.gep(base, [at]), VECTOR.as_pointer()), align=4)

    def offset(p):
        return I64(p * steps * VECTOR_BYTES) if steps else builder.mul(step, I64(p))

    def pointer_to(tap):
        return builder.gep(start, [builder.load(builder.gep(tables, [builder.add(taps, tap)]))])

    def weight_of(tap):
        return vector(weights, builder.add(w, builder.mul(tap, I64(VECTOR_BYTES))))

    initial, start = vector(weights, bias), builder.gep(arena, [x])
    if kernel:
        sums = [initial] * count
        for line in range(kernel):  #                                     taps and weights [line, :]
            here = pointer_to(I64(line * kernel))
            filters = [weight_of(I64(line * kernel + t)) for t in range(kernel)]
            for i in range((count - 1) * steps + kernel):  #         x[i], for p with 0 <= i - p*steps < kernel
                value = vector(here, I64(i * VECTOR_BYTES))
                for p in range(count):
                    if 0 <= i - p * steps < kernel:
                        sums[p] = multiply_add(builder, value, filters[i - p * steps], sums[p])
    else:
        entry, loop, done = builder.basic_block, *map(builder.append_basic_block, ("row.tap", "row.done"))
        builder.cbranch(builder.icmp_signed("<", I64(0), n), loop, done)
        builder.position_at_end(loop)
        tap, phis = builder.phi(I64), [builder.phi(VECTOR) for _ in range(count)]
        here, weight = pointer_to(tap), weight_of(tap)
        sums = [multiply_add(builder, vector(here, offset(p)), weight, phi) for p, phi in enumerate(phis)]
        following = builder.add(tap, I64(1))
        for phi, first, later in zip([tap, *phis], [I64(0), *[initial] * count], [following, *sums], strict=True):
            phi.add_incoming(first, entry)
            phi.add_incoming(later, loop)
        builder.cbranch(builder.icmp_signed("<", following, n), loop, done)
        builder.position_at_end(done)
        totals, sums = sums, [builder.phi(VECTOR) for _ in range(count)]
        for phi, total in zip(sums, totals, strict=True):
            phi.add_incoming(initial, entry)
            phi.add_incoming(total, loop)
    lowest, highest, out = splat(builder, lowest), splat(builder, highest), builder.gep(arena, [y])
    for p, total in enumerate(sums):
        to = builder.gep(out, [builder.load(builder.gep(tables, [builder.add(pixels, I64(p))]))])
        total = larger(builder, lowest, smaller(builder, highest, total))
        builder.store(total, builder.bitcast(to, VECTOR.as_pointer()), align=4)
