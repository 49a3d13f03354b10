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
# Several layers each: name, type, bottoms, tops, parameters. "@" is the blob that they read, "" names the last layer.
UPSAMPLED = ("up", "Upsample", "@", "up", "upsample_param { scale: 2 }")
HALF = "interp_param { shrink_factor: 2 }"
CHAINS = {
    "Upsample and Interp": [UPSAMPLED, ("", "Interp", "up", "", HALF)],
    "Pooling and Upsample": [
        UPSAMPLED,
        ("pool", "Pooling", "up", "pool mask", "pooling_param { kernel_size: 2 stride: 2 }"),
        ("back", "Upsample", "pool mask", "back", ""),
        ("", "Interp", "back", "", HALF),
    ],
    "Transpose twice": [
        ("turned", "Transpose", "@", "turned", "transpose_param { dim: 0 dim: 2 dim: 3 dim: 1 }"),
        ("curve", "TanH", "turned", "curve", ""),
        ("", "Transpose", "curve", "", "transpose_param { dim: 0 dim: 3 dim: 1 dim: 2 }"),
    ],
    "Reorg": [
        ("four", "Concat", "@ @ @ @", "four", ""),
        ("spread", "Reorg", "four", "spread", "reorg_param { stride: 2 reverse: true }"),
        ("", "Interp", "spread", "", HALF),
    ],
    "CropCenter and Deconvolution": [
        (
            "crop",
            "CropCenter",
            "@",
            "crop",
            "crop_center_param { crop_size: 0 crop_size: 0 crop_size: 1 crop_size: 1 }",
        ),
        ("", "Deconvolution", "crop", "", "convolution_param { num_output: CHANNELS kernel_size: 3 }"),
    ],
    "Im2col and Convolution": [
        ("columns", "Im2col", "@", "columns", "convolution_param { kernel_size: 3 pad: 1 }"),
        ("", "Convolution", "columns", "", "convolution_param { num_output: CHANNELS kernel_size: 1 }"),
    ],
}
SUMS = ("sums", "Reduction", "@", "sums", "reduction_param { axis: 1 }")
ROIS = ("rois", "Parameter", "", "rois", "parameter_param { shape { dim: 3 dim: 5 } } param { lr_mult: 0 }")
STEPS = [  # pictures are steps of time, channels are streams; they go on all the time
    ("rows", "Reduction", "@", "rows", "reduction_param { axis: 2 }"),
    ("cont", "Power", "rows", "cont", "power_param { scale: 0 shift: 1 }"),
]
STATES = [
    (state, "Parameter", "", state, "parameter_param { shape { dim: 1 dim: CHANNELS dim: 4 } } param { lr_mult: 0 }")
    for state in ("h", "c")
]
FIRST_ALONE = "propagate_down: true propagate_down: false"
ENDS = {  # nothing reads the last layer, whose shape is another one
    "Filter": [
        SUMS,
        ("ones", "Power", "sums", "ones", "power_param { scale: 0 shift: 1 }"),
        ("", "Filter", "@ ones", "", FIRST_ALONE),
    ],
    "BatchReindex": [
        SUMS,
        ("zeros", "Power", "sums", "zeros", "power_param { scale: 0 }"),
        ("", "BatchReindex", "@ zeros", "", FIRST_ALONE),
    ],
    "ROIPooling": [ROIS, ("", "ROIPooling", "@ rois", "", "roi_pooling_param { pooled_h: 2 pooled_w: 3 }")],
    "PSROIPooling": [
        ROIS,
        (
            "",
            "PSROIPooling",
            "@ rois",
            "",
            "psroi_pooling_param { spatial_scale: 1 output_dim: CHANNELS group_size: 1 }",
        ),
    ],
    "SPP": [("", "SPP", "@", "", "spp_param { pyramid_height: 2 }")],
    "LSTM": [
        *STEPS,
        *STATES,
        (
            "",
            "LSTM",
            "@ cont h c",
            " last_h last_c",
            f"recurrent_param {{ num_output: 4 expose_hidden: true }} {FIRST_ALONE} {'propagate_down: false ' * 2}",
        ),
    ],
    "RNN": [
        *STEPS,
        STATES[0],
        (
            "",
            "RNN",
            "@ cont h",
            " last",
            f"recurrent_param {{ num_output: 4 expose_hidden: true }} {FIRST_ALONE} propagate_down: false",
        ),
    ],
    "Lstm": [("", "Lstm", "@", "", "lstm_param { num_output: 3 }")],
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
    **dict.fromkeys(ENDS, ""),
}


def steps(kinds=OTHERS):
    """Steps of a random net: a layer type, whether it works in place, and which blobs it reads."""
    numbers = st.integers(0, 1 << 16)
    return st.lists(st.tuples(st.sampled_from(sorted(kinds)), st.booleans(), numbers, numbers), min_size=1, max_size=14)


def chain_of(name, bottom, parts, channels):
    """The layers of a chain, the last of which has that name."""

    def named(words):
        return " ".join(bottom if word == "@" else f"{name}_{word}" for word in words.split())

    layers = []
    for own, kind, bottoms, tops, more in parts:
        each = named(own) or name
        given = named(tops) if own else f"{name} {named(tops)}"
        layers.append(layer(each, kind, named(bottoms), given, more.replace("CHANNELS", str(channels))))
    return layers


def net_of(chosen, channels=3):
    """The layers of these steps, behind an input "data" of so many channels."""
    layers, blobs, read = [], ["data"], set()
    for number, (kind, in_place, first, second) in enumerate(chosen):
        more = {**OTHERS, **MORE}[kind].replace("CHANNELS", str(channels))
        bottom, name, word = blobs[first % len(blobs)], f"l{number}", kind.replace(",", "").split(" ")[0]
        if kind in CHAINS or kind in ENDS:
            layers += chain_of(name, bottom, {**CHAINS, **ENDS}[kind], channels)
            read.add(bottom)
            blobs += [name] if kind in CHAINS else []
            continue
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
