"""Convolution, Deconvolution and InnerProduct.

ONNX wants [N, channels, spatial axes ...] with at least one spatial axis. A convolution along other axes, or without
spatial ones, gets this form by a Reshape before and one after.
"""

from __future__ import annotations

from ....ir.op import axis_of
from ....ops.windows import Window, window_of
from .builder import Builder, ExportedLayer


def convolution(builder: Builder, layer: ExportedLayer) -> None:
    window = window_of(layer.node, layer.bottoms)
    ends = [
        # Caffe's division truncates towards zero: one window may reach over the end of a picture smaller than it
        max(after, stride * (out - 1) + extent - size - before)
        for size, out, stride, extent, before, after in zip(
            window.size,
            layer.tops[0][window.axis + 1 :],
            window.stride,
            window.extent,
            window.before,
            window.after,
            strict=True,
        )
    ]
    _slide(builder, layer, window, "Conv", ends)


def deconvolution(builder: Builder, layer: ExportedLayer) -> None:
    window = window_of(layer.node, layer.bottoms)
    _slide(builder, layer, window, "ConvTranspose", window.after)


def _slide(builder: Builder, layer: ExportedLayer, window: Window, kind: str, ends) -> None:
    """One node for each bottom; all have the same weights."""
    blobs, spatial = layer.node.weights, window.kernel or (1,)
    operands = [builder.weight(0, (*blobs[0].shape[:2], *spatial))]
    if len(blobs) > 1:
        operands.append(builder.weight(1))
    attributes = {
        "kernel_shape": spatial,
        "strides": window.stride or (1,),
        "dilations": window.dilation or (1,),
        "pads": (*window.before, *ends) or (0, 0),
        "group": window.group,
    }
    plain = window.axis == 1 and window.size
    for number, (value, top) in enumerate(zip(layer.inputs, layer.outputs, strict=True)):
        if plain:
            builder.add(kind, [value, *operands], top, **attributes)
        else:
            value = builder.reshape(value, (-1, window.channels, *(window.size or (1,))))
            value = builder.add(kind, [value, *operands], **attributes)
            builder.reshape(value, layer.dims[number], top)


def inner_product(builder: Builder, layer: ExportedLayer) -> None:
    parameter, bottom = layer.attributes, layer.bottoms[0]
    axis = axis_of(layer.node, parameter.axis, len(bottom))
    value = layer.inputs[0] if (axis, len(bottom)) == (1, 2) else builder.add("Flatten", layer.inputs, axis=axis)
    operands = [value, *(builder.weight(number) for number in range(len(layer.node.weights)))]
    attributes = {"transB": int(not parameter.transpose)}
    if axis == 1:
        builder.add("Gemm", operands, layer.outputs, **attributes)
    else:
        builder.reshape(builder.add("Gemm", operands, **attributes), layer.dims[0], layer.outputs[0])


EXPORTS = {
    "Convolution": convolution,
    "ConvolutionDepthwise": convolution,
    "Deconvolution": deconvolution,
    "DepthwiseConvolution": convolution,
    "InnerProduct": inner_product,
}
