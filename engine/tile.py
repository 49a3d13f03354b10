"""The micro-kernel: one register tile of a matrix product. The one place of generated, unrolled code.

    multiply_tile(a, a_at, a_m, a_k, b, b_at, b_k, depth, init, init_at, init_m, low,
                  c, c_at, c_m, columns, MR, NV)

    acc[m, n] = sum over k < depth of  a[a_at + m*a_m + k*a_k] * b[b_at + k*b_k + n]        m < MR, n < NV*LANES
    c[c_at + m*c_m + n] = max(low, acc[m, n] + init[init_at + m*init_m + n])                n < columns

All arrays are float32, C-contiguous, and indexed flat; steps are in elements. MR and NV are literals. The
MR*NV accumulators stay in registers through the loop over k: one step is NV vector loads of b, MR broadcasts of a
and MR*NV FMAs. `columns` is NV*LANES, or up to (NV-1)*LANES, where a narrower tile is taken and its last vector
masked (a mask takes a register, which the widest tile cannot spare).

  a_m, a_k   (stride, 1) for a matrix, (1, stride) for a transposed one.
  init       a negative init_m means zeros. A bias has init_m = 0; init is c, init_at is c_at, init_m is c_m
             accumulates.
  low        0 is ReLU, -inf nothing. NaN passes through.

Nothing outside the named elements is read or written. Each sum runs over k in order in one accumulator, so a value
does not depend on the tile that it was computed in.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from .cpu import LANES
from .simd import element_pointer, lane_mask, masked_load, masked_store, multiply_add, require_array, splat

_FLOAT = ir.FloatType()
_I64 = ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)


class _Tile:
    """Emits one tile at the builder's position. `mask` is for the last vector, None when it is whole."""

    def __init__(self, builder, rows, vectors, mask):
        self.builder, self.rows, self.vectors, self.mask = builder, rows, vectors, mask

    def products(self, a, a_m, a_k, b, b_k, depth):
        """The loop over k. Returns the accumulators, acc[m][v]."""
        builder = self.builder
        zero = ir.Constant(_VECTOR, [0.0] * LANES)
        tile = [(m, v) for m in range(self.rows) for v in range(self.vectors)]
        entry, loop, done = builder.basic_block, *map(builder.append_basic_block, ("tile.k", "tile.done"))
        starts = [builder.gep(a, [builder.mul(a_m, _I64(m))]) for m in range(self.rows)]
        builder.cbranch(builder.icmp_signed(">", depth, _I64(0)), loop, done)

        builder.position_at_end(loop)
        k, a_offset, b_offset = (builder.phi(_I64) for _ in range(3))
        acc = {place: builder.phi(_VECTOR) for place in tile}
        b_row = [self.load(b, builder.add(b_offset, _I64(v * LANES)), v) for v in range(self.vectors)]
        a_column = [splat(builder, builder.load(builder.gep(start, [a_offset]), align=4)) for start in starts]
        sums = {(m, v): multiply_add(builder, a_column[m], b_row[v], acc[m, v]) for m, v in tile}
        for phi, step in ((k, _I64(1)), (a_offset, a_k), (b_offset, b_k)):
            phi.add_incoming(_I64(0), entry)
            phi.add_incoming(builder.add(phi, step), loop)
        again = builder.cbranch(builder.icmp_signed("<", builder.add(k, _I64(1)), depth), loop, done)
        again.set_metadata("llvm.loop", _keep_rolled(builder.module))

        builder.position_at_end(done)
        results = {}
        for place in tile:
            results[place] = builder.phi(_VECTOR)
            for phi, following in ((acc[place], sums[place]), (results[place], sums[place])):
                phi.add_incoming(zero, entry)
                phi.add_incoming(following, loop)
        return results

    def add(self, acc, init, init_m):
        """acc + init, or acc itself where init_m is negative."""
        builder = self.builder
        before = builder.basic_block
        sums = {}
        with builder.if_then(builder.icmp_signed(">=", init_m, _I64(0))):
            for (m, v), value in acc.items():
                offset = builder.add(builder.mul(init_m, _I64(m)), _I64(v * LANES))
                sums[m, v] = builder.fadd(value, self.load(init, offset, v))
            inside = builder.basic_block
        for place, value in acc.items():
            phi = builder.phi(_VECTOR)
            phi.add_incoming(value, before)
            phi.add_incoming(sums[place], inside)
            sums[place] = phi
        return sums

    def write(self, acc, low, c, c_m):
        """max(low, acc) into c."""
        builder = self.builder
        bound = splat(builder, low)
        for (m, v), value in acc.items():
            offset = _I64(v * LANES)
            value = builder.select(builder.fcmp_ordered(">", bound, value), bound, value)
            self.store(value, c, builder.add(builder.mul(c_m, _I64(m)), offset), v)

    def load(self, pointer, offset, v):
        place = self._vector_at(pointer, offset)
        return masked_load(self.builder, place, self.mask) if self._cut(v) else self.builder.load(place, align=4)

    def store(self, value, pointer, offset, v):
        place = self._vector_at(pointer, offset)
        if self._cut(v):
            masked_store(self.builder, value, place, self.mask)
        else:
            self.builder.store(value, place, align=4)

    def _cut(self, v):
        return self.mask is not None and v == self.vectors - 1

    def _vector_at(self, pointer, offset):
        return self.builder.bitcast(self.builder.gep(pointer, [offset]), _VECTOR.as_pointer())


def _keep_rolled(module):
    """Loop metadata: do not unroll. The steps of an unrolled loop get interleaved, which needs more registers than
    there are; one step already keeps both FMA units busy."""
    kind = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
    loop = module.add_metadata([kind, _I64(len(module.metadata))])
    loop.operands = (loop, kind)  # LLVM wants a loop's metadata to name itself first
    return loop


@intrinsic(prefer_literal=True)
def multiply_tile(
    typingctx, a, a_at, a_m, a_k, b, b_at, b_k, depth, init, init_at, init_m, low, c, c_at, c_m, columns, MR, NV
):
    for array in (a, b, init, c):
        require_array(array)
    if not isinstance(MR, types.IntegerLiteral) or not isinstance(NV, types.IntegerLiteral):
        raise TypingError("multiply_tile: MR and NV must be literals")
    i64, f32 = types.int64, types.float32
    signature = types.void(a, i64, i64, i64, b, i64, i64, i64, init, i64, i64, f32, c, i64, i64, i64, MR, NV)

    def codegen(context, builder, signature, args):
        (a, a_at, a_m, a_k, b, b_at, b_k, depth, init, init_at, init_m, low, c, c_at, c_m, columns, _, _) = args
        kinds = signature.args
        a = element_pointer(context, builder, kinds[0], a, a_at)
        b = element_pointer(context, builder, kinds[4], b, b_at)
        init = element_pointer(context, builder, kinds[8], init, init_at)
        c = element_pointer(context, builder, kinds[12], c, c_at)
        function = _tile_function(builder.module, kinds[16].literal_value, kinds[17].literal_value)
        builder.call(function, [a, a_m, a_k, b, b_k, depth, init, init_m, low, c, c_m, columns])
        return context.get_dummy_value()

    return signature, codegen


def _tile_function(module, rows, vectors):
    """The tile as a function of its own, never inlined: its registers are allocated for its loop alone, whatever the
    caller does. (Inlined into blocked loops, LLVM spilled the pointers and the tile ran at half its speed.)"""
    name = f"caffe64.tile.{rows}x{vectors}x{LANES}"
    if name in module.globals:
        return module.globals[name]
    pointer = _FLOAT.as_pointer()
    kinds = [pointer, _I64, _I64, pointer, _I64, _I64, pointer, _I64, _FLOAT, pointer, _I64, _I64]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), name)
    function.linkage = "internal"
    for attribute in ("noinline", "nounwind"):
        function.attributes.add(attribute)
    a, a_m, a_k, b, b_k, depth, init, init_m, low, c, c_m, columns = function.args
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    whole, part = function.append_basic_block("whole"), function.append_basic_block("part")
    builder.cbranch(builder.icmp_signed(">=", columns, _I64(vectors * LANES)), whole, part)
    builder.position_at_end(part)
    choice = builder.switch(builder.udiv(builder.add(columns, _I64(LANES - 1)), _I64(LANES)), whole)
    cases = [(whole, vectors, False)]
    for narrow in range(1, vectors):
        cases.append((function.append_basic_block(f"part{narrow}"), narrow, True))
        choice.add_case(_I64(narrow), cases[-1][0])
    for block, width, masked in cases:
        builder.position_at_end(block)
        mask = lane_mask(builder, builder.sub(columns, _I64((width - 1) * LANES))) if masked else None
        tile = _Tile(builder, rows, width, mask)
        tile.write(tile.add(tile.products(a, a_m, a_k, b, b_k, depth), init, init_m), low, c, c_m)
        builder.ret_void()
    return function
