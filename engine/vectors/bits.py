"""Whole numbers in blocks of memory, uint8 arrays, and what is done by their bits. Offsets are in bytes.

upper_product(a, b)           the upper 64 bits of the product of two int64 as unsigned numbers
word(x, i)  store_word(x, i, n)   the int32 at x + i, as an int64; its lowest 32 bits become those of n
where_bits(bits, v, w)        lanes of v where bit `lane` of an int64 is set, else of w
"""

from __future__ import annotations

from ..compiler import signatures as types
from ..compiler.cpu import LANES
from ..compiler.jit import intrinsic
from ..compiler.llvm_ir import ir
from ..compiler.signatures import vector
from .llvm import I32, I64, INTS, element_pointer, require_memory, splat

WORD_BYTES = 4


@intrinsic
def upper_product(typingctx, a, b):
    def codegen(context, builder, signature, args):
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(each, wide) for each in args))
        return builder.trunc(builder.lshr(product, wide(64)), I64)

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def word(typingctx, x, i):
    require_memory(x)

    def codegen(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[0], args[0], args[1], I32)
        return builder.sext(builder.load(pointer, align=4), I64)

    return types.int64(x, types.int64), codegen


@intrinsic
def store_word(typingctx, x, i, n):
    require_memory(x)

    def codegen(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[0], args[0], args[1], I32)
        builder.store(builder.trunc(args[2], I32), pointer, align=4)
        return context.get_dummy_value()

    return types.void(x, types.int64, types.int64), codegen


@intrinsic
def where_bits(typingctx, bits, v, w):
    def codegen(context, builder, signature, args):
        own = ir.Constant(INTS, [1 << lane for lane in range(LANES)])
        found = builder.and_(splat(builder, builder.trunc(args[0], I32), INTS), own)
        return builder.select(builder.icmp_signed("!=", found, ir.Constant(INTS, [0] * LANES)), args[1], args[2])

    return vector(types.int64, vector, vector), codegen
