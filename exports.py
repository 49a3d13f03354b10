"""Trained nets for other programs: ONNX models, checked against onnxruntime, C, and safetensors files of the weights.

    caffe64.export_onnx(net, "net.onnx")
    caffe64.export_c(net, "net.c")
    caffe64.export_safetensors(net, "net.safetensors")

The first and the last take Caffe nets as well (`caffe/export.py`).
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, overload

import numpy as np

from . import __version__
from .arguments import RUNTIME_FLOOR, TOLERANCE, file_name, flag, instance, not_negative, seed_number
from .caffe.export import export_onnx as export_caffe_onnx
from .caffe.export import export_safetensors as export_caffe_safetensors
from .caffe.export import metadata_texts, require
from .caffe.net import CaffeNet
from .engine.compiler.support import obstacle
from .engine.graph.verification.difference import Difference, check_close, difference
from .engine.textnet.model import Model
from .engine.textnet.named_arrays import layer_arrays, tensor_shapes
from .engine.textnet.writers.c_file import c_file
from .engine.textnet.writers.c_text import identifier
from .engine.textnet.writers.finished import FinishedNet, Outside, finish
from .errors import CheckFailed, UsageError
from .formats.atomic import write_atomically
from .formats.network import format_network

if TYPE_CHECKING:
    from .api import Net
    from .tables.bundle import Bundle

COMPARED_ROWS = 64
A_NET = "a caffe64.Net, Bundle or CaffeNet"


@overload
def export_onnx(
    net: Net | Bundle,
    path: str | os.PathLike[str],
    *,
    metadata: Mapping[str, str] | None = None,
    tolerance: float = TOLERANCE,
    floor: float = RUNTIME_FLOOR,
    seed: int = 0,
) -> list[Difference] | None: ...
@overload
def export_onnx(
    net: CaffeNet,
    path: str | os.PathLike[str],
    *,
    outputs: Sequence[str] | None = None,
    metadata: Mapping[str, str] | None = None,
    tolerance: float = TOLERANCE,
    floor: float = RUNTIME_FLOOR,
    seed: int = 0,
    half: bool = False,
) -> list[Difference] | None: ...
def export_onnx(
    net: Net | Bundle | CaffeNet,
    path: str | os.PathLike[str],
    *,
    outputs: Sequence[str] | None = None,
    metadata: Mapping[str, str] | None = None,
    tolerance: float = TOLERANCE,
    floor: float = RUNTIME_FLOOR,
    seed: int = 0,
    half: bool = False,
) -> list[Difference] | None:
    """Write a net as an ONNX model.

    A text net becomes x [N, F] -> y [N, K] for any N: y are what `predict` gives. The model's properties have the net's
    text as `net`. That of a `Bundle` has the scaling of its columns too, so that x are the values of a table, with 0
    and 1 for categories, and y are in units of its targets; its properties have `feature_names`, and `labels` or
    `target_names`, as JSON.

    A Caffe net is written as it is shaped now; the batch is free if every layer allows it. Of it, `outputs` are the
    blobs that are wanted, if not all unread ones (layers and inputs that none of them needs are left out); `half`:
    filters and matrices are stored as float16, and computed with as float32; the model is then that of the net with
    weights rounded so.

    `metadata` is added to the model's properties. Before it is written, the model runs in onnxruntime on random inputs:
    returns the difference of each output from the net's own, None if onnxruntime is not installed, and where kernels
    do not run, so that the net gives none: there it is only seen that the model runs, and gives finite values.

    Raises UsageError for a wrong argument, without the package onnx, and for a text net without weights or with a layer
    of your own; InputError that names layers of a Caffe net which ONNX cannot express, or with weights beyond float16
    for `half`; CheckFailed where an output differs by more than `tolerance` and `floor` allow (as in verify) or is not
    finite; OutputError.
    """
    given = _text_net(net)
    if given is None:
        net = instance("net", net, CaffeNet, A_NET)
        limits = {"tolerance": tolerance, "floor": floor}
        return export_caffe_onnx(net, path, outputs=outputs, metadata=metadata, **limits, seed=seed, half=half)
    _refuse("outputs", outputs is not None)
    _refuse("half", flag("half", half))
    tolerance, floor = not_negative("tolerance", tolerance), not_negative("floor", floor)
    path, metadata, seed = file_name(path), metadata_texts(metadata), seed_number(seed)
    require("onnx")
    from .engine.textnet.writers.onnx_model import text_net_model

    model, outside = given
    finished = finish(model, outside)
    exported = text_net_model(finished, __version__, metadata)
    differences = None
    if importlib.util.find_spec("onnxruntime"):
        from .engine.graph.frontends.onnx.compare import run_model

        inputs = _random_rows(finished, seed)
        [found] = run_model(exported, {"x": inputs})
        _check_finite(found["y"], "onnxruntime")
        if not obstacle():
            expected = _predict(model, outside, inputs)
            _check_finite(expected, "the net")
            differences = [difference("y", expected, found["y"], np.abs(expected).max(axis=0), floor)]
            check_close(differences, tolerance, floor, "onnxruntime differs")
    with write_atomically(path) as file:
        file.write(exported.SerializeToString())
    return differences


def export_c(net: Net | Bundle, path: str | os.PathLike[str]) -> str:
    """Write a text net as one file of C99 that needs nothing but the standard library; returns the name with which its
    functions begin: of the file `digits.c`, `digits_predict(const float *x, float *y)` and `digits_predict_rows`. In
    other names of files an underscore stands for what is neither a letter nor a digit of ASCII.

    The file of a `Bundle` has the scaling of its columns and targets too, and arrays of the names of its features, and
    labels or targets. Numbers are written so that they read back bit for bit. Raises UsageError for a wrong argument, a
    net without weights, with a layer of your own, or wider than the C file's place on the stack; OutputError.
    """
    given = _text_net(net)
    if given is None:
        raise UsageError(f"net is of the type {type(net).__name__}, expected a caffe64.Net or a caffe64.Bundle")
    path = file_name(path)
    file = os.path.basename(path)
    name = identifier(file.removesuffix(".c"))
    shown = file if re.fullmatch(r"[\w.+-]+", file, re.ASCII) else f"{name}.c"
    pieces = c_file(finish(*given), name, shown, __version__)
    with write_atomically(path, "w") as output:
        output.writelines(pieces)
    return name


def export_safetensors(
    net: Net | Bundle | CaffeNet,
    path: str | os.PathLike[str],
    *,
    metadata: Mapping[str, str] | None = None,
    half: bool = False,
) -> list[str]:
    """Write the weights of a net as safetensors; returns the names of the arrays.

    Of a text net, or that of a bundle: float32, `layers.1.W` for `net.layers[1].W`; the file's metadata holds the net's
    text as `net`, of a bundle also its columns.json, with the scaling, as `columns`. `Net.load`, and every command that
    takes WEIGHTS, reads them back.

    Of a Caffe net: float32 in Caffe's shapes, as LAYER.weight, LAYER.bias, of BatchNorm .mean, .variance and .factor,
    the sums and their factor as Caffe keeps them, of BN also .mean and .variance. `half`: filters and matrices as
    float16. `load_safetensors`, and all that takes a .caffemodel, reads them back. The file's metadata holds the net as
    `prototxt`, unless Caffe does not have its layers.

    `metadata` are more texts, by key. Raises UsageError for a wrong argument, without the package safetensors, and for
    a text net without weights; InputError for weights beyond float16; OutputError.
    """
    given = _text_net(net)
    if given is None:
        return export_caffe_safetensors(instance("net", net, CaffeNet, A_NET), path, metadata=metadata, half=half)
    _refuse("half", flag("half", half))
    path, metadata = file_name(path), metadata_texts(metadata)
    require("safetensors")
    from safetensors.numpy import save

    model, _ = given
    tensors = {
        name: np.ascontiguousarray(array)
        for shapes, arrays in zip(tensor_shapes(model.plan), layer_arrays(model), strict=True)
        for name, array in zip(shapes, arrays.values(), strict=True)
    }
    texts = {"caffe64": __version__, "net": format_network(model.plan.spec), **_columns_text(net), **metadata}
    with write_atomically(path) as file:
        file.write(save(tensors, texts))
    return list(tensors)


def _text_net(net: object) -> tuple[Model, Outside] | None:
    """A text net, or that of a bundle, and what is around it; None for others."""
    if isinstance(net, Model):
        return net, Outside()
    from .tables.bundle import Bundle

    if not isinstance(net, Bundle):
        return None
    columns = net.columns
    if columns is None:
        return net.net, Outside()
    features, names, shift, factor = tuple(columns.feature_names), tuple(columns.output_names), None, None
    if (columns.shift != 0).any() or (columns.factor != 1).any():
        shift, factor = columns.shift, columns.factor
    if columns.labels is not None:
        return net.net, Outside(shift, factor, feature_names=features, labels=names)
    if not columns.scales_targets:
        return net.net, Outside(shift, factor, feature_names=features, target_names=names)
    targets = columns.target_shift, columns.target_factor
    return net.net, Outside(shift, factor, *targets, features, target_names=names)


def _columns_text(net: object) -> dict[str, str]:
    """The columns of a bundle for metadata, if it has some."""
    from .tables.bundle import Bundle
    from .tables.columns_json import columns_to_json

    return {"columns": columns_to_json(net.columns)} if isinstance(net, Bundle) and net.columns else {}


def _refuse(name: str, given: bool) -> None:
    if given:
        raise UsageError(f"{name} is for a Caffe net, and the net is a text net")


def _random_rows(net: FinishedNet, seed: int) -> np.ndarray:
    """Inputs [COMPARED_ROWS, F] that are N(0, 1) where the first layer reads them."""
    rows = np.random.default_rng(seed).standard_normal((COMPARED_ROWS, net.features), np.float32)
    if net.outside.factor is not None:
        rows /= np.where(net.outside.factor == 0, 1, net.outside.factor)
    if net.outside.shift is not None:
        rows += net.outside.shift
    return rows.astype(np.float32, copy=False)


def _predict(net: Model, outside: Outside, rows: np.ndarray) -> np.ndarray:
    if outside.shift is not None:
        rows = rows - outside.shift
    if outside.factor is not None:
        rows = rows * outside.factor
    outputs: np.ndarray = net.predict(rows)
    if outside.target_factor is not None and outside.target_shift is not None:
        outputs = outputs / outside.target_factor + outside.target_shift
    return outputs


def _check_finite(values: np.ndarray, subject: str) -> None:
    if count := values.size - int(np.isfinite(values).sum()):
        raise CheckFailed(f"{subject}: {count:,} of {values.size:,} outputs are not finite, of finite inputs")
