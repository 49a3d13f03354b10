"""Fields of forks that change a layer's result and are not supported: refused, except for the value that means Caffe's
own behaviour. (Supported ones: `formats/caffe/fork_fields.py`, and the layers' own files.)"""

from __future__ import annotations

REFUSED = {  # message of a layer's parameters -> field -> its effect
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
    "reshape_param": {"pixelshuffler": "pixels are rearranged"},
    "roi_pooling_param": {"pad_ratio": "regions are enlarged"},
}


def refused_field(layer) -> str:
    """Why a layer of this message does not run: such a field with another value than its default. "" for none."""
    for message, fields in REFUSED.items():
        parameter = getattr(layer, message)
        for name, effect in fields.items() if layer.HasField(message) else ():
            if getattr(parameter, name) != parameter.DESCRIPTOR.fields_by_name[name].default_value:
                return f"has {name}, by which {effect}: this field of a fork is not supported"
    return ""
