"""Exercises of notebook 10: the solutions are what the service does, and other right answers pass."""

import numpy as np
import pytest

from facelab import labs
from facelab.datasets.pairs import Pairs
from facelab.evaluation import threshold_at_fmr
from facelab.evaluation.pair_weights import PairWeights
from facelab.exercises import chapter_10 as exercises
from facelab.exercises import chapter_10_calibration as calibration_exercises
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


def calibrate_by_copies(scores, claimed, shown, target_fmr, drawn):
    """Every threshold is tried, and a draw is written out with all its copies of people."""
    impostor = claimed != shown
    if target_fmr * impostor.sum() < 10:
        raise ValueError("fewer than ten false matches")
    tried = np.nextafter(np.unique(scores[impostor]), np.inf)
    threshold = min(one for one in tried if (scores[impostor] >= one).mean() <= target_fmr)
    people = drawn.shape[1]
    matches = np.array(
        [[(scores[(claimed == p) & (shown == q)] >= threshold).sum() for q in range(people)] for p in range(people)]
    )
    made = np.array([[((claimed == p) & (shown == q)).sum() for q in range(people)] for p in range(people)])
    rates = []
    for draw in drawn:
        both = [(p, q) for p in draw for q in draw if p != q]
        rates.append(sum(matches[p, q] for p, q in both) / sum(made[p, q] for p, q in both))
    return threshold, *np.percentile(rates, [2.5, 97.5])


def test_the_interval_weighs_comparisons_as_the_calibration_of_the_service_does():
    """The same draws of people, handed to the weights that ``calibrate`` uses."""
    scores, claimed, shown, drawn = calibration_exercises._comparisons()
    people, impostor = drawn.shape[1], claimed != shown
    rows = np.arange(len(scores))
    pairs = Pairs(rows, len(scores) + claimed, ~impostor, np.zeros(len(scores), np.int64))
    weights = PairWeights(pairs, np.concatenate([shown, np.arange(people)]), photographs=False)

    class Drawn:
        def __init__(self):
            self.left = list(drawn)

        def integers(self, high, size):
            assert high == size == people
            return self.left.pop(0)

    threshold, low, high = calibration_exercises.calibrate_threshold(scores, claimed, shown, 0.03, drawn)
    assert threshold == threshold_at_fmr(scores, ~impostor, 0.03)
    rng, accepted = Drawn(), scores[impostor] >= threshold
    rates = [(weight @ accepted) / weight.sum() for weight in (weights.draw(rng)[1] for _ in drawn)]
    assert (low, high) == pytest.approx(tuple(np.percentile(rates, [2.5, 97.5])))


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (exercises.MAKE_TEMPLATE, lambda e: template.make_template(e).astype(float)),
        (exercises.HEAD_TURN, pose.head_turn),
        (calibration_exercises.CALIBRATE_THRESHOLD, calibrate_by_copies),
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
