"""orl-wild as a data set: its pixels, its table, its derived sets, and how hard it is for a method that learns nothing."""

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import roc_curve

from facelab.datasets import derived_set, load, orl, orl_wild
from facelab.datasets.derived_sets import RULES
from facelab.datasets.wild.parameters import MODELS, RANGES, RENDERINGS, STRONG_TURN, Nuisance
from facelab.errors import BadParameterError
from facelab.paths import project_data

#: SHA-256 of the pixels (FaceSet.sha256) by working size
PIXELS = {
    64: "6f2946d7771c77a2daac7416217bb0aa37a61589524faf5c45c2f50e2058ce61",
    48: "0c6bdc3bb5dcf1826de0b4a0cf72b52bc2c07b0ab80468f7eae416c93af45772",
}
LABELS = list(pd.read_csv(project_data("orl", "labels.csv"), nrows=0).columns[1:])


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache of this file's own: a picture made earlier cannot stand in for one that is made wrong now."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACELAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def faces(cache):
    return load("orl-wild")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return orl_wild.index(orl.locate())


def test_pixels_are_the_same_on_every_machine(faces, cache):
    assert {64: faces.sha256, 48: load("orl-wild", size=48).sha256} == PIXELS


_RENDER_SOME = """
import hashlib
from facelab.datasets import orl, orl_wild
root = orl.locate()
table = orl_wild.index(root).iloc[::16]
digest = hashlib.sha256(table.to_csv().encode())
for _, _, picture in orl_wild.render(root, table, 64):
    digest.update(picture.tobytes())
print(digest.hexdigest())
"""


def test_pixels_do_not_depend_on_vector_units_or_threads(table):
    some = table.iloc[::16]
    digest = hashlib.sha256(some.to_csv().encode())
    for _, _, picture in orl_wild.render(orl.locate(), some, 64):
        digest.update(picture.tobytes())
    # names of NumPy 1 and of NumPy 2.4; those that this NumPy or this processor lacks are passed over with a warning
    features = "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR X86_V3 X86_V4"
    plain = {"NPY_DISABLE_CPU_FEATURES": features, "OPENBLAS_CORETYPE": "Prescott", "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _RENDER_SOME],
        env=os.environ | plain, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == digest.hexdigest()


def test_forty_people_ten_photographs_four_renderings(faces):
    assert faces.images.shape == (1600, 64, 64, 1)
    table = faces.attributes
    assert table.groupby(faces.identity)["photo"].nunique().tolist() == [10] * 40
    assert table.groupby("photo")["rendering"].apply(sorted).tolist() == [list(range(RENDERINGS))] * 400
    assert (table["file"] == table["photo"] + "#" + table["rendering"].astype(str)).all() and table["file"].is_unique
    assert [faces.names[person] for person in faces.identity] == [
        f"s{int(photo[1:].split('/')[0]):02d}" for photo in table["photo"]
    ]
    assert len({image.tobytes() for image in faces.images}) == 1600


def test_every_column_is_documented_and_every_attribute_is_a_column(table):
    nuisances = [field.name for field in fields(Nuisance)]
    assert list(table) == ["file", "photo", "rendering", *nuisances, "identity", *LABELS]
    assert re.findall(r"^        (\w+): ", Nuisance.__doc__, flags=re.M) == nuisances
    assert not table.isna().any(axis=None)


def test_labels_are_those_of_the_photograph(table):
    labels = pd.read_csv(project_data("orl", "labels.csv")).set_index("file")
    told = labels.loc[table["photo"], LABELS].reset_index(drop=True)
    pd.testing.assert_frame_equal(table[LABELS], told)


def test_parameters_fill_their_ranges_and_keep_to_three_decimals(table):
    for name, (low, high) in RANGES.items():
        values = table[name]
        assert low <= values.min() and values.max() <= high, name
        assert values.max() - values.min() > 0.95 * (high - low), name
        assert np.array_equal(values, values.round(3)), name
    assert table["occlusion"].isin(MODELS).all()
    for kind, rows in table.groupby("occlusion"):
        assert set(rows["occluder_model"]) == set(MODELS[kind])
    assert table["noise_seed"].is_unique and set(table["occluder_side"]) == {-1, 1}


def test_nuisances_are_drawn_apart_from_the_person_and_from_each_other(table):
    """No parameter tells who it is: the share of its variance between people is that of chance (39 of 1599 parts)."""
    for name in RANGES:
        values = table[name]
        between = values.groupby(table["identity"]).transform("mean").var() / values.var()
        assert between < 0.05, name
    correlation = np.corrcoef(table[list(RANGES)].to_numpy().T) - np.eye(len(RANGES))
    assert np.abs(correlation).max() < 0.12


def test_two_fifths_are_occluded_or_strongly_turned(table):
    hard = (table["occlusion"] != "none") | (table["turn_degrees"].abs() > STRONG_TURN)
    assert 0.40 <= hard.mean() <= 0.45


def test_a_rendering_depends_on_its_own_row_only(faces, table):
    rows = [1203, 7, 5, 804]
    made = {file: picture for _, file, picture in orl_wild.render(orl.locate(), table.iloc[rows], 64)}
    assert all(np.array_equal(made[table.at[row, "file"]], faces.images[row]) for row in rows)


def test_derived_sets_are_nested_and_of_the_founding_projects_kind(faces):
    files = {rule: set(derived_set(faces, rule).attributes["file"]) for rule in RULES}
    assert files["frontal"] < files["no-occlusion"] < files["all"] == set(faces.attributes["file"])
    shares = [len(files[rule]) / 1600 for rule in ("no-occlusion", "frontal")]
    assert shares == pytest.approx([995 / 1756, 341 / 1756], abs=0.05)  # of GTAV's photographs
    for rule in RULES:
        kept = derived_set(faces, rule)
        assert kept.attributes.groupby(kept.identity)["photo"].nunique().reindex(range(40)).min() >= 4


def test_derived_sets_keep_what_their_rules_say(faces):
    told = {"no-occlusion": [], "frontal": []}
    for row in faces.attributes.to_dict("records"):
        if row["occlusion"] == "none" and abs(row["turn_degrees"]) <= 28:
            told["no-occlusion"].append(row["file"])
            upright = abs(row["turn_degrees"]) <= 10 and abs(row["roll_degrees"]) <= 8
            if upright and row["shadow"] <= 0.25 and abs(row["turn"]) <= 0.12:
                told["frontal"].append(row["file"])
    for rule, files in told.items():
        assert derived_set(faces, rule).attributes["file"].tolist() == files


def test_derived_set_refuses_what_it_does_not_know(faces, cache):
    with pytest.raises(BadParameterError, match="no-occlusion"):
        derived_set(faces, "profile")
    with pytest.raises(BadParameterError, match="'occlusion'"):
        derived_set(load("orl"), "frontal")


def equal_error_rate(embedding: np.ndarray, faces) -> float:
    """EER in per cent of all pairs but those of two renderings of one photograph, by cosine."""
    unit = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    first, second = np.triu_indices(len(unit), k=1)
    photo = faces.attributes["photo"].to_numpy()
    apart = photo[first] != photo[second]
    same = faces.identity[first] == faces.identity[second]
    far, tar, _ = roc_curve(same[apart], (unit @ unit.T)[first, second][apart])
    return 100 * float(far[np.argmin(np.abs(far - (1 - tar)))])


@pytest.mark.parametrize("start", [0, 20])
def test_unseen_people_are_hard_for_pixels_and_for_whitened_pca(faces, start):
    """Too easy, and a network has nothing to learn; too hard, and nothing can be learned from 800 images."""
    test, train = faces.select_people(range(start, start + 20)), faces.select_people(range(20 - start, 40 - start))
    known, unknown = (part.images.reshape(len(part), -1) / np.float32(255) for part in (train, test))
    pca = PCA(100, whiten=True, random_state=0).fit(known)
    assert 40 < equal_error_rate(unknown - known.mean(axis=0), test) < 48
    assert 30 < equal_error_rate(pca.transform(unknown), test) < 38
