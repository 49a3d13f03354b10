"""A small net in files, and pictures for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

import caffe64

NET = """
name: "small"
layer { name: "data" type: "Input" top: "data" TRANSFORM input_param { shape { dim: 1 dim: 3 dim: 8 dim: 6 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""


def write_net(folder: Path, transform: str = "", more: str = "") -> caffe64.CaffeNet:
    """small.prototxt and small.caffemodel, with a transform_param and further layers."""
    text = NET.replace("TRANSFORM", transform and f"transform_param {{ {transform} }}")
    (folder / "small.prototxt").write_text(text + more)
    net = caffe64.load_caffe(folder / "small.prototxt", seed=1)
    net.save(folder / "small.prototxt", folder / "small.caffemodel")
    return net


def write_picture(path: Path, width: int = 6, height: int = 8, seed: int = 0) -> np.ndarray:
    """A PNG of random pixels; returns them, uint8 [height, width, RGB]."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


TRAINED = """
name: "trained"
layer { name: "pictures" type: "Data" top: "data" top: "label" data_param { source: "pictures" batch_size: 10 } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 16 kernel_size: 5 stride: 2 weight_filler { type: "xavier" } } }
layer { name: "bn1" type: "BatchNorm" bottom: "conv1" top: "conv1" }
layer { name: "scale1" type: "Scale" bottom: "conv1" top: "conv1" scale_param { bias_term: true } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "ip1" type: "InnerProduct" bottom: "pool1" top: "ip1"
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "drop1" type: "Dropout" bottom: "ip1" top: "ip1" }
layer { name: "prob" type: "SoftmaxWithLoss" bottom: "ip1" bottom: "label" top: "prob" }
"""


def write_trained(prototxt, caffemodel) -> None:
    """A net as it is trained, from 3x32x32 pictures to 10 classes: with a data layer and a loss, and its weights."""
    Path(prototxt).write_text(TRAINED)
    net = caffe64.load_caffe(prototxt, seed=1, input_shapes={"data": (10, 3, 32, 32), "label": (10,)})
    net.params["bn1"][2].data[...] = 1
    net.params["bn1"][1].data[...] = 4
    net.save(f"{prototxt}.whole", caffemodel)
