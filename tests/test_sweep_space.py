"""The space of a sweep: what a file says is what is drawn, what cannot be is one line, and the text is read back as it was."""

import pytest

from facelab.errors import BadParameterError, FacelabError
from facelab.sweeps import choice, describe_space, numeric_range, read_space
from facelab.sweeps.space import contains

optuna = pytest.importorskip("optuna")

TYPES = {"lr": float, "queue": int, "augmentation": str, "margin": bool}


def accept(name, value):
    if value == "strong" or value == 13:
        raise BadParameterError(f"{name} is {value!r}.", "Give another.")
    return value


def space(tmp_path, text):
    (tmp_path / "space.toml").write_text(text, encoding="utf-8")
    return read_space(tmp_path / "space.toml", TYPES, accept)


def test_a_file_is_the_distributions_of_optuna(tmp_path):
    found = space(
        tmp_path,
        """
        [lr]  # a comment
        low = 1e-4
        high = 1
        log = true

        [queue]
        low = 64
        high = 512
        step = 64

        [augmentation]
        choices = ["supcon", "classifier"]

        [margin]
        choices = [true, false]
        """,
    )
    distributions = optuna.distributions
    assert found == {
        "lr": distributions.FloatDistribution(1e-4, 1.0, log=True),
        "queue": distributions.IntDistribution(64, 512, step=64),
        "augmentation": distributions.CategoricalDistribution(["supcon", "classifier"]),
        "margin": distributions.CategoricalDistribution([True, False]),
    }


@pytest.mark.parametrize(
    "wanted",
    [
        {"lr": numeric_range(float, 1e-7, 0.1, log=True), "queue": numeric_range(int, 1, 9)},
        {"lr": numeric_range(float, 0.0, 0.3, step=0.1), "queue": choice([3, 1])},
        {"augmentation": choice(['a "b" \\ c', "ü"]), "margin": choice([True])},
    ],
)
def test_a_space_is_read_back_from_its_description(tmp_path, wanted):
    text = describe_space(wanted)
    assert space(tmp_path, text) == wanted
    assert describe_space(dict(reversed(wanted.items()))) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "space.toml names no parameter"),
        ("lr = ", "is not TOML"),
        ("lr = 3", r"\[lr\] of .*is 3 and no table"),
        ("[quue]\nlow = 1", r"\[quue\] of .*Did you mean 'queue'\? There are: lr, queue"),
        ("[lr]", r"has nothing\. Give low and high"),
        ("[lr]\nlow = 1", "has low. Give low and high"),
        ("[lr]\nlow = 1\nhigh = 2\nmax = 3", "has high, low, max"),
        ("[lr]\nlow = 1\nhigh = 2\nchoices = [1]", "has choices, high, low"),
        ("[lr]\nlow = 2\nhigh = 2", "low is 2.0, and high 2.0"),
        ("[lr]\nlow = 0\nhigh = 2\nlog = true", "low is 0.0, and has no logarithm"),
        ("[lr]\nlow = 1\nhigh = 2\nlog = 1", "log is 1. Give true or false"),
        ("[lr]\nlow = 1\nhigh = 2\nlog = true\nstep = 1", "both log and step"),
        ("[lr]\nlow = 1\nhigh = inf", "high has inf. Give values of type float"),
        ("[lr]\nlow = '1'\nhigh = 2", "low has '1'. Give values of type float"),
        ("[lr]\nlow = 0\nhigh = 1\nstep = 0.3", "not a whole number of steps"),
        ("[lr]\nlow = 0\nhigh = 1\nstep = -1", "step is -1.0"),
        ("[queue]\nlow = 1.0\nhigh = 2", "low has 1.0. Give values of type int"),
        ("[queue]\nlow = 1\nhigh = 13", r"\[queue\] of .*: queue is 13. Give another"),
        ("[augmentation]\nlow = 1\nhigh = 2", "no numbers. Give choices"),
        ("[augmentation]\nchoices = []", r"choices is \[\]"),
        ("[augmentation]\nchoices = ['a', 'a']", "names a value twice"),
        ("[augmentation]\nchoices = ['a', 1]", "choices has 1. Give values of type str"),
        ("[augmentation]\nchoices = ['a', 'strong']", r"\[augmentation\] of .*is 'strong'. Give another"),
        ("[margin]\nchoices = [1]", "choices has 1. Give values of type bool"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, text, said):
    with pytest.raises(BadParameterError, match=said) as error:
        space(tmp_path, text)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_or_no_text_is_one_line(tmp_path):
    with pytest.raises(FacelabError, match="nowhere.toml cannot be read"):
        read_space(tmp_path / "nowhere.toml", TYPES, accept)
    (tmp_path / "space.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadParameterError, match="is not TOML"):
        read_space(tmp_path / "space.toml", TYPES, accept)


@pytest.mark.parametrize(
    ("distribution", "inside", "outside"),
    [
        (numeric_range(float, 0.1, 1.0), [0.1, 0.5, 1], [0.09, 1.01, None, "0.5"]),
        (numeric_range(int, 2, 8, step=2), [2, 8], [1, 9, 3, 2.5]),
        (choice(["a", "b"]), ["a"], ["c", None, 1]),
    ],
)
def test_what_can_be_drawn_is_known(distribution, inside, outside):
    assert all(contains(distribution, value) for value in inside)
    assert not any(contains(distribution, value) for value in outside)
