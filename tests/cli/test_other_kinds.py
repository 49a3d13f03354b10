"""Files of text nets given to commands for Caffe nets, and the other way round: which command is meant."""

from __future__ import annotations

import shutil

import pytest
from reference.child import TESTS

FOUND = TESTS / "data" / "found"
TEXT = "text (for caffe64 info, train, test, eval, score and export)"
NET = "expected a text net"
CAFFE = "(for caffe64 summary, time, run, classify, optimize, verify, draw and export, and test --model)"


@pytest.fixture
def files(task, cli):
    """net.txt, w.bin, X.txt, Y.txt, optim.txt of a text net; conv.prototxt and conv.caffemodel of a Caffe net."""
    assert cli("train net.txt w.bin optim.txt 400 X.txt Y.txt --quiet").exit_code == 0
    shutil.copy(FOUND / "conv.prototxt", task)
    shutil.copy(FOUND / "conv_float.caffemodel", task / "conv.caffemodel")
    return task


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("export conv.prototxt w.bin out.onnx", "w.bin: is the weights of a text net"),
        ("export net.txt conv.caffemodel out.onnx", f"expected a weights file {CAFFE}"),
        ("summary net.txt", f"net.txt: is a text net, expected a prototxt, which is {TEXT}"),
        ("time net.txt", "net.txt: is a text net"),
        ("draw net.txt -o out.html", "net.txt: is a text net"),
        ("run net.txt conv.caffemodel -i X.npy -o y.npy", "net.txt: is a text net"),
        ("classify net.txt conv.caffemodel cat.png", "net.txt: is a text net"),
        ("optimize net.txt conv.caffemodel -o out", "net.txt: is a text net"),
        ("verify net.txt conv.caffemodel net.txt conv.caffemodel", "net.txt: is a text net"),
        ("info conv.prototxt", f"conv.prototxt: is a prototxt, the net of a Caffe model, expected a text net {CAFFE}"),
        ("info net.txt conv.caffemodel", "conv.caffemodel: is a .caffemodel, the weights of a Caffe model"),
        ("info conv.caffemodel", "conv.caffemodel: is a .caffemodel, the weights of a Caffe model"),
        ("train conv.prototxt v.bin optim.txt 400 X.txt Y.txt", "conv.prototxt: is a prototxt"),
        ("train net.txt v.bin conv.prototxt 400 X.txt Y.txt", "conv.prototxt: is a prototxt"),
        ("train net.txt v.bin net.txt 400 X.txt Y.txt", "is a text net, expected an optimizer file (are the files"),
        ("train net.txt v.bin solver.prototxt 400 X.txt Y.txt", "an optimizer file (for caffe64 train --solver)"),
        ("summary solver.prototxt", "expected a field of NetParameter (this looks like a solver"),
        ("optimize --config conv.prototxt", "is a prototxt, the net of a Caffe model, expected a config.ini"),
        ("summary conv.caffemodel", "expected a prototxt, which is text (are the files given in the right order?)"),
        ("info w.bin", "w.bin: is the weights of a text net, expected a text net (are the files given in the right"),
        ("info large.caffemodel", f"large.caffemodel: is a .caffemodel, the weights of a Caffe model, {NET} {CAFFE}"),
        ("info net.txt cut.bin", "cut.bin: is 40 bytes long and announces 5 layers, expected a weights file (was it"),
        ("summary conv.prototxt cut.caffemodel", "bytes before a field does (was it copied completely?)"),
        ("test conv.prototxt conv.caffemodel 400 X.txt out.txt", "conv.prototxt: is a prototxt"),
        ("test net.txt conv.caffemodel 400 X.txt out.txt", f"expected a weights file {CAFFE}"),
        ("eval net.txt conv.caffemodel 400 X.txt Y.txt", "conv.caffemodel: is a .caffemodel"),
    ],
)  # fmt: skip
def test_a_file_of_the_other_kind_is_recognised(cli, files, command, message):
    whole = (files / "conv.caffemodel").read_bytes()
    (files / "cut.caffemodel").write_bytes(whole[:-100])
    (files / "large.caffemodel").write_bytes(whole + bytes(1 << 20))
    (files / "cut.bin").write_bytes((files / "w.bin").read_bytes()[:40])
    (files / "solver.prototxt").write_text('base_lr: 0.1\nnet: "conv.prototxt"\n')
    for name in ("X.npy", "cat.png"):
        (files / name).write_bytes(b"")
    result = cli(command)
    assert result.exit_code == 3, result.output
    assert message in result.stderr.splitlines()[-1]
    assert not (files / "out.onnx").exists()
