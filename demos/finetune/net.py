"""A net for a new task from a trained one: its last layer under another name, with an output per new class.

A model's layers are found by their names: the renamed one has none there, and begins with what its filler draws.
"""

from __future__ import annotations

from pathlib import Path

from google.protobuf import text_format

import caffe64

ENDS = ("SoftmaxWithLoss", "Accuracy")


def net_of_task(prototxt: Path, classes: int, below: float) -> tuple[str, str]:
    """The text of the net, and the name of its new layer. The other layers learn `below` times as fast, 0: not at all,
    and their BatchNorms keep the statistics that they have. What lies between the last fully connected layer and the
    loss is left out."""
    net = caffe64.proto.caffe_pb2.NetParameter()
    text_format.Parse(prototxt.read_text(), net)
    last = max(number for number, layer in enumerate(net.layer) if layer.type == "InnerProduct")
    ends = [layer for layer in net.layer[last + 1 :] if layer.type in ENDS]
    del net.layer[last + 1 :]
    for layer in net.layer[:last]:
        for param in layer.param:
            param.lr_mult *= below
        if layer.type == "BatchNorm":
            layer.batch_norm_param.use_global_stats = True
        if layer.type == "Scale" and not layer.param:
            for _ in range(1 + layer.scale_param.bias_term):
                layer.param.add(lr_mult=below)
    task = net.layer[last]
    task.name, task.top[0] = f"{task.name}_task", "scores"
    task.inner_product_param.num_output = classes
    for layer in ends:
        layer.bottom[0] = "scores"
        net.layer.append(layer)
    return text_format.MessageToString(net), task.name
