"""What a picture shows, in words: made from the chart, sent by a kernel, stored with the notebook, there in every export."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from explorer_pages import MISSING_BROWSER, chromium
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from visitor import LIMIT, free_port

from facelab import plots
from facelab.datasets.pairs import Pairs
from facelab.evaluation import wilson
from facelab.labs import build
from facelab.labs.export import DescribedHTMLExporter
from facelab.labs.parameters import notebook_sources
from facelab.paths import project_root
from facelab.plots.alt_text import plain_words, sheet_alt_text

SHORTEST = 20  # letters
SHEETS = ("show_faces",)  # whose own words say how many, and not what is there to see


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


# the words of a chart


def test_points_with_intervals_say_which_row_is_highest():
    estimates = {"pixels": wilson(10, 40), "CNN": wilson(30, 40)}
    figure = plots.intervals({"": estimates}, "top-1, per cent", "People of the training", chance=0.1)
    assert plots.chart_alt_text(figure) == (
        "People of the training: points with intervals of top-1, per cent. Rows: pixels; CNN. "
        "Highest: CNN, 75; lowest: pixels, 25."
    )


def test_the_author_s_sentence_comes_first_and_curves_are_named():
    figure = plots.curves({"training": [3, 1], "validation": [3, 2]}, "epoch", "loss")
    assert plots.describe(figure, "Both fall; the validation stays behind") is figure
    assert plots.chart_alt_text(figure) == (
        "Both fall; the validation stays behind. Line chart of loss over epoch. Names: training; validation."
    )


def test_logarithmic_axes_are_named():
    said = plots.chart_alt_text(plots.det_curves({"CNN": (np.array([0.01, 0.1]), np.array([0.5, 0.2]))}))
    assert said.startswith("Line chart of false non-match rate") and ", logarithmic in x and y." in said


def test_kinds_of_charts_are_told_apart():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(20, 2))
    _, bars = plt.subplots()
    bars.barh(["a", "b"], [1, 2])
    _, picture = plt.subplots()
    picture.imshow(np.zeros((4, 4)))
    picture.set_axis_off()
    grid = pd.DataFrame(
        [[0.5, 1], [0, 0.2]], index=pd.Index([1, 2], name="rows"), columns=pd.Index([3, 4], name="columns")
    )
    drawn = {
        "Histogram of density": plots.score_histograms(points[:, 0], points[:, 1]),
        "Heat map of true over predicted": plots.confusion_matrix(np.eye(3)),
        "found: heat map of rows over columns": plots.rate_grids({"found": grid}),
        "light: scatter plot": plots.embedding_map(points, {"light": ["left"] * 10 + ["right"] * 10}),
        "Bar chart. Rows: a; b": bars.figure,
        "Picture": picture.figure,
    }
    for beginning, figure in drawn.items():
        assert plots.chart_alt_text(figure).startswith(beginning)


def test_panels_say_their_rows_once_and_are_read_out_together_where_only_titles_differ():
    panels = {title: {"CNN": wilson(30, 40), "PCA": wilson(10, 40)} for title in ("known people", "strangers")}
    said = plots.chart_alt_text(plots.interval_panels(panels, "two questions"))
    assert said == (
        "2 panels: two questions. known people: points with intervals of per cent. Rows: CNN; PCA. Highest: CNN, 75; lowest: "
        "PCA, 25. strangers: points with intervals of per cent. Highest: CNN, 75; lowest: PCA, 25."
    )
    same = plt.subplots(1, 2)[0]
    for axes, title in zip(same.axes, ("left", "right"), strict=True):
        axes.plot([1, 2])
        axes.set(title=title, xlabel="step")
    assert plots.chart_alt_text(same) == "2 panels. left / right: line chart of step."


def test_long_lists_are_cut_and_counted():
    said = plots.chart_alt_text(plots.curves({f"method {n}": [1, 2] for n in range(11)}, "epoch", "loss"))
    assert said.endswith("method 7 and 3 more.")


@pytest.mark.parametrize(
    "text, words",
    [
        (r"error, $\theta \leq 2^{5}$", "error, theta at most 2^5"),
        (r"$\mathdefault{10^{-2}}$", "10^-2"),
        (r"A\$AP and \$hort", "A$AP and $hort"),
        ("two\nlines", "two lines"),
    ],
)
def test_mathematics_becomes_words(text, words):
    assert " ".join(plain_words(text).split()) == words


# the words of a sheet


def test_a_sheet_counts_its_pictures():
    assert sheet_alt_text(12, 6, sentence="One face a row") == "One face a row. 12 pictures in 2 rows of 6."
    assert sheet_alt_text(2, 2, ["before", "after"]) == "2 pictures in a row. Below them: before; after."
    shown = plots.show_faces(np.zeros((3, 8, 8, 1), np.uint8), alt="Three black squares.")
    assert shown.alt == "Three black squares. 3 pictures in a row."


def test_sheets_of_faces_say_how_many_are_right():
    images = np.zeros((4, 16, 16, 1), np.uint8)
    embeddings = np.array([[1.0, 0], [1, 0.1], [0, 1], [0.1, 1]])
    person = np.array([0, 0, 0, 1])
    sheet = plots.neighbor_sheet(images, embeddings, person, [0, 2], k=1, alt="The second row fails.")
    assert sheet.alt.startswith("The second row fails. 2 rows: a query")
    assert sheet.alt.endswith("Of 2 neighbours, 1 show the same person.")
    pairs = Pairs(np.array([0, 0]), np.array([1, 3]), np.array([True, False]), np.array([0, 0]))
    wrong = plots.pair_sheet(images, pairs, np.array([0.1, 0.2]), 0.5).alt
    assert wrong.endswith("one person, refused: 1 of 1 pairs; two people, accepted: 0 of 1 pairs.")
    assert "4 embeddings" in plots.thumbnail_map(embeddings, images).alt


# what a kernel sends, and what is stored


@pytest.fixture(scope="module")
def executed(tmp_path_factory) -> Path:
    """A notebook with a chart and a sheet, executed and normalised as a build does it."""
    cells = [
        "import matplotlib.pyplot as plt, numpy as np\nfrom facelab import plots\nplots.use_course_style()",
        "plots.use_course_style()  # twice is as good as once",
        "plots.describe(plots.curves({'a': [3, 1]}, 'epoch', 'loss'), 'It \"falls\" & rests < 2.')\nplt.show()",
        "plots.show_faces(np.zeros((3, 8, 8, 1), np.uint8), alt='Three black squares.')",
    ]
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=LIMIT).execute()
    for cell in notebook.cells:
        for output in cell.outputs:
            output.metadata["image/png"] = {
                **output.metadata.get("image/png", {"alt": ""}),
                "needs_background": "light",
            }
            build._normalise(output)
    path = tmp_path_factory.mktemp("alt") / "described.ipynb"
    nbformat.write(notebook, path)
    return path


WORDS = ['It "falls" & rests < 2. Line chart of loss over epoch.', "Three black squares. 3 pictures in a row."]


def stored_words(path: Path) -> list[str | None]:
    """Of each stored picture of a notebook its words, or None."""
    outputs = [output for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", ())]
    kinds = [(output, kind) for output in outputs for kind in output.get("data", {}) if kind.startswith("image/")]
    return [output.metadata.get(kind, {}).get("alt") for output, kind in kinds]


def test_a_kernel_sends_the_words_and_a_build_keeps_nothing_else(executed):
    assert stored_words(executed) == WORDS
    for cell in nbformat.read(executed, as_version=4).cells:
        for output in cell.outputs:
            assert all(set(of) == {"alt"} for of in output.metadata.values())


class Pictures(HTMLParser):
    """The words of the pictures of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.words.append(dict(attributes).get("alt"))


def test_html_made_of_it_has_them(executed):
    page, _ = DescribedHTMLExporter().from_filename(str(executed))
    assert Pictures(page).words == WORDS


def wait_for_server(address: str) -> None:
    """Until it answers."""
    end = time.monotonic() + LIMIT
    while True:
        try:
            urllib.request.urlopen(address, timeout=LIMIT).close()
            return
        except OSError:
            assert time.monotonic() < end, f"{address} does not answer"
            time.sleep(0.1)


def test_jupyterlab_shows_them(executed, tmp_path):
    if MISSING_BROWSER:
        pytest.skip(MISSING_BROWSER)
    shutil.copy(executed, tmp_path / "described.ipynb")
    port = free_port()
    extensions = project_root() / "facelab" / "labs" / "labextensions"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    command += ["--IdentityProvider.token=", f"--ServerApp.root_dir={tmp_path}"]
    command += [f"--LabApp.extra_labextensions_path={extensions}"]
    own = {name: str(tmp_path / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, env={**os.environ, **own}, stdout=log, stderr=log)
    try:
        with chromium(tmp_path) as reader:
            pictures = "[...document.querySelectorAll('.jp-RenderedImage img')].map(one => one.alt)"
            wait_for_server(f"http://127.0.0.1:{port}/api")
            reader.browser.get(f"http://127.0.0.1:{port}/lab/tree/described.ipynb")
            reader.wait_for(f"return {pictures}.filter(Boolean).length === 2")
            assert reader.run(f"return {pictures}") == WORDS
    finally:
        server.kill()  # its kernel ends with it
        server.wait(LIMIT)


# all that is stored


@pytest.mark.parametrize("source", notebook_sources(), ids=lambda source: source.stem)
def test_every_stored_picture_has_its_words(source):
    words = stored_words(project_root() / "notebooks" / f"{source.stem}.ipynb")
    assert [n for n, said in enumerate(words) if said is None or len(said) < SHORTEST] == [], "build the notebook again"


PAGES = [*project_root().glob("*.md"), *project_root().glob("docs/**/*.md"), *project_root().glob("notebooks/*.ipynb")]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_picture_of_a_text_has_its_words(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    words = re.findall(r"!\[(.*?)\]\(", text, re.DOTALL) + Pictures(text).words
    assert [said for said in words if not said or len(said) < SHORTEST or re.fullmatch(r"\S+\.\w+", said)] == []


@pytest.mark.parametrize("source", notebook_sources(), ids=lambda source: source.stem)
def test_sheets_of_faces_have_a_sentence_of_the_author(source):
    calls = [node for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    sheets = [call for call in calls if ast.unparse(call.func).rpartition(".")[2] in SHEETS]
    assert [call.lineno for call in sheets if "alt" not in {word.arg for word in call.keywords}] == []
