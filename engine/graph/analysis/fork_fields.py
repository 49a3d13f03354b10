"""Fields of forks that change what a layer gives, and that no layer here obeys: refused, but for the value that Caffe's
own layers stand for. (Those that are obeyed: `formats/caffe/fork_fields.py`, and the layers' own files.)"""

from __future__ import annotations

from ..ir.graph import Node

REFUSED = {  # message of a layer's parameters -> field -> what it does
    "batch_norm_param": {
        "disable_mean": "the mean is not subtracted",
        "disable_variance": "nothing is divided by the deviation",
    },
    "convolution_param": {
        "fusion_type": "a second bottom is added to the output",
        "shape_offset": "the output has another size",
    },
    "detection_output_param": {
        "normalized_bbox": "boxes are in pixels",
        "objectness_score": "boxes are refined in two steps",
    },
    "dropout_param": {"sample_weights_test": "values are dropped at random in the TEST phase as well"},
    "elu_param": {"lambda": "the output is multiplied"},
    "inner_product_param": {"normalize": "the weights are normalised"},
    "pooling_param": {"avg_include_pad": "a mean leaves out the padding"},
    "reshape_param": {"pixelshuffler": "pixels change places"},
}


def check_fork_fields(node: Node) -> None:
    """Raises node.error for such a field with another value than its default."""
    for message, fields in REFUSED.items():
        if node.message.HasField(message):
            for field, effect in fields.items():
                _check(node, getattr(node.message, message), field, effect)


def _check(node: Node, parameter, name: str, effect: str) -> None:
    field = parameter.DESCRIPTOR.fields_by_name[name]
    if getattr(parameter, name) != field.default_value:
        raise node.error(f"has {name}, by which {effect}: this field of a fork is not supported")
