"""The operators of vectors:  v + w   v - w   v * w   v / w   -v.   `vector_type.py` registers them with Numba."""

from __future__ import annotations

from ..compiler.jit import intrinsic
from ..compiler.signatures import vector
from .llvm import FLAGS


def _operation(instruction):
    @intrinsic
    def apply(typingctx, v, w):
        def codegen(context, builder, signature, args):
            return getattr(builder, instruction)(*args, flags=FLAGS)

        return vector(vector, vector), codegen

    return apply


add, subtract, multiply, divide = map(_operation, ("fadd", "fsub", "fmul", "fdiv"))


@intrinsic
def negate(typingctx, v):
    return vector(vector), lambda context, builder, signature, args: builder.fneg(args[0])
