"""The micro-kernel: one register tile of a matrix product. Its code is generated and unrolled.

    multiply_tile(a, a_at, a_m, a_k, rows, rows_at, b, b_at, b_k, depth, init, init_at, init_m, lower_bound, c, c_at,
                  c_m, columns, MR, NV)
    step_tile(a, a_at, b, b_at, b_k, depth, w, v, w_at, w_m, rate, decay, momentum, columns, BAND, MR, NV)

    acc[m, n] = sum over k < depth of  a[a_at + row(m)*a_m + k*a_k] * b[b_at + k*b_k + n]        m < MR, n < columns

    multiply_tile:  c[c_at + m*c_m + n] = max(lower_bound, acc[m, n] + init[init_at + m*init_m + n])
    step_tile:      the step of `sgd.py` for the weights w[w_at + m*w_m + n] with the gradient acc, velocity in v;
                    a is packed in bands of BAND rows: row(m)*a_m + k*a_k is m//BAND*BAND*depth + k*BAND + m%BAND

All arrays are float32, C-contiguous, and indexed flat (`rows` is int64); steps are in elements. MR and NV are literals.
The MR*NV accumulators stay in registers through the loop over k, which takes UNROLL steps at a time; one step is NV
vector loads of b, MR broadcasts of a and MR*NV FMAs. For columns <= NV*LANES the tile has only as many vectors as they
need. b is read in whole vectors: it must be readable up to the next multiple of LANES, with any contents. Stores are
masked where columns ends within a vector; `step_tile` needs whole vectors.

  row(m)     m where rows_at is negative, else rows[rows_at + m]: any rows of a, in any order.
  a_m, a_k   (stride, 1) for a matrix, (1, stride) for a transposed one.
  init       a negative init_m means zeros. A bias has init_m = 0; init is c, init_at is c_at, init_m is c_m
             accumulates.
  lower_bound   0 for ReLU, -inf for none. NaN passes through.

Only the named elements are written; c may be init, no other arrays may overlap. Each sum runs over k in order in one
accumulator, so a value does not depend on the tile that it was computed in.
"""

from __future__ import annotations

from ..compiler import signatures as types
from ..compiler.cpu import LANES
from ..compiler.jit import intrinsic
from ..compiler.llvm_ir import ir
from ..vectors.llvm import (
    FLOAT,
    I64,
    VECTOR,
    element_pointer,
    lane_mask,
    larger,
    masked_load,
    masked_store,
    multiply_add,
    prefetch_line,
    require_array,
    require_literals,
    splat,
)
from .loops import loop, opaque

_POINTER = FLOAT.as_pointer()
# Steps of k in a turn of the loop: fewer instructions beside the FMAs (38 for 48), which counts where another thread
# shares the core: the update's median time fell by 8 to 15 % (EPYC Zen 3, AVX2, 2026-11-22).
UNROLL = 4
_INDEX = I64.as_pointer()


class _Tile:
    """Emits one tile at the builder's position. `mask` is for the last vector in memory, None when it is whole."""

    def __init__(self, builder, rows, vectors):
        self.builder, self.rows, self.vectors, self.mask = builder, rows, vectors, None

    def products(self, starts, a_k, b, b_k, depth):
        """The sums over k, acc[m, v]; starts[m] points to row m of a."""
        builder, zero = self.builder, ir.Constant(VECTOR, [0.0] * LANES)
        tile = [(m, v) for m in range(self.rows) for v in range(self.vectors)]
        state = dict.fromkeys(tile, zero) | {"a": I64(0), "b": b}  # the sums; how far a has gone on, and b
        for count, steps in ((builder.and_(depth, I64(-UNROLL)), UNROLL), (depth, 1)):
            state = self.loop(state, starts, a_k, b_k, builder.gep(b, [builder.mul(count, b_k)]), steps)
        return {key: state[key] for key in tile}

    def loop(self, state, starts, a_k, b_k, end, steps):
        """The loop over k until b has come to its `end`, `steps` of k each time. Returns the new state."""
        builder = self.builder

        def turn(current):
            for step in range(steps):
                if step:
                    current = opaque(builder, current)
                b_row = [self.load(current["b"], I64(v * LANES)) for v in range(self.vectors)]  # b[k, :]
                for m, start in enumerate(starts):  #                                    a[m, k], broadcast
                    element = splat(builder, builder.load(builder.gep(start, [current["a"]]), align=4))
                    for v in range(self.vectors):
                        current[m, v] = multiply_add(builder, element, b_row[v], current[m, v])
                current["a"] = builder.add(current["a"], a_k)
                current["b"] = builder.gep(current["b"], [b_k])
            return current

        return loop(builder, state, lambda current: builder.icmp_unsigned("!=", current["b"], end), turn)

    def fetch(self, c, c_m):
        """Start fetching the lines of c that will be read or written after the loop."""
        for m in range(self.rows):
            row = self.builder.gep(c, [self.builder.mul(c_m, I64(m))])
            for column in {0, self.vectors * LANES - 1}:
                prefetch_line(self.builder, self.builder.gep(row, [I64(column)]))

    def add(self, acc, init, init_m):
        """acc + init, or acc itself where init_m is negative."""
        builder = self.builder
        without = builder.basic_block
        sums = {}
        with builder.if_then(builder.icmp_signed(">=", init_m, I64(0))):
            for (m, v), value in acc.items():
                offset = builder.add(builder.mul(init_m, I64(m)), I64(v * LANES))
                sums[m, v] = builder.fadd(value, self.load(init, offset, v))
            inside = builder.basic_block
        for key, value in acc.items():
            phi = builder.phi(VECTOR)
            phi.add_incoming(value, without)
            phi.add_incoming(sums[key], inside)
            sums[key] = phi
        return sums

    def write(self, acc, lower_bound, c, c_m):
        """max(lower_bound, acc) into c."""
        builder = self.builder
        bound = splat(builder, lower_bound)
        for (m, v), value in acc.items():  #                         c[m, v*LANES : (v+1)*LANES]
            offset = I64(v * LANES)
            value = larger(builder, bound, value)
            self.store(value, c, builder.add(builder.mul(c_m, I64(m)), offset), v)

    def step(self, acc, w, v, w_m, rate, decay, momentum):
        """g = acc + decay * w;  v = momentum * v + rate * g;  w = w - v."""
        builder = self.builder
        rates, decays, momenta = (splat(builder, factor) for factor in (rate, decay, momentum))
        for (m, n), gradient in acc.items():  #                      w[m, n], v[m, n]: vectors
            offset = builder.add(builder.mul(w_m, I64(m)), I64(n * LANES))
            weight, velocity = self.load(w, offset), self.load(v, offset)
            gradient = multiply_add(builder, decays, weight, gradient)
            velocity = multiply_add(builder, rates, gradient, builder.fmul(momenta, velocity))
            self.store(velocity, v, offset)
            self.store(builder.fsub(weight, velocity), w, offset)

    def load(self, pointer, offset, v=None):
        """The vector at `offset`; if `v` is the tile's last column of vectors, only its unmasked lanes."""
        vector = self._vector_at(pointer, offset)
        return masked_load(self.builder, vector, self.mask) if self._masked(v) else self.builder.load(vector, align=4)

    def store(self, value, pointer, offset, v=None):
        vector = self._vector_at(pointer, offset)
        if self._masked(v):
            masked_store(self.builder, value, vector, self.mask)
        else:
            self.builder.store(value, vector, align=4)

    def _masked(self, v):
        return self.mask is not None and v == self.vectors - 1

    def _vector_at(self, pointer, offset):
        return self.builder.bitcast(self.builder.gep(pointer, [offset]), VECTOR.as_pointer())


@intrinsic(prefer_literal=True)
def multiply_tile(
    typingctx, a, a_at, a_m, a_k, rows, rows_at, b, b_at, b_k, depth, init, init_at, init_m, lower_bound, c, c_at, c_m,
    columns, MR, NV
):  # fmt: skip
    _require(MR, NV, a, b, init, c)
    i64, f32 = types.int64, types.float32
    signature = types.void(a, i64, i64, i64, rows, i64, b, i64, i64, i64, init, i64, i64, f32, c, i64, i64, i64, MR, NV)

    def codegen(context, builder, signature, args):
        a, a_at, a_m, a_k, rows, rows_at, b, b_at, b_k, depth = args[:10]
        init, init_at, init_m, lower_bound, c, c_at, c_m, columns = args[10:18]
        kinds = signature.args
        a = element_pointer(context, builder, kinds[0], a, a_at)
        rows = context.make_array(kinds[4])(context, builder, rows).data
        b = element_pointer(context, builder, kinds[6], b, b_at)
        init = element_pointer(context, builder, kinds[10], init, init_at)
        c = element_pointer(context, builder, kinds[14], c, c_at)
        function = _multiplying(builder.module, kinds[18].literal_value, kinds[19].literal_value)
        builder.call(function, [columns, a, a_m, a_k, rows, rows_at, b, b_k, depth, init, init_m, lower_bound, c, c_m])
        return context.get_dummy_value()

    return signature, codegen


@intrinsic(prefer_literal=True)
def step_tile(
    typingctx, a, a_at, b, b_at, b_k, depth, w, v, w_at, w_m, rate, decay, momentum, columns, BAND, MR, NV
):  # fmt: skip
    _require(MR, NV, a, b, w, v)
    require_literals(BAND)
    i64, f32 = types.int64, types.float32
    signature = types.void(a, i64, b, i64, i64, i64, w, v, i64, i64, f32, f32, f32, i64, BAND, MR, NV)

    def codegen(context, builder, signature, args):
        a, a_at, b, b_at, b_k, depth, w, v, w_at, w_m, rate, decay, momentum, columns = args[:14]
        kinds = signature.args
        a = element_pointer(context, builder, kinds[0], a, a_at)
        b = element_pointer(context, builder, kinds[2], b, b_at)
        w = element_pointer(context, builder, kinds[6], w, w_at)
        v = element_pointer(context, builder, kinds[7], v, w_at)
        function = _stepping(builder.module, *(kind.literal_value for kind in kinds[14:]))
        builder.call(function, [columns, a, b, b_k, depth, w, v, w_m, rate, decay, momentum])
        return context.get_dummy_value()

    return signature, codegen


def _require(MR, NV, *arrays):
    for array in arrays:
        require_array(array)
    require_literals(MR, NV)


def _multiplying(module, rows, vectors):
    kinds = [_POINTER, I64, I64, _INDEX, I64, _POINTER, I64, I64, _POINTER, I64, FLOAT, _POINTER, I64]

    def emit(tile, columns, a, a_m, a_k, index, index_at, b, b_k, depth, init, init_m, lower_bound, c, c_m):
        builder = tile.builder
        tile.fetch(c, c_m)
        acc = tile.products(_row_starts(builder, rows, a, a_m, index, index_at), a_k, b, b_k, depth)
        rest = builder.sub(columns, I64((tile.vectors - 1) * LANES))
        with builder.if_else(builder.icmp_signed("==", rest, I64(LANES))) as (whole, part):
            for block, mask in ((whole, None), (part, rest)):
                with block:
                    tile.mask = mask if mask is None else lane_mask(builder, mask)
                    tile.write(tile.add(acc, init, init_m), lower_bound, c, c_m)

    return _tile_function(module, f"caffe64.multiply.{rows}x{vectors}x{LANES}", rows, vectors, kinds, emit)


def _row_starts(builder, rows, a, a_m, index, index_at):
    """Pointers to the tile's rows of a, looked up in the index where there is one."""
    numbers = [I64(m) for m in range(rows)]
    entry, lookup, after = builder.basic_block, *map(builder.append_basic_block, ("rows.picked", "rows.known"))
    builder.cbranch(builder.icmp_signed(">=", index_at, I64(0)), lookup, after)
    builder.position_at_end(lookup)
    picked = [builder.load(builder.gep(index, [builder.add(index_at, m)])) for m in numbers]
    builder.branch(after)
    builder.position_at_end(after)
    starts = []
    for number, row in zip(numbers, picked, strict=True):
        phi = builder.phi(I64)
        phi.add_incoming(number, entry)
        phi.add_incoming(row, lookup)
        starts.append(phi)
    return [builder.gep(a, [builder.mul(row, a_m)]) for row in starts]


def _stepping(module, band, rows, vectors):
    kinds = [_POINTER, _POINTER, I64, I64, _POINTER, _POINTER, I64, FLOAT, FLOAT, FLOAT]

    def emit(tile, columns, a, b, b_k, depth, w, v, w_m, rate, decay, momentum):
        builder = tile.builder
        bands = [builder.gep(a, [builder.mul(depth, I64(m))]) for m in range(0, rows, band)]
        starts = [builder.gep(bands[m // band], [I64(m % band)]) for m in range(rows)]
        tile.step(tile.products(starts, I64(band), b, b_k, depth), w, v, w_m, rate, decay, momentum)

    return _tile_function(module, f"caffe64.step.{rows}x{vectors}x{LANES}", rows, vectors, kinds, emit)


def _tile_function(module, name, rows, vectors, kinds, emit):
    """The tile as a function of its own, never inlined: its registers are allocated for its loop alone, in
    any caller. (Inlined into blocked loops, LLVM spilled the pointers and the tile ran at half its speed.)

    Its arguments are the number of columns and those of LLVM types `kinds`; `emit(tile, *arguments)` writes the body,
    once for each number of vectors.
    """
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [I64, *kinds]), name)
    function.linkage = "internal"
    for attribute in ("noinline", "nounwind"):
        function.attributes.add(attribute)
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    needed = builder.udiv(builder.add(function.args[0], I64(LANES - 1)), I64(LANES))
    blocks = [function.append_basic_block(f"vectors{n}") for n in range(1, vectors + 1)]
    choice = builder.switch(needed, blocks[-1])
    for width, block in enumerate(blocks, 1):
        if width < vectors:
            choice.add_case(I64(width), block)
        builder.position_at_end(block)
        emit(_Tile(builder, rows, width), *function.args)
        builder.ret_void()
    return function
