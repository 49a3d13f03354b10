"""What a notebook shows of nets and results: HTML that parses, in which names from files are text and nothing else."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from reference.html_page import Page
from reference.small_caffe_net import write_picture

import caffe64
from caffe64.results import TextTable

HOSTILE = "</td></script><img src=x onerror=\"alert('1')\">&amp;<!--\x01"
NET = """
name: NAME
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 6 } } }
layer { name: NAME type: "InnerProduct" bottom: "data" top: NAME inner_product_param { num_output: 3
        weight_filler { type: "xavier" } } }
layer { name: "r" type: "ReLU" bottom: NAME top: "r" }
"""
ALLOWED = {"b", "details", "div", "iframe", "img", "summary", "table", "tbody", "td", "th", "thead", "tr"}


@pytest.fixture
def net(tmp_path):
    (tmp_path / "<b>.prototxt").write_text(NET.replace("NAME", json.dumps(HOSTILE).replace("\\u0001", "\\001")))
    return caffe64.load_caffe(tmp_path / "<b>.prototxt")


def parsed(thing) -> Page:
    """Its HTML for a notebook: of few elements, without anything that runs or is fetched."""
    content = thing._repr_html_()
    page = Page(content)
    assert set(page.count) <= ALLOWED
    for tag, attributes in page.attributes:
        assert not [name for name in attributes if name.startswith("on")]
        assert attributes.get("src", "data:").startswith("data:image/svg+xml;base64,") or "src" not in attributes, tag
    assert "\x01" not in content
    return page


def cells(page: Page) -> str:
    return page.texts.get("td", "")


def test_a_caffe_net_is_its_picture_and_its_table(net):
    page = parsed(net)
    assert page.count["img"] == 1
    assert page.count["tr"] == 1 + 3
    assert HOSTILE.replace("\x01", "\ufffd") in cells(page)
    assert "3 layers, 435 parameters" in page.texts["div"]
    (image,) = (attributes for tag, attributes in page.attributes if tag == "img")
    assert image["alt"] == HOSTILE.replace("\x01", "\ufffd")
    picture = base64.b64decode(image["src"].partition(",")[2]).decode()
    assert picture == caffe64.draw(net).svg
    assert Page(picture).count["img"] == 0


def test_a_text_net_is_its_table():
    net = caffe64.Net("inp 4 10 / lin 8 -1 / rel / lin 3 -1 / sce")
    page = parsed(net)
    assert page.count["tr"] == 1 + 5
    assert "67 parameters" in page.texts["div"]
    assert "smallest" not in page.texts["th"]
    net.initialise()
    assert "smallest" in parsed(net).texts["th"]
    assert parsed(caffe64.summary(net)).texts == parsed(net).texts


def test_a_drawing_is_a_page_in_a_frame_of_its_own(net):
    page = parsed(caffe64.draw(net))
    ((tag, frame),) = page.attributes
    assert tag == "iframe"
    assert frame["sandbox"] == "allow-scripts"
    assert frame["srcdoc"] == caffe64.draw(net).html
    assert Page(frame["srcdoc"]).count["img"] == 0


def test_results_are_tables(net, tmp_path):
    name = HOSTILE.replace("\x01", "\ufffd")
    assert name in cells(parsed(caffe64.summary(net)))
    timing = parsed(caffe64.time(net, iterations=2))
    assert name in cells(timing)
    assert "<b>.prototxt: activations" in timing.texts["div"]
    write_picture(tmp_path / "<i>.png")
    found = caffe64.classify(net, tmp_path / "<i>.png", labels=[HOSTILE, "b", "c"])
    assert name in cells(parsed(found))
    assert "<i>.png" in cells(parsed(found))


def test_cells_are_escaped_and_aligned():
    page = Page(TextTable(["<a>", "n"], [["&b", "1,000"]]).html)
    assert page.texts == {"th": "<a>n", "td": "&b1,000"}
    assert [attributes["style"][11:] for _, attributes in page.attributes if "style" in attributes] == [
        "left",
        "right",
    ] * 2


def test_a_notebook_of_ipython_shows_them(net):
    format_one = pytest.importorskip("IPython.core.formatters").HTMLFormatter()
    for thing in (net, caffe64.summary(net), caffe64.draw(net), caffe64.Net("inp 2 1 / l2l")):
        assert format_one(thing) == thing._repr_html_()


def test_shapes_are_the_present_ones(net):
    net.forward(data=np.zeros((5, 3, 8, 6)))
    assert "5x3" in cells(parsed(net))
