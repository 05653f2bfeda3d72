"""A command line that we print or record can be pasted, whatever blanks and quotes are in its values."""

from __future__ import annotations

import shlex
import subprocess

import cv2
import numpy as np
import pytest

from facelab import labs
from facelab.commands.parameters import parse_parameters
from facelab.datasets import load
from facelab.datasets.faceset import RejectedFilesWarning
from facelab.labs import parameters

SOURCE = """# %% tags=["parameters"]
preset: str = "laptop"  # smoke, laptop or paper
note: str = "x"  # any text
seed: int = 0
rate: float = 0.5  # a rate
flag: bool = False
"""
VALUES = [
    "folder:/my photos/it's",
    'a "b" $HOME `id`',
    "x; rm -rf *",
    "back\\slash",
    "tab\tand\nline",
    "张伟",
    "a=b",
    "",
    "~",
]


def typed_in_a_shell(line: str) -> list[str]:
    """The words that a shell makes of a line."""
    done = subprocess.run(["sh", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True)
    return done.stdout.decode().split("\0")[:-1]


@pytest.fixture
def source(notebook_folder):
    path = notebook_folder / "99_test.py"
    path.write_text(SOURCE)
    return path


@pytest.mark.parametrize("value", VALUES)
def test_the_command_of_a_record_gives_the_same_run_when_it_is_pasted(source, value):
    run = labs.notebook.Run("99_test", {"preset": "smoke", "note": value, "seed": 3, "rate": 0.25, "flag": True})
    program, command, name, *words = typed_in_a_shell(run.record.command)
    assert (program, command, name, words[:2]) == ("facelab", "run", "99_test", ["--preset", "smoke"])
    assert set(words[2::2]) == {"-p"}
    pasted = {"preset": words[1], **parse_parameters(words[3::2])}
    assert parameters.resolve_parameters(source, pasted, parse=True) == run.parameters


def test_what_is_usual_is_written_as_before(source):
    run = labs.notebook.Run(
        "99_test", {"preset": "laptop", "note": "folder:lfw", "seed": 1, "rate": 0.5, "flag": False}
    )
    assert run.record.command == "facelab run 99_test --preset laptop -p note=folder:lfw -p seed=1"


def test_the_command_in_a_warning_about_photographs_can_be_pasted(tmp_path, data):
    folder = tmp_path / "my set's (1)"
    (folder / "Ann").mkdir(parents=True)
    (folder / "Ann" / "bad.png").write_bytes(b"no photograph")
    cv2.imencode(".png", np.zeros((20, 20), np.uint8))[1].tofile(folder / "Ann" / "good.png")
    with pytest.warns(RejectedFilesWarning) as heard:
        load(f"folder:{folder}", 16)
    line = str(heard[0].message).split("All of them: ")[1]
    assert typed_in_a_shell(line) == shlex.split(line) == ["facelab", "data", "check", f"folder:{folder}"]
