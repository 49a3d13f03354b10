"""summary, time, draw and classify from Python: the same numbers, texts and files as the commands give."""

from __future__ import annotations

import inspect
import json
import typing

import numpy as np
import pytest
from reference.small_caffe_net import write_net, write_picture

import caffe64

FILES = ("small.prototxt", "small.caffemodel")
COMMAND = " ".join(FILES)


@pytest.fixture
def net(tmp_path, monkeypatch):
    """The small net, loaded from files in the working directory, and pictures 0.png to 9.png."""
    monkeypatch.chdir(tmp_path)
    write_net(tmp_path, transform="mean_value: 10 scale: 0.5")
    for number in range(10):  # more than go through the net at once
        write_picture(tmp_path / f"{number}.png", seed=number)
    (tmp_path / "labels.txt").write_text("n01440764 tench\nold shoe\ncat\n")
    return caffe64.load_caffe(*FILES)


def without_times(report: dict) -> dict:
    """What `time --json` tells that does not depend on the clock."""
    layers = [{k: v for k, v in each.items() if k not in ("forward", "backward", "steps")} for each in report["layers"]]
    rest = {k: v for k, v in report.items() if k not in ("forward", "backward", "peak", "compared")}
    return {**rest, "layers": layers} | (
        {"compared": without_times(report["compared"])} if "compared" in report else {}
    )


def test_a_summary_is_what_the_command_prints(cli, net):
    found = caffe64.summary(net)
    assert f"{found.to_json()}\n" == cli(f"summary {COMMAND} --json").stdout
    assert f"{found}\n" == cli(f"summary {COMMAND}").stdout
    assert repr(found) == str(found)
    assert [(layer.name, layer.macs) for layer in found.layers][1] == ("conv", 8 * 6 * 4 * 27)
    assert found.total.parameters == 4 * 27 + 4 + 4 * 3 + 3
    assert isinstance(found, caffe64.Summary)


def test_a_summary_has_the_present_shapes(net):
    net.reshape(data=(2, 3, 8, 6))
    assert caffe64.summary(net).layers[1].shapes == [[2, 4, 8, 6]]


@pytest.mark.parametrize("trained", [False, True])
def test_the_summary_of_a_text_net_is_what_info_prints(cli, task, trained):
    net = caffe64.Net.read("net.txt")
    if trained:
        net.initialise(3)
        net.save("w.bin")
    files = "net.txt w.bin" if trained else "net.txt"
    found = caffe64.summary(net)
    report = json.loads(cli(f"info {files} --json").stdout)
    named = {"network": "inp 4 10 / lin 8 -1 / rel / lin 3 -1 / sce", "weights": None}
    assert json.loads(found.to_json()) == report | named
    assert str(found).splitlines() == [line for line in cli(f"info {files}").stdout.splitlines() if "fits" not in line]
    assert ("smallest" in report["layers"][1]) == trained
    assert isinstance(found, caffe64.TextSummary)


@pytest.mark.parametrize("options", ["", "--backward", "--fuse --batch 3", "--exact --threads 1"])
def test_a_timing_is_what_the_command_measures(cli, net, options):
    chosen = {name: name in options for name in ("backward", "fuse", "exact")}
    numbers = {"batch": 3 if "batch" in options else None, "threads": 1 if "threads" in options else None}
    found = caffe64.time(net, iterations=3, **chosen, **numbers)
    report = json.loads(cli(f"time {COMMAND} --iterations 3 --json {options}").stdout)
    assert without_times(json.loads(found.to_json())) == without_times(report)
    assert json.loads(found.to_json()).keys() == report.keys()
    assert str(found).splitlines()[-1] == cli(f"time {COMMAND} --iterations 1 {options}").stdout.splitlines()[-1]
    assert 0 < found.forward.min <= found.forward.median
    assert (found.backward is None) == ("backward" not in options)


def test_two_nets_are_timed_in_turns(cli, net):
    other = caffe64.load_caffe(*FILES, input_shapes=(2, 3, 8, 6))
    found = caffe64.time(net, compare=other, iterations=2)
    report = json.loads(cli(f"time {COMMAND} --compare small.prototxt --iterations 2 --json").stdout)
    assert json.loads(found.to_json())["compared"].keys() == report["compared"].keys()
    assert found.compared.activations.blobs == 2 * found.activations.blobs
    assert str(found).splitlines()[0].split() == ["layer", "first", "ms", "second", "ms", "acceleration"]


def test_timing_leaves_the_net_as_it_is(tmp_path):
    """BatchNorm in TRAIN writes its statistics when it runs."""
    (tmp_path / "n.prototxt").write_text(
        'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 4 dim: 2 } } }\n'
        'layer { name: "b" type: "BatchNorm" bottom: "d" top: "b" batch_norm_param { use_global_stats: false } }\n'
    )
    net = caffe64.load_caffe(tmp_path / "n.prototxt", phase="TRAIN")
    X = np.float32(np.arange(8).reshape(4, 2))
    net.forward(d=X)
    before = [blob.data.copy() for blob in net.params["b"]]
    caffe64.time(net, iterations=2, batch=3)
    caffe64.time(net, iterations=2, backward=True)
    for blob, expected in zip(net.params["b"], before, strict=True):
        np.testing.assert_array_equal(blob.data, expected)
    np.testing.assert_array_equal(net.blobs["d"].data, X)


def test_a_drawing_is_the_file_that_the_command_writes(cli, net, tmp_path):
    cli(f"draw {COMMAND} -o by_command.html")
    cli(f"draw {COMMAND} -o by_command.svg")
    drawing = caffe64.draw(*FILES)
    for suffix, content in (("html", drawing.html), ("svg", drawing.svg)):
        assert content == (tmp_path / f"by_command.{suffix}").read_text()
        drawing.save(f"saved.{suffix.upper()}")
        assert content == (tmp_path / f"saved.{suffix.upper()}").read_text()
        assert content == getattr(caffe64.draw(net), suffix)
    assert repr(drawing) == "Drawing('small', 6 layers)"


def test_two_nets_are_one_page(cli, net, tmp_path):
    smaller, _ = caffe64.optimize(net)
    smaller.save("other.prototxt", "other.caffemodel")
    cli("draw small.prototxt --compare other.prototxt -o both.html")
    assert caffe64.draw("small.prototxt", compare="other.prototxt").html == (tmp_path / "both.html").read_text()
    both = caffe64.draw(net, compare="other.prototxt", phase="TEST")
    assert "before" in both.html
    with pytest.raises(caffe64.UsageError, match="two nets beside each other are a page"):
        both.save("both.svg")


def test_measured_times_are_drawn(cli, net, tmp_path):
    times = caffe64.time(net, iterations=2)
    (tmp_path / "times.json").write_text(times.to_json())
    drawing = caffe64.draw(net, times=times)
    assert drawing.html == caffe64.draw(net, times="times.json").html != caffe64.draw(net).html


def test_notices_are_kept_and_said(tmp_path):
    (tmp_path / "n.prototxt").write_text('layer { name: "d" type: "Input" top: "d" input_param { odd: 1 } }')
    said: list[str] = []
    drawing = caffe64.draw(tmp_path / "n.prototxt", say=said.append)
    assert said == drawing.notices
    assert "'odd' is left out" in said[0]


@pytest.mark.parametrize("labels", [None, "labels.txt", ["tench", "old shoe", "cat"]])
def test_classes_are_those_of_the_command(cli, net, labels):
    pictures = [f"{number}.png" for number in range(10)]
    found = caffe64.classify(net, pictures, labels=labels, top=2)
    option = "--labels labels.txt" if labels else ""
    command = f"classify {COMMAND} {' '.join(pictures)} {option} --top 2"
    assert f"{found.to_json()}\n" == cli(f"{command} --json").stdout
    assert f"{found}\n" == cli(command).stdout
    assert found.classes[9][0].label in (["tench", "old shoe", "cat"] if labels else ["0", "1", "2"])
    assert found.preparation == ["stretched to 6x8", "channels B G R", "minus 10", "times 0.5"]
    assert net.blobs["data"].shape == (1, 3, 8, 6)


def test_pictures_are_prepared_as_asked_for(cli, net, tmp_path):
    np.save("mean.npy", np.full((3, 8, 6), [[[1]], [[2]], [[3]]], np.float32))
    report = cli(
        f"classify {COMMAND} 0.png --mean mean.npy --scale 0.5,1,2 --channels rgb --resize 12x10 --crop 6x8 --json"
    ).stdout
    options = {"scale": (0.5, 1, 2), "channels": "rgb", "resize": (10, 12), "crop": (8, 6)}
    for mean in ("mean.npy", np.load("mean.npy"), (1, 2, 3), tmp_path / "mean.npy"):
        assert f"{caffe64.classify(net, '0.png', mean=mean, **options).to_json()}\n" == report


def test_a_mean_file_of_the_net_is_noticed(tmp_path):
    net = write_net(tmp_path, transform='mean_file: "mean.binaryproto"')
    write_picture(tmp_path / "a.png")
    found = caffe64.classify(net, tmp_path / "a.png")
    assert found.notices[0] == "the net's mean file is not read: mean='mean.binaryproto' would take it"
    assert not [notice for notice in caffe64.classify(net, tmp_path / "a.png", mean=0).notices if "file" in notice]


CASES = {  # the call with a net -> what its message says
    "a file to sum up": (lambda net: caffe64.summary("small.prototxt"), "net is of the type str, expected a caffe64"),
    "a text net to time": (lambda net: caffe64.time(caffe64.Net("inp 1 1 / l2l")), "expected a caffe64.CaffeNet"),
    "a file to compare times": (lambda net: caffe64.time(net, compare="a"), "compare is 'a', expected a caffe64.Caf"),
    "no iterations": (lambda net: caffe64.time(net, iterations=0), "iterations is 0"),
    "a batch of 0": (lambda net: caffe64.time(net, batch=0), "batch is 0"),
    "0 threads": (lambda net: caffe64.time(net, threads=0), "threads is 0"),
    "a text for a flag": (lambda net: caffe64.time(net, exact="no"), "exact is 'no', expected True or False"),
    "a text net to draw": (lambda net: caffe64.draw(caffe64.Net("inp 1 1 / l2l")), "or the name of a .prototxt"),
    "weights of a loaded net": (lambda net: caffe64.draw(net, FILES[1]), "caffemodel is for a net that is read"),
    "a shape of a loaded net": (lambda net: caffe64.draw(net, input_shapes=(1, 3, 8, 6)), "input_shapes is for"),
    "a number to compare": (lambda net: caffe64.draw(net, compare=3), "compare is 3"),
    "times of nothing": (lambda net: caffe64.draw(net, times=3), "times is 3, expected a caffe64.Timing or"),
    "a page as text": (lambda net: caffe64.draw(net).save("a.txt"), r"'a\.txt' ends neither in \.html nor in \.svg"),
    "no function to say": (lambda net: caffe64.draw(net, say=3), "say is 3, expected a function"),
    "no pictures": (lambda net: caffe64.classify(net, []), "pictures holds no names of files"),
    "a number of pictures": (lambda net: caffe64.classify(net, 3), "pictures holds no names of files"),
    "pixels": (lambda net: caffe64.classify(net, np.zeros((1, 8, 6, 3))), "expected the name of a file"),
    "no classes": (lambda net: caffe64.classify(net, "0.png", top=0), "top is 0"),
    "another output": (lambda net: caffe64.classify(net, "0.png", blob="fc"), "blob=fc: the net has the outputs prob"),
    "labels for others": (lambda net: caffe64.classify(net, "0.png", labels=["a"]), "1 labels, expected 3, one for"),
    "another order": (lambda net: caffe64.classify(net, "0.png", channels="grb"), "channels is 'grb'"),
    "one side": (lambda net: caffe64.classify(net, "0.png", resize=8), "resize is 8, expected a list of 2 whole"),
    "a side too large": (lambda net: caffe64.classify(net, "0.png", crop=(8, 9999)), "sides of at most 8192 pixels"),
    "a mean of words": (lambda net: caffe64.classify(net, "0.png", mean="1,2,3"), "mean is '1,2,3', expected numbers"),
    "a scale of 0": (lambda net: caffe64.classify(net, "0.png", scale=0), "scale is 0"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_would_be_misused_is_refused(net, case):
    call, message = CASES[case]
    with pytest.raises(caffe64.UsageError, match=message):
        call(net)


@pytest.mark.parametrize("name", ["classify", "draw", "summary", "time"])
def test_functions_are_documented_and_annotated(name):
    function = getattr(caffe64, name)
    assert "Raises" in inspect.getdoc(function)
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(parameter.annotation is not parameter.empty for parameter in signature.parameters.values())
    assert typing.get_origin(function) is None


def test_functions_print_nothing(net, capfd):
    for call in (caffe64.summary, caffe64.draw, lambda net: caffe64.time(net, iterations=1)):
        call(net)
    caffe64.classify(net, "0.png")
    assert capfd.readouterr() == ("", "")
