"""The book: built as ``make book`` builds it, complete, without a network, and readable by everybody."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from explorer_pages import MISSING_BROWSER, chromium

from facelab.labs.parameters import notebook_sources
from facelab.paths import project_root

ROOT = project_root()
NOTEBOOKS = [source.stem for source in notebook_sources()]


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> Path:
    """The folder of its pages."""
    folder = tmp_path_factory.mktemp("book")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs", "-d", str(folder / "doctrees")]
    done = subprocess.run([*command, ".", str(folder / "html")], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder / "html"


class Page(HTMLParser):
    """What a page shows, loads and links to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.words, self.loaded, self.links, self.ids, self.count = [], [], [], set(), {}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.count[tag] = self.count.get(tag, 0) + 1
        self.ids.add(values.get("id"))
        if tag == "img":
            self.words.append(values.get("alt"))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        self.loaded += [values[name] for name in ("src", "srcset", "poster") if name in values]
        if tag == "link" and values.get("rel") in ("stylesheet", "preload", "icon", "preconnect"):
            self.loaded.append(values["href"])


@pytest.fixture(scope="module")
def pages(book) -> dict[Path, Page]:
    return {path: Page(path) for path in book.rglob("*.html") if "_static" not in path.parts}


def test_every_part_of_the_book_is_there(book):
    teach = [path.stem for path in (ROOT / "docs" / "teach").glob("*.md")]
    expected = ["index", "docs/index", "docs/glossary", "docs/timings", "data/SOURCES", "data/results/README", "search"]
    expected += [f"notebooks/{name}" for name in NOTEBOOKS] + [f"docs/teach/{name}" for name in teach]
    assert [name for name in expected if not (book / f"{name}.html").is_file()] == []


def test_nothing_is_loaded_from_a_network(book, pages):
    loaded = [address for page in pages.values() for address in page.loaded]
    assert loaded and [address for address in loaded if re.match(r"(\w+:)?//", address)] == []
    for style in book.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", style.read_text(encoding="utf-8")), style


def test_links_within_the_book_lead_somewhere(pages):
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages[target].ids if target in pages else {None}
            if not target.is_file() or (parts.fragment and unquote(parts.fragment) not in known):
                broken.append((path.name, link))
    assert broken == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_shown_whole(book, pages, name):
    """Every picture, with the words that are stored for it, every formula, hint and solution."""
    stored = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in stored.cells if cell.cell_type == "markdown")
    outputs = [output for cell in stored.cells for output in cell.get("outputs", ())]
    words = [output.metadata.get(kind, {}).get("alt", "") for output in outputs
             for kind in output.get("data", {}) if kind.startswith("image/")]  # fmt: skip
    page = pages[book / "notebooks" / f"{name}.html"]
    shown = iter(" ".join((said or "").split()) for said in page.words)
    assert all(" ".join(said.split()) in shown for said in words)  # in this order
    formulas = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL).count("$") - 2 * text.count("$$")
    assert page.count.get("math", 0) == formulas // 2 + text.count("$$") // 2
    assert page.count.get("details", 0) == text.count("<details>")


def test_timings_and_terms_are_filled_in(book):
    timings = (book / "docs" / "timings.html").read_text(encoding="utf-8")
    assert "{{" not in timings
    for name in NOTEBOOKS:
        seconds = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).metadata["facelab"]["seconds"]
        assert re.search(rf"notebooks/{name}\.html.*?<td><p>{seconds}</p></td>", timings, re.DOTALL)
    assert "VGGFace2" in (book / "data" / "SOURCES.html").read_text(encoding="utf-8")


def extension():
    """docs/book_extension.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("book_extension", ROOT / "docs" / "book_extension.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_formulas_become_mathml():
    mathml = extension().mathml
    assert mathml("x^2") == (
        '<math xmlns="http://www.w3.org/1998/Math/MathML" display="inline">'
        "<mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>"
    )
    assert '<mi>log</mi><mspace width="0.167em" /><mi>p</mi>' in mathml(r"\log p", block=True)
    assert "mspace" not in mathml(r"\log(p)")
    assert mathml("|w|").count('lspace="0" rspace="0"') == 2


def test_a_browser_finds_reads_and_hides_nothing(book, tmp_path):
    """Search from the disk; then, wide and light or narrow and dark, nothing that WCAG 2.2 A or AA forbids."""
    if MISSING_BROWSER:
        pytest.skip(MISSING_BROWSER)
    with chromium(tmp_path) as reader:
        reader.browser.get((book / "search.html").as_uri() + "?q=collapse")
        reader.wait_for("return /finished|found/i.test(document.querySelector('.search-summary')?.textContent)")
        found = reader.run("return [...document.querySelectorAll('ul.search a')].map(one => one.getAttribute('href'))")
        assert any("notebooks/04_moco.html" in link for link in found), found
        for name in ("docs/index", "notebooks/00_start_here", "search"):
            for width, scheme in ((1400, "light"), (390, "dark")):
                size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
                reader.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
                features = [{"name": "prefers-color-scheme", "value": scheme}]
                reader.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
                reader.browser.get((book / f"{name}.html").as_uri())
                assert reader.barriers() == [], (name, width, scheme)
                assert reader.run("return document.documentElement.scrollWidth <= innerWidth"), (name, width)
