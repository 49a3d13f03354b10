"""Include and exclude rules, and train_val nets as deploy nets."""

from __future__ import annotations

import pytest
from reference.caffe_messages import net
from support import SHARED, needs_shared

from caffe64.errors import InputError
from caffe64.formats.caffe import deploy_net, dropped_inputs, filter_net, format_prototxt, parse_prototxt, read_prototxt

NETS = SHARED / "caffe"


@pytest.mark.parametrize(
    ("rules", "options", "kept"),
    [
        ("", {}, True),
        ("include { phase: TEST }", {}, True),
        ("include { phase: TRAIN }", {}, False),
        ("include { phase: TRAIN }", {"phase": "TRAIN"}, True),
        ("exclude { phase: TEST }", {}, False),
        ("exclude { phase: TRAIN }", {}, True),
        ("include { }", {}, True),
        ("exclude { }", {}, False),
        ("include { phase: TRAIN } include { phase: TEST }", {}, True),
        ("exclude { phase: TRAIN } exclude { phase: TEST }", {}, False),
        ("include { min_level: 1 }", {}, False),
        ("include { min_level: 1 }", {"level": 1}, True),
        ("include { max_level: 1 }", {"level": 2}, False),
        ("include { max_level: 1 }", {"level": 1}, True),
        ("include { min_level: -3 max_level: -2 }", {"level": -2}, True),
        ("include { stage: 'a' stage: 'b' }", {"stages": ["a"]}, False),
        ("include { stage: 'a' stage: 'b' }", {"stages": ["b", "a", "c"]}, True),
        ("include { stage: 'net' }", {}, True),  # a stage of the net's own state
        ("include { not_stage: 'a' }", {"stages": ["a"]}, False),
        ("include { not_stage: 'a' }", {"stages": ["b"]}, True),
        ("include { phase: TEST stage: 'a' }", {"phase": "TRAIN", "stages": ["a"]}, False),
        ("exclude { phase: TEST stage: 'a' }", {"stages": ["b"]}, True),
    ],
)
def test_rules(rules, options, kept):
    message = parse_prototxt(f"name: 'n' state {{ stage: 'net' }} layer {{ name: 'x' {rules} }} layer {{}}").message
    before = message.SerializeToString()
    found = filter_net(message, **options)
    assert [layer.name for layer in found.layer] == ["x", ""][not kept :]
    assert found.name == "n"
    assert message.SerializeToString() == before


def test_include_and_exclude_on_one_layer_is_an_error():
    message = parse_prototxt("layer {} layer { name: 'x' include {} exclude {} }").message
    with pytest.raises(InputError, match="p: layer 2 'x' has both include and exclude, expected rules of one kind"):
        filter_net(message, path="p")


def test_of_a_layer_that_is_there_twice_one_is_left_in_each_phase():
    """BatchNorm for TRAIN and for TEST under one name, which the reference optimiser folds twice (F7)."""
    layer = "layer {{ name: 'bn' type: 'BatchNorm' batch_norm_param {{ eps: {} }} include {{ phase: {} }} }}"
    message = parse_prototxt(layer.format(0.5, "TRAIN") + layer.format(0.25, "TEST")).message
    for phase, eps in (("TRAIN", 0.5), ("TEST", 0.25)):
        assert [layer.batch_norm_param.eps for layer in filter_net(message, phase).layer] == [eps]


@needs_shared
def test_real_nets_have_one_data_layer_a_phase():
    message = read_prototxt(NETS / "cifar10" / "train_val.prototxt").message
    for phase, accuracy in (("TRAIN", 0), ("TEST", 1)):
        types = [layer.type for layer in filter_net(message, phase).layer]
        assert types.count("Data") == 1
        assert types.count("Accuracy") == accuracy


def deployed(text, shapes=None):
    return deploy_net(filter_net(parse_prototxt(text).message), shapes, path="p")


def outline(message):
    return [(layer.name, layer.type, list(layer.bottom), list(layer.top)) for layer in message.layer]


DATA = """
    name: "n" state { phase: TEST }
    layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TEST } data_param { batch_size: 5 }
            transform_param { crop_size: 32 mean_value: [1, 2, 3] scale: 0.5 } }
"""
FC = """
    layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" phase: TEST inner_product_param { num_output: 2 } }
"""
LOSS = (
    'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" softmax_param { axis: -1 } }'
)
ACCURACY = 'layer { name: "acc" type: "Accuracy" bottom: "fc" bottom: "label" top: "acc" }'


def test_a_train_val_net_becomes_a_deploy_net():
    message = deployed(DATA + FC + ACCURACY + LOSS)
    assert message == net(
        {
            "name": "d",
            "type": "Input",
            "top": ["data"],
            "input_param": {"shape": [{"dim": [5, 3, 32, 32]}]},
            "transform_param": {"crop_size": 32, "mean_value": [1, 2, 3], "scale": 0.5},
        },
        {
            "name": "fc",
            "type": "InnerProduct",
            "bottom": ["data"],
            "top": ["fc"],
            "inner_product_param": {"num_output": 2},
        },
        {"name": "prob", "type": "Softmax", "bottom": ["fc"], "top": ["prob"], "softmax_param": {"axis": -1}},
        name="n",
    )


def test_given_shapes_win():
    message = deployed(DATA + FC + LOSS, {"data": (1, 4, 8, 9)})
    assert list(message.layer[0].input_param.shape[0].dim) == [1, 4, 8, 9]


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        ('"Data" data_param { batch_size: 2 } transform_param { crop_size: 7 force_color: true }', [2, 3, 7, 7]),
        ('"Data" data_param { batch_size: 2 } transform_param { crop_size: 7 force_gray: true }', [2, 1, 7, 7]),
        ('"Data" data_param { batch_size: 2 } transform_param { crop_size: 7 mean_value: 1 }', None),
        ('"Data" data_param { batch_size: 2 } transform_param { crop_size: 7 }', None),
        ('"Data" data_param { batch_size: 2 } transform_param { force_color: true }', None),
        ('"Data" transform_param { crop_size: 7 force_color: true }', None),
        ('"ImageData" image_data_param { new_height: 4 new_width: 5 }', [1, 3, 4, 5]),
        ('"ImageData" image_data_param { new_height: 4 new_width: 5 is_color: false batch_size: 6 }', [6, 1, 4, 5]),
        ('"ImageData" image_data_param { new_height: 8 new_width: 9 } transform_param { crop_size: 7 }', [1, 3, 7, 7]),
        ('"ImageData"', None),
        ('"WindowData" window_data_param { batch_size: 2 } transform_param { crop_size: 7 }', [2, 3, 7, 7]),
        ('"MemoryData" memory_data_param { batch_size: 2 channels: 3 height: 4 width: 5 }', [2, 3, 4, 5]),
        ('"DummyData" dummy_data_param { shape { dim: 2 dim: 3 } shape { dim: 2 } }', [2, 3]),
        ('"DummyData" dummy_data_param { num: 2 num: 9 channels: 3 height: 4 width: 5 }', [2, 3, 4, 5]),
        ('"HDF5Data" hdf5_data_param { batch_size: 2 }', None),
        ('"ForkData"', None),
    ],
)
def test_shapes_that_data_layers_tell(layer, shape):
    text = f'layer {{ name: "d" top: "data" top: "label" type: {layer} }}' + FC + LOSS
    if shape:
        assert list(deployed(text).layer[0].input_param.shape[0].dim) == shape
    else:
        with pytest.raises(
            InputError, match=r"p: layer 'd' does not say the shape of 'data' \(--input-shape gives it\)"
        ):
            deployed(text)
        assert list(deployed(text, {"data": [1, 2]}).layer[0].input_param.shape[0].dim) == [1, 2]


def test_sigmoid_and_other_losses():
    cross = 'layer { name: "s" type: "SigmoidCrossEntropyLoss" bottom: "fc" bottom: "label" top: "s" loss_weight: 2 }'
    assert outline(deployed(DATA + FC + cross))[2] == ("sigmoid", "Sigmoid", ["fc"], ["sigmoid"])
    for kind in ("EuclideanLoss", "HingeLoss", "InfogainLoss", "SmoothL1Loss"):
        other = f'layer {{ name: "s" type: "{kind}" bottom: "fc" bottom: "label" top: "s" }}'
        assert [name for name, *_ in outline(deployed(DATA + FC + other))] == ["d", "fc"]


def test_several_losses_and_a_softmax_that_is_there_already():
    second = LOSS.replace('"loss"', '"main"').replace('"fc"', '"fd"') + FC.replace('"fc"', '"fd"')
    assert [name for name, *_ in outline(deployed(DATA + FC + LOSS + second))][-2:] == ["loss_prob", "prob"]
    softmax = 'layer { name: "p" type: "Softmax" bottom: "fc" top: "p" }'
    assert [name for name, *_ in outline(deployed(DATA + FC + softmax + LOSS))] == ["d", "fc", "p"]
    taken = FC.replace("fc", "prob")
    assert [name for name, *_ in outline(deployed(DATA + FC + taken + LOSS))][-1] == "loss_prob"


def test_losses_without_a_name_give_outputs_of_different_names():
    """HED's train_val, whose losses beside its outputs are called nothing."""
    scores, losses = "", ""
    for name in ("a", "b", "c"):
        scores += FC.replace('"fc"', f'"{name}"')
        losses += f"layer {{ type: 'SigmoidCrossEntropyLoss' bottom: '{name}' bottom: 'label' top: 'loss_{name}' }}"
    found = [name for name, *_ in outline(deployed(DATA + scores + losses))]
    assert found == ["d", "a", "b", "c", "a_sigmoid", "b_sigmoid", "sigmoid"]


@pytest.mark.parametrize("kind", ["SmoothL1LossOHEM", "SegAccuracy", "DetectionEvaluate"])
def test_layers_of_forks_that_read_labels_are_left_out(kind):
    other = f"layer {{ name: 'x' type: '{kind}' bottom: 'fc' bottom: 'label' top: 'x' }}"
    assert [name for name, *_ in outline(deployed(DATA + FC + other + LOSS))] == ["d", "fc", "prob"]


@pytest.mark.parametrize("data", [DATA, 'layer { name: "d" type: "Input" top: "data" top: "label" }'])
def test_a_net_of_data_and_losses_alone_is_refused(data):
    loss = "layer { name: 'l' type: 'EuclideanLoss' bottom: 'data' bottom: 'label' top: 'l' }"
    with pytest.raises(InputError, match="has only layers that give data or read labels, so that --deploy leaves"):
        deployed(data + loss)


def test_what_prepares_labels_and_reads_losses_goes_too():
    labels = """
        layer { name: "slice" type: "Slice" bottom: "label" top: "l1" top: "l2" }
        layer { name: "flat" type: "Flatten" bottom: "l1" top: "f" }
        layer { name: "quiet" type: "Silence" bottom: "l2" }
    """
    loss = (
        LOSS.replace('"label"', '"f"') + 'layer { name: "sum" type: "Eltwise" bottom: "loss" bottom: "loss" top: "x" }'
    )
    assert [name for name, *_ in outline(deployed(DATA + labels + FC + loss))] == ["d", "fc", "prob"]


def test_a_label_that_the_net_itself_reads_stays_an_input():
    embed = 'layer { name: "e" type: "Embed" bottom: "label" top: "e" }'
    message = deployed(DATA + embed + FC + LOSS)
    assert outline(message)[:2] == [("d", "Input", [], ["data"]), ("label", "Input", [], ["label"])]
    assert list(message.layer[1].input_param.shape[0].dim) == [5]


def test_an_autoencoder_keeps_its_input_and_its_prediction():
    text = """
        layer { name: "flat" type: "Flatten" bottom: "data" top: "flat" }
        layer { name: "loss" type: "EuclideanLoss" bottom: "flat" bottom: "fc" }
    """
    assert [name for name, *_ in outline(deployed(DATA + FC + text))] == ["d", "fc"]


def test_preparations_of_the_data_stay():
    text = 'layer { name: "scale" type: "Power" bottom: "data" top: "data" }'
    assert [name for name, *_ in outline(deployed(DATA + text + FC + LOSS))] == ["d", "scale", "fc", "prob"]


def test_a_preparation_without_readers_is_an_output_and_stays():
    text = 'layer { name: "flat" type: "Flatten" bottom: "data" top: "flat" }'
    assert [name for name, *_ in outline(deployed(DATA + text + FC + LOSS))] == ["d", "flat", "fc", "prob"]


def test_a_deploy_net_stays_as_it_is():
    text = 'layer { name: "i" type: "Input" top: "data" input_param { shape { dim: 1 } } }' + FC.replace(
        "phase: TEST", ""
    )
    message = parse_prototxt(text).message
    assert deploy_net(message) == message


INPUTS = 'layer { name: "in" type: "Input" top: "label" top: "data" input_param { SHAPES } }'
EACH = INPUTS.replace("SHAPES", "shape { dim: 7 } shape { dim: 7 dim: 3 }")


@pytest.mark.parametrize(
    ("inputs", "shapes"),
    [
        (EACH, [{"dim": [7, 3]}]),
        (INPUTS.replace("SHAPES", "shape { dim: 7 dim: 3 }"), [{"dim": [7, 3]}]),  # one for all tops
        (INPUTS.replace("SHAPES", "shape { }"), [{}]),
    ],
)
@pytest.mark.parametrize(
    "reader",
    [
        LOSS + ACCURACY,
        "",
        'layer { name: "quiet" type: "Silence" bottom: "label" }',
        'layer { name: "flat" type: "Flatten" bottom: "label" top: "flat" }' + LOSS.replace('"label"', '"flat"'),
    ],
)
def test_inputs_that_nothing_reads_any_more_go(inputs, shapes, reader):
    expected = {"name": "in", "type": "Input", "top": ["data"], "input_param": {"shape": shapes}}
    found = deployed(inputs + FC + reader)
    assert found.layer[0] == net(expected).layer[0]
    assert dropped_inputs(parse_prototxt(inputs).message, found) == ["label"]


def test_an_input_layer_of_which_nothing_is_read_goes():
    label = 'layer { name: "more" type: "Input" top: "label" input_param { shape { dim: 7 } } }'
    data = label.replace("more", "d").replace("label", "data")
    assert [name for name, *_ in outline(deployed(label + data + FC + LOSS))] == ["d", "fc", "prob"]
    assert [name for name, *_ in outline(deployed(label + data))] == ["more", "d"]  # or there would be no net


def test_data_that_only_another_phase_has_becomes_an_input():
    message = parse_prototxt(DATA.replace("include { phase: TEST }", "include { phase: TRAIN }") + FC + LOSS).message
    found = deploy_net(filter_net(message), path="p", left_out=message.layer)
    assert outline(found) == outline(deployed(DATA + FC + LOSS))
    other = DATA[DATA.index("layer") :].replace("TEST", "TRAIN").replace("32", "8")
    both = parse_prototxt(DATA + other + FC).message
    assert list(deploy_net(filter_net(both), left_out=both.layer).layer[0].input_param.shape[0].dim) == [5, 3, 32, 32]


@needs_shared
@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("nets/alexnet_bn_train_val", "fc8"),
        ("nets/cifar10_quick_train_test", "ip2"),
        ("nets/cifar10_full_train_test", "ip1"),
        ("nets/lenet_train_test", "ip2"),
        ("cifar10/train_val", "ip2_scale"),
        ("cifar10/opt_train_val", "ip2"),
    ],
)
def test_real_nets_deploy(name, output):
    source = read_prototxt(NETS / f"{name}.prototxt").message
    message = deploy_net(filter_net(source), {"data": (1, 3, 224, 224)})
    assert outline(message)[-1] == ("prob", "Softmax", [output], ["prob"])
    assert message.layer[0].type == "Input"
    assert not {"Data", "Accuracy", "SoftmaxWithLoss"} & {layer.type for layer in message.layer}
    assert "label" not in format_prototxt(message)


@pytest.mark.parametrize("kind", ["RegionLoss", "Yolov3", "SmoothL1LossOHEM", "MultiBoxLoss"])
def test_losses_of_forks_are_left_out(kind):
    loss = f'layer {{ name: "l" type: "{kind}" bottom: "fc" bottom: "label" top: "l" }}\n'
    assert [layer.type for layer in deployed(DATA + FC + loss, {"data": (1, 3, 8, 8)}).layer] == [
        "Input",
        "InnerProduct",
    ]
