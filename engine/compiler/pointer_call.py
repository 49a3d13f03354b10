"""Calls of kernels by address, so that one compiled loop runs every net, also nets of layers written later."""

from __future__ import annotations

from . import signatures as types
from .jit import intrinsic
from .llvm_ir import ir
from .signatures import as_numba


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
