"""caffe64 draw: what it counts, what it takes, what it refuses."""

from __future__ import annotations

import json
import re
import shutil
import time

import pytest
from reference.caffe_nets import convolution, data, googlenet, layer, residual
from support import SHARED, needs_shared

CAFFE = SHARED / "caffe"
NETS = CAFFE / "nets"
STRANGE = data(1, 3, 8, 8) + convolution("c", "data", 4, 3) + layer("Strange", "u", ["c"], "strange_param { a: 1 }")
STRANGE += convolution("d", "u", 4, 3) + layer("Pooling", "p", ["c"], "pooling_param { kernel_size: 2 stride: 2 }")


def page_data(path) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(), re.DOTALL)[1])


def panel(path, name: str, pane: int = 0) -> dict[str, dict[str, str]]:
    """The sections of the panel of a layer."""
    found = next(each for each in page_data(path)["nets"][pane]["layers"] if each["name"] == name)
    return {heading: dict(rows) for heading, rows in found["panel"]}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "google.prototxt").write_text(googlenet())
    (tmp_path / "strange.prototxt").write_text(STRANGE)
    return tmp_path


def test_the_page_has_the_numbers_of_summary(cli, folder):
    assert cli("draw google.prototxt -o net.html").exit_code == 0
    report = json.loads(cli("summary google.prototxt --json").stdout)
    content = (folder / "net.html").read_text()
    assert report["parameters"] == 6_998_552  # of GoogLeNet's paper and model
    for number in (len(report["layers"]), report["parameters"], report["macs"]):
        assert f"<td>{number:,}</td>" in content
    first = panel(folder / "net.html", "conv1/7x7_s2")
    assert first["outputs"] == {"conv1/7x7_s2": "1×64×112×112"}
    assert first["weights"] == {"blob 0": "64×3×7×7", "blob 1": "64", "parameters": "9,472"}
    assert first["cost"]["MACs"].startswith("118,013,952 (")
    assert first["in the file"] == {"num_output": "64", "kernel_size": "7", "stride": "2", "pad": "3"}


def test_layers_of_unknown_types_are_drawn_with_shapes_up_to_there(cli, folder):
    result = cli("draw strange.prototxt -o net.html")
    assert result.exit_code == 0, result.stderr
    assert "strange_param" not in result.stderr  # whose text is kept, as that of any layer of an unknown type
    assert panel(folder / "net.html", "u") == {
        "in the file": {"a": "1"},
        "inputs": {"c": "1×4×6×6"},
        "outputs": {"u": "shape not known"},
    }
    assert panel(folder / "net.html", "p")["outputs"] == {"p": "1×4×3×3"}
    assert panel(folder / "net.html", "relu_c")["cost"]["memory"] == "none, works in place"
    assert "≥ 112" in (folder / "net.html").read_text()


def test_an_input_shape_is_taken(cli, folder):
    assert cli("draw strange.prototxt -o net.html --input-shape 2x3x20x20").exit_code == 0
    assert panel(folder / "net.html", "c")["outputs"] == {"c": "2×4×18×18"}


def test_an_svg_is_the_same_picture(cli, folder):
    assert cli("draw google.prototxt -o net.svg").exit_code == 0
    assert cli("draw google.prototxt -o net.html").exit_code == 0
    drawn, page = (folder / "net.svg").read_text(), (folder / "net.html").read_text()
    edges = re.findall(r'class="edge"[^>]* d="([^"]*)"', drawn)
    assert len(edges) == len(page_data(folder / "net.html")["nets"][0]["edges"])
    assert edges == re.findall(r'class="edge"[^>]* d="([^"]*)"', page)


def test_measured_times_are_printed(cli, folder):
    times = {"layers": [{"name": "c", "forward": {"median": 0.0015}}, {"name": "gone", "forward": {"median": 1}}]}
    (folder / "times.json").write_text(json.dumps(times))
    result = cli("draw strange.prototxt -o net.html --times times.json")
    assert "has a time for 'gone', which the net does not have" in result.stderr
    assert panel(folder / "net.html", "c")["cost"]["time"] == "1.5 ms (100 %)"
    assert "time" not in panel(folder / "net.html", "p")["cost"]
    assert "<td>≥ 1.5 ms</td>" in (folder / "net.html").read_text()


@needs_shared
def test_a_net_beside_its_optimised_form(cli, folder):
    for name in ("train_val.prototxt", "cifar10.caffemodel"):
        shutil.copy(CAFFE / "cifar10" / name, folder)
    net = "train_val.prototxt cifar10.caffemodel --deploy --input-shape 4x3x32x32"
    assert cli(f"optimize {net} -o small --no-verify").exit_code == 0
    result = cli(f"draw {net} --compare small.prototxt -o both.html")
    assert result.exit_code == 0, result.stderr
    assert panel(folder / "both.html", "bn4")[""] == {"folded": "into conv4"}
    assert panel(folder / "both.html", "drop7")[""] == {"removed": "is not in the net after"}
    assert "took bn4, scale4" in panel(folder / "both.html", "conv4", pane=1)[""]["changed"]
    content = (folder / "both.html").read_text()
    assert "<td>25</td><td>322,316</td>" in content
    assert "<td>17</td><td>321,834</td>" in content


@needs_shared
@pytest.mark.parametrize("name", ["alexnet_bn_train_val", "lenet_train_test", "cifar10_quick_train_test"])
def test_nets_for_training_are_drawn_as_they_are(cli, folder, name):
    assert cli(f"draw {NETS / name}.prototxt -o net.html").exit_code == 0


@needs_shared
def test_a_model_of_another_net_is_refused(cli, folder):
    model = CAFFE / "cifar10" / "cifar10.caffemodel"
    result = cli(f"draw google.prototxt {model} -o net.html")
    assert result.exit_code == 3
    assert "'conv1/7x7_s2' (Convolution): has no weights in" in " ".join(result.stderr.split())
    assert not (folder / "net.html").exists()


@needs_shared
def test_a_model_has_the_weights_of_layers_whose_inputs_are_not_known(cli, folder):
    for name in ("train_val.prototxt", "cifar10.caffemodel"):
        shutil.copy(CAFFE / "cifar10" / name, folder)
    assert cli("draw train_val.prototxt cifar10.caffemodel -o net.html").exit_code == 0
    found = panel(folder / "net.html", "conv1")
    assert found["weights"]["blob 0"] == "32×3×5×5"
    assert found["outputs"] == {"conv1": "shape not known"}


def test_a_net_of_a_thousand_layers_takes_seconds(cli, folder):
    (folder / "long.prototxt").write_text(residual(200))
    start = time.perf_counter()
    assert cli("draw long.prototxt -o net.html").exit_code == 0
    assert time.perf_counter() - start < 20  # measured: 0.6 s
    assert len(page_data(folder / "net.html")["nets"][0]["units"]) == 401


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("draw", 2, "Missing argument 'NET'"),
        ("draw google.prototxt", 2, "Missing option '--output'"),
        ("draw google.prototxt -o net.png", 2, "'net.png' ends neither in .html nor in .svg"),
        ("draw google.prototxt -o net.svg --compare google.prototxt", 2, "--output must end in .html"),
        ("draw google.prototxt -o net.html --input-shape 3x", 2, "is not a shape such as 1x3x224x224"),
        ("draw google.prototxt -o net.html --input-shape picture:1x3x9x9", 3, "has no input 'picture'"),
        ("draw none.prototxt -o net.html", 3, "Couldn't find file none.prototxt"),
        ("draw google.prototxt none.caffemodel -o net.html", 3, "Couldn't find file none.caffemodel"),
        ("draw google.prototxt -o net.html --compare none.prototxt", 3, "Couldn't find file none.prototxt"),
        ("draw google.prototxt -o none/net.html", 3, "cannot be written"),
        ("draw google.prototxt -o net.html --times none.json", 3, "Couldn't find file none.json"),
        ("draw google.prototxt -o net.html --times google.prototxt", 3, "holds no times of layers"),
        ("draw google.prototxt -o net.html --times list.json", 3, "holds no times of layers"),
        ("draw google.prototxt -o net.html --times deep.json", 3, "holds no times of layers"),
        ("draw google.prototxt -o net.html --times nan.json", 3, "has the time nan for 'c'"),
        ("draw bad.prototxt -o net.html", 3, "reads the blob 'nothing'"),
    ],
)
def test_wrong_input_is_said_in_one_line_and_nothing_is_written(cli, folder, command, code, message):
    (folder / "list.json").write_text("[1]")
    (folder / "deep.json").write_text("[" * 100_000)
    (folder / "nan.json").write_text('{"layers": [{"name": "c", "forward": {"median": NaN}}]}')
    (folder / "bad.prototxt").write_text(layer("ReLU", "r", ["nothing"]))
    result = cli(command)
    assert result.exit_code == code
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
    assert not (folder / "net.html").exists()


def test_help_fits_80_columns(cli):
    result = cli("draw --help")
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_results_go_into_the_file_and_notices_to_stderr(cli, folder):
    result = cli("draw google.prototxt -o net.html")
    assert result.stdout == ""
    assert result.stderr == "caffe64: wrote net.html: 143 layers\n"
