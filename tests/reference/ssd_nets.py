"""SSD detectors as prototxt, of the architectures of two well-known ones, and any size."""

from __future__ import annotations

from reference.caffe_nets import data, layer

MSRA = 'weight_filler { type: "msra" }'
BLOCKS = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
EXTRAS = [(256, 512), (128, 256), (128, 256), (64, 128)]


def head(bottom: str, classes: int, boxes: int, sizes: str) -> str:
    """Offsets and confidences of a feature map, in the order of its places, and its priors."""
    text = ""
    for what, outputs in (("loc", 4 * boxes), ("conf", classes * boxes)):
        name = f"{bottom}_mbox_{what}"
        kernel = f"kernel_size: 3 pad: 1 {MSRA}"
        text += layer("Convolution", name, [bottom], f"convolution_param {{ num_output: {outputs} {kernel} }}")
        order = "permute_param { order: 0 order: 2 order: 3 order: 1 }"
        text += layer("Permute", f"{name}_perm", [name], order)
        text += layer("Flatten", f"{name}_flat", [f"{name}_perm"], "flatten_param { axis: 1 }")
    variance = "variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2"
    priors = f"prior_box_param {{ {sizes} flip: true clip: false {variance} offset: 0.5 }}"
    return text + layer("PriorBox", f"{bottom}_mbox_priorbox", [bottom, "data"], priors)


def detections(bottoms: list[str], classes: int, fields: str) -> str:
    """Heads joined, and the rows that are found, `detection_out`."""
    text = ""
    for what, axis in (("loc_flat", 1), ("conf_flat", 1), ("priorbox", 2)):
        parts = [f"{bottom}_mbox_{what}" for bottom in bottoms]
        text += layer("Concat", f"mbox_{what}", parts, f"concat_param {{ axis: {axis} }}")
    shape = f"reshape_param {{ shape {{ dim: 0 dim: -1 dim: {classes} }} }}"
    text += layer("Reshape", "mbox_conf_reshape", ["mbox_conf_flat"], shape)
    text += layer("Softmax", "mbox_conf_softmax", ["mbox_conf_reshape"], "softmax_param { axis: 2 }")
    text += layer("Flatten", "mbox_conf_flatten", ["mbox_conf_softmax"], "flatten_param { axis: 1 }")
    shared = f"num_classes: {classes} share_location: true background_label_id: 0 code_type: CENTER_SIZE"
    fields = f"detection_output_param {{ {shared} {fields} }}"
    return text + layer(
        "DetectionOutput", "detection_out", ["mbox_loc_flat", "mbox_conf_flatten", "mbox_priorbox"], fields
    )


def mobilenet_ssd(size: int = 300, width: float = 1.0, classes: int = 21) -> str:
    """MobileNet-SSD: 1,917 priors of six maps at 300x300."""

    def convolution(name: str, bottom: str, outputs: int, kernel: int = 1, stride: int = 1, group: int = 1) -> str:
        window = f"kernel_size: {kernel} pad: {kernel // 2} stride: {stride} group: {group}"
        text = layer("Convolution", name, [bottom], f"convolution_param {{ num_output: {outputs} {window} {MSRA} }}")
        return text + layer("ReLU", f"{name}/relu", [name], top=name)

    channels = int(32 * width)
    text, bottom = (
        'name: "MobileNet-SSD"\n' + data(1, 3, size, size) + convolution("conv0", "data", channels, 3, 2),
        "conv0",
    )
    for number, (outputs, stride) in enumerate(BLOCKS, 1):
        text += convolution(f"conv{number}/dw", bottom, channels, 3, stride, channels)
        channels, bottom = int(outputs * width), f"conv{number}"
        text += convolution(bottom, f"{bottom}/dw", channels)
    maps = ["conv11", "conv13"]
    for number, (narrow, wide) in enumerate(EXTRAS, 14):
        text += convolution(f"conv{number}_1", bottom, int(narrow * width))
        bottom = f"conv{number}_2"
        text += convolution(bottom, f"conv{number}_1", int(wide * width), 3, 2)
        maps.append(bottom)
    for number, bottom in enumerate(maps):
        smallest, largest = (size * share for share in (0.2 + 0.15 * number, 0.35 + 0.15 * number))
        sizes = f"min_size: {smallest:g} aspect_ratio: 2"
        if number:
            sizes += f" max_size: {min(largest, size):g} aspect_ratio: 3"
        text += head(bottom, classes, 6 if number else 3, sizes)
    nms = "nms_param { nms_threshold: 0.45 top_k: 100 }"
    return text + detections(maps, classes, f"{nms} keep_top_k: 100 confidence_threshold: 0.25")


def face_ssd(size: int = 300, width: float = 1.0) -> str:
    """A face detector of residual blocks, whose first map is normalised: BatchNorm and Scale, steps of priors."""

    def convolution(name: str, bottom: str, outputs: int, kernel: int, stride: int = 1, top: str = "") -> str:
        window = f"kernel_size: {kernel} pad: {kernel // 2} stride: {stride} bias_term: false {MSRA}"
        return layer("Convolution", name, [bottom], f"convolution_param {{ num_output: {outputs} {window} }}", top)

    def normalised(name: str, bottom: str, top: str) -> str:
        text = layer("BatchNorm", f"{name}_bn", [bottom], "batch_norm_param { eps: 1e-4 }", top)
        text += layer("Scale", f"{name}_scale", [top], "scale_param { bias_term: true }", top)
        return text + layer("ReLU", f"{name}_relu", [top], top=top)

    text = 'name: "face"\n' + data(1, 3, size, size) + layer("BatchNorm", "data_bn", ["data"])
    text += layer("Scale", "data_scale", ["data_bn"], "scale_param { bias_term: true }", "data_bn")
    text += convolution("conv1", "data_bn", int(32 * width), 7, 2) + normalised("conv1", "conv1", "conv1")
    text += layer("Pooling", "pool1", ["conv1"], "pooling_param { kernel_size: 3 stride: 2 }")
    bottom, maps = "pool1", []
    for number, outputs in enumerate((32, 128, 256, 256, 256, 256), 1):
        name, stride, channels = f"layer{number}", 1 if number == 1 else 2, int(outputs * width)
        text += normalised(name, bottom, f"{name}_in") + convolution(f"{name}_1", f"{name}_in", channels, 3, stride)
        text += normalised(f"{name}_1", f"{name}_1", f"{name}_1")
        text += convolution(f"{name}_2", f"{name}_1", channels, 3)
        text += convolution(f"{name}_side", f"{name}_in", channels, 1, stride)
        text += layer("Eltwise", name, [f"{name}_2", f"{name}_side"])
        bottom = name
        maps += [name] if number > 1 else []
    scale = "norm_param { across_spatial: false channel_shared: false scale_filler { value: 20 } }"
    text += layer("Normalize", "layer2_norm", ["layer2"], scale)
    maps[0] = "layer2_norm"
    for number, bottom in enumerate(maps):
        sizes = f"min_size: {size * (0.1 + 0.17 * number):g} max_size: {size * (0.2 + 0.17 * number):g}"
        text += head(bottom, 2, 4, f"{sizes} aspect_ratio: 2 step: {8 << number}")
    nms = "nms_param { nms_threshold: 0.45 top_k: 400 }"
    return text + detections(maps, 2, f"{nms} keep_top_k: 200 confidence_threshold: 0.01")
