"""The facelab command as a person types it: exit codes, and errors of one line."""

import errno
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from commands import call
from tiny import tiny_faces

from facelab import cli
from facelab.datasets import catalog, load


def facelab(*words: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "facelab.cli", *words],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"COLUMNS": "200", "OMP_NUM_THREADS": "1"} | environment,
    )


def test_help_tells_of_every_command():
    done = facelab("--help")
    assert done.returncode == 0
    for command in (
        "start",
        "run",
        "data",
        "build",
        "crop",
        "split",
        "train",
        "export",
        "batch",
        "sweep",
        "leaderboard",
    ):
        assert command in done.stdout


@pytest.mark.parametrize(
    ("module", "absent"),
    [("facelab.cli", {"torch", "pandas", "cv2", "papermill", "fastapi"}), ("facelab.labs", {"nbformat", "papermill"})],
    ids=["every command", "every notebook"],
)
def test_what_takes_long_to_import_waits_for_whoever_needs_it(module, absent):
    code = f"import sys, {module}; print({absent} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "77"], "No notebook is called '77'"),
        (["build", "77"], "No notebook is called '77'"),
        (["run", "00", "-p", "sede=1"], "no parameter 'sede'"),
        (["run", "00", "-p", "seed"], "has no '='"),
        (["run", "00", "--preset", "huge"], "preset is 'huge'"),
        (["data", "info", "olr"], "olr"),
        (["train", "supercon"], "There are: classifier, supcon, moco"),
        (["train", "supcon", "-p", "tau=1"], "temperature=0.1"),
        (["train", "supcon", "-p", "tau"], "has no '='"),
        (["train", "moco", "--dataset", "orl", "--scene", "phto"], "There are: file"),
        (["train", "classifier", "--backbone", "resnet11", "--epochs", "2"], "resnet10"),
        (["batch", "run", "none"], "No batch is called 'none'. Make one: facelab batch make."),
        (["leaderboard"], "no record yet"),
        (["leaderboard", "nowhere"], "nowhere is not a folder"),
        (["crop", "/nowhere/at/all", "out"], "/nowhere/at/all"),
        (["split", "/nowhere/at/all", "out"], "/nowhere/at/all"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_1(monkeypatch, capsys, tmp_path, words, said):
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, *words) == 1
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error and error.startswith("facelab: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--presett", "smoke", "00"], "--presett"),
        (["dat"], "dat"),
        (["data", "check"], "name"),
        (["data", "check", "orl", "--size", "big"], "--size"),
        (["train", "classifier", "--batch-size", "1"], "--batch-size"),
        (["train", "classifier", "--min-photos", "-3"], "--min-photos"),
        (["crop", "in", "out", "--workers", "0"], "--workers"),
    ],
)
def test_a_wrong_word_is_one_line_too_and_exit_code_2(monkeypatch, capsys, words, said):
    assert call(monkeypatch, *words) == 2
    error = capsys.readouterr().err.strip()
    assert said.lower() in error.lower() and "--help" in error and "\n" not in error and error.startswith("facelab: ")


def test_no_word_at_all_shows_the_help(monkeypatch, capsys):
    call(monkeypatch, "data")
    said = capsys.readouterr()
    assert "fetch" in said.out + said.err and "facelab: " not in said.err


def test_ctrl_c_is_one_line_and_exit_code_130(monkeypatch, capsys):
    def pressed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(catalog, "list_sources", pressed)
    assert call(monkeypatch, "data", "list") == 130
    assert capsys.readouterr().err == "facelab: stopped.\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps the folder that somebody stands in")
def test_a_current_folder_that_is_gone_is_one_line(monkeypatch, capsys, tmp_path):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert call(monkeypatch, "train", "supcon") == 1
    assert capsys.readouterr().err == (
        "facelab: The current folder cannot be read (No such file or directory). Go to another one (cd).\n"
    )


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_refuses_is_one_line_wherever_it_happens(monkeypatch, capsys, number):
    def refused(*_):
        raise OSError(number, os.strerror(number), "some/file")

    monkeypatch.setattr(catalog, "list_sources", refused)
    assert call(monkeypatch, "data", "list") == 1
    error = capsys.readouterr().err
    assert "some/file" in error and os.strerror(number) in error and error.count("\n") == 1


def test_a_fault_of_ours_is_not_passed_off_as_the_users(monkeypatch):
    def broken(*_):
        raise FileNotFoundError(errno.ENOENT, "No such file", "some/file")

    monkeypatch.setattr(catalog, "list_sources", broken)
    monkeypatch.setattr(sys, "argv", ["facelab", "data", "list"])
    with pytest.raises(FileNotFoundError):
        cli.main()


def test_data_list_shows_what_is_here(monkeypatch, capsys, data):
    done = facelab("data", "list", FACELAB_DATA=str(data))
    assert done.returncode == 0
    lines = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines() if line.strip()}
    assert lines["orl"] == "yes" and lines["lfw"] == "no"
    assert call(monkeypatch, "data", "check", "celeba") == 1
    error = capsys.readouterr().err
    assert str(data) in error and error.count("\n") == 1


def write_tree(folder, faces):
    for row, name in enumerate(faces.attributes["file"]):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), faces.images[row])


def test_split_copies_and_says_how_many(monkeypatch, capsys, tmp_path):
    write_tree(tmp_path / "in", tiny_faces(people=3, shots=10))
    assert call(monkeypatch, "split", str(tmp_path / "in"), str(tmp_path / "out"), "--train", "70") == 0
    assert "train 21, test 9" in capsys.readouterr().out
    assert len(list((tmp_path / "in").rglob("*.png"))) == 30


def test_crop_counts_what_it_could_not_crop(monkeypatch, capsys, tmp_path):
    folder = tmp_path / "in" / "someone"
    folder.mkdir(parents=True)
    face = cv2.resize(load("orl", 92).images[0], (200, 200))
    cv2.imwrite(str(folder / "face.png"), cv2.copyMakeBorder(face, 60, 60, 60, 60, cv2.BORDER_REPLICATE))
    cv2.imwrite(str(folder / "wall.png"), np.full((200, 200), 90, np.uint8))
    assert call(monkeypatch, "crop", str(tmp_path / "in"), str(tmp_path / "out"), "--size", "64") == 1
    said = capsys.readouterr().out
    assert "no crop: someone/wall.png: no face" in said
    assert cv2.imread(str(tmp_path / "out" / "someone" / "face.png")).shape[:2] == (64, 64)
    assert not (tmp_path / "out" / "someone" / "wall.png").exists()


def test_train_measures_resumes_and_shows_up_in_the_leaderboard(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("FACELAB_CACHE", str(tmp_path / "cache"))  # this tree is nobody else's business
    write_tree(tmp_path / "faces", tiny_faces(people=4, shots=15))
    words = ["train", "classifier", "--dataset", f"folder:{tmp_path / 'faces'}", "--size", "16", "--epochs", "2"]
    words += ["--width", "8", "--batch-size", "8", "--out", str(tmp_path / "out")]
    assert call(monkeypatch, *words) == 0
    assert "top1/classifier, class scores" in capsys.readouterr().out
    before = (tmp_path / "out" / "last.ckpt").read_bytes()
    assert call(monkeypatch, *words) == 0  # done already: nothing is trained again
    assert (tmp_path / "out" / "last.ckpt").read_bytes() == before
    assert call(monkeypatch, "leaderboard", str(tmp_path / "out"), "--csv", str(tmp_path / "t.csv")) == 0
    assert "whitened PCA" in (tmp_path / "t.csv").read_text()
    assert call(monkeypatch, "leaderboard", str(tmp_path / "out"), "--metric", "no such") == 1
    assert "'no such'" in capsys.readouterr().err
    assert call(monkeypatch, *words, "--lr", "0.1") == 1
    assert "another" in capsys.readouterr().err


def test_train_without_the_test_only_trains(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("FACELAB_CACHE", str(tmp_path / "cache"))
    write_tree(tmp_path / "faces", tiny_faces(people=3, shots=10))
    words = ["train", "moco", "--dataset", f"folder:{tmp_path / 'faces'}", "--size", "16", "--epochs", "1"]
    words += ["--width", "8", "--batch-size", "8", "-p", "queue=16", "--out", str(tmp_path / "out")]
    assert call(monkeypatch, *words, "--do", "train") == 0
    assert "top1" not in capsys.readouterr().out
    assert call(monkeypatch, *words, "--do", "test") == 0
    assert "top1/moco, nearest photograph" in capsys.readouterr().out


def test_of_two_processes_the_first_alone_measures_and_writes(tmp_path):  # slow: each process imports all anew
    write_tree(tmp_path / "faces", tiny_faces(people=4, shots=10))
    words = ["train", "moco", "--dataset", f"folder:{tmp_path / 'faces'}", "--size", "16", "--epochs", "1"]
    words += ["--width", "8", "--batch-size", "8", "--devices", "2", "--out", str(tmp_path / "out")]
    done = facelab(*words, FACELAB_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert "MEMBER: 2/2" in done.stderr and "Traceback" not in done.stderr
    assert done.stdout.count("everything is in") == done.stdout.count("silhouette/moco") == 1
    made = {path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")}
    assert made == {"command.txt", "last.ckpt", "method.pt", "record.json"}
