"""Nets of known shapes as prototxt: GoogLeNet, and a residual net of any length."""

from __future__ import annotations

INCEPTIONS = {  # block: outputs of 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, projection
    "3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64), "4b": (160, 112, 224, 24, 64, 64), "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64), "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128),
}  # fmt: skip


def layer(kind: str, name: str, bottoms: list[str], rest: str = "", top: str = "") -> str:
    read = " ".join(f'bottom: "{bottom}"' for bottom in bottoms)
    return f'layer {{ name: "{name}" type: "{kind}" {read} top: "{top or name}" {rest} }}\n'


def convolution(name: str, bottom: str, outputs: int, kernel: int, stride: int = 1, pad: int = 0) -> str:
    """A Convolution and its ReLU."""
    sizes = f"num_output: {outputs} kernel_size: {kernel} stride: {stride} pad: {pad}"
    first = layer("Convolution", name, [bottom], f"convolution_param {{ {sizes} }}")
    return first + layer("ReLU", f"relu_{name}", [name], top=name)


def pooling(name: str, bottom: str, kernel: int, stride: int, pad: int = 0) -> str:
    return layer("Pooling", name, [bottom], f"pooling_param {{ kernel_size: {kernel} stride: {stride} pad: {pad} }}")


def data(*shape: int) -> str:
    dims = " ".join(f"dim: {dim}" for dim in shape)
    return layer("Input", "data", [], f"input_param {{ shape {{ {dims} }} }}")


def _inception(block: str, bottom: str) -> str:
    one, three_reduce, three, five_reduce, five, projection = INCEPTIONS[block]
    name = f"inception_{block}"
    parts = [
        convolution(f"{name}/1x1", bottom, one, 1),
        convolution(f"{name}/3x3_reduce", bottom, three_reduce, 1),
        convolution(f"{name}/3x3", f"{name}/3x3_reduce", three, 3, pad=1),
        convolution(f"{name}/5x5_reduce", bottom, five_reduce, 1),
        convolution(f"{name}/5x5", f"{name}/5x5_reduce", five, 5, pad=2),
        pooling(f"{name}/pool", bottom, 3, 1, 1),
        convolution(f"{name}/pool_proj", f"{name}/pool", projection, 1),
        layer("Concat", f"{name}/output", [f"{name}/{part}" for part in ("1x1", "3x3", "5x5", "pool_proj")]),
    ]
    return "".join(parts)


def googlenet() -> str:
    """143 layers, 6,998,552 parameters: GoogLeNet as Caffe's model zoo has it, for prediction."""
    net = 'name: "GoogleNet"\n' + data(1, 3, 224, 224)
    net += convolution("conv1/7x7_s2", "data", 64, 7, 2, 3) + pooling("pool1/3x3_s2", "conv1/7x7_s2", 3, 2)
    net += layer("LRN", "pool1/norm1", ["pool1/3x3_s2"]) + convolution("conv2/3x3_reduce", "pool1/norm1", 64, 1)
    net += convolution("conv2/3x3", "conv2/3x3_reduce", 192, 3, pad=1) + layer("LRN", "conv2/norm2", ["conv2/3x3"])
    net += pooling("pool2/3x3_s2", "conv2/norm2", 3, 2)
    bottom = "pool2/3x3_s2"
    for block in INCEPTIONS:
        net += _inception(block, bottom)
        bottom = f"inception_{block}/output"
        if block in ("3b", "4e"):
            net += pooling(f"pool{block[0]}/3x3_s2", bottom, 3, 2)
            bottom = f"pool{block[0]}/3x3_s2"
    net += layer("Pooling", "pool5/7x7_s1", [bottom], "pooling_param { pool: AVE kernel_size: 7 stride: 1 }")
    net += layer("Dropout", "pool5/drop_7x7_s1", ["pool5/7x7_s1"], top="pool5/7x7_s1")
    net += layer("InnerProduct", "loss3/classifier", ["pool5/7x7_s1"], "inner_product_param { num_output: 1000 }")
    return net + layer("Softmax", "prob", ["loss3/classifier"])


def residual(blocks: int) -> str:
    """1 + 5 * blocks layers: Convolution, BatchNorm, Scale, Eltwise with what came before, ReLU."""
    net, bottom = data(1, 8, 16, 16), "data"
    for block in range(blocks):
        sizes = "convolution_param { num_output: 8 kernel_size: 3 pad: 1 }"
        net += layer("Convolution", f"conv{block}", [bottom], sizes)
        net += layer("BatchNorm", f"bn{block}", [f"conv{block}"], top=f"conv{block}")
        net += layer("Scale", f"scale{block}", [f"conv{block}"], "scale_param { bias_term: true }", f"conv{block}")
        net += layer("Eltwise", f"sum{block}", [bottom, f"conv{block}"])
        net += layer("ReLU", f"relu{block}", [f"sum{block}"], top=f"sum{block}")
        bottom = f"sum{block}"
    return net
