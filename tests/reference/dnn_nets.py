"""Nets of the kinds that programs of OpenCV run, small and with random weights, for `caffe64.dnn` and `cv2.dnn`."""

from __future__ import annotations

from pathlib import Path

from reference.caffe_graphs import give_weights, layer

import caffe64


def conv(name: str, bottom: str, channels: int, kernel: int = 3, stride: int = 1, relu: bool = True) -> str:
    text = (
        f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}" convolution_param {{ '
        f"num_output: {channels} kernel_size: {kernel} pad: {kernel // 2} stride: {stride} }} }}\n"
    )
    if relu:
        text += f'layer {{ name: "{name}/relu" type: "ReLU" bottom: "{name}" top: "{name}" }}\n'
    return text


def source(*shape: int, name: str = "data") -> str:
    return f'input: "{name}"\n' + "".join(f"input_dim: {size}\n" for size in shape)


def rows_first(name: str, bottom: str) -> str:
    more = "permute_param { order: 0 order: 2 order: 3 order: 1 }"
    return layer(name, "Permute", bottom, more=more) + layer(f"{name}/flat", "Flatten", name)


def ssd(keep: int = 20, threshold: float = 0.2, classes: int = 2) -> str:
    """A face detector: priors of two sizes in 8 x 8 cells."""
    scores = f"reshape_param {{ shape {{ dim: 0 dim: -1 dim: {classes} }} }}"
    sizes = "min_size: 12 max_size: 24 clip: false variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2"
    output = (
        f"detection_output_param {{ num_classes: {classes} share_location: true background_label_id: 0 "
        f"nms_param {{ nms_threshold: 0.45 top_k: 100 }} code_type: CENTER_SIZE keep_top_k: {keep} "
        f"confidence_threshold: {threshold} }}"
    )
    return (
        source(1, 3, 64, 64)
        + layer("scaled", "Power", "data", more="power_param { scale: 0.01 }")
        + conv("conv1", "scaled", 8, stride=4)
        + conv("conv2", "conv1", 8, stride=2)
        + conv("loc", "conv2", 8, relu=False)
        + rows_first("loc_rows", "loc")
        + conv("conf", "conv2", 2 * classes, relu=False)
        + rows_first("conf_rows", "conf")
        + layer("conf_classes", "Reshape", "conf_rows/flat", more=scores)
        + layer("conf_softmax", "Softmax", "conf_classes", more="softmax_param { axis: 2 }")
        + layer("conf_flat", "Flatten", "conf_softmax")
        + layer("priors", "PriorBox", "conv2 data", more=f"prior_box_param {{ {sizes} }}")
        + layer("detection_out", "DetectionOutput", "loc_rows/flat conf_flat priors", more=output)
    )


def classifier(classes: int, size: int = 32) -> str:
    pool = "pooling_param { pool: MAX kernel_size: 3 stride: 2 }"
    return (
        source(1, 3, size, size)
        + conv("conv1", "data", 8, 5)
        + layer("norm1", "LRN", "conv1", more="lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }")
        + layer("pool1", "Pooling", "norm1", more=pool)
        + conv("conv2", "pool1", 12)
        + layer("fc", "InnerProduct", "conv2", more=f"inner_product_param {{ num_output: {classes} }}")
        + layer("prob", "Softmax", "fc")
    )


def pose() -> str:
    """Two branches, maps of parts and fields between them, joined at the end."""
    return (
        source(1, 3, 48, 48)
        + conv("conv1", "data", 8, stride=4)
        + conv("fields", "conv1", 6, relu=False)
        + conv("parts", "conv1", 5, relu=False)
        + layer("net_output", "Concat", "parts fields")
    )


def text_detector() -> str:
    """Two results: scores, and distances to the sides of a box."""
    return (
        source(1, 3, 64, 64)
        + conv("conv1", "data", 8, stride=4)
        + conv("score_map", "conv1", 1, relu=False)
        + layer("scores", "Sigmoid", "score_map")
        + conv("distances", "conv1", 4)
    )


def colouring() -> str:
    """Lightness to a distribution over colours, whose centres are weights that the program assigns."""
    return (
        source(1, 1, 32, 32, name="data_l")
        + layer("scaled", "Power", "data_l", more="power_param { scale: 0.02 }")
        + conv("conv1", "scaled", 8, stride=2)
        + conv("conv8_313", "conv1", 13, 1, relu=False)
        + layer("conv8_313_rh", "Scale", "conv8_313", more="scale_param { bias_term: false }")
        + layer("class8_313_rh", "Softmax", "conv8_313_rh")
        + layer(
            "class8_ab",
            "Convolution",
            "class8_313_rh",
            more="convolution_param { num_output: 2 kernel_size: 1 bias_term: false }",
        )
    )


def write_net(folder: Path, text: str, *, seed: int = 0, without: tuple[str, ...] = ()) -> tuple[str, str]:
    """The files of a net with random weights; layers of `without` have none in the model."""
    prototxt, model = folder / "net.prototxt", folder / "net.caffemodel"
    prototxt.write_text(text)
    net = caffe64.load_caffe(prototxt)
    give_weights(net.graph, seed)
    net.save(model)
    message = caffe64.proto.caffe_pb2.NetParameter.FromString(model.read_bytes())
    for each in message.layer:
        if each.name in without:
            each.ClearField("blobs")
    model.write_bytes(message.SerializeToString())
    return str(prototxt), str(model)
