"""LLVM code that generated tiles share: loops over steps that keep all sums in registers."""

from __future__ import annotations

from ..compiler.cpu import IS_ARM, LANES, REGISTER_LANES
from ..compiler.llvm_ir import ir
from ..vectors.llvm import I64, VECTOR

_REGISTER = "w" if IS_ARM else "v" if REGISTER_LANES == 16 else "x"  # LLVM's letter for those of vectors


def opaque(builder, state):
    """Pass the state through an empty asm that LLVM must assume modifies it and memory: this keeps unrolled steps from
    being interleaved, and from a pointer for each of them, which would need more registers than there are."""
    held = {key: value for key, value in state.items() if value.type != VECTOR or LANES == REGISTER_LANES}
    kinds = [value.type for value in held.values()]
    registers = [_REGISTER if kind == VECTOR else "r" for kind in kinds]
    constraints = [*(f"={each}" for each in registers), *map(str, range(len(kinds))), "~{memory}"]
    kind = ir.FunctionType(ir.LiteralStructType(kinds), kinds)
    code = ir.InlineAsm(kind, "", ",".join(constraints), side_effect=True)
    values = builder.call(code, list(held.values()))
    return state | {key: builder.extract_value(values, i) for i, key in enumerate(held)}


def keep_rolled(module):
    """Loop metadata: do not unroll further, which would interleave the steps."""
    kind = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
    loop = module.add_metadata([kind, I64(len(module.metadata))])
    loop.operands = (loop, kind)  # LLVM wants a loop's metadata to name itself first
    return loop


def loop(builder, state, goes_on, turn):
    """`state` after turn(state) as long as goes_on(state), without a counter."""
    entry, inner, done = builder.basic_block, *map(builder.append_basic_block, ("tile.k", "tile.done"))
    builder.cbranch(goes_on(state), inner, done)
    builder.position_at_end(inner)
    phis = {key: builder.phi(value.type) for key, value in state.items()}
    after = turn(dict(phis))
    again = builder.cbranch(goes_on(after), inner, done)
    again.set_metadata("llvm.loop", keep_rolled(builder.module))
    inside = builder.basic_block
    builder.position_at_end(done)
    results = {}
    for key, phi in phis.items():
        phi.add_incoming(state[key], entry)
        phi.add_incoming(after[key], inside)
        results[key] = builder.phi(phi.type)
        results[key].add_incoming(state[key], entry)
        results[key].add_incoming(after[key], inside)
    return results


def in_tiles(builder, count, most, begin):
    """`count` rows in the fewest tiles of at most `most`, divided evenly, larger ones first; none for no rows.

    begin(tiles), their number, is called where what all tiles share may be computed, and returns emit(rows, tile,
    first): it emits a tile of `rows` rows, a Python number, so that there is code for each size. `tile` is its number,
    `first` its first row.
    """
    before = builder.append_basic_block("tiles.start")
    inner, following, done = (builder.append_basic_block(f"tiles.{name}") for name in ("tile", "next", "done"))
    builder.cbranch(builder.icmp_signed(">", count, I64(0)), before, done)

    builder.position_at_end(before)
    tiles = builder.udiv(builder.add(count, I64(most - 1)), I64(most))
    rows, larger = builder.udiv(count, tiles), builder.urem(count, tiles)
    emit = begin(tiles)
    builder.branch(inner)

    builder.position_at_end(inner)
    tile, first = builder.phi(I64), builder.phi(I64)
    for phi in (tile, first):
        phi.add_incoming(I64(0), before)
    here = builder.add(rows, builder.zext(builder.icmp_signed("<", tile, larger), I64))
    cases = [builder.append_basic_block(f"rows{n}") for n in range(1, most + 1)]
    choice = builder.switch(here, cases[-1])
    for n, case in enumerate(cases, 1):
        if n < most:
            choice.add_case(I64(n), case)
        builder.position_at_end(case)
        emit(n, tile, first)
        builder.branch(following)

    builder.position_at_end(following)
    after = builder.add(tile, I64(1))
    for phi, value in ((tile, after), (first, builder.add(first, here))):
        phi.add_incoming(value, following)
    builder.cbranch(builder.icmp_signed("<", after, tiles), inner, done)
    builder.position_at_end(done)
