"""The training explorer: snapshots that change nothing, and at each epoch its own map, rank and neighbours."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from explorer_pages import HOSTILE, MISSING_BROWSER, check_alone, chromium, data_of, page_of
from IPython.display import Image

from facelab import datasets
from facelab.augment import CLASSIFIER
from facelab.backbones import backbone
from facelab.errors import BadParameterError
from facelab.evaluation import effective_rank
from facelab.labs.explorers import EmbeddingSnapshots, explore_training, training
from facelab.methods import SimCLR, embed_faces
from facelab.plots import nearest_neighbors
from facelab.training import Plan, fit

EPOCHS = (1, 3, 20)


@pytest.fixture(scope="module")
def faces():
    return datasets.load("orl", 32).subset(np.arange(0, 400, 16))  # 25 photographs of 20 people or so


@pytest.fixture(scope="module")
def snapshots(faces):
    """A run whose embeddings lie on a line first and spread later, with other neighbours in each epoch."""
    found = EmbeddingSnapshots(faces, EPOCHS)
    rng = np.random.default_rng(0)
    for epoch, spread in zip(EPOCHS, (0.001, 0.3, 1.0), strict=True):
        found.embeddings[epoch] = np.float32(rng.normal(0, spread, (len(faces), 8)) + np.eye(8)[0])
    return found


@pytest.fixture(scope="module")
def table(faces):
    return pd.DataFrame(
        {"person": [HOSTILE[person % len(HOSTILE)] for person in faces.identity], "[red]": faces.identity}
    )


@pytest.fixture
def document(snapshots, table, monkeypatch):
    monkeypatch.setattr(training, "is_interactive", lambda: True)
    return page_of(explore_training(snapshots, table, title=HOSTILE[3]))


# ---- snapshots ----


def test_a_run_that_goes_on_has_all_snapshots(faces, tmp_path):
    class Stop(Exception):
        pass

    calls = []

    def stop_in_the_third(method):
        calls.append(method)
        if len(calls) == 3:
            raise Stop
        return {}

    plan, some = Plan(epochs=3, batch_size=8, lr=1e-3), faces.subset(np.arange(9))
    whole, killed, resumed, passed = (EmbeddingSnapshots(some, epochs=(1, 3)) for _ in range(4))
    fit(new_simclr(), faces, plan, monitors=[whole])
    with pytest.raises(Stop):
        fit(new_simclr(), faces, plan, monitors=[killed, stop_in_the_third], folder=tmp_path)
    for snapshots in (resumed, passed):  # the second finds the training done
        fit(new_simclr(), faces, plan, monitors=[snapshots], folder=tmp_path)
        assert list(snapshots.embeddings) == [1, 3]
        for epoch, embeddings in whole.embeddings.items():
            assert (snapshots.embeddings[epoch] == embeddings).all()


def new_simclr() -> SimCLR:
    torch.manual_seed(0)
    return SimCLR(backbone("resnet10", 1, width=8), CLASSIFIER)


def test_snapshots_are_of_their_epochs_and_change_nothing(faces):
    plan = Plan(epochs=3, batch_size=8, lr=1e-3)
    alone, watched = new_simclr(), new_simclr()
    history = fit(alone, faces, plan)
    snapshots = EmbeddingSnapshots(faces.subset(np.arange(9)), epochs=(1, 3, 7))
    seen = fit(watched, faces, plan, monitors=[snapshots])
    assert history.epochs == seen.epochs
    for name, value in alone.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name
    assert list(snapshots.embeddings) == [1, 3]
    np.testing.assert_array_equal(snapshots.embeddings[3], embed_faces(watched, faces.subset(np.arange(9))))
    assert not np.allclose(snapshots.embeddings[1], snapshots.embeddings[3])


def test_snapshots_may_be_of_something_else_than_the_embedding(faces):
    snapshots = EmbeddingSnapshots(faces, (1,), embed=lambda method, some: np.full((len(some), 2), 7.0))
    assert snapshots(new_simclr()) == {}
    assert (snapshots.embeddings[1] == 7).all()


def test_snapshots_that_cannot_be_drawn_are_refused(faces, snapshots, table):
    for arguments, message in [
        ((faces.subset(np.arange(3)), (1,)), "3 photographs"),
        ((datasets.load("orl", 32), (1,)), "400 photographs"),
        ((faces, ()), r"epochs are \[\]"),
        ((faces, (0, 1)), "epochs are"),
    ]:
        with pytest.raises(BadParameterError, match=message):
            EmbeddingSnapshots(*arguments)
    for arguments, message in [
        ((EmbeddingSnapshots(faces, (1,)), table), "No snapshot"),
        ((snapshots, table[:4]), "table of labels"),
        ((snapshots, table[[]]), "table of labels"),
    ]:
        with pytest.raises(BadParameterError, match=message):
            explore_training(*arguments)


# ---- the explorer ----


def test_a_build_gets_a_row_of_maps_that_says_the_ranks(snapshots, table, monkeypatch):
    monkeypatch.setattr(training, "is_interactive", lambda: False)
    shown = explore_training(snapshots, table, title="SimCLR")
    assert isinstance(shown, Image) and len(shown.data) < 40_000
    ranks = "; ".join(f"epoch {epoch}, {effective_rank(snapshots.embeddings[epoch]):.1f}" for epoch in EPOCHS)
    assert shown.alt == f"SimCLR: maps of 25 faces, coloured by person. Effective rank by epoch: {ranks}."


def test_all_epochs_are_drawn_by_one_projection(snapshots, document):
    check_alone(document)
    data = json.loads(data_of(document))
    points = np.array(data["points"])
    assert points.shape == (3, 25, 2) and points.min() == 0 and points.max() == 1
    unit = np.concatenate(list(snapshots.embeddings.values()), dtype=np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    _, _, axes = np.linalg.svd(unit - unit.mean(axis=0), full_matrices=False)
    expected = unit @ axes[:2].T
    distances = [np.linalg.norm(flat[:, None] - flat[None], axis=2) for flat in (points.reshape(-1, 2), expected)]
    np.testing.assert_allclose(distances[0] * np.ptp(expected, axis=0).max(), distances[1], atol=1e-3)
    spreads = [one.std(axis=0).max() for one in points]
    assert spreads[0] < 0.01 and spreads[1] > 10 * spreads[0], "a collapse is a point"


# ---- in a browser ----


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    if MISSING_BROWSER:
        pytest.skip(MISSING_BROWSER)
    with chromium(tmp_path_factory.mktemp("training")) as found:
        yield found


def near(reader) -> list[int]:
    return [
        int(row)
        for row in reader.run("return [...document.querySelectorAll('#neighbours button')].map(b => b.dataset.row)")
    ]


def test_the_page_has_no_barrier_and_takes_no_label_for_markup(reader, document):
    reader.check_page(document)
    assert reader.text("#title") == f"Training explorer: {HOSTILE[3]}"
    assert reader.texts("#column option") == ["person", "[red]"]
    assert reader.run("return document.images.length") == 0


def test_the_keyboard_moves_through_the_epochs(reader, document, snapshots, table):
    reader.open(document)
    reader.press("#number", *["ARROW_RIGHT"] * 6)
    for epoch, key in zip(EPOCHS[::-1], ("END", "ARROW_LEFT", "ARROW_LEFT"), strict=True):
        reader.press("#epoch", key)
        assert reader.text("#epoch-value") == str(epoch)
        assert (
            reader.text("#rank") == f"Effective rank {effective_rank(snapshots.embeddings[epoch]):.1f} at epoch {epoch}"
        )
        expected, _ = nearest_neighbors(snapshots.embeddings[epoch], training.NEIGHBORS, rows=[6])
        assert near(reader) == expected[0].tolist()
        agreeing = (table["person"].to_numpy()[expected[0]] == table["person"][6]).sum()
        assert (
            reader.text("#said")
            == f"Face 6, person {table['person'][6]}. {agreeing} of 6 neighbours have the same label."
        )


def test_neighbours_of_one_group_are_left_out(snapshots, table, monkeypatch):
    monkeypatch.setattr(training, "is_interactive", lambda: True)
    group = np.arange(25) % 5
    data = json.loads(data_of(page_of(explore_training(snapshots, table, group))))
    assert (group[np.array(data["neighbours"])] != group[None, :, None]).all()


def test_a_finger_moves_through_the_epochs_and_chooses_a_face(reader, document, snapshots):
    reader.open(document, width=390, height=1200)
    reader.touch("#epoch", (0.95, 0.5), (0.5, 0.5))
    assert reader.text("#epoch-value") == "3"
    x, y = json.loads(data_of(document))["points"][1][8]
    reader.touch("#map", (0.04 + 0.92 * x, 0.04 + 0.92 * (1 - y)))
    chosen = int(reader.text("#number-value"))
    points = np.array(json.loads(data_of(document))["points"][1])
    assert np.linalg.norm(points[chosen] - points[8]) < 0.02
    assert near(reader) == nearest_neighbors(snapshots.embeddings[3], training.NEIGHBORS, rows=[chosen])[0][0].tolist()
