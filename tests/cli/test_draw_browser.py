"""The page in a headless Chromium: no complaints, what is drawn, clicked, searched, opened and compared."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page
from reference.caffe_nets import googlenet, residual
from reference.chromium import needs_chromium, started
from support import SHARED, needs_shared

import caffe64

pytestmark = needs_chromium
NETS = SHARED / "caffe" / "nets"
NUMBER = r"-?[0-9.]+"
COMPLAINTS = {"error", "warning", "assert"}

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


def seen(tab: Page, selector: str) -> int:
    """How many elements there are that are not hidden."""
    return tab.evaluate(f"[...document.querySelectorAll(`{selector}`)].filter(e => e.getClientRects().length).length")


@pytest.fixture(scope="module")
def browser():
    with started() as chromium:
        yield chromium


@pytest.fixture
def page(browser: Browser, cli, tmp_path):
    """page("draw NET ...") draws, and opens the page; in the end nothing must have been complained of."""
    complaints, tab = [], browser.new_page(viewport={"width": 1200, "height": 900})
    tab.on("console", lambda message: complaints.append(message.text) if message.type in COMPLAINTS else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: None if request.is_navigation_request() else complaints.append(request.url))

    def draw(command: str) -> Page:
        result = cli(f"{command} -o {tmp_path}/net.html")
        assert result.exit_code == 0, result.stderr
        tab.goto((tmp_path / "net.html").as_uri())
        return tab

    yield draw
    tab.close()
    assert complaints == []


@pytest.fixture
def google(tmp_path):
    (tmp_path / "google.prototxt").write_text(googlenet())
    return tmp_path / "google.prototxt"


@needs_shared
def test_resnet_18_shut_and_open(page):
    tab = page(f"draw {NETS}/resnet18_deploy.prototxt")
    assert seen(tab, ".unit") == seen(tab, ".layer") == 34  # 21 convolutions, 8 sums, data, 2 pools, fc, prob
    assert seen(tab, ".edge") == 33 + 8  # one into each unit but the first, one more into each sum
    assert tab.evaluate(OVERLAPS) == 0
    assert tab.evaluate(TOO_WIDE) == []
    tab.click("#units")
    assert seen(tab, ".layer") == 93
    assert tab.evaluate(OVERLAPS) == 0
    assert tab.evaluate(TOO_WIDE) == []


def test_googlenet(page, google):
    tab = page(f"draw {google}")
    assert seen(tab, ".unit") == 143 - 57  # each ReLU belongs to its convolution
    assert seen(tab, ".edge") == 85 + 9 * 3
    assert tab.evaluate(OVERLAPS) == 0
    assert tab.evaluate(TOO_WIDE) == []


def test_a_click_shows_the_panel_and_marks_layer_and_edges(page, google):
    tab = page(f"draw {google}")
    assert tab.evaluate("document.getElementById('panel').hidden") is True
    tab.click(".unit[data-unit='1'] .shut .layer")
    assert tab.evaluate("[...document.querySelectorAll('#panel h3')].map(e => e.textContent)") == [
        "conv1/7x7_s2",
        "relu_conv1/7x7_s2",
    ]
    assert "64×3×7×7" in tab.evaluate("document.getElementById('panel').textContent")
    assert seen(tab, ".edge.lit") == 2
    tab.keyboard.press("Escape")
    assert tab.evaluate("document.getElementById('panel').hidden") is True
    assert seen(tab, ".selected") == 0


def test_one_unit_opens_and_what_is_below_moves_down(page, google):
    tab = page(f"draw {google}")
    height = "document.querySelector('.unit[data-unit=\"2\"]').getBoundingClientRect().top"
    before = tab.evaluate(height)
    tab.click(".unit[data-unit='1'] .shut .toggle")
    assert seen(tab, ".unit.open .opened .layer") == 2
    assert tab.evaluate(height) > before + 20
    assert tab.evaluate(OVERLAPS) == 0
    tab.click(".unit[data-unit='1'] .opened .toggle")
    assert tab.evaluate(height) == before


def test_the_script_stacks_rows_as_python_does(page, google):
    """The file holds what Python drew; opening and shutting everything must lead back to it."""
    tab = page(f"draw {google}")
    tab.evaluate("openUnits(true), openUnits(false)")
    written = google.with_name("net.html").read_text()
    for kind, name in (("unit", "transform"), ("edge", "d")):
        drawn = re.findall(rf'class="{kind}"[^>]* {name}="([^"]*)"', written)
        moved = tab.evaluate(f"[...document.querySelectorAll('.{kind}')].map(e => e.getAttribute('{name}'))")
        assert len(drawn) == len(moved) > 80
        for mine, its in zip(drawn, moved, strict=True):
            assert re.sub(NUMBER, "", mine) == re.sub(NUMBER, "", its)
            assert list(map(float, re.findall(NUMBER, mine))) == pytest.approx(
                list(map(float, re.findall(NUMBER, its))), abs=0.06
            )


def test_search_finds_and_walks(page, google):
    tab = page(f"draw {google}")
    tab.keyboard.press("/")
    tab.keyboard.type("5x5_reduce")
    assert tab.evaluate("document.getElementById('found').textContent") == "18 found"  # 9 convolutions, 9 ReLUs
    assert seen(tab, ".hit") == 9
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.getElementById('found').textContent") == "1 of 18"
    assert tab.evaluate("document.querySelector('#panel h3').textContent") == "inception_3a/5x5_reduce"
    box, frame = (
        tab.evaluate(
            f"(r => [r.left, r.top, r.right, r.bottom])(document.querySelector('{which}').getBoundingClientRect())"
        )
        for which in (".shut .selected .box", "svg.net")
    )
    assert frame[0] <= box[0] < box[2] <= frame[2]
    assert frame[1] <= box[1] < box[3] <= frame[3]


def test_wheel_drag_keys_and_buttons_move_the_net(page, google):
    tab = page(f"draw {google}")
    view = "[panes[0].x, panes[0].y, panes[0].scale]"
    x, y, scale = tab.evaluate(view)
    tab.mouse.move(300, 500)
    tab.mouse.wheel(0, 100)
    tab.wait_for_function(f"panes[0].y !== {y}")
    assert tab.evaluate(view) == [x, y - 100, scale]
    tab.keyboard.press("ArrowUp")
    assert tab.evaluate(view) == [x, y - 40, scale]
    tab.mouse.move(100, 500)
    tab.mouse.down()
    tab.mouse.move(100, 550, steps=2)
    tab.mouse.up()
    assert tab.evaluate(view)[1] == pytest.approx(y + 10, abs=1)
    tab.click("#in")
    assert tab.evaluate(view)[2] == pytest.approx(1.25 * scale)
    tab.click("#fit")
    assert tab.evaluate("panes[0].size.height * panes[0].scale <= panes[0].svg.clientHeight + 1") is True


def test_two_fingers_zoom_around_what_is_between_them(page, google):
    tab = page(f"draw {google}")
    tools = tab.context.new_cdp_session(tab)  # playwright itself has no second finger
    tools.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})
    between = "[(400 - panes[0].x) / panes[0].scale, (400 - frame.top - panes[0].y) / panes[0].scale]"
    frame = "(frame => FOUND)(panes[0].svg.getBoundingClientRect())"
    scale, place = tab.evaluate("panes[0].scale"), tab.evaluate(frame.replace("FOUND", between))
    for kind, spread in (("touchStart", 50), *(("touchMove", at) for at in range(55, 101, 5))):
        fingers = [{"x": 400 - spread, "y": 400, "id": 0}, {"x": 400 + spread, "y": 400, "id": 1}]
        tools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
    tools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert tab.evaluate("panes[0].scale") == pytest.approx(2 * scale, rel=0.15)  # the first few pixels may be a tap
    assert tab.evaluate(frame.replace("FOUND", between)) == pytest.approx(place, abs=12)
    assert tab.evaluate("document.getElementById('panel').hidden") is True


def test_the_theme_changes(page, google):
    tab = page(f"draw {google}")
    colour = "getComputedStyle(document.querySelector('.k-conv .box')).fill"
    light = tab.evaluate(colour)
    tab.click("#theme")
    dark = tab.evaluate(colour)
    assert light != dark
    tab.click("#theme")
    assert tab.evaluate(colour) == light
    tab.emulate_media(color_scheme="dark")
    assert tab.evaluate("delete document.documentElement.dataset.theme") is True
    assert tab.evaluate(colour) == dark


@needs_shared
def test_before_and_after_are_shown_together(page, cli, tmp_path):
    cifar = SHARED / "caffe" / "cifar10"
    net = f"{cifar}/train_val.prototxt {cifar}/cifar10.caffemodel --deploy --input-shape 4x3x32x32"
    assert cli(f"optimize {net} -o {tmp_path}/small --no-verify").exit_code == 0
    tab = page(f"draw {net} --compare {tmp_path}/small.prototxt")
    assert [seen(tab, f".pane[data-pane='{number}'] .layer") for number in (0, 1)] == [25, 17]
    tab.click(".pane[data-pane='0'] .opened .layer[data-layers='2']")
    assert "folded" in tab.evaluate("document.getElementById('panel').textContent")
    assert seen(tab, ".twin") == seen(tab, ".pane[data-pane='1'] .twin[data-layers='1']") == 1
    assert tab.evaluate(OVERLAPS) == 0


def test_hostile_names_do_nothing(page, tmp_path):
    name = "</script><img src=x onerror=document.title=1>"
    (tmp_path / "net.prototxt").write_text(
        f'name: "{name}" layer {{ name: "{name}" type: "{name}" top: "{name}" }}'
        f'layer {{ name: "second" type: "ReLU" bottom: "{name}" top: "b" }}'
    )
    tab = page(f"draw {tmp_path}/net.prototxt")
    tab.click(".layer")
    assert tab.evaluate("document.querySelector('#panel h3').textContent") == name
    assert tab.evaluate("[document.title, document.images.length]") == [name, 0]


def test_a_thousand_layers_are_ready_in_seconds(page, tmp_path):
    (tmp_path / "long.prototxt").write_text(residual(200))
    tab = page(f"draw {tmp_path}/long.prototxt")
    assert seen(tab, ".unit") == 401
    taken = tab.evaluate(
        "(() => { const start = performance.now(); openUnits(true); return performance.now() - start; })()"
    )
    assert taken < 3000  # measured: 290 ms
    assert seen(tab, ".layer") == 1001


def test_a_notebook_shows_nets_and_drawings_also_in_cells_that_are_opened_later(browser, tmp_path):
    """A frame in a cell that is shut has no size when its script runs."""
    (tmp_path / "n.prototxt").write_text(residual(3))
    net = caffe64.load_caffe(tmp_path / "n.prototxt")
    drawing = caffe64.draw(net)._repr_html_()
    (tmp_path / "notebook.html").write_text(f"<body>{net._repr_html_()}{drawing}<div id=cell hidden>{drawing}</div>")
    complaints, tab = [], browser.new_page(viewport={"width": 1200, "height": 1600})
    tab.on("console", lambda message: complaints.append(message.text) if message.type in COMPLAINTS else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.goto((tmp_path / "notebook.html").as_uri())
    assert tab.evaluate("document.querySelector('img').decode().then(() => document.querySelector('img').width)") > 100
    tab.evaluate("document.getElementById('cell').hidden = false")
    shown, opened = tab.frames[1:]
    opened.wait_for_function("document.querySelector('svg.net').getBoundingClientRect().width > 0")
    tab.wait_for_timeout(200)  # for the observer of its size
    assert opened.get_attribute(".view", "transform") == shown.get_attribute(".view", "transform")
    for frame in (shown, opened):
        frame.click(".layer .name >> visible=true >> nth=0")
        assert frame.locator("#panel").is_visible()
    assert not complaints
    tab.close()
