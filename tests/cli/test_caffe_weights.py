"""Weights in all the forms in which they are found, through the commands; and files that are none."""

from __future__ import annotations

import shutil

import pytest
from support import FOUND


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


def test_batch_norm_with_its_own_scale_is_told_summed_up_drawn_exported_and_folded(cli, found):
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
