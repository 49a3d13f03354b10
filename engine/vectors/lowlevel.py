"""What kernels need and Numba does not offer: views without reference counts, calls by address, atomics.

    view1(x, at, n)            x.flat[at:at+n] as a 1-D array; of a uint8 array, n float32 from byte `at` on
    view2(x, at, rows, cols)   x.flat[at:at+rows*cols] as a C-contiguous 2-D array
    no_rows()                  an empty int64 array: no rows are picked
    pointer_call(signature)    an intrinsic  call(address, (arguments, ...))  of the kernel at `address`
    whole_number(x, i)         x[i] of an int64 array, i not negative (a plain index tests for that, in every loop)
    atomic_load(x, i)   atomic_store(x, i, value)   atomic_add(x, i, value) -> the value before
    cycles()                   the CPU's time stamp counter, int64
    relax(spins)               one turn of a waiting loop; lets other threads run after many

Views own nothing: making one costs no atomic reference count, which threads would fight over, and they must not
outlive what they look at. The layers are called by address so that one compiled training loop serves every net,
also nets of layers written later.
"""

from __future__ import annotations

from llvmlite import ir

from ..compiler import signatures as types
from ..compiler.jit import intrinsic
from ..compiler.signatures import as_numba
from .simd import element_pointer, require_array, require_memory

_I64 = ir.IntType(64)
SPINS_BEFORE_YIELD = 2000  # some microseconds: longer than a balanced barrier takes, shorter than a time slice


def _view(context, builder, array_type, pointer, shape):
    from numba.np.arrayobj import populate_array

    view = context.make_array(array_type)(context, builder)
    strides = [ir.Constant(_I64, 4)]
    for extent in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], extent))
    populate_array(view, data=pointer, shape=shape, strides=strides, itemsize=ir.Constant(_I64, 4), meminfo=None)
    return view._getvalue()


@intrinsic
def view1(typingctx, x, at, n):
    require_memory(x)
    made = types.Array(types.float32, 1, readonly=not x.mutable)

    def codegen(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[0], args[0], args[1])
        return _view(context, builder, signature.return_type, pointer, [args[2]])

    return made(x, types.int64, types.int64), codegen


@intrinsic
def view2(typingctx, x, at, rows, columns):
    require_array(x)
    made = types.Array(types.float32, 2, readonly=not x.mutable)

    def codegen(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[0], args[0], args[1])
        return _view(context, builder, signature.return_type, pointer, [args[2], args[3]])

    return made(x, types.int64, types.int64, types.int64), codegen


@intrinsic
def no_rows(typingctx):
    def codegen(context, builder, signature, args):
        from numba.np.arrayobj import populate_array

        view, zero = context.make_array(signature.return_type)(context, builder), ir.Constant(_I64, 0)
        pointer = ir.Constant(_I64.as_pointer(), None)
        eight = ir.Constant(_I64, 8)
        populate_array(view, data=pointer, shape=[zero], strides=[eight], itemsize=eight, meminfo=None)
        return view._getvalue()

    return types.I1_IN(), codegen


def pointer_call(target):
    """An intrinsic that calls the C entry point (`Kernel.address`) of a kernel with the signature `target`."""

    @intrinsic
    def call(typingctx, address, arguments):
        called = as_numba(target)

        def codegen(context, builder, signature, args):
            values = [
                context.cast(builder, value, actual, declared)
                for value, actual, declared in zip(
                    [builder.extract_value(args[1], i) for i in range(len(called.args))],
                    signature.args[1].types,
                    called.args,
                    strict=True,
                )
            ]
            kinds = [context.get_value_type(kind) for kind in called.args]
            function = ir.FunctionType(context.get_value_type(called.return_type), kinds)
            result = builder.call(builder.inttoptr(args[0], function.as_pointer()), values)
            return context.get_dummy_value() if called.return_type == as_numba(types.void) else result

        return types.Signature(called.return_type, (types.int64, arguments)), codegen

    return call


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
def whole_number(typingctx, x, i):
    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load(builder.gep(data, [args[1]]))

    return types.int64(x, types.int64), codegen


@intrinsic
def atomic_load(typingctx, x, i):
    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load_atomic(builder.gep(data, [args[1]]), "seq_cst", 8)

    return types.int64(x, types.int64), codegen


@intrinsic
def cycles(typingctx):
    def codegen(context, builder, signature, args):
        return builder.call(_extern(builder, "llvm.readcyclecounter", _I64), [])

    return types.int64(), codegen


@intrinsic
def relax(typingctx, spins):
    """One turn of a waiting loop: the CPU's pause, and every SPINS_BEFORE_YIELD turns the C library's sched_yield."""

    def codegen(context, builder, signature, args):
        builder.call(_extern(builder, "llvm.x86.sse2.pause", ir.VoidType()), [])
        many = builder.icmp_signed(">", args[0], ir.Constant(_I64, SPINS_BEFORE_YIELD))
        with builder.if_then(many):
            builder.call(_extern(builder, "sched_yield", ir.IntType(32)), [])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


def _extern(builder, name, result):
    """A function without arguments that LLVM or the C library has."""
    known = builder.module.globals.get(name)
    return known if known is not None else ir.Function(builder.module, ir.FunctionType(result, []), name)
