"""Exercises of notebook 00: the bootstrap over people agrees with SciPy's on the people, and other right answers pass."""

import numpy as np
import pytest
from scipy import stats

from facelab import labs
from facelab.exercises import chapter_00 as exercises
from facelab.exercises.chapter_00_bootstrap import PERSON_BOOTSTRAP, person_bootstrap


def test_the_ends_are_those_of_scipys_bootstrap_of_the_people():
    rng = np.random.default_rng(3)
    photographs = rng.integers(5, 60, size=60)
    person = np.repeat(rng.permutation(60), photographs)
    right = rng.random(len(person)) < rng.random(60)[person]
    counts = np.bincount(person), np.bincount(person, weights=right)

    def share(of, found, axis):
        return found.sum(axis=axis) / of.sum(axis=axis)

    found = stats.bootstrap(
        counts,
        share,
        paired=True,
        vectorized=True,
        n_resamples=20_000,
        method="percentile",
        random_state=np.random.default_rng(1),
    ).confidence_interval
    ends = person_bootstrap(right, person, 20_000, np.random.default_rng(2))
    assert ends == pytest.approx((found.low, found.high), abs=0.004)


def test_it_is_wider_than_the_interval_of_photographs_where_people_differ():
    person = np.repeat(np.arange(20), 30)
    right = np.random.default_rng(0).random(600) < np.where(person < 14, 0.95, 0.2)
    low, high = person_bootstrap(right, person, 2000, np.random.default_rng(0))
    trials = stats.binomtest(int(right.sum()), 600).proportion_ci(0.95, "wilson")
    assert high - low > 3 * (trials.high - trials.low)


def one_replicate_after_another(right, person, draws, rng):
    names = list(set(person.tolist()))
    shares = []
    for _ in range(draws):
        drawn = rng.choice(names, size=len(names), replace=True)
        shares.append(np.concatenate([right[person == name] for name in drawn]).mean())
    return np.percentile(shares, 2.5), np.percentile(shares, 97.5)


@pytest.mark.parametrize("skipped", range(20))
def test_no_state_of_the_generator_makes_a_right_answer_wrong(skipped):
    def answer(right, person, draws, rng):
        rng.random(skipped)
        return person_bootstrap(right, person, draws, rng)

    PERSON_BOOTSTRAP.check(answer)


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (PERSON_BOOTSTRAP, one_replicate_after_another),
        (
            exercises.COSINE_SIMILARITY,
            lambda a, b: np.array([x @ y / np.sqrt((x @ x) * (y @ y)) for x, y in zip(a, b, strict=True)]),
        ),
        (exercises.PEOPLE_ON_BOTH_SIDES, lambda a, b: [int(x) for x in np.intersect1d(a, b) if x >= 0]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_other_right_answers_pass(task, answer, capsys):
    assert labs.check_answer(task, answer) is answer
    assert capsys.readouterr().out.endswith("right.\n")
