"""The threshold explorer: rates, intervals and pairs that change sides are those of facelab.evaluation, also in a browser."""

from __future__ import annotations

import json

import numpy as np
import pytest
from explorer_pages import HOSTILE, MISSING_BROWSER, check_alone, chromium, data_of, page_of
from IPython.display import Image

from facelab.datasets.pairs import Pairs
from facelab.errors import BadParameterError
from facelab.evaluation import eer, fairness_estimates, group_rates, rates_over_thresholds, roc
from facelab.labs.explorers import explore_threshold, threshold

PEOPLE, EACH = 12, 6
PERSON = np.repeat(np.arange(PEOPLE), EACH)
GROUP = np.where(PERSON % 3 == 0, HOSTILE[0], HOSTILE[1])


@pytest.fixture(scope="module")
def scored():
    """All pairs of 12 people, with scores that overlap."""
    first, second = np.triu_indices(len(PERSON), k=1)
    same = PERSON[first] == PERSON[second]
    scores = np.clip(np.random.default_rng(0).normal(np.where(same, 0.45, 0.1), 0.18), -1, 1)
    return scores, Pairs(first, second, same, np.zeros(len(first), np.int64))


@pytest.fixture(scope="module")
def images():
    """A grey of its own for each photograph."""
    return np.broadcast_to(
        (3 * np.arange(len(PERSON), dtype=np.uint8) + 20)[:, None, None, None], (len(PERSON), 24, 24, 1)
    )


@pytest.fixture
def document(scored, images, monkeypatch):
    monkeypatch.setattr(threshold, "is_interactive", lambda: True)
    return page_of(explore_threshold(*scored, PERSON, threshold=0.3, group=GROUP, images=images, title=HOSTILE[3]))


# ---- rates at many thresholds ----


def test_rates_are_those_of_each_threshold_alone(scored):
    scores, pairs = scored
    thresholds = np.array([-2.0, 0.1, scores[5], 0.4, 2.0])
    curves = rates_over_thresholds(scores, pairs, PERSON, thresholds, GROUP, draws=100)
    for number, at in enumerate(thresholds):
        rates = group_rates(scores, pairs, GROUP, at)
        assert curves["fmr"].value[number] == pytest.approx(np.mean(scores[~pairs.same] >= at), abs=1e-12)
        assert curves["fnmr"].value[number] == pytest.approx(np.mean(scores[pairs.same] < at), abs=1e-12)
        for row, name in enumerate(rates.names):
            assert curves[f"fmr/{name}"].value[number] == pytest.approx(rates.fmr[row, row], abs=1e-12)
            assert curves[f"fnmr/{name}"].value[number] == pytest.approx(rates.fnmr[row], abs=1e-12)
    assert curves["fmr"].pairs == (~pairs.same).sum() and curves["fmr"].n == PEOPLE
    assert curves[f"fmr/{HOSTILE[0]}"].n == 4


def test_intervals_are_those_of_the_same_draws_at_one_threshold(scored):
    curves = rates_over_thresholds(*scored, PERSON, np.array([0.1, 0.3]), GROUP, draws=400, seed=3)
    alone = fairness_estimates(*scored, PERSON, GROUP, 0.3, draws=400, seed=3)
    for name in (f"{kind}/{group}" for kind in ("fmr", "fnmr") for group in set(GROUP)):
        found, expected = curves[name].estimate(1), alone[name]
        assert found.value == pytest.approx(expected.value)
        # that one takes draws themselves as percentiles, this one goes between two of them
        assert found.low == pytest.approx(expected.low, abs=0.01) and found.high == pytest.approx(
            expected.high, abs=0.01
        )


def test_a_rate_of_0_or_1_has_the_interval_of_wilson_over_people(scored):
    curves = rates_over_thresholds(*scored, PERSON, np.array([-2.0, 2.0]), draws=100)
    none, every = curves["fmr"].estimate(1), curves["fmr"].estimate(0)
    assert (none.value, none.low, none.method) == (
        0,
        0,
        "wilson",
    ) and 0.2 < none.high < 0.3  # 1.96² / (12 + 1.96²) is .24
    assert (every.value, every.high) == (1, 1) and every.low == pytest.approx(1 - none.high)


def test_a_group_that_is_unknown_or_lacks_a_kind_of_pair_has_no_rates(scored):
    scores, pairs = scored
    group = np.where(PERSON == 0, "alone", np.where(PERSON < 4, "", "known")).astype(object)
    curves = rates_over_thresholds(scores, pairs, PERSON, np.array([0.3]), group, draws=100)
    assert set(curves) == {"fmr", "fnmr", "fmr/known", "fnmr/known"}
    assert curves["fmr"].value[0] == pytest.approx(np.mean(scores[~pairs.same] >= 0.3)), (
        "the others still count in the rates of all"
    )


def test_rates_that_cannot_be_measured_are_refused(scored):
    scores, pairs = scored
    for change, message in [
        ({"scores": scores[:5]}, "differ in number"),
        ({"scores": scores * np.nan}, "not finite"),
        ({"thresholds": np.array([0.2, 0.1])}, "do not rise"),
        ({"thresholds": np.array([])}, "do not rise"),
        ({"group": np.arange(len(PERSON)) % 2}, "is in 2 groups"),
        ({"draws": 10}, "draws"),
        ({"scores": scores[pairs.same], "pairs": pairs.subset(pairs.same)}, "no impostor pairs"),
    ]:
        arguments = {"scores": scores, "pairs": pairs, "person": PERSON, "thresholds": np.array([0.3])} | change
        with pytest.raises(BadParameterError, match=message):
            rates_over_thresholds(**arguments)


# ---- the explorer ----


def test_a_build_gets_a_picture_that_says_its_rates(scored, monkeypatch):
    monkeypatch.setattr(threshold, "is_interactive", lambda: False)
    shown = explore_threshold(*scored, PERSON, threshold=0.3, group=np.where(PERSON % 3 == 0, "a", "$b_{"))
    assert isinstance(shown, Image) and len(shown.data) < 40_000
    fnmr = 100 * np.mean(scored[0][scored[1].same] < 0.3)
    assert "threshold 0.300" in shown.alt and f"FNMR, all {fnmr:.1f} %" in shown.alt and "FMR, $b_{" in shown.alt


def test_the_page_stands_alone_and_starts_at_the_marked_threshold(scored, document):
    check_alone(document)
    data = json.loads(data_of(document))
    assert data["thresholds"][data["start"]] == 0.3 and data["marked"] == data["start"]
    curve = roc(scored[0], scored[1].same)
    at = data["thresholds"][data["equal"]]
    gap = np.abs(curve.fmr + curve.tmr - 1)
    assert abs(np.mean(scored[0][~scored[1].same] >= at) - np.mean(scored[0][scored[1].same] < at)) == pytest.approx(
        gap.min()
    )
    assert f"{100 * eer(curve):.1f} %" in data["note"]
    assert [group["name"] for group in data["rates"]] == ["all", *sorted(set(GROUP))]


def test_without_a_mark_it_starts_at_the_equal_error_rate_and_without_images_it_shows_no_face(scored, monkeypatch):
    monkeypatch.setattr(threshold, "is_interactive", lambda: True)
    data = json.loads(data_of(page_of(explore_threshold(*scored, PERSON))))
    assert data["marked"] is None and data["start"] == data["equal"]
    assert data["faces"] is None and data["pairs"] == [] and len(data["rates"]) == 1


def test_what_does_not_fit_is_refused(scored, images):
    for options, message in [
        ({"images": images[:5]}, "5 images, 72 photographs"),
        ({"threshold": np.nan}, "threshold is nan"),
        ({"group": np.arange(len(PERSON)) % 2}, "in 2 groups"),
    ]:
        with pytest.raises(BadParameterError, match=message):
            explore_threshold(*scored, PERSON, **options)


# ---- in a browser ----


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    if MISSING_BROWSER:
        pytest.skip(MISSING_BROWSER)
    with chromium(tmp_path_factory.mktemp("threshold")) as found:
        yield found


def digits(share: float) -> str:
    """As the page writes a share in per cent."""
    value = 100 * share
    return (
        f"{value:.0f}" if value == 0 or value >= 10 else f"{value:.1f}" if value >= 1 else f"{float(f'{value:.2g}'):g}"
    )


def test_the_page_has_no_barrier_and_takes_no_label_for_markup(reader, document):
    reader.check_page(document)
    assert reader.text("#title") == HOSTILE[3]
    assert [name.split("n =")[0] for name in reader.texts("#rates tbody th")] == ["all", *sorted(set(GROUP))]
    assert reader.run("return document.images.length") == 0


def test_arrow_keys_move_the_threshold_and_show_its_rates(reader, document, scored):
    data = json.loads(data_of(document))
    reader.open(document).press("#slider", *["ARROW_RIGHT"] * 3, "ARROW_LEFT")
    at = data["thresholds"][data["start"] + 2]
    assert reader.text("#value") == f"threshold {at:.3f}"
    expected = rates_over_thresholds(*scored, PERSON, np.array(data["thresholds"]), GROUP, draws=500)
    shown = reader.texts("#rates td span")
    for row, name in enumerate(["", *(f"/{name}" for name in sorted(set(GROUP)))]):
        for column, kind in enumerate(("fmr", "fnmr")):
            rate = expected[kind + name].estimate(data["start"] + 2)
            assert shown[2 * row + column] == f"{digits(rate.value)} % [{digits(rate.low)}, {digits(rate.high)}]"
    spoken = reader.run("return slider.getAttribute('aria-valuetext')")
    assert f"FMR {digits(expected['fmr'].value[data['start'] + 2])} %" in spoken
    reader.press("#slider", "END")
    assert reader.texts("#rates td span")[0].startswith("0 % [0, ") and reader.texts("#rates td span")[1].startswith(
        "100 %"
    )


def test_pairs_that_change_sides_are_counted_and_shown(reader, document, scored):
    scores, pairs = scored
    thresholds = np.array(json.loads(data_of(document))["thresholds"])
    start = json.loads(data_of(document))["start"]
    reader.open(document).press("#slider", "ARROW_LEFT")
    between = (scores >= thresholds[start - 1]) & (scores < thresholds[start])
    counts = [int((between & pairs.same).sum()), int((between & ~pairs.same).sum())]
    assert min(counts) > 0
    said = f"{counts[0]} genuine and {counts[1]} impostor pairs are now accepted."
    assert reader.text("#moved").endswith(said)
    captions = reader.texts("#pairs figcaption")
    assert len(captions) == sum(min(count, threshold.PAIRS_EACH) for count in counts)
    for number, caption in enumerate(captions):
        score, same = float(caption.split(", ")[1].split("accepted")[0]), caption.startswith("one person")
        greys = [
            reader.pixels(f"#pairs figure:nth-child({number + 1}) canvas:nth-of-type({side})")[50, 50, 0]
            for side in (1, 2)
        ]
        rows = [round((int(grey) - 20) / 3) for grey in greys]
        [row] = np.flatnonzero((pairs.first == rows[0]) & (pairs.second == rows[1]))
        assert between[row] and pairs.same[row] == same and abs(scores[row] - score) < 0.001
        assert caption.endswith("accepted: " + ("right" if same else "wrong"))
    reader.press("#slider", "ARROW_RIGHT")
    assert reader.text("#moved").endswith(said.replace("accepted", "refused"))


def test_a_finger_moves_the_threshold_in_the_picture(reader, document):
    reader.open(document, width=390)
    thresholds = json.loads(data_of(document))["thresholds"]
    reader.touch("#chart", (0.5, 0.5), (0.6, 0.5), (0.75, 0.5))
    wanted = thresholds[0] + 0.75 * (thresholds[-1] - thresholds[0])
    assert abs(float(reader.text("#value").split()[1]) - wanted) < 0.03
    reader.run("document.getElementById('equal').click()")
    assert reader.text("#value") == f"threshold {thresholds[json.loads(data_of(document))['equal']]:.3f}"
