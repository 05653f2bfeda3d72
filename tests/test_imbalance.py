"""Trainings with uneven groups: who is in which part, what is measured, what mitigations do, what the seeds say together."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import tiny_faces
from trainings import OneProcess, Spy, own_results

from facelab import records
from facelab.augment import PLAIN
from facelab.datasets import FaceSet
from facelab.errors import BadParameterError, LeakageError
from facelab.evaluation import over_seeds
from facelab.labs import imbalance, kept
from facelab.labs.imbalance import SHARES, Design, measured, trained
from facelab.labs.imbalance_parts import COPIES, Parts, copies_of, people_as_classes, photographs_as_classes
from facelab.labs.imbalance_summary import series, summary
from facelab.training import Plan

PLAN = Plan(epochs=1, batch_size=8, warmup_epochs=0.5)
SERIES = [{"f": 0.2, "m": 0.8}, {"f": 0.5, "m": 0.5}, {"f": 0.8, "m": 0.2}]


def photographs(count: int = 60) -> FaceSet:
    """Noise of unknown people, half of each group, of any age."""
    rng = np.random.default_rng(0)
    faces = tiny_faces(people=count, shots=1)
    faces = replace(faces, images=rng.integers(0, 256, (count, 16, 16, 1), dtype=np.uint8), identity=np.full(count, -1))
    table = faces.attributes.assign(g=np.where(np.arange(count) % 2, "m", "f"), age=rng.integers(0, 90, count))
    return replace(faces, attributes=table)


def people(count: int = 20) -> FaceSet:
    """Noise of known people, half of each group: five photographs in two renderings each."""
    rng = np.random.default_rng(0)
    faces = tiny_faces(people=count, shots=10)
    faces = replace(faces, images=rng.integers(0, 256, faces.images.shape, dtype=np.uint8))
    table = faces.attributes.assign(g=np.where(faces.identity % 2, "m", "f"), photo=np.arange(len(faces)) // 2)
    return replace(faces, attributes=table)


def files(faces: FaceSet) -> set[str]:
    return {file.split("#")[0] for file in faces.attributes["file"]}


@pytest.mark.parametrize("shares", SERIES)
def test_photographs_are_drawn_by_their_shares_and_strangers_are_drawn_never(shares):
    faces = photographs()
    parts = photographs_as_classes(faces, "g", SERIES, shares, total=10, strangers=5, seed=3)
    group = parts.group_of_class()
    assert (group == "f").sum() == 10 * shares["f"] and len(group) == 10
    assert len(parts.train) == 10 * COPIES and np.bincount(parts.train.labels()).tolist() == [COPIES] * 10
    clean, copy = parts.seen.values()
    assert files(clean) == files(copy) == files(parts.train) and len(clean) == len(copy) == 10
    for part in (clean, copy):  # the classes are those of the training
        of_file = dict(zip(parts.train.attributes["file"].str.split("#").str[0], parts.train.identity, strict=True))
        assert [of_file[file.split("#")[0]] for file in part.attributes["file"]] == part.identity.tolist()
    every = [photographs_as_classes(faces, "g", SERIES, one, 10, 5, seed=3) for one in SERIES]
    for other in every:  # all shares meet the same strangers, whom none has drawn
        assert files(other.unseen) == files(parts.unseen) and files(other.calibration) == files(parts.calibration)
        assert not files(other.train) & (files(parts.unseen) | files(parts.calibration))
    assert not files(parts.unseen) & files(parts.calibration)
    for half in (parts.unseen, parts.calibration):
        assert half.attributes["g"].value_counts().to_dict() == {"f": 5, "m": 5}


def test_a_clean_photograph_is_in_no_training_and_copies_are_no_two_alike():
    faces = photographs()
    parts = photographs_as_classes(faces, "g", SERIES, SERIES[1], 10, 5, seed=0)
    hashes = [image.tobytes() for image in parts.train.images]
    assert len(set(hashes)) == len(hashes)
    for part in parts.seen.values():
        assert not {image.tobytes() for image in part.images} & set(hashes)
    np.testing.assert_array_equal(copies_of(faces, 2, np.random.default_rng(5)).identity, np.repeat(faces.identity, 2))
    assert abs(parts.train.images.mean() - parts.seen["clean"].images.mean()) < 10


def test_a_copy_among_the_strangers_is_found():
    faces = photographs()
    faces.images[:] = faces.images[0]
    with pytest.raises(LeakageError):
        photographs_as_classes(faces, "g", SERIES, SERIES[1], 10, 5, seed=0)


def test_people_are_drawn_whole_and_their_photographs_are_divided():
    faces = people()
    parts = people_as_classes(faces, "g", SERIES, SERIES[0], total=10, seed=1)
    assert sorted(parts.group_of_class()) == ["f"] * 2 + ["m"] * 8
    (test,) = parts.seen.values()
    assert set(test.identity) == set(parts.train.identity)
    assert np.bincount(parts.train.labels()).tolist() == [6] * 10  # three of five photographs, two renderings of each
    assert not set(test.attributes["photo"]) & set(parts.train.attributes["photo"])
    strangers = [set(half.identity) for half in (parts.calibration, parts.unseen)]
    assert not strangers[0] & strangers[1] and not (strangers[0] | strangers[1]) & set(parts.train.identity)
    other = people_as_classes(faces, "g", SERIES, SERIES[2], total=10, seed=1)
    assert set(other.unseen.identity) == strangers[1]


def test_too_few_strangers_are_refused():
    with pytest.raises(BadParameterError, match="strangers of g 'f', 50 are asked for"):
        photographs_as_classes(photographs(), "g", SERIES, SERIES[0], 10, 25, seed=0)
    with pytest.raises(BadParameterError, match="people of g 'f' are left"):
        people_as_classes(people(18), "g", SERIES, SERIES[0], 10, seed=0)


# What is measured


def beliefs(parts: Parts, sure: dict[int, float]):
    """Everybody is taken for class 0; how surely, by the mean of the picture's first pixel: a table."""

    def predict(faces: FaceSet) -> np.ndarray:
        top = np.array([sure[int(image[0, 0, 0])] for image in faces.images])
        classes = len(parts.train.people)
        return np.column_stack([top, np.repeat(((1 - top) / (classes - 1))[:, None], classes - 1, axis=1)])

    return predict


def test_figures_are_counted_by_group_and_the_threshold_comes_from_other_strangers():
    parts = photographs_as_classes(photographs(), "g", SERIES, SERIES[1], 10, 5, seed=0)
    for faces in (parts.calibration, parts.unseen, *parts.seen.values()):
        faces.images[:, 0, 0, 0] = 0
    parts.calibration.images[:4, 0, 0, 0] = 1  # four of ten at .95
    female = (parts.unseen.attributes["g"] == "f").to_numpy()
    parts.unseen.images[np.flatnonzero(female)[:2], 0, 0, 0] = 2  # two of five women at .99
    figures = measured(parts, beliefs(parts, {0: 0.5, 1: 0.95, 2: 0.99}), false_alarms=0.1)
    assert figures["false alarms/softmax .9/f"] == 0.4 and figures["false alarms/softmax .9/m"] == 0
    assert figures["false alarms/calibrated/f"] == 0.4  # above .95
    assert figures["confidence/strangers/f"] == pytest.approx((2 * 0.99 + 3 * 0.5) / 5)
    assert figures["confidence/seen/all"] == pytest.approx(0.5)
    assert figures["accuracy/clean/all"] == pytest.approx(0.1)  # class 0 alone is right
    assert figures["found/softmax .9/all"] == 0


def test_one_age_for_all_is_the_mean_over_shared_bands():
    parts = photographs_as_classes(photographs(), "g", SERIES, SERIES[1], 10, 5, seed=0)
    clean = parts.seen["clean"]
    order = np.argsort(clean.attributes["g"].to_numpy(), kind="stable")
    age = np.empty(10, dtype=int)
    age[order] = [
        5,
        5,
        30,
        30,
        70,
        5,
        30,
        30,
        30,
        50,
    ]  # f: two children, two adults, one of 70; m: one, three, and one of 50
    right = np.zeros(10, dtype=bool)
    right[order] = [1, 0, 1, 1, 1, 1, 0, 0, 1, 1]
    table = clean.attributes.assign(age=age)
    figures: dict[str, float] = {}
    imbalance._by_age(figures, right, replace(clean, attributes=table), "g")
    # of ten, three are in the band 0 to 17 and five in 18 to 35; the other bands have one group only
    children, adults = 3 / 10, 5 / 10
    expected = {"f": (0.5 * children + 1.0 * adults), "m": (1.0 * children + 1 / 3 * adults)}
    for group, value in expected.items():
        assert figures[f"accuracy, one age for all/{group}"] == pytest.approx(value / (children + adults))
    assert figures["accuracy by age/18 to 35/m"] == pytest.approx(1 / 3)
    assert "accuracy by age/36 to 60/m" not in figures


# Mitigations


@pytest.fixture
def uneven():
    parts = photographs_as_classes(photographs(), "g", SERIES, SERIES[0], 10, 5, seed=0)
    return parts, Design("tiny", "g", "f", ("m",), 10, False, PLAN, PLAIN, strangers=5)


def test_each_mitigation_does_what_it_says(uneven, monkeypatch):
    parts, chosen = uneven
    spy, group = Spy(monkeypatch, imbalance, trains=False), parts.group_of_class()
    female = group == "f"
    plain = trained(parts, chosen, seed=0)
    assert (plain.head.importance == 1).all() and (plain.head.margins == 0.2).all()
    weighted = trained(parts, chosen, 0, mitigation="re-weighting").head.importance.numpy()
    assert weighted[female].sum() == pytest.approx(weighted[~female].sum()) and weighted.sum() == pytest.approx(10)
    margins = trained(parts, chosen, 0, mitigation="margin by group").head.margins.numpy()
    assert margins[~female] == pytest.approx(0.2) and margins[female] == pytest.approx(0.2 + 0.15 * 0.75)
    trained(parts, chosen, 0, mitigation="balanced sampling")
    drawn = [call["faces"].attributes["g"].value_counts().to_dict() for call in spy.calls]
    assert drawn == [{"m": 8 * COPIES, "f": 2 * COPIES}] * 3 + [{"m": 8 * COPIES, "f": 8 * COPIES}]
    steps = [call["plan"].epochs * (len(call["faces"]) // 8) for call in spy.calls]
    assert max(steps) - min(steps) <= max(len(call["faces"]) // 8 for call in spy.calls) / 2  # a whole number of epochs
    repeated = spy.calls[-1]
    for label in np.unique(repeated["labels"]):
        assert len(set(repeated["faces"].attributes["file"][repeated["labels"] == label])) == COPIES


def test_a_mitigation_that_is_none_is_refused(uneven):
    parts, chosen = uneven
    with pytest.raises(BadParameterError, match="'prayer'"):
        trained(parts, chosen, 0, mitigation="prayer")
    with pytest.raises(BadParameterError, match="'margin by group' with ring"):
        trained(parts, chosen, 0, loss="ring", mitigation="margin by group")
    with pytest.raises(BadParameterError, match="no experiment 'utkface'"):
        imbalance.design("utkface")


# What seeds say together


def made_up(seeds: int = 4) -> dict:
    """Women gain .03 for ten points, men lose .01, seeds differ; re-weighting gives women .1 and costs men .02."""
    found = {}
    for seed in range(seeds):
        for share in SHARES:
            women, men = 0.5 + 0.3 * share + 0.01 * seed, 0.9 - 0.1 * share + 0.01 * seed
            found[share, seed, "none"] = {"accuracy/clean/f": women, "accuracy/clean/m": men, "other": 1.0 * seed}
            if share in (0.1, 0.9):
                values = {"accuracy/clean/f": women + 0.1, "accuracy/clean/m": men - 0.02, "other": 0.0}
                found[share, seed, "re-weighting"] = values
    return found


def test_slopes_gaps_and_costs_are_those_that_were_put_in():
    metrics = summary(made_up(), ("f", "m"))
    assert metrics["slope/accuracy/clean/f"].value == pytest.approx(0.03)
    assert metrics["slope/accuracy/clean/m"].value == pytest.approx(-0.01)
    assert metrics["slope/accuracy/clean/f"].low == pytest.approx(0.03)  # within each seed the line is exact
    assert metrics["end to end/accuracy/clean/f"].value == pytest.approx(0.24)
    assert metrics["gap/0.5/accuracy/clean"].value == pytest.approx(0.65 - 0.85)
    assert metrics["gap/re-weighting/0.1/accuracy/clean"].value == pytest.approx(0.53 - 0.89 + 0.12)
    assert metrics["cost/re-weighting/0.9/accuracy/clean/m"].value == pytest.approx(-0.02)
    expected = over_seeds([0.5 + 0.3 * 0.2 + 0.01 * seed for seed in range(4)])
    found = metrics["0.2/accuracy/clean/f"]
    assert (found.value, found.low, found.high, found.n) == pytest.approx(
        (expected.value, expected.low, expected.high, 4)
    )
    record = records.Record("made up", "none", {}, metrics=metrics)
    table = series(record, "accuracy/clean/f")
    assert table["share"].tolist() == list(SHARES) and table["value"].iloc[-1] == pytest.approx(0.785)
    with pytest.raises(BadParameterError, match="no figure 'accuracy/dirty/f'"):
        series(record, "accuracy/dirty/f")


def test_what_is_done_is_kept_and_only_the_rest_is_computed(monkeypatch, tmp_path):
    small = Design("tiny", "g", "f", ("m",), 10, False, PLAN, PLAIN, strangers=5)
    monkeypatch.setattr(imbalance, "DESIGNS", {"tiny": small})
    monkeypatch.setattr(Design, "prepared", lambda self: photographs())
    monkeypatch.setattr(kept, "runs_root", lambda: tmp_path / "runs")
    monkeypatch.setattr(kept, "ProcessPoolExecutor", OneProcess)
    own_results(monkeypatch, imbalance, tmp_path)
    spy = Spy(monkeypatch, imbalance, trains=False)
    imbalance.main("tiny", seeds=3)
    assert len(spy.calls) == 3 * (9 + 2 * 3)
    record = records.read(tmp_path / "results" / "08_tiny.json")
    assert record.metrics["0.5/accuracy/clean/all"].n == 3
    written = sorted((tmp_path / "runs").rglob("*.json"))
    written[0].unlink()
    imbalance.main("tiny", seeds=3)
    assert len(spy.calls) == 45 + 1
    again = records.read(tmp_path / "results" / "08_tiny.json")
    assert again.metrics == record.metrics


def test_glasses_are_a_matter_of_most_photographs():
    faces = people(4)
    worn = np.array([10, 8, 5, 2])[faces.identity] > np.tile(np.arange(10), 4)
    table = faces.attributes.assign(glasses=worn.astype(int))
    found = imbalance._glasses(replace(faces, attributes=table))
    by_person = found.attributes["wears glasses"].groupby(found.identity).first().to_dict()
    assert by_person == {0: "yes", 1: "yes", 3: "no"}
