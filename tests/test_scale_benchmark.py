"""The pieces of ``make bench-scale``: people who can be told apart, and commands whose parts are timed."""

import os
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import scale
from facelab.datasets import load
from facelab.datasets.pairs import all_pairs
from facelab.evaluation import cosine_scores, eer, raw_pixels, roc


def test_the_made_people_are_alike_and_not_the_same(data):
    for number in range(4):
        scale.write_person(data / "people", number)
    faces = load(f"folder:{data}/people", 32)
    assert (len(faces), len(faces.people), faces.images.shape[1:]) == (200, 4, (32, 32, 3))
    pairs = all_pairs(faces)
    found = eer(roc(cosine_scores(raw_pixels(faces.images)(faces.images), pairs), pairs.same))
    assert 0.02 < found < 0.45  # neither given away by the pixels nor hidden


def test_a_watched_command_leaves_its_parts_time_and_memory(data):
    scale.write_person(data / "people", 0)
    environment = dict(os.environ)
    found = scale.watch("check", ["data", "check", f"folder:{data}/people", "--size", "32"], environment, (0, 0))
    parts = {name: (count, seconds) for name, count, seconds in found.parts}
    assert parts["Decoding"][0] == 50 and 0 < parts["Decoding"][1] <= found.seconds
    assert found.resident > found.own > 2**24  # an interpreter with NumPy
    with pytest.raises(SystemExit, match="ended with 1"):
        scale.watch("check", ["data", "check", f"folder:{data}/nobody"], environment, (0, 0))


def test_memory_is_that_of_a_process_and_those_that_it_started():
    fills = "b = bytearray(2**27); b[::4096] = b[::4096]; input()"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {fills!r}])"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
        watched, most = scale.psutil.Process(process.pid), 0
        while most < 2**27 and process.poll() is None:
            most = max(most, scale.memory(watched)[1])
        process.communicate(b"\n")
    assert np.isclose(most, 2**27, rtol=0.5) and most >= 2**27


@pytest.mark.parametrize("size", ["120", "0", "1e3", "many"])
def test_a_size_that_is_not_made_is_refused_before_any_is_measured(monkeypatch, capsys, size):
    monkeypatch.setattr(scale, "measure", lambda *_: pytest.fail("nothing may be measured"))
    with pytest.raises(SystemExit) as ended:
        scale.main(["1000", size])
    assert ended.value.code == 2 and f"{size} is no positive multiple of 50" in capsys.readouterr().err


def test_ctrl_c_is_one_line(monkeypatch, capsys):
    def interrupted(photographs, parent):
        assert photographs == 100 and parent is None
        raise KeyboardInterrupt

    monkeypatch.setattr(scale, "measure", interrupted)
    with pytest.raises(SystemExit) as ended:
        scale.main(["100"])
    assert ended.value.code == 130 and capsys.readouterr().err == "python -m benchmarks.scale: stopped\n"
