"""Paths that a user typed, the folders that the environment names, and the nearest of known names."""

from pathlib import Path

import pytest
from commands import call

from facelab import paths
from facelab.errors import BadParameterError, nearest_name


def test_a_typed_path_knows_home_and_stays_relative():
    assert paths.user_path("~/faces") == Path.home() / "faces"
    assert paths.user_path("faces/~x") == Path("faces/~x")
    assert paths.user_path(Path("some/faces")) == Path("some/faces")
    assert paths.user_path("caf\udce9") == Path("caf\udce9")  # as Python has a name that is not UTF-8


@pytest.mark.parametrize(
    ("typed", "said"),
    [("~nosuchuser/faces", r"'~nosuchuser/faces' is in nobody's"), ("a\0b", "NUL"), ("", "empty")],
)
def test_what_no_path_can_be_is_one_error(typed, said):
    with pytest.raises(BadParameterError, match=said):
        paths.user_path(typed)


@pytest.mark.parametrize("kind", ["a file", "below a file", "a link to nothing"])
@pytest.mark.parametrize(
    ("variable", "root"),
    [("FACELAB_RUNS", paths.runs_root), ("FACELAB_DATA", paths.data_root), ("FACELAB_CACHE", paths.cache_root)],
)
def test_a_variable_that_names_no_folder_is_named(monkeypatch, tmp_path, variable, root, kind):
    named = tmp_path / "here"
    named.symlink_to(tmp_path / "nowhere") if kind == "a link to nothing" else named.write_text("")
    monkeypatch.setenv(variable, str(named / "runs" if kind == "below a file" else named))
    with pytest.raises(BadParameterError, match=f"{variable} is .*{named} is not a folder"):
        root()
    monkeypatch.setenv(variable, "~nosuchuser/x")
    with pytest.raises(BadParameterError, match=f"{variable}.*nobody"):
        root()
    monkeypatch.setenv(variable, str(tmp_path / "not" / "yet"))
    assert root() == tmp_path / "not" / "yet"


def test_the_nearest_name_is_asked_back():
    known = ["laptop", "smoke", "MoCo v2"]
    assert nearest_name("Laptpo", known) == " Did you mean 'laptop'?"
    assert nearest_name("moco V2", known) == " Did you mean 'MoCo v2'?"
    assert nearest_name("zzz", known) == nearest_name("", known) == ""


@pytest.mark.parametrize("typed", ["張" * 86, "a/" + "x" * 256 + "/b", "~/" + "é" * 128, "abc/" * 1100])
def test_a_path_longer_than_systems_allow_is_one_error(typed):
    with pytest.raises(BadParameterError, match="bytes long. Choose a shorter one: .*255 bytes"):
        paths.user_path(typed)
    assert paths.user_path("張" * 85) == Path("張" * 85)


def test_an_absolute_path_goes_where_the_system_goes(tmp_path, monkeypatch):
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to("far/deep")
    monkeypatch.chdir(tmp_path / "far")
    assert paths.absolute_path("../x") == tmp_path / "x"
    assert paths.absolute_path("../link/y") == tmp_path / "link" / "y"
    assert paths.absolute_path("../link/../y") == tmp_path / "far" / "y"
    assert paths.absolute_path("..") == tmp_path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "02"], "The folder notebooks/ of the project is not there."),
        (["run", "all"], "The folder notebooks/ of the project is not there."),
        (["start", "course"], "The folder notebooks/ of the project is not there."),
        (["build", "02"], "This facelab was installed without its clone."),
        (["batch", "results", "b", "--reference"], "This facelab was installed without its clone."),
    ],
)
def test_where_neither_a_clone_nor_notebooks_are_that_is_said(monkeypatch, capsys, tmp_path, words, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "checkout", lambda: None)
    assert call(monkeypatch, *words) == 1
    told = capsys.readouterr()
    assert told.err.startswith(f"facelab: {said} ") and told.err.count("\n") == 1 and told.out == ""
    assert not list(tmp_path.iterdir())


def test_what_comes_with_the_project_is_the_checkouts():
    for name in ("notebooks", "figures", "data"):
        assert paths.project_folder(name) == Path(__file__).parents[1] / name
