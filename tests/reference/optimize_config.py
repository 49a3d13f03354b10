"""A small net, and the config.ini that the older tool would have for it."""

from __future__ import annotations

import numpy as np

import caffe64

DATA = """
layer { name: "pictures" type: "Data" top: "data" top: "label" include { phase: TRAIN } data_param { batch_size: 5 } }
layer { name: "pictures" type: "Data" top: "data" top: "label" include { phase: TEST } TRANSFORM
  data_param { batch_size: 2 } }
"""
BODY = """
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 4 kernel_size: 3
  bias_filler { value: 0.5 } weight_filler { type: "xavier" } } }
layer { name: "bn" type: "BatchNorm" bottom: "c" top: "bn" }
layer { name: "r" type: "ReLU" bottom: "bn" top: "r" }
layer { name: "drop" type: "Dropout" bottom: "r" top: "drop" }
layer { name: "fc" type: "InnerProduct" bottom: "drop" top: "fc"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
"""
LOSS = """
layer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""
INPUT = 'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ {} }} }} }}'
STOCK = {
    "pycaffe_path": "/home/me/caffe/python",
    "original_prototxt_path": "./model/net.prototxt",
    "original_model_path": "./model/net.caffemodel",
    "optimized_prototxt_path": "./model/opt.prototxt",
    "optimized_model_path": "./model/opt.caffemodel",
    "merge_bn_scale": "yes ",
    "merge_input_scale": "yes",
    "merge_input_mean": "yes",
    "mean_proto_path": "./data/mean.npy",
    "mean_R": "12.5",
    "mean_G": "11",
    "mean_B": "10",
    "input_scale": "0.25",
    "H": "8",
    "W": "6",
    "C": "3",
    "merge_dropout": "yes",
    "merge_inplace_memory": "yes",
}
PIXELS = np.random.default_rng(3).integers(0, 256, (2, 3, 8, 6)).astype(np.float32)


def write_config(**values):
    """The stock file, with comments as there; a value of None leaves its key out."""
    lines = [f"{key} = {value}" for key, value in {**STOCK, **values}.items() if value is not None]
    with open("config.ini", "w") as file:
        file.write("\n# yes / no\n\n".join(["[DEFAULT]", *lines]))


def place(key):
    """config.ini:LINE of a key."""
    with open("config.ini") as file:
        return f"config.ini:{[line.split(' = ')[0] for line in file].index(key) + 1}"


def write_net(text, shape=(2, 3, 8, 6)):
    """model/net.prototxt and model/net.caffemodel, with weights for this shape."""
    with open("model/net.prototxt", "w") as file:
        file.write(text)
    net = caffe64.load_caffe("model/net.prototxt", seed=4, input_shapes={"data": shape})
    sums = net.params["bn"]
    sums[0].data[...], sums[1].data[...], sums[2].data[...] = [1, -2, 3, 0.5], [8, 9, 10, 11], 2
    net.save("model/net.prototxt", "model/net.caffemodel")


def outputs(prefix, data):
    """What a net gives before its loss."""
    net = caffe64.load_caffe(f"{prefix}.prototxt", f"{prefix}.caffemodel", input_shapes={"data": data.shape})
    net.forward(**{name: data if name == "data" else np.zeros(len(data)) for name in net.inputs})
    return net.blobs[net.graph.nodes[-1].bottoms[0].name].data.copy()


def assert_folded(data, prepared):
    """The net that was written gives for `data` what the one before gives for `prepared`."""
    expected = outputs("model/net", prepared)
    np.testing.assert_allclose(outputs("model/opt", data), expected, rtol=0, atol=1e-4 * np.abs(expected).max())
