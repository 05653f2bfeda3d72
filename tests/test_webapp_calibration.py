"""Templates and the threshold: against loops over the definition, and on embeddings whose rates are known."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from faceid import measured, photograph, sface
from scipy import stats

from facelab.datasets import FaceSet
from facelab.errors import BadParameterError, FacelabError
from facelab.webapp import calibration, enrolment, template


class Fake:
    """An embedder by name alone."""

    name, fingerprint, dimension = "fake", "0" * 64, 16


def people(count: int = 12, shots: int = 8, spread: float = 0.5, seed: int = 0):
    rng = np.random.default_rng(seed)
    identity = np.repeat(np.arange(count), shots)
    points = rng.normal(size=(count, 16))[identity] + spread * rng.normal(size=(len(identity), 16))
    return points / np.linalg.norm(points, axis=1, keepdims=True), identity


def measure(*args, **options):
    return calibration.measure(*args, Fake(), {"source": "made up"}, **{"target_fmr": 0.02, "draws": 100} | options)


def test_a_template_is_the_mean_direction():
    rows = np.array([[3.0, 0], [0, 0.5]])
    found = template.make(rows)
    assert found.dtype == np.float32 and np.allclose(found, np.sqrt([0.5, 0.5]))
    assert template.score(found, np.array([1.0, 0])) == pytest.approx(np.sqrt(0.5))
    assert template.score(found, found) == pytest.approx(1)
    for bad in (np.empty((0, 2)), np.zeros((1, 2)), np.array([[1.0, 0], [-1, 0]]), np.array([[np.nan, 1]]), np.ones(2)):
        with pytest.raises(BadParameterError):
            template.make(bad)


def test_the_rates_are_those_of_a_loop():
    embeddings, identity = people(spread=0.9)
    found = measure(embeddings, identity, seed=3)
    rng = np.random.default_rng(3)
    enrolled = {p: rng.permutation(np.flatnonzero(identity == p))[:5] for p in range(12)}
    accepted = {True: [], False: []}
    strangers = []
    for row, person in enumerate(identity):
        others = []
        for p, rows in enrolled.items():
            if row in rows:
                continue
            score = float(embeddings[row] @ template.make(embeddings[rows]))
            accepted[p == person].append(score > found.threshold + 1e-9)  # it lies just above an impostor
            if p != person:
                others.append(score)
        strangers.append(max(others))
    assert (found.genuine, found.impostors) == (len(accepted[True]), len(accepted[False])) == (36, 96 * 11)
    assert found.fmr.value == pytest.approx(np.mean(accepted[False])) and found.fmr.value <= 0.02
    assert found.fnmr.value == pytest.approx(1 - np.mean(accepted[True])) and found.fnmr.value > 0
    assert found.identify.fpir.value == pytest.approx(np.mean(np.array(strangers) > found.identify.threshold + 1e-9))
    assert (found.identify.gallery, found.identify.searches) == (11, 96)
    assert found.identify.threshold >= found.threshold
    assert found.fmr.low <= found.fmr.value <= found.fmr.high and found.fmr.n == 12


def test_no_error_seen_is_not_no_error():
    found = measure(*people(spread=0.05))
    assert found.fnmr.value == 0 and found.fnmr.method == "wilson"
    ends = stats.binomtest(0, 12).proportion_ci(0.95, method="wilson")
    assert found.fnmr.high == pytest.approx(ends.high)


def test_the_interval_of_a_threshold_for_others_holds_their_rate():
    """People of the same kind who played no part: their rate lies within the interval."""
    found = measure(*people(40, spread=0.9, seed=1), draws=400)
    embeddings, identity = people(200, spread=0.9, seed=2)
    templates = np.stack([template.make(embeddings[identity == p][:5]) for p in range(200)])
    scores = embeddings @ templates.T
    others = scores[identity[:, None] != np.arange(200)] >= found.threshold
    assert found.fmr.low < others.mean() < found.fmr.high


def test_what_so_few_comparisons_cannot_show_is_refused():
    embeddings, identity = people()
    with pytest.raises(BadParameterError, match="FMR 0.001 cannot be set with 1056 impostor pairs"):
        measure(embeddings, identity, target_fmr=0.001)
    with pytest.raises(BadParameterError, match="96 impostor pairs"):
        measure(embeddings, identity, target_fpir=0.05)
    with pytest.raises(BadParameterError, match="at least 6 photographs"):
        measure(embeddings[:-3], identity[:-3])
    with pytest.raises(BadParameterError, match="2 people"):
        measure(embeddings[:16], identity[:16])


@pytest.fixture(autouse=True)
def _wide_enough(monkeypatch):
    """Most tests ask for one stranger in five."""
    plain = calibration.measure
    monkeypatch.setattr(calibration, "measure", lambda *a, **o: plain(*a, **{"target_fpir": 0.2} | o))


def test_a_calibration_comes_back_from_its_file(tmp_path):
    found = measure(*people(), command="a test", missed=2)
    calibration.write(found, tmp_path / "c.json")
    assert calibration.read(tmp_path / "c.json", Fake()) == found
    assert (found.missed, found.command, found.target_fmr, found.shots) == (2, "a test", 0.02, 5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.update(fingerprint="1" * 64), "measured for another embedder"),
        (lambda c: c.update(schema=9), "schema 9"),
        (lambda c: c.update(threshold="high"), "not a calibration"),
        (lambda c: c.update(threshold=7.0), "not a calibration"),
        (lambda c: c.pop("identify"), "not a calibration"),
        (lambda c: c.update(extra=1), "not a calibration"),
        (lambda c: c.pop("schema"), "not a calibration"),
    ],
)
def test_a_file_that_does_not_fit_is_one_clear_error(tmp_path, change, said):
    path = tmp_path / "c.json"
    calibration.write(measure(*people()), path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(FacelabError, match=said) as error:
        calibration.read(path, Fake())
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_no_file_is_told_with_its_remedy(tmp_path):
    with pytest.raises(FacelabError, match="notebook 10"):
        calibration.read(tmp_path / "none.json", Fake())
    (tmp_path / "broken.json").write_text("[1, 2")
    with pytest.raises(FacelabError, match="not a calibration"):
        calibration.read(tmp_path / "broken.json", Fake())
    with pytest.raises(FacelabError, match="No calibration comes with facelab for my/method.pt.*--calibration"):
        calibration.default_file("my/method.pt")


def test_the_file_of_the_project_is_of_this_sface_and_says_what_it_rests_on():
    found = measured()
    assert found.embedder == "sface" and found.fingerprint == sface().fingerprint
    assert found.target_fmr >= 10 / found.impostors and found.fmr.value <= found.target_fmr
    assert 0.2 < found.threshold < 0.7 and found.dataset["people"] >= 40 and len(found.dataset["sha256"]) == 64
    assert dataclasses.asdict(found)["shots"] == 5 and Path(calibration.default_file("sface")).is_file()


def test_photographs_without_a_face_are_counted():
    import pandas as pd

    images = np.stack([photograph(1, 1), np.full((112, 92), 128, np.uint8), photograph(4, 1)])[:, :, :, None]
    table = pd.DataFrame({"file": ["a", "wall", "c"]})
    found = enrolment.embed_all(FaceSet(images, np.array([0, 0, 1]), ("p", "q"), table, "some"), sface())
    assert found.missed == ("wall",) and found.rows.tolist() == [0, 2] and found.embeddings.shape == (2, 128)
    assert np.allclose(np.linalg.norm(found.embeddings, axis=1), 1)
    nothing = enrolment.embed_all(FaceSet(images[1:2], np.array([0]), ("p",), table[1:2], "wall"), sface())
    assert nothing.embeddings.shape == (0, 128) and nothing.missed == ("wall",)
