"""Detectors of faces that give numbers for boxes at each pixel; the caller chooses among them."""

from __future__ import annotations

from ..suites.caffe_nets import SCALED, convolution, in_place, layer, pooling, product
from .text import MAX2, MAX3, crop, deconvolution, relu, reshaped, summed, title

ENDS = {"prob": 2, "box": 4, "points": 10}


def mtcnn() -> dict[str, str]:
    """Zhang and others 2016: three nets, the first of which takes pictures of any size."""
    return {
        "det1": _det1(),
        "det2": _refining("RNet", 24, ((28, 3, MAX3), (48, 3, MAX3), (64, 2, "")), 128, "4", "5", 2),
        "det3": _refining("ONet", 48, ((32, 3, MAX3), (64, 3, MAX3), (64, 3, MAX2), (128, 2, "")), 256, "5", "6", 3),
    }


def _prelu(name: str, bottom: str, outputs: int, kernel: int) -> str:
    return convolution(name, bottom, outputs, kernel, "") + in_place("PReLU", f"prelu_{name}", name)


def _det1() -> str:
    net = title("PNet", 1, 3, 12, 12) + _prelu("conv1", "data", 10, 3) + pooling("pool1", "conv1", MAX2)
    net += _prelu("conv2", "pool1", 16, 3) + _prelu("conv3", "conv2", 32, 3)
    net += convolution("conv4-1", "conv3", 2, 1, "") + convolution("conv4-2", "conv3", 4, 1, "")
    return net + layer("Softmax", "prob1", "conv4-1")


def _refining(name: str, size: int, stages, wide: int, inner: str, outer: str, ends: int) -> str:
    net, bottom = title(name, 1, 3, size, size), "data"
    for number, (outputs, kernel, pool) in enumerate(stages, 1):
        net += _prelu(f"conv{number}", bottom, outputs, kernel)
        bottom = f"pool{number}" if pool else f"conv{number}"
        net += pooling(bottom, f"conv{number}", pool) if pool else ""
    net += product(f"conv{inner}", bottom, wide) + in_place("PReLU", f"prelu{inner}", f"conv{inner}")
    for number, outputs in enumerate([*ENDS.values()][:ends], 1):
        net += product(f"conv{outer}-{number}", f"conv{inner}", outputs)
    return net + layer("Softmax", "prob1", f"conv{outer}-1")


def retinaface(height: int = 320, width: int = 320) -> str:
    """Deng and others 2019, as converted from MXNet: MobileNet of a quarter's width, three scales, five points."""
    net, bottom, channels = title("mnet.25", 1, 3, height, width), "data", 8
    net += _normalised("mobilenet0_conv0", bottom, 8, 3, "pad: 1 stride: 2") + relu(
        "mobilenet0_relu0", "mobilenet0_conv0"
    )
    bottom, number = "mobilenet0_conv0", 0
    for outputs, stride in ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)):
        for wide, kernel, rest in ((channels, 3, f"pad: 1 stride: {stride} group: {channels}"), (outputs, 1, "")):
            number += 1
            name = f"mobilenet0_conv{number}"
            net += _normalised(name, bottom, wide, kernel, rest) + relu(f"mobilenet0_relu{number}", name)
            bottom = name
        channels = outputs
    above = ""
    for scale, features in ((3, "mobilenet0_conv26"), (2, "mobilenet0_conv22"), (1, "mobilenet0_conv10")):
        lateral, name = f"rf_c{scale}_lateral", f"rf_c{scale}"
        net += _branch(lateral, features, 64, 1)
        if above:
            net += deconvolution(f"{name}_upsampling", above, 64, 4, 2, "pad: 1 group: 64")
            net += crop(f"{name}_crop", f"{name}_upsampling", lateral, 0) + summed(
                f"{name}_plus", f"{lateral} {name}_crop"
            )
            net += _branch(f"{name}_aggr", f"{name}_plus", 64, 3)
        above = f"{name}_aggr" if above else lateral
        net += _head(name, above, 4 << scale)
    return net


def _head(name: str, bottom: str, stride: int) -> str:
    """Convolutions that see 3, 5 and 7 pixels side by side; then scores of two boxes per pixel, boxes and points."""
    det, context = f"{name}_det", f"{name}_det_context"
    net = _branch(f"{det}_conv1", bottom, 32, 3, active=False) + _branch(f"{context}_conv1", bottom, 16, 3)
    net += _branch(f"{context}_conv2", f"{context}_conv1", 16, 3, active=False)
    net += _branch(f"{context}_conv3_1", f"{context}_conv1", 16, 3)
    net += _branch(f"{context}_conv3_2", f"{context}_conv3_1", 16, 3, active=False)
    net += layer("Concat", f"{det}_concat", f"{det}_conv1 {context}_conv2 {context}_conv3_2")
    net += relu(f"{det}_concat_relu", f"{det}_concat")
    names = {
        kind: f"face_rpn_{kind}_stride{stride}" for kind in ("cls_score", "bbox_pred", "landmark_pred", "cls_prob")
    }
    for kind, outputs in (("cls_score", 4), ("bbox_pred", 8), ("landmark_pred", 20)):
        net += convolution(names[kind], f"{det}_concat", outputs, 1, "")
    net += reshaped(f"{names['cls_score']}_reshape", names["cls_score"], 0, 2, -1, 0)
    net += layer("Softmax", names["cls_prob"], f"{names['cls_score']}_reshape")
    return net + reshaped(f"face_rpn_cls_prob_reshape_stride{stride}", names["cls_prob"], 0, 4, -1, 0)


def _branch(name: str, bottom: str, outputs: int, kernel: int, active: bool = True) -> str:
    net = convolution(name, bottom, outputs, kernel, f"pad: {kernel // 2}") + _scaled(name, "2e-5")
    return net + (relu(f"{name}_relu", name) if active else "")


def _normalised(name: str, bottom: str, outputs: int, kernel: int, rest: str) -> str:
    return convolution(name, bottom, outputs, kernel, f"{rest} bias_term: false") + _scaled(name, "1e-5")


def _scaled(name: str, eps: str) -> str:
    said = f"batch_norm_param {{ use_global_stats: true eps: {eps} }}"
    return in_place("BatchNorm", f"{name}_bn", name, said) + in_place("Scale", f"{name}_bn_scale", name, SCALED)
