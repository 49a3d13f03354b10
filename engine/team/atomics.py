"""What threads that run one compiled loop need of the CPU: atomic counters, the time, a turn of a waiting loop.

    atomic_load(x, i)   atomic_store(x, i, value)   atomic_add(x, i, value) -> the value before      x: int64 array
    cycles()                   the CPU's time stamp counter, int64
    relax(spins)               one turn of a waiting loop; lets other threads run after many

All accesses are sequentially consistent.
"""

from __future__ import annotations

from llvmlite import ir

from ..compiler import signatures as types
from ..compiler.jit import intrinsic

I64 = ir.IntType(64)
SPINS_BEFORE_YIELD = 2000  # some microseconds: longer than a balanced barrier takes, shorter than a time slice


def _atomic(emit, result):
    @intrinsic
    def access(typingctx, x, i, value):
        def codegen(context, builder, signature, args):
            data = context.make_array(signature.args[0])(context, builder, args[0]).data
            returned = emit(builder, builder.gep(data, [args[1]]), args[2])
            return context.get_dummy_value() if result is types.void else returned

        return result(x, types.int64, types.int64), codegen

    return access


atomic_add = _atomic(lambda builder, place, value: builder.atomic_rmw("add", place, value, "seq_cst"), types.int64)
atomic_store = _atomic(lambda builder, place, value: builder.store_atomic(value, place, "seq_cst", 8), types.void)


@intrinsic
def atomic_load(typingctx, x, i):
    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load_atomic(builder.gep(data, [args[1]]), "seq_cst", 8)

    return types.int64(x, types.int64), codegen


@intrinsic
def cycles(typingctx):
    def codegen(context, builder, signature, args):
        return builder.call(_extern(builder, "llvm.readcyclecounter", I64), [])

    return types.int64(), codegen


@intrinsic
def relax(typingctx, spins):
    """One turn of a waiting loop: the CPU's pause, and every SPINS_BEFORE_YIELD turns the C library's sched_yield."""

    def codegen(context, builder, signature, args):
        builder.call(_extern(builder, "llvm.x86.sse2.pause", ir.VoidType()), [])
        many = builder.icmp_signed(">", args[0], ir.Constant(I64, SPINS_BEFORE_YIELD))
        with builder.if_then(many):
            builder.call(_extern(builder, "sched_yield", ir.IntType(32)), [])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


def _extern(builder, name, result):
    """A function without arguments that LLVM or the C library has."""
    known = builder.module.globals.get(name)
    return known if known is not None else ir.Function(builder.module, ir.FunctionType(result, []), name)
