"""`load_safetensors`: the weights that `export_safetensors` wrote, back into a net."""

from __future__ import annotations

import os

from ..arguments import file_name, instance
from ..errors import InputError
from ..formats.safetensors import read_safetensors
from .export import named_weights
from .net import NET, CaffeNet

MOST_NAMED = 5


def load_safetensors(net: CaffeNet, path: str | os.PathLike[str]) -> list[str]:
    """Give a net the weights of a .safetensors file, F32, F16, BF16 or F64, by the names that `export_safetensors`
    gives them; returns the names of tensors that the net does not have.

    Nothing is written before all are known to fit. Raises InputError for a damaged file, and one that lacks a tensor or
    has one of another shape or type; UsageError for a wrong argument. (`load_caffe` takes such a file as the model.)
    """
    instance("net", net, CaffeNet, NET)
    file, wanted = read_safetensors(file_name(path)), named_weights(net.graph)
    if missing := [repr(name) for name in wanted if name not in file.tensors]:
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        has = ", ".join(map(repr, list(file.tensors)[:MOST_NAMED])) or "nothing"
        raise InputError(
            path, f"has no {', '.join(missing[:MOST_NAMED])}{more}", "the weights of this net", f"it has {has}"
        )
    for name, blob in wanted.items():
        if file.tensors[name].shape != blob.shape:
            raise InputError(path, f"{name!r} has the shape {list(file.tensors[name].shape)}", f"{list(blob.shape)}")
    values = {name: file.floats(name) for name in wanted}
    for name, blob in wanted.items():
        blob[...] = values[name]
    for node in net.graph.nodes:
        if node.held:
            node.held.written()
    return [name for name in file.tensors if name not in wanted]
