"""The frame of a notebook: parameters, references, and how an exercise speaks to a student."""

import statistics

import numpy as np
import pytest

from facelab import labs
from facelab.errors import BadParameterError, FacelabError
from facelab.evaluation import mean_over_seeds
from facelab.exercises.exercise import Exercise, require_value
from facelab.labs import notebook, parameters, references
from facelab.records import Metric, Record, read_record

SOURCE = """# %% [markdown]
# # 99 A title

# %% tags=["parameters"]
preset: str = "laptop"  # smoke, laptop or paper
dataset: str = "orl"  # any source
seed: int = 0
rate: float = 0.5  # a rate
flag: bool = False

# %%
x = 1
"""


@pytest.fixture
def source(notebook_folder):
    path = notebook_folder / "99_test.py"
    path.write_text(SOURCE)
    return path


def test_parameters_are_read_with_types_and_help(source):
    found = parameters.declared_parameters(source)
    assert [(p.name, p.type, p.default) for p in found.values()] == [
        ("preset", str, "laptop"), ("dataset", str, "orl"), ("seed", int, 0), ("rate", float, 0.5), ("flag", bool, False),
    ]  # fmt: skip
    assert found["rate"].help == "a rate"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sede": "1"}, "no parameter 'sede'"),
        ({"seed": "1.5"}, "type int"),
        ({"seed": "-1"}, "0 <= seed"),
        ({"flag": "maybe"}, "type bool"),
        ({"preset": "huge"}, "smoke, laptop, paper"),
        ({"rate": "fast"}, "type float"),
    ],
)
def test_wrong_text_is_refused(source, values, message):
    with pytest.raises(BadParameterError, match=message):
        parameters.resolve_parameters(source, values, parse=True)


def test_text_becomes_the_type(source):
    read = parameters.resolve_parameters(source, {"flag": "false", "rate": "1", "seed": "7"}, parse=True)
    assert (read["flag"], read["rate"], read["seed"], read["dataset"]) == (False, 1.0, 7, "orl")
    assert type(read["rate"]) is float


def test_a_notebook_refuses_text_for_a_flag(source):
    """papermill's -p flag false hands over the text 'false', which would count as true."""
    with pytest.raises(BadParameterError, match="flag is 'false'"):
        labs.begin("99_test", preset="laptop", flag="false")


def test_parameters_cell_must_be_plain_lines(source):
    source.write_text(SOURCE.replace("seed: int = 0", "seed = 0"))
    with pytest.raises(BadParameterError, match="seed = 0"):
        parameters.declared_parameters(source)
    source.write_text(SOURCE.replace('tags=["parameters"]', ""))
    with pytest.raises(BadParameterError, match="no cell tagged"):
        parameters.declared_parameters(source)


def test_label_names_what_differs_and_two_runs_never_share_one(source):
    def label(**values):
        return parameters.run_label(source, parameters.resolve_parameters(source, values, parse=False))

    assert label(rate=0.25) == "laptop-orl-0-rate=0.25"
    spaced, underscored = label(dataset="folder:/a b"), label(dataset="folder:/a_b")
    assert spaced != underscored
    assert all(set(name) <= set("laptop-folder__a_b0123456789abcdef") for name in (spaced, underscored))
    assert len(label(dataset="folder:/" + "long/" * 80)) < 120


def test_an_unknown_data_set_is_refused_before_the_run(source):
    with pytest.raises(BadParameterError, match="olr"):
        parameters.resolve_parameters(source, {"dataset": "orl+olr"}, parse=True)


def test_run_writes_a_record_and_checks_references(source, monkeypatch, capsys):
    monkeypatch.setattr(references, "lookup", lambda *_: {"a": references.Reference(0.5, 0.01, 5)})
    run = labs.begin("99_test", preset="laptop", dataset="orl", seed=3, rate=0.5, flag=False)
    assert run.choose(smoke=1, laptop=2, paper=3) == 2
    run.record_metric("a", 0.55, n=10)
    run.record_metric("b", 0.5)
    run.check_references("a", "b")
    run.record_metric("a", 0.7)
    run.check_references("a")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("holds") and "0.55" not in lines[0]
    assert "no reference" in lines[1]
    assert "DOES NOT HOLD" in lines[2] and "0.700" in lines[2]
    with pytest.raises(BadParameterError, match="not recorded"):
        run.check_references("c")
    run.finish()
    assert read_record(notebook.record_path("99_test", run.parameters)).metrics["a"].value == 0.7
    assert run.record.command == "facelab run 99_test --preset laptop -p seed=3"


def records(seeds, **extra):
    values = {"preset": "laptop", "dataset": "orl"} | extra
    return [Record("99", "", values | {"seed": s}, metrics={"a": Metric(0.5 + 0.1 * s)}) for s in seeds]


def test_references_need_five_seeds_of_one_setting():
    made = references.make(records(range(5)))["a"]
    assert made.value == pytest.approx(0.7)
    assert made.deviation == pytest.approx(0.1581, abs=1e-4)  # of .5, .6, .7, .8, .9
    assert made.tolerance == pytest.approx(
        8.610 * 1.2**0.5 * 0.1581, abs=1e-3
    )  # the quantile of a table of Student's t
    for wrong in (records(range(4)), records([0, 1, 2, 3, 3]), records(range(3)) + records(range(3, 6), epochs=2)):
        with pytest.raises(BadParameterError, match="no reference"):
            references.make(wrong)


@pytest.mark.parametrize(
    ("value", "least"), [(0.7, 0.02), (0.1, 0.02), (-0.05, 0.01), (0.01, 0.002), (0.001, 0.001), (0, 0.001)]
)
def test_a_reference_of_a_small_rate_can_be_missed(value, least):
    assert references.min_tolerance(value) == pytest.approx(least)


def test_one_run_more_misses_its_reference_as_seldom_as_is_said():
    """Another processor is another draw. With four deviations of five seeds, one in fifty would miss."""
    runs = np.random.default_rng(0).normal(size=(40_000, 6))
    missed = [
        not references.Reference(float(five.mean()), float(five.std(ddof=1)), 5).holds(one)
        for five, one in zip(runs[:, :5], runs[:, 5], strict=True)
    ]
    assert 20 <= sum(missed) <= 60, "40 are expected, give or take 6"


def double(x):
    return 2 * x


def check_double(answer):
    require_value(answer(3), 6, "double(3)")


TASK = Exercise("9.1 double", double, check_double)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda x: ..., "still a stub"),
        (lambda x: None, "return missing"),
        (lambda x: x, "got 3., expected 6."),
        (lambda x: [x, x], "shape"),
        (lambda x: "six", "expected numbers"),
        (lambda x: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_an_exercise_says_what_is_wrong_and_goes_on(answer, said, capsys):
    assert labs.check_answer(TASK, answer) is double
    assert said in capsys.readouterr().out


def test_a_right_answer_is_kept(capsys):
    def mine(x):
        return x + x

    assert labs.check_answer(TASK, mine) is mine
    assert "right" in capsys.readouterr().out


def test_the_interval_of_a_reference_is_that_of_students_t_over_its_seeds():
    values = [0.25, 0.262, 0.28, 0.258, 0.279]
    reference = references.Reference(statistics.mean(values), statistics.stdev(values), 5)
    assert reference.high == pytest.approx(mean_over_seeds(values).high)
    assert reference.low == pytest.approx(mean_over_seeds(values).low)


@pytest.mark.parametrize("text", ["[]", "[" * 100_000, '{"smoke/orl": 3}', '{"smoke/orl": {"a": {"value": 1}}}', "{"])
def test_damaged_references_are_one_line(tmp_path, monkeypatch, text):
    monkeypatch.setattr(references, "project_data", lambda *parts: tmp_path.joinpath(*parts[1:]))
    assert references.lookup("99", "laptop", "orl") == {}
    references.store(records(range(5)))
    references.store(records(range(5), preset="smoke"))
    assert (
        references.lookup("99", "laptop", "orl")["a"].seeds == references.lookup("99", "smoke", "orl")["a"].seeds == 5
    )
    (tmp_path / "99.json").write_text(text)
    for call in (lambda: references.lookup("99", "smoke", "orl"), lambda: references.store(records(range(5)))):
        with pytest.raises(FacelabError, match="99.json holds no references"):
            call()
