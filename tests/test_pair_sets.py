"""Verification sets by name, folds that keep people apart, and what an embedder gives on them, against slow loops."""

import hashlib
import pickle
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from photos import encoded, pixels
from sklearn.model_selection import KFold

from facelab.datasets import FaceSet, load
from facelab.datasets.folds import contiguous_folds, folds_of_people
from facelab.datasets.pair_files import read_listed_pairs, read_pair_table, stored_pairs
from facelab.datasets.pairs import Pairs, all_pairs, people_by_pairs
from facelab.errors import BadParameterError, FacelabError
from facelab.evaluation import lfw_view2, measurable_fmrs, tmr_at_fmr, wilson
from facelab.evaluation.verification import roc
from facelab.exchange.embedders import CropEmbedder, cut_out_largest, fit_crops, new_embedder, unit_rows
from facelab.exchange.photographs import DETECTOR, embed_photographs, embed_squares
from facelab.protocols.pair_sets import absolute_set_name, load_pair_set
from facelab.protocols.verification import draw_cohort, measure_scores, score_pairs, verify

PEOPLE, SHOTS = 12, 4


class PixelEmbedder(CropEmbedder):
    """Centred pixels: something that tells people of these tests apart, not perfectly."""

    name, dimension, side, fingerprint = "pixels", 64, 8, hashlib.sha256(b"pixels").hexdigest()

    def __init__(self, crop: str = "dataset") -> None:
        self.crop, self.batches = crop, []

    def embed_crops(self, crops):
        self.batches.append(len(crops))
        rows = fit_crops(crops, 8, 1).reshape(len(crops), -1).astype(np.float64)
        return unit_rows(rows - rows.mean(axis=1, keepdims=True))


class NoDetector:
    def detect(self, image):
        return []


@pytest.fixture
def tree(tmp_path, data) -> Path:
    """Twelve people in the form of LFW, whose photographs are one picture under noise."""
    rng = np.random.default_rng(0)
    for person in range(PEOPLE):
        folder = tmp_path / "faces" / f"p{person:02d}"
        folder.mkdir(parents=True)
        for shot in range(1, SHOTS + 1):
            noisy = pixels(person, 32, 32) + rng.normal(0, 40, (32, 32, 3))
            (folder / f"p{person:02d}_{shot:04d}.png").write_bytes(
                encoded(np.clip(noisy, 0, 255).astype(np.uint8), "PNG")
            )
    return tmp_path / "faces"


def lfw_list(path: Path, folds: int, each: int = 4) -> Path:
    """Folds of people, as LFW's View 2 has them."""
    lines, size = [f"{folds}\t{each}"], PEOPLE // folds
    rng = np.random.default_rng(1)
    for fold in range(folds):
        own = [f"p{person:02d}" for person in range(fold * size, (fold + 1) * size)]
        lines += [f"{own[row % size]}\t{1 + row % 3}\t{SHOTS}" for row in range(each)]
        for _ in range(each):
            one, other = rng.choice(own, 2, replace=False)
            lines.append(f"{one}\t{rng.integers(1, 5)}\t{other}\t{rng.integers(1, 5)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def csv_list(path: Path, faces, pairs: Pairs) -> Path:
    files = faces.attributes["file"].to_numpy()
    rows = zip(files[pairs.first], files[pairs.second], pairs.same.astype(int), strict=True)
    path.write_text("first,second,same\n" + "".join(f"{a},{b},{s}\n" for a, b, s in rows), encoding="utf-8")
    return path


def test_a_list_of_lfws_form_keeps_its_folds(tree, tmp_path):
    listed = lfw_list(tmp_path / "pairs@home.txt", 3)
    found = load_pair_set(f"{listed}@folder:{tree}", 8)
    assert sorted(set(found.pairs.fold)) == [1, 2, 3] and len(found.pairs) == 24 and found.folds == "of the list"
    assert found.people_known and not found.aligned and found.faces.images.shape[1:] == (8, 8, 3)
    for row in range(len(found.pairs)):
        files = [found.faces.attributes["file"].iloc[side[row]] for side in (found.pairs.first, found.pairs.second)]
        assert (files[0][:3] == files[1][:3]) == found.pairs.same[row]
    assert load_pair_set(f"{listed}@folder:{tree}", 8, aligned=True).aligned
    assert load_pair_set(f"{listed}@folder:{tree}", 8, search_side=40).faces.images.shape[1] == 40
    assert load_pair_set(f"{listed}@folder:{tree}", 8, search_side=40, aligned=True).faces.images.shape[1] == 8


def test_accuracy_and_rates_equal_a_slow_loop(tree, tmp_path):
    """View 2's rule written out: for each fold the best threshold half-way between two scores of the other folds."""
    pair_set = load_pair_set(f"{lfw_list(tmp_path / 'pairs.txt', 3)}@folder:{tree}", 8)
    found = verify(PixelEmbedder(), pair_set, draws=100)
    scores = []
    for one, other in zip(pair_set.pairs.first, pair_set.pairs.second, strict=True):
        a, b = (PixelEmbedder().embed_crops(pair_set.faces.images[[row]])[0].astype(float) for row in (one, other))
        scores.append(float(a @ b))
    scores, same, fold = np.array(scores), pair_set.pairs.same, pair_set.pairs.fold
    accuracies = []
    for number in (1, 2, 3):
        rest = np.sort(scores[fold != number])
        candidates = [rest[-1] + 1, *((rest[:-1] + rest[1:]) / 2)[::-1], rest[0] - 1]
        right = [np.mean((scores[fold != number] >= level) == same[fold != number]) for level in candidates]
        level = candidates[int(np.argmax(right))]
        accuracies.append(np.mean((scores[fold == number] >= level) == same[fold == number]))
    np.testing.assert_allclose(found.accuracy.folds, accuracies)
    assert found.accuracy.standard_error == pytest.approx(np.std(accuracies, ddof=1) / np.sqrt(3))
    assert found.undetected is None and found.estimates["eer"].n == len(pair_set.faces.people)


def test_only_rates_that_so_many_impostors_show():
    assert measurable_fmrs(99) == () and measurable_fmrs(100) == (0.1,) and measurable_fmrs(0) == ()
    assert measurable_fmrs(3000) == (0.1, 0.01) and measurable_fmrs(10**6) == (0.1, 0.01, 1e-3, 1e-4, 1e-5)
    rng = np.random.default_rng(0)
    for impostors in (100, 1000, 12345):
        curve = roc(rng.normal(size=impostors + 50), np.arange(impostors + 50) < 50)
        for fmr in measurable_fmrs(impostors):
            assert 0 <= tmr_at_fmr(curve, fmr) <= 1
        with pytest.raises(BadParameterError, match="cannot be measured"):
            tmr_at_fmr(curve, (measurable_fmrs(impostors)[-1]) / 10)


def test_folds_of_a_list_without_them_share_nobody(tree, tmp_path):
    faces = load(f"folder:{tree}", 8)
    listed = csv_list(tmp_path / "all.csv", faces, all_pairs(faces))
    found = load_pair_set(f"{listed}@folder:{tree}", 8)
    pairs, seen = found.pairs, []
    assert found.folds.startswith("of people: ") and sorted(set(pairs.fold)) == [0, 1, 2, 3]
    for fold in (1, 2, 3):
        own = pairs.fold == fold
        assert pairs.same[own].sum() == (~pairs.same[own]).sum() > 0
        seen.append(set(found.person[pairs.first[own]]) | set(found.person[pairs.second[own]]))
    assert sum(map(len, seen)) == len(set.union(*seen)) == PEOPLE
    assert len(pairs) == len(all_pairs(faces))  # EER and TAR are of all of them
    again = folds_of_people(pairs, found.person, folds=3, seed=0)
    other = folds_of_people(pairs, found.person, folds=3, seed=1)
    assert np.array_equal(again.fold, pairs.fold) and not np.array_equal(other.fold, pairs.fold)


@pytest.mark.parametrize("begin", ["", "\n", ";;\n", "sep=;\n"])
@pytest.mark.parametrize("header", ["first;second;same", '"same";"first";"second"'])
def test_a_table_is_known_however_it_begins(tree, tmp_path, begin, header):
    path, columns = tmp_path / "list.csv", header.replace('"', "").split(";")
    rows = [("p00/p00_0001.png", "p00/p00_0002.png", "1"), ("p00/p00_0001.png", "p01/p01_0001.png", "0")]
    lines = (dict(zip(("first", "second", "same"), row, strict=True)) for row in rows)
    text = begin + header + "\n" + "\n".join(";".join(line[column] for column in columns) for line in lines)
    faces = load(f"folder:{tree}", 8)
    for separator in ";,\t" if "sep" not in begin else ";,\t|":
        path.write_text(text.replace(";", separator))
        found = read_listed_pairs(path, faces)
        assert (found.first.tolist(), found.second.tolist(), found.same.tolist()) == ([0, 0], [1, 4], [True, False])


def test_a_table_finds_names_in_the_other_unicode_form(tmp_path, data):
    names = [unicodedata.normalize(form, f"rené_{shot}.png") for shot, form in enumerate(("NFC", "NFD"))]
    (tmp_path / "faces" / "p").mkdir(parents=True)
    for seed, name in enumerate([*names, "x.png"]):
        (tmp_path / "faces" / "p" / name).write_bytes(encoded(pixels(seed), "PNG"))
    faces, path = load(f"folder:{tmp_path / 'faces'}", 8), tmp_path / "list.csv"
    place = {file: row for row, file in enumerate(faces.attributes["file"])}
    for form in ("NFC", "NFD"):
        first, second = (f"p/{unicodedata.normalize(form, name)}" for name in names)
        path.write_text(f"first,second,same\n{first},{second},1\np/x.png,{first},1\n", encoding="utf-8")
        found = read_pair_table(path, faces)
        rows = [place[f"p/{name}"] for name in (*names, "x.png")]
        assert (found.first.tolist(), found.second.tolist()) == ([rows[0], rows[2]], [rows[1], rows[0]])
    twice = ",".join(f"p/{unicodedata.normalize(form, names[0])}" for form in ("NFC", "NFD"))
    path.write_text(f"first,second,same\n{twice},1\n", encoding="utf-8")
    with pytest.raises(BadParameterError, match="pair 1: a photograph is paired with itself"):
        read_pair_table(path, faces)


def test_two_files_whose_names_differ_in_their_form_are_two(data):
    names = tuple(unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD"))
    table = pd.DataFrame({"file": names})
    faces = FaceSet(np.zeros((2, 8, 8, 3), np.uint8), np.zeros(2, np.int64), ("a",), table, "x")
    (data / "list.csv").write_text(f"first,second,same\n{names[0]},{names[1]},1\n", encoding="utf-8")
    found = read_pair_table(data / "list.csv", faces)
    assert (found.first.tolist(), found.second.tolist()) == ([0], [1])


def test_where_people_cannot_be_kept_apart_there_are_none():
    person = np.arange(40)
    first, second = np.arange(0, 40, 2), np.arange(1, 40, 2)
    same = np.zeros(20, bool)
    assert folds_of_people(Pairs(first, second, same, np.zeros(20, int)), person) is None
    few = np.array([0, 0, 1, 1])
    pairs = Pairs(np.array([0, 0]), np.array([1, 2]), np.array([True, False]), np.zeros(2, int))
    assert folds_of_people(pairs, few) is None


@pytest.mark.parametrize("count", [10, 11, 57])
def test_tenths_are_those_of_insightface(count):
    """Independent: KFold of scikit-learn, which insightface calls."""
    zeros = np.zeros(count, int)
    found = contiguous_folds(Pairs(zeros, zeros, zeros.astype(bool), zeros)).fold
    for number, (_, tested) in enumerate(KFold(10).split(np.arange(count)), start=1):
        assert np.flatnonzero(found == number).tolist() == tested.tolist()
    with pytest.raises(BadParameterError, match="too few for 10"):
        contiguous_folds(Pairs(zeros[:9], zeros[:9], zeros[:9].astype(bool), zeros[:9]))


def test_people_are_told_by_genuine_pairs():
    first, second = np.array([0, 1, 3, 5]), np.array([1, 2, 4, 6])
    found = people_by_pairs(Pairs(first, second, np.array([True, True, False, True]), np.zeros(4, int)), 8)
    groups = {frozenset(np.flatnonzero(found == person)) for person in found}
    assert groups == {frozenset(own) for own in ((0, 1, 2), (3,), (4,), (5, 6), (7,))}


def test_orl_is_the_stored_list(data):
    found = load_pair_set("orl", 32)
    faces = load("orl", 32)
    stored = stored_pairs(faces)
    assert len(found.pairs) == len(stored) == 3000 and np.array_equal(found.pairs.same, stored.same)
    assert np.array_equal(faces.images[stored.first[:50]], found.faces.images[found.pairs.first[:50]])
    assert len(found.faces.people) == 20 and not found.aligned


def test_no_error_is_no_certainty(tree, tmp_path):
    """Where all draws of people agree an interval without width would say that nothing can go wrong."""
    pair_set = load_pair_set(f"{lfw_list(tmp_path / 'pairs.txt', 3, each=40)}@folder:{tree}", 8)
    _, found = measure_scores(np.where(pair_set.pairs.same, 0.9, 0.1), pair_set, draws=100)
    people = len(pair_set.faces.people)
    assert found["eer"].value == 0 and found["eer"].high == wilson(0, people).high > 0.1
    assert found["tar@0.1"].value == 1 and found["tar@0.1"].low == wilson(people, people).low < 0.9


def test_a_list_that_disagrees_with_the_names_is_refused(tree, tmp_path):
    listed = tmp_path / "wrong.csv"
    listed.write_text("first,second,same\np00/p00_0001.png,p01/p01_0001.png,1\np02/p02_0001.png,p03/p03_0001.png,0\n")
    with pytest.raises(BadParameterError, match="p00_0001.png and p01/p01_0001.png are a genuine pair, but two"):
        load_pair_set(f"{listed}@folder:{tree}", 8)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("first,second,same\np00/p00_0001.png,p00/p00_0002.png,yes\n", "not a whole number"),
        ("first,second,same\np00/p00_0001.png,p00/p00_0002.png,2\n", "neither 1 nor 0"),
        ("first,second,same\np00/p00_0001.png,p00/p00_0001.png,1\n", "paired with itself"),
        ("first,second,same\np00/p00_0001.png,p00/nobody.png,1\n", r"lacks 1 files .*p00/nobody.png"),
        ("first,second\np00/p00_0001.png,p00/p00_0002.png\n", "no column 'same'"),
        ("first,second,same\np00/p00_0001.png,p00/p00_0002.png,1\n", "no genuine, or no impostor"),
        ("", "no genuine, or no impostor"),
        ("p00\t1\t9\np00\t1\tp01\t1\n", r"lacks 1 photographs .*p00 9"),
        ("hello world\n", "line 1"),
    ],
)
def test_lists_that_cannot_be_are_one_line(tree, tmp_path, content, said):
    (tmp_path / "list.txt").write_text(content, encoding="utf-8")
    with pytest.raises(FacelabError, match=said) as refused:
        load_pair_set(f"{tmp_path / 'list.txt'}@folder:{tree}", 8)
    assert "\n" not in str(refused.value)


def test_names_that_cannot_be_are_one_line(tree, tmp_path):
    listed = lfw_list(tmp_path / "pairs.txt", 3)
    for name, said in (
        ("lwf", "No verification set is called 'lwf'.*Did you mean 'lfw'"),
        ("", "No verification set"),
        ("nothing.txt@orl", "no pair list 'nothing.txt'"),
        (str(listed), "without photographs"),
        (f"{listed}@nosuchset", "No data set is called"),
        (f"{listed}@folder:{tmp_path / 'gone'}", "is not on this machine"),
        ("@orl", "no pair list"),
    ):
        with pytest.raises(FacelabError, match=said) as refused:
            load_pair_set(name, 8)
        assert "\n" not in str(refused.value)


def test_the_mirror_image_is_added(tree):
    faces = load(f"folder:{tree}", 8)
    once, turned = PixelEmbedder().embed_crops(faces.images), PixelEmbedder().embed_crops(faces.images[:, :, ::-1])
    both = embed_squares(faces, PixelEmbedder(), mirror=True)
    total = once.astype(float) + turned
    np.testing.assert_allclose(both, total / np.linalg.norm(total, axis=1, keepdims=True), atol=1e-5)
    assert not np.allclose(both, once, atol=1e-2)


def test_photographs_come_in_batches_and_without_a_face_whole(tree):
    faces = load(f"folder:{tree}", 16)
    large = faces.subset(np.arange(len(faces)).repeat(4))
    embedder = PixelEmbedder("arcface")
    found = embed_photographs(large, embedder, NoDetector())
    assert not found.found.any() and max(embedder.batches) <= 64 and len(embedder.batches) == 3
    assert ((found.embeddings * embed_squares(large, PixelEmbedder())).sum(axis=1) > 0.999).all()


def test_where_no_face_is_found_is_counted(tree, tmp_path):
    pair_set = load_pair_set(f"{lfw_list(tmp_path / 'pairs.txt', 3)}@folder:{tree}", 8, search_side=40)
    found = verify(PixelEmbedder("arcface"), pair_set, detector=NoDetector(), draws=100)
    assert found.undetected == len(pair_set.faces)


def test_scores_by_a_cohort_follow_their_formula():
    rng = np.random.default_rng(0)
    rows, cohort = (unit_rows(rng.normal(size=(count, 5))) for count in (9, 30))
    pairs = Pairs(np.arange(8), np.arange(1, 9), np.arange(8) < 4, np.zeros(8, int))
    found = score_pairs(rows, pairs, cohort)
    for row in range(8):
        score, parts = float(rows[row].astype(float) @ rows[row + 1]), []
        for side in (row, row + 1):
            others = np.array([float(rows[side].astype(float) @ one) for one in cohort])
            parts.append((score - others.mean()) / others.std(ddof=1))
        assert found[row] == pytest.approx(np.mean(parts), rel=1e-4)


def test_a_cohort_is_no_larger_than_it_needs(tree, monkeypatch):
    faces = load(f"folder:{tree}", 8)
    assert draw_cohort(faces) is faces
    monkeypatch.setattr("facelab.protocols.verification.MOST_COHORT", 5)
    assert len(draw_cohort(faces)) == 5


def write_bin(path: Path, photographs: list[bytes], same: list[bool]) -> Path:
    path.write_bytes(pickle.dumps((photographs, same)))
    return path


def test_a_bin_equals_its_list_and_folder(tree, tmp_path):
    """People are not known there: the accuracy is that of the same pairs in the same folds."""
    listed = lfw_list(tmp_path / "pairs.txt", 3, each=10)
    twin = load_pair_set(f"{listed}@folder:{tree}", 8)
    files = [Path(tree, file).read_bytes() for file in twin.faces.attributes["file"]]
    photographs = [files[row] for pair in zip(twin.pairs.first, twin.pairs.second, strict=True) for row in pair]
    path = write_bin(tmp_path / "set.bin", photographs, twin.pairs.same.tolist())
    found = load_pair_set(str(path), 8, search_side=40)
    assert absolute_set_name(f"bin:{path}") == absolute_set_name(str(path)) == str(path)
    assert found.aligned and not found.people_known and len(found.faces) == 120 and found.faces.images.shape[1] == 8
    ours, theirs = (verify(PixelEmbedder(), one, draws=100) for one in (found, twin))
    assert ours.estimates["eer"].value == theirs.estimates["eer"].value
    assert "as far as" in ours.estimates["eer"].method and ours.estimates["eer"].n > theirs.estimates["eer"].n
    tenths = contiguous_folds(twin.pairs)
    scores = score_pairs(embed_squares(twin.faces, PixelEmbedder()), tenths)
    np.testing.assert_allclose(ours.accuracy.folds, lfw_view2(scores, tenths.same, tenths.fold).folds)


def test_sface_on_a_bin_of_lfw_is_as_its_publishers_say(real_lfw, tmp_path, monkeypatch):
    """A part of View 2, aligned by YuNet: 99.40 % of all of it is what OpenCV's zoo states."""
    whole = load_pair_set("lfw", 112, search_side=224)
    rows = np.concatenate([np.flatnonzero(whole.pairs.fold == fold)[10::20] for fold in range(1, 11)])
    embedder, photographs = new_embedder(), []
    for row in np.stack([whole.pairs.first[rows], whole.pairs.second[rows]], axis=1).ravel():
        crop = cut_out_largest(embedder, whole.faces.images[row], DETECTOR)
        photographs.append(encoded(crop if crop is not None else whole.faces.images[row], "PNG"))
    path = write_bin(tmp_path / "lfw.bin", photographs, whole.pairs.same[rows].tolist())
    monkeypatch.setenv("FACELAB_CACHE", str(tmp_path / "cache"))  # not the user's, who never has this file
    found = verify(embedder, load_pair_set(str(path), 112), draws=100)
    assert len(found.accuracy.folds) == 10 and found.accuracy.estimate.high > 0.994 > 0.97 < found.accuracy.mean
