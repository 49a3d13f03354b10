"""Fields of forks in text: those that change nothing here are taken without a flag, those with a meaning keep it."""

from __future__ import annotations

import pytest
from reference.caffe_messages import net
from support import FOUND

from caffe64.errors import InputError
from caffe64.formats.caffe import format_prototxt, layer_fields, parse_prototxt, read_prototxt
from caffe64.formats.caffe.fork_fields import IGNORED, NOTICED, NUMBER_TYPES
from caffe64.formats.caffe.schema import MESSAGES

ALLOW = "(--allow-unknown leaves it out; results may then differ)"


def read(text, **options):
    return parse_prototxt(text, "net.prototxt", **options)


def refusal(text, **options) -> str:
    with pytest.raises(InputError) as raised:
        read(text, **options)
    return str(raised.value)


# ------------------------------------------------------------------------------------------- without a meaning here
@pytest.mark.parametrize("name", ["nvcaffe_types", "intel_engine"])
def test_nets_of_nvcaffe_and_of_intels_caffe_are_read_without_a_flag(name):
    message = read_prototxt(FOUND / f"{name}.prototxt").message
    assert message.layer[1] == read_prototxt(FOUND / "conv.prototxt").message.layer[1]


def test_what_only_says_how_fast_is_left_out_without_a_word():
    found = read("""
        engine: "MKLDNN" global_grad_scale: 1000 default_forward_type: FLOAT
        layer { name: "c" type: "Convolution" engine: "MKL2017:DLA" cudnn_math_override: 0 forward_math: FLOAT
                convolution_param { num_output: 4 engine: MKLDNN conv_algos_override: "1,1,1" } }
        layer { name: "b" type: "BatchNorm" batch_norm_param { eps: 0.5 engine: CUDNN } }
        layer { name: "d" type: "Data" data_param { batch_size: 2 shuffle: true cache: true prefetch: 8 }
                transform_param { crop_size: 3 resize_param { prob: 1 height: 300 } noise_param { } } }
    """)
    assert found.notices == []
    assert found.message == net(
        {"name": "c", "type": "Convolution", "convolution_param": {"num_output": 4}},
        {"name": "b", "type": "BatchNorm", "batch_norm_param": {"eps": 0.5}},
        {
            "name": "d",
            "type": "Data",
            "data_param": {"batch_size": 2, "prefetch": 8},
            "transform_param": {"crop_size": 3},
        },
    )


def test_half_precision_gives_one_notice():
    found = read(
        'default_forward_type: FLOAT16\nlayer { name: "c" forward_type: FLOAT16 }\nlayer { backward_math: FLOAT16 }\n'
    )
    assert found.notices == [
        "net.prototxt:1: 'default_forward_type', 'forward_type', 'backward_math' are left out: "
        "everything is computed in float32"
    ]


def test_what_matters_in_training_or_for_pictures_gives_a_notice():
    found = read(
        'layer { name: "l" loss_param { normalization: PRE_FIXED class_weighting: 2 class_weighting: 3 } }\n'
        'layer { name: "d" transform_param { bgr2rgb: true } }\n'
    )
    assert found.notices == [
        "net.prototxt:1: layer 'l': 'normalization: PRE_FIXED', 'class_weighting' are left out: "
        "only training needs that",
        "net.prototxt:2: layer 'd': 'bgr2rgb' is left out: how pictures are prepared is not the net's business",
    ]


def test_no_field_of_caffes_own_is_in_the_lists():
    enums = {("DataParameter", "backend"), ("LossParameter", "normalization")}  # whose fields have values of forks
    for table in (IGNORED, NOTICED, NUMBER_TYPES):
        for message, names in table.items():
            names = set(names.split()) if isinstance(names, str) else set(names)
            known = {name for name in names if name in MESSAGES[message].DESCRIPTOR.fields_by_name}
            assert {(message, name) for name in known} <= enums


# ------------------------------------------------------------------------------------------------- with a meaning
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("ceil_mode: false", {"round_mode": 1}),
        ("ceil_mode: true", {}),
        ("ceil_mode: false round_mode: FLOOR", {"round_mode": 1}),
        ("ceil_mode: true round_mode: CEIL", {"round_mode": 0}),
    ],
)
def test_ceil_mode_becomes_caffes_round_mode(given, kept):
    expected = net({"name": "p", "pooling_param": {"kernel_size": 3, **kept}})
    assert read(f'layer {{ name: "p" pooling_param {{ kernel_size: 3 {given} }} }}').message == expected
    old = f'layers {{ name: "p" type: POOLING pooling_param {{ kernel_size: 3 {given} }} }}'
    assert read(old).message.layer[0].pooling_param == expected.layer[0].pooling_param


def test_a_rewritten_ceil_mode_is_in_caffes_words():
    message = read_prototxt(FOUND / "pool_ceil_mode.prototxt").message
    assert message == read_prototxt(FOUND / "pool_round_mode.prototxt").message
    assert "round_mode: FLOOR" in format_prototxt(message)
    assert "ceil_mode" not in format_prototxt(message)


def test_two_modes_that_contradict_each_other_are_refused():
    text = 'layer { } layer { name: "p" pooling_param { ceil_mode: false round_mode: CEIL } }'
    assert refusal(text) == (
        "net.prototxt: layer 2 'p' has a ceil_mode and a round_mode that contradict each other, expected one of them"
    )


def test_a_relu_that_was_fused_into_a_layer_becomes_a_layer():
    found = read("""
        layer { name: "c" type: "Convolution" bottom: "x" top: "c" include { phase: TEST }
                convolution_param { num_output: 4 relu: true negative_slope: 0.25 } }
        layer { name: "f" type: "InnerProduct" bottom: "c" top: "f" inner_product_param { num_output: 4 relu: true } }
        layer { name: "b" type: "BatchNorm" bottom: "f" top: "b" batch_norm_param { relu: true } }
        layer { name: "b_relu" type: "Convolution" bottom: "b" top: "e" convolution_param { relu: false } }
    """).message

    def relu(name, blob, **more):
        return {"name": name, "type": "ReLU", "bottom": [blob], "top": [blob], **more}

    rule = {"include": [{"phase": 1}]}
    conv = {"name": "c", "type": "Convolution", "bottom": ["x"], "top": ["c"], "convolution_param": {"num_output": 4}}
    fc = {"name": "f", "type": "InnerProduct", "bottom": ["c"], "top": ["f"], "inner_product_param": {"num_output": 4}}
    assert found == net(
        {**conv, **rule},
        relu("c_relu", "c", relu_param={"negative_slope": 0.25}, **rule),
        fc,
        relu("f_relu", "f"),
        {"name": "b", "type": "BatchNorm", "bottom": ["f"], "top": ["b"], "batch_norm_param": {}},
        relu("b_relu_", "b"),
        {"name": "b_relu", "type": "Convolution", "bottom": ["b"], "top": ["e"], "convolution_param": {}},
    )


def test_a_relu_that_the_layer_before_has_done_gives_what_it_gets():
    found = read('layer { name: "r" type: "ReLU" relu_param { fuse: true negative_slope: 0.5 } }').message
    assert found == net({"name": "r", "type": "ReLU", "relu_param": {"negative_slope": 1}})


@pytest.mark.parametrize(
    ("pooling", "kept"),
    [
        ("pool: MAX pad: 1", False),
        ("pool: AVE pad: 0", False),
        ("pool: AVE pad: 1", True),
        ("pool: AVE pad_h: 1", True),
    ],
)
def test_leaving_out_the_padding_matters_for_padded_means_only(pooling, kept):
    found = read(f"layer {{ pooling_param {{ {pooling} avg_include_pad: false }} }}").message.layer[0].pooling_param
    assert found.HasField("avg_include_pad") == kept


# ---------------------------------------------------------------------------------------- layers of other types
OTHER = 'layer { name: "u" type: "Wavelet" wavelet_param { scale: 2 } }'


def test_what_layers_of_other_types_hold_does_not_matter():
    found = read(OTHER, types={"ReLU"})
    kept = {"name": "u", "type": "Wavelet", "own_fields": ["wavelet_param { scale: 2 }"]}
    assert (found.notices, found.message) == ([], net(kept))
    assert "unknown field 'wavelet_param'" in refusal(OTHER, types={"Wavelet"})
    assert refusal(OTHER).endswith(f"unknown field 'wavelet_param', expected a field of LayerParameter {ALLOW}")


@pytest.mark.parametrize(
    "field",
    [
        "upsample_param { scale: 2 }",
        "a: -1 b: [2, 3.5e1]",
        'own_param {\n  text: "a\\"}" \'b\' # a comment }\n  deeper <\n    yes: true\n  >\n}',
    ],
)
def test_what_layers_of_other_types_hold_is_written_as_it_was_read(field):
    found = read(f'layer {{ name: "u" type: "Own" {field} bottom: "x" }}', types={"ReLU"}).message
    text = format_prototxt(found)
    again = read(text, types={"ReLU"}).message
    assert layer_fields(again.layer[0]) == layer_fields(found.layer[0])
    assert format_prototxt(again) == text
    assert again.layer[0].bottom == ["x"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), ("-2", -2), ("0x1F", 31), ("-0x1F", -31), ("1.5e2", 150.0), ("2f", 2.0), ("-.5", -0.5), ("007", 7.0),
        ("1.2.3", "1.2.3"), ("-inf", float("-inf")), ("inf", "inf"), ("true", True), ("MAX", "MAX"),
        ("'a' \"b\"", "ab"),
        ("[1, 2]", [1, 2]), ("[]", []), ("{ a: 1 b { c: 2 } }", {"a": 1, "b": {"c": 2}}), ("-word", "-word"),
    ],
)  # fmt: skip
def test_values_of_such_fields(text, value):
    found = read(f'layer {{ name: "u" type: "Own" x: {text} }}', types={"ReLU"}).message.layer[0]
    assert layer_fields(found) == {"x": value}


def test_no_file_has_the_field_that_keeps_them():
    assert "unknown field 'own_fields'" in refusal('layer { name: "u" own_fields: "x" }', types={"ReLU"})


def test_errors_behind_such_fields_have_their_lines():
    text = 'layer { name: "u" type: "Own"\nown_param {\n a: 1\n}\n}\nlayer { name: "c" type: "ReLU"\n bottom: 3 }'
    assert ":7:" in refusal(text, types={"ReLU"})


def test_of_types_that_are_known_unknown_fields_are_refused():
    text = 'layer { name: "r" relu_param { zz: 1 } type: "ReLU" }'
    assert refusal(text, types={"ReLU"}).endswith(
        f"layer 'r': unknown field 'zz', expected a field of ReLUParameter {ALLOW}"
    )
    assert "unknown field 'zz'" in refusal("layer { relu_param { zz: 1 } }", types={"ReLU"})  # of no type at all
    assert "unknown field 'zz'" in refusal("zz: 1", types={"ReLU"})
    old = 'layers { name: "r" type: RELU relu_param { zz: 1 } }'
    assert "unknown field 'zz'" in refusal(old, types={"ReLU"})


def test_v1_layers_of_other_types_keep_their_types():
    text = """
        input: "x" input_dim: 1 input_dim: 1 input_dim: 1 input_dim: 1
        layers { name: "r" type: RELU } layers { name: "b" type: FANCY fancy_param { mode: 1 } }
        layers { name: "c" type: CONVOLUTION }
    """
    found = read(text, types={"ReLU", "Convolution"}).message
    assert [layer.type for layer in found.layer] == ["Input", "ReLU", "FANCY", "Convolution"]
    assert "type: 'FANCY' is unknown, expected a type of Caffe's" in refusal(text)
    assert "--allow-unknown" not in refusal(text)
