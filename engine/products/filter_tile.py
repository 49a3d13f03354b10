"""The micro-kernel of gradients of filters: sums over pixels of products of a few numbers of x and vectors of dy.

    filter_tiles(arena, tables, x, x_picture, x_row, x_column, places, count, dy, dy_picture, dy_row, dy_column,
                 dy_plane, pictures, rows, columns, sums, sums_step, more, NV)

acc[m, v] = sum over n < pictures, r < rows, c < columns of
            arena[x + tables[places + m] + n*x_picture + r*x_row + c*x_column]
            * vector arena[dy + n*dy_picture + r*dy_row + c*dy_column + v*dy_plane]
arena[sums + m*sums_step + v*VECTOR_BYTES] = acc[m, v], plus what is there if `more` is not 0

for m < count and v < NV, a literal, 1 or PANEL. `arena` is a block of bytes or float32, `tables` is int64; offsets,
steps and the contents of the table are in bytes. The places are those of the channels of a pixel, of the taps of a
kernel, or of any numbers; lanes are outputs. Without pixels the sums are 0.

The places are divided evenly into the fewest tiles of at most FILTER_ROWS, larger ones first. A step, one pixel, is
NV vector loads, a broadcast per place and as many FMAs as sums, whose accumulators stay in registers over all pixels
(`loops.py`). A tile of few sums has two accumulators for each, for every other pixel: 4 places of 2 vectors then run at
95 instead of 85 % of the peak, 3 at 91 instead of 69 (EPYC Zen 5, AVX-512, 2026-11-28). Accumulators start at 0, and
what is in memory is added at the end: a long sum is then one of short sums, and its error smaller.
"""

from __future__ import annotations

from ..compiler import signatures as types
from ..compiler.cpu import LANES, REGISTERS, VECTOR_BYTES
from ..compiler.jit import inline, intrinsic
from ..compiler.llvm_ir import ir
from ..vectors.llvm import (
    FLOAT,
    I64,
    VECTOR,
    byte_pointer,
    multiply_add,
    prefetch_line,
    require_literals,
    require_memory,
    splat,
)
from .loops import in_tiles, loop, opaque
from .pixel_tile import PANEL

# Numbers of x of a tile. Of 4 lanes: without FMA instructions, products need registers as well; with 6 numbers they
# ran at 47 % of the peak, with 4 at 68 (EPYC Zen 4 as Nehalem, 2026-11-28). Of 8 and 16 lanes it is 96 %.
FILTER_ROWS = {16: 8, 8: 6, 4: 4}[LANES]
assert FILTER_ROWS * PANEL + PANEL + 1 <= REGISTERS, "the accumulators would spill"
FEWEST_CHAINS = 8  # sums at a time that hide the latency of FMAs, 4 cycles of two each, if nothing else delays them
TURN_PIXELS = 4  # pixels of a turn of the loop
_BYTES = ir.IntType(8).as_pointer()


@inline
def sum_filters(
    arena, tables, x, x_picture, x_row, x_column, places, count, dy, dy_picture, dy_row, dy_column, dy_plane, pictures,
    rows, columns, sums, sums_step, more, vectors,
):  # fmt: skip
    """`filter_tiles` for `vectors`, 1 or PANEL."""
    if vectors == PANEL:
        filter_tiles(arena, tables, x, x_picture, x_row, x_column, places, count, dy, dy_picture, dy_row, dy_column,
                     dy_plane, pictures, rows, columns, sums, sums_step, more, PANEL)  # fmt: skip
    else:
        filter_tiles(arena, tables, x, x_picture, x_row, x_column, places, count, dy, dy_picture, dy_row, dy_column,
                     dy_plane, pictures, rows, columns, sums, sums_step, more, 1)  # fmt: skip


@intrinsic(prefer_literal=True)
def filter_tiles(
    typingctx, arena, tables, x, x_picture, x_row, x_column, places, count, dy, dy_picture, dy_row, dy_column, dy_plane,
    pictures, rows, columns, sums, sums_step, more, NV,
):  # fmt: skip
    require_memory(arena)
    require_literals(NV)
    signature = types.void(arena, tables, *[types.int64] * 17, NV)

    def codegen(context, builder, signature, args):
        kinds = signature.args
        memory = byte_pointer(context, builder, kinds[0], args[0])
        numbers = context.make_array(kinds[1])(context, builder, args[1]).data
        builder.call(_function(builder.module, kinds[-1].literal_value), [memory, numbers, *args[2:-1]])
        return context.get_dummy_value()

    return signature, codegen


def _function(module, vectors):
    """The tiles of `vectors` vectors, a function of its own as in `tile.py`."""
    name = f"caffe64.filters.{FILTER_ROWS}x{vectors}x{LANES}"
    if name in module.globals:
        return module.globals[name]
    kind = ir.FunctionType(ir.VoidType(), [_BYTES, I64.as_pointer(), *[I64] * 17])
    function = ir.Function(module, kind, name)
    function.linkage = "internal"
    for attribute in ("noinline", "nounwind"):
        function.attributes.add(attribute)
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    all_tiles = _Tiles(builder, vectors, *function.args)
    in_tiles(builder, all_tiles.count, FILTER_ROWS, lambda tiles: all_tiles.emit)
    builder.ret_void()
    return function


class _Tiles:
    """Emits tiles at the builder's position."""

    def __init__(
        self, builder, vectors, arena, tables, x, x_picture, x_row, x_column, places, count, dy, dy_picture, dy_row,
        dy_column, dy_plane, pictures, rows, columns, sums, sums_step, more,
    ):  # fmt: skip
        self.builder, self.vectors, self.count, self.more = builder, vectors, count, more
        self.x, self.dy, self.sums = (builder.gep(arena, [offset]) for offset in (x, dy, sums))
        self.places, self.sums_step, self.dy_plane = builder.gep(tables, [places]), sums_step, dy_plane
        self.counts = {"picture": pictures, "row": rows, "column": columns}
        self.x_steps = {"picture": x_picture, "row": x_row, "column": x_column}
        self.dy_steps = {"picture": dy_picture, "row": dy_row, "column": dy_column}

    def emit(self, rows, number, first):
        """The tile of the places [first, first + rows)."""
        builder = self.builder
        starts = [
            builder.gep(self.x, [builder.load(builder.gep(self.places, [builder.add(first, I64(m))]))])
            for m in range(rows)
        ]
        sums = builder.gep(self.sums, [builder.mul(first, self.sums_step)])
        lines = [builder.gep(sums, [builder.mul(self.sums_step, I64(m))]) for m in range(rows)]
        for line in lines:
            for place in {0, self.vectors * VECTOR_BYTES - 1}:
                prefetch_line(builder, builder.gep(line, [I64(place)]))
        zero = ir.Constant(VECTOR, [0.0] * LANES)
        tile = [(m, v) for m in range(rows) for v in range(self.vectors)]
        chains = 2 if len(tile) <= FEWEST_CHAINS and 2 * len(tile) + self.vectors + 1 <= REGISTERS else 1
        state = {(m, v, chain): zero for m, v in tile for chain in range(chains)}
        state = self._pictures(starts, state | {"x": I64(0), "dy": self.dy})
        if chains == 2:
            acc = {(m, v): builder.fadd(state[m, v, 0], state[m, v, 1]) for m, v in tile}
        else:
            acc = {(m, v): state[m, v, 0] for m, v in tile}
        self._write(lines, acc)

    def _pictures(self, starts, state):
        return self._counted("picture", state, lambda current: self._rows(starts, current))

    def _rows(self, starts, state):
        return self._counted("row", state, lambda current: self._columns(starts, current))

    def _counted(self, axis, state, turn):
        """`state` after `turn` at each place of the axis."""
        builder, count = self.builder, self.counts[axis]

        def step(current):
            after = turn({key: value for key, value in current.items() if key != axis})
            return after | {
                "x": builder.add(current["x"], self.x_steps[axis]),
                "dy": builder.gep(current["dy"], [self.dy_steps[axis]]),
                axis: builder.add(current[axis], I64(1)),
            }

        state = loop(builder, state | {axis: I64(0)}, lambda now: builder.icmp_signed("<", now[axis], count), step)
        return {key: value for key, value in state.items() if key != axis}

    def _columns(self, starts, state):
        """`state` after the pixels of a row."""
        builder, columns, start = self.builder, self.counts["column"], state["dy"]
        for count, steps in ((builder.and_(columns, I64(-TURN_PIXELS)), TURN_PIXELS), (columns, 1)):
            end = builder.gep(start, [builder.mul(count, self.dy_steps["column"])])
            state = loop(
                builder, state, lambda now, end=end: builder.icmp_unsigned("!=", now["dy"], end),
                lambda now, steps=steps: self._pixels(starts, now, steps),
            )  # fmt: skip
        return state

    def _pixels(self, starts, current, steps):
        builder = self.builder
        for step in range(steps):
            if step:
                current = opaque(builder, current)
            row = []
            for v in range(self.vectors):
                at = builder.gep(current["dy"], [builder.mul(self.dy_plane, I64(v))])
                row.append(builder.load(builder.bitcast(at, VECTOR.as_pointer()), align=4))
            for m, start in enumerate(starts):
                at = builder.bitcast(builder.gep(start, [current["x"]]), FLOAT.as_pointer())
                element = splat(builder, builder.load(at, align=4))
                for v in range(self.vectors):
                    key = m, v, step % 2 if (m, v, 1) in current else 0
                    current[key] = multiply_add(builder, element, row[v], current[key])
            current["x"] = builder.add(current["x"], self.x_steps["column"])
            current["dy"] = builder.gep(current["dy"], [self.dy_steps["column"]])
        return current

    def _write(self, lines, acc):
        builder, sums = self.builder, {}
        pointers = {
            (m, v): builder.bitcast(builder.gep(lines[m], [I64(v * VECTOR_BYTES)]), VECTOR.as_pointer()) for m, v in acc
        }
        without = builder.basic_block
        with builder.if_then(builder.icmp_signed("!=", self.more, I64(0))):
            for key in acc:
                sums[key] = builder.fadd(acc[key], builder.load(pointers[key], align=4))
            inside = builder.basic_block
        for key in acc:
            phi = builder.phi(VECTOR)
            phi.add_incoming(acc[key], without)
            phi.add_incoming(sums[key], inside)
            sums[key] = phi
        for key in acc:
            builder.store(sums[key], pointers[key], align=4)
