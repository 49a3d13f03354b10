"""Older versions of the format: what Caffe's upgrade makes of them."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_messages import blob, delimited, floats, net

import caffe64
from caffe64.errors import InputError
from caffe64.formats.caffe import NetParameter, format_prototxt, parse_prototxt, read_caffemodel
from caffe64.formats.caffe.upgrade import LAYER_TYPES, type_name


def upgraded(text):
    """The message and its one notice."""
    found = parse_prototxt(text, "old.prototxt")
    assert len(found.notices) == 1, found.notices
    assert found.notices[0].startswith("old.prototxt: upgraded from an older version of Caffe's format")
    assert parse_prototxt(format_prototxt(found.message)).notices == []
    return found.message, found.notices[0]


def test_v1_layers_become_layers():
    message, notice = upgraded("""
        name: "n" force_backward: true state { phase: TRAIN stage: "s" }
        layers { name: "c" type: CONVOLUTION bottom: "x" top: "y" blobs_lr: 1 blobs_lr: 2 weight_decay: 3 param: "w"
          blob_share_mode: PERMISSIVE convolution_param { num_output: 5 kernel_size: 3 } include { phase: TEST } }
        layers { name: "l" type: SOFTMAX_LOSS bottom: "y" bottom: "z" loss_weight: 0.5 loss_param { ignore_label: 7 } }
    """)
    assert "V1 `layers`" in notice
    first = {
        "name": "c",
        "type": "Convolution",
        "bottom": ["x"],
        "top": ["y"],
        "param": [{"name": "w", "share_mode": "PERMISSIVE", "lr_mult": 1, "decay_mult": 3}, {"lr_mult": 2}],
        "convolution_param": {"num_output": 5, "kernel_size": [3]},
        "include": [{"phase": "TEST"}],
    }
    second = {"name": "l", "type": "SoftmaxWithLoss", "bottom": ["y", "z"], "loss_weight": [0.5]}
    second["loss_param"] = {"ignore_label": 7}
    state = {"phase": "TRAIN", "stage": ["s"]}
    assert message == net(first, second, name="n", force_backward=True, state=state)


TYPES = """
    AbsVal Accuracy ArgMax BN BNLL Concat ContrastiveLoss Convolution Data Deconvolution Dropout DummyData Eltwise
    EuclideanLoss Exp Flatten HDF5Data HDF5Output HingeLoss Im2col ImageData InfogainLoss InnerProduct LRN MVN
    MemoryData MultinomialLogisticLoss Pooling Power ReLU Sigmoid SigmoidCrossEntropyLoss Silence Slice Softmax
    SoftmaxWithLoss Split TanH Threshold WindowData
"""


def test_every_v1_type_has_its_name_in_caffe():
    assert sorted(type_name(number) for number in LAYER_TYPES) == ["", *sorted(TYPES.split())]


@pytest.mark.parametrize(
    ("kind", "field"),
    [("DATA", "data_param"), ("IMAGE_DATA", "image_data_param"), ("WINDOW_DATA", "window_data_param")],
)
def test_v1_data_layers_give_their_transformation_away(kind, field):
    old = "scale: 0.5 mean_file: 'm' crop_size: 7 mirror: true batch_size: 2"
    message, _ = upgraded(f"layers {{ type: {kind} {field} {{ {old} }} }}")
    layer = message.layer[0]
    assert (
        layer.transform_param.ListFields()
        == net({"transform_param": {"scale": 0.5, "mirror": True, "crop_size": 7, "mean_file": "m"}})
        .layer[0]
        .transform_param.ListFields()
    )
    assert [known.name for known, _ in getattr(layer, field).ListFields()] == ["batch_size"]


def test_only_v1_data_layers_do():
    message, _ = upgraded("layers { type: RELU data_param { scale: 2 } }")
    assert not message.layer[0].HasField("transform_param")
    assert message.layer[0].data_param.scale == 2
    found = parse_prototxt("layer { type: 'Data' data_param { crop_size: 7 } }")
    assert found.message.layer[0].data_param.crop_size == 7
    assert not found.message.layer[0].HasField("transform_param")


V0 = """
    name: "old" input: "data" input_dim: 2 input_dim: 3 input_dim: 9 input_dim: 8 debug_info: true
    layers { layer { name: "pad" type: "padding" pad: 2 } bottom: "data" top: "padded" }
    layers { layer { name: "c" type: "conv" num_output: 4 biasterm: false kernelsize: 3 stride: 2 group: 2
        weight_filler { type: "xavier" } bias_filler { value: 1 } blobs_lr: 1 blobs_lr: 2 weight_decay: 0
        dropout_ratio: 1 } bottom: "padded" top: "c" }
    layers { layer { name: "p" type: "pool" pool: AVE kernelsize: 3 stride: 2 pad: 1 } bottom: "c" top: "p" }
    layers { layer { name: "n" type: "lrn" local_size: 3 alpha: 4 beta: 5 k: 6 } bottom: "p" top: "n" }
    layers { layer { name: "d" type: "dropout" dropout_ratio: 0.25 } bottom: "n" top: "n" }
    layers { layer { name: "i" type: "innerproduct" num_output: 7 scale: 3 meanfile: "m" cropsize: 5 mirror: true }
      bottom: "n" top: "i" }
    layers { layer { name: "j" type: "concat" concat_dim: 0 } bottom: "i" bottom: "i" top: "j" }
    layers { layer { name: "s" type: "softmax_loss" } bottom: "j" bottom: "label" }
"""


def test_v0_layers_become_layers():
    found = parse_prototxt(V0, "v0")
    assert found.notices == [
        "v0: upgraded from an older version of Caffe's format (V0 layers and `input`)",
        "v0: layer 1 'c': dropped dropout_ratio, which the type conv has not",
    ]
    convolution = {"num_output": 4, "bias_term": False, "kernel_size": [3], "stride": [2], "group": 2, "pad": [2]}
    fillers = {"weight_filler": {"type": "xavier"}, "bias_filler": {"value": 1}}
    transform = {"scale": 3, "mean_file": "m", "crop_size": 5, "mirror": True}
    assert found.message == net(
        {"name": "input", "type": "Input", "top": ["data"], "input_param": {"shape": [{"dim": [2, 3, 9, 8]}]}},
        {
            "name": "c",
            "type": "Convolution",
            "bottom": ["data"],
            "top": ["c"],
            "param": [{"lr_mult": 1, "decay_mult": 0}, {"lr_mult": 2}],
            "convolution_param": {**convolution, **fillers},
        },
        {"name": "p", "type": "Pooling", "bottom": ["c"], "top": ["p"],
         "pooling_param": {"pool": "AVE", "kernel_size": 3, "stride": 2, "pad": 1}},
        {"name": "n", "type": "LRN", "bottom": ["p"], "top": ["n"],
         "lrn_param": {"local_size": 3, "alpha": 4, "beta": 5, "k": 6}},
        {"name": "d", "type": "Dropout", "bottom": ["n"], "top": ["n"], "dropout_param": {"dropout_ratio": 0.25}},
        {"name": "i", "type": "InnerProduct", "bottom": ["n"], "top": ["i"],
         "inner_product_param": {"num_output": 7}, "transform_param": transform},
        {"name": "j", "type": "Concat", "bottom": ["i", "i"], "top": ["j"], "concat_param": {"concat_dim": 0}},
        {"name": "s", "type": "SoftmaxWithLoss", "bottom": ["j", "label"]},
        name="old",
    )  # fmt: skip


def test_v0_data_layers():
    message, _ = upgraded("""
      layers { layer { type: "data" source: "s" batchsize: 2 rand_skip: 3 } }
      layers { layer { type: "images" source: "s" batchsize: 2 shuffle_images: true new_height: 4 new_width: 5 } }
      layers { layer { type: "window_data" source: "s" det_fg_threshold: 0.25 det_bg_threshold: 0.125
        det_fg_fraction: 0.5 det_context_pad: 1 det_crop_mode: "square" } }
      layers { layer { type: "hdf5_data" source: "s" batchsize: 2 } }
      layers { layer { type: "hdf5_output" hdf5_output_param { file_name: "f" } } }
      layers { layer { type: "infogain_loss" source: "s" } }
    """)
    image = {"source": "s", "batch_size": 2, "shuffle": True, "new_height": 4, "new_width": 5}
    window = {"fg_threshold": 0.25, "bg_threshold": 0.125, "fg_fraction": 0.5, "context_pad": 1, "crop_mode": "square"}
    assert message == net(
        {"type": "Data", "data_param": {"source": "s", "batch_size": 2, "rand_skip": 3}},
        {"type": "ImageData", "image_data_param": image},
        {"type": "WindowData", "window_data_param": {"source": "s", **window}},
        {"type": "HDF5Data", "hdf5_data_param": {"source": "s", "batch_size": 2}},
        {"type": "HDF5Output", "hdf5_output_param": {"file_name": "f"}},
        {"type": "InfogainLoss", "infogain_loss_param": {"source": "s"}},
    )


def test_a_padding_layer_that_another_layer_has_overwritten_is_not_used():
    message, _ = upgraded("""
      layers { layer { name: "a" type: "padding" pad: 2 } bottom: "x" top: "y" }
      layers { layer { name: "b" type: "relu" } bottom: "x" top: "y" }
      layers { layer { name: "c" type: "pool" } bottom: "y" top: "z" }
    """)
    assert [layer.name for layer in message.layer] == ["b", "c"]
    assert not message.layer[1].pooling_param.HasField("pad")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'layers { layer { name: "a" type: "magic" } }',
            "layer 1 'a' is of the type 'magic', expected one of V0's: acc",
        ),
        (
            'layers { layer { type: "padding" } bottom: "x" top: "y" }'
            'layers { layer { name: "r" type: "relu" } bottom: "y" }',
            "layer 2 'r' reads a padding layer, expected a conv or pool with one bottom",
        ),
        ('layers { layer { name: "p" type: "padding" } }', "layer 1 'p' has 0 bottoms, expected one"),
        ("layers { type: RELU } layer { type: 'ReLU' }", "holds both `layer` and `layers`"),
        ("input: 'a' input: 'b' input_dim: 1", "has 2 inputs and 1 input_dim, expected four each"),
        ("input: 'a' input: 'b' input_shape { dim: 1 }", "has 2 inputs and 1 input_shape, expected one each"),
    ],
)
def test_what_caffe_refuses_is_refused(text, message):
    with pytest.raises(InputError) as caught:
        parse_prototxt(text, "old")
    assert str(caught.value).startswith(f"old: {message}")


def test_inputs_become_the_first_layer():
    message, notice = upgraded(
        "layer { name: 'r' } input: 'a' input: 'b' input_shape { dim: 1 dim: 2 } input_shape { } input_dim: 9"
    )
    assert "(`input`)" in notice
    shape = {"shape": [{"dim": [1, 2]}, {}]}
    assert message == net(
        {"name": "input", "type": "Input", "top": ["a", "b"], "input_param": shape}, {"name": "r"}
    )  # input_shape goes before input_dim


def test_inputs_without_dimensions_need_shapes_unless_a_layer_gives_them():
    message, notice = upgraded("input: 'a' input: 'b' layer { name: 'r' bottom: 'a' top: 'b' }")
    assert "(`input` without dimensions)" in notice
    reader = {"name": "r", "bottom": ["a"], "top": ["b"]}
    assert message == net({"name": "input", "type": "Input", "top": ["a"]}, reader)
    message, _ = upgraded("input: 'b' layer { name: 'r' top: 'b' }")
    assert message == net({"name": "r", "top": ["b"]})


def test_inputs_without_dimensions_run_with_given_shapes(tmp_path):
    (tmp_path / "net.prototxt").write_text('input: "a" layer { name: "r" type: "ReLU" bottom: "a" top: "r" }')
    with pytest.raises(InputError, match="0 shapes for 1 tops"):
        caffe64.load_caffe(tmp_path / "net.prototxt")
    net = caffe64.load_caffe(tmp_path / "net.prototxt", input_shapes={"a": (1, 2)})
    assert net.forward(a=np.float32([[-1, 2]]))["r"].tolist() == [[0, 2]]


def test_nothing_learns_the_three_blobs_of_batch_norm():
    text = "layer {{ type: 'BatchNorm' {} }}"
    three = parse_prototxt(text.format("param { lr_mult: 1 } " * 3))
    assert [(p.lr_mult, p.decay_mult) for p in three.message.layer[0].param] == [(0, 0)] * 3
    assert three.notices == []
    for count in (1, 2, 4):
        found = parse_prototxt(text.format("param { lr_mult: 1 } " * count)).message.layer[0]
        assert [p.lr_mult for p in found.param] == [1] * count


def test_all_fields_of_a_net_survive():
    """The reference optimiser lost all but name and layer (F12)."""
    text = "name: 'n' force_backward: true state { level: 3 } debug_info: true layer { name: 'a' }"
    message = parse_prototxt(text + " input: 'x' input_dim: [1, 1, 1, 1]").message
    assert (message.force_backward, message.state.level, message.debug_info) == (True, 3, True)


def test_binary_models_of_old_versions(write):
    numbers = blob(floats(5, [1, 2]), legacy=(1, 1, 1, 2))
    v1 = delimited(2, delimited(4, b"ip1") + b"\x28\x0e" + delimited(6, numbers) + delimited(7, b"\0\0\x80\x3f"))
    inner = delimited(1, b"c0") + delimited(2, b"conv") + b"\x18\x02" + delimited(50, numbers) + delimited(50, numbers)
    for data, name, kind, count in (
        (v1, "ip1", "InnerProduct", 1),
        (delimited(2, delimited(1, inner) + delimited(3, b"top")), "c0", "Convolution", 2),
    ):
        model = read_caffemodel(write(data))
        assert len(model.notices) == 1
        assert [(b.name, b.type, [a.tolist() for a in b.arrays]) for b in model.blobs] == [
            (name, kind, [[[[[1, 2]]]]] * count)
        ]
        assert model.legacy(0, 0)
        assert not model.message.layers


def test_fields_of_forks_in_v1_layers_are_dropped_with_a_notice(write):
    """A number means another field in a V2 layer."""
    model = read_caffemodel(write(delimited(2, delimited(4, b"a") + delimited(104, b"\x08\x01"))))
    assert model.notices[1].endswith("layer 1 'a': dropped fields that no V1 layer has")
    assert model.message == NetParameter(layer=[{"name": "a", "type": ""}])
