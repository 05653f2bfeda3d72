"""Trainings with uneven groups: who is in which part, what is measured, what mitigations do, what the seeds say together."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import linregress
from tiny import tiny_faces
from trainings import Spy, compute

from facelab import records
from facelab.augment import PLAIN
from facelab.datasets import FaceSet
from facelab.errors import BadParameterError, LeakageError
from facelab.evaluation import eer, mean_over_seeds, roc
from facelab.experiments.experiment import Cell
from facelab.experiments.imbalance import designs, tables
from facelab.experiments.imbalance import runs as imbalance
from facelab.experiments.imbalance.figures import (
    accuracy_by_age,
    accuracy_with_equal_rivals,
    measure,
    verification_by_group,
)
from facelab.experiments.imbalance.parts import COPIES, Parts, augment_copies, people_as_classes, photographs_as_classes
from facelab.experiments.imbalance.runs import MITIGATIONS, SHARES, Design, balanced_epoch, new_training
from facelab.experiments.imbalance.summary import own_share, summarise
from facelab.training import Plan, side_by_side

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
    group = parts.class_groups()
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
    np.testing.assert_array_equal(
        augment_copies(faces, 2, np.random.default_rng(5)).identity, np.repeat(faces.identity, 2)
    )
    assert abs(parts.train.images.mean() - parts.seen["clean"].images.mean()) < 10


def test_photographs_with_copies_are_refused_whether_pixels_or_the_table_tell():
    faces = photographs()
    told = replace(faces, attributes=faces.attributes.assign(duplicate_group=[3.0, 3.0] + [np.nan] * 58))
    with pytest.raises(LeakageError, match="holds 1 pictures more than once"):
        photographs_as_classes(told, "g", SERIES, SERIES[1], 10, 5, seed=0)
    faces.images[7] = faces.images[40]
    with pytest.raises(LeakageError, match="holds 1 pictures more than once"):
        photographs_as_classes(faces, "g", SERIES, SERIES[1], 10, 5, seed=0)


def test_one_of_each_set_of_copies_is_left_and_none_whose_copies_disagree():
    faces = photographs(8)
    group = [1.0, 1.0, 2.0, 2.0, np.nan, np.nan, np.nan, np.nan]
    conflict = [np.nan, np.nan, "age", "age", np.nan, np.nan, np.nan, np.nan]
    table = faces.attributes.assign(duplicate_group=group, duplicate_label_conflict=conflict, gender="male", race="x")
    table.loc[5, "gender"] = None
    faces.images[7] = faces.images[6]
    left = designs.drop_copies(replace(faces, attributes=table))
    assert left.attributes["file"].tolist() == faces.attributes["file"][[0, 4, 6]].tolist()


def test_people_are_drawn_whole_and_their_photographs_are_divided():
    faces = people()
    parts = people_as_classes(faces, "g", SERIES, SERIES[0], total=10, seed=1)
    assert sorted(parts.class_groups()) == ["f"] * 2 + ["m"] * 8
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
    figures = measure(parts, beliefs(parts, {0: 0.5, 1: 0.95, 2: 0.99}), false_alarms=0.1)
    assert figures["false alarms/softmax .9/f"] == 0.4 and figures["false alarms/softmax .9/m"] == 0
    assert figures["false alarms/calibrated/f"] == 0.4  # above .95
    assert figures["confidence/strangers/f"] == pytest.approx((2 * 0.99 + 3 * 0.5) / 5)
    assert figures["confidence/clean/all"] == pytest.approx(0.5)
    assert figures["accuracy/clean/all"] == pytest.approx(0.1)  # class 0 alone is right
    assert figures["found/softmax .9/all"] == 0


def test_one_age_for_all_is_the_mean_over_shared_bands():
    faces = photographs(10)
    order = np.argsort(faces.attributes["g"].to_numpy(), kind="stable")  # five of f, then five of m
    age, right = np.empty(10, dtype=int), np.zeros(10, dtype=bool)
    age[order] = [
        17,
        5,
        18,
        30,
        61,
        0,
        30,
        35,
        30,
        50,
    ]  # f: two children, two adults, one of 61; m: one, three, one of 50
    right[order] = [1, 0, 1, 1, 1, 1, 0, 0, 1, 1]
    standard = np.array([3] * 6 + [25] * 2 + [40] * 1 + [99] * 1)
    figures = accuracy_by_age(right, replace(faces, attributes=faces.attributes.assign(age=age)), "g", standard)
    expected = {
        "f": (0.5 * 0.6 + 1.0 * 0.2) / 0.8,
        "m": (1.0 * 0.6 + 1 / 3 * 0.2) / 0.8,
    }  # of children and adults alone
    for group, value in expected.items():
        assert figures[f"accuracy, one age for all/{group}"] == pytest.approx(value)
    assert figures["ages compared"] == pytest.approx(0.8)
    assert figures["accuracy by age/18 to 35/m"] == pytest.approx(1 / 3)
    assert figures["accuracy by age/61 and more/f"] == 1 and "accuracy by age/61 and more/m" not in figures


@pytest.mark.parametrize(("shares", "rivals"), [(SERIES[0], 2), (SERIES[1], 2), (SERIES[1], 3), (SERIES[1], 5)])
def test_equal_rivals_are_the_mean_over_all_draws_of_them(shares, rivals):
    parts = photographs_as_classes(photographs(), "g", SERIES, shares, 10, 5, seed=0)
    believed = np.random.default_rng(1).dirichlet(np.ones(10), 10).round(1)  # some are equal, which counts against
    group = parts.class_groups()
    found = accuracy_with_equal_rivals(parts, lambda faces: believed, rivals)
    for value in ("f", "m"):
        own, of_rows = np.flatnonzero(group == value), []
        for label in own:
            draws = combinations(own[own != label], rivals - 1)
            of_rows.append(np.mean([believed[label, label] > believed[label, list(draw)].max() for draw in draws]))
        for test in ("clean", "one more copy"):
            assert found[f"accuracy, equal rivals/{test}/{value}"] == pytest.approx(np.mean(of_rows))


def test_strangers_are_verified_by_pairs_of_their_group_and_with_others():
    faces = people(24)
    own, kin = faces.images[np.repeat(np.arange(24) * 10, 10)], faces.images[faces.identity % 2]
    faces = replace(faces, images=faces.images // 2 + own // 6 + kin // 6)  # people of a group resemble each other
    parts = people_as_classes(faces, "g", SERIES, SERIES[0], total=10, seed=1)

    def embed(some: FaceSet) -> np.ndarray:
        z = some.images.reshape(len(some), -1).astype(float)
        return (z - z.mean(axis=1, keepdims=True)).astype(np.float32)

    figures = verification_by_group(parts, embed)
    strangers = faces.select_people([*parts.calibration.people, *parts.unseen.people])
    z = embed(strangers)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    who, photo = strangers.identity, strangers.attributes["photo"].to_numpy()
    for group in ("f", "m"):
        found, same = [], []
        for a, b in combinations(range(len(strangers)), 2):
            if photo[a] != photo[b] and group in (strangers.attributes["g"][a], strangers.attributes["g"][b]):
                found.append(z[a] @ z[b])
                same.append(who[a] == who[b])
        expected = eer(roc(np.array(found), np.array(same)))
        assert figures[f"eer/{group}"] == pytest.approx(expected, abs=1e-3) and 0.02 < expected < 0.48
    assert set(figures) == {"eer/all", "eer/f", "eer/m"}


# Mitigations


@pytest.fixture
def uneven():
    parts = photographs_as_classes(photographs(), "g", SERIES, SERIES[0], 10, 5, seed=0)
    return parts, Design("tiny", "g", "f", ("m",), 10, False, PLAN, PLAIN, strangers=5)


def test_each_mitigation_does_what_it_says(uneven):
    parts, chosen = uneven
    female = parts.class_groups() == "f"
    of = {how: new_training(parts, chosen, 0, mitigation=how) for how in MITIGATIONS}
    plain = of["none"].method.head
    assert (plain.importance == 1).all() and (plain.margins == 0.2).all()
    weighted = of["re-weighting"].method.head.importance.numpy()
    assert weighted[female].sum() == pytest.approx(weighted[~female].sum()) and weighted.sum() == pytest.approx(10)
    margins = of["margin by group"].method.head.margins.numpy()
    assert margins[~female] == pytest.approx(0.2) and margins[female] == pytest.approx(0.2 + 0.15 * 0.75)
    drawn = {how: one.faces.attributes["g"].value_counts().to_dict() for how, one in of.items()}
    as_it_is, equal = ({"m": m * COPIES, "f": f * COPIES} for m, f in ((8, 2), (5, 5)))
    assert drawn == dict.fromkeys(MITIGATIONS, as_it_is) | {"balanced sampling": equal}
    repeated = of["balanced sampling"]
    copies = repeated.faces.attributes["file"].str.split("#").str[0]
    names = parts.train.attributes["file"].str.split("#").str[0]
    of_file = dict(zip(names, parts.train.labels(), strict=True))
    assert [of_file[name] for name in copies] == repeated.labels.tolist()


@pytest.mark.parametrize(("epochs", "batch"), [(1, 8), (5, 64), (3, 7)])
def test_balanced_sampling_takes_as_many_steps_with_equal_groups(epochs, batch):
    group = np.repeat([0, 1, 2], [300, 100, 10])
    plan = Plan(epochs=epochs, batch_size=batch, warmup_epochs=0.5, seed=4)
    rows, longer = balanced_epoch(group, plan)
    assert longer.epochs * (len(rows) // batch) == epochs * (len(group) // batch) and len(rows) % batch == 0
    assert longer.warmup_epochs * len(rows) == pytest.approx(0.5 * (len(group) // batch) * batch)
    size = np.bincount(group[rows])
    assert size.max() - size.min() <= 1
    for g in range(3):
        often = np.bincount(rows, minlength=len(group))[group == g]
        assert often.max() - often.min() <= 1


def test_a_mitigation_that_is_none_is_refused(uneven):
    parts, chosen = uneven
    with pytest.raises(BadParameterError, match="'prayer'"):
        new_training(parts, chosen, 0, mitigation="prayer")
    with pytest.raises(BadParameterError, match="'margin by group' with ring"):
        new_training(parts, chosen, 0, loss="ring", mitigation="margin by group")
    with pytest.raises(BadParameterError, match="no experiment 'utkface'"):
        designs.get_design("utkface")


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
    metrics = summarise(made_up(), ("f", "m"))
    assert metrics["slope/accuracy/clean/f"].value == pytest.approx(0.03)
    assert metrics["slope/accuracy/clean/m"].value == pytest.approx(0.01)  # men gain by more men
    assert metrics["slope/accuracy/clean/f"].low == pytest.approx(0.03)  # within each seed the line is exact
    assert metrics["slope/gap/accuracy/clean"].value == pytest.approx(0.04)
    assert metrics["end to end/accuracy/clean/f"].value == pytest.approx(0.24)
    assert metrics["end to end/accuracy/clean/m"].value == pytest.approx(0.08)
    assert metrics["gap/0.5/accuracy/clean"].value == pytest.approx(0.65 - 0.85)
    assert metrics["gap/re-weighting/0.1/accuracy/clean"].value == pytest.approx(0.53 - 0.89 + 0.12)
    assert metrics["cost/re-weighting/0.9/accuracy/clean/m"].value == pytest.approx(-0.02)
    assert metrics["cost/re-weighting/0.9/gap/accuracy/clean"].value == pytest.approx(0.12)
    expected = mean_over_seeds([0.5 + 0.3 * 0.2 + 0.01 * seed for seed in range(4)])
    found = metrics["0.2/accuracy/clean/f"]
    assert (found.value, found.low, found.high, found.n) == pytest.approx(
        (expected.value, expected.low, expected.high, 4)
    )


def test_slopes_of_noise_are_those_of_regressions_over_each_groups_own_share():
    rng, groups = np.random.default_rng(0), ("w", "a", "b", "c")
    found = {(share, seed, "none"): {f"x/{g}": rng.random() for g in groups} for seed in range(3) for share in SHARES}
    metrics = summarise(found, groups)
    for group in groups:
        own = np.array(SHARES) if group == "w" else (1 - np.array(SHARES)) / 3
        np.testing.assert_allclose(own_share(np.array(SHARES), group, groups), own)
        lines = [linregress(own, [found[s, seed, "none"][f"x/{group}"] for s in SHARES]).slope for seed in range(3)]
        expected = mean_over_seeds([line / 10 for line in lines])
        metric = metrics[f"slope/x/{group}"]
        assert (metric.value, metric.low, metric.high) == pytest.approx((expected.value, expected.low, expected.high))


def test_a_figure_that_one_run_has_not_is_left_out_where_it_is_needed():
    found = made_up()
    del found[0.1, 0, "none"]["other"]
    metrics = summarise(found, ("f", "m"))
    assert "0.2/other" in metrics and not {"0.1/other", "slope/other", "end to end/other"} & set(metrics)
    assert "cost/re-weighting/0.9/other" in metrics and "cost/re-weighting/0.1/other" not in metrics


# Tables


@pytest.fixture
def record(tmp_path):
    given = {"varied": "f", "others": ["m"]}
    found = records.Record("made up", "none", given, metrics=summarise(made_up(), ("f", "m")))
    return records.read_record(found.write(tmp_path / "made_up.json"))


def test_tables_read_what_was_summed_up(record):
    table = tables.metric_by_share(record, "accuracy/clean/f")
    assert table["share"].tolist() == list(SHARES) and table["value"].iloc[-1] == pytest.approx(0.785)
    gaps = tables.gap_by_share(record, "accuracy/clean")
    assert gaps["value"].tolist() == pytest.approx([0.4 * share - 0.4 for share in SHARES])
    men = tables.trend(record, "m")
    assert men["share"].tolist() == pytest.approx(list(SHARES))  # of men, rising
    assert men["line"].tolist() == pytest.approx(men["value"].tolist())  # what was put in is a line
    assert men["value"].iloc[-1] == pytest.approx(0.905)
    slopes = tables.slopes(record)
    assert slopes.index.tolist() == ["f", "m", "gap"] and slopes["value"].tolist() == pytest.approx([0.03, 0.01, 0.04])
    helped = tables.mitigations(record).set_index(["share", "mitigation", "group"])
    row = helped.loc[0.1, "re-weighting", "f"]
    assert row["value"] == pytest.approx(0.645) and row["change"] == pytest.approx(0.1)
    assert helped.loc[(0.9, "re-weighting", "gap"), "change"] == pytest.approx(0.12)
    assert helped.loc[(0.9, "none", "m"), "value"] == pytest.approx(0.825)
    assert pd.isna(helped.loc[(0.9, "none", "m"), "change"])


def test_changes_say_whether_a_group_is_the_smaller_one(record):
    table = tables.mitigation_effects(record).set_index(["share", "mitigation", "group"])
    assert table.loc[(0.1, "re-weighting", "f"), "who"] == "smaller group"
    assert table.loc[(0.1, "re-weighting", "m"), "who"] == "larger group"
    assert table.loc[(0.9, "re-weighting", "m"), "who"] == "smaller group"
    assert table.loc[(0.1, "re-weighting", "f"), "value"] == pytest.approx(0.1)
    assert not {"none"} & set(table.index.get_level_values("mitigation"))


def test_tables_refuse_what_a_record_has_not(record):
    for ask in (tables.metric_by_share, tables.gap_by_share, tables.slopes, tables.mitigations):
        with pytest.raises(BadParameterError, match=r"made up has no .*dirty"):
            ask(record, "accuracy/dirty")
    del record.parameters["varied"]
    with pytest.raises(BadParameterError, match="does not say which groups"):
        tables.trend(record, "m")
    assert len(tables.trend(record, "m", groups=("f", "m"))) == len(SHARES)


@pytest.fixture
def small(monkeypatch):
    """A design on made-up photographs, in place of all others."""
    design = Design("tiny", "g", "f", ("m",), 10, False, PLAN, PLAIN, strangers=5)
    monkeypatch.setattr(designs, "DESIGNS", {"tiny": design})
    monkeypatch.setattr(imbalance, "load_photographs", lambda name: photographs())
    return imbalance._experiment("tiny", "nothing", seeds=3)


def test_every_share_has_a_training_and_the_ends_have_all_mitigations(small, monkeypatch):
    spy = Spy(monkeypatch, side_by_side, trains=False)
    metrics = small.summarise(compute(small, 3))
    assert len(spy.calls) == 3 * (9 + 2 * 3)
    assert metrics["0.5/accuracy/clean/all"].n == 3
    assert (
        "cost/margin by group/0.9/accuracy/clean/f" in metrics and "gap/balanced sampling/0.1/accuracy/clean" in metrics
    )
    assert small.data() == {"faces": photographs().describe()}
    given = small.parameters(3)
    assert (given["class"], given["copies"], given["seeds"]) == ("a photograph, not a person", COPIES, 3)


def test_one_cell_trains_on_its_share_by_its_mitigation(small, monkeypatch):
    spy, asked = Spy(monkeypatch, side_by_side, trains=False), small.grid(3)
    cell = next(cell for cell in asked if cell.label == "tiny/0.9/re-weighting/2")
    figures = imbalance.run(cell)
    (call,) = spy.calls
    assert call["plan"].seed == 2 and (call["method"].head.importance != 1).any()
    assert call["faces"].attributes["g"].value_counts().to_dict() == {"f": 9 * COPIES, "m": COPIES}
    assert imbalance.run(cell) == figures and "accuracy/clean/f" in figures


def test_a_loss_without_margins_has_no_margin_by_group(small, monkeypatch):
    ring = imbalance._experiment("tiny", "nothing", seeds=3, loss="ring")
    assert ring.name == "08_tiny_ring" and not any("margin" in cell.label for cell in ring.grid(3))
    spy = Spy(monkeypatch, side_by_side, trains=False)
    imbalance.run(ring.grid(3)[0])
    assert spy.calls[0]["method"].loss == "ring"


@pytest.mark.parametrize(("name", "value"), [("COPIES", 3), ("EXTRA_MARGIN", 0.3), ("SOFTMAX_THRESHOLD", 0.5)])
def test_what_decides_a_cell_is_in_its_settings(small, monkeypatch, name, value):
    before = small.grid(3)
    monkeypatch.setattr(imbalance, name, value)
    assert not any(one.settings == other.settings for one, other in zip(before, small.grid(3), strict=True))


def test_people_as_classes_are_verified_too(monkeypatch):
    design = Design("tiny", "g", "f", ("m",), 10, True, PLAN, PLAIN, false_alarms=0.1)
    monkeypatch.setattr(designs, "DESIGNS", {"tiny": design})
    monkeypatch.setattr(imbalance, "load_photographs", lambda name: people(40))
    Spy(monkeypatch, side_by_side, trains=False)
    figures = imbalance.run(Cell(("tiny", 0.5, "none", 0), {"loss": "cosface"}))
    assert {"eer/f", "eer/m", "accuracy/other photographs/all"} <= set(figures)
    assert imbalance.parameters("tiny", "cosface", 3)["class"] == "a person"


def test_glasses_are_a_matter_of_most_photographs():
    faces = people(4)
    worn = np.array([10, 8, 5, 2])[faces.identity] > np.tile(np.arange(10), 4)
    table = faces.attributes.assign(glasses=worn.astype(int))
    found = designs.label_glasses(replace(faces, attributes=table))
    by_person = found.attributes["wears glasses"].groupby(found.identity).first().to_dict()
    assert by_person == {0: "yes", 1: "yes", 3: "no"}
