"""Where a sweep is kept: the same study is found again whatever the file is called, and what cannot be opened is one line."""

import pytest
from test_sweep_trials import SPACE, Parabola, study_at

from facelab.errors import FacelabError
from facelab.sweeps import numeric_range, open_storage, open_study

optuna = pytest.importorskip("optuna")

NAMES = ["a?b", "50%41", "@host:1", "ü $x;y", "a&uri=true", "[raw]"]


@pytest.mark.parametrize("name", NAMES)
def test_a_study_is_found_again_where_it_was_kept(tmp_path, name):
    for trials in (0, 1):
        study = study_at(tmp_path / name / "study.log")
        assert len(study.trials) == trials
        study.add_trial(optuna.trial.create_trial(value=1.0))
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_another_sweep_under_the_same_name_is_refused(tmp_path):
    storage = open_storage(str(tmp_path / "log"))
    open_study(storage, "s", Parabola(), SPACE)
    for name, value in (("description", "a circle"), ("metric", "width"), ("seed", 4), ("maximize", False)):
        other = Parabola()
        setattr(other, name, value)
        with pytest.raises(FacelabError, match="The study 's' is another sweep .*another --name") as error:
            open_study(storage, "s", other, SPACE)
        assert "\n" not in str(error.value)
        open_study(storage, f"another {name}", other, SPACE)
    with pytest.raises(FacelabError, match=r"\('high = 1.0' there, 'high = 2.0' here\)"):
        open_study(storage, "s", Parabola(), {**SPACE, "x": numeric_range(float, -1.0, 2.0)})
    assert open_study(storage, "s", Parabola(), SPACE).study_name == "s"


def test_somebody_elses_study_is_refused(tmp_path):
    storage = open_storage(str(tmp_path / "log"))
    study = optuna.create_study(storage=storage, study_name="s", direction="maximize")
    study.add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(FacelabError, match="is another sweep"):
        open_study(storage, "s", Parabola(), SPACE)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("grpc://localhost", "names no host and port"),
        ("grpc://localhost:http", "names no host and port"),
        ("grpc://localhost:1", "no server answers. Start one"),
        ("postgres//x://", "no URL of a database"),
        ("nosuchdatabase://u:secret@host/x", "nosuchdatabase://u:.* cannot be opened"),
        ("mysql+nosuchdriver://u:secret@host/x", "cannot be opened"),
        ("postgresql+psycopg://u:secret@localhost:1/x", "needs a driver|cannot be opened"),
        ("sqlite:////nowhere/at/all/x.db", "cannot be opened"),
        ("/dev/null/log", "cannot be used as a journal"),
    ],
)
def test_what_cannot_be_opened_is_one_line(monkeypatch, where, said):
    from facelab.sweeps import storage

    monkeypatch.setattr(storage, "_SECONDS_TO_CONNECT", 0.5)
    monkeypatch.setattr(storage, "_SECONDS_TO_MAKE_TABLES", 0)
    with pytest.raises(FacelabError, match=said) as error:
        open_storage(where)
    assert "\n" not in str(error.value) and "secret" not in str(error.value)


@pytest.mark.parametrize("content", [b"hello, I am no journal\n" * 9, b'{"a": 1}\n', b"[3]\n", None])
def test_something_else_in_its_place_is_one_line(tmp_path, content):
    path = tmp_path / "study.log"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(FacelabError, match="study.log (cannot be used as a|is no) journal of trials") as error:
        open_storage(str(path))
    assert "\n" not in str(error.value)
    if content is not None:
        assert path.read_bytes() == content
