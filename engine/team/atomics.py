"""For threads that run one compiled loop: atomic counters, the cycle counter, and ways to wait.

    atomic_load(x, i)   atomic_store(x, i, value)   atomic_add(x, i, value) -> the value before      x: int64 array
    cycles()                   the CPU's time stamp counter, on ARM that of the system's timer, int64
    pause()                    one turn of a spin loop, some ten cycles
    yield_cpu()                let other threads run that wait for this CPU, until it is this one's turn again
    nap()                      leave the CPU for the shortest time that the system's timer knows, 0.06 ms on Linux

All accesses are sequentially consistent.
"""

from __future__ import annotations

from ..compiler import signatures as types
from ..compiler.cpu import IS_ARM
from ..compiler.jit import intrinsic
from ..compiler.llvm_ir import ir

_COUNTER = ir.IntType(64)
WHOLE_SYSTEM = 15  # the operand of ARM's barriers that has no other meaning for isb


def _atomic(emit, result):
    @intrinsic
    def access(typingctx, x, i, value):
        def codegen(context, builder, signature, args):
            data = context.make_array(signature.args[0])(context, builder, args[0]).data
            returned = emit(builder, builder.gep(data, [args[1]]), args[2])
            return context.get_dummy_value() if result is types.void else returned

        return result(x, types.int64, types.int64), codegen

    return access


atomic_add = _atomic(lambda builder, pointer, value: builder.atomic_rmw("add", pointer, value, "seq_cst"), types.int64)
atomic_store = _atomic(lambda builder, pointer, value: builder.store_atomic(value, pointer, "seq_cst", 8), types.void)


@intrinsic
def atomic_load(typingctx, x, i):
    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load_atomic(builder.gep(data, [args[1]]), "seq_cst", 8)

    return types.int64(x, types.int64), codegen


@intrinsic
def cycles(typingctx):
    def codegen(context, builder, signature, args):
        if IS_ARM:  # whose cycle counter is for the operating system alone
            register = builder.module.add_metadata([ir.MetaDataString(builder.module, "cntvct_el0")])
            function = _extern(builder, "llvm.read_volatile_register.i64", _COUNTER, ir.MetaDataType())
            return builder.call(function, [register])
        return builder.call(_extern(builder, "llvm.readcyclecounter", _COUNTER), [])

    return types.int64(), codegen


@intrinsic
def pause(typingctx):
    def codegen(context, builder, signature, args):
        if IS_ARM:  # waits some cycles; its own hint, yield, waits for none on most CPUs
            barrier = ir.IntType(32)
            builder.call(_extern(builder, "llvm.aarch64.isb", ir.VoidType(), barrier), [barrier(WHOLE_SYSTEM)])
        else:
            builder.call(_extern(builder, "llvm.x86.sse2.pause", ir.VoidType()), [])
        return context.get_dummy_value()

    return types.void(), codegen


def _give_way(name, *numbers):
    """A call of a function of the C library that takes these numbers of 32 bits."""

    @intrinsic
    def give_way(typingctx):
        def codegen(context, builder, signature, args):
            number = ir.IntType(32)
            function = _extern(builder, name, number, *[number] * len(numbers))
            builder.call(function, [number(each) for each in numbers])
            return context.get_dummy_value()

        return types.void(), codegen

    return give_way


yield_cpu, nap = _give_way("sched_yield"), _give_way("usleep", 1)


def _extern(builder, name, result, *arguments):
    """A function of LLVM, or of the C library. LLVM reads no assembly language here: Numba does not ask it to."""
    known = builder.module.globals.get(name)
    return known if known is not None else ir.Function(builder.module, ir.FunctionType(result, arguments), name)
