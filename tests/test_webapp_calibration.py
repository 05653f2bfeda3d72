"""Templates and the threshold: against loops over the definition, and on embeddings whose rates are known."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from faceid import photograph, project_calibration, sface
from scipy import stats

from facelab.datasets import FaceSet
from facelab.errors import BadParameterError, FacelabError
from facelab.webapp import calibration, face_set_embeddings, template


class FakeEmbedder:
    """An embedder by name alone."""

    name, fingerprint, dimension = "fake", "0" * 64, 16


def people(count: int = 12, shots: int = 8, spread: float = 0.5, seed: int = 0):
    rng = np.random.default_rng(seed)
    identity = np.repeat(np.arange(count), shots)
    points = rng.normal(size=(count, 16))[identity] + spread * rng.normal(size=(len(identity), 16))
    return points / np.linalg.norm(points, axis=1, keepdims=True), identity


def calibrate(embeddings, identity, *, seed=0, **options):
    """A calibration with few draws and rates that few people can show; most tests ask for one stranger in five."""
    comparisons = calibration.compare_with_templates(embeddings, identity, seed=seed)
    options = {"target_fmr": 0.02, "target_fpir": 0.2, "draws": 100} | options
    return calibration.calibrate(comparisons, FakeEmbedder(), {"source": "made up"}, **options)


def test_a_template_is_the_mean_direction():
    rows = np.array([[3.0, 0], [0, 0.5]])
    found = template.make_template(rows)
    assert found.dtype == np.float32 and np.allclose(found, np.sqrt([0.5, 0.5]))
    assert template.comparison_score(found, np.array([1.0, 0])) == pytest.approx(np.sqrt(0.5))
    assert template.comparison_score(found, found) == pytest.approx(1)
    for bad in (np.empty((0, 2)), np.zeros((1, 2)), np.array([[1.0, 0], [-1, 0]]), np.array([[np.nan, 1]]), np.ones(2)):
        with pytest.raises(BadParameterError):
            template.make_template(bad)


def test_the_rates_are_those_of_a_loop():
    embeddings, identity = people(spread=0.9)
    found = calibrate(embeddings, identity, seed=3)
    rng = np.random.default_rng(3)
    enrolled = {p: rng.permutation(np.flatnonzero(identity == p))[:5] for p in range(12)}
    accepted = {True: [], False: []}
    strangers = []
    for row, person in enumerate(identity):
        others = []
        for p, rows in enrolled.items():
            if row in rows:
                continue
            score = float(embeddings[row] @ template.make_template(embeddings[rows]))
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
    found = calibrate(*people(spread=0.05))
    assert found.fnmr.value == 0 and found.fnmr.method == "wilson"
    ends = stats.binomtest(0, 12).proportion_ci(0.95, method="wilson")
    assert found.fnmr.high == pytest.approx(ends.high)


def test_the_interval_of_a_threshold_for_others_holds_their_rate():
    """People of the same kind who played no part: their rate lies within the interval."""
    found = calibrate(*people(40, spread=0.9, seed=1), draws=400)
    embeddings, identity = people(200, spread=0.9, seed=2)
    templates = np.stack([template.make_template(embeddings[identity == p][:5]) for p in range(200)])
    scores = embeddings @ templates.T
    others = scores[identity[:, None] != np.arange(200)] >= found.threshold
    assert found.fmr.low < others.mean() < found.fmr.high


def test_what_so_few_comparisons_cannot_show_is_refused():
    embeddings, identity = people()
    with pytest.raises(BadParameterError, match="FMR 0.001 cannot be set with 1056 impostor pairs"):
        calibrate(embeddings, identity, target_fmr=0.001)
    with pytest.raises(BadParameterError, match="96 impostor pairs"):
        calibrate(embeddings, identity, target_fpir=0.05)
    with pytest.raises(BadParameterError, match="at least 6 photographs"):
        calibrate(embeddings[:-3], identity[:-3])
    with pytest.raises(BadParameterError, match="2 people"):
        calibrate(embeddings[:16], identity[:16])


def test_a_calibration_comes_back_from_its_file(tmp_path):
    found = calibrate(*people(), command="a test", missed=2)
    calibration.write_calibration(found, tmp_path / "c.json")
    assert calibration.read_calibration(tmp_path / "c.json", FakeEmbedder()) == found
    assert (found.missed, found.command, found.target_fmr, found.shots) == (2, "a test", 0.02, 5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.update(fingerprint="1" * 64), "measured for another embedder"),
        (lambda c: c.update(schema=9), "schema 9"),
        (lambda c: c.update(threshold="high"), "not a calibration"),
        (lambda c: c.update(threshold=7.0), "not a calibration"),
        (lambda c: c.update(threshold=-1.0), "threshold is -1.0"),
        (lambda c: c.update(threshold=float("nan")), "threshold is nan"),
        (lambda c: c.update(threshold=True), "threshold is True"),
        (lambda c: c["identify"].update(threshold=0.001), "threshold of identify is 0.001"),
        (lambda c: c.update(target_fmr=0.9), "target_fmr is 0.9"),
        (lambda c: c["identify"].update(target_fpir="a"), "target_fpir is 'a'"),
        (lambda c: c["fmr"].update(value=0.9, high=0.95), "fmr is 0.9"),
        (lambda c: c["fnmr"].update(low=-1.0), "fnmr is -1.0"),
        (lambda c: c["fnmr"].update(low=0.5, high=0.1), "interval of fnmr"),
        (lambda c: c["identify"]["fpir"].update(n="many"), "n of fpir is 'many'"),
        (lambda c: c.update(impostors=0), "impostors is 0"),
        (lambda c: c.update(genuine="200"), "genuine is '200'"),
        (lambda c: c.update(dataset=[]), "dataset is"),
        (lambda c: c.update(embedder=None), "embedder is None"),
        (lambda c: c.pop("identify"), "not a calibration"),
        (lambda c: c.update(extra=1), "not a calibration"),
        (lambda c: c.pop("schema"), "not a calibration"),
    ],
)
def test_a_file_that_does_not_fit_is_one_clear_error(tmp_path, change, said):
    path = tmp_path / "c.json"
    calibration.write_calibration(calibrate(*people()), path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(FacelabError, match=said) as error:
        calibration.read_calibration(path, FakeEmbedder())
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_no_file_is_told_with_its_remedy(tmp_path):
    with pytest.raises(FacelabError, match="notebook 10"):
        calibration.read_calibration(tmp_path / "none.json", FakeEmbedder())
    for text in ("[1, 2", "[]", "[" * 100_000):
        (tmp_path / "broken.json").write_text(text)
        with pytest.raises(FacelabError, match="not a calibration"):
            calibration.read_calibration(tmp_path / "broken.json", FakeEmbedder())
    with pytest.raises(FacelabError, match="No calibration comes with facelab for my/method.pt.*--calibration"):
        calibration.default_calibration_file("my/method.pt")


def test_the_file_of_the_project_is_of_this_sface_and_says_what_it_rests_on():
    found = project_calibration()
    assert found.embedder == "sface" and found.fingerprint == sface().fingerprint
    assert found.target_fmr >= 10 / found.impostors and found.fmr.value <= found.target_fmr
    assert 0.2 < found.threshold < 0.7 and found.dataset["people"] >= 40 and len(found.dataset["sha256"]) == 64
    assert dataclasses.asdict(found)["shots"] == 5 and Path(calibration.default_calibration_file("sface")).is_file()


def test_photographs_without_a_face_are_counted():
    import pandas as pd

    images = np.stack([photograph(1, 1), np.full((112, 92), 128, np.uint8), photograph(4, 1)])[:, :, :, None]
    table = pd.DataFrame({"file": ["a", "wall", "c"]})
    found = face_set_embeddings.embed_face_set(FaceSet(images, np.array([0, 0, 1]), ("p", "q"), table, "some"), sface())
    assert found.undetected_files == ("wall",) and found.rows.tolist() == [0, 2] and found.embeddings.shape == (2, 128)
    assert np.allclose(np.linalg.norm(found.embeddings, axis=1), 1)
    nothing = face_set_embeddings.embed_face_set(
        FaceSet(images[1:2], np.array([0]), ("p",), table[1:2], "wall"), sface()
    )
    assert nothing.embeddings.shape == (0, 128) and nothing.undetected_files == ("wall",)
