"""The attributes of each layer type, as read from its message. Most have the names of its fields; a layer type that is
not listed here has none."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from typing import Any

import numpy as np

from ...ir.filler import Filler
from ...ir.graph import BlobSpec, Node
from ...ir.op import Op
from ...ops import (
    arrangement,
    batch_norm,
    dropout,
    eltwise,
    inner_product,
    losses,
    normalise,
    parameters,
    piecewise,
    powers,
    reductions,
    register,
    relu,
    scale,
    smooth,
    softmax,
    views,
)
from . import detection, forks_curves, forks_moves, forks_norm, forks_regions, inputs, rarer_layers, recurrent, windows
from .fields import Reader, by_name, is_message, read_fields, writes


def _by_axis(kind: type, parameter: str, legacy: str) -> Reader:
    """A reader for a layer whose axis may be given by an older, unsigned field."""

    def read(node: Node, layer):
        message = getattr(layer, parameter)
        if not message.HasField(legacy):
            return read_fields(kind, message)
        if message.HasField("axis"):
            raise node.error(f"has both axis and {legacy}", "one of them")
        return read_fields(kind, message, axis=getattr(message, legacy))

    return Reader(read, by_name(kind, parameter).write)


def _read_reshape(node: Node, layer) -> views.Reshape:
    parameter = layer.reshape_param
    return read_fields(views.Reshape, parameter, dims=tuple(parameter.shape.dim))


def _write_dims(layer, dims: tuple[int, ...]) -> None:
    del layer.reshape_param.shape.dim[:]
    layer.reshape_param.shape.dim.extend(dims)


def _read_parameter(node: Node, layer) -> parameters.ParameterBlob:
    return parameters.ParameterBlob(tuple(layer.parameter_param.shape.dim))


def _write_parameter(layer, shape: tuple[int, ...]) -> None:
    del layer.parameter_param.shape.dim[:]
    layer.parameter_param.shape.dim.extend(shape)


def _read_softmax_loss(node: Node, layer) -> losses.SoftmaxLoss:
    loss, axis = layer.loss_param, layer.softmax_param.axis
    return read_fields(losses.SoftmaxLoss, loss, axis=axis, normalization=_normalization(loss, losses.NORMALIZE_VALID))


def _read_cross_entropy(node: Node, layer) -> losses.CrossEntropy:
    loss = layer.loss_param
    return read_fields(losses.CrossEntropy, loss, normalization=_normalization(loss, losses.NORMALIZE_BATCH_SIZE))


def _normalization(loss, default: int) -> int:
    """The divisor of a sum. The older `normalize` counts only where `normalization` is not given."""
    if loss.HasField("normalization"):
        return loss.normalization
    if loss.HasField("normalize"):
        return losses.NORMALIZE_VALID if loss.normalize else losses.NORMALIZE_BATCH_SIZE
    return default


PERMISSIVE = 1  # ParamSpec.share_mode
NORM_STATISTICS = 3  # blobs of a BatchNorm
READERS: dict[str, Reader] = {
    **inputs.READERS,
    **windows.READERS,
    **detection.READERS,
    **forks_moves.READERS,
    **forks_regions.READERS,
    **forks_curves.READERS,
    **rarer_layers.READERS,
    **recurrent.READERS,
    **forks_norm.READERS,
    "Accuracy": by_name(losses.Accuracy, "accuracy_param"),
    "ArgMax": by_name(reductions.ArgMax, "argmax_param"),
    "BatchNorm": by_name(batch_norm.BatchNorm, "batch_norm_param"),
    "Bias": by_name(scale.Bias, "bias_param", filler=0.0),
    "Clip": by_name(piecewise.Clip, "clip_param"),
    "Concat": _by_axis(arrangement.Concat, "concat_param", "concat_dim"),
    "Crop": by_name(arrangement.Crop, "crop_param"),
    "Dropout": by_name(dropout.Dropout, "dropout_param"),
    "ELU": by_name(smooth.ELU, "elu_param"),
    "Eltwise": by_name(eltwise.Eltwise, "eltwise_param"),
    "Embed": by_name(parameters.Embed, "embed_param", weight_filler=0.0, bias_filler=0.0),
    "Exp": by_name(powers.Exp, "exp_param"),
    "Flatten": by_name(views.Flatten, "flatten_param"),
    "HingeLoss": by_name(losses.HingeLoss, "hinge_loss_param"),
    "InnerProduct": by_name(inner_product.InnerProduct, "inner_product_param", weight_filler=0.0, bias_filler=0.0),
    "LRN": by_name(normalise.LRN, "lrn_param"),
    "Log": by_name(powers.Log, "log_param"),
    "MVN": by_name(normalise.MVN, "mvn_param"),
    "Normalize": by_name(reductions.Normalize, "norm_param"),
    "PReLU": by_name(relu.PReLU, "prelu_param", filler=0.25),
    "Parameter": Reader(_read_parameter, {"shape": _write_parameter}),
    "Permute": by_name(arrangement.Permute, "permute_param"),
    "Power": by_name(powers.Power, "power_param"),
    "ReLU": by_name(relu.ReLU, "relu_param"),
    "Reduction": by_name(reductions.Reduction, "reduction_param"),
    "Reshape": Reader(
        _read_reshape,
        {"dims": _write_dims, **{name: writes("reshape_param", name) for name in ("axis", "num_axes")}},
    ),
    "Scale": by_name(scale.Scale, "scale_param", filler=1.0, bias_filler=0.0),
    "SigmoidCrossEntropyLoss": Reader(_read_cross_entropy),
    "Slice": _by_axis(arrangement.Slicing, "slice_param", "slice_dim"),
    "Softmax": by_name(softmax.Softmax, "softmax_param"),
    "SoftmaxWithLoss": Reader(_read_softmax_loss),
    "Swish": by_name(smooth.Swish, "swish_param"),
    "Threshold": by_name(piecewise.Threshold, "threshold_param"),
    "Tile": by_name(arrangement.Tile, "tile_param"),
}


NONE = Reader(lambda node, layer: None)


def read_attributes(node: Node, layer) -> Any:
    """The attributes that a LayerParameter gives a node. Raises node.error(...)."""
    return READERS.get(node.type, NONE).read(node, layer)


def read_fillers(node: Node, layer) -> tuple[Filler, ...]:
    """How the node's blobs are filled, one each; none where all are 0."""
    return READERS.get(node.type, NONE).fillers(layer)


def write_attributes(node: Node, layer) -> None:
    """Write the attributes that differ into `layer`, from which the node was read, or which is empty. Raises
    node.error(...) where the file has no field for them."""
    reader, wanted = READERS[node.type], node.attributes
    before = read_attributes(node, layer) if is_message(node.origin, "LayerParameter") else None
    if wanted == before:
        return
    wanted = reader.said(wanted)
    for name, value in vars(wanted).items():
        if name in reader.write and (before is None or getattr(before, name) != value):
            with suppress(TypeError, ValueError):  # a value that the field cannot have, which is then another one
                reader.write[name](layer, value)
    for name, value in vars(reader.said(read_attributes(node, layer))).items():
        if not _same(value, getattr(wanted, name)):
            raise node.error(f"has {name} {getattr(wanted, name)}, which Caffe's format has no field for")


def _same(one: Any, other: Any) -> bool:
    """Equal, or the same float32."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float | int):
        return bool(np.float32(one) == np.float32(other))
    return one == other


def read_blob_specs(layer) -> tuple[BlobSpec, ...]:
    """What a LayerParameter says of each of the layer's first blobs."""
    specs = tuple(
        BlobSpec(
            spec.name,
            spec.lr_mult if spec.HasField("lr_mult") else None,
            spec.decay_mult if spec.HasField("decay_mult") else None,
            spec.share_mode == PERMISSIVE,
        )
        for spec in layer.param
    )
    if layer.type == "BatchNorm":
        every = (*specs, *[BlobSpec()] * (NORM_STATISTICS - len(specs)))
        return tuple(dataclasses.replace(spec, is_statistic=True) for spec in every)
    return forks_norm.bn_specs(layer, specs) if layer.type == "BN" else specs


def register_op(op: Op, reader: Reader = NONE) -> Op:
    """Make a layer type of the caller's own known: to graphs, and to Caffe's files, whose messages of its parameters
    `reader` reads. Raises UsageError for a type of the package's."""
    READERS[register(op).type] = reader
    return op
