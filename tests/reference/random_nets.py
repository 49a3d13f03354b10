"""Random nets: branches, layers in place, shared weights, BatchNorm and Scale in odd places."""

from __future__ import annotations

from hypothesis import strategies as st
from reference.caffe_graphs import layer

CONVOLUTION = "num_output: CHANNELS kernel_size: 3 pad: 1"  # all blobs have the same shape, so that any can be joined
IN_PLACE = {
    "ReLU": "",
    "BatchNorm": "",
    "Scale": "scale_param { bias_term: true }",
    "Bias": "",
    "BN": "",
    "BN of SegNet": "bn_param { bn_mode: INFERENCE }",
    "Dropout": "",
    "TanH": "",
    "ReLU6": "",
    "Mish": "",
    "HSwish": "",
}
CHAINS = {  # several layers, of which one reads the other: type, tops and parameters of each
    "Upsample and Interp": [
        ("Upsample", 1, "upsample_param { scale: 2 }"),
        ("Interp", 1, "interp_param { shrink_factor: 2 }"),
    ],
    "Pooling and Upsample": [
        ("Upsample", 1, "upsample_param { scale: 2 }"),
        ("Pooling", 2, "pooling_param { kernel_size: 2 stride: 2 }"),
        ("Upsample", 1, ""),
        ("Interp", 1, "interp_param { shrink_factor: 2 }"),
    ],
    "Transpose twice": [
        ("Transpose", 1, "transpose_param { dim: 0 dim: 2 dim: 3 dim: 1 }"),
        ("TanH", 1, ""),
        ("Transpose", 1, "transpose_param { dim: 0 dim: 3 dim: 1 dim: 2 }"),
    ],
}
OTHERS = {
    "Convolution": f"convolution_param {{ {CONVOLUTION} }}",
    "Convolution without bias": f"convolution_param {{ {CONVOLUTION} bias_term: false }}",
    "Convolution that shares": f'param {{ name: "w" }} convolution_param {{ {CONVOLUTION} bias_term: false }}',
    "Deconvolution": f"convolution_param {{ {CONVOLUTION} }}",
    "Power": "power_param { scale: 0.5 shift: 0.25 }",
    "Split": "",
    "Eltwise": "",
    "Scale by a blob": "scale_param { axis: 0 }",
    "Axpy": "",
    "Reverse": "reverse_param { axis: 3 }",
    "Reverse, channels": "reverse_param { axis: 1 }",
    "ShuffleChannel": "shuffle_channel_param { group: CHANNELS }",
    "ShuffleChannel, one group": "",
    "Interp": "interp_param { zoom_factor: 1 }",
    **dict.fromkeys(CHAINS, ""),
    **IN_PLACE,
}
MORE = {
    "Convolution, 1x1": "convolution_param { num_output: CHANNELS kernel_size: 1 }",
    "Convolution, 5x5": "convolution_param { num_output: CHANNELS kernel_size: 5 pad: 2 }",
    "Convolution, depthwise": f"convolution_param {{ {CONVOLUTION} group: CHANNELS }}",
    "Pooling": "pooling_param { kernel_size: 3 pad: 1 round_mode: FLOOR }",
    "LRN": "",
    "PReLU": "",
    "Softmax": "",
    "Softmax, last axis": "softmax_param { axis: -1 }",
    "SELU": "",
    "HSigmoid": "",
    "HardSigmoid": "",
    "Eltwise, largest": "eltwise_param { operation: MAX }",
    "AbsVal": "",
}


def steps(kinds=OTHERS):
    """Steps of a random net: a layer type, whether it works in place, and which blobs it reads."""
    numbers = st.integers(0, 1 << 16)
    return st.lists(st.tuples(st.sampled_from(sorted(kinds)), st.booleans(), numbers, numbers), min_size=1, max_size=14)


def chain_of(name, bottom, kind):
    """The layers of a chain, the last of which has that name."""
    layers = []
    for step, (word, tops, more) in enumerate(CHAINS[kind]):
        each = name if step == len(CHAINS[kind]) - 1 else f"{name}_{step}"
        names = " ".join([each, f"{each}_mask"][:tops])
        layers.append(layer(each, word, bottom, names, more))
        bottom = names
    return layers


def net_of(chosen, channels=3):
    """The layers of these steps, behind an input "data" of so many channels."""
    layers, blobs, read = [], ["data"], set()
    for number, (kind, in_place, first, second) in enumerate(chosen):
        more = {**OTHERS, **MORE}[kind].replace("CHANNELS", str(channels))
        if kind in CHAINS:
            bottom = blobs[first % len(blobs)]
            layers += chain_of(f"l{number}", bottom, kind)
            read.add(bottom)
            blobs.append(f"l{number}")
            continue
        bottom, name, word = blobs[first % len(blobs)], f"l{number}", kind.replace(",", "").split(" ")[0]
        if in_place and kind in IN_PLACE and bottom not in read and bottom != "data":
            layers.append(layer(name, word, bottom, bottom, more))
            continue
        bottoms = [bottom]
        if word == "Axpy":
            mean = f"{name}_mean"
            layers.append(layer(mean, "Pooling", bottom, mean, "pooling_param { pool: AVE global_pooling: true }"))
            bottoms = [mean, blobs[second % len(blobs)], blobs[(first + second) % len(blobs)]]
            read.add(bottom)
        if word == "Eltwise" or kind == "Scale by a blob":
            bottoms.append(blobs[second % len(blobs)])
        tops = f"{name} {name}_2" if kind == "Split" else name
        layers.append(layer(name, word, " ".join(bottoms), tops, more))
        read.update(bottoms)
        blobs += tops.split()
    return layers
