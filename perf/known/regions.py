"""Detectors in two steps: boxes are proposed, and each is looked at by itself."""

from __future__ import annotations

from ..suites.caffe_nets import SCALED, convolution, in_place, layer, pooling, product
from .text import conv_relu, relu, reshaped, summed, title

ANCHORS, CLASSES = 9, 21
PROPOSAL = (
    "python_param { module: 'rpn.proposal_layer' layer: 'ProposalLayer' param_str: \"'feat_stride': 16\" }"  # of 2015
)


def start(name: str, height: int, width: int) -> str:
    """A picture, and its height, width and scale."""
    return (
        title(name, 1, 3, height, width) + 'input: "im_info"\ninput_dim: 1\ninput_dim: 3\ninput_dim: 1\ninput_dim: 1\n'
    )


def proposals(bottom: str, outputs: int, first: str) -> str:
    """The region proposal network: nine boxes per pixel, of which the best 300 remain."""
    net = conv_relu(first, bottom, outputs, 3, "pad: 1")
    net += convolution("rpn_cls_score", first, 2 * ANCHORS, 1, "") + convolution(
        "rpn_bbox_pred", first, 4 * ANCHORS, 1, ""
    )
    net += reshaped("rpn_cls_score_reshape", "rpn_cls_score", 0, 2, -1, 0)
    net += layer("Softmax", "rpn_cls_prob", "rpn_cls_score_reshape")
    net += reshaped("rpn_cls_prob_reshape", "rpn_cls_prob", 0, 2 * ANCHORS, -1, 0)
    return net + layer("Python", "proposal", "rpn_cls_prob_reshape rpn_bbox_pred im_info", "rois", PROPOSAL)


def faster_rcnn(height: int = 224, width: int = 224) -> str:
    """Ren and others 2015, on Zeiler and Fergus' net; 20 kinds of things."""
    norm = "lrn_param { local_size: 3 alpha: 0.00005 beta: 0.75 norm_region: WITHIN_CHANNEL }"
    pool = "pool: MAX kernel_size: 3 stride: 2 pad: 1"
    net, bottom = start("ZF", height, width), "data"
    for number, (outputs, kernel) in enumerate(((96, 7), (256, 5)), 1):
        net += conv_relu(f"conv{number}", bottom, outputs, kernel, f"pad: {kernel // 2} stride: 2")
        net += layer("LRN", f"norm{number}", f"conv{number}", rest=norm) + pooling(
            f"pool{number}", f"norm{number}", pool
        )
        bottom = f"pool{number}"
    for number, outputs in ((3, 384), (4, 384), (5, 256)):
        net += conv_relu(f"conv{number}", bottom, outputs, 3, "pad: 1")
        bottom = f"conv{number}"
    net += proposals(bottom, 256, "rpn_conv1")
    cells = "roi_pooling_param { pooled_w: 6 pooled_h: 6 spatial_scale: 0.0625 }"
    net += layer("ROIPooling", "roi_pool_conv5", f"{bottom} rois", rest=cells)
    bottom = "roi_pool_conv5"
    for name in ("fc6", "fc7"):
        net += product(name, bottom, 4096) + relu(f"relu_{name}", name)
        net += in_place("Dropout", f"drop_{name}", name, "dropout_param { dropout_ratio: 0.5 scale_train: false }")
        bottom = name
    net += product("cls_score", bottom, CLASSES) + product("bbox_pred", bottom, 4 * CLASSES)
    return net + layer("Softmax", "cls_prob", "cls_score")


def rfcn(height: int = 224, width: int = 224) -> str:
    """Dai and others 2016, on ResNet-50 whose last stage is dilated; classes by 7 x 7 parts of a box."""
    net = (
        start("ResNet-50", height, width)
        + _normalised("conv1", "data", 64, 7, "pad: 3 stride: 2")
        + relu("conv1_relu", "conv1")
    )
    net += pooling("pool1", "conv1", "pool: MAX kernel_size: 3 stride: 2")
    bottom = "pool1"
    for stage, depth in enumerate((3, 4, 6, 3), 2):
        for block in range(depth):
            net += _bottleneck(f"res{stage}{'abcdef'[block]}", bottom, 32 << stage - 1, stage, block == 0)
            bottom = f"res{stage}{'abcdef'[block]}"
    net += proposals("res4f", 512, "rpn_conv/3x3") + conv_relu("conv_new_1", "res5c", 1024, 1)
    for name, outputs, end in (("cls", CLASSES, "cls_score"), ("bbox", 8, "bbox_pred")):
        net += convolution(f"rfcn_{name}", "conv_new_1", 49 * outputs, 1, "")
        parts = f"psroi_pooling_param {{ spatial_scale: 0.0625 output_dim: {outputs} group_size: 7 }}"
        net += layer("PSROIPooling", f"psroipooled_{name}_rois", f"rfcn_{name} rois", rest=parts)
        net += pooling(end, f"psroipooled_{name}_rois", "pool: AVE kernel_size: 7 stride: 7")
    net += layer("Softmax", "cls_prob_pre", "cls_score")
    return net + reshaped("cls_prob", "cls_prob_pre", -1, CLASSES) + reshaped("bbox_pred_reshape", "bbox_pred", -1, 8)


def _bottleneck(name: str, bottom: str, inner: int, stage: int, first: bool) -> str:
    stride = f"stride: {2 if stage in (3, 4) and first else 1}"
    net, other = "", bottom
    if first:
        other = f"{name}_branch1"
        net += _normalised(other, bottom, 4 * inner, 1, stride)
    kernels = ((1, stride if first else ""), (3, "pad: 2 dilation: 2" if stage == 5 else "pad: 1"), (1, ""))
    for part, (kernel, rest) in zip("abc", kernels, strict=True):
        each = f"{name}_branch2{part}"
        net += _normalised(each, bottom, inner * (4 if part == "c" else 1), kernel, rest)
        net += relu(f"{each}_relu", each) if part != "c" else ""
        bottom = each
    return net + summed(name, f"{other} {bottom}") + relu(f"{name}_relu", name)


def _normalised(name: str, bottom: str, outputs: int, kernel: int, rest: str) -> str:
    made = convolution(name, bottom, outputs, kernel, f"{rest} bias_term: false")
    made += in_place("BatchNorm", f"bn_{name}", name, "batch_norm_param { use_global_stats: true }")
    return made + in_place("Scale", f"scale_{name}", name, SCALED)
