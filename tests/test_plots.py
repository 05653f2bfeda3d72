"""Pictures: what stands where in them, read back from the figure's artists or from the decoded JPEG."""

from __future__ import annotations

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image as Pillow

from facelab import plots
from facelab.datasets.pairs import Pairs
from facelab.errors import BadParameterError
from facelab.evaluation import wilson
from facelab.plots import sheets
from facelab.plots.style import hex_to_rgb


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def decoded(image) -> np.ndarray:
    """uint8 RGB of a JPEG for a notebook."""
    assert image.format == "jpeg"
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def flat(levels, side=16, channels=1) -> np.ndarray:
    """One evenly grey photograph a level."""
    return np.tile(np.asarray(levels, np.uint8)[:, None, None, None], (1, side, side, channels))


@pytest.fixture
def groups():
    """60 embeddings of four people, far apart, in no order."""
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(4), 15)[rng.permutation(60)]
    return rng.normal(size=(4, 12))[person] + 0.1 * rng.normal(size=(60, 12)), person


# faces


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sprite_holds_every_face_in_its_cell(channels):
    images = np.random.default_rng(0).integers(0, 256, (7, 16, 16, channels), dtype=np.uint8)
    sheet = plots.sprite(images, side=8)
    assert sheet.shape == (24, 24, 3)
    for row, image in enumerate(images):
        top, left = 8 * (row // 3), 8 * (row % 3)
        small = np.asarray(Pillow.fromarray(image.squeeze()).convert("RGB").reduce(2), int)
        assert np.abs(sheet[top : top + 8, left : left + 8].astype(int) - small).max() <= 1
    assert not sheet[16:, 8:].any()


@pytest.mark.parametrize("channels", [1, 3])
def test_faces_stand_side_by_side(channels):
    sheet = plots.face_sheet(flat([10, 90, 200], channels=channels), columns=2, titles=["a", "b", "c"])
    assert sheet.shape == (2 * (16 + 15 + 2), 2 * 18, 3)
    assert [sheet[8, 8, 0], sheet[8, 26, 1], sheet[41, 8, 2], sheet[41, 26, 0]] == [10, 90, 200, 255]
    assert sheet[18:30, :18].min() < 128  # the title
    shown = decoded(plots.show_faces(flat([10, 90, 200], channels=channels), zoom=2))
    assert shown.shape == (34, 340, 3) and abs(int(shown[16, 50, 1]) - 90) < 4


# charts


def test_interval_panels_keep_a_row_and_a_colour_for_each_name():
    left = {"a": wilson(30, 40), "b": wilson(10, 40)}
    figure = plots.interval_panels({"first": left, "second": {"b": wilson(5, 40)}}, "all")
    one, two = figure.axes
    assert [label.get_text() for label in one.get_yticklabels()] == ["a", "b"]
    bars, points = one.get_lines()[::2], one.get_lines()[1::2]
    for row, (estimate, bar, point) in enumerate(zip(left.values(), bars, points, strict=True)):
        np.testing.assert_allclose(bar.get_xdata(), [100 * estimate.low, 100 * estimate.high])
        assert point.get_xdata()[0] == pytest.approx(100 * estimate.value) and list(bar.get_ydata()) == [row, row]
    alone = two.get_lines()
    assert list(alone[0].get_ydata()) == [1, 1] and alone[1].get_color() == points[1].get_color()


def test_intervals_stand_at_their_values():
    one, two = wilson(30, 40), wilson(10, 40)
    figure = plots.intervals({"a": {"x": one, "y": two}, "b": {"x": two}}, "rate", chance=0.1)
    lines = [line.get_xdata() for line in figure.axes[0].lines]
    for number, estimate in enumerate((one, two, two)):
        np.testing.assert_allclose(lines[2 * number], [100 * estimate.low, 100 * estimate.high])
        assert lines[2 * number + 1] == [100 * estimate.value]
    assert list(lines[6]) == [10, 10]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["a: x", "a: y", "b: x"]


def test_a_name_more_than_there_are_colours_is_drawn_in_one_of_them():
    many = {f"model {number}": wilson(number, 100) for number in range(70)}
    assert len(plots.intervals({"top-1": many}, "per cent").axes[0].lines) == 140


def test_error_rates_below_one_in_a_hundred_are_on_the_axis():
    rates = np.array([0.001, 0.1]), np.array([0.003, 0.0])
    assert plots.det_curves({"good": rates}).axes[0].get_ylim() == (0.003, 1)
    assert plots.det_curves({"bad": (rates[0], np.array([0.5, 0.2]))}).axes[0].get_ylim() == (0.01, 1)
    ends_at_0 = np.array([0.001, 0.99]), np.array([0.5, 0.0001])  # as every curve does, where everybody is accepted
    assert plots.det_curves({"bad": ends_at_0}).axes[0].get_ylim() == (0.01, 1)


def test_the_scores_of_a_collapsed_network_are_one_bar(recwarn):
    axes = plots.score_histograms(np.ones(5), np.full(7, 1 - 1e-9)).axes[0]
    shown = [sum(bar.get_height() > 0 for bar in bars) for bars in axes.containers]
    assert shown == [1, 1] and not recwarn


def test_charts_show_their_numbers():
    lines = plots.curves({"a": [3, 1], "b": [2, 2, 0]}, "step", "loss").axes[0].lines
    assert [line.get_xydata().tolist() for line in lines] == [[[1, 3], [2, 1]], [[1, 2], [2, 2], [3, 0]]]
    mesh = plots.confusion_matrix(np.array([[3, 1], [0, 0]])).axes[0].collections[0]
    assert mesh.get_array().reshape(2, 2).tolist() == [[0.75, 0.25], [0, 0]]
    far, frr = np.array([0.01, 0.1]), np.array([0.5, 0.2])
    assert plots.det_curves({"cnn": (far, frr)}).axes[0].lines[0].get_xydata().tolist() == [[0.01, 0.5], [0.1, 0.2]]
    rng = np.random.default_rng(0)
    drawn = plots.score_histograms(rng.normal(1, 1, 50), rng.normal(-1, 1, 90), threshold=0.25).axes[0]
    assert {text.get_text() for text in drawn.get_legend().get_texts()} == {
        "one person (n = 50)", "two people (n = 90)", "threshold 0.25"
    }  # fmt: skip


def test_the_silhouette_marks_what_was_chosen_and_what_is_true():
    curve, chosen, true = plots.silhouette_curve([5, 10, 20], [0.1, 0.3, 0.2], chosen_k=10, true_k=20).axes[0].lines
    assert curve.get_xydata().tolist() == [[5, 0.1], [10, 0.3], [20, 0.2]]
    assert (list(chosen.get_xdata()), chosen.get_label()) == ([10, 10], "chosen: 10")
    assert (list(true.get_xdata()), true.get_label()) == ([20, 20], "people: 20")


# maps


def test_pca_is_that_of_the_unit_vectors(groups):
    embeddings, _ = groups
    points = plots.project_to_2d(embeddings * np.linspace(0.5, 9, 60)[:, None], "pca")
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    u, s, _ = np.linalg.svd(unit - unit.mean(0), full_matrices=False)
    np.testing.assert_allclose(np.abs(points), np.abs(u[:, :2] * s[:2]), atol=1e-5)


def test_tsne_keeps_neighbours_and_comes_out_the_same(groups):
    embeddings, person = groups
    points = plots.project_to_2d(embeddings * np.linspace(0.5, 9, 60)[:, None])
    distance = np.linalg.norm(points[:, None] - points[None], axis=2) + 1e9 * np.eye(60)
    assert (person[distance.argmin(1)] == person).all()
    np.testing.assert_array_equal(plots.project_to_2d(embeddings * np.linspace(0.5, 9, 60)[:, None]), points)
    assert plots.project_to_2d(embeddings[:4]).shape == (4, 2)  # perplexity 1


@pytest.mark.parametrize(
    "embeddings, method, message",
    [
        (np.eye(5), "umap", "'umap'"),
        (np.eye(3), "tsne", r"\(3, 3\)"),
        (np.ones((9, 1)), "pca", r"\(9, 1\)"),
        (np.full((9, 2), np.nan), "tsne", "not finite"),
    ],
)
def test_maps_refuse_what_gives_none(embeddings, method, message):
    with pytest.raises(BadParameterError, match=message):
        plots.project_to_2d(embeddings, method)


def test_a_map_is_coloured_by_each_label():
    points = np.arange(36.0).reshape(18, 2)
    turn = ["left", "right", ""] * 6
    person, by_turn = plots.embedding_map(points, {"person": np.repeat(np.arange(9), 2), "turn": turn}, "all").axes
    assert person.get_title() == "person: 9 different" and person.get_legend() is None
    assert by_turn.get_title() == "turn"
    assert [text.get_text() for text in by_turn.get_legend().get_texts()] == ["left", "right"]
    missing, left, right = by_turn.collections
    for drawn, start, colour in ((left, 0, plots.COLORS[0]), (right, 1, plots.COLORS[1]), (missing, 2, "lightgrey")):
        np.testing.assert_array_equal(drawn.get_offsets(), points[start::3])
        assert tuple(drawn.get_facecolor()[0][:3]) == to_rgb(colour)
    looks = {(tuple(c.get_facecolor()[0]), len(c.get_paths()[0].vertices)) for c in person.collections[1:]}
    assert len(looks) == 9  # seven colours, so the last two have another sign
    with pytest.raises(BadParameterError, match="18 points, 17 of turn"):
        plots.embedding_map(points, {"turn": turn[:-1]})
    with pytest.raises(BadParameterError, match="no label"):
        plots.embedding_map(points, {})


@pytest.mark.parametrize("channels", [1, 3])
def test_faces_stand_at_their_place_and_never_on_another(channels):
    points = np.array([[0, 0], [10, 0], [0, 5], [0.2, 0.1]])  # the last lies on the first
    picture = decoded(plots.thumbnail_map(points, flat([20, 80, 140, 230], channels=channels), width=120, side=20))
    assert picture.shape == (70, 120, 3)
    grey = picture.mean(axis=2)
    assert [round(grey[y, x] / 20) for x, y in ((10, 60), (110, 60), (10, 10))] == [1, 4, 7]
    assert (np.abs(grey - 230) < 5).mean() < 0.02 and (grey > 250).mean() > 0.8
    with pytest.raises(BadParameterError, match="4 points, 3 images"):
        plots.thumbnail_map(points, flat([1, 2, 3]))
    with pytest.raises(BadParameterError, match=r"\(4, 3\)"):
        plots.thumbnail_map(np.ones((4, 3)), flat([1, 2, 3, 4]))


# sheets


@pytest.mark.parametrize("grouped", [False, True])
def test_nearest_agrees_with_a_loop(groups, grouped):
    embeddings, _ = groups
    group = np.array([f"photo {row // 4}" for row in range(60)]) if grouped else None
    found, cosine = plots.nearest_neighbors(embeddings * np.linspace(0.5, 9, 60)[:, None], 5, [7, 40], group)
    for place, query in enumerate((7, 40)):
        others = [row for row in range(60) if (row // 4 != query // 4 if grouped else row != query)]
        a = embeddings[query]
        value = {r: a @ embeddings[r] / np.linalg.norm(a) / np.linalg.norm(embeddings[r]) for r in others}
        expected = sorted(others, key=lambda row: -value[row])[:5]
        assert found[place].tolist() == expected
        np.testing.assert_allclose(cosine[place], [value[row] for row in expected])
    for k in (0, 60):
        with pytest.raises(BadParameterError, match=f"{k} others"):
            plots.nearest_neighbors(embeddings, k)


def test_neighbours_are_framed_by_who_they_are(monkeypatch):
    embeddings = np.array([[1, 0], [1, 0.1], [1, 0.2], [0, 1], [0.1, 1]])
    written = []
    monkeypatch.setattr(
        sheets, "face_sheet", lambda *a, titles, **k: written.append(titles) or plots.face_sheet(*a, **k)
    )
    person = np.array([0, 1, 0, 1, 1])
    sheet = decoded(plots.neighbor_sheet(flat([128] * 5), embeddings, person, [0, 4], k=2, side=40))
    assert written == [["query", "1.00 other", "0.98", "query", "1.00", "0.29 other"]]
    green, orange, black = hex_to_rgb(plots.COLORS[2]), hex_to_rgb(plots.COLORS[1]), (0, 0, 0)
    frames = [[black, orange, green], [black, green, orange]]
    for (row, column), _ in np.ndenumerate(np.empty((2, 3))):
        middle_of_frame = sheet[row * 42 + 20, column * 42 + 1].astype(int)
        assert np.abs(middle_of_frame - frames[row][column]).max() < 40, (row, column)
        assert np.abs(sheet[row * 42 + 20, column * 42 + 20].astype(int) - 128).max() < 5
    with pytest.raises(BadParameterError, match="unknown"):
        plots.neighbor_sheet(flat([128] * 5), embeddings, np.array([0, -1, 0, 1, 1]), [0], k=2)


def test_what_an_index_found_is_shown_as_it_was_found(monkeypatch):
    """In the order and with the cosines that were given, right or not: 4 finds 1 twice, its own person, then another."""
    written = []
    monkeypatch.setattr(
        sheets, "face_sheet", lambda *a, titles, **k: written.append(titles) or plots.face_sheet(*a, **k)
    )
    levels, person = [20, 60, 100, 140, 180], np.array([0, 1, 0, -1, 1])
    found, cosine = np.array([[1, 1, 0], [4, 0, 2]]), np.array([[0.5, 0.625, -0.25], [0, 1, 0.375]])
    sheet = decoded(plots.search_sheet(flat(levels), person, [4, 2], found, cosine, side=40))
    assert written == [["query", "0.50", "0.62", "-0.25 other", "query", "0.00 other", "1.00", "0.38"]]
    green, orange, black = hex_to_rgb(plots.COLORS[2]), hex_to_rgb(plots.COLORS[1]), (0, 0, 0)
    frames = [[black, green, green, orange], [black, orange, green, green]]
    for (row, column), shown in np.ndenumerate([[4, 1, 1, 0], [2, 4, 0, 2]]):
        middle_of_frame = sheet[row * 42 + 20, column * 42 + 1].astype(int)
        assert np.abs(middle_of_frame - frames[row][column]).max() < 40, (row, column)
        assert np.abs(sheet[row * 42 + 20, column * 42 + 20].astype(int) - levels[shown]).max() < 5
    for queries, rows in (([3, 2], found), ([4, 2], np.array([[1, 1, 0], [4, 3, 2]]))):
        with pytest.raises(BadParameterError, match="unknown"):
            plots.search_sheet(flat(levels), person, queries, rows, cosine)


@pytest.mark.parametrize("threshold", [0.5, np.full(6, 0.5)], ids=["one", "one a pair"])
def test_the_pairs_that_fail_are_shown_worst_first(monkeypatch, threshold):
    pairs = Pairs(np.arange(6), np.arange(6, 12), np.array([1, 1, 1, 0, 0, 0], bool), np.zeros(6, int))
    scores = np.array([0.4, 0.5, 0.1, 0.6, 0.49, 0.9])  # 0.5 is accepted
    headings, titles = [], []
    heading, face_sheet = sheets._heading, sheets.face_sheet
    monkeypatch.setattr(sheets, "_heading", lambda text, width: headings.append(text) or heading(text, width))
    monkeypatch.setattr(sheets, "face_sheet", lambda *a: titles.append(a[2]) or face_sheet(*a))
    sheet = decoded(plots.pair_sheet(flat(np.arange(12) * 20), pairs, scores, threshold, side=30))
    assert headings == ["one person, refused: 2 of 3 pairs", "two people, accepted: 2 of 3 pairs"]
    assert titles == [["0.10", "0.40"], ["0.90", "0.60"]]
    rows = [39, 39 + 47 + 24]  # below a heading of 24; a face of 30, a title of 15 and a gap of 2
    shown = [[round(sheet[y, x, 0] / 20) for x in (15, 46, 83, 114)] for y in rows]
    assert shown == [[2, 8, 0, 6], [5, 11, 3, 9]]
    few = decoded(plots.pair_sheet(flat(np.arange(12) * 20), pairs, scores, threshold, per_kind=1, side=30))
    assert few[39, 83].min() > 250 and few[39, 15].max() < 60
    assert decoded(plots.pair_sheet(flat([1] * 12), pairs, pairs.same * 1.0, 0.5)).shape[0] == 48  # nothing fails
    with pytest.raises(BadParameterError, match="6 pairs, 5 scores"):
        plots.pair_sheet(flat([1] * 12), pairs, scores[:5], 0.5)
