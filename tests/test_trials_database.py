"""The database of ``facelab train --trials`` lies in the run's folder, whatever that is called."""

import pytest
from test_train_command import FACES, PLAIN, PLAN

from facelab.commands.train import task
from facelab.commands.train.search import open_study, search_settings
from facelab.errors import FacelabError


def test_a_search_keeps_its_trials_in_a_folder_with_an_odd_name(tmp_path, monkeypatch):
    monkeypatch.setattr(task, "load", lambda name, size: FACES)
    folder = tmp_path / "why?mode=memory 50%41 #1"
    best, _ = search_settings(PLAIN, PLAN, 1, out=folder)
    assert (folder / "search.db").stat().st_size > 0 and [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert search_settings(PLAIN, PLAN, 1, out=folder)[0] == best  # nothing is left to do


@pytest.mark.parametrize("name", ["a?b", "50%41", "@host:1", "ü $x;y", "a&uri=true", "[raw]"])
def test_a_study_is_found_again_where_it_was_kept(tmp_path, name):
    (tmp_path / name).mkdir()
    open_study(tmp_path / name / "search.db", "lr").add_trial(_trial())
    assert len(open_study(tmp_path / name / "search.db", "lr").trials) == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


def _trial():
    import optuna

    return optuna.trial.create_trial(value=1.0)


@pytest.mark.parametrize("content", [b"hello, I am no database" * 100, None])
def test_something_else_in_its_place_is_one_line(tmp_path, content):
    database = tmp_path / "search.db"
    database.mkdir() if content is None else database.write_bytes(content)
    with pytest.raises(FacelabError, match="search.db cannot be used as the database of trials") as error:
        open_study(database, "lr")
    assert "\n" not in str(error.value)
