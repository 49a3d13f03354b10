"""The page in a headless Chromium: no complaints, what is drawn, clicked, searched, opened and compared."""

from __future__ import annotations

import re

import pytest
from reference.browser import Browser, find_browser
from reference.caffe_nets import googlenet, residual
from support import SHARED, needs_shared

pytestmark = pytest.mark.skipif(find_browser() is None, reason="no Chromium is installed")
NETS = SHARED / "caffe" / "nets"
NUMBER = r"-?[0-9.]+"

OVERLAPS = """(() => {
  const boxes = [...document.querySelectorAll('.layer .box')].filter(e => e.getClientRects().length)
    .map(e => e.getBoundingClientRect());
  return boxes.filter((a, i) => boxes.some((b, j) => i < j && a.left < b.right - 1 && b.left < a.right - 1 &&
    a.top < b.bottom - 1 && b.top < a.bottom - 1)).length;
})()"""
TOO_WIDE = """[...document.querySelectorAll('.layer')].filter(e => e.getClientRects().length).filter(layer => {
  const box = layer.querySelector('.box').getBoundingClientRect();
  return [...layer.querySelectorAll('text')].some(text => {
    const own = text.getBoundingClientRect();
    return own.width && (own.right > box.right + 1 || own.left < box.left);
  });
}).map(e => e.textContent)"""


def seen(tab: Browser, selector: str) -> int:
    """How many elements there are that are not hidden."""
    return tab.run(f"[...document.querySelectorAll(`{selector}`)].filter(e => e.getClientRects().length).length")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture
def page(browser, cli, tmp_path):
    """page("draw NET ...") draws, and opens the page; in the end nothing must have been complained of."""

    def draw(command: str) -> Browser:
        result = cli(f"{command} -o {tmp_path}/net.html")
        assert result.exit_code == 0, result.stderr
        browser.open(tmp_path / "net.html")
        return browser

    browser.complaints.clear()
    yield draw
    assert browser.complaints == []


@pytest.fixture
def google(tmp_path):
    (tmp_path / "google.prototxt").write_text(googlenet())
    return tmp_path / "google.prototxt"


@needs_shared
def test_resnet_18_shut_and_open(page):
    tab = page(f"draw {NETS}/resnet18_deploy.prototxt")
    assert seen(tab, ".unit") == seen(tab, ".layer") == 34  # 21 convolutions, 8 sums, data, 2 pools, fc, prob
    assert seen(tab, ".edge") == 33 + 8  # one into each unit but the first, one more into each sum
    assert tab.run(OVERLAPS) == 0
    assert tab.run(TOO_WIDE) == []
    tab.click("#units")
    assert seen(tab, ".layer") == 93
    assert tab.run(OVERLAPS) == 0
    assert tab.run(TOO_WIDE) == []


def test_googlenet(page, google):
    tab = page(f"draw {google}")
    assert seen(tab, ".unit") == 143 - 57  # each ReLU belongs to its convolution
    assert seen(tab, ".edge") == 85 + 9 * 3
    assert tab.run(OVERLAPS) == 0
    assert tab.run(TOO_WIDE) == []


def test_a_click_shows_the_panel_and_marks_layer_and_edges(page, google):
    tab = page(f"draw {google}")
    assert tab.run("document.getElementById('panel').hidden") is True
    tab.click(".unit[data-unit='1'] .shut .layer")
    assert tab.run("[...document.querySelectorAll('#panel h3')].map(e => e.textContent)") == [
        "conv1/7x7_s2",
        "relu_conv1/7x7_s2",
    ]
    assert "64×3×7×7" in tab.run("document.getElementById('panel').textContent")
    assert seen(tab, ".edge.lit") == 2
    tab.press("Escape")
    assert tab.run("document.getElementById('panel').hidden") is True
    assert seen(tab, ".selected") == 0


def test_one_unit_opens_and_what_is_below_moves_down(page, google):
    tab = page(f"draw {google}")
    height = "document.querySelector('.unit[data-unit=\"2\"]').getBoundingClientRect().top"
    before = tab.run(height)
    tab.click(".unit[data-unit='1'] .shut .toggle")
    assert seen(tab, ".unit.open .opened .layer") == 2
    assert tab.run(height) > before + 20
    assert tab.run(OVERLAPS) == 0
    tab.click(".unit[data-unit='1'] .opened .toggle")
    assert tab.run(height) == before


def test_the_script_stacks_rows_as_python_does(page, google):
    """The file holds what Python drew; opening and shutting everything must lead back to it."""
    tab = page(f"draw {google}")
    tab.run("openUnits(true), openUnits(false)")
    written = google.with_name("net.html").read_text()
    for kind, name in (("unit", "transform"), ("edge", "d")):
        drawn = re.findall(rf'class="{kind}"[^>]* {name}="([^"]*)"', written)
        moved = tab.run(f"[...document.querySelectorAll('.{kind}')].map(e => e.getAttribute('{name}'))")
        assert len(drawn) == len(moved) > 80
        for mine, its in zip(drawn, moved, strict=True):
            assert re.sub(NUMBER, "", mine) == re.sub(NUMBER, "", its)
            assert list(map(float, re.findall(NUMBER, mine))) == pytest.approx(
                list(map(float, re.findall(NUMBER, its))), abs=0.06
            )


def test_search_finds_and_walks(page, google):
    tab = page(f"draw {google}")
    tab.press("/")
    for key in "5x5_reduce":
        tab.press(key)
    assert tab.run("document.getElementById('found').textContent") == "18 found"  # 9 convolutions, 9 ReLUs
    assert seen(tab, ".hit") == 9
    tab.press("Enter", 13)
    assert tab.run("document.getElementById('found').textContent") == "1 of 18"
    assert tab.run("document.querySelector('#panel h3').textContent") == "inception_3a/5x5_reduce"
    box, frame = (
        tab.run(f"(r => [r.left, r.top, r.right, r.bottom])(document.querySelector('{which}').getBoundingClientRect())")
        for which in (".shut .selected .box", "svg.net")
    )
    assert frame[0] <= box[0] < box[2] <= frame[2]
    assert frame[1] <= box[1] < box[3] <= frame[3]


def test_wheel_drag_keys_and_buttons_move_the_net(page, google):
    tab = page(f"draw {google}")
    view = "[panes[0].x, panes[0].y, panes[0].scale]"
    x, y, scale = tab.run(view)
    tab.call("Input.dispatchMouseEvent", type="mouseWheel", x=300, y=500, deltaX=0, deltaY=100)
    assert tab.run(view) == [x, y - 100, scale]
    tab.press("ArrowUp", 38)
    assert tab.run(view) == [x, y - 40, scale]
    for kind, at in (("mousePressed", 500), ("mouseMoved", 530), ("mouseMoved", 550), ("mouseReleased", 550)):
        tab.call("Input.dispatchMouseEvent", type=kind, x=100, y=at, button="left", buttons=1, clickCount=1)
    assert tab.run(view)[1] == pytest.approx(y + 10, abs=1)
    tab.click("#in")
    assert tab.run(view)[2] == pytest.approx(1.25 * scale)
    tab.click("#fit")
    assert tab.run("panes[0].size.height * panes[0].scale <= panes[0].svg.clientHeight + 1") is True


def test_two_fingers_zoom_around_what_is_between_them(page, google):
    tab = page(f"draw {google}")
    tab.call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)
    between = "[(400 - panes[0].x) / panes[0].scale, (400 - frame.top - panes[0].y) / panes[0].scale]"
    frame = "(frame => FOUND)(panes[0].svg.getBoundingClientRect())"
    scale, place = tab.run("panes[0].scale"), tab.run(frame.replace("FOUND", between))
    for kind, spread in (("touchStart", 50), *(("touchMove", at) for at in range(55, 101, 5))):
        fingers = [{"x": 400 - spread, "y": 400, "id": 0}, {"x": 400 + spread, "y": 400, "id": 1}]
        tab.call("Input.dispatchTouchEvent", type=kind, touchPoints=fingers)
    tab.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    tab.call("Emulation.setTouchEmulationEnabled", enabled=False)
    assert tab.run("panes[0].scale") == pytest.approx(2 * scale, rel=0.15)  # the first few pixels may be a tap
    assert tab.run(frame.replace("FOUND", between)) == pytest.approx(place, abs=12)
    assert tab.run("document.getElementById('panel').hidden") is True


def test_the_theme_changes(page, google):
    tab = page(f"draw {google}")
    colour = "getComputedStyle(document.querySelector('.k-conv .box')).fill"
    light = tab.run(colour)
    tab.click("#theme")
    dark = tab.run(colour)
    assert light != dark
    tab.click("#theme")
    assert tab.run(colour) == light
    tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert tab.run("delete document.documentElement.dataset.theme") is True
    assert tab.run(colour) == dark
    tab.call("Emulation.setEmulatedMedia", features=[])


@needs_shared
def test_before_and_after_are_shown_together(page, cli, tmp_path):
    cifar = SHARED / "caffe" / "cifar10"
    net = f"{cifar}/train_val.prototxt {cifar}/cifar10.caffemodel --deploy --input-shape 4x3x32x32"
    assert cli(f"optimize {net} -o {tmp_path}/small --no-verify").exit_code == 0
    tab = page(f"draw {net} --compare {tmp_path}/small.prototxt")
    assert [seen(tab, f".pane[data-pane='{number}'] .layer") for number in (0, 1)] == [25, 17]
    tab.click(".pane[data-pane='0'] .opened .layer[data-layers='2']")
    assert "folded" in tab.run("document.getElementById('panel').textContent")
    assert seen(tab, ".twin") == seen(tab, ".pane[data-pane='1'] .twin[data-layers='1']") == 1
    assert tab.run(OVERLAPS) == 0


def test_hostile_names_do_nothing(page, tmp_path):
    name = "</script><img src=x onerror=document.title=1>"
    (tmp_path / "net.prototxt").write_text(
        f'name: "{name}" layer {{ name: "{name}" type: "{name}" top: "{name}" }}'
        f'layer {{ name: "second" type: "ReLU" bottom: "{name}" top: "b" }}'
    )
    tab = page(f"draw {tmp_path}/net.prototxt")
    tab.click(".layer")
    assert tab.run("document.querySelector('#panel h3').textContent") == name
    assert tab.run("[document.title, document.images.length]") == [name, 0]


def test_a_thousand_layers_are_ready_in_seconds(page, tmp_path):
    (tmp_path / "long.prototxt").write_text(residual(200))
    tab = page(f"draw {tmp_path}/long.prototxt")
    assert seen(tab, ".unit") == 401
    taken = tab.run("(() => { const start = performance.now(); openUnits(true); return performance.now() - start; })()")
    assert taken < 3000  # measured: 290 ms
    assert seen(tab, ".layer") == 1001
