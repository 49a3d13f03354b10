"""Numba's side of the vector type of `simd.py`: what it is in LLVM, and its operators. Imported before compiling."""

from __future__ import annotations

import operator

from numba import types
from numba.extending import models, overload, register_model

from ..compiler.cpu import LANES
from .arithmetic import add, divide, multiply, negate, subtract
from .llvm import VECTOR


class VectorType(types.Type):
    """Numba's type of LANES float32 values in one register."""

    def __init__(self):
        super().__init__(name=f"f32x{LANES}")


vector_type = VectorType()


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, VECTOR)


def _overload_binary(function, apply):
    @overload(function)
    def vector_operator(v, w):
        if v is vector_type and w is vector_type:
            return lambda v, w: apply(v, w)
        return None


for _function, _apply in (
    (operator.add, add),
    (operator.sub, subtract),
    (operator.mul, multiply),
    (operator.truediv, divide),
):
    _overload_binary(_function, _apply)


@overload(operator.neg)
def _vector_negative(v):
    if v is vector_type:
        return lambda v: negate(v)
    return None
