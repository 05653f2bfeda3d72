"""Exercises of notebook 10: the solutions are what the service does, and other right answers pass."""

import numpy as np
import pytest

from facelab import labs
from facelab.exercises import chapter_10 as exercises
from facelab.webapp import pose, template


def test_solutions_are_the_service():
    rng = np.random.default_rng(0)
    embeddings, landmarks = rng.normal(1, 1, (5, 8)), exercises._FACE + rng.normal(0, 2, (5, 2))
    np.testing.assert_allclose(exercises.make_template(embeddings), template.make_template(embeddings), atol=1e-6)
    assert exercises.head_turn(landmarks) == pytest.approx(pose.head_turn(landmarks))


def test_the_chance_of_a_false_name_is_that_of_drawn_strangers():
    rng = np.random.default_rng(2)
    drawn = (rng.random((20_000, 30)) < 0.02).any(axis=1).mean()
    assert exercises.fpir(0.02, 30) == pytest.approx(drawn, abs=4 * np.sqrt(0.25 / 20_000))


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (exercises.MAKE_TEMPLATE, lambda e: template.make_template(e).astype(float)),
        (exercises.HEAD_TURN, pose.head_turn),
        (exercises.FPIR, lambda f, n: -np.expm1(n * np.log1p(-f))),
        (
            exercises.ATTACK_ERRORS,
            lambda b, a, t: [
                1 - min(sum(x < t for x in s) / len(s) for s in a.values()),
                sum(x < t for x in b) / len(b),
            ],
        ),
    ],
)
def test_other_right_answers_pass(task, answer, capsys):
    assert labs.check_answer(task, answer) is answer
    assert "right" in capsys.readouterr().out
