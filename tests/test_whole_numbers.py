"""NumPy's whole numbers are taken wherever Python's are; truth values, 3.0 and numbers out of range are one clear line."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from facelab import evaluation
from facelab.datasets import FaceSet, load
from facelab.datasets.folds import sample_fold_pairs
from facelab.datasets.group_shares import sample_with_shares
from facelab.datasets.pairs import sample_pairs
from facelab.datasets.splits import identity_disjoint_split, select_label_fraction, stratified_split
from facelab.errors import BadParameterError
from facelab.evaluation import identification
from facelab.evaluation.agreement import bin_by_quantile
from facelab.files import write_json
from facelab.records import Metric, Record
from facelab.search import ENGINES, build_index, load_index, recall_at_k, save_index
from facelab.whole_numbers import MAX_SEED, check_seed, check_whole_number

VECTORS = np.random.default_rng(0).normal(size=(60, 8))
LABELS = np.repeat(np.arange(12), 5)
FACES = FaceSet(
    np.zeros((60, 8, 8, 1), np.uint8),
    LABELS,
    tuple(f"p{person}" for person in range(12)),
    pd.DataFrame({"file": [f"{row}.png" for row in range(60)], "gender": np.where(LABELS % 2, "f", "m")}),
    "toy@8",
)
NOT_WHOLE = [True, 3.0, np.float32(3), np.bool_(True), "3", None, np.array([3]), float("nan")]


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("number", [np.int64, np.int32, np.uint8])
def test_an_index_is_searched_with_numbers_of_numpy(tmp_path, kind, number):
    options = {"exact": {}, "annoy": {"trees": 5}, "faiss": {"m": 8}}[kind]
    built = build_index(VECTORS, range(60), kind, model="m", **{name: number(value) for name, value in options.items()})
    expected = build_index(VECTORS, range(60), kind, model="m", **options).search(VECTORS[:7], 3, np.arange(7))[0]
    np.testing.assert_array_equal(built.search(VECTORS[:7], number(3), np.arange(7))[0], expected)
    exact = build_index(VECTORS, range(60), model="m")
    assert recall_at_k(built, exact, VECTORS, number(2), np.arange(60)).n == 60
    save_index(built, tmp_path / "i")
    assert load_index(tmp_path / "i", model="m", dimension=number(8)).search(VECTORS, number(60))[0].shape == (60, 60)


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("k", [*NOT_WHOLE, 0, -1, 61, np.int64(61), 10**30])
def test_a_k_that_cannot_be_is_the_same_line_for_every_kind(kind, k):
    with pytest.raises(BadParameterError, match="neighbours, 0 excluded, of an index of 60. Ask for 1 to 60") as error:
        build_index(VECTORS, range(60), kind, model="m").search(VECTORS[:2], k)
    assert "\n" not in str(error.value)


def small_pairs():
    pairs = sample_pairs(FACES, 40, 60)
    return np.linspace(0, 1, len(pairs)), pairs


#: what takes whole numbers: a call with one of them, and what is compared of the result
CALLS = {
    "k": lambda n: evaluation.topk_by_scores(np.eye(4), np.arange(4)).accuracy(n(2)).value,
    "ks": lambda n: json.dumps({k: 1 for k in evaluation.topk_by_scores(np.eye(4), np.arange(4)).accuracies([n(1)])}),
    "clusters": lambda n: evaluation.fit_kmeans(VECTORS, n(3))(VECTORS).tolist(),
    "seed of k-means": lambda n: evaluation.fit_kmeans(VECTORS, 3, seed=n(5))(VECTORS).tolist(),
    "bins": lambda n: bin_by_quantile(np.arange(9.0), n(3)).tolist(),
    "components": lambda n: evaluation.whitened_pca(load("orl", 16).images[:20], n(4))(load("orl", 16).images[:2]).tolist(),
    "draws": lambda n: evaluation.verification_estimates(*small_pairs(), FACES.identity, draws=n(100))["eer"].low,
    "seed of draws": lambda n: evaluation.verification_estimates(
        *small_pairs(), FACES.identity, draws=100, seed=n(7)
    )["eer"].low,
    "seed of a probe": lambda n: evaluation.fit_probe(VECTORS, LABELS, seed=n(3)).validation,
    "enrolled": lambda n: identification.open_set_split(FACES, n(6)).gallery.tolist(),
    "gallery_photos": lambda n: json.dumps(identification.open_set_split(FACES, 6, n(2), seed=n(1)).recipe),
    "people that train": lambda n: identity_disjoint_split(FACES, n(4)).train.tolist(),
    "people that choose": lambda n: identity_disjoint_split(FACES, 4, n(2)).validation.tolist(),
    "seed of a split": lambda n: json.dumps(stratified_split(FACES, seed=n(4)).recipe),
    "people and their seed": lambda n: json.dumps(identity_disjoint_split(FACES, n(4), seed=n(4)).recipe),
    "draw": lambda n: json.dumps(select_label_fraction(FACES, 0.4, draw=n(2), seed=n(3)).recipe),
    "pairs": lambda n: sample_pairs(FACES, n(10), n(20)).first.tolist(),
    "folds": lambda n: sample_fold_pairs(FACES, n(3), 5).first.tolist(),
    "seed of folds": lambda n: sample_fold_pairs(FACES, 3, 5, seed=n(3)).first.tolist(),
    "total": lambda n: sample_with_shares(FACES, "gender", {"f": 0.5, "m": 0.5}, n(4)).rows.tolist(),
    "per_person": lambda n: sample_with_shares(FACES, "gender", {"f": 0.5, "m": 0.5}, 4, per_person=n(2)).recipe["per_person"],
    "size": lambda n: load("orl", n(16)).images.shape,
}  # fmt: skip


@pytest.mark.parametrize("what", CALLS)
def test_numbers_of_numpy_give_what_those_of_python_give(what):
    assert CALLS[what](np.int64) == CALLS[what](np.uint16) == CALLS[what](int)


@pytest.mark.parametrize("what", CALLS)
@pytest.mark.parametrize(
    "wrong", [lambda n: float(n), lambda n: bool(n), lambda n: str(n), lambda n: np.float64(n) + 0.5]
)
def test_what_is_no_whole_number_is_one_line(what, wrong):
    with pytest.raises(BadParameterError) as error:
        CALLS[what](wrong)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("k", NOT_WHOLE)
def test_a_rank_that_is_no_whole_number_is_one_line(k):
    topk = evaluation.topk_by_scores(np.eye(4), np.arange(4))
    for measure in (lambda: topk.accuracies([k]), lambda: identification.cmc(topk, np.arange(4), [k])):
        with pytest.raises(BadParameterError, match="k is .*Give a whole number of 1 or more"):
            measure()


def test_seeds_and_numbers_in_their_range():
    assert check_seed(np.uint64(MAX_SEED)) == MAX_SEED and type(check_seed(np.int8(3))) is int
    for seed in (-1, MAX_SEED + 1, 2**64, *NOT_WHOLE):
        with pytest.raises(BadParameterError, match="The seed is .*from 0 to 4294967295"):
            check_seed(seed)
    with pytest.raises(BadParameterError, match="k is 0. Give a whole number of 1 or more"):
        check_whole_number(0, "k", 1)
    assert len(sample_fold_pairs(FACES, 3, 5, seed=MAX_SEED)) == 30


def test_a_record_of_numbers_of_numpy_is_that_of_pythons(tmp_path):
    numbers = {"seed": np.int64(3), "lr": np.float32(0.5), "on": np.bool_(True), "width": np.array(4)}
    for name, given in (("numpy", numbers), ("python", {"seed": 3, "lr": 0.5, "on": True, "width": 4})):
        metric = Metric(*(given["lr"], given["seed"], given["lr"], given["lr"]))
        Record("x", "facelab", given, {}, {"m": metric}, 1.0, "2026-01-01", {}).write(tmp_path / name)
    assert (tmp_path / "numpy").read_bytes() == (tmp_path / "python").read_bytes()
    with pytest.raises(ValueError, match="Out of range|JSON"):
        write_json(tmp_path / "nan", {"x": np.float32("nan")})
