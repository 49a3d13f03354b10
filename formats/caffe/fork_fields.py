"""Fields that forks of Caffe have added, in text: their treatment.

applied        Pooling's ceil_mode becomes round_mode, a ReLU that Intel's compiler has fused a layer of its own; other
               fields that change a layer's result are in `definitions`, for the layers to apply or to refuse
left out       IGNORED: speed, device, order, and how training data is read
noticed        NOTICED: left out as well, with a notice, since the result differs from the file's

Anything else is unknown. Sources: NVIDIA's, Intel's, SSD's, SegNet's, PSPNet's, happynear's caffe.proto, and eric612's.
"""

from __future__ import annotations

from collections.abc import Collection

from ...errors import InputError
from ..text import quote
from .outline import Outline, Unknown
from .schema import Message, NetParameter

CEIL_MODE, FLOOR_MODE = 0, 1  # PoolingParameter's RoundMode
POOL_METHOD_AVE = 1  # its PoolMethod
FUSING = ("convolution_param", "inner_product_param", "batch_norm_param")  # messages with Intel's `relu`
ANYWHERE = {"engine"}  # which library computes
IGNORED = {
    "NetParameter": "global_grad_scale global_grad_scale_adaptive default_conv_algos_override reduce_buckets"
    " default_cudnn_math_override eltwise_mem_sharing compile_net_state multinode",
    "LayerParameter": "cudnn_math_override debug multinode mn_grad_compress_param",
    "BatchNormParameter": "filler",
    "ConcatParameter": "per_fla_fuse",
    "ConvolutionParameter": "cudnn_convolution_algo_seeker conv_algos_override conv_algorithm coeff",
    "DataParameter": "backend cache parser_threads precache shuffle side threads",
    "DropoutParameter": "random_seed",
    "FillerParameter": "alpha scale",
    "ImageDataParameter": "balance_by balance_class cache dataset_share_per_node face_mirror face_point_num"
    " face_transform ignore_label label_cut_end label_cut_start label_type max_aspect_ratio max_random_scale"
    " max_random_shift max_rotate_angle max_shear_ratio min_height min_random_scale min_width precache short_side"
    " threads",
    "ParameterParameter": "blob_filler",
    "PoolingParameter": "torch_pooling",
    "SaveOutputParameter": "resize_param",
    "WindowDataParameter": "shuffle",
    "TransformationParameter": "allow_upscale apply_probability aspect_max aspect_min contrast_brightness_adjustment"
    " crop_h crop_height crop_w crop_width debug_params display distort_param emit_constraint enable_classf_aug"
    " erase_ratio expand_param horizontal_stretch_lower horizontal_stretch_upper img_rand_resize_lower"
    " img_rand_resize_upper interpolation_algo_down interpolation_algo_up max_brightness_shift max_color_shift"
    " max_contrast max_rotation_angle max_scaling_factor max_smooth min_contrast min_scaling_factor min_side"
    " min_side_max min_side_min noise_param num_labels rand_resize_ratio_lower rand_resize_ratio_upper"
    " random_aspect_ratio_param random_resize_param random_seed resize_param scale_factors scale_max scale_min"
    " smooth_filtering use_gpu_transform vertical_stretch_lower vertical_stretch_upper",
}
TRAINING = "only training needs that"
PREPARATION = "how pictures are prepared is not the net's business"
ALL_FLOAT32 = "everything is computed in float32"
NOTICED = {
    "NetParameter": {"bn_stats_batch_size": TRAINING},
    "LayerParameter": {"quantization_param": ALL_FLOAT32},
    "BatchNormParameter": {"stats_batch_size": TRAINING, "update_global_stats": TRAINING},
    "DropoutParameter": {"sqrt_scale": TRAINING},
    "LossParameter": dict.fromkeys(
        ("class_weighting", "label_smoothing", "normalization", "pre_fixed_normalizer", "weight_by_label_freqs"),
        TRAINING,
    ),
    "SoftmaxParameter": dict.fromkeys(
        ("class_weight", "cutting_point", "hard_mining_label", "hard_ratio", "label_smooth_factor"), TRAINING
    ),
    "TransformationParameter": dict.fromkeys(
        ("bgr2rgb", "center_crop", "cvt_bgr2rgb", "flow", "forward_packing", "pad"), PREPARATION
    ),
}
# NVCaffe's; only FLOAT16 differs from float32 here.
NUMBER_TYPES = {
    "NetParameter": {f"default_{way}_{what}" for way in ("forward", "backward") for what in ("type", "math")},
    "LayerParameter": {f"{way}_{what}" for way in ("forward", "backward") for what in ("type", "math")},
}


def why_left_out(unknown: Unknown, text: str) -> str | None:
    """Why a field that the schema does not know may be left out: a clause for a notice, "" for none, None if it
    may not."""
    parent, name = unknown.parent.name, unknown.name
    if name in ANYWHERE or name in IGNORED.get(parent, "").split():
        return ""
    if name in NUMBER_TYPES.get(parent, ()):
        return ALL_FLOAT32 if "FLOAT16" in text[unknown.start : unknown.stop] else ""
    return NOTICED.get(parent, {}).get(name)


def of_other_layers(unknown: Unknown, outline: Outline, types: Collection[str] | None) -> bool:
    """Whether the field is of a layer whose type is not one of `types`, so that its meaning does not matter."""
    layer = outline.layer_at(unknown.start)
    return types is not None and layer is not None and bool(layer.type) and layer.type not in types


def obey(message: Message, path: str) -> None:
    """Replace fields of forks by Caffe's own, in place. Raises InputError (of `path`) if they contradict."""
    layers = list(message.layer)
    for number, layer in enumerate(layers, start=1):
        _obey_ceil_mode(layer, number, path)
        _forget_avg_include_pad(layer.pooling_param)
        if layer.relu_param.fuse:  # the previous layer includes it, so that this one changes nothing
            layer.relu_param.ClearField("fuse")
            layer.relu_param.negative_slope = 1
    fused = {number: _take_relu(layer) for number, layer in enumerate(layers)}
    if any(slope is not None for slope in fused.values()):
        taken = {layer.name for layer in layers}
        net = NetParameter()
        for number, layer in enumerate(layers):
            net.layer.add().CopyFrom(layer)
            if (slope := fused[number]) is not None:
                _add_relu(net, layer, slope, taken)
        message.ClearField("layer")
        message.layer.MergeFrom(net.layer)


def _obey_ceil_mode(layer: Message, number: int, path: str) -> None:
    pooling = layer.pooling_param
    if not pooling.HasField("ceil_mode"):
        return
    mode = CEIL_MODE if pooling.ceil_mode else FLOOR_MODE
    if pooling.HasField("round_mode") and pooling.round_mode != mode:
        found = f"layer {number} {quote(layer.name)} has a ceil_mode and a round_mode that contradict each other"
        raise InputError(path, found, "one of them")
    pooling.ClearField("ceil_mode")
    if mode == FLOOR_MODE:
        pooling.round_mode = FLOOR_MODE


def _forget_avg_include_pad(pooling: Message) -> None:
    """Without means or without padding it has no effect."""
    padded = bool(pooling.pad or pooling.pad_h or pooling.pad_w)
    if pooling.HasField("avg_include_pad") and not (pooling.pool == POOL_METHOD_AVE and padded):
        pooling.ClearField("avg_include_pad")


def _take_relu(layer: Message) -> float | None:
    """The slope of the ReLU that Intel's compiler has fused into the layer, removed from it here; None without one."""
    for name in FUSING:
        if not layer.HasField(name):
            continue
        parameter = getattr(layer, name)
        relu, slope = parameter.relu, getattr(parameter, "negative_slope", 0.0)
        for field in ("relu", "negative_slope"):
            if field in parameter.DESCRIPTOR.fields_by_name:
                parameter.ClearField(field)
        if relu and layer.top:
            return slope
    return None


def _add_relu(net: Message, layer: Message, slope: float, taken: set[str]) -> None:
    """A ReLU in place behind `layer`, under the same rules."""
    name = f"{layer.name}_relu"
    while name in taken:
        name += "_"
    taken.add(name)
    relu = net.layer.add(name=name, type="ReLU", bottom=layer.top[:1], top=layer.top[:1])
    relu.include.MergeFrom(layer.include)
    relu.exclude.MergeFrom(layer.exclude)
    if slope:
        relu.relu_param.negative_slope = slope
