"""Views without reference counts, and plain indexing.

    view1(x, at, n)            x.flat[at:at+n] as a 1-D array; of a uint8 array, n float32 from byte `at` on
    view2(x, at, rows, cols)   x.flat[at:at+rows*cols] as a C-contiguous 2-D array
    no_rows()                  an empty int64 array: no row numbers
    whole_number(x, i)         x[i] of an int64 array, i not negative (a plain index tests for that, in every loop)
    double(x, at)              the float64 from byte `at` of a uint8 array on;  store_double(x, at, value)
    bytes_at(a)  words_at(a)   the memory from the address `a` on, as a uint8, an int64 array of unknown size

Views own nothing: making one costs no atomic reference count, for which threads would contend, and they must not
outlive the array.
"""

from __future__ import annotations

from ..compiler import signatures as types
from ..compiler.jit import intrinsic
from ..compiler.llvm_ir import ir
from .llvm import I64, element_pointer, require_array, require_memory


def _view(context, builder, array_type, pointer, shape):
    from numba.np.arrayobj import populate_array

    view = context.make_array(array_type)(context, builder)
    strides = [ir.Constant(I64, 4)]
    for extent in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], extent))
    populate_array(view, data=pointer, shape=shape, strides=strides, itemsize=ir.Constant(I64, 4), meminfo=None)
    return view._getvalue()


@intrinsic
def view1(typingctx, x, at, n):
    require_memory(x)
    made = types.ArrayType(types.float32, 1, readonly=not x.mutable)

    def codegen(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[0], args[0], args[1])
        return _view(context, builder, signature.return_type, pointer, [args[2]])

    return made(x, types.int64, types.int64), codegen


@intrinsic
def view2(typingctx, x, at, rows, columns):
    require_array(x)
    made = types.ArrayType(types.float32, 2, readonly=not x.mutable)

    def codegen(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[0], args[0], args[1])
        return _view(context, builder, signature.return_type, pointer, [args[2], args[3]])

    return made(x, types.int64, types.int64, types.int64), codegen


@intrinsic
def no_rows(typingctx):
    def codegen(context, builder, signature, args):
        from numba.np.arrayobj import populate_array

        view, zero = context.make_array(signature.return_type)(context, builder), ir.Constant(I64, 0)
        pointer = ir.Constant(I64.as_pointer(), None)
        eight = ir.Constant(I64, 8)
        populate_array(view, data=pointer, shape=[zero], strides=[eight], itemsize=eight, meminfo=None)
        return view._getvalue()

    return types.I1_IN(), codegen


@intrinsic
def whole_number(typingctx, x, i):
    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load(builder.gep(data, [args[1]]))

    return types.int64(x, types.int64), codegen


@intrinsic
def double(typingctx, x, at):
    require_memory(x)

    def codegen(context, builder, signature, args):
        return builder.load(element_pointer(context, builder, signature.args[0], args[0], args[1], ir.DoubleType()))

    return types.float64(x, types.int64), codegen


@intrinsic
def store_double(typingctx, x, at, value):
    require_memory(x)

    def codegen(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[0], args[0], args[1], ir.DoubleType())
        builder.store(args[2], pointer)
        return context.get_dummy_value()

    return types.void(x, types.int64, types.float64), codegen


def _memory_at(kind, item):
    @intrinsic
    def memory_at(typingctx, address):
        def codegen(context, builder, signature, args):
            from numba.np.arrayobj import populate_array

            view, size = context.make_array(signature.return_type)(context, builder), ir.Constant(I64, item)
            pointer = builder.inttoptr(args[0], ir.IntType(8 * item).as_pointer())
            populate_array(view, data=pointer, shape=[I64(0)], strides=[size], itemsize=size, meminfo=None)
            return view._getvalue()

        return kind(types.int64), codegen

    return memory_at


bytes_at, words_at = _memory_at(types.U1, 1), _memory_at(types.I1, 8)
