"""VCL's own table: who is asked for what, which labels are seen, a tiny cell of each kind, and what the seeds say together."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from test_noise_robustness import celeba_of_noise, utkface_of_noise
from tiny import TinyBackbone, tiny_faces
from trainings import Spy, equal, of_unknown_people, pictures, short

from facelab.backbones import backbone
from facelab.datasets import load
from facelab.errors import BadParameterError, LeakageError
from facelab.evaluation import Estimate, attribute_metrics, whitened_pca
from facelab.experiments import attributes as lab
from facelab.experiments.analysis.vcl_analysis import attribute_differences, attributes_table
from facelab.experiments.experiment import Cell
from facelab.losses import beta_nt_xent, nt_xent
from facelab.methods import VCL, SimCLR
from facelab.protocols.attributes import AttributeTask, predict_attributes
from facelab.records import Metric, Record

# the protocol


def halves() -> tuple:
    """Photographs of four people, and of four others."""
    faces = tiny_faces(people=8, shots=10)
    return faces.subset(faces.identity < 4), faces.subset(faces.identity >= 4)


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(0)
    return tuple(pd.DataFrame({"a": rng.random(40) < 0.5, "b": rng.random(40) < 0.2}) for _ in range(2))


def test_a_task_has_the_labels_in_the_order_of_the_names():
    (pool, test), (of_pool, of_test) = halves(), tables()
    task = AttributeTask.from_tables(pool, test, of_pool, of_test)
    assert task.names == ("a", "b") and task.pool_labels.dtype == bool
    assert np.array_equal(task.pool_labels, of_pool.to_numpy()) and np.array_equal(task.test_labels, of_test)


def test_what_leaks_or_cannot_be_asked_is_refused():
    (pool, test), (of_pool, of_test) = halves(), tables()
    with pytest.raises(LeakageError, match="people"):
        AttributeTask.from_tables(pool, pool.subset(np.arange(40)), of_pool, of_test)
    unknown = [replace(part, identity=np.full(40, -1), names=()) for part in (pool, test)]
    other_file = pool.attributes.assign(file=[f"other{row}" for row in range(40)])
    with pytest.raises(LeakageError, match="pixel for pixel"):
        AttributeTask.from_tables(unknown[0], replace(unknown[0], attributes=other_file), of_pool, of_test)
    for wrong in (of_test[["b", "a"]], of_test[:-1]):
        with pytest.raises(BadParameterError, match="Give a row for each photograph"):
            AttributeTask.from_tables(pool, test, of_pool, wrong)
    for column in (np.ones(40, dtype=bool), np.arange(40) % 2):
        with pytest.raises(BadParameterError, match="'b' of tiny is .* value"):
            AttributeTask.from_tables(pool, test, of_pool, of_test.assign(b=column))


def test_labels_are_a_share_of_the_photographs_and_more_hold_the_fewer():
    (pool, test), (of_pool, of_test) = halves(), tables()
    task = AttributeTask.from_tables(pool, test, of_pool, of_test)
    rows = {
        (share, draw): task.draw_labeled_rows(share, draw).tolist() for share in (0.01, 0.1, 0.5) for draw in (0, 1)
    }
    assert [len(rows[share, 0]) for share in (0.01, 0.1, 0.5)] == [2, 4, 20]
    assert set(rows[0.01, 0]) < set(rows[0.1, 0]) < set(rows[0.5, 0]) < set(range(40))
    assert rows[0.5, 0] == sorted(rows[0.5, 0]) != rows[0.5, 1]
    for wrong in (0, 1, 10):
        with pytest.raises(BadParameterError, match="not between 0 and 1"):
            task.draw_labeled_rows(wrong, 0)


def test_probes_weigh_both_answers_alike_one_an_attribute():
    rng = np.random.default_rng(0)
    labels = rng.random((300, 2)) < [0.1, 0.5]
    z, test_z = 50 + 5 * rng.normal(size=(300, 4)), 50 + 5 * rng.normal(size=(200, 4))
    z[:, 0] += 6 * labels[:, 0]
    found = predict_attributes(z, labels, test_z, 0.01)
    scale = StandardScaler().fit(z)
    for column in range(2):
        own = labels[:, column]
        weight = np.where(own, 150 / own.sum(), 150 / (~own).sum())  # each answer counts as half of all
        oracle = LogisticRegression(C=0.01).fit(scale.transform(z), own, sample_weight=weight)
        assert np.array_equal(found[:, column], oracle.predict(scale.transform(test_z)))
    assert found.dtype == bool and found[:, 0].mean() > 0.2, "a probe that weighs rows alike says yes to almost nobody"


def test_an_answer_that_all_labelled_photographs_have_is_given_to_all():
    labels = np.array([[0, 1, 0], [0, 1, 1]], dtype=bool)
    found = predict_attributes(np.array([[0.0], [1.0]]), labels, np.array([[0.0], [1.0], [2.0]]), 1.0)
    assert found.tolist() == [[False, True, False], [False, True, True], [False, True, True]]


# what is asked


def test_attributes_of_utkface_are_by_the_table():
    table = pd.DataFrame({"gender": ["male", "female"] * 2, "race": ["White", "Black", "Others", "Asian"]})
    faces = of_unknown_people(table.assign(age=[17, 18, 60, 61]))
    found = lab.utkface_attributes(faces)
    assert found.shape == (4, 10) and {dtype.kind for dtype in found.dtypes} == {"b"}
    assert found["male"].tolist() == [True, False, True, False]
    assert (found[["White", "Black", "Asian", "Indian", "Others"]].sum(axis=1) == 1).all() and found["Asian"][3]
    bands = found.filter(like="aged").to_numpy()
    assert bands.argmax(axis=1).tolist() == [0, 1, 2, 3] and (bands.sum(axis=1) == 1).all()


def test_attributes_of_orl_wild_are_of_the_photograph_and_of_its_rendering():
    faces = load("orl-wild", 16)
    found, table = lab.orl_wild_attributes(faces), faces.attributes
    assert found.shape == (1600, 7) and {dtype.kind for dtype in found.dtypes} == {"b"}
    assert found.groupby(table["photo"])[["glasses", "facial hair", "smile"]].nunique().to_numpy().max() == 1
    covered = found[["sunglasses", "scarf", "hand"]].any(axis=1)
    assert np.array_equal(covered, table["occlusion"] != "none")
    assert (
        table["turn_degrees"].abs()[found["strong turn"]].min()
        > table["turn_degrees"].abs()[~found["strong turn"]].max()
    )


# cells


@pytest.fixture
def small(monkeypatch):
    """The data sets made up or small, a tiny network, one short epoch."""
    given = {"utkface": utkface_of_noise(), "celeba": celeba_of_noise()}
    rng = np.random.default_rng(1)
    races = rng.choice(["White", "Black", "Asian", "Indian", "Others"], 240)
    given["utkface"].attributes["race"] = races
    monkeypatch.setattr(lab, "load", lambda name, size: given[name] if name in given else load(name, 16))
    monkeypatch.setattr(lab, "PLANS", {name: short(plan) for name, plan in lab.PLANS.items()})
    monkeypatch.setattr(lab, "LABELS", (0.1, 0.4))
    monkeypatch.setattr(lab, "backbone", lambda in_channels, **_: TinyBackbone(in_channels))
    lab.load_task.cache_clear()
    yield Spy(monkeypatch, lab)
    lab.load_task.cache_clear()


@pytest.mark.parametrize("dataset", ["utkface", "orl-wild", "celeba"])
def test_a_cell_trains_on_the_pool_and_is_asked_for_the_test(small, dataset):
    task = lab.load_task(dataset)
    figures = lab.run(Cell((dataset, "VGG11-bn", "VCL with beta", 1)))
    (call,) = small.calls
    assert isinstance(call["method"], VCL) and call["method"].beta == 0.005 and "scenes" not in call
    assert call["plan"] == replace(lab.PLANS[dataset], seed=1)
    assert pictures(call["faces"]) == pictures(task.pool) and not pictures(task.pool) & pictures(task.test)
    assert not set(task.pool.people) & set(task.test.people)
    assert set(figures) == {
        f"VCL with beta/{share}/{metric}" for share in (0.1, 0.4) for metric in ("balanced accuracy", "F1", "accuracy")
    }
    assert all(len(values) == len(task.names) and 0 <= min(values) <= max(values) <= 1 for values in figures.values())


def test_of_a_large_set_only_so_many_photographs_are_learned_from(small, monkeypatch):
    monkeypatch.setattr(lab, "FACES", 50)
    assert len(lab.load_task("celeba").pool) == 50


def test_the_random_start_is_the_one_of_the_trainings_and_learns_nothing(small):
    for name in (*lab.CONTENDERS, lab.UNTRAINED):
        lab.run(Cell(("utkface", "ResNet10t", name, 2)))
    assert len(small.calls) == len(lab.CONTENDERS)
    start = lab.build_untrained("utkface", "ResNet10t", lab.UNTRAINED, 2).backbone.state_dict()
    assert all(all(equal(call["before"], start)) for call in small.calls)


def test_without_a_network_there_are_eigenfaces(small):
    task = lab.load_task("orl-wild")
    figures = lab.run(Cell(("orl-wild", lab.NO_NETWORK, lab.BASELINES, 0)))
    assert not small.calls
    embed, rows = whitened_pca(task.pool.images), task.draw_labeled_rows(0.4, 0)
    probed = predict_attributes(
        embed(task.pool.images[rows]), task.pool_labels[rows], embed(task.test.images), lab.STRENGTH
    )
    expected = attribute_metrics(task.test_labels, probed)["balanced accuracy"]
    assert figures[f"{lab.PCA}/0.4/balanced accuracy"] == pytest.approx(expected)


@pytest.mark.parametrize("dataset", ["orl-wild", "utkface"])
def test_a_constant_answer_has_the_interval_of_who_is_asked_and_not_of_the_seeds(small, dataset):
    task, (often, always) = lab.load_task(dataset), lab.CONSTANTS
    found = lab.run(Cell((dataset, lab.NO_NETWORK, lab.CONSTANT_ANSWERS, 0)))
    assert not small.calls and len(found) == 2 * 2 * 3
    for name in lab.CONSTANTS:
        chance = found[f"{name}/0.1/balanced accuracy"]
        assert (chance["value"], chance["low"], chance["high"]) == pytest.approx((0.5, 0.5, 0.5))
    share = task.test_labels.mean(axis=0)
    assert found[f"{always}/0.4/F1"]["value"] == pytest.approx((2 * share / (1 + share)).mean())
    right = np.mean(task.test_labels == (task.pool_labels.mean(axis=0) > 0.5), axis=1)
    accuracy = found[f"{often}/0.1/accuracy"]
    unit = "people" if dataset == "orl-wild" else "photographs"
    of_each = pd.Series(right).groupby(task.test.identity if unit == "people" else np.arange(len(right))).mean()
    # of people with equally many photographs the mean has the normal interval of their means
    half = 1.959964 * of_each.std(ddof=0) / np.sqrt(len(of_each))
    assert accuracy["value"] == pytest.approx(right.mean())
    assert (accuracy["low"], accuracy["high"]) == pytest.approx(
        (right.mean() - half, right.mean() + half), abs=0.3 * half
    )
    assert (accuracy["n"], accuracy["method"]) == (len(of_each), f"bootstrap over {unit}")


def test_the_networks_are_the_papers_narrowed_and_all_have_one_temperature():
    for options in lab.NETWORKS.values():
        network = backbone(in_channels=3, **options)
        assert (network.width, network.num_features) == (16, 128) and network.min_side <= lab.SIZE
    assert [options["name"] for options in lab.NETWORKS.values()] == ["resnet10t", "vgg11_bn"]
    methods = {name: lab.METHODS[kind].method_class for name, (kind, _) in lab.CONTENDERS.items()}
    assert methods == {"SimCLR": SimCLR, "VCL without beta": VCL, "VCL with beta": VCL}
    options = {name: given for name, (_, given) in lab.CONTENDERS.items()}
    without, beta = options["VCL without beta"], options["VCL with beta"]
    assert {name for name in beta if beta[name] != without[name]} == {"beta"} and beta["beta"] == 0.005
    rows = [np.random.default_rng(seed).normal(size=(6, 5)) for seed in (0, 1)]
    z1, z2 = (lab.torch.from_numpy(one) for one in rows)
    same = beta_nt_xent(z1, z2, without["temperature"], 0.0, without["sigma"])
    assert same.item() == pytest.approx(nt_xent(z1, z2, options["SimCLR"]["temperature"]).item())


# over the seeds

VALUES = {"SimCLR": 0.7, "VCL without beta": 0.6, "VCL with beta": 0.64, lab.UNTRAINED: 0.58}
WOBBLE = (0.001, -0.001, 0.002)


def made_results() -> dict:
    """Two attributes about the mean of each row; a level of each seed that cancels in differences."""

    def figures(name: str, value: float, seed: int) -> dict:
        mean = value + 0.02 * seed + (WOBBLE[seed] if name == "VCL with beta" else 0)
        return {f"{name}/{share}/balanced accuracy": [mean - 0.1, mean + 0.1] for share in ("0.01", "0.1")}

    results = {
        ("utkface", network, name, seed): figures(name, value, seed)
        for network in lab.NETWORKS
        for name, value in VALUES.items()
        for seed in range(3)
    }
    for seed in range(3):
        results["utkface", lab.NO_NETWORK, lab.BASELINES, seed] = figures(lab.PCA, 0.75, seed)
    constant = Estimate(0.5, 0.5, 0.5, 40, "bootstrap over photographs", "photographs").as_dict()
    results["utkface", lab.NO_NETWORK, lab.CONSTANT_ANSWERS, 0] = {
        f"{lab.CONSTANTS[0]}/{share}/balanced accuracy": constant for share in ("0.01", "0.1")
    }
    return results


def test_figures_are_means_over_attributes_and_seeds_and_differences_are_within_a_seed():
    metrics = lab.summarise(made_results())
    assert len(metrics) == 2 * (2 * (len(VALUES) + len(lab.DIFFERENCES)) + 2)
    simclr = metrics["utkface/ResNet10t/SimCLR/0.1/balanced accuracy"]
    values = [0.7, 0.72, 0.74]
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert (simclr.value, simclr.low, simclr.high, simclr.n) == pytest.approx((0.72, low, high, 3))
    found = metrics["utkface/VGG11-bn/VCL with beta less VCL without beta/0.01/balanced accuracy"]
    differences = 0.04 + np.array(WOBBLE)
    low, high = stats.t.interval(0.95, 2, differences.mean(), stats.sem(differences))
    assert (found.value, found.low, found.high) == pytest.approx((differences.mean(), low, high))
    assert not any(lab.PCA in name and " less " in name for name in metrics)
    constant = metrics[f"utkface/{lab.NO_NETWORK}/{lab.CONSTANTS[0]}/0.1/balanced accuracy"]
    assert constant == Metric(0.5, 40, 0.5, 0.5, "bootstrap over photographs")


def test_the_record_is_shown_as_a_table_and_as_verdicts():
    record = Record("09_attributes", "none", {}, metrics=lab.summarise(made_results()))
    table = attributes_table(record, "utkface", "balanced accuracy")
    assert list(table) == ["1%", "10%"] and len(table) == 2 * len(VALUES) + 2
    assert table.index[-2:].tolist() == [(lab.NO_NETWORK, lab.PCA), (lab.NO_NETWORK, lab.CONSTANTS[0])]
    assert table.loc[("VGG11-bn", "SimCLR"), "10%"].startswith("72.0 [67.0, ")
    pair = ("VCL with beta", "VCL without beta")
    found = attribute_differences(record, *pair, "balanced accuracy")
    assert {name: len(rows) for name, rows in found.items()} == {"above": 4, "below": 0, "not certain": 0}
    assert found["above"][0].startswith("utkface, ResNet10t, 1%: +4.1 [+3.7, +4.4]")
    key = f"utkface/ResNet10t/{pair[0]} less {pair[1]}/0.1/balanced accuracy"
    record.metrics[key] = Metric(0.01, 3, -0.01, 0.03, "t over seeds")
    assert [row[:25] for row in attribute_differences(record, *pair, "balanced accuracy")["not certain"]] == [
        "utkface, ResNet10t, 10%: "
    ]
    below = attribute_differences(record, "VCL with beta", "SimCLR", "balanced accuracy")
    assert len(below["below"]) == 4
    for wrong in (("lfw", "balanced accuracy"), ("utkface", "EER")):
        with pytest.raises(BadParameterError, match="09_attributes has no"):
            attributes_table(record, *wrong)
    with pytest.raises(BadParameterError, match="no 'balanced accuracy' of 'SimCLR' less 'VCL'"):
        attribute_differences(record, "SimCLR", "VCL", "balanced accuracy")


def test_the_grid_holds_every_row_of_the_table_once_a_seed():
    own, celeba = lab.EXPERIMENTS
    cells = own.grid(3)
    assert len(cells) == 3 * 2 * (2 * 4 + 1) + 2 and len(celeba.grid(3)) == 28  # constant answers once a data set
    trained = [cell for cell in cells if cell.key[2] in lab.CONTENDERS]
    assert len(trained) == 36 and all({"network", "plan", "contender"} <= set(cell.settings) for cell in trained)
    assert own.parameters(3)["plans"].keys() == {"utkface", "orl-wild"}


def test_the_record_names_the_share_of_each_attribute(small):
    found = lab.EXPERIMENTS[0].data()
    assert set(found) == {"utkface, pool", "utkface, test", "orl-wild, pool", "orl-wild, test"}
    task = lab.load_task("orl-wild")
    assert found["orl-wild, test"]["sha256"] == task.test.sha256
    assert found["orl-wild, test"]["attributes"]["scarf"] == pytest.approx(task.test_labels[:, 4].mean(), abs=1e-4)
