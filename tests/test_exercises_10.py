"""Exercises of notebook 10: the solutions are what the service does, and other right answers pass."""

import numpy as np
import pytest

from facelab import labs
from facelab.exercises import chapter_10 as exercises
from facelab.webapp import pose, template
from facelab.webapp.limits import Window
from facelab.webapp.problems import Problem


def test_solutions_are_the_service():
    rng = np.random.default_rng(0)
    embeddings, landmarks = rng.normal(1, 1, (5, 8)), exercises._FACE + rng.normal(0, 2, (5, 2))
    np.testing.assert_allclose(exercises.template(embeddings), template.make(embeddings), atol=1e-6)
    assert exercises.turn(landmarks) == pytest.approx(pose.turn(landmarks))


def test_the_limit_is_the_window_of_the_service():
    rng, now = np.random.default_rng(1), [0.0]
    window, taken = Window(3, 10.0, clock=lambda: now[0]), []
    for pause in rng.exponential(3.0, 200):
        now[0] += pause
        expected = exercises.allowed(taken, now[0], 3, 10.0)
        try:
            window.take("somebody")
            taken.append(now[0])
            assert expected
        except Problem:
            assert not expected


def test_the_chance_of_a_false_name_is_that_of_drawn_strangers():
    rng = np.random.default_rng(2)
    drawn = (rng.random((20_000, 30)) < 0.02).any(axis=1).mean()
    assert exercises.named(0.02, 30) == pytest.approx(drawn, abs=4 * np.sqrt(0.25 / 20_000))


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (exercises.TEMPLATE, lambda e: template.make(e).astype(float)),
        (exercises.TURN, pose.turn),
        (exercises.NAMED, lambda f, n: -np.expm1(n * np.log1p(-f))),
        (exercises.ALLOWED, lambda times, now, most, seconds: len([t for t in times if now - t < seconds]) < most),
    ],
)
def test_other_right_answers_pass(task, answer, capsys):
    assert labs.exercise(task, answer) is answer
    assert "right" in capsys.readouterr().out
