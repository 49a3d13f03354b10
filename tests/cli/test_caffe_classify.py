"""caffe64 classify: the CIFAR net on its 20 pictures, labels, several ways to print."""

from __future__ import annotations

import json

import numpy as np
import pytest
from reference.small_caffe_net import NET, write_net, write_picture
from support import SHARED, needs_shared

CIFAR = SHARED / "caffe" / "cifar10"
NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
RUN = "classify small.prototxt small.caffemodel"


@pytest.fixture
def net(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(11):  # more than go through the net at once
        write_picture(tmp_path / f"{number:02}.png", seed=number)
    (tmp_path / "labels.txt").write_text("n01440764 tench, Tinca tinca\nold shoe\ncat\n\n")
    return write_net(tmp_path)


@needs_shared
@pytest.mark.parametrize(("channels", "right"), [("rgb", 18), ("bgr", 7)])
def test_the_cifar_net_gets_its_published_result_with_the_order_it_was_trained_on(cli, tmp_path, channels, right):
    """18 of 20, as published; mean and scale are the net's own. In the wrong order of channels it is a poor guess."""
    (tmp_path / "labels.txt").write_text("\n".join(NAMES))
    pictures = sorted((CIFAR / "images").glob("*.png"))
    files = " ".join(map(str, pictures))
    result = cli(
        f"classify {CIFAR}/train_val.prototxt {CIFAR}/cifar10.caffemodel {files} --deploy --input-shape data:1x3x32x32 "
        f"--channels {channels} --labels {tmp_path}/labels.txt --top 1"
    )
    assert result.exit_code == 0, result.stderr
    order = " ".join(channels.upper())
    assert f"stretched to 32x32, channels {order}, minus 104, 117, 123, times 0.017" in result.stderr
    header, *rows = (line.split() for line in result.stdout.splitlines())
    assert header == ["picture", "label", "class", "score"]
    assert [row[0] for row in rows] == [str(path) for path in pictures]
    assert all(row[1] == NAMES[int(row[2])] for row in rows)
    assert sum(path.stem[-1] == row[2] for path, row in zip(pictures, rows, strict=True)) == right


def test_scores_are_the_nets_highest_first(net, cli):
    report = json.loads(cli(f"{RUN} {' '.join(f'{n:02}.png' for n in range(11))} --labels labels.txt --json").stdout)
    assert [each["picture"] for each in report] == [f"{n:02}.png" for n in range(11)]
    names = ["tench, Tinca tinca", "old shoe", "cat"]
    for number, each in enumerate(report):
        x = write_picture(net_folder(net) / "x.png", seed=number)[None, :, :, ::-1].transpose(0, 3, 1, 2)
        expected = net.forward(data=x)["prob"][0]
        classes = np.argsort(-expected)
        assert [best["number"] for best in each["classes"]] == classes.tolist()
        assert [best["label"] for best in each["classes"]] == [names[n] for n in classes]
        np.testing.assert_allclose([best["score"] for best in each["classes"]], expected[classes], rtol=1e-5)


def net_folder(net):
    from pathlib import Path

    return Path(net.path).parent


def test_without_labels_there_are_numbers(net, cli):
    lines = cli(f"{RUN} 00.png --top 2").stdout.splitlines()
    assert lines[0].split() == ["picture", "class", "score"]
    assert len(lines) == 3
    assert float(lines[1].split()[2]) >= float(lines[2].split()[2])


def test_labels_that_do_not_fit_are_refused(net, cli, tmp_path):
    (tmp_path / "labels.txt").write_text("a\nb\n")
    result = cli(f"{RUN} 00.png --labels labels.txt")
    assert result.exit_code == 3
    assert "labels.txt: has 2 labels, expected 3, one for each class of 'prob'" in result.stderr


def test_labels_cannot_command_a_terminal(net, cli, tmp_path):
    (tmp_path / "labels.txt").write_text("a\x1b[2J\nb\x07\nc\n")
    found = cli(f"{RUN} 00.png --labels labels.txt").stdout
    assert "\x1b" not in found
    assert "\x07" not in found


def test_a_net_with_several_outputs_needs_a_choice(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_net(tmp_path, more='layer { name: "more" type: "Power" bottom: "pool" top: "more" }\n')
    write_picture(tmp_path / "a.png")
    result = cli(f"{RUN} a.png")
    assert result.exit_code == 2
    assert "the net has the outputs more, prob: choose one with --blob NAME" in result.stderr
    assert cli(f"{RUN} a.png --blob prob").exit_code == 0
    assert "the net has the outputs more, prob" in cli(f"{RUN} a.png --blob pool").stderr


def test_a_map_of_scores_is_not_a_classification(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "n.prototxt").write_text("".join(NET.splitlines(keepends=True)[:5]).replace("TRANSFORM", ""))
    write_picture(tmp_path / "a.png")
    import caffe64

    caffe64.load_caffe("n.prototxt").save("n.prototxt", "n.caffemodel")
    result = cli("classify n.prototxt n.caffemodel a.png")
    assert result.exit_code == 2
    assert "the output 'conv' has the shape [1, 4, 8, 6], expected [pictures, classes]" in result.stderr
