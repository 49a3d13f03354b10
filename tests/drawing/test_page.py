"""The page and the SVG: parsed, counted, with hostile names."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import xml.etree.ElementTree as ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st
from reference.html_page import Page

from caffe64.drawing.compare import compare_nets
from caffe64.drawing.kinds import KINDS, UNKNOWN, kind_of, mix
from caffe64.drawing.net import DrawnLayer, DrawnNet
from caffe64.drawing.page import make_page
from caffe64.drawing.picture import LONG, make_picture
from caffe64.drawing.svg import draw_alone
from caffe64.engine.graph.ops import OPS

HOSTILE = "</script><img src=x onerror=\"alert('1')\">]]>&amp;<!--\x00\u2028"


def chain(*layers: tuple[str, str]) -> DrawnNet:
    """Layers (name, type), each of which reads the one before."""
    return DrawnNet("net", tuple(DrawnLayer(*each, reads=(n - 1,) if n else ()) for n, each in enumerate(layers)))


SMALL = chain(("data", "Input"), ("conv", "Convolution"), ("relu", "ReLU"), ("pool", "Pooling"), ("odd", "Strange"))


def test_each_unit_each_layer_and_each_edge_is_there():
    page = Page(make_page([make_picture(SMALL)]))
    classes = page.classes()
    assert classes["unit"] == 4
    assert classes["edge"] == 3
    assert classes["layer"] == 4 + 2  # the unit of two also has boxes of its own
    assert classes["k-unknown"] == 1 + 1  # in the legend as well
    data = json.loads(page.texts["data"])
    assert [layer["name"] for layer in data["nets"][0]["layers"]] == ["data", "conv", "relu", "pool", "odd"]
    assert data["nets"][0]["units"] == [[0], [1, 2], [3], [4]]


def test_two_nets_stand_side_by_side_with_their_marks():
    after = chain(("data", "Input"), ("conv", "Convolution"), ("pool", "Pooling"), ("new", "Softmax"))
    fates = compare_nets(SMALL, after)
    page = Page(make_page([make_picture(net, each) for net, each in zip((SMALL, after), fates, strict=True)]))
    assert page.classes()["pane"] == 2
    assert page.texts["h2"] == "beforeafter"
    assert page.classes()["m-removed"] == 2 + 1  # relu and odd, and the legend
    assert page.classes()["m-added"] == 1 + 1
    assert len({attributes["id"] for _, attributes in page.attributes if "id" in attributes}) == sum(
        "id" in attributes for _, attributes in page.attributes
    )


def test_a_long_net_begins_shut_and_a_short_one_open():
    for layers, opened in ((LONG, True), (LONG + 1, False)):
        names = [(f"c{number}", ("Convolution", "ReLU")[number % 2]) for number in range(layers)]
        page = Page(make_page([make_picture(chain(*names))]))
        assert json.loads(page.texts["data"])["opened"] is opened
        assert (page.classes()["open"] > 0) is opened


def test_the_page_fetches_nothing_and_runs_only_its_own_script():
    content = make_page([make_picture(SMALL)])
    page = Page(content)
    policy = next(a["content"] for _, a in page.attributes if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")
    for tag in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.texts[tag].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert page.count["script"] == 2
    for _, attributes in page.attributes:
        assert not {"src", "href", "style", "xlink:href"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
    assert set(re.findall(r"https?://[^\s\"')]*", content)) == {"http://www.w3.org/2000/svg"}


def test_hostile_names_are_only_text():
    plain = Page(make_page([make_picture(SMALL)]))
    layers = tuple(
        DrawnLayer(HOSTILE, HOSTILE, each.reads, HOSTILE, ((HOSTILE, HOSTILE),), ((HOSTILE, None),), ((HOSTILE, (1,)),))
        for each in SMALL.layers
    )
    content = make_page([make_picture(DrawnNet(HOSTILE, layers))])
    page = Page(content)
    assert page.count["script"] == plain.count["script"]
    assert page.count["img"] == 0
    data = json.loads(page.texts["data"])
    assert data["nets"][0]["layers"][0]["name"] == HOSTILE
    assert page.texts["title"].startswith(HOSTILE.replace("\x00", "\ufffd"))
    assert "\x00" not in content


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.text(max_size=30), st.text(max_size=30) | st.sampled_from(["ReLU", "Convolution"])), max_size=8
    )
)
def test_any_names_give_a_page_and_an_svg_that_parse(names):
    picture = make_picture(chain(*names))
    page = Page(make_page([picture]))
    assert page.classes()["unit"] == len(picture.units)
    drawn = ElementTree.fromstring(draw_alone(picture))
    groups = [each for each in drawn.iter("{http://www.w3.org/2000/svg}g") if "unit" in each.get("class", "").split()]
    assert len(groups) == len(picture.units)
    make_page([picture]).encode()


def test_an_svg_has_each_box_once_and_a_legend():
    drawn = draw_alone(make_picture(SMALL))
    root = ElementTree.fromstring(drawn)
    layers = [each for each in root.iter() if each.get("class", "").startswith("layer")]
    assert [each.get("data-layers") for each in layers] == ["0", "1", "2", "3", "4"]
    texts = ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"convolution", "activation", "pooling", "other types"} <= set(texts)


def test_every_layer_type_that_the_engine_runs_has_a_kind():
    assert [kind for kind in OPS if kind_of(DrawnLayer("a", kind)) is UNKNOWN] == []
    assert kind_of(DrawnLayer("a", "Strange")) is UNKNOWN
    assert kind_of(DrawnLayer("a", "Strange", kind="act")).title == "activation"
    names = [name for kind in KINDS for name in kind.types.split()]
    assert len(names) == len(set(names))


def test_colours_mix():
    assert mix("#ff0000", "#000000", 0.5) == "#800000"
    assert mix("#123456", "#ffffff", 1) == "#123456"
