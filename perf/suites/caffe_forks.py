"""Nets of the suite `caffe` with layers of Caffe's forks, and such layers by themselves.

A PSPNet: a dilated residual net of 12 convolutions, the means of 1, 4, 9 and 36 parts of the picture beside it, each
back in its size by Interp, and the classes of 21 in the picture's own size. YOLOv3-tiny as it is, but that its sixth
pooling has windows of 3 x 3 pixels around each, as Caffe has no padding on one side.
OpenCV reads the optimised PSPNet, in which no BN is left, as a Caffe file; it has no Upsample, and gets the ONNX model
of YOLOv3-tiny.
"""

from __future__ import annotations

from .caffe_nets import BN, CaffeCase, convolution, data, in_place, layer, normalised, pooling

SIDE, CELLS = 233, 30  # of the picture, and of what lies before the means: (SIDE - 1) / 8 + 1
CLASSES, ANCHORS = 21, 255
OPENCV_ONNX = "caffe64.perf.peers.opencv_onnx:Job"
AHEAD = {"ONNX Runtime": 1.0, "OpenCV": 1.0}


def pspnet() -> str:
    """Zhao and others 2016, with the names of its files; strides and dilations as theirs, fewer layers and channels."""

    def unit(name: str, bottom: str, outputs: int, kernel: int, rest: str = "", relu: bool = True) -> str:
        made = convolution(name, bottom, outputs, kernel, f"{rest} bias_term: false")
        made += layer("BN", f"{name}/bn", name, name, BN)
        return made + (in_place("ReLU", f"{name}/relu", name) if relu else "")

    net = 'name: "PSPNet"\n' + data(1, 3, SIDE, SIDE) + unit("conv1_1_3x3_s2", "data", 32, 3, "stride: 2 pad: 1")
    net += unit("conv1_2_3x3", "conv1_1_3x3_s2", 32, 3, "pad: 1") + unit("conv1_3_3x3", "conv1_2_3x3", 64, 3, "pad: 1")
    net += pooling("pool1_3x3_s2", "conv1_3_3x3", "pool: MAX kernel_size: 3 stride: 2 pad: 1")
    bottom = "pool1_3x3_s2"
    for stage, middle, outputs, stride, dilation in ((2, 32, 128, 1, 1), (3, 64, 256, 2, 1), (4, 128, 512, 1, 2)):
        for block in (1, 2):
            name, other = f"conv{stage}_{block}", bottom
            step = f"stride: {stride if block == 1 else 1}"
            if block == 1:
                other = f"{name}_1x1_proj"
                net += unit(other, bottom, outputs, 1, step, relu=False)
            net += unit(f"{name}_1x1_reduce", bottom, middle, 1, step)
            net += unit(f"{name}_3x3", f"{name}_1x1_reduce", middle, 3, f"pad: {dilation} dilation: {dilation}")
            net += unit(f"{name}_1x1_increase", f"{name}_3x3", outputs, 1, relu=False)
            net += layer("Eltwise", name, f"{other} {name}_1x1_increase") + in_place("ReLU", f"{name}/relu", name)
            bottom = name
    parts = []
    for bins in (1, 2, 3, 6):
        size, name = CELLS // bins, f"conv5_3_pool{bins}"
        net += pooling(name, bottom, f"pool: AVE kernel_size: {size} stride: {size}")
        net += unit(f"{name}_conv", name, 64, 1)
        net += layer(
            "Interp", f"{name}_interp", f"{name}_conv", rest=f"interp_param {{ height: {CELLS} width: {CELLS} }}"
        )
        parts.insert(0, f"{name}_interp")
    net += layer("Concat", "conv5_3_concat", " ".join([bottom, *parts]))
    net += unit("conv5_4", "conv5_3_concat", 128, 3, "pad: 1") + in_place("Dropout", "conv5_4/dropout", "conv5_4")
    net += convolution("conv6", "conv5_4", CLASSES, 1, "")
    return net + layer("Interp", "conv6_interp", "conv6", rest="interp_param { zoom_factor: 8 }")


def yolov3_tiny() -> str:
    """Redmon and Farhadi 2018, with the names of its conversions."""
    net, bottom, sources = 'name: "YOLOv3-tiny"\n' + data(1, 3, 416, 416), "data", {}

    def unit(number: int, outputs: int, kernel: int) -> str:
        name = f"layer{number}-conv"
        made = convolution(name, bottom, outputs, kernel, f"pad: {kernel // 2} bias_term: false")
        made += normalised((f"layer{number}-bn", f"layer{number}-scale"), name, "use_global_stats: true")
        return made + in_place("ReLU", f"layer{number}-act", name, "relu_param { negative_slope: 0.1 }")

    for number, outputs in zip((1, 3, 5, 7, 9, 11), (16, 32, 64, 128, 256, 512), strict=True):
        net += unit(number, outputs, 3)
        sources[number], bottom = f"layer{number}-conv", f"layer{number + 1}-maxpool"
        window = "kernel_size: 2 stride: 2" if number < 11 else "kernel_size: 3 stride: 1 pad: 1"
        net += pooling(bottom, sources[number], f"pool: MAX {window}")
    for number, outputs, kernel in ((13, 1024, 3), (14, 256, 1), (15, 512, 3)):
        net += unit(number, outputs, kernel)
        bottom = sources[number] = f"layer{number}-conv"
    net += convolution("layer16-conv", bottom, ANCHORS, 1, "")
    bottom = sources[14]
    net += unit(19, 128, 1) + layer("Upsample", "layer20-upsample", "layer19-conv", rest="upsample_param { scale: 2 }")
    net += layer("Concat", "layer21-route", f"layer20-upsample {sources[9]}")
    bottom = "layer21-route"
    return net + unit(22, 256, 3) + convolution("layer23-conv", "layer22-conv", ANCHORS, 1, "")


FORK_NETS = {
    case.name: case
    for case in (
        CaffeCase("PSPNet", pspnet, (1, 3, SIDE, SIDE), 1, AHEAD),
        CaffeCase("YOLOv3-tiny", yolov3_tiny, (1, 3, 416, 416), 1, AHEAD, large=True, instead={"OpenCV": OPENCV_ONNX}),
    )
}
