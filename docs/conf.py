"""Sphinx: `make docs` builds the pages offline, with warnings as errors. `pages.py` writes those made from the code."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pages

import caffe64

project = "caffe64"
author = "The caffe64 authors"
release = version = caffe64.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc"]
exclude_patterns = ["_build", "jupyter_execute"]
nb_execution_mode = "off"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
nitpicky = False
html_theme = "furo"
html_title = "caffe64"
html_static_path: list[str] = []


def setup(app) -> None:
    pages.write(Path(__file__).parent)
    app.connect("autodoc-process-docstring", lambda app, what, name, obj, options, lines: pages.as_markup(lines))
