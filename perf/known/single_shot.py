"""The two best-known SSD detectors, with all their boxes and their output layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..suites.caffe_nets import SCALED, convolution, in_place, layer, pooling
from .text import MAX3, conv_relu, relu, reshaped, summed, title

VARIANCE = "variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2"


class BoxSource(NamedTuple):
    """A blob that boxes are predicted from: their sizes, ratios, and what else its PriorBox says."""

    blob: str
    sizes: tuple[float, ...]
    ratios: tuple[int, ...]
    rest: str = ""

    @property
    def boxes(self) -> int:
        """Per pixel."""
        return len(self.sizes) + 2 * len(self.ratios)


def heads(sources: Sequence[BoxSource], classes: int, kernel: int, output: str) -> str:
    """Places and scores of the boxes of all sources, and DetectionOutput."""
    net = ""
    for source in sources:
        for kind, numbers in (("loc", 4), ("conf", classes)):
            name, pad = f"{source.blob}_mbox_{kind}", f"pad: {kernel // 2}"
            net += convolution(name, source.blob, source.boxes * numbers, kernel, pad)
            order = " ".join(f"order: {axis}" for axis in (0, 2, 3, 1))
            net += layer("Permute", f"{name}_perm", name, rest=f"permute_param {{ {order} }}")
            net += layer("Flatten", f"{name}_flat", f"{name}_perm", rest="flatten_param { axis: 1 }")
        ratios = " ".join(f"aspect_ratio: {ratio}" for ratio in source.ratios)
        sizes = " ".join(f"{kind}_size: {size:g}" for kind, size in zip(("min", "max"), source.sizes, strict=False))
        said = f"{sizes} {ratios} flip: true clip: false {VARIANCE} {source.rest}"
        net += layer(
            "PriorBox", f"{source.blob}_mbox_priorbox", f"{source.blob} data", rest=f"prior_box_param {{ {said} }}"
        )
    for kind, axis in (("loc_flat", 1), ("conf_flat", 1), ("priorbox", 2)):
        bottoms = " ".join(f"{source.blob}_mbox_{kind}" for source in sources)
        net += layer("Concat", f"mbox_{kind.removesuffix('_flat')}", bottoms, rest=f"concat_param {{ axis: {axis} }}")
    net += reshaped("mbox_conf_reshape", "mbox_conf", 0, -1, classes)
    net += layer("Softmax", "mbox_conf_softmax", "mbox_conf_reshape", rest="softmax_param { axis: 2 }")
    net += layer("Flatten", "mbox_conf_flatten", "mbox_conf_softmax", rest="flatten_param { axis: 1 }")
    said = f"num_classes: {classes} share_location: true background_label_id: 0 code_type: CENTER_SIZE {output}"
    bottoms = "mbox_loc mbox_conf_flatten mbox_priorbox"
    return net + layer("DetectionOutput", "detection_out", bottoms, rest=f"detection_output_param {{ {said} }}")


def res10_ssd() -> str:
    """The face detector of OpenCV's samples: SSD, 300 x 300, on ten convolutions with shortcuts."""
    net = (
        title("res10-ssd", 1, 3, 300, 300)
        + layer("BatchNorm", "data_bn", "data")
        + in_place("Scale", "data_scale", "data_bn", SCALED)
    )
    net += convolution("conv1_h", "data_bn", 32, 7, "pad: 3 stride: 2") + _normalised(
        "conv1_bn_h", "conv1_h", "conv1_h"
    )
    net += pooling("conv1_pool", "conv1_h", MAX3)
    net += _convolved("layer_64_1_conv1_h", "conv1_pool", 32) + _normalised("layer_64_1_bn2_h", "layer_64_1_conv1_h")
    net += _convolved("layer_64_1_conv2_h", "layer_64_1_bn2_h", 32) + summed(
        "layer_64_1_sum", "layer_64_1_conv2_h conv1_pool"
    )
    bottom, dilated = "layer_64_1_sum", "pad: 2 dilation: 2"
    for stage, inner, outputs, stride, second in (
        ("layer_128_1", 128, 128, 2, "pad: 1"),
        ("layer_256_1", 256, 256, 2, "pad: 1"),
        ("layer_512_1", 128, 256, 1, dilated),
    ):
        first, middle = f"{stage}_bn1_h", f"{stage}_bn2_h"
        net += _normalised(first, bottom)
        net += _convolved(f"{stage}_conv1_h", first, inner, f"pad: 1 stride: {stride}")
        net += _normalised(middle, f"{stage}_conv1_h") + _convolved(f"{stage}_conv2_h", middle, outputs, second)
        expand = f"{stage}_conv_expand_h"
        net += convolution(expand, first, outputs, 1, f"bias_term: false stride: {stride}")
        bottom = f"{stage}_sum"
        net += summed(bottom, f"{stage}_conv2_h {expand}")
    net += _normalised("last_bn_h", bottom, top="fc7")
    bottom = "fc7"
    for number, inner, outputs, rest in (
        (6, 128, 256, "pad: 1 stride: 2"),
        (7, 64, 128, "pad: 1 stride: 2"),
        (8, 64, 128, ""),
        (9, 64, 128, ""),
    ):
        net += conv_relu(f"conv{number}_1_h", bottom, inner, 1) + conv_relu(
            f"conv{number}_2_h", f"conv{number}_1_h", outputs, 3, rest
        )
        bottom = f"conv{number}_2_h"
    net += layer(
        "Normalize",
        "conv4_3_norm",
        "layer_256_1_bn1_h",
        rest="norm_param { across_spatial: false scale_filler { type: 'constant' value: 20 } channel_shared: false }",
    )
    steps, few, many = (8, 16, 32, 64, 100, 300), (2,), (2, 3)
    sizes = (30, 60, 111, 162, 213, 264, 315)
    blobs = ("conv4_3_norm", "fc7", "conv6_2_h", "conv7_2_h", "conv8_2_h", "conv9_2_h")
    sources = [
        BoxSource(blob, sizes[at : at + 2], many if 0 < at < 4 else few, f"step: {steps[at]} offset: 0.5")
        for at, blob in enumerate(blobs)
    ]
    output = "nms_param { nms_threshold: 0.45 top_k: 400 } keep_top_k: 200 confidence_threshold: 0.01"
    return net + heads(sources, 2, 3, output)


def _convolved(name: str, bottom: str, outputs: int, rest: str = "pad: 1") -> str:
    return convolution(name, bottom, outputs, 3, f"bias_term: false {rest}")


def _normalised(name: str, bottom: str, top: str = "") -> str:
    """BatchNorm, Scale and ReLU behind `bottom`, in the blob `top`."""
    top = top or name
    made = layer("BatchNorm", name, bottom, top) + in_place("Scale", name.replace("bn", "scale"), top, SCALED)
    return made + relu(name.replace("bn", "relu"), top)


def mobilenet_ssd() -> str:
    """MobileNet and SSD, 300 x 300, 20 kinds of things; BatchNorm is in the weights already."""
    net, bottom = (
        title("MobileNet-SSD", 1, 3, 300, 300) + conv_relu("conv0", "data", 32, 3, "pad: 1 stride: 2"),
        "conv0",
    )
    channels, wide = (
        32,
        [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)],
    )
    for number, (outputs, stride) in enumerate(wide, 1):
        each = f"conv{number}/dw"
        net += conv_relu(each, bottom, channels, 3, f"pad: 1 stride: {stride} group: {channels} engine: CAFFE")
        net += conv_relu(f"conv{number}", each, outputs, 1)
        bottom, channels = f"conv{number}", outputs
    for number, inner, outputs in ((14, 256, 512), (15, 128, 256), (16, 128, 256), (17, 64, 128)):
        net += conv_relu(f"conv{number}_1", bottom, inner, 1) + conv_relu(
            f"conv{number}_2", f"conv{number}_1", outputs, 3, "pad: 1 stride: 2"
        )
        bottom = f"conv{number}_2"
    sources = [BoxSource("conv11", (60,), (2,))]
    sizes = (105, 150, 195, 240, 285, 300)
    blobs = ("conv13", "conv14_2", "conv15_2", "conv16_2", "conv17_2")
    sources += [BoxSource(blob, sizes[at : at + 2], (2, 3)) for at, blob in enumerate(blobs)]
    output = "nms_param { nms_threshold: 0.45 top_k: 100 } keep_top_k: 100 confidence_threshold: 0.25"
    return net + heads(sources, 21, 1, output)
