"""The map of an embedding: a page of its own that holds every point, in which a label is only text."""

from __future__ import annotations

import base64
import json

import cv2
import numpy as np
import pandas as pd
import pytest
from explorer_pages import HOSTILE, MISSING_BROWSER, check_alone, chromium, data_of, page_of
from IPython.display import Image

from facelab.errors import BadParameterError
from facelab.labs.explorers import embedding, explore

NASTY = [*HOSTILE, "\\u003c \"'&amp;"]


@pytest.fixture
def faces():
    images = np.tile(np.uint8([10, 60, 110, 160, 210])[:, None, None, None], (1, 16, 16, 1))
    points = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 5.0], [3.0, 2.0], [8.0, 4.0]])
    table = pd.DataFrame({"note": NASTY, "<b>light</b>": [0.5, np.nan, 1, 2, 3]})
    neighbours = np.array([[3, 2], [4, 3], [3, 0], [0, 2], [1, 3]])
    return points, images, table, neighbours


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.setattr(embedding, "is_interactive", lambda: True)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_page_stands_alone_and_holds_every_point(faces, channels, watched):
    points, images, table, neighbours = faces
    document = page_of(explore(points, np.repeat(images, channels, axis=3), table, neighbours))
    check_alone(document)
    data = json.loads(data_of(document))
    np.testing.assert_allclose(data["points"], [points / 10])
    assert data["table"] == {"note": NASTY, "<b>light</b>": ["0.5", "", "1.0", "2.0", "3.0"]}
    assert data["neighbours"] == [neighbours.tolist()] and data["faces"]["side"] == 16 and data["ranks"] is None
    packed = base64.b64decode(data["faces"]["sheet"].split(",")[1])
    sprite = cv2.imdecode(np.frombuffer(packed, np.uint8), cv2.IMREAD_COLOR)
    assert sprite.shape == (48, 48, 3)
    assert np.abs(sprite[16:32, :16].mean() - images[3].mean()) < 5


def test_a_label_cannot_turn_or_break_the_line_that_it_stands_in(faces, watched):
    points, images, table, _ = faces
    table = pd.DataFrame({"person\u202e": ["a\u202eb", "caf\udce9", "two\nlines", "A$AP & $hort", "张伟"]})
    data = json.loads(data_of(page_of(explore(points, images, table))))
    shown = ["a\\u202eb", "caf\\udce9", "two\\nlines", "A$AP & $hort", "张伟"]
    assert data["table"] == {"person\\u202e": shown} and data["neighbours"] is None


def test_a_build_gets_the_picture(faces, monkeypatch):
    monkeypatch.setattr(embedding, "is_interactive", lambda: False)
    assert isinstance(explore(*faces), Image)


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
            explore(*arguments)


# ---- in a browser ----


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    if MISSING_BROWSER:
        pytest.skip(MISSING_BROWSER)
    with chromium(tmp_path_factory.mktemp("map")) as found:
        yield found


def labels(reader) -> dict[str, str]:
    return dict(zip(reader.texts("#labels th"), reader.texts("#labels td"), strict=True))


def near(reader) -> list[int]:
    return [
        int(row)
        for row in reader.run("return [...document.querySelectorAll('#neighbours button')].map(b => b.dataset.row)")
    ]


#: Where a point of the fixture stands on the map, as shares of its width and height.
def place(x: float, y: float) -> tuple[float, float]:
    return 0.04 + 0.92 * x / 10, 0.04 + 0.92 * (1 - y / 10)


def test_the_page_has_no_barrier_and_takes_no_label_for_markup(reader, faces, watched):
    reader.check_page(page_of(explore(*faces)))
    reader.open(page_of(explore(*faces)))
    assert set(reader.texts("#column option")) == {"note", "<b>light</b>"}
    assert reader.texts("#legend span") == sorted(NASTY)
    assert reader.run("return document.images.length + document.querySelectorAll('b').length") == 0


def test_pointing_at_a_face_shows_its_labels_and_neighbours(reader, faces, watched):
    reader.open(page_of(explore(*faces)))
    reader.point("#map", *place(8, 4))
    assert labels(reader) == {"face": "4", "note": NASTY[4], "<b>light</b>": "3.0"}
    assert near(reader) == [1, 3]
    assert abs(int(reader.pixels("#face")[50, 50, 0]) - 210) < 5
    reader.point("#map", *place(0, 5))
    assert labels(reader)["face"] == "2"


def test_a_tap_holds_a_face_and_a_neighbour_can_be_chosen(reader, faces, watched):
    reader.open(page_of(explore(*faces)), width=390)
    reader.touch("#map", place(8, 4))
    assert labels(reader)["face"] == "4"
    reader.point("#map", *place(0, 5))
    assert labels(reader)["face"] == "4", "it is held"
    reader.press("#neighbours button:nth-child(2)", "ENTER")
    assert labels(reader)["face"] == "3" and near(reader) == [0, 2]


def test_the_keyboard_chooses_a_face_and_says_it(reader, faces, watched):
    reader.open(page_of(explore(*faces)))
    reader.press("#number", "ARROW_RIGHT", "ARROW_RIGHT")
    assert labels(reader)["face"] == "2" and near(reader) == [3, 0]
    assert reader.text("#said").startswith(f"Face 2, note {NASTY[2]}.")
    assert not reader.run("return document.getElementById('epochs').checkVisibility()"), "there is one map, of no epoch"
