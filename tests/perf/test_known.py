"""The well-known nets: as large as the published models, with the shapes of theirs, and written as files that open."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from support import SHARED, needs_shared

import caffe64
from caffe64.caffe.reading import read_graph
from caffe64.engine.graph.analysis.cost import cost_of
from caffe64.engine.graph.analysis.shapes import infer_shapes, weight_shapes
from caffe64.perf.known.nets import NETS

DOCS = Path(__file__).resolve().parents[2] / "docs" / "how-to"
# Bytes of published models, nearly all of them weights: those of OpenCV's samples and of the authors' pages.
PUBLISHED = {
    "res10_ssd": 10_666_211,
    "mobilenet_ssd": 23_147_564,
    "openpose": 209_274_056,
    "age": 45_661_480,
    "colorization": 128_946_764,
    "hed": 56.1 * 1024**2,
    "segnet": 117.8e6,
    "fcn8s": 539e6,
    "det2": 407_910,
    "det3": 1_558_000,
}
EDGES = ("dsn1", "dsn2", "dsn3", "dsn4", "dsn5", "fuse")
FILES = {file: text for make in NETS.values() for file, text in make().items()}


def graph_of(file, folder):
    path = folder / f"{file}.prototxt"
    path.write_text(FILES[file])
    graph, _, notices = read_graph(path, "TEST", {})
    assert all("upgraded from an older version" in notice for notice in notices)
    return graph


@pytest.mark.parametrize("file", PUBLISHED)
def test_a_net_is_as_large_as_the_published_model(file, tmp_path):
    graph = graph_of(file, tmp_path)
    shapes = weight_shapes(graph, infer_shapes(graph))
    numbers = sum(int(np.prod(shape)) for node in shapes for shape in node)
    assert 4 * numbers == pytest.approx(PUBLISHED[file], rel=0.05 if PUBLISHED[file] < 1e6 else 0.005)


@pytest.mark.parametrize(
    ("file", "sizes", "outputs"),
    [
        ("res10_ssd", {}, {"detection_out": (1, 1, 200, 7)}),
        ("mobilenet_ssd", {}, {"detection_out": (1, 1, 100, 7)}),
        ("openpose", {"image": (1, 3, 368, 656)}, {"net_output": (1, 57, 46, 82)}),
        ("age", {}, {"prob": (1, 8)}),
        ("colorization", {}, {"class8_ab": (1, 2, 56, 56)}),
        ("hed", {"data": (1, 3, 321, 481)}, {f"sigmoid-{each}": (1, 1, 321, 481) for each in EDGES}),
        ("googlenet", {}, {"prob": (1, 365)}),
        ("segnet", {}, {"prob": (1, 11, 360, 480)}),
        ("fcn8s", {"data": (1, 3, 300, 401)}, {"score": (1, 21, 300, 401)}),
        ("faster_rcnn", {"data": (1, 3, 600, 800)}, {"cls_prob": (300, 21), "bbox_pred": (300, 84)}),
        ("rfcn", {"data": (1, 3, 600, 800)}, {"cls_prob": (300, 21), "bbox_pred_reshape": (300, 8)}),
        ("det1", {"data": (1, 3, 30, 42)}, {"prob1": (1, 2, 10, 16), "conv4-2": (1, 4, 10, 16)}),
        ("det3", {}, {"prob1": (1, 2), "conv6-2": (1, 4), "conv6-3": (1, 10)}),
    ],
)
def test_outputs_are_of_the_size_of_the_picture(file, sizes, outputs, tmp_path):
    graph = graph_of(file, tmp_path)
    shapes = infer_shapes(graph, sizes)
    assert {blob.name: shapes[blob] for blob in graph.results} == outputs


@pytest.mark.parametrize(("file", "boxes"), [("res10_ssd", 8732), ("mobilenet_ssd", 1917)])
def test_detectors_have_the_known_number_of_boxes(file, boxes, tmp_path):
    graph = graph_of(file, tmp_path)
    shapes = infer_shapes(graph)
    (places,) = [shape for blob, shape in shapes.items() if blob.name == "mbox_loc"]
    assert places == (1, 4 * boxes)


@needs_shared
@pytest.mark.parametrize(("file", "real"), [("retinaface", "mnet-deconv-0517"), ("det1", "mtcnn_det1")])
def test_a_net_is_that_of_a_real_file(file, real, tmp_path):
    """In its outputs, its weights, its cost, and the number of layers of each type."""
    found, path = [], SHARED / "caffe" / "models" / f"{real}.prototxt"
    for graph in (graph_of(file, tmp_path), read_graph(path, "TEST", {})[0]):
        shapes = infer_shapes(graph, {graph.inputs[0].name: (1, 3, 320, 320)})
        types = sorted(node.type for node in graph.nodes)
        weights = [sorted(each) for each in weight_shapes(graph, shapes) if each]
        found.append(({blob.name: shapes[blob] for blob in graph.results}, cost_of(graph, shapes).macs, types, weights))
    assert found[0] == found[1]


def test_edges_are_where_the_picture_has_them(tmp_path):
    """HED's crops take off what its padding adds: the middle of each scale's map is that of the picture."""
    graph = graph_of("hed", tmp_path)
    shapes = infer_shapes(graph, {"data": (1, 3, 316, 316)})  # where no pooling rounds up
    for node in graph.nodes:
        if node.type == "Crop":
            before, after = (shapes[blob][2] for blob in (node.bottoms[0], node.tops[0]))
            assert node.attributes.offset == ((before - after) // 2,)


def test_the_command_writes_files_that_open(perf, tmp_path):
    done = perf("net", "mtcnn", "-o", tmp_path / "new")
    assert done.exit_code == 0, done.stderr
    assert f"wrote {tmp_path}/new/det3.prototxt and det3.caffemodel: 17 layers, 1.6 MB" in done.stdout
    net = caffe64.load_caffe(tmp_path / "new" / "det1.prototxt", tmp_path / "new" / "det1.caffemodel")
    assert net.notices
    assert np.isfinite(net.forward(data=np.ones((2, 3, 20, 30)))["prob1"]).all()
    again = perf("net", "mtcnn", "-o", tmp_path / "again")
    assert again.exit_code == 0
    assert (tmp_path / "again" / "det2.caffemodel").read_bytes() == (tmp_path / "new" / "det2.caffemodel").read_bytes()


@pytest.mark.parametrize("page", ["away-from-caffe", "caffe-recipes"])
def test_the_pages_show_the_numbers_of_layers(page):
    """Which the tests of pages take for measured."""
    shown = re.findall(r"^wrote (\w+)\.prototxt.*: (\d+) layers", (DOCS / f"{page}.md").read_text(), re.MULTILINE)
    assert shown == [(file, str(len(re.findall("^layers? {", FILES[file], re.MULTILINE)))) for file, _ in shown]
    assert shown


def test_the_command_writes_a_net_without_its_model(perf, tmp_path):
    done = perf("net", "fcn8s", "--no-model", "-o", tmp_path)
    assert done.stdout == f"wrote {tmp_path}/fcn8s.prototxt: {len(graph_of('fcn8s', tmp_path).nodes) - 1} layers\n"
    assert [path.name for path in tmp_path.iterdir()] == ["fcn8s.prototxt"]


def test_an_unknown_net_is_refused_with_those_there_are(perf):
    done = perf("net", "resnet")
    assert done.exit_code == 2
    assert "there is no net 'resnet'; there are res10_ssd, mobilenet_ssd, openpose" in done.stderr
