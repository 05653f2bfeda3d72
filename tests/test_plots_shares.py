"""The figure of groups over their shares: what is drawn is what is in the tables."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from facelab import plots
from facelab.errors import BadParameterError


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def table(values, line=True) -> pd.DataFrame:
    found = pd.DataFrame({"share": [0.1, 0.5, 0.9], "value": values})
    found["low"], found["high"] = found["value"] - 0.1, found["value"] + 0.2
    return found.assign(line=[0.3, 0.4, 0.5]) if line else found


def test_points_intervals_and_lines_are_those_of_the_tables():
    groups = {"women": table([0.2, 0.5, 0.6]), "men": table([0.7, 0.6, 0.1], line=False)}
    figure = plots.share_trends({"one": groups, "two": {"men": groups["men"]}}, "accuracy")
    left, right = figure.axes
    assert left.get_ylabel() == "accuracy, per cent"
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["women", "men"]
    line, women, men = left.get_lines()
    np.testing.assert_allclose(line.get_ydata(), [30, 40, 50])
    np.testing.assert_allclose(women.get_ydata(), [20, 50, 60])
    np.testing.assert_allclose(men.get_ydata(), [70, 60, 10])
    assert (np.asarray(men.get_xdata()) > np.asarray(women.get_xdata())).all()
    bars = left.collections[0].get_segments()
    np.testing.assert_allclose([segment[:, 1] for segment in bars], [[10, 40], [40, 70], [50, 80]])
    assert right.get_lines()[0].get_color() == men.get_color()  # a group keeps its colour


def test_a_table_of_one_run_has_points_alone():
    figure = plots.share_trends({"": {"all": table([0.1, 0.2, 0.3])[["share", "value"]]}}, "accuracy")
    assert len(figure.axes[0].get_lines()) == 1
    assert not figure.axes[0].collections


@pytest.mark.parametrize("panels", [{}, {"empty": {}}])
def test_nothing_to_draw_is_said(panels):
    with pytest.raises(BadParameterError, match="nothing to draw"):
        plots.share_trends(panels, "accuracy")


def test_panels_have_one_axis_unless_told():
    panels = {"one": {"all": table([0.01, 0.02, 0.03])}, "two": {"all": table([0.7, 0.8, 0.9])}}
    left, right = plots.share_trends(panels, "rate").axes
    assert left.get_ylim() == right.get_ylim()
    left, right = plots.share_trends(panels, "rate", one_axis=False).axes
    assert left.get_ylim() != right.get_ylim()
