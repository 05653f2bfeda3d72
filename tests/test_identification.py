"""Identification against loops over probes and thresholds written from the definitions, and what its split must keep apart."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facelab.datasets import UNKNOWN, FaceSet
from facelab.errors import BadParameterError, LeakageError
from facelab.evaluation import identification, topk_by_neighbors
from facelab.evaluation.identification import OpenSetSplit, Searches, cmc, open_set_split, search_gallery
from facelab.evaluation.open_set import false_negatives, false_positives, fnir_at_fpir, fnir_estimate, open_set_curve
from facelab.evaluation.topk import TopK

SEEDS = st.integers(0, 2**32 - 1)


def photographs(people: int = 12, shots: int = 5, renderings: int = 1) -> FaceSet:
    """Photographs of people whose numbers have gaps, in no order."""
    photo = np.repeat(np.arange(people * shots), renderings)
    photo = photo[np.random.default_rng(0).permutation(len(photo))]
    table = pd.DataFrame({"file": [f"f{row}" for row in range(len(photo))], "photo": photo})
    names = tuple(f"p{number}" for number in range(3 * people))
    return FaceSet(np.zeros((len(photo), 8, 8, 1), np.uint8), 3 * (photo // shots), names, table, "toy@8")


def embed(faces: FaceSet, seed: int) -> np.ndarray:
    """Noisy clouds around people, at several distances from the origin."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(len(faces.names), 3))[faces.identity] + 0.7 * rng.normal(size=(len(faces), 3))
    return z * rng.choice([0.5, 1.0, 2.0], size=(len(faces), 1))


def slow_search(z, identity, gallery, probe):
    """Person -> score, by the definition."""
    found: dict[int, float] = {}
    for row in gallery:
        cosine = np.dot(z[probe], z[row]) / np.linalg.norm(z[probe]) / np.linalg.norm(z[row])
        person = int(identity[row])
        found[person] = max(found.get(person, -2.0), cosine)
    return found


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from([1, 2]), st.sampled_from([1, 3]))
def test_searches_and_both_rates_are_those_of_the_definitions(seed, gallery_photos, rank):
    faces = photographs(people=8, shots=4)
    split = open_set_split(faces, 0.5, gallery_photos, seed % 100)
    z = embed(faces, seed)
    searches = search_gallery(z, faces.identity, split)
    mated = [slow_search(z, faces.identity, split.gallery, probe) for probe in split.mated]
    others = [slow_search(z, faces.identity, split.gallery, probe) for probe in split.non_mated]
    curve = open_set_curve(searches, rank)
    assert curve.thresholds[0] == np.inf and (np.diff(curve.thresholds) < 0).all()
    for at, threshold in enumerate(curve.thresholds):
        threshold -= 1e-9  # the cosines of the loop are rounded otherwise; ties have a test of their own
        missed = 0
        for probe, scores in zip(split.mated, mated, strict=True):
            candidates = sorted(scores, key=scores.get, reverse=True)[:rank]
            person = int(faces.identity[probe])
            missed += not (person in candidates and scores[person] >= threshold)
        alarms = sum(any(score >= threshold for score in scores.values()) for scores in others)
        assert curve.fnir[at] == pytest.approx(missed / len(mated))
        assert curve.fpir[at] == pytest.approx(alarms / len(others))
        assert false_negatives(searches, threshold, rank).mean() == curve.fnir[at]
        assert false_positives(searches, threshold).mean() == pytest.approx(curve.fpir[at])
    assert curve.fnir[-1] == pytest.approx(1 - searches.mated.accuracy(rank).value)


def test_ranks_are_those_of_the_search_by_neighbours(monkeypatch):
    monkeypatch.setattr(identification, "PROBE_BATCH", 7)  # pieces, as many probes have them
    faces = photographs()
    split, z = open_set_split(faces, gallery_photos=2, seed=3), embed(faces, 5)
    searches = search_gallery(z, faces.identity, split)
    known = topk_by_neighbors(*(part for r in (split.gallery, split.mated) for part in (z[r], faces.identity[r])))
    np.testing.assert_array_equal(searches.mated_person, faces.identity[split.mated])
    np.testing.assert_array_equal(searches.non_mated_person, faces.identity[split.non_mated])
    np.testing.assert_array_equal(searches.mated.rank, known.rank)
    np.testing.assert_array_equal(searches.mated.predicted, known.predicted)


def test_a_collapsed_network_finds_nobody_first_and_alarms_on_all():
    """All photographs have one embedding: all ties count against the mate, and a threshold that finds any lets all pass."""
    faces = photographs()
    searches = search_gallery(np.ones((60, 4)), faces.identity, open_set_split(faces, gallery_photos=2))
    assert (searches.mated.rank == 6).all()
    odd = np.outer(np.random.default_rng(1).uniform(0.5, 2, 60), np.random.default_rng(0).normal(size=129))
    split = open_set_split(faces, gallery_photos=2)
    assert (search_gallery(odd, faces.identity, split).mated.rank == 6).all()  # rounding makes no difference
    curve = open_set_curve(searches, rank=6)
    assert (curve.fpir.tolist(), curve.fnir.tolist()) == ([0, 1], [1, 0])


def made(mate_score, rank, top_score, mated_person=None, non_mated_person=None) -> Searches:
    mate_score, rank, top_score = np.array(mate_score, float), np.array(rank), np.array(top_score, float)
    mated_person = np.arange(len(rank)) if mated_person is None else mated_person
    non_mated_person = 1000 + np.arange(len(top_score)) if non_mated_person is None else non_mated_person
    return Searches(TopK(rank, np.zeros_like(rank)), mate_score, mated_person, top_score, non_mated_person)


def test_a_curve_with_ties_by_hand():
    searches = made([0.9, 0.5, 0.8, 0.5], [1, 1, 2, 1], [0.5, 0.7, 0.5, 0.1])
    curve = open_set_curve(searches)
    np.testing.assert_array_equal(curve.thresholds, [np.inf, 0.9, 0.7, 0.5, 0.1])
    np.testing.assert_allclose(curve.fpir, [0, 0, 0.25, 0.75, 1])
    np.testing.assert_allclose(curve.fnir, [1, 0.75, 0.75, 0.25, 0.25])  # the mate in second place is never found
    np.testing.assert_allclose(open_set_curve(searches, rank=2).fnir, [1, 0.75, 0.5, 0.5, 0, 0])
    np.testing.assert_allclose([false_positives(searches, t).mean() for t in curve.thresholds], curve.fpir)
    np.testing.assert_allclose([false_negatives(searches, t).mean() for t in curve.thresholds], curve.fnir)


@settings(max_examples=50, deadline=None)
@given(SEEDS, st.booleans())
def test_fnir_at_fpir_is_the_best_that_a_threshold_allows(seed, ties):
    rng = np.random.default_rng(seed)
    mate, top = rng.normal(1, 1, 30), rng.normal(0, 1, 40)
    mate, top = (np.round(mate, 1), np.round(top, 1)) if ties else (mate, top)
    searches = made(mate, rng.integers(1, 4, 30), top)
    for alarms in (10, 13, 40):
        allowed = [t for t in [np.inf, *mate, *top] if (top >= t).sum() <= alarms]
        best = min(false_negatives(searches, t, 2).mean() for t in allowed)
        assert fnir_at_fpir(open_set_curve(searches, 2), alarms / 40) == pytest.approx(best)


def test_normal_scores_have_the_rate_and_the_interval_of_theory():
    """One search a person: T = z(0.9), FNIR = Phi(T - 2), and a spread from the mates and from the threshold."""
    rng = np.random.default_rng(0)
    n, shift, t = 10_000, 2.0, 1.281552
    searches = made(rng.normal(shift, 1, n), np.ones(n, int), rng.normal(0, 1, n))
    found = fnir_estimate(searches, 0.1, draws=300)
    expected = 0.5 * math.erfc((shift - t) / math.sqrt(2))
    assert found.value == pytest.approx(expected, abs=0.015)
    slope = math.exp(-((t - shift) ** 2) / 2) / math.exp(-(t**2) / 2)  # of the mates' density over the strangers'
    spread = math.sqrt(expected * (1 - expected) / n + slope**2 * 0.1 * 0.9 / n)
    assert found.high - found.low == pytest.approx(2 * 1.96 * spread, rel=0.15)
    assert (found.n, found.unit, found.method) == (2 * n, "people", "bootstrap over people")
    assert found == fnir_estimate(searches, 0.1, draws=300) != fnir_estimate(searches, 0.1, draws=300, seed=1)


@pytest.mark.parametrize("rank, value", [(1, 0.0), (2, 1.0)])
def test_where_nobody_or_everybody_is_missed_the_interval_is_wilsons_of_the_enrolled_people(rank, value):
    """Five people are searched with seven photographs each, who all have this rank, and 50 others."""
    searches = made(np.ones(35), np.full(35, rank), np.zeros(50), mated_person=np.repeat(np.arange(5), 7))
    found = fnir_estimate(searches, 0.2, draws=100)
    width = 1.959964**2 / (5 + 1.959964**2)
    ends = (0, width) if value == 0 else (1 - width, 1)
    assert (found.value, found.low, found.high) == pytest.approx((value, *ends), abs=1e-6)
    assert (found.n, found.unit, found.method) == (5, "people", "wilson")


@pytest.mark.parametrize("side", ["mated", "non-mated"])
def test_photographs_of_one_person_do_not_narrow_the_interval(side):
    """Each side alone: the same scores as 8 copies of 60 people are no more than 60 people, and much less than 480."""
    rng = np.random.default_rng(0)
    mate, top, each = rng.normal(1, 1, 60), rng.normal(0, 1, 60), np.repeat(np.arange(60), 8)
    if side == "mated":
        top = np.linspace(-3, 1, 5000)  # as good as fixed
        arguments = (np.repeat(mate, 8), np.ones(480, int), top)
        copies, alone = made(*arguments, mated_person=each), made(*arguments)
    else:
        mate = np.linspace(-3, 3, 5000)
        arguments = (mate, np.ones(5000, int), np.repeat(top, 8))
        copies, alone = made(*arguments, non_mated_person=each), made(*arguments)
    wide, narrow = (fnir_estimate(searches, 0.2, draws=300) for searches in (copies, alone))
    assert wide.value == narrow.value
    assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(math.sqrt(8), rel=0.35)


def test_the_cmc_rises_and_its_interval_is_over_people():
    rng = np.random.default_rng(0)
    rank = np.repeat(rng.integers(1, 6, 100), 7)  # all photographs of a person fare alike
    found = cmc(TopK(rank, rank), np.repeat(np.arange(100), 7), ranks=(1, 2, 5))
    assert [found[k].value for k in (1, 2, 5)] == pytest.approx([(rank <= k).mean() for k in (1, 2, 5)])
    p = found[1].value
    assert found[1].high - found[1].low == pytest.approx(2 * 1.96 * math.sqrt(p * (1 - p) / 100), rel=0.15)
    assert (found[5].value, found[5].n, found[5].method) == (1, 100, "wilson")
    assert (found[5].low, found[5].high) == pytest.approx((100 / (100 + 1.959964**2), 1))


@given(st.integers(3, 9), st.integers(2, 6), st.integers(1, 3), st.integers(0, 50), st.data())
def test_the_split_keeps_people_and_photographs_apart(people, shots, renderings, seed, data):
    faces = photographs(people, shots, renderings)
    enrolled, each = data.draw(st.integers(1, people - 1)), data.draw(st.integers(1, shots - 1))
    split = open_set_split(faces, enrolled, each, seed)
    gallery, mated, others = (faces.subset(rows) for rows in (split.gallery, split.mated, split.non_mated))
    assert sorted(np.concatenate([split.gallery, split.mated, split.non_mated])) == list(range(len(faces)))
    assert set(gallery.identity) == set(mated.identity) and not set(gallery.identity) & set(others.identity)
    assert len(gallery.people) == enrolled and len(gallery) == enrolled * each * renderings
    assert not set(gallery.attributes["photo"]) & set(mated.attributes["photo"])
    assert (gallery.attributes["photo"].value_counts() == renderings).all()
    again = open_set_split(faces, enrolled, each, seed)
    assert all(np.array_equal(getattr(split, part), getattr(again, part)) for part in ("gallery", "mated", "non_mated"))


def test_the_seed_chooses_people_and_photographs():
    faces = photographs()
    first, second = open_set_split(faces, seed=0), open_set_split(faces, seed=1)
    assert set(faces.identity[first.gallery]) != set(faces.identity[second.gallery])
    shots = {
        int(photo) % 5
        for seed in range(5)
        for photo in faces.attributes["photo"][open_set_split(faces, seed=seed).gallery]
    }
    assert shots == {0, 1, 2, 3, 4}
    assert first.recipe == {"split": "open_set", "enrolled": 0.5, "gallery_photos": 1, "seed": 0}


FACES = photographs()
SPLIT = open_set_split(FACES, seed=0)
SEARCHES = made(np.ones(5), np.ones(5, int), np.zeros(50))


def searched(split: OpenSetSplit = SPLIT, identity: np.ndarray = FACES.identity, value: float = 1.0) -> Searches:
    return search_gallery(np.full((len(FACES), 3), value), identity, split)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: searched(replace(SPLIT, mated=SPLIT.gallery[:2])), LeakageError, "2 probes are in the gallery .row"),
        (
            lambda: searched(replace(SPLIT, non_mated=SPLIT.mated)),
            LeakageError,
            "6 non-mated people are enrolled .number",
        ),
        (
            lambda: searched(replace(SPLIT, mated=SPLIT.non_mated)),
            BadParameterError,
            "6 people of mated probes are not",
        ),
        (lambda: searched(replace(SPLIT, mated=SPLIT.mated[:0])), BadParameterError, "6 gallery, 0 mated and 30 non-m"),
        (lambda: searched(identity=FACES.identity[1:]), BadParameterError, "60 embeddings, 59 people"),
        (lambda: searched(identity=np.full(60, UNKNOWN)), BadParameterError, "unknown people"),
        (lambda: searched(value=np.nan), BadParameterError, "not finite"),
        (lambda: open_set_split(FACES, gallery_photos=5), BadParameterError, "of toy@8 has 5 photographs, the gallery"),
        (lambda: open_set_split(FACES, gallery_photos=0), BadParameterError, "gallery takes 0"),
        (lambda: open_set_split(FACES, 1.5), BadParameterError, "share 1.5"),
        (lambda: fnir_at_fpir(open_set_curve(SEARCHES), 0.19), BadParameterError, "FPIR 0.19 .* 50 .* Ask for 0.2 or"),
        (lambda: fnir_at_fpir(open_set_curve(SEARCHES), 1.1), BadParameterError, "FPIR 1.1"),
        (lambda: fnir_estimate(SEARCHES, 0.19), BadParameterError, "FPIR 0.19"),
        (lambda: fnir_estimate(SEARCHES, 0.2, draws=99), BadParameterError, "99 draws"),
        (
            lambda: fnir_estimate(replace(SEARCHES, mated_person=np.zeros(5)), 0.2),
            BadParameterError,
            "1 enrolled and 50 other people",
        ),
    ],
)
def test_refusals_name_the_fault(call, error, message):
    with pytest.raises(error, match=message):
        call()
