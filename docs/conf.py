"""Sphinx configuration of the book (``make book``): the stored notebooks, the teacher's pages, and what is looked up."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # book_extension.py

project = "facelab"
author = "the authors of facelab"
copyright = "the authors of facelab; MIT licence"
language = "en"

extensions = ["myst_nb", "book_extension"]
root_doc = "docs/index"
# The project is the source folder, so that a link between two of its files works in the book as it does in the repository.
include_patterns = ["docs/**", "notebooks/*.ipynb", "data/SOURCES.md", "data/results/README.md"]
exclude_patterns = [".*", "runs", "docs/_*"]  # not looked through
suppress_warnings = ["mystnb.unknown_mime_type"]

nb_execution_mode = "off"  # the stored outputs are shown
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "deflist", "attrs_block", "substitution", "linkify"]
myst_linkify_fuzzy_links = False  # facelab.labs is no address
myst_heading_anchors = 3

html_theme = "furo"
html_title = "facelab"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_js_files = ["book.js"]
html_extra_path = ["_extra"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

import book_extension  # noqa: E402  (its folder is put onto the path above)

myst_substitutions = {
    "notebook_timings": book_extension.notebook_timings(),
    "record_timings": book_extension.record_timings(),
}
