"""A student's copy of the course: what is laid out, what an update replaces, and that no work is ever lost."""

import json
import os
import shutil

import pytest
from commands import call

from facelab import paths
from facelab.errors import BadParameterError, FacelabError
from facelab.labs import course_copy
from facelab.labs.course_copy import START_PAGE, Report, lay_out

THREE = "notebooks/03_third.ipynb"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of three notebooks and a figure, as an installed one has them."""
    root = tmp_path / "project"
    for name in ("notebooks/00_first.ipynb", "notebooks/02_second.ipynb", THREE, "figures/00_first.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"version 1 of {name}\r\n")
    (root / "notebooks" / "scratch.ipynb").write_text("no part of the course")
    monkeypatch.setattr(course_copy, "project_folder", lambda name: root / name)
    return root


@pytest.fixture
def copy(project, tmp_path):
    """A copy that was just laid out."""
    lay_out(tmp_path / "copy")
    return tmp_path / "copy"


def publish(project, *names):
    """A new version of some files."""
    for name in names:
        (project / name).write_text(f"version 2 of {name}\n")


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_copy_has_notebooks_figures_and_a_page_to_start_with(project, copy):
    assert set(content(copy)) == {
        START_PAGE, paths.COURSE_MANIFEST,
        "notebooks/00_first.ipynb", "notebooks/02_second.ipynb", THREE, "figures/00_first.png",
    }  # fmt: skip
    assert (copy / THREE).read_bytes() == (project / THREE).read_bytes()
    before = content(copy)
    assert lay_out(copy) == Report() and content(copy) == before


def test_an_update_adds_and_replaces_and_leaves_what_was_changed(project, copy):
    (copy / "notebooks" / "mine.ipynb").write_text("my own")
    (copy / THREE).write_text("my work")
    publish(project, THREE, "notebooks/00_first.ipynb", "notebooks/04_fourth.ipynb")
    report = lay_out(copy)
    assert report == Report(added=["notebooks/04_fourth.ipynb"], replaced=["notebooks/00_first.ipynb"], kept=[THREE])
    assert (copy / THREE).read_text() == "my work" and (copy / "notebooks" / "mine.ipynb").read_text() == "my own"
    assert (copy / "notebooks/00_first.ipynb").read_text() == "version 2 of notebooks/00_first.ipynb\n"
    assert lay_out(copy).kept == [THREE], "as long as the newer one was not taken, it is told"


def test_the_newer_one_is_written_beside_on_request_and_once(project, copy):
    (copy / THREE).write_text("my work")
    assert lay_out(copy, update=True) == Report(own=[THREE]), "there is nothing newer"
    publish(project, THREE)
    beside = "notebooks/03_third.new.ipynb"
    assert lay_out(copy, update=True) == Report(kept=[THREE], beside=[beside])
    assert (copy / THREE).read_text() == "my work" and (copy / beside).read_bytes() == (project / THREE).read_bytes()
    assert lay_out(copy, update=True) == Report(own=[THREE])


def test_a_newer_one_that_was_changed_in_turn_is_not_overwritten(project, copy):
    (copy / THREE).write_text("my work")
    (copy / "notebooks/03_third.new.ipynb").write_text("my other work")
    publish(project, THREE)
    report = lay_out(copy, update=True)
    assert report == Report(kept=[THREE], blocked=["notebooks/03_third.new.ipynb"])
    assert (copy / "notebooks/03_third.new.ipynb").read_text() == "my other work"


def test_the_newer_one_can_be_taken_over_by_hand(project, copy):
    (copy / THREE).write_text("my work")
    publish(project, THREE)
    lay_out(copy, update=True)
    os.replace(copy / "notebooks/03_third.new.ipynb", copy / THREE)
    assert lay_out(copy) == Report()
    (project / THREE).write_text("version 3")
    assert lay_out(copy).replaced == [THREE]


def test_what_was_deleted_stays_away_until_it_is_asked_for(project, copy):
    (copy / THREE).unlink()
    publish(project, THREE)
    assert lay_out(copy, update=True) == Report(deleted=[THREE]) and not (copy / THREE).exists()
    assert lay_out(copy, restore=True) == Report(added=[THREE])
    assert (copy / THREE).read_bytes() == (project / THREE).read_bytes()


def test_what_the_course_no_longer_has_stays_and_is_told(project, copy):
    (project / THREE).unlink()
    assert lay_out(copy) == Report(dropped=[THREE]) and (copy / THREE).exists()
    (copy / THREE).write_text("my work")
    assert lay_out(copy) == Report(), "it is the student's alone"


@pytest.mark.parametrize(
    "text", ["[", "[]", "{}", '{"files": 3}', '{"files": {"START.md": 3}}', "[" * 100_000, b"\xff"]
)
def test_a_damaged_manifest_makes_every_file_that_differs_the_students(project, copy, text):
    (copy / THREE).write_text("my work")
    publish(project, "notebooks/00_first.ipynb")
    (copy / paths.COURSE_MANIFEST).write_bytes(text if isinstance(text, bytes) else text.encode())
    report = lay_out(copy)
    assert report == Report(kept=["notebooks/00_first.ipynb", THREE], damaged=True)
    assert (copy / THREE).read_text() == "my work"
    assert not lay_out(copy).damaged, "it was written anew"


def test_a_lost_manifest_is_no_leave_to_overwrite(project, copy):
    (copy / THREE).write_text("my work")
    (copy / paths.COURSE_MANIFEST).unlink()
    before = content(copy)
    with pytest.raises(BadParameterError, match=f"course that facelab laid out.*: {THREE}. .*--update"):
        lay_out(copy)
    assert content(copy) == before
    assert lay_out(copy, update=True).beside == ["notebooks/03_third.new.ipynb"]
    assert (copy / THREE).read_text() == "my work"


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_are_the_students(project, copy, tmp_path):
    elsewhere = tmp_path / "elsewhere.ipynb"
    shutil.move(copy / THREE, elsewhere)
    (copy / THREE).symlink_to(elsewhere)
    (copy / "notebooks/02_second.ipynb").unlink()
    (copy / "notebooks/02_second.ipynb").symlink_to(tmp_path / "nowhere")
    before = elsewhere.read_bytes()
    publish(project, THREE, "notebooks/02_second.ipynb")
    assert lay_out(copy).kept == ["notebooks/02_second.ipynb", THREE]
    assert elsewhere.read_bytes() == before and (copy / THREE).is_symlink()
    shutil.rmtree(copy / "figures")
    (copy / "figures").symlink_to(tmp_path)
    with pytest.raises(BadParameterError, match="figures is a link"):
        lay_out(copy)


def test_a_folder_under_a_files_name_is_left(project, copy):
    (copy / THREE).unlink()
    (copy / THREE).mkdir()
    publish(project, THREE)
    assert lay_out(copy).kept == [THREE] and (copy / THREE).is_dir()


def test_a_file_that_was_made_read_only_is_still_brought_up_to_date(project, copy):
    (copy / THREE).chmod(0o444)
    publish(project, THREE)
    assert lay_out(copy).replaced == [THREE]


def test_killed_at_any_step_a_second_call_completes_it(project, tmp_path, monkeypatch):
    """Of an update, too: what the student changed is as it was, and every other file is whole, old or new."""
    copy, write, steps = tmp_path / "copy", course_copy._write, iter(range(100))

    def killed_at(step):
        count = iter(range(100))

        def write_or_die(path, data):
            if next(count) == step:
                path.parent.mkdir(exist_ok=True)
                (path.parent / f".{path.name}-abcd1234.partial").write_bytes(data[:3])
                raise KeyboardInterrupt
            write(path, data)

        return write_or_die

    died = True
    while died:  # at the first write, at the second, and so on, until it has no more
        monkeypatch.setattr(course_copy, "_write", killed_at(next(steps)))
        shutil.rmtree(copy, ignore_errors=True)
        try:
            lay_out(copy)
            died = False
        except KeyboardInterrupt:
            monkeypatch.setattr(course_copy, "_write", write)
            lay_out(copy)
        assert len(list(copy.glob("*/[0-9]*"))) == 4 and not list(copy.glob("*/.*.partial"))
    assert next(steps) == 6
    (copy / THREE).write_text("my work")
    publish(project, "notebooks/00_first.ipynb", "notebooks/02_second.ipynb", THREE)
    monkeypatch.setattr(course_copy, "_write", killed_at(1))
    with pytest.raises(KeyboardInterrupt):
        lay_out(copy)
    monkeypatch.setattr(course_copy, "_write", write)
    assert lay_out(copy) == Report(replaced=["notebooks/02_second.ipynb"], kept=[THREE])
    assert (copy / THREE).read_text() == "my work"


@pytest.mark.parametrize("place", ["file", "file/below", "clone", "taken"])
def test_a_place_that_is_none_is_refused_and_nothing_is_written(project, tmp_path, place):
    (tmp_path / "file").write_text("mine")
    for name in ("facelab", "notebooks/src"):
        (tmp_path / "clone" / name).mkdir(parents=True)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / START_PAGE).write_text("another project")
    before = content(tmp_path)
    with pytest.raises(BadParameterError, match=f"{tmp_path / place.partition('/')[0]} is "):
        lay_out(tmp_path / place)
    assert content(tmp_path) == before


def test_a_folder_with_other_things_is_fine(project, tmp_path):
    (tmp_path / "home" / "notebooks").mkdir(parents=True)
    (tmp_path / "home" / "notebooks" / "thesis.ipynb").write_text("mine")
    assert len(lay_out(tmp_path / "home").added) == 5
    assert (tmp_path / "home" / "notebooks" / "thesis.ipynb").read_text() == "mine"


def test_where_no_notebook_came_with_the_project_the_command_says_so(project, tmp_path, monkeypatch, capsys):
    for path in (project / "notebooks").glob("*.ipynb"):
        path.unlink()
    assert call(monkeypatch, "start", str(tmp_path / "copy")) == 1
    assert capsys.readouterr().err.startswith(f"facelab: No notebook is in {project / 'notebooks'}. ")
    assert not (tmp_path / "copy").exists()


def test_the_command_names_what_it_kept(project, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, "start", "copy") == 0
    (tmp_path / "copy" / THREE).write_text("my work")
    publish(project, THREE)
    capsys.readouterr()
    assert call(monkeypatch, "start", "copy") == 0
    assert f"changed by you, so kept, though there is a newer one: {THREE}" in capsys.readouterr().out
    assert call(monkeypatch, "start", "copy", "--update") == 0
    assert "written beside yours: notebooks/03_third.new.ipynb" in capsys.readouterr().out


def test_a_full_disk_is_one_error_and_nothing_is_lost(project, copy, monkeypatch):
    (copy / THREE).write_text("my work")
    publish(project, "notebooks/00_first.ipynb")

    def full(path, data):
        raise FacelabError(f"{path} cannot be written (No space left on device).", "Free some space.")

    monkeypatch.setattr(course_copy, "_write", full)
    before = content(copy)
    with pytest.raises(FacelabError, match="00_first.ipynb cannot be written"):
        lay_out(copy)
    assert content(copy) == before


def test_runs_are_kept_in_the_copy_that_one_stands_in(copy, tmp_path, monkeypatch):
    monkeypatch.delenv("FACELAB_RUNS")
    for here in (copy, copy / "notebooks"):
        monkeypatch.chdir(here)
        assert paths.course_folder() == copy and paths.runs_root() == copy / "runs"
    monkeypatch.chdir(tmp_path)
    assert paths.course_folder() is None and paths.runs_root() == paths.project_root() / "runs"
    monkeypatch.setattr(paths, "checkout", lambda: None)
    assert paths.runs_root() == tmp_path / "runs"
    monkeypatch.setenv("FACELAB_RUNS", str(tmp_path / "other"))
    monkeypatch.chdir(copy)
    assert paths.runs_root() == tmp_path / "other"


def test_the_manifest_says_which_version_was_laid_out(copy):
    manifest = json.loads((copy / paths.COURSE_MANIFEST).read_text())
    assert manifest["facelab"] and set(manifest["files"]) == set(content(copy)) - {paths.COURSE_MANIFEST}
