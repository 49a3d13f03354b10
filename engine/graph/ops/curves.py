"""Element-wise functions as layers: one call of a kernel, by the function's kind and two numbers.

The functions themselves are in `smooth.py` and `piecewise.py`, and ReLU's in `relu.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from ...compiler.cpu import LANES
from ...compiler.jit import Kernel, inline
from ...vectors import simd
from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run, no_curve, same_shape

SMOOTH = TANH, SIGMOID, SWISH, ELU_CURVE, EXP, MISH, SOFTPLUS = range(7)  # of `smooth.py`
ABSOLUTE, CLIP, THRESHOLD, LINEAR, HARD_SIGMOID, HARD_SWISH, CAPPED = range(7, 14)  # of `piecewise.py`
RECTIFIED = 14  # ReLU and PReLU, `relu.py`
Parameters = Callable[[Node], tuple[int, float, float]]


@inline
def apply(function, x, y, a, b):
    """y = function(x, a, b): one loop per function, as a choice inside the loop takes longer than most of them."""
    first, second, whole = simd.broadcast(a), simd.broadcast(b), x.size // LANES * LANES
    for i in range(0, whole, LANES):
        simd.store(y, i, function(simd.load(x, i), first, second))
    if whole < x.size:
        v = simd.load_part(x, whole, x.size - whole)
        simd.store_part(y, whole, function(v, first, second), x.size - whole)


@inline
def apply_slope(function, x, y, dy, dx, a, b):
    first, second, whole = simd.broadcast(a), simd.broadcast(b), x.size // LANES * LANES
    for i in range(0, whole, LANES):
        simd.store(dx, i, function(simd.load(x, i), simd.load(y, i), simd.load(dy, i), first, second))
    if whole < x.size:
        left = x.size - whole
        v, w, d = simd.load_part(x, whole, left), simd.load_part(y, whole, left), simd.load_part(dy, whole, left)
        simd.store_part(dx, whole, function(v, w, d, first, second), left)


def calling(curve: Kernel, parameters: Parameters) -> Callable:
    """The `prepare` of a layer that is one call of a kernel with kind, a and b from `parameters`."""

    def prepare(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
        arguments = parameters(node)
        return lambda inputs, outputs: curve.run(inputs[0].reshape(-1), outputs[0].reshape(-1), *arguments)

    return prepare


def calling_gradient(slope: Kernel, parameters: Parameters) -> Callable:
    """The `prepare` of a layer that is one call of the kernel `slope` with its kind, a and b."""

    def prepare(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
        arguments = parameters(node)

        def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
            arrays = inputs[0], outputs[0], output_gradients[0], input_gradients[0]
            slope.run(*(array.reshape(-1) for array in arrays), *arguments)

        return back

    return prepare


def curve(
    kind: str,
    parameters: Parameters,
    kernel: Kernel,
    slope: Kernel | None,
    *,
    shapes: Callable[[Node, list[Shape]], list[Shape]] = same_shape,
    in_place: bool = True,
) -> Op:
    """A layer that is one call of a kernel, whose gradient is one of `slope`, or that has none. `parameters` gives the
    kind of the function, a and b."""
    gradient = Gradient(calling_gradient(slope, parameters), kernels=(slope,)) if slope else None
    prepare = calling(kernel, parameters)
    return Op(
        kind,
        shapes,
        prepare,
        in_place=in_place,
        kernels=(kernel,),
        gradient=gradient,
        curve=parameters if in_place else no_curve,
    )
