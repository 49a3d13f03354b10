"""Nets that name one class of a picture."""

from __future__ import annotations

from ..suites.caffe_nets import convolution, in_place, layer, pooling, product
from .text import MAX3, conv_relu, relu, title

LRN = "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }"
# outputs: 1 x 1, 3 x 3 and what narrows for it, 5 x 5 likewise, behind the pooling
INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def old_layer(kind: str, name: str, bottom: str, top: str, rest: str = "") -> str:
    """Of version 1 of the format: `layers`, and types in capitals without quotes."""
    return f'layers {{ name: "{name}" type: {kind} bottom: "{bottom}" top: "{top}" {rest} }}\n'


def age() -> str:
    """Levi and Hassner 2015: three convolutions, eight classes of age (two of gender); a file of version 1."""
    net, bottom = title("CaffeNet", 1, 3, 227, 227), "data"
    for number, (outputs, sizes) in enumerate(
        ((96, "kernel_size: 7 stride: 4"), (256, "pad: 2 kernel_size: 5"), (384, "pad: 1 kernel_size: 3")), 1
    ):
        name, pool, norm = f"conv{number}", f"pool{number}", f"norm{number}"
        net += old_layer("CONVOLUTION", name, bottom, name, f"convolution_param {{ num_output: {outputs} {sizes} }}")
        net += old_layer("RELU", f"relu{number}", name, name)
        net += old_layer("POOLING", pool, name, pool, f"pooling_param {{ {MAX3} }}")
        net += old_layer("LRN", norm, pool, norm, LRN) if number < 3 else ""
        bottom = norm if number < 3 else pool
    for number in (6, 7):
        name = f"fc{number}"
        net += old_layer("INNER_PRODUCT", name, bottom, name, "inner_product_param { num_output: 512 }")
        net += old_layer("RELU", f"relu{number}", name, name)
        net += old_layer("DROPOUT", f"drop{number}", name, name, "dropout_param { dropout_ratio: 0.5 }")
        bottom = name
    net += old_layer("INNER_PRODUCT", "fc8", bottom, "fc8", "inner_product_param { num_output: 8 }")
    return net + old_layer("SOFTMAX", "prob", "fc8", "prob")


def googlenet(classes: int = 365) -> str:
    """Szegedy and others 2014, for the 365 kinds of places."""
    net = title("GoogleNet", 1, 3, 224, 224)
    net += conv_relu("conv1/7x7_s2", "data", 64, 7, "pad: 3 stride: 2") + pooling("pool1/3x3_s2", "conv1/7x7_s2", MAX3)
    net += layer("LRN", "pool1/norm1", "pool1/3x3_s2", rest=LRN)
    net += conv_relu("conv2/3x3_reduce", "pool1/norm1", 64, 1) + conv_relu(
        "conv2/3x3", "conv2/3x3_reduce", 192, 3, "pad: 1"
    )
    net += layer("LRN", "conv2/norm2", "conv2/3x3", rest=LRN) + pooling("pool2/3x3_s2", "conv2/norm2", MAX3)
    bottom = "pool2/3x3_s2"
    for name, outputs in INCEPTIONS.items():
        net += _inception(f"inception_{name}", bottom, *outputs)
        bottom = f"inception_{name}/output"
        if name in ("3b", "4e"):
            net += pooling(f"pool{int(name[0])}/3x3_s2", bottom, MAX3)
            bottom = f"pool{int(name[0])}/3x3_s2"
    net += pooling("pool5/7x7_s1", bottom, "pool: AVE kernel_size: 7 stride: 1")
    net += in_place("Dropout", "pool5/drop_7x7_s1", "pool5/7x7_s1", "dropout_param { dropout_ratio: 0.4 }")
    return net + product("loss3/classifier", "pool5/7x7_s1", classes) + layer("Softmax", "prob", "loss3/classifier")


def _inception(name: str, bottom: str, one: int, to_three: int, three: int, to_five: int, five: int, pool: int) -> str:
    def branch(kind: str, source: str, outputs: int, kernel: int, pad: int = 0) -> str:
        made = convolution(f"{name}/{kind}", source, outputs, kernel, f"pad: {pad}")
        return made + relu(f"{name}/relu_{kind}", f"{name}/{kind}")

    net = branch("1x1", bottom, one, 1)
    net += branch("3x3_reduce", bottom, to_three, 1) + branch("3x3", f"{name}/3x3_reduce", three, 3, 1)
    net += branch("5x5_reduce", bottom, to_five, 1) + branch("5x5", f"{name}/5x5_reduce", five, 5, 2)
    net += pooling(f"{name}/pool", bottom, "pool: MAX kernel_size: 3 stride: 1 pad: 1")
    net += branch("pool_proj", f"{name}/pool", pool, 1)
    return net + layer(
        "Concat", f"{name}/output", " ".join(f"{name}/{kind}" for kind in ("1x1", "3x3", "5x5", "pool_proj"))
    )
