"""Bootstrap and jackknife over people against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from facelab.errors import BadParameterError
from facelab.evaluation import wilson, wilson_of_fraction
from facelab.evaluation.resampling import bootstrap_over_people, jackknife_over_people, rate_over_people

PERSON = np.repeat(["u", "v", "w", "x"], [1, 2, 3, 4])[np.random.default_rng(0).permutation(10)]


@pytest.mark.parametrize("copies", [1, 7])
def test_the_mean_has_the_normal_interval_of_its_people_however_many_photographs_they_have(copies):
    values = np.random.default_rng(1).normal(size=200)
    found = bootstrap_over_people(
        lambda rows: np.tile(values, copies)[rows].mean(), np.tile(np.arange(200), copies), draws=4000
    )
    half = 1.959964 * values.std() / math.sqrt(200)
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.08 * half)
    assert (found.n, found.unit, found.method, found.confidence) == (200, "people", "bootstrap over people", 0.95)


def test_a_confidence_of_a_half_is_the_quartiles():
    values = np.random.default_rng(1).normal(size=200)
    found = bootstrap_over_people(lambda rows: values[rows].mean(), np.arange(200), draws=4000, confidence=0.5)
    assert found.high - found.low == pytest.approx(2 * 0.674490 * values.std() / math.sqrt(200), rel=0.08)


def test_people_come_as_wholes_and_as_often_as_chance_has_it():
    seen = []
    bootstrap_over_people(lambda rows: float(seen.append(rows) or 0), PERSON, draws=2000)
    assert np.array_equal(seen.pop(), np.arange(10))  # the value itself: every row once
    times = np.array([np.bincount(rows, minlength=10) for rows in seen])
    each = np.array([[row[one == PERSON] for row in times] for one in "uvwx"], dtype=object)
    assert all(len(set(copies)) == 1 for person in each for copies in person)
    drawn = np.array([[copies[0] for copies in person] for person in each])
    assert (drawn.sum(0) == 4).all()
    for k in range(5):  # binomial: 4 tries, one of four
        chance = math.comb(4, k) * 0.25**k * 0.75 ** (4 - k)
        assert (drawn == k).mean() == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / 8000))


def test_a_seed_repeats_itself_and_another_differs():
    values = np.random.default_rng(2).normal(size=10)
    one, again, other = (
        bootstrap_over_people(lambda rows: values[rows].mean(), PERSON, seed=seed) for seed in (3, 3, 4)
    )
    assert one == again and (one.low, one.high) != (other.low, other.high)


@pytest.mark.parametrize(
    "figure, person, settings, message",
    [
        (0.0, PERSON[PERSON > "v"], {}, "show 2 people"),
        (0.0, np.empty(0), {}, "show 0 people"),
        (0.0, PERSON, {"draws": 99}, "99 draws"),
        (0.0, PERSON, {"confidence": 95}, "confidence is 95"),
        (math.nan, PERSON, {}, "not finite"),
    ],
)
def test_refusals_name_the_fault(figure, person, settings, message):
    with pytest.raises(BadParameterError, match=message):
        bootstrap_over_people(lambda rows: figure, person, **settings)


def test_the_jackknife_of_a_mean_is_students_interval():
    values = np.random.default_rng(1).normal(size=12)
    found = jackknife_over_people(lambda rows: np.tile(values, 5)[rows].mean(), np.tile(np.arange(12), 5))
    half = 2.200985 * values.std(ddof=1) / math.sqrt(12)  # t(11, .975)
    assert (found.value, found.low, found.high) == pytest.approx(
        (values.mean(), values.mean() - half, values.mean() + half)
    )
    assert (found.n, found.unit, found.method) == (12, "people", "jackknife over people")
    assert jackknife_over_people(lambda rows: values[rows].mean(), np.arange(12), 0.5).high < found.high
    with pytest.raises(BadParameterError, match="show 2 people"):
        jackknife_over_people(lambda rows: 0.0, PERSON[PERSON > "v"])
    with pytest.raises(BadParameterError, match="not finite"):
        jackknife_over_people(lambda rows: math.nan, PERSON)


def test_a_rate_of_few_people_holds_where_a_bootstrap_does_not():
    """40 people, of whom one in thirty lets 4 of 10 pass: the truth is 1.3 %."""
    rng, held, held_by_bootstrap, trials = np.random.default_rng(0), 0, 0, 150
    person = np.repeat(np.arange(40), 10)
    for _ in range(trials):
        rate = np.where(rng.random(40) < 1 / 30, 0.4, 0.0)[person]
        events = rng.random(400) < rate
        found = rate_over_people(events, person, draws=100)
        bootstrap = bootstrap_over_people(lambda rows, hits=events: float(hits[rows].mean()), person, draws=100)
        assert found.value == bootstrap.value == events.mean() and found.n == 40
        held += found.low <= 0.4 / 30 <= found.high
        held_by_bootstrap += bootstrap.low <= 0.4 / 30 <= bootstrap.high
    assert held >= 0.95 * trials > held_by_bootstrap


def test_a_rate_of_many_people_is_the_bootstrap_and_of_nobody_wilson():
    rng = np.random.default_rng(1)
    uneven = np.repeat(np.arange(30), rng.integers(1, 9, 30))
    events = rng.random(len(uneven)) < 0.3
    assert rate_over_people(events, uneven, 300, 2) == bootstrap_over_people(
        lambda rows: float(events[rows].mean()), uneven, 300, 2
    )
    person = np.repeat(np.arange(30), 5)
    assert rate_over_people(np.zeros(150, bool), person) == wilson(0, 30, unit="people")
    assert rate_over_people(np.ones(150, bool), person) == wilson(30, 30, unit="people")
    one = np.arange(150) == 7
    found, least, most = rate_over_people(one, person), wilson(0, 30), wilson(1, 30)
    assert (found.value, found.low, found.high) == (pytest.approx(1 / 150), least.low, most.high)


@pytest.mark.parametrize(("draws", "person"), [(99, np.arange(20)), (100, np.zeros(20))])
def test_a_rate_refuses_what_a_bootstrap_refuses_also_where_it_is_wilsons(draws, person):
    with pytest.raises(BadParameterError, match="99 draws|show 1 people"):
        rate_over_people(np.zeros(20, bool), person, draws)


@pytest.mark.parametrize(
    ("part", "below", "above"), [(2.0, 2, 2), (2.1, 2, 3), (0.0, 0, 0), (9.999, 9, 10), (3 * 0.1 * 10, 3, 3)]
)
def test_successes_in_part_are_rounded_outwards(part, below, above):
    found = wilson_of_fraction(part, 10)
    assert (found.low, found.high, found.value) == (
        wilson(below, 10).low,
        wilson(above, 10).high,
        pytest.approx(part / 10),
    )
