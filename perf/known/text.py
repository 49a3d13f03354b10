"""Layers as text that several of the nets have."""

from __future__ import annotations

from ..suites.caffe_nets import convolution, in_place, layer, pooling

MAX2 = "pool: MAX kernel_size: 2 stride: 2"
MAX3 = "pool: MAX kernel_size: 3 stride: 2"


def title(name: str, *shape: int, blob: str = "data") -> str:
    """The start of a file of 2014, before there were Input layers."""
    return f'name: "{name}"\ninput: "{blob}"\n' + "".join(f"input_dim: {size}\n" for size in shape)


def relu(name: str, blob: str) -> str:
    return in_place("ReLU", name, blob)


def conv_relu(name: str, bottom: str, outputs: int, kernel: int, rest: str = "") -> str:
    return convolution(name, bottom, outputs, kernel, rest) + relu(f"relu_{name}", name)


def vgg16(bottom: str = "data", first_pad: int = 1, pool: str = MAX2, last_pool: bool = True) -> str:
    """Simonyan and Zisserman 2014: thirteen convolutions, conv1_1 to conv5_3, and pool1 to pool5."""
    net = ""
    for stage, (outputs, depth) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        for number in range(1, depth + 1):
            name, pad = f"conv{stage}_{number}", first_pad if stage == number == 1 else 1
            net += conv_relu(name, bottom, outputs, 3, f"pad: {pad}")
            bottom = name
        if stage < 5 or last_pool:
            net += pooling(f"pool{stage}", bottom, pool)
            bottom = f"pool{stage}"
    return net


def deconvolution(name: str, bottom: str, outputs: int, kernel: int, stride: int, rest: str = "") -> str:
    """Without a bias: bilinear upsampling, as trained nets have it."""
    sizes = f"num_output: {outputs} kernel_size: {kernel} stride: {stride} bias_term: false {rest}"
    return layer("Deconvolution", name, bottom, rest=f"convolution_param {{ {sizes} }}")


def crop(name: str, bottom: str, like: str, offset: int) -> str:
    return layer("Crop", name, f"{bottom} {like}", rest=f"crop_param {{ axis: 2 offset: {offset} }}")


def summed(name: str, bottoms: str) -> str:
    return layer("Eltwise", name, bottoms, rest="eltwise_param { operation: SUM }")


def reshaped(name: str, bottom: str, *dims: int) -> str:
    return layer("Reshape", name, bottom, rest=f"reshape_param {{ shape {{ {' '.join(f'dim: {n}' for n in dims)} }} }}")
