"""Which files of a command line are a net."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from caffe64.cli.net_files import NetFiles, first_net, net_files, two_nets
from caffe64.formats.onnx import is_onnx


def files(text: str) -> list[Path]:
    return [Path(each) for each in text.split()]


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("a.prototxt a.caffemodel b.prototxt b.caffemodel", "a.prototxt a.caffemodel", "b.prototxt b.caffemodel"),
        ("a.prototxt a.caffemodel b.onnx", "a.prototxt a.caffemodel", "b.onnx"),
        ("a.onnx b.ONNX", "a.onnx", "b.ONNX"),
        ("a.onnx b.prototxt b.h5", "a.onnx", "b.prototxt b.h5"),
    ],
)
def test_two_nets_in_a_row(text, first, second):
    expected = [NetFiles(*(*files(each), None)[:2]) for each in (first, second)]
    assert list(two_nets(files(text))) == expected
    assert [each.is_onnx for each in expected] == [len(files(each)) == 1 for each in (first, second)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no files; expected two nets"),
        ("a.onnx", "one net, a.onnx; expected two nets"),
        ("a.prototxt", "needs the weights of a.prototxt: a.prototxt MODEL"),
        ("a.prototxt a.caffemodel b.prototxt", "needs the weights of b.prototxt: b.prototxt MODEL2"),
        ("a.onnx b.onnx c.onnx", "'c.onnx' is more than two nets"),
    ],
)
def test_other_numbers_of_files_are_refused(text, message):
    with pytest.raises(typer.BadParameter, match=message):
        two_nets(files(text))


def test_an_onnx_file_takes_no_model():
    assert net_files(Path("x.onnx"), None).model is None
    with pytest.raises(typer.BadParameter, match=r"x\.onnx holds its weights itself; leave .x\.caffemodel. out"):
        net_files(Path("x.onnx"), Path("x.caffemodel"))
    with pytest.raises(typer.BadParameter, match=r"needs the weights of x\.prototxt"):
        net_files(Path("x.prototxt"), None)
    assert net_files(Path("x.prototxt"), None, weights=False).model is None
    assert first_net(files("a.onnx out.safetensors"))[1] == [Path("out.safetensors")]


def test_the_suffix_decides():
    assert is_onnx("a/b.Onnx")
    assert not is_onnx("onnx")
    assert not is_onnx("a.onnx.prototxt")
