"""What the book needs beyond Sphinx and myst-nb: words for pictures, formulas without a network, and the table of timings."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import nbformat
from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ("image/png", "image/jpeg")
MATHML = "{http://www.w3.org/1998/Math/MathML}"
ROWS = tuple(f"{MATHML}{name}" for name in ("math", "mrow", "msqrt", "mtd"))
FUNCTIONS = ("log", "exp", "cos", "sin", "arccos", "max", "min", "mean")  # which stand apart from what they are of
ElementTree.register_namespace("", MATHML.strip("{}"))


def stored_alt_texts(notebook: Path) -> list[str]:
    """The words for each picture that a notebook has stored, in the order of its outputs; ``""`` where there are none."""
    cells = nbformat.read(notebook, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    shown = [(output, kind) for output in outputs for kind in PICTURES if kind in output.get("data", {})]
    return [output.metadata.get(kind, {}).get("alt", "") for output, kind in shown]


def add_alt_texts(app: Sphinx, doctree: nodes.document) -> None:
    """Hand the stored words of a notebook to its pictures, which myst-nb leaves out.

    Raises:
        ValueError: a page has other pictures than its notebook.
    """
    path = Path(doctree["source"])
    if path.suffix != ".ipynb":
        return
    outputs = [box for box in doctree.findall(nodes.container) if "cell_output" in box["classes"]]
    pictures = [picture for box in outputs for picture in box.findall(nodes.image)]
    for picture, alt in zip(pictures, stored_alt_texts(path), strict=True):
        picture["alt"] = alt


def mathml(formula: str, block: bool = False) -> str:
    """A formula in LaTeX as MathML, which browsers draw and screen readers read without a script."""
    math = ElementTree.fromstring(convert(formula, display="block" if block else "inline"))
    for parent in list(math.iter()):
        for place, child in reversed(list(enumerate(parent))):
            if child.text == "|" and child.get("stretchy") == "false":
                child.attrib.update(lspace="0", rspace="0")  # a norm, not an operator between two terms
            after = parent[place + 1].tag if place + 1 < len(parent) else None
            if parent.tag in ROWS and child.text in FUNCTIONS and after not in (None, f"{MATHML}mo"):
                parent.insert(place + 1, ElementTree.Element(f"{MATHML}mspace", width="0.167em"))
    return ElementTree.tostring(math, encoding="unicode")


def visit_math(translator: HTML5Translator, node: nodes.Element) -> None:
    """Write a formula into a page."""
    if isinstance(node, nodes.math_block):
        translator.body.append(f'<div class="math">{mathml(node.astext(), block=True)}</div>')
    else:
        translator.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def notebook_timings() -> str:
    """Markdown table: seconds of each stored notebook when it was built on two cores."""
    rows = ["| notebook | seconds |", "|---|---|"]
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
        rows.append(f"| [{title}](../notebooks/{path.name}) | {notebook.metadata['facelab']['seconds']} |")
    return "\n".join(rows)


def record_timings() -> str:
    """Markdown table: wall time of each record of data/results, as its machine measured it."""
    rows = ["| record | minutes |", "|---|---|"]
    for path in sorted((ROOT / "data" / "results").glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        rows.append(f"| `{path.name}` | {record['wall_seconds'] / 60:.1f} |")
    return "\n".join(rows)


def complete_headings(app: Sphinx, page: str, template: str, context: dict[str, object], doctree: object) -> None:
    """Give the captions of the lists of pages the level that a heading must have; Sphinx leaves it out."""
    for part in ("body", "furo_navigation_tree"):
        if part in context:
            context[part] = str(context[part]).replace('role="heading"', 'role="heading" aria-level="2"')


def setup(app: Sphinx) -> dict[str, bool]:
    """Register all of it with Sphinx."""
    app.add_html_math_renderer("mathml", inline_renderers=(visit_math, None), block_renderers=(visit_math, None))
    app.connect("doctree-read", add_alt_texts)
    app.connect("html-page-context", complete_headings, priority=900)  # after the theme
    return {"parallel_read_safe": True, "parallel_write_safe": True}
