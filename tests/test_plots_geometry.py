"""Pictures of margin losses: what stands where in them, read back from the figure's artists."""

from __future__ import annotations

from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pytest

from facelab import plots
from facelab.errors import BadParameterError
from facelab.losses import a_softmax, cos_face, no_margin


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def at(degrees, radius=1.0) -> np.ndarray:
    turn = np.radians(np.asarray(degrees, dtype=float))
    return np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)


@pytest.fixture
def panel():
    """Three classes at 0, 90 and 200 degrees, of unlike weights; six photographs, one of them on the wrong side."""
    points = at([2, 60, 91, 92, 201, 201], np.array([1, 2, 3, 4, 5, 6]))
    return plots.MarginGeometry(
        points, np.array([0, 0, 1, 1, 2, 2]), at([0, 90, 200], np.array([3, 1, 0.2])), ("Ann", "Ben", "Cem")
    )


def test_angles_are_those_to_the_own_and_to_the_nearest_other_class(panel):
    own, other = panel.own_and_nearest_angles()
    np.testing.assert_allclose(own, [2, 60, 1, 2, 1, 1], atol=1e-6)
    np.testing.assert_allclose(other, [88, 30, 91, 92, 111, 111], atol=1e-6)
    np.testing.assert_allclose(panel.angles()[0], [2, 88, 162], atol=1e-6)


def test_target_curves_and_their_slopes_are_those_of_the_formula():
    figure = plots.target_curves(
        {"softmax": no_margin, "CosFace": partial(cos_face, margin=0.3), "A": partial(a_softmax, m=2)}
    )
    values, slopes = figure.axes
    theta = np.radians(values.lines[0].get_xdata())
    assert values.lines[0].get_xdata()[[0, -1]] == pytest.approx([0, 180], abs=0.1)
    np.testing.assert_allclose(values.lines[0].get_ydata(), np.cos(theta), atol=1e-9)
    np.testing.assert_allclose(values.lines[1].get_ydata(), np.cos(theta) - 0.3, atol=1e-9)
    right = theta < np.pi / 2
    np.testing.assert_allclose(values.lines[2].get_ydata()[right], np.cos(2 * theta)[right], atol=1e-9)
    for line in slopes.lines[:2]:
        np.testing.assert_allclose(line.get_ydata(), -np.sin(theta), atol=1e-9)
    np.testing.assert_allclose(slopes.lines[2].get_ydata()[right], -2 * np.sin(2 * theta)[right], atol=1e-9)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["softmax", "CosFace", "A"]
    assert len(plots.target_curves({"softmax": no_margin}, gradient=False).axes) == 1


def test_a_plane_shows_points_rays_and_the_mean_norm(panel):
    figure = plots.embedding_plane({"one": panel, "two": panel})
    assert len(figure.axes) == 2 and figure.get_size_inches()[0] <= 7.5
    axes = figure.axes[1]
    assert axes.get_title() == "two\nmean norm 3.5" and axes.get_aspect() == 1
    for number, (drawn, ray) in enumerate(zip(axes.collections, axes.lines, strict=True)):
        np.testing.assert_allclose(drawn.get_offsets(), panel.points[panel.person == number])
        np.testing.assert_allclose(ray.get_xydata(), [[0, 0], at([[0, 90, 200][number]], 6)[0]], atol=1e-9)
        assert tuple(drawn.get_facecolor()[0][:3]) == tuple(ray.get_color())
    assert axes.patches[0].radius == pytest.approx(3.5)
    assert len({tuple(ray.get_color()) for ray in axes.lines}) == 3


def test_five_panels_stand_in_two_rows_and_nothing_else(panel):
    figure = plots.embedding_plane({str(number): panel for number in range(5)})
    places = [axes.get_subplotspec() for axes in figure.axes if axes.get_title()]
    assert [(p.rowspan.start, p.colspan.start) for p in places] == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)]
    assert figure.get_size_inches()[0] <= 7.5
    assert not any(axes.axison for axes in figure.axes)


def test_on_the_circle_boundaries_lie_between_neighbours_and_bars_where_the_embeddings_are(panel):
    axes = plots.direction_circle({"one": panel}, bins=36).axes[0]
    assert axes.get_title() == "one\n83 % right"
    dotted = [line.get_xydata()[1] for line in axes.lines if line.get_linestyle() == ":"]
    np.testing.assert_allclose(dotted, at([280, 45, 145], 2), atol=1e-9)
    rays = [line.get_xydata()[1] for line in axes.lines if line.get_linestyle() == "-"]
    np.testing.assert_allclose(rays, at([0, 90, 200]), atol=1e-9)
    bars = [patch.get_xy()[:4] for patch in axes.patches[1:]]
    middle = sorted(round(np.degrees(np.arctan2(*bar.mean(axis=0)[::-1])) % 360) for bar in bars)
    assert middle == [5, 65, 95, 205]
    heights = {round(np.linalg.norm(bar, axis=1).max(), 6) for bar in bars}
    assert heights == {1.5, 2.0}  # one or two photographs, the fullest bar as high as the circle is wide


def test_people_in_one_bar_stand_on_each_other():
    one = plots.MarginGeometry(at([5, 5, 5, 95]), np.array([0, 1, 1, 0]), at([0, 90]), ("a", "b"))
    bars = [
        np.linalg.norm(patch.get_xy()[:4], axis=1) for patch in plots.direction_circle({"": one}).axes[0].patches[1:]
    ]
    found = sorted((round(bar.min(), 4), round(bar.max(), 4)) for bar in bars)
    assert found == [(1.0, 1.3333), (1.0, 1.3333), (1.3333, 2.0)]


def test_norms_and_angles_count_every_photograph(panel):
    longer = plots.MarginGeometry(10 * panel.points, panel.person, panel.directions, panel.names)
    figure = plots.norms_and_angles({"short": panel, "long": longer})
    left, right = figure.axes

    def shown(patch):
        """Left edge of its bin for every photograph of a histogram's outline, sorted; width of the first bin."""
        x, y = patch.get_xy().T
        steps = [(a, b, h) for a, b, h, after in zip(x, x[1:], y, y[1:], strict=False) if a < b and h == after]
        return np.repeat([a for a, _, _ in steps], [int(h) for _, _, h in steps]), steps[0][1] - steps[0][0]

    for patch, scale in zip(left.patches, (1, 10), strict=True):
        below = scale * np.arange(1, 7) / shown(patch)[0]
        assert len(below) == 6 and (below >= 1 - 1e-6).all() and (below < 1.13).all()
    own, other = panel.own_and_nearest_angles()
    for patch, angles in zip(right.patches, (own, other, own, other), strict=True):
        edges, width = shown(patch)
        assert width == pytest.approx(111 / 60, rel=1e-4)
        above = np.sort(angles) - edges
        assert (above > -1e-6).all() and (above < width + 1e-6).all()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["short", "long"]


@pytest.mark.parametrize("draw", [plots.embedding_plane, plots.direction_circle])
def test_what_cannot_be_drawn_is_refused(draw, panel):
    many = plots.MarginGeometry(panel.points, panel.person, at(range(11)), tuple("abcdefghijk"))
    solid = plots.MarginGeometry(np.ones((6, 3)), panel.person, np.ones((3, 3)), panel.names)
    with pytest.raises(BadParameterError, match=r"wide: embeddings \(6, 3\)"):
        draw({"wide": solid})
    with pytest.raises(BadParameterError, match="11 classes"):
        draw({"full": many})
