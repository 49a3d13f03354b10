"""The layers by which the own code of Convolution and Deconvolution computes gradients.

The one is the other's adjoint, so the gradient of its bottom is the other layer, of the same weights, of dy. For a
convolution of stride 1 this is also a convolution with mirrored weights, which is faster. These layers are separate
nodes; the function that prepares the gradient prepares them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...compiler import signatures as types
from ...compiler.jit import F1, F1_IN, i64, kernel
from ...parameters.owner import Held, Parameters, Slice
from ..ir.graph import Blob, Node, Shape
from ..ir.op import NO_VALUES, Layers, count
from .channels import add_sums, channel_sums
from .windows import Convolution, Window


@kernel(types.void(F1_IN, i64, i64, i64, i64, F1))
def mirror_filters(w, groups, outputs, channels, taps, mirrored):
    """Writes mirrored [groups, channels, outputs, taps] from w [groups, outputs, channels, taps], taps last to
    first."""
    for g in range(groups):
        for o in range(outputs):
            for c in range(channels):  # mirrored[g, c, o] from w[g, o, c]
                at, to = ((g * outputs + o) * channels + c) * taps, ((g * channels + c) * outputs + o) * taps
                for t in range(taps):
                    mirrored[to + t] = w[at + taps - 1 - t]


def mirrored(node: Node, window: Window, top: Shape, bottom: Shape, layers: Layers):
    """A function (dys, dxs): convolutions of dy with mirrored weights, inputs and outputs exchanged."""
    before, after = (
        tuple(extent - 1 - pad for extent, pad in zip(window.extent, pads, strict=True))
        for pads in (window.before, window.after)
    )
    outputs, channels = window.outputs // window.group, window.channels // window.group
    twin = twin_of(node, "Convolution", replace(window, outputs=window.channels, before=before, after=after))
    owner = Parameters([Slice(node.name, 0, (window.channels, outputs, *window.kernel), 0)])
    own_weights = Held(owner, (0,))
    twin.weights, twin.held = own_weights.views(), own_weights
    run_twin, made_of = layers.prepare(twin, [top], [bottom]), None

    def adjoint(output_gradients, input_gradients):
        nonlocal made_of
        for dy, dx in zip(output_gradients, input_gradients, strict=True):
            if dx is not None:
                if made_of != (versions := node.held.versions()):
                    weights = node.weights[0].reshape(-1), window.group, outputs, channels, count(window.kernel)
                    mirror_filters.run(*weights, owner.vector)
                    own_weights.written()
                    made_of = versions
                run_twin([dy], [dx])

    return adjoint


def spread(node: Node, window: Window, top: Shape, bottom: Shape, layers: Layers):
    """A function (dys, dxs): deconvolutions of dy without padding, from which the bottom's pixels are taken; those that
    no window reaches get 0."""
    none = (0,) * len(window.size)
    twin = twin_of(node, "Deconvolution", replace(window, outputs=window.channels, before=none, after=none))
    lend_weights(node, twin)
    sides = zip(top[window.axis + 1 :], window.stride, window.extent, strict=True)
    extended = (*bottom[: window.axis + 1], *(stride * (side - 1) + extent for side, stride, extent in sides))
    run_twin = layers.prepare(twin, [top], [extended])
    whole = np.empty(extended, np.float32)
    source = tuple(slice(p, p + i) for p, i in zip(window.before, window.size, strict=True))
    source = (..., *source) if source else (...,)
    reached = whole[source].shape[window.axis + 1 :]
    target = (..., *(slice(0, side) for side in reached))

    def adjoint(output_gradients, input_gradients):
        for dy, dx in zip(output_gradients, input_gradients, strict=True):
            if dx is not None:
                run_twin([dy], [whole])
                dx.fill(0)
                dx[target] = whole[source]

    return adjoint


def twin_of(node: Node, kind: str, window: Window) -> Node:
    """A node of this window without bias, in place of `node`."""
    attributes = Convolution(
        window.outputs, window.kernel, window.stride, window.before, window.after, window.dilation, window.group,
        window.axis, bias_term=False,
    )  # fmt: skip
    return Node(node.name, kind, [Blob("dy")], [Blob("dx")], attributes, phase=node.phase)


def lend_weights(node: Node, twin: Node) -> None:
    """Let `twin` have the filters of `node`."""
    twin.weights, twin.held = node.weights[:1], Held(node.held.owner, node.held.numbers[:1])


def bias_sums(window: Window, top: Shape):
    sums = np.empty(window.outputs), np.empty(window.outputs)

    def add(output_gradients, gradient):
        for dy in output_gradients:
            channel_sums.run(
                NO_VALUES, dy.reshape(-1), window.outer, window.outputs, count(top, window.axis + 1), *sums
            )
            add_sums(gradient, sums[0])

    return add
