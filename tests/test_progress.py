"""Progress bars: one within another, none for short work, and a line in the log for each piece of work."""

import logging

import pytest

from facelab import progress


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.setattr(progress, "is_interactive", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")


def test_a_bar_within_another_is_drawn_below_it_and_goes_first(watched, capsys):
    with progress.progress_bar("outer", 2) as outer:
        outer.advance()
        display = progress._display
        with progress.progress_bar("inner", 3) as inner:
            inner.advance(2)
            assert progress._display is display and [task.description for task in display.tasks] == ["outer", "inner"]
        assert [(task.description, task.completed) for task in display.tasks] == [("outer", 1)]
    assert progress._display is None and display.finished is False
    said = capsys.readouterr().err
    assert "outer" in said and "inner" in said


def test_an_error_takes_both_bars_away(watched):
    with pytest.raises(RuntimeError), progress.progress_bar("outer", 2), progress.progress_bar("inner", 3):
        raise RuntimeError
    assert progress._display is None


def test_work_that_is_done_before_its_delay_shows_nothing(watched, capsys, monkeypatch):
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with progress.progress_bar("short", 9, delay=1.0) as bar:
        now += 0.9
        bar.advance(8)
    assert capsys.readouterr().err == ""
    with progress.progress_bar("long", 9, delay=1.0) as bar:
        now += 0.9
        bar.advance(3)
        assert progress._display is None
        now += 0.2
        bar.advance(3)
        assert [(task.description, task.completed) for task in progress._display.tasks] == [("long", 6)]
    assert "long" in capsys.readouterr().err


def test_what_a_piece_of_work_took_is_logged(caplog):
    with caplog.at_level(logging.INFO, logger="facelab.progress"):
        with progress.progress_bar("sorting", 5) as bar:
            bar.advance(5)
        with pytest.raises(ValueError), progress.progress_bar("breaking", 5):
            raise ValueError
    assert [record.args[:2] for record in caplog.records] == [("sorting", 5)]
    assert caplog.records[0].args[2] >= 0 and caplog.records[0].getMessage().startswith("sorting: 5 in ")
