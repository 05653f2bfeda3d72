"""Baselines that learn nothing: what they ignore, what they must not see, and what they give on ORL."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import pytest

from facelab.datasets import FaceSet, load
from facelab.datasets.pair_files import lfw_pairs
from facelab.datasets.pairs import all_pairs
from facelab.errors import BadParameterError
from facelab.evaluation import (
    BASELINES,
    auc,
    cosine_scores,
    eer,
    lfw_view2,
    raw_pixels,
    roc,
    topk_leave_one_out,
    whitened_pca,
)


@pytest.fixture(scope="module")
def orl():
    return load("orl", size=32)


@pytest.mark.parametrize("name", BASELINES)
def test_embeddings_are_unit_float32_and_do_not_depend_on_the_batch(orl, name, monkeypatch):
    embed = BASELINES[name](orl.images[:200])
    whole = embed(orl.images[200:])
    assert whole.dtype == np.float32 and len(whole) == 200
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-5)
    monkeypatch.setattr("facelab.evaluation.baselines.BATCH", 64)
    np.testing.assert_allclose(embed(orl.images[200:]), whole, atol=1e-5)
    with pytest.raises(BadParameterError, match=r"\(16, 16, 1\)"):
        embed(orl.images[:, ::2, ::2])


def test_raw_pixels_ignore_exposure_and_contrast(orl):
    image = orl.images[:1] // 4
    brighter = image * 2 + 50
    both = raw_pixels(orl.images)(np.concatenate([image, brighter]))
    assert both[0] @ both[1] == pytest.approx(1, abs=1e-5)


def test_whitened_components_have_unit_variance_on_the_training_set():
    """By hand: the singular vectors of the centred training pixels, scaled by sqrt(n - 1) / singular value."""
    images = np.random.default_rng(0).integers(0, 256, size=(30, 4, 4, 1), dtype=np.uint8)
    rows = images.reshape(30, -1).astype(np.float64)
    rows -= rows.mean(1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    centred = rows - rows.mean(0)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    white = centred @ axes[:6].T * np.sqrt(29) / singular[:6]
    np.testing.assert_allclose(white.std(0, ddof=1), 1)
    white /= np.linalg.norm(white, axis=1, keepdims=True)
    found = whitened_pca(images, components=6)(images)
    np.testing.assert_allclose(found @ found.T, white @ white.T, atol=1e-4)  # a component's sign is free


def test_pca_keeps_what_the_images_allow_and_takes_even_distances(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, size=(40, 8, 8, 1), dtype=np.uint8)
    assert whitened_pca(images[:10])(images).shape == (40, 9)
    monkeypatch.setattr("facelab.evaluation.baselines.MAX_FIT", 10)
    np.testing.assert_allclose(
        whitened_pca(images)(images), whitened_pca(images[np.linspace(0, 39, 10).astype(int)])(images), atol=1e-5
    )
    with pytest.raises(BadParameterError, match="PCA of 2 images"):
        whitened_pca(images[:2])


def test_orl_as_it_is_needs_no_learning(orl):
    """The fact that the course opens with: rank-1 of raw pixels on ORL is 94 % or more, unseen people verify at 10-25 % EER."""
    test = orl.select_people(range(20, 40))
    pairs = all_pairs(test)
    for name, fit in BASELINES.items():
        embeddings = fit(orl.select_people(range(20)).images)(test.images)
        curve = roc(cosine_scores(embeddings, pairs), pairs.same)
        assert 0.05 < eer(curve) < 0.25 and auc(curve) > 0.85, name
        assert topk_leave_one_out(embeddings, test.labels()).accuracy(1).value > 0.93, name


def test_lfw_view2_gives_the_known_figure(real_lfw, monkeypatch):
    """Whitened PCA and cosine are known to give 70 % on View 2 (the centre 80 of 112 px; people of no fold fit the PCA)."""
    monkeypatch.setenv("FACELAB_DATA", str(real_lfw.parent))
    table = pd.read_csv(real_lfw / "index.csv", keep_default_na=False)
    unpaired = table.index[table["view2_fold"] == ""][:2500]
    table = table.loc[[*table.index[table["in_pairs_view2"] == 1], *unpaired]].reset_index(drop=True)
    grey = np.stack([cv2.imread(str(real_lfw / file), cv2.IMREAD_GRAYSCALE)[16:96, 16:96] for file in table["file"]])
    images = np.stack([cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA) for image in grey])[..., None]
    names, identity = np.unique(table["identity"], return_inverse=True)
    faces = FaceSet(images, identity, tuple(names), table, "lfw@64")
    pairs = lfw_pairs(faces)
    fit = faces.subset((table["view2_fold"] == "").to_numpy())
    result = lfw_view2(cosine_scores(whitened_pca(fit.images)(images), pairs), pairs.same, pairs.fold)
    print(result)
    assert result.mean == pytest.approx(0.70, abs=0.01)
    assert 0.003 < result.standard_error < 0.009
