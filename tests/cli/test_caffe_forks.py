"""Nets of forks and nets with oddities, from the command line: what is taken, what is refused, and in which words."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from reference.small_caffe_net import write_net, write_picture
from support import FOUND, assert_close

import caffe64
from caffe64.engine.graph.ops import caffe_types

OTHER = """
layer {{ name: "in" type: "Input" top: "in" input_param {{ shape {{ dim: 1 dim: 2 dim: 3 dim: 3 }} }} }}
layer {{ name: "t" type: "{}" bottom: "in" top: "t" own_param {{ scale: 2 }} }}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The small inputs, in the working directory."""
    for path in FOUND.iterdir():
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def convolution(x, weights, pad: int):
    """Float64, stride 1, no bias."""
    x = np.pad(x.astype(float), [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    windows = np.lib.stride_tricks.sliding_window_view(x, weights.shape[2:], axis=(2, 3))
    return np.einsum("nchwij,ocij->nohw", windows, weights.astype(float))


# --------------------------------------------------------------------------------------------------------- fields
@pytest.mark.parametrize("name", ["pool_ceil_mode", "prior_offset_h", "nvcaffe_types", "intel_engine"])
def test_common_fields_of_forks_need_no_flag(cli, folder, name):
    result = cli(f"summary {name}.prototxt")
    assert result.exit_code == 0, result.stderr
    flagged = cli(f"summary {name}.prototxt --allow-unknown")
    assert (flagged.stdout, flagged.stderr) == (result.stdout, result.stderr)


def test_ceil_mode_gives_the_size_that_readers_of_forks_give(cli, folder):
    assert "1x3x4x5" in cli("summary pool_ceil_mode.prototxt").stdout


def test_a_refusal_says_what_a_flag_would_do_only_where_it_does_something(cli, folder):
    (folder / "zz.prototxt").write_text('layer { name: "r" type: "ReLU" relu_param { zz: 1 } }')
    refused = cli("summary zz.prototxt")
    assert refused.exit_code == 3
    assert "(--allow-unknown leaves it out; results may then differ)" in refused.stderr
    for name in ("Wavelet", "Gabor"):
        (folder / f"{name}.prototxt").write_text(OTHER.format(name))
        unsupported = cli(f"summary {name}.prototxt")
        assert unsupported.exit_code == 3
        assert "--allow-unknown" not in unsupported.stderr
        assert "did you mean" not in unsupported.stderr


def test_types_that_do_not_run_are_named_with_the_file_and_where_to_find_a_list(cli, folder):
    (folder / "other.prototxt").write_text(OTHER.format("Wavelet"))
    result = cli("summary other.prototxt")
    assert result.stderr == (
        "caffe64: error: other.prototxt: layers of types that are not supported: 't' (Wavelet), expected those that "
        "`caffe64 summary --help` lists (caffe64.register_layer teaches a type of your own)\n"
    )
    (listed,) = [part for part in cli("summary --help").stdout.split("\n\n") if "these types" in part]
    assert listed.partition(":")[2].strip(" .\n").replace(",", " ").split() == sorted(caffe_types())


# --------------------------------------------------------------------------------------------------------- inputs
def test_deploy_leaves_inputs_out_that_only_the_loss_read(cli, folder):
    np.save("x.npy", np.ones((1, 3, 8, 9), np.float32))
    result = cli("run label_input.prototxt label_input.caffemodel -i x.npy --deploy --json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (list(found["inputs"]), list(found["outputs"])) == (["data"], ["sum"])
    plain = cli("summary label_input.prototxt --deploy")
    assert "label_input.prototxt: the input 'label' is left out: nothing reads it" in plain.stderr
    assert cli("optimize label_input.prototxt label_input.caffemodel -o small --deploy").exit_code == 0
    assert "label" not in (folder / "small.prototxt").read_text()


IDLE = """
input: "label" input_shape { dim: 2 } input: "data" input_shape { dim: 2 dim: 3 dim: 9 dim: 10 }
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 4 kernel_size: 3 } }
"""


@pytest.mark.parametrize("more", ["", 'layer { name: "quiet" type: "Silence" bottom: "label" }'])
def test_an_input_that_nothing_needs_needs_no_file(cli, folder, more):
    (folder / "idle.prototxt").write_text(IDLE + more)
    x = np.random.default_rng(0).standard_normal((2, 3, 9, 10), np.float32)
    np.save("x.npy", x)
    result = cli("run idle.prototxt conv_float.caffemodel -i x.npy -o y.npy")
    assert result.exit_code == 0, result.stderr
    assert "the input 'label' needs no file: no output depends on it" in result.stderr
    weights, bias = caffe64.load_caffe("idle.prototxt", "conv_float.caffemodel").graph.nodes[1].weights
    assert_close("y", np.load("y.npy"), convolution(x, weights, 0) + bias[:, None, None], 1e-4)
    np.save("label.npy", np.float32([5, 6]))
    both = cli("run idle.prototxt conv_float.caffemodel -i data=x.npy -i label=label.npy -o y.npz")
    assert both.exit_code == 0, both.stderr
    assert set(np.load("y.npz")) == ({"c"} if more else {"c", "label"})  # as in Caffe


def test_optimize_and_export_leave_inputs_out_that_nothing_reads(cli, folder):
    (folder / "idle.prototxt").write_text(IDLE)
    result = cli("optimize idle.prototxt conv_float.caffemodel -o small --mean 1,2,3 --scale 0.5")
    assert result.exit_code == 0, result.stderr
    assert "drop dead layers: the input 'label', which nothing reads" in result.stdout
    assert caffe64.load_caffe("small.prototxt", "small.caffemodel").inputs == ["data"]
    onnx = pytest.importorskip("onnx")
    assert cli("export idle.prototxt conv_float.caffemodel net.onnx").exit_code == 0
    assert [each.name for each in onnx.load("net.onnx").graph.input] == ["data"]


def test_pictures_are_classified_by_a_net_with_an_input_that_nothing_reads(cli, folder):
    write_net(folder, more='layer { name: "more" type: "Input" top: "label" input_param { shape { dim: 1 } } }')
    write_picture(folder / "x.png")
    result = cli("classify small.prototxt small.caffemodel x.png --top 1")
    assert result.exit_code == 0, result.stderr


def test_forward_needs_no_array_for_an_input_that_nothing_reads(folder):
    (folder / "idle.prototxt").write_text(IDLE)
    net, x = caffe64.load_caffe("idle.prototxt", "conv_float.caffemodel"), np.ones((1, 3, 5, 5), np.float32)
    assert (net.inputs, net.needed_inputs, net.outputs) == (["label", "data"], ["data"], ["c", "label"])
    np.testing.assert_array_equal(net.forward(data=x)["c"], net.forward(data=x, label=[3])["c"])
    for wrong in ({"label": [3]}, {"data": x, "other": x}):
        with pytest.raises(caffe64.UsageError, match=r"the net has \['data', 'label'\]"):
            net.forward(**wrong)


def test_a_label_that_a_data_layer_gives_and_nothing_reads_is_not_an_input_of_an_onnx_model(cli, folder):
    onnx = pytest.importorskip("onnx")
    data = 'type: "Data" top: "data" top: "label" transform_param { crop_size: 9 } data_param { batch_size: 2 }'
    (folder / "d.prototxt").write_text(f'layer {{ name: "d" {data} }}' + IDLE[IDLE.index("layer {") :])
    result = cli("export d.prototxt conv_float.caffemodel net.onnx")
    assert result.exit_code == 0, result.stderr
    assert [each.name for each in onnx.load("net.onnx").graph.input] == ["data"]


# ---------------------------------------------------------------------------------------------------------- phases
def test_a_blob_that_only_a_layer_for_training_gives(cli, folder):
    result = cli("summary train_only_data.prototxt")
    assert result.exit_code == 3
    assert "('data' gives it, but only in the TRAIN phase: --phase train, or --deploy," in result.stderr
    shapes = "--input-shape data:4x7 --input-shape label:4"
    for option, inputs in ((f"--phase train {shapes}", ["data", "label"]), ("--deploy --input-shape 4x7", ["data"])):
        result = cli(f"summary train_only_data.prototxt {option} --json")
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["layers"][0]["tops"] == inputs


PHASES = """
input: "data" input_shape { dim: 1 dim: 3 dim: 9 dim: 10 }
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "only" type: "Power" bottom: "c" top: "t" power_param { scale: 2 } include { phase: TRAIN } }
"""


def test_every_command_that_reads_a_net_takes_a_phase(cli, folder):
    (folder / "phases.prototxt").write_text(PHASES)
    np.save("x.npy", np.ones((1, 3, 9, 10), np.float32))
    both, expected = "phases.prototxt conv_float.caffemodel", {"test": False, "train": True}
    for phase, there in expected.items():
        run = cli(f"run {both} -i x.npy --phase {phase} --json")
        assert list(json.loads(run.stdout)["outputs"]) == ["t" if there else "c"]
        summary = json.loads(cli(f"summary phases.prototxt --phase {phase} --json").stdout)
        times = json.loads(cli(f"time phases.prototxt --iterations 1 --phase {phase} --json").stdout)
        for found in (summary, times):
            assert ("only" in [layer["name"] for layer in found["layers"]]) == there
        assert cli(f"draw phases.prototxt -o net.svg --phase {phase}").exit_code == 0
        assert ("only" in (folder / "net.svg").read_text()) == there
        assert cli(f"optimize {both} -o small --phase {phase}").exit_code == 0
        assert ('top: "t"' in (folder / "small.prototxt").read_text()) == there
        verified = cli(f"verify {both} {both} --phase {phase}")
        assert verified.stdout.startswith("'t'" if there else "'c'"), verified.stderr
    wrong = cli("summary phases.prototxt --phase trian")
    assert wrong.exit_code == 2
    assert "'trian' is neither test nor train" in wrong.stderr


# -------------------------------------------------------------------------------------------- two layers of a name
@pytest.fixture
def twice(folder):
    """Both convolutions of twice.prototxt are called 'c'; the fillers give 0.01."""
    text = (folder / "twice.prototxt").read_text()
    (folder / "twice.prototxt").write_text(text.replace("bias_term", "weight_filler { value: 0.01 } bias_term"))
    return folder


def test_two_layers_of_a_name_are_read_as_caffe_reads_them(cli, twice):
    """Caffe copies each layer of the file into the first of its name: the last one stays there."""
    x = np.random.default_rng(0).standard_normal((2, 3, 9, 10), np.float32)
    np.save("x.npy", x)
    result = cli("run twice.prototxt twice.caffemodel -i x.npy -o y.npy")
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count("two layers are called 'c': as in Caffe, the first has the last weights") == 1
    (first,), (last,) = (arrays for name, _, arrays in caffe64.formats.caffe.read_caffemodel("twice.caffemodel").blobs)
    assert np.array_equal(last, 2 * first)
    filled = np.full_like(first, 0.01)
    assert_close("y", np.load("y.npy"), convolution(convolution(x, last, 1), filled, 1), 1e-4)


def test_what_is_written_of_them_is_read_as_the_same_by_us_and_by_opencv(cli, twice):
    result = cli("optimize twice.prototxt twice.caffemodel -o small")
    assert result.exit_code == 0, result.stderr
    net = caffe64.load_caffe("twice.prototxt", "twice.caffemodel")
    again = caffe64.load_caffe("small.prototxt", "small.caffemodel")
    assert [node.name for node in again.graph.nodes] == ["input", "c", "c_2"]
    assert not [notice for notice in again.notices if "two layers" in notice]
    x = np.random.default_rng(0).standard_normal((2, 3, 9, 10), np.float32)
    expected = net.forward(data=x)["c2"]
    assert np.abs(expected).max() > 0.1
    assert_close("again", again.forward(data=x)["c2"], expected, 0)
    cv2 = pytest.importorskip("cv2")
    network = cv2.dnn.readNetFromCaffe("small.prototxt", "small.caffemodel")
    network.setInput(x)
    assert_close("OpenCV", network.forward(), expected, 1e-5 * np.abs(expected).max())


def test_two_layers_of_a_name_are_drawn(cli, folder):
    result = cli("draw twice.prototxt twice.caffemodel -o net.svg")
    assert result.exit_code == 0, result.stderr


# ------------------------------------------------------------------------------------------ weights that run nowhere
def test_weights_are_exported_whatever_the_layers(cli, folder):
    read = pytest.importorskip("safetensors.numpy").load_file
    text = (folder / "segnet_bn.prototxt").read_text()
    (folder / "fancy.prototxt").write_text(text.replace('"BN"', '"Fancy"').replace("bn_param", "fancy_param"))
    result = cli("export fancy.prototxt segnet_bn.caffemodel w.safetensors")
    assert result.exit_code == 0, result.stderr
    shapes = {"c.weight": (4, 3, 3, 3), "c.bias": (4,), "b.weight": (1, 4, 1, 1), "b.bias": (1, 4, 1, 1)}
    assert {name: array.shape for name, array in read("w.safetensors").items()} == shapes
    alone = cli("export segnet_bn.caffemodel alone.safetensors --scale 0.5")
    assert alone.exit_code == 0, alone.stderr
    for name, array in read("w.safetensors").items():
        np.testing.assert_array_equal(read("alone.safetensors")[name], array)
    assert cli("export fancy.prototxt segnet_bn.caffemodel net.onnx").exit_code == 3


def test_both_layers_of_a_name_are_exported(cli, folder):
    read = pytest.importorskip("safetensors.numpy").load_file
    assert cli("export twice.caffemodel w.safetensors").exit_code == 0
    found = read("w.safetensors")
    np.testing.assert_array_equal(found["c_2.weight"], 2 * found["c.weight"])


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (
            "export conv_float.caffemodel net.onnx",
            2,
            "a model for ONNX needs the net: caffe64 export NET MODEL OUT.onnx",
        ),
        ("export conv_float.caffemodel w.safetensors --deploy", 2, "are for a net: NET MODEL OUT"),
        ("export conv_float.caffemodel w.safetensors --phase train", 2, "are for a net: NET MODEL OUT"),
        ("export conv_float.caffemodel", 2, "needs NET MODEL OUT, or MODEL OUT; found 1 of them"),
        ("export a b c d", 2, "needs NET MODEL OUT, or MODEL OUT; found 4 of them"),
        ("export conv.prototxt conv_float.caffemodel", 2, "conv_float.caffemodel: the name must end with .onnx or"),
        ("export gone.caffemodel w.safetensors", 3, "Couldn't find file gone.caffemodel"),
    ],
)
def test_exports_that_make_no_sense(cli, folder, command, code, message):
    result = cli(command)
    assert result.exit_code == code
    assert message in result.stderr
    assert not list(folder.glob("*.safetensors"))
