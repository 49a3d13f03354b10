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
autodoc_type_aliases = {"ArrayLike": "ArrayLike"}  # by its name, not as the union that it is
smartquotes = False  # code in docstrings, and --options
nitpicky = False
html_theme = "furo"
html_title = "caffe64"
html_static_path = ["_static"]
html_css_files = ["caffe64.css"]
html_show_copyright = html_show_sourcelink = html_copy_source = False


def setup(app) -> None:
    pages.write(Path(__file__).parent)
    app.connect("autodoc-process-docstring", lambda app, what, name, obj, options, lines: pages.as_markup(lines))
    app.connect(
        "autodoc-process-signature", lambda app, what, name, obj, options, *texts: tuple(map(pages.plain, texts))
    )
