"""Nets that give a value to each pixel."""

from __future__ import annotations

from ..suites.caffe_nets import convolution, in_place, layer
from .text import MAX2, conv_relu, crop, deconvolution, relu, summed, title, vgg16

BINS = 313  # of colours, the quantised ab plane
REBALANCED = "scale_param { bias_term: false filler { type: 'constant' value: 2.606 } }"


def colorization() -> str:
    """Zhang, Isola and Efros 2016: lightness -> 313 bins of colour per pixel, and their mean, a and b. Of the last two
    layers with weights the published model has none: 2.606, and the bins' centres, which the caller sets."""
    net, bottom = title("LtoAB", 1, 1, 224, 224, blob="data_l"), "data_l"
    plain, dilated = "pad: 1", "pad: 2 dilation: 2"
    stages = [(64, plain, 2), (128, plain, 2), (256, plain, 3), (512, plain, 3)]
    stages += [(512, dilated, 3), (512, dilated, 3), (512, plain, 3)]
    for stage, (outputs, rest, depth) in enumerate(stages, 1):
        for number in range(1, depth + 1):
            name = f"conv{stage}_{number}"
            halves = " stride: 2" if stage < 4 and number == depth else ""
            net += conv_relu(name, bottom, outputs, 3, rest + halves)
            bottom = name
        net += layer("BatchNorm", f"{bottom}norm", bottom)
        bottom = f"{bottom}norm"
    sizes = "num_output: 256 kernel_size: 4 stride: 2 pad: 1"
    net += layer("Deconvolution", "conv8_1", bottom, rest=f"convolution_param {{ {sizes} }}") + relu(
        "relu8_1", "conv8_1"
    )
    net += conv_relu("conv8_2", "conv8_1", 256, 3, plain) + conv_relu("conv8_3", "conv8_2", 256, 3, plain)
    net += convolution("conv8_313", "conv8_3", BINS, 1, "") + layer(
        "Scale", "conv8_313_rh", "conv8_313", rest=REBALANCED
    )
    net += layer("Softmax", "class8_313_rh", "conv8_313_rh")
    return net + convolution("class8_ab", "class8_313_rh", 2, 1, "bias_term: false")


def hed() -> str:
    """Xie and Tu 2015: edges at five scales of VGG-16, and one map of all. Its first layer pads 35 pixels, which the
    Crop layers take off again: the offsets are written out, as Caffe itself does not derive them."""
    net = title("HED", 1, 3, 500, 500) + vgg16(first_pad=35, last_pool=False)
    for scale, features in enumerate(("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"), 1):
        score, up, offset = f"score-dsn{scale}", f"score-dsn{scale}-up", 34 + (1 << scale - 1) // 2
        net += convolution(score, features, 1, 1, "")
        if scale > 1:
            net += deconvolution(up, score, 1, 2 << scale - 1, 1 << scale - 1)
        net += crop(f"upscore-dsn{scale}", up if scale > 1 else score, "data", offset)
        net += layer("Sigmoid", f"sigmoid-dsn{scale}", f"upscore-dsn{scale}")
    net += layer("Concat", "concat-upscore", " ".join(f"upscore-dsn{scale}" for scale in range(1, 6)))
    net += convolution("upscore-fuse", "concat-upscore", 1, 1, "")
    return net + layer("Sigmoid", "sigmoid-fuse", "upscore-fuse")


def segnet() -> str:
    """Badrinarayanan and others 2015: VGG-16 and back, by the positions of the maxima; BN in its mode for inference. 11
    classes, 360 x 480 pixels."""
    net, bottom, depths = title("VGG_ILSVRC_16_layer", 1, 3, 360, 480), "data", (2, 2, 3, 3, 3)
    widths, sizes = (64, 128, 256, 512, 512), {5: "upsample_h: 23 upsample_w: 30", 4: "upsample_h: 45 upsample_w: 60"}
    for stage, (outputs, depth) in enumerate(zip(widths, depths, strict=True), 1):
        for number in range(1, depth + 1):
            net += _normalised(f"conv{stage}_{number}", bottom, outputs)
            bottom = f"conv{stage}_{number}"
        tops = f"pool{stage} pool{stage}_mask"
        net += layer("Pooling", f"pool{stage}", bottom, tops, f"pooling_param {{ {MAX2} }}")
        bottom = f"pool{stage}"
    for stage in range(5, 0, -1):
        size = sizes.get(stage, "scale: 2")
        net += layer("Upsample", f"upsample{stage}", f"{bottom} pool{stage}_mask", rest=f"upsample_param {{ {size} }}")
        bottom = f"upsample{stage}"
        for number in range(depths[stage - 1], 0, -1):
            name = f"conv{stage}_{number}_D"
            outputs = widths[stage - 1] if number > 1 else widths[max(stage - 2, 0)]
            last = stage == number == 1
            net += convolution(name, bottom, 11, 3, "pad: 1") if last else _normalised(name, bottom, outputs)
            bottom = name
    return net + layer("Softmax", "prob", bottom)


def _normalised(name: str, bottom: str, outputs: int) -> str:
    mode = "bn_param { bn_mode: INFERENCE scale_filler { type: 'constant' value: 1 } }"
    return (
        convolution(name, bottom, outputs, 3, "pad: 1")
        + in_place("BN", f"{name}_bn", name, mode)
        + relu(f"relu{name}", name)
    )


def fcn8s() -> str:
    """Long and others 2015: VGG-16 without products, its scores at three scales added; 21 classes."""
    net = title("FCN-8s", 1, 3, 500, 500) + vgg16(first_pad=100)
    net += conv_relu("fc6", "pool5", 4096, 7) + in_place("Dropout", "drop6", "fc6")
    net += conv_relu("fc7", "fc6", 4096, 1) + in_place("Dropout", "drop7", "fc7")
    net += convolution("score_fr", "fc7", 21, 1, "") + deconvolution("upscore2", "score_fr", 21, 4, 2)
    net += convolution("score_pool4", "pool4", 21, 1, "") + crop("score_pool4c", "score_pool4", "upscore2", 5)
    net += summed("fuse_pool4", "upscore2 score_pool4c") + deconvolution("upscore_pool4", "fuse_pool4", 21, 4, 2)
    net += convolution("score_pool3", "pool3", 21, 1, "") + crop("score_pool3c", "score_pool3", "upscore_pool4", 9)
    net += summed("fuse_pool3", "upscore_pool4 score_pool3c") + deconvolution("upscore8", "fuse_pool3", 21, 16, 8)
    return net + crop("score", "upscore8", "data", 31)
