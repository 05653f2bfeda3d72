"""The explorer: a page of its own that holds every point, in which a label is only text."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from html.parser import HTMLParser

import cv2
import numpy as np
import pandas as pd
import pytest
from IPython.display import HTML, Image

from facelab.errors import BadParameterError
from facelab.labs import explorer

NASTY = ["</script><script>alert(1)</script>", "<!--<script>", "\"'&amp;", "  \\u003c", "<img src=x onerror=alert(1)>"]


class Parsed(HTMLParser):
    """The tags of a document, its data and the attributes of its frame."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags, self.open, self.text, self.frame = [], [], "", {}
        self.feed(document)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.frame = dict(attributes) if tag == "iframe" else self.frame
        if tag not in ("meta", "input"):
            self.open.append((tag, dict(attributes).get("id")))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == ("script", "data"):
            self.text += data


@pytest.fixture
def faces():
    images = np.tile(np.uint8([10, 60, 110, 160, 210])[:, None, None, None], (1, 16, 16, 1))
    points = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 5.0], [3.0, 2.0], [8.0, 4.0]])
    table = pd.DataFrame({"note": NASTY, "<b>light</b>": [0.5, np.nan, 1, 2, 3]})
    neighbours = np.array([[3, 2], [4, 3], [3, 0], [0, 2], [1, 3]])
    return points, images, table, neighbours


@pytest.mark.parametrize("channels", [1, 3])
def test_the_page_is_well_formed_and_holds_every_point(faces, channels):
    points, images, table, neighbours = faces
    document = explorer.render_page(points, np.repeat(images, channels, axis=3), table, neighbours)
    found = Parsed(document)
    assert not found.open
    data = json.loads(found.text)
    np.testing.assert_allclose(data["points"], points / 10)
    assert data["table"] == {"note": NASTY, "<b>light</b>": ["0.5", "", "1.0", "2.0", "3.0"]}
    assert data["neighbours"] == neighbours.tolist() and data["side"] == 16
    sprite = cv2.imdecode(np.frombuffer(base64.b64decode(data["sprite"].split(",")[1]), np.uint8), cv2.IMREAD_COLOR)
    assert sprite.shape == (48, 48, 3)
    assert np.abs(sprite[16:32, :16].mean() - images[3].mean()) < 5
    assert "http:" not in document and "https:" not in document and "default-src 'none'" in document


def test_a_label_is_never_markup(faces):
    points, images, table, neighbours = faces
    harmless = table.assign(note=list("abcde")).rename(columns={"<b>light</b>": "light"})
    nasty = Parsed(explorer.render_page(points, images, table, neighbours)).tags
    assert nasty == Parsed(explorer.render_page(points, images, harmless, neighbours)).tags


def test_a_label_cannot_turn_or_break_the_line_that_it_stands_in(faces):
    points, images, table, _ = faces
    table = pd.DataFrame({"person\u202e": ["a\u202eb", "caf\udce9", "two\nlines", "A$AP & $hort", "张伟"]})
    data = json.loads(Parsed(explorer.render_page(points, images, table)).text)
    shown = ["a\\u202eb", "caf\\udce9", "two\\nlines", "A$AP & $hort", "张伟"]
    assert data["table"] == {"person\\u202e": shown}


def test_who_watches_gets_the_page_in_a_frame_and_a_build_the_picture(faces, monkeypatch):
    points, images, table, _ = faces
    monkeypatch.setattr(explorer, "is_interactive", lambda: False)
    assert isinstance(explorer.explore(points, images, table), Image)
    monkeypatch.setattr(explorer, "is_interactive", lambda: True)
    shown = explorer.explore(points, images, table)
    assert isinstance(shown, HTML)
    frame = Parsed(shown.data)
    assert frame.tags == ["div", "iframe"] and frame.frame["sandbox"] == "allow-scripts"
    assert frame.frame["srcdoc"] == explorer.render_page(points, images, table)
    assert json.loads(Parsed(frame.frame["srcdoc"]).text)["neighbours"] is None


def test_what_does_not_fit_is_refused(faces):
    points, images, table, neighbours = faces
    many = np.zeros((3001, 2))
    for arguments, message in [
        ((many, images, table), "3001 faces"),
        ((points[:4], images, table), "4 points, 5 images, 5 rows"),
        ((points, images, table[:4]), "4 rows"),
        ((points * np.nan, images, table), "no map"),
        ((points, images, table, neighbours[:4]), "neighbours"),
        ((points, images, table, neighbours[:, 0]), "neighbours"),
        ((points, images, table, neighbours + 1), "neighbours"),
        ((points, images, table, neighbours - 1), "neighbours"),
        ((points, images, table, neighbours * 1.0), "neighbours"),
    ]:
        with pytest.raises(BadParameterError, match=message):
            explorer.explore(*arguments)


def test_in_a_browser_pointing_at_a_face_shows_its_labels_and_neighbours(faces, tmp_path):
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("needs Chromium")
    # The last point, (8, 4) of a span of 10, stands at 420 from the left and 200 above the bottom margin, at 520.
    point = """<script>setTimeout(() => {
      const frame = map.getBoundingClientRect();
      const at = { clientX: frame.left + 1 + 420, clientY: frame.top + 1 + 320 };
      map.dispatchEvent(new PointerEvent("pointermove", at));
      document.title = "grey " + face.getContext("2d").getImageData(80, 80, 1, 1).data[0];
    }, 300);</script></body>"""
    path = tmp_path / "page.html"
    path.write_text(explorer.render_page(*faces).replace("</body>", point), encoding="utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
               "--virtual-time-budget=2000", "--dump-dom", path.as_uri()]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    labels = dom[dom.index('<table id="labels">') : dom.index("</table>")]
    assert "<td>row</td><td>4</td>" in labels and "&lt;b&gt;light&lt;/b&gt;</td><td>3.0</td>" in labels
    assert "&lt;img src=x" in labels and "<img" not in dom
    near = dom[dom.index('<div id="neighbours">') : dom.index('<table id="labels">')]
    assert near.count("<canvas") == 2 and near.index("!--") < near.index("\\u003c")  # rows 1 and 3, in this order
    assert abs(int(dom.split("<title>grey ")[1].split("<")[0]) - 210) < 5
