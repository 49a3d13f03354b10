"""Weights in all the forms in which they are found, through the commands; and files that are none."""

from __future__ import annotations

import gzip
import shutil
import sys

import numpy as np
import pytest
from reference.caffe_messages import blob, floats, layer
from support import FOUND

from caffe64.formats.caffe import read_caffemodel


@pytest.fixture
def found(tmp_path, monkeypatch):
    """A folder with the small inputs, which is the working directory."""
    shutil.copytree(FOUND, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", ["float", "double", "raw_float", "raw_half", "raw_double"])
def test_each_encoding_is_optimised(cli, found, kind):
    result = cli(f"optimize conv.prototxt conv_{kind}.caffemodel -o small")
    assert result.exit_code == 0, result.stderr
    assert cli(f"verify conv.prototxt conv_{kind}.caffemodel small.prototxt small.caffemodel").exit_code == 0


def test_batch_norm_with_its_own_scale_is_noticed_summed_up_drawn_exported_and_folded(cli, found):
    net = "nv_bn.prototxt nv_bn.caffemodel"
    result = cli(f"summary {net}")
    assert result.exit_code == 0, result.stderr
    assert [line.split()[:2] for line in result.stdout.splitlines()[3:5]] == [["b", "BatchNorm"], ["b_scale", "Scale"]]
    assert "BatchNorm with its own scale and bias is read as BatchNorm and Scale: layer 'b'\n" in result.stderr
    result = cli(f"draw {net} -o net.html")
    assert result.exit_code == 0, result.stderr
    assert "b_scale" in (found / "net.html").read_text()
    assert cli(f"export {net} net.onnx").exit_code == 0
    assert cli(f"optimize {net} -o small").exit_code == 0
    assert "BatchNorm" not in (found / "small.prototxt").read_text()


def test_an_hdf5_model_is_optimised_into_a_plain_one(cli, found):
    h5py = pytest.importorskip("h5py")
    weights = read_caffemodel("conv_float.caffemodel").blobs[0].arrays
    with h5py.File("conv.caffemodel.h5", "w") as file:
        for number, array in enumerate(weights):
            file[f"data/c/{number}"] = array
    result = cli("optimize conv.prototxt conv.caffemodel.h5 -o small")
    assert result.exit_code == 0, result.stderr
    assert cli("verify conv.prototxt conv_float.caffemodel small.prototxt small.caffemodel").exit_code == 0
    assert cli("draw conv.prototxt conv.caffemodel.h5 -o net.html").exit_code == 0


def test_an_hdf5_model_without_h5py_says_what_to_install(cli, found, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    result = cli("summary conv.prototxt hdf5.caffemodel")
    assert result.exit_code == 2
    assert "hdf5.caffemodel: is an HDF5 file; reading it needs the package h5py: pip install 'caffe64[hdf5]'" in (
        result.stderr
    )


WRONG = {
    "lfs": "is a Git LFS pointer, not the file itself (git lfs pull fetches it)",
    "html": "is a web page, not the file itself (was the download refused? download it again)",
    "empty": "is empty, expected a .caffemodel (was it copied completely?)",
    "hdf5": "is a damaged HDF5 file: ",
    "truncated": "layer 1 'c' blob 0: the file ends 35 bytes before a field does (was it copied completely?)",
    "none": "has no weights for the layer 'c' (Convolution), expected a model of this net (it holds no weights at all)",
    "noname": "has no weights for the layer 'c' (Convolution), expected a model of this net (it has some for",
    "noblobs": "layer 'c' has no blobs, expected 2 blobs [4, 3, 3, 3] [4] as in the net (weights of another net? ",
    "shape": "layer 'c' blob 0 has the shape [2, 3, 3, 3], expected [4, 3, 3, 3] as in the net (weights of another",
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("command", ["summary {}", "optimize {} -o small", "run {} -i x.npy", "export {} net.onnx"])
def test_a_file_that_is_not_a_model_of_the_net_is_called_what_it_is(cli, found, command, name):
    if name == "hdf5":
        pytest.importorskip("h5py")
    np.save("x.npy", np.zeros((2, 3, 9, 10), np.float32))
    result = cli(command.format(f"conv.prototxt {name}.caffemodel"))
    assert result.exit_code == 3
    assert result.stderr.splitlines()[-1].startswith(f"caffe64: error: {name}.caffemodel: {WRONG[name]}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("lfs.caffemodel conv_float.caffemodel", "lfs.caffemodel: is a Git LFS pointer, not the file itself"),
        ("html.caffemodel conv_float.caffemodel", "html.caffemodel: is a web page, not the file itself"),
        ("empty.caffemodel conv_float.caffemodel", "empty.caffemodel: is empty, expected a prototxt"),
        ("hdf5.caffemodel conv_float.caffemodel", "hdf5.caffemodel: is an HDF5 file, expected a prototxt"),
        ("conv_float.caffemodel conv.prototxt", "conv.prototxt: is a prototxt, the net of a Caffe model, expected a"),
        ("conv_raw_half.caffemodel", "conv_raw_half.caffemodel: is a .caffemodel, the weights of a Caffe model"),
        ("conv.prototxt conv.prototxt", "conv.prototxt: is a prototxt, the net of a Caffe model, expected a"),
        ("conv.prototxt README.md", "README.md: is text, expected a .caffemodel"),
        ("conv.prototxt conv.zip", "conv.zip: is a .zip archive, expected a .caffemodel (unpack it first)"),
        ("conv.gz conv_float.caffemodel", "conv.gz: is a .gz file, expected a prototxt, which is text (unpack"),
        ("utf16.prototxt", "utf16.prototxt: is text in UTF-16, expected a prototxt, which is text (save it"),
        ("x.npy", "x.npy: is a .npy file, expected a prototxt"),
    ],
)  # fmt: skip
def test_files_in_the_wrong_order_or_of_another_kind_are_called_what_they_are(cli, found, arguments, message):
    np.save("x.npy", np.zeros(2))
    (found / "conv.gz").write_bytes(gzip.compress((found / "conv.prototxt").read_bytes()))
    (found / "conv.zip").write_bytes(b"PK\3\4" + bytes(100))
    (found / "utf16.prototxt").write_bytes((found / "conv.prototxt").read_text().encode("utf-16"))
    result = cli(f"summary {arguments}")
    assert result.exit_code == 3
    assert result.stderr.splitlines()[-1].startswith(f"caffe64: error: {message}")


@pytest.mark.parametrize(("name", "message"), [("lfs", "is a Git LFS pointer"), ("html", "is a web page")])
@pytest.mark.parametrize(
    "command",
    [
        "train {} w.bin optim.txt 2 X.txt Y.txt",
        "train net.txt w.bin {} 2 X.txt Y.txt",
        "train net.txt w.bin optim.txt 2 {} Y.txt",
        "train net.txt w.bin optim.txt 2 X.txt {}",
        "test net.txt {} 2 X.txt out.txt",
        "info net.txt {}",
        "convert {} x.npy",
        "verify conv.prototxt conv_float.caffemodel conv.prototxt conv_float.caffemodel --with {}",
        "classify conv.prototxt conv_float.caffemodel {}",
        "run conv.prototxt conv_float.caffemodel -i {}",
        "draw conv.prototxt --times {} -o net.html",
    ],
)
def test_a_pointer_or_page_is_refused_instead_of_any_file(cli, found, command, name, message):
    """A pointer holds digits, so as data it was read, and trained on."""
    shutil.copy(f"{name}.caffemodel", f"{name}.npy" if "--with" in command else name)
    (found / "net.txt").write_text("3\ninp 2 2\nlin 1 -1\nl2l\n")
    (found / "optim.txt").write_text("0.1 0 1 0 0.5 3")
    for file in ("X.txt", "Y.txt"):
        (found / file).write_text("1 2\n3 4\n")
    file = f"{name}.npy" if "--with" in command else name
    result = cli(command.format(file))
    assert result.exit_code == 3, result.stderr
    assert f"{file}: {message}, not the file itself" in result.stderr


@pytest.mark.parametrize("name", ["X.txt", "optimizer.txt"])
def test_text_in_place_of_weights_is_called_text(cli, found, name):
    (found / "net.txt").write_text("3\ninp 2 2\nlin 1 -1\nl2l\n")
    (found / "X.txt").write_text("1 2\n3 4\n")
    (found / "optimizer.txt").write_text("0.1 0 1 0 0 1\n")
    result = cli(f"test net.txt {name} 2 X.txt out.txt")
    assert result.exit_code == 3
    assert f"{name}: is text, expected a weights file (are the files given in the right order?)" in result.stderr


def test_lists_without_items_are_said_in_words(cli, found):
    (found / "none.prototxt").write_text(
        'layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 2 } } }\n'
        'layer { name: "s" type: "Silence" bottom: "p" }\n'
    )
    weights = layer("p", blob(floats(5, [1, 2]), [2]))
    (found / "none.caffemodel").write_bytes(weights)
    result = cli("summary none.prototxt --input-shape x:1x2")
    assert (result.exit_code, "has no input 'x', expected none" in result.stderr) == (3, True)
    np.save("x.npy", np.zeros(2))
    result = cli("run none.prototxt none.caffemodel -i x.npy")
    assert (result.exit_code, "--input x.npy: the net has no inputs" in result.stderr) == (2, True)
    (found / "silent.prototxt").write_text(
        'input: "x" input_shape { dim: 2 }\nlayer { name: "s" type: "Silence" bottom: "x" }'
    )
    result = cli("run silent.prototxt none.caffemodel -i x.npy -o y.npy")
    assert (result.exit_code, "the net has no outputs: write .npz" in result.stderr) == (2, True)


@pytest.mark.parametrize("net", ["names", "clash"])
def test_odd_names_and_fields_of_forks_do_not_matter(cli, found, net):
    prototxt = "names.prototxt" if net == "names" else "conv.prototxt"
    result = cli(f"optimize {prototxt} {net}.caffemodel -o small")
    assert result.exit_code == 0, result.stderr
    assert cli("summary small.prototxt small.caffemodel").exit_code == 0
    assert cli("summary notation.prototxt").exit_code == 0
