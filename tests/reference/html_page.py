"""HTML as a strict parser sees it."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser

VOID = {"meta", "input", "img", "br"}


class Page(HTMLParser):
    """Elements by name, attributes, and what stands in scripts and styles. Every tag must be closed in its order."""

    def __init__(self, content: str):
        super().__init__()
        self.count, self.attributes, self.open = Counter(), [], []
        self.texts: dict[str, str] = {}
        self.feed(content)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.count[tag] += 1
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))

    def handle_startendtag(self, tag, attrs):
        self.count[tag] += 1
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, content):
        if self.open:
            tag, attributes = self.open[-1]
            key = attributes.get("id", tag)
            self.texts[key] = self.texts.get(key, "") + content

    def classes(self) -> Counter:
        return Counter(name for _, attributes in self.attributes for name in (attributes.get("class") or "").split())
