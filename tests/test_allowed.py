"""What the parameters of a notebook may be: choices, ranges, registries and paths, checked before anything runs."""

import pytest
from commands import call
from papermill.translators import PythonTranslator

from facelab.augment import PRESETS
from facelab.errors import BadParameterError
from facelab.labs.allowed import check_allowed
from facelab.labs.build import notebook_from_source
from facelab.labs.parameters import declared_parameters, notebook_sources, resolve_parameters, run_label

SOURCES = {source.stem[:2]: source for source in notebook_sources()}


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        ("cosface", "arcface, cosface"), (0, "0, 2 ≤ x"), (2, "0, 2 ≤ x"), (0.5, "0 < x < 1"), (1.0, "x ≤ 1"),
        ("supcon", "facelab.augment.PRESETS"), ("", '"", vicreg, a file'), ("vicreg", '"", vicreg, a file'),
        ("SimCLR, MoCo v2", "some of facelab.experiments.comparison.CONTENDERS"), ("orl+orl-wild", "a data set"),
        ("anything", ""),
    ],
)  # fmt: skip
def test_what_is_allowed_is_handed_back(value, allowed):
    assert check_allowed("x", value, allowed) == value


@pytest.mark.parametrize(
    ("value", "allowed", "said"),
    [
        ("cosfac", "arcface, cosface", "Did you mean 'cosface'. There are: arcface, cosface"),
        (1, "0, 2 ≤ x", "x is 1. There are: 0, 2 <= x"),
        (1.0, "0 < x < 1", "Give 0 < x < 1"),
        (0.0, "0 < x < 1", "Give 0 < x < 1"),
        ("strong", "facelab.augment.PRESETS", ", ".join(PRESETS)),
        ("vicre", '"", vicreg, a file', "Did you mean 'vicreg'.*the path of a file"),
        ("", "sface, a file", "x is ''"),
        ("SimCLR, MoCo", "some of facelab.experiments.comparison.CONTENDERS", "'MoCo'. Did you mean 'MoCo v2'"),
        ("SimCLR,SimCLR", "some of facelab.experiments.comparison.CONTENDERS", "'SimCLR' twice"),
        ("orl+olr", "a data set", "olr"),
        ("orl+orl", "a data set", "twice"),
        ("folder:~nosuchuser/x", "a data set", "nobody"),
        (1, "0 ≤ x <", "Write a range"),
        ("x", "facelab.augment.NONE", "names facelab.augment.NONE, which is not there. Mend the line"),
        ("x", "facelab.nowhere.NAMES", "names facelab.nowhere.NAMES, which is not there"),
        ("x", "some of facelab.nowhere.NAMES", "names facelab.nowhere.NAMES, which is not there"),
    ],
)
def test_what_is_not_is_refused_with_what_is(value, allowed, said):
    with pytest.raises(BadParameterError, match=said):
        check_allowed("x", value, allowed)


def test_paths_become_absolute_where_the_user_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "method.pt").write_bytes(b"")
    (tmp_path / "sface").write_bytes(b"")
    assert check_allowed("x", "method.pt", "sface, a file") == str(tmp_path / "method.pt")
    assert check_allowed("x", "sface", "a file, sface") == "sface"  # a word is meant, whatever lies there
    assert check_allowed("x", "folder:some/faces+orl", "a data set") == f"folder:{tmp_path}/some/faces+orl"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert check_allowed("x", "~/method.pt", "sface, a file") == str(tmp_path / "method.pt")
    assert check_allowed("x", "~", "sface, a path") == str(tmp_path)
    assert check_allowed("x", "~/method.pt", "sface, a path") == str(tmp_path / "method.pt")


def test_a_path_that_no_record_can_hold_is_refused_wherever_it_comes_from(tmp_path, monkeypatch):
    here = tmp_path / "caf\udce9"  # as Python has a name that is not UTF-8
    try:
        here.mkdir()
    except OSError:
        pytest.skip("this file system has no such names")
    (here / "method.pt").write_bytes(b"")
    monkeypatch.chdir(here)
    for value, allowed in (
        ("method.pt", "sface, a file"),
        ("folder:faces", "a data set"),
        (f"folder:{here}", "a data set"),
    ):
        with pytest.raises(BadParameterError, match="not text"):
            check_allowed("x", value, allowed)


@pytest.mark.parametrize("number", SOURCES)
@pytest.mark.parametrize("seed", ["-1", "2147483648", "4294967296", "18446744073709551616", "1.5", "nan", ""])
def test_every_notebook_refuses_seeds_that_some_library_has_not(number, seed):
    with pytest.raises(BadParameterError, match="seed is"):
        resolve_parameters(SOURCES[number], {"seed": seed}, parse=True)


@pytest.mark.parametrize("number", SOURCES)
def test_every_number_and_name_of_a_notebook_has_bounds(number):
    """No parameter takes NaN or infinity, and no name takes whatever is typed."""
    for parameter in declared_parameters(SOURCES[number]).values():
        for text in ("nan", "inf", "-inf", "1e999", "-3", "no such thing", "", "0x10"):
            if text == "" and parameter.default == "":
                continue
            with pytest.raises(BadParameterError, match=f"{parameter.name} (is|has)|data set|path"):
                parameter.parse(text)
        assert parameter.parse(str(parameter.default)) == parameter.default


@pytest.mark.parametrize(
    ("number", "values", "said"),
    [
        ("03", {"views": "strong"}, "There are: plain, classifier"),
        ("03", {"views": "Supcon"}, "Did you mean 'supcon'"),
        ("08", {"loss": "softmax"}, "There are: cosface, arcface"),
        ("02", {"epochs": "1"}, "0, 2 <= epochs"),  # a warm-up takes one
        ("03", {"temperature": "0"}, "0 < temperature"),
        ("04", {"momentum": "1.1"}, "0 <= momentum <= 1"),
        ("04", {"queue": "100000000000"}, "0 <= queue <= 1000000"),
        ("05", {"dataset": "lfw"}, "There are: orl-wild, orl"),
        ("06", {"network": "resnet52"}, "Did you mean 'resnet50'"),
        ("06", {"weights": "no/such/file.pt"}, "the path of a file"),
        ("09", {"dataset": "orl"}, "Give orl-wild"),
        ("10", {"target_fmr": "1"}, "0 < target_fmr <= 0.5"),
        ("06", {"weights": "."}, "the path of a file"),  # a folder is none
        ("10", {"embedder": "no/such/folder"}, "the path of a file or a folder"),
        ("11", {"rivals": "SimCLR; ArcFace"}, "There are: CNN"),
        ("02", {"EPOCHS": "3"}, "no parameter 'EPOCHS'. Did you mean 'epochs'"),
        ("02", {"preset": "Laptop"}, "Did you mean 'laptop'"),
    ],
)
def test_a_value_that_cannot_work_is_refused_before_the_run(number, values, said):
    with pytest.raises(BadParameterError, match=said):
        resolve_parameters(SOURCES[number], values, parse=True)


@pytest.mark.parametrize(
    ("number", "name", "text"),
    [
        ("02", "epochs", "1" + "0" * 20),
        ("02", "epochs", "2147483648"),
        ("03", "temperature", "1e-300"),
        ("07", "scale", "1e300"),
        ("07", "scale", "1e-300"),
        ("09", "beta", "1e300"),
        ("11", "views", "1" + "0" * 20),
    ],
)
def test_absurd_numbers_are_refused_where_the_line_names_no_end(number, name, text):
    with pytest.raises(BadParameterError, match=f"{name} is .*Give a number of at most"):
        resolve_parameters(SOURCES[number], {name: text}, parse=True)


def test_a_notebook_that_a_student_edits_checks_its_values_too():
    from facelab import labs

    values = {name: parameter.default for name, parameter in declared_parameters(SOURCES["03"]).items()}
    with pytest.raises(BadParameterError, match="views is 'strong'"):
        labs.begin("03_supcon", **(values | {"views": "strong"}))


def test_names_in_one_list_are_one_run_however_they_are_spaced():
    runs = [resolve_parameters(SOURCES["11"], {"rivals": text}, parse=True) for text in ("SimCLR,VCL", " SimCLR , VCL")]
    assert runs[0] == runs[1] and runs[0]["rivals"] == "SimCLR, VCL"


@pytest.mark.parametrize("letters", ["人" * 72, "x" * 250, "🙂" * 60])
def test_labels_fit_a_file_name_and_tell_runs_apart(letters):
    def label(dataset):
        return run_label(SOURCES["02"], resolve_parameters(SOURCES["02"], {"dataset": dataset}, parse=True))

    one, other = label(f"folder:/{letters}"), label(f"folder:/{letters}x")
    assert one != other
    assert len(f".02_cnn_mlp-{one}.ipynb".encode()) < 200


def test_labels_differ_where_upper_and_lower_case_count_as_the_same():
    def label(rivals):
        return run_label(SOURCES["11"], resolve_parameters(SOURCES["11"], {"rivals": rivals}, parse=True))

    assert label("center") == "laptop-orl-wild-0-rivals=center"
    assert label("Ring").startswith("laptop-orl-wild-0-rivals=Ring-")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "02", "-p", "=3"], "not of the form name=value"),
        (["run", "02", "-p", "epochs==3"], "not of the form name=value"),
        (["run", "02", "-p", "epochs=3", "-p", "epochs=4"], "names 'epochs' twice"),
        (["run", "02", "-p", "EPOCHS=3"], "Did you mean 'epochs'"),
        (["run", "02", "--preset", "Laptop"], "Did you mean 'laptop'"),
        (["run", "02", "--preset", "smoke", "-p", "preset=paper"], "preset is given twice"),
        (["run", "02", "2"], "02_cnn_mlp is named twice"),
        (["run", "all", "02"], "'all' stands beside"),
        (["run", "02_cnn_mlp.ipynb"], "Did you mean '02_cnn_mlp'"),
        (["run", "notebooks/02_cnn_mlp.ipynb"], "Did you mean '02_cnn_mlp'"),
        (["run", "02.ipynb"], "Did you mean '02_cnn_mlp'"),
        (["batch", "make", "b", "notebooks/2.py"], "Did you mean '02_cnn_mlp'"),
        (["run", "ALL"], "Write 'all'"),
        (["build", "All"], "Write 'all'"),
        (["run", "00", "02", "-p", "dataset=folder:nothere"], "There is no folder"),
        (["batch", "make", "b", "10", "--datasets", "lfw"], "lfw' is not on this machine"),
        (["run", "0²"], "No notebook is called"),
        (["run", "00", "03", "-p", "views=strong"], "00_start_here has no parameter 'views'"),
        (["build", "02", "02"], "named twice"),
        (["batch", "make", "b", "02", "-p", "seed=3"], "--seeds"),
        (["batch", "make", "b", "03", "-p", "views=strong"], "There are: plain"),
        (["batch", "make", "b", "03", "-p", "views="], "views is ''"),
        (["batch", "make", "b", "03", "-p", "temperature=0.1", "-p", "temperature=0.2"], "twice"),
    ],
)
def test_odd_words_are_one_line(monkeypatch, capsys, tmp_path, words, said):
    from facelab.labs import batch, build

    def must_not_run(*_):
        raise AssertionError("something was run")

    monkeypatch.setattr(batch, "execute", must_not_run)
    monkeypatch.setattr(build, "build_notebook", must_not_run)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACELAB_DATA", str(tmp_path))
    assert call(monkeypatch, *words) == 1
    told = capsys.readouterr()
    assert said in told.err and told.err.count("\n") == 1 and told.out == ""


@pytest.mark.parametrize("words", [["run", "0"], ["batch", "make", "b", "0"]])
def test_runs_that_have_no_folder_are_refused_before_anything_is_told(monkeypatch, capsys, tmp_path, words):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FACELAB_RUNS", str(tmp_path / "file"))
    assert call(monkeypatch, *words) == 1
    told = capsys.readouterr()
    assert "FACELAB_RUNS is" in told.err and told.out == ""


@pytest.mark.parametrize("words", [["run", "all"], ["run", "02"], ["build"], ["batch", "make", "b", "02"]])
def test_where_no_notebook_is_that_is_said(monkeypatch, capsys, tmp_path, words):
    from facelab.labs import parameters

    monkeypatch.setattr(parameters, "project_folder", lambda name: tmp_path / name)
    assert call(monkeypatch, *words) == 1
    assert f"No notebook is in {tmp_path}" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["2", "02", "002"])
def test_a_number_may_have_any_zeros(number):
    from facelab.labs.parameters import find_source

    assert find_source(number).stem == "02_cnn_mlp"


@pytest.mark.parametrize("source", notebook_sources(), ids=lambda path: path.stem)
def test_papermill_reads_every_line_of_a_parameters_cell(source, caplog):
    caplog.set_level("WARNING", logger="papermill")
    (cell,) = [c for c in notebook_from_source(source).cells if "parameters" in c.metadata.get("tags", [])]
    assert [parameter.name for parameter in PythonTranslator.inspect(cell)] == list(declared_parameters(source))
    assert not caplog.records
