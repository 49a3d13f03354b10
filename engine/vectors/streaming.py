"""Stores past the caches, for much that is written once and not soon read: what is stored is not fetched before.

    stream(x, i, v)     as `store`; i is a multiple of VECTOR_BYTES from a cache line on, and x holds bytes
    finish_streams()    what this thread has streamed is seen by all others from now on, as what it has stored is

Lines are to be streamed whole, LINE_VECTORS vectors right behind each other: parts of them that are not complete soon
are written to memory one by one. Vectors of 16 bytes are stored.
"""

from __future__ import annotations

from ..compiler import signatures as types
from ..compiler.cpu import IS_ARM, VECTOR_BYTES
from ..compiler.jit import intrinsic
from ..compiler.llvm_ir import ir
from ..compiler.signatures import vector
from .llvm import I32, VECTOR, element_pointer, require_memory

LINE = 64  # bytes
STREAMED = VECTOR_BYTES >= LINE // 2
LINE_VECTORS = LINE // VECTOR_BYTES if STREAMED else 1


def store_streaming(builder, value, pointer) -> None:
    """LLVM code of `stream`."""
    instruction = builder.store(value, pointer, align=VECTOR_BYTES)
    if STREAMED:
        instruction.set_metadata("nontemporal", builder.module.add_metadata([I32(1)]))


@intrinsic
def stream(typingctx, x, i, v):
    require_memory(x)

    def codegen(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[0], args[0], args[1], VECTOR)
        store_streaming(builder, args[2], pointer)
        return context.get_dummy_value()

    return types.void(x, types.int64, vector), codegen


@intrinsic
def finish_streams(typingctx):
    def codegen(context, builder, signature, args):
        if IS_ARM:  # its streaming stores are ordered like others, by the barrier between threads
            return context.get_dummy_value()
        name, globals_ = "llvm.x86.sse.sfence", builder.module.globals
        known = globals_.get(name) or ir.Function(builder.module, ir.FunctionType(ir.VoidType(), []), name)
        builder.call(known, [])
        return context.get_dummy_value()

    return types.void(), codegen
