"""What a notebook needs of its data: said before anything runs, and the numbers of its text are those that it checks."""

import re
from dataclasses import replace

import numpy as np
import pytest
from tiny import tiny_faces

from facelab import labs
from facelab.datasets import FaceSet
from facelab.datasets.cache import CacheKey
from facelab.datasets.folds import most_fold_pairs, sample_fold_pairs
from facelab.datasets.joining import join
from facelab.datasets.leakage import assert_disjoint
from facelab.datasets.pairs import all_pairs
from facelab.datasets.splits import stratified_split
from facelab.errors import BadParameterError
from facelab.experiments import comparison
from facelab.labs.parameters import notebook_sources
from facelab.protocols.unseen_people import check_measurable, split_unseen_people, verification_pairs


def people_with(*counts: int) -> FaceSet:
    """Person 0 with so many photographs, person 1 with so many, and so on."""
    faces = tiny_faces(people=len(counts), shots=max(counts))
    order = np.argsort(faces.identity, kind="stable").reshape(len(counts), -1)
    return faces.subset(np.sort(np.concatenate([rows[:count] for rows, count in zip(order, counts, strict=True)])))


def as_renderings(faces: FaceSet, of_each: int) -> FaceSet:
    """The same set, so many pictures of each person called renderings of one photograph."""
    within = [int((faces.identity[:row] == faces.identity[row]).sum()) for row in range(len(faces))]
    photo = [f"{person}/{number // of_each}" for person, number in zip(faces.identity, within, strict=True)]
    return replace(faces, attributes=faces.attributes.assign(photo=photo))


@pytest.mark.parametrize("source", notebook_sources(), ids=lambda path: path.stem)
def test_the_numbers_in_the_text_are_those_that_the_notebook_checks(source):
    text = source.read_text(encoding="utf-8")
    said = re.findall(
        r"folder:PATH`\): (\d+) people with (\d+) photographs each, or more(?:; (\d+) of each are better)?", text
    )
    checked = re.findall(r"labs\.require_people\(.*people=(\d+), photos=(\d+)(?:, preferred=(\d+))?\)", text)
    assert said == checked
    assert len(checked) == (source.stem[:2] in ("00", "02", "03", "04", "06", "07", "11"))
    first = re.split(r"# %%(?! \[markdown\]| tags)", text)[1 + ("matplotlib.cbook" in text)]
    assert "labs.begin(" in first and (not checked or "labs.require_people(" in first), "checked where data are loaded"


def test_everybody_is_taken_and_nothing_printed_where_all_have_enough(capsys):
    faces = people_with(4, 4, 5)
    assert labs.require_people(faces, people=3, photos=4) is faces
    assert capsys.readouterr().out == ""


def test_people_with_many_photographs_are_preferred_where_they_are_enough(capsys):
    faces = people_with(6, 2, 6, 3)
    assert list(labs.require_people(faces, people=2, photos=3, preferred=6).people) == [0, 2]
    assert capsys.readouterr().out == "taken: 2 of 4 people, those with 6 photographs or more\n"
    assert list(labs.require_people(faces, people=3, photos=3, preferred=6).people) == [0, 2, 3]
    assert capsys.readouterr().out == "taken: 3 of 4 people, those with 3 photographs or more\n"


def test_too_few_people_are_refused_in_one_line_that_counts_them():
    with pytest.raises(
        BadParameterError, match="4 people with 3 photographs .* needed; tiny.* has 3 such people, of 4. "
    ):
        labs.require_people(people_with(6, 2, 6, 3), people=4, photos=3, preferred=6)


def test_renderings_of_a_photograph_count_once():
    faces = as_renderings(people_with(4, 4, 4), 4)
    assert labs.require_people(faces, people=3, photos=1) is faces
    with pytest.raises(BadParameterError, match="has 0 such people"):
        labs.require_people(faces, people=3, photos=2)


def test_photographs_of_nobody_known_are_refused_and_left_out(capsys):
    faces = people_with(3, 3, 3)
    strangers = replace(faces, identity=np.full(len(faces), -1))
    with pytest.raises(BadParameterError, match="does not say who is on its photographs"):
        labs.require_people(strangers, people=3, photos=1)
    some = replace(faces, identity=np.where(np.arange(len(faces)) == 0, -1, faces.identity))
    assert len(labs.require_people(some, people=3, photos=2)) == 8


def test_a_batch_is_what_the_half_with_fewest_pictures_has_at_the_most():
    faces = people_with(9, 2, 3, 8, 4)
    assert labs.limit_batch(32, faces) == 2 + 3
    assert labs.limit_batch(4, faces) == 4
    for seed in range(20):
        train, _ = split_unseen_people(faces, seed)
        assert len(train) >= labs.limit_batch(32, faces)


def test_what_is_left_out_is_said_with_the_reason(capsys):
    assert labs.can_measure("The open set is", 6, 6, "strangers")
    assert not labs.can_measure("The open set is", 3, 6, "strangers")
    assert capsys.readouterr().out == "The open set is left out: 6 strangers or more are needed, here are 3\n"


def test_the_most_pairs_of_a_fold_can_be_drawn_and_one_more_cannot():
    for faces in (people_with(4, 4, 4, 4), people_with(9, 2, 3, 8, 4, 2, 5)):
        for seed in range(3):
            most = most_fold_pairs(faces, 2, seed)
            assert sample_fold_pairs(faces, 2, most, seed).same.sum() == 2 * most
            with pytest.raises(BadParameterError, match="Ask for fewer|over half"):
                sample_fold_pairs(faces, 2, most + 1, seed)


@pytest.mark.parametrize("people", [5, 6, 7, 9])
def test_three_people_or_more_are_left_for_the_test(people):
    train, test = split_unseen_people(people_with(*[2] * people), seed=1)
    assert len(test.people) >= 3 and len(train.people) >= 2
    assert not set(train.people) & set(test.people)
    if people > 5:  # as ever: rounded up
        assert len(train.people) == (people + 1) // 2
    check_measurable(test)


def test_a_class_beside_the_renderings_of_orl_is_split_as_any_other(data):
    """Their people are in no list of ours, and a photograph of theirs is its own ``photo``."""
    others = people_with(4, 4, 4)
    sets = [as_renderings(people_with(8, 8, 8), 4), replace(others, images=255 - others.images)]
    keys = [CacheKey(part, 16, 1, "") for part in ("orl-wild", "folder:/class")]
    faces = join(["orl-wild", "folder:/class"], keys, sets, one_per_person=False)
    photo = faces.attributes["photo"]
    assert photo.notna().all() and photo.nunique() == 6 + 12
    train, test = split_unseen_people(faces, seed=0)
    assert len(train.people) == len(test.people) == 3
    halves = stratified_split(faces, train=0.5, group="photo")
    assert not set(photo.iloc[halves.train]) & set(photo.iloc[halves.test])
    assert_disjoint(faces.subset(halves.train), faces.subset(halves.test), kinds=("file",))


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (people_with(3, 3), "show 2 people, an interval needs 3"),
        (people_with(1, 1, 1, 1), "None of the 4 people .* two photographs"),
        (as_renderings(people_with(4, 4, 4), 4), "None of the 3 people"),
    ],
)
def test_what_no_training_could_measure_is_said_before_it(test, message):
    with pytest.raises(BadParameterError, match=message):
        check_measurable(test)
    if len(test.people) > 2:  # there is no genuine pair indeed
        assert not verification_pairs(test).same.any()


def test_one_person_with_two_photographs_is_enough():
    test = people_with(2, 1, 1)
    check_measurable(test)
    assert all_pairs(test).same.sum() == 1


@pytest.mark.parametrize(
    ("people", "shots", "open_set"), [(6, 4, False), (12, 10, False), (12, 40, True), (10, 60, False)]
)
def test_the_open_set_of_notebook_11_is_left_out_where_ten_false_alarms_cannot_be_shown(people, shots, open_set):
    parts = comparison.Parts.from_faces(people_with(*[shots] * people), seed=0)
    figures = comparison.measurable_figures(parts, seed=0)
    assert figures == (comparison.FIGURES if open_set else comparison.FIGURES[:2])
    found = comparison.measure(lambda some: some.images.reshape(len(some), -1).astype(float), parts, 0, draws=100)
    assert tuple(found) == figures


def test_a_contender_trains_on_fewer_photographs_than_its_batch():
    for contender in comparison.CONTENDERS.values():
        plan = comparison.plan_for_budget(contender, 9, 1000, seed=0)
        assert plan.batch_size == 9 and plan.epochs == round(1000 / 9 / contender.views)
