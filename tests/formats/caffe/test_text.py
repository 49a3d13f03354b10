"""Prototxt: what is accepted, where errors point to, and what is written."""

from __future__ import annotations

import contextlib
import time

import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference.caffe_messages import FLOATS, messages, net
from support import SHARED, caffe_files, needs_shared

from caffe64.errors import FileMissing, InputError, OutputError
from caffe64.formats.caffe import NetParameter, format_prototxt, parse_prototxt, read_prototxt, write_prototxt
from caffe64.formats.caffe.schema import shortest_float

REAL = [path for path in caffe_files("*.prototxt") if path.stem != "lenet_solver"]
TRAINED = [path for path in caffe_files("*.prototxt", "solver") if path.stem != "solver"]
LAYERS = sorted(SHARED.glob("caffe/layers/*.npz"))
SSD = """
layer { name: "p" type: "Permute" permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "n" type: "Normalize" norm_param { across_spatial: false scale_filler { value: 20 } } }
layer { name: "b" type: "PriorBox" prior_box_param { min_size: 30 aspect_ratio: 2 flip: true variance: 0.1 step: 8 } }
layer { name: "d" type: "DetectionOutput" detection_output_param { num_classes: 21 nms_param { nms_threshold: 0.45 }
  save_output_param { label_map_file: "map" } code_type: CENTER_SIZE keep_top_k: 200 confidence_threshold: 0.01 } }
"""


def error(text, **options) -> str:
    with pytest.raises(InputError) as caught:
        parse_prototxt(text, "net.prototxt", **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@needs_shared
@pytest.mark.parametrize("path", [*REAL, *TRAINED], ids=lambda path: f"{path.parent.stem}-{path.stem}")
def test_real_nets_read_and_are_the_same_when_written_and_read_again(path, tmp_path):
    found = read_prototxt(path)
    assert len(found.message.layer) > (1 if path in TRAINED else 5)
    assert not found.message.layers
    assert not found.message.input
    write_prototxt(tmp_path / "net.prototxt", found.message)
    again = read_prototxt(tmp_path / "net.prototxt")
    assert again.message == found.message
    assert again.notices == []


@needs_shared
def test_a_plain_net_reads_as_by_protobufs_own_parser():
    for path in [path for path in REAL if "input" not in path.read_text()]:
        assert read_prototxt(path).message == text_format.Parse(path.read_text(), NetParameter())


@needs_shared
def test_every_one_layer_net_of_real_caffe_reads():
    assert len(LAYERS) > 60
    for path in LAYERS:
        text = str(np.load(path)["prototxt"])
        message = parse_prototxt(text, path.stem).message
        assert parse_prototxt(format_prototxt(message)).message == message


@needs_shared
def test_a_solver_is_recognised():
    with pytest.raises(InputError, match="this looks like a solver: give the net that it names"):
        read_prototxt(SHARED / "caffe" / "nets" / "lenet_solver.prototxt")


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(messages(NetParameter))
def test_any_net_is_the_same_when_written_and_read_again(message):
    for layer in message.layer:
        layer.type = layer.type.replace("BatchNorm", "")
    text = format_prototxt(message)
    assert text_format.Parse(text, NetParameter()) == message
    assert parse_prototxt(text).message == message


def test_text_is_formatted_as_caffe_formats_it():
    message = net(
        {
            "type": "Pooling",
            "name": 'a"\\\n\x01é',
            "bottom": ["x", "y"],
            "loss_weight": [1, 0.017],
            "pooling_param": {"pool": "AVE", "global_pooling": True, "kernel_size": 3},
            "dropout_param": {},
        },
        name="n",
    )
    assert format_prototxt(message) == (
        'name: "n"\nlayer {\n  name: "a\\"\\\\\\n\\001é"\n  type: "Pooling"\n  bottom: "x"\n  bottom: "y"\n'
        "  loss_weight: 1\n  loss_weight: 0.017\n  dropout_param {\n  }\n"
        "  pooling_param {\n    pool: AVE\n    kernel_size: 3\n    global_pooling: true\n  }\n}\n"
    )


@given(FLOATS)
def test_a_float_reads_back_and_is_no_longer_than_needed(value):
    text = shortest_float(value)
    assert np.float32(text) == np.float32(value)
    digits = len(text.partition("e")[0].replace(".", "").lstrip("-0"))
    assert digits <= 6 or float(np.float32(f"{value:.{min(digits, 9) - 1}g}")) != value


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "1"), (0.017, "0.017"), (1e-5, "1e-05"), (1e10, "1e+10"), (16777216, "16777216"), (-0.0, "-0"),
     (3.4028235e38, "3.4028235e+38"), (float("inf"), "inf"), (float("-inf"), "-inf"), (float("nan"), "nan")],
)  # fmt: skip
def test_floats_as_cpp_prints_them(value, text):
    assert shortest_float(float(np.float32(value))) == text


def test_the_fields_of_ssd_layers_are_known():
    message = parse_prototxt(SSD).message
    assert list(message.layer[0].permute_param.order) == [0, 2, 3, 1]
    assert message.layer[3].detection_output_param.keep_top_k == 200
    assert parse_prototxt(format_prototxt(message)).message == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'layer {\n  name: "conv1"\n  convolution_param { kernel_sze: 3 }\n}',
            "net.prototxt:3:23: layer 'conv1': unknown field 'kernel_sze', expected a field of ConvolutionParameter "
            "(did you mean 'kernel_size'?)",
        ),
        (
            "layer {} layer { zz { a: 1 } bottom: 'b' }",
            "net.prototxt:1:18: layer 2: unknown field 'zz', expected a field of LayerParameter "
            "(--allow-unknown leaves it out; results may then differ)",
        ),
        ("layer { name: 'a' param { name: 'w' } zz: 1 }", "net.prototxt:1:39: layer 'a': unknown field 'zz', expected"),
        ("layers { layer { name: 'old' zz: 1 } }", "net.prototxt:1:30: layer 'old': unknown field 'zz', expected "),
        ("[a.b/c] { }", "net.prototxt:1:1: unknown field '[a.b/c]', expected a field of NetParameter"),
        (
            "layer { name: 'p' pooling_param { pool: BEST } }",
            "net.prototxt:1:35: layer 'p': pool: 'BEST' is unknown, expected one of MAX, AVE, STOCHASTIC "
            "(--allow-unknown leaves it out; results may then differ)",
        ),
        (
            "layer { name: 'p' pooling_param { pool: max } }",
            "net.prototxt:1:35: layer 'p': pool: 'max' is unknown, expected one of MAX, AVE, STOCHASTIC "
            "(did you mean 'MAX'?)",
        ),
        (
            "layers { name: 'r' type: ROI_POOLING }",
            "net.prototxt:1:20: layer 'r': type: 'ROI_POOLING' is unknown, expected a type of Caffe's",
        ),
        (
            "layer {\n  name: 'c'\n  convolution_param { num_output: many } }",
            "net.prototxt:3:35: layer 'c': Couldn't parse integer: many",
        ),
        ("layer { name: 'a' name: 'b' }", "net.prototxt:1:25: layer 'b': "),
        ("layer { type: 3 }", "net.prototxt:1:15: layer 1: Expected string"),
        ("layer { name: 'a'", "net.prototxt:1:18: layer 'a': the text ends, expected '}' (was it copied completely?)"),
        ("foo { a: 1", "net.prototxt:1:11: the text ends, expected '}'"),
        ("foo { a: 1 ]", "net.prototxt:1:12: found ']', expected the bracket that fits"),
        ("layer { name: 'a }\n", "net.prototxt:1:15: layer 1: found a string without an end"),
        ("layer: 3", "net.prototxt:1:8: found '3', expected '{'"),
        ("name = 'x'", "net.prototxt:1:6: found '=', expected a field or a value"),
        ("name 'x'", "net.prototxt:1:6: found \"'x'\", expected ':' and the value of name"),
        ("}", "net.prototxt:1:1: found '}', expected the name of a field"),
        ("input_dim: [1, 2", "net.prototxt:1:17: found 'the end', expected ',' or ']'"),
        ("\n\x00", "net.prototxt:2:1: found the byte 0x00, expected text (is it a binary .caffemodel?)"),
        ("layer {} layers {}", "net.prototxt: holds both `layer` and `layers`"),
        (r"name: '\377'", "net.prototxt:1:13: Couldn't parse string"),
    ],
)  # fmt: skip
def test_errors_name_file_line_column_and_layer(text, message):
    assert error(text).startswith(message)


def test_unknown_parts_are_dropped_with_a_notice_each_when_that_is_allowed():
    text = (
        'name: "n"\nfork { a: [1, 2], b < c: "}" > };\nlayer {\n  zz_param: -1; name: "conv1"\n'
        '  pooling_param { pool: BEST kernel_size: 3 }\n  top: "t"\n}\n'
    )
    found = parse_prototxt(text, "net.prototxt", allow_unknown=True)
    assert found.notices == [
        "net.prototxt:2: 'fork' is left out: it is unknown, and results may differ",
        "net.prototxt:4: layer 'conv1': 'zz_param' is left out: it is unknown, and results may differ",
        "net.prototxt:5: layer 'conv1': 'pool: BEST' is left out: it is unknown, and results may differ",
    ]
    assert found.message == net({"name": "conv1", "top": ["t"], "pooling_param": {"kernel_size": 3}}, name="n")
    assert len(parse_prototxt("a: 1 " * 500, allow_unknown=True).notices) == 21
    assert "more than 10000 unknown fields" in error("a: 1 " * 20_000, allow_unknown=True)


def test_all_the_ways_to_write_a_field():
    text = """
    # a comment, then separators, lists, angle brackets, pieces of strings
    name: "a" 'b'; layer: < name: "x", top: ["p", "q"], param: [{lr_mult: 1.0f}, <lr_mult: -2>] >
    layer { name: "y" bottom: "p" phase: TEST eltwise_param { coeff: [] stable_prod_grad: f } }
    """
    first = {"name": "x", "top": ["p", "q"], "param": [{"lr_mult": 1}, {"lr_mult": -2}]}
    second = {"name": "y", "bottom": ["p"], "phase": 1, "eltwise_param": {"stable_prod_grad": False}}
    assert parse_prototxt(text).message == net(first, second, name="ab")


def test_encodings(write):
    assert read_prototxt(write(b"\xef\xbb\xbfname: '\xc3\xa9'")).message.name == "é"
    assert read_prototxt(write("# 车牌\nname: 'n'".encode("gbk"))).message.name == "n"
    with pytest.raises(InputError, match=r"2:7: found .*, expected a string in UTF-8"):
        read_prototxt(write("\nname: '车'".encode("gbk")))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"layer{" * (100 << 20 >> 2), "is larger than 4 MiB, expected a prototxt"),
        (b"layer { layer {" * 100_000, "layer 1: messages are nested more than 100 deep"),
        (b"a{" * 1_000_000, "messages are nested more than 100 deep"),
        (b"x: [" * 1_000_000, "messages are nested more than 100 deep"),
        (b"name: '" + b"\\a" * 1_000_000, "found a string without an end"),
        (bytes(range(256)) * 1000, "is a binary file, expected a prototxt, which is text (are the files"),
        (b"\xff\xfe", "is text in UTF-16, expected a prototxt, which is text (save it anew as UTF-8)"),
    ],
    ids=["huge", "nested layers", "nested", "lists", "string", "binary", "utf-16"],
)
def test_hostile_texts_cost_little(error_of, data, message):
    start = time.perf_counter()
    assert message in error_of(lambda path: read_prototxt(path, allow_unknown=True), data, memory=1 << 27)
    assert time.perf_counter() - start < 10


@given(st.text(st.sampled_from("layer{}<>[]:;,\"'\\#-./ \nname1.5eé\udc80\x00"), max_size=60) | st.binary(max_size=60))
def test_noise_is_read_or_refused(noise):
    text = noise if isinstance(noise, str) else noise.decode("utf-8", "surrogateescape")
    for allow in (False, True):
        with contextlib.suppress(InputError):
            parse_prototxt(text, allow_unknown=allow)


def test_missing_files(tmp_path):
    with pytest.raises(FileMissing):
        read_prototxt(tmp_path / "none.prototxt")
    with pytest.raises(OutputError):
        write_prototxt(tmp_path / "none" / "net.prototxt", NetParameter())
