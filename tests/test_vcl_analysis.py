"""What notebook 09 asks of a variational head and of its record: each figure against one that is known."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from tiny import tiny_contrastive, tiny_faces

from facelab.datasets import FaceSet
from facelab.errors import BadParameterError
from facelab.evaluation import balanced_accuracy, mean_over_seeds
from facelab.experiments import noise_robustness
from facelab.experiments.analysis import vcl_analysis as lab
from facelab.experiments.noise_robustness import UNIT_SIGMA
from facelab.losses import kl_to_standard
from facelab.methods import VCL
from facelab.records import Metric, Record


def says(method: VCL, mean: float, log_var: float) -> VCL:
    """The head answers one distribution to every photograph, for whatever it is asked."""
    last = method.head[-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor([mean] * 3 + [log_var] * 3))
    return method


def with_photos(faces: FaceSet, renderings: int) -> FaceSet:
    photos = [f"{row // renderings}" for row in range(len(faces))]
    return replace(faces, attributes=faces.attributes.assign(photo=photos))


def test_the_posterior_is_what_the_loss_is_computed_from():
    method, faces = tiny_contrastive(VCL), tiny_faces()
    means, log_vars = lab.posterior(method, faces)
    assert means.shape == log_vars.shape == (len(faces), 3)
    view = method.augmentation.preprocess(faces.images)
    both = method.eval().distribution(view).detach().numpy()
    np.testing.assert_allclose(np.hstack([means, log_vars]), both, rtol=1e-4, atol=1e-5)


def test_the_monitor_sees_a_collapse_and_none():
    faces = tiny_faces()
    watch, method = lab.posterior_monitor(faces), tiny_contrastive(VCL)
    alive = watch(method)
    means, log_vars = (torch.from_numpy(part) for part in lab.posterior(method, faces))
    assert alive["KL"] == pytest.approx(kl_to_standard(means, log_vars).item())
    assert watch(says(method, 0.0, 0.0)) == {"active units": 0.0, "mean deviation": 1.0, "KL": 0.0}
    elsewhere = watch(says(method, 2.0, math.log(0.25)))  # one answer to all is a collapse, wherever it is
    assert elsewhere["active units"] == 0 and elsewhere["mean deviation"] == pytest.approx(0.5)


def test_the_monitor_counts_the_dimensions_that_vary():
    method = tiny_contrastive(VCL)
    with torch.no_grad():
        method.head[-1].weight[:1] *= 100 / method.head[-1].weight[:1].abs().max()
        method.head[-1].weight[1:3] = 0
    assert lab.posterior_monitor(tiny_faces())(method)["active units"] == pytest.approx(1 / 3)


def test_draws_of_one_photograph_are_near_where_the_head_is_sure():
    faces = with_photos(tiny_faces(), 4)
    sure = lab.sampled_distances(says(tiny_contrastive(VCL), 1.0, -20.0), faces)
    assert sure.shape == (len(faces),) and sure.max() < 1e-3
    unsure = lab.sampled_distances(says(tiny_contrastive(VCL), 0.0, 0.0), faces)
    assert unsure.mean() == pytest.approx(2, abs=0.5) and 0 <= unsure.min() <= unsure.max() <= 4


def test_the_other_rendering_is_of_the_same_photograph():
    """Photographs in no order, each with a direction of its own: without noise every distance is 0."""
    faces = with_photos(tiny_faces(), 4)
    shuffled = faces.subset(np.random.default_rng(0).permutation(len(faces)))
    method = tiny_contrastive(VCL)

    def by_photo(images):
        place = torch.tensor([int(photo) for photo in shuffled.attributes["photo"]])
        mean = torch.stack([place.float().cos(), place.float().sin(), torch.zeros(len(place))], dim=1)
        return torch.cat([mean, torch.full_like(mean, -60.0)], dim=1)

    method.distribution = by_photo
    assert lab.sampled_distances(method, shuffled).max() < 1e-9


@pytest.mark.parametrize("beta", [0.0, 0.005, 0.1, 1.0])
@pytest.mark.parametrize(("sigma", "dimension"), [(UNIT_SIGMA, 128), (0.5, 3)])
def test_the_pull_is_the_derivative_of_the_formula(beta, sigma, dimension):
    squared = np.array([0.0, 0.5, 2.0, 4.0])
    factor = (2 * math.pi * sigma**2) ** (-beta * dimension / 2)
    expected = (1 + beta) / (2 * sigma**2) * factor * np.exp(-beta * squared / (2 * sigma**2))
    np.testing.assert_allclose(lab.pull_strength(beta, sigma, dimension, squared), expected, rtol=1e-9)


def test_conditions_grow_with_what_was_done():
    table = pd.DataFrame(
        {
            "blur_sigma": [0.0, 1.0],
            "occlusion": ["none", "scarf"],
            "turn_degrees": [5.0, -30.0],
            "noise_sigma": [1.0, 8.0],
            "shadow": [0.0, 0.5],
            "exposure": [0.4, -0.6],
        }
    )
    assert all(values[0] < values[1] for values in lab.capture_conditions(table).values())
    with pytest.raises(BadParameterError, match="blur_sigma"):
        lab.capture_conditions(pd.DataFrame({"occlusion": ["none"]}))


def test_rank_correlation_looks_at_order_alone():
    rng = np.random.default_rng(0)
    amount, person = rng.random(200), np.repeat(np.arange(20), 10)
    assert lab.rank_correlation(np.exp(9 * amount), amount, person, 100).low == pytest.approx(1)
    assert lab.rank_correlation(-amount, amount, person, 100).value == pytest.approx(-1)
    nothing = lab.rank_correlation(rng.random(200), amount, person, 200)
    assert nothing.low < 0 < nothing.high and nothing.n == 20


def test_what_the_group_explains_of_a_figure():
    person, rng = np.repeat(np.arange(20), 40), np.random.default_rng(3)
    of_person = rng.normal(size=20)[person]
    assert lab.eta_squared(of_person, person) == pytest.approx(1)
    chance = [lab.eta_squared(rng.normal(size=800), person) for _ in range(200)]
    assert np.mean(chance) == pytest.approx(19 / 799, abs=0.003)
    values = rng.normal(size=800) + of_person
    f, _ = stats.f_oneway(*(values[person == one] for one in range(20)))
    assert lab.eta_squared(values, person) == pytest.approx(19 * f / (19 * f + 780))


def test_of_one_attribute_the_mean_is_balanced_accuracy():
    rng = np.random.default_rng(1)
    labels, person = rng.integers(0, 2, 300), np.repeat(np.arange(30), 10)
    predicted = np.where(rng.random(300) < 0.7, labels, 1)
    found = lab.mean_balanced_accuracy([labels], [predicted], person, 400)
    known = balanced_accuracy(labels, predicted, person, 400)
    assert found.value == pytest.approx(known.value) and found.n == known.n
    assert found.low == pytest.approx(known.low, abs=0.02) and found.high == pytest.approx(known.high, abs=0.02)
    both = lab.mean_balanced_accuracy([labels, labels], [predicted, labels], person, 100)
    assert both.value == pytest.approx((known.value + 1) / 2)


def test_a_class_that_a_draw_has_lost_does_not_count():
    labels, person = np.array([1] * 4 + [0] * 16), np.repeat(np.arange(5), 4)  # one person has all of class 1
    found = lab.mean_balanced_accuracy([labels], [np.zeros(20, dtype=int)], person, 200)
    assert (found.value, found.high) == (0.5, 1.0)  # without that person all are right


def test_attributes_and_predictions_must_be_as_many():
    with pytest.raises(BadParameterError, match="2 attributes, 1 predictions"):
        lab.mean_balanced_accuracy([np.zeros(3), np.zeros(3)], [np.zeros(3)], np.arange(3))


def test_the_nearest_is_another_photograph():
    rng = np.random.default_rng(2)
    rows, group = rng.normal(size=(12, 5)), np.arange(12) // 3
    found = lab.nearest_distance(rows, group)
    for i in range(12):
        others = [
            1 - rows[i] @ rows[j] / np.linalg.norm(rows[i]) / np.linalg.norm(rows[j])
            for j in range(12)
            if group[j] != group[i]
        ]
        assert found[i] == pytest.approx(min(others))
    assert (lab.nearest_distance(rows) <= found + 1e-12).all()
    with pytest.raises(BadParameterError, match="no other"):
        lab.nearest_distance(rows, np.zeros(12))


@pytest.fixture
def record() -> Record:
    """As ``09_noise`` has it; VCL loses less."""
    figure = "{}/0.1/{}, linear"
    found = {
        ("utkface", name, share, seed): {
            figure.format(column, network): 0.8 - share * (0.5 if name == "SimCLR" else 0.2) + 0.01 * seed
            for column in ("gender", "race")
            for network in ("trained", "pixels", "random start")
        }
        for name in ("SimCLR", "VCL")
        for share in (0.0, 0.4)
        for seed in range(3)
    }
    made = Record("09_noise", "none", {"rivals": {"SimCLR": {}, "VCL": {}}, "noise": [0.0, 0.4]})
    made.metrics = noise_robustness.summarise(found)
    return made


def test_the_record_is_read_as_it_was_written(record):
    mean = f"{noise_robustness.MEAN}/0.1/trained, linear"
    assert lab.probed_figures(record) == ["gender/0.1/trained, linear", "race/0.1/trained, linear", mean]
    rows = lab.figure_by_noise(record, "race/0.1/trained, linear")
    assert list(rows) == ["no training", "0% no face", "40% no face"]
    assert list(rows["no training"]) == ["pixels", "random start"] and list(rows["0% no face"]) == ["SimCLR", "VCL"]
    assert rows["40% no face"]["VCL"].value == pytest.approx(0.73)
    fall = lab.figure_fall(record, "race/0.1/trained, linear")
    assert {name: round(metric.value, 6) for name, metric in fall.items()} == {
        "SimCLR": 0.2,
        "VCL": 0.08,
        "VCL less SimCLR": -0.12,
    }


def test_verdicts_are_on_all_contenders_together(record):
    assert lab.differences_from_simclr(record) == {"less": ["VCL, 10%"], "more": [], "not certain": []}
    key = f"fall/VCL less SimCLR/{noise_robustness.MEAN}/0.1/trained, linear"
    values = [-0.1, -0.12, -0.05]  # alone it would be certain
    record.metrics[key] = Metric.from_estimate(mean_over_seeds(values))
    assert lab.differences_from_simclr(record)["less"] == ["VCL, 10%"]
    record.parameters["rivals"]["other"] = {}
    record.metrics[key.replace("VCL", "other")] = Metric.from_estimate(mean_over_seeds([0.1, -0.2, 0.3]))
    assert lab.differences_from_simclr(record) == {"less": [], "more": [], "not certain": ["VCL, 10%", "other, 10%"]}


def test_another_record_is_refused():
    with pytest.raises(BadParameterError, match="not a record of the noise"):
        lab.probed_figures(Record("05", "none", {}))
