"""The documentation that `make docs` has built, in a headless Chromium: wide and narrow, light and dark."""

from __future__ import annotations

import re

import pytest
from reference.chromium import needs_chromium, started
from reference.pages import DOCS

BUILT = DOCS / "_build"
PAGES = sorted(path for path in BUILT.rglob("*.html") if "_static" not in path.parts)
pytestmark = [needs_chromium, pytest.mark.skipif(not PAGES, reason="the documentation is not built (make docs)")]

BESIDE = """(() => {
  const width = document.documentElement.clientWidth;
  const scrolls = element => ['auto', 'scroll', 'hidden'].includes(getComputedStyle(element).overflowX);
  const boxed = element => !element.matches('body') && (scrolls(element) || boxed(element.parentElement));
  return [...document.querySelectorAll('article *')]
    .filter(element => element.getBoundingClientRect().right > width + 1 && !boxed(element))
    .map(element => element.outerHTML.slice(0, 80));
})()"""
SCROLLS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
BROKEN = """[...document.querySelectorAll('article code .pre')].filter(word => word.getClientRects().length > 1)
  .map(word => word.textContent)"""
MISSING = "[...document.images].filter(image => !image.naturalWidth).map(image => image.src)"
COLOUR = "getComputedStyle(document.querySelector('article')).color"


@pytest.fixture(scope="module")
def browser():
    with started() as chromium:
        yield chromium


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 400])
def test_every_page_fits_and_is_whole(browser, width, scheme):
    """What is wider than the page scrolls in its own box, no word of code is broken, every picture is there."""
    tab, complaints = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme), []
    tab.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    for page in PAGES:
        tab.goto(page.as_uri())
        faults = {name: tab.evaluate(name) for name in (BESIDE, SCROLLS, BROKEN, MISSING)}
        assert not any(faults.values()), f"{page}: {faults}"
        text = [int(part) for part in re.findall(r"\d+", tab.evaluate(COLOUR))[:3]]
        assert (min(text) > 128) == (scheme == "dark"), f"{page}: text of the colour {text}"
    tab.close()
    assert complaints == []


def test_signatures_have_names_of_types():
    text = (BUILT / "reference" / "api.html").read_text()
    assert "ArrayLike" in text
    for long in ("TypeAliasForwardRef", "Sequence[Sequence[", "~caffe64", "add_note"):
        assert long not in text
