import json
import os
import signal
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pytest

from facelab import cropping
from facelab.cropping import Box, Face, YuNetDetector, crop_tree
from facelab.cropping.manifest import NO_FACE, OK, SEVERAL_FACES, UNREADABLE, Manifest, Row
from facelab.cropping.survey import uncropped_orl
from facelab.errors import BadParameterError, DataMissingError, FacelabError


class Finder:
    """Finds a face wherever the picture is bright, two where it is white; counts its calls."""

    def __init__(self, stop_after=None):
        self.calls, self.stop_after, self.lock = 0, stop_after, threading.Lock()

    def __repr__(self):
        return "Finder()"

    def detect(self, image):
        with self.lock:
            self.calls += 1
            if self.stop_after is not None and self.calls > self.stop_after:
                raise KeyboardInterrupt
        bright = int(image.mean())
        face = Face(Box(4, 4, 20, 20), 0.9)
        return [] if bright < 50 else [face] if bright < 250 else [face, Face(Box(0, 0, 5, 5), 0.5)]


def photograph(path, value, shape=(40, 30, 3)):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(value).integers(0, 5, shape, dtype=np.uint8)
    assert cv2.imwrite(str(path), np.full(shape, value, np.uint8) + noise)


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / "photos"
    for number in range(8):
        photograph(root / "anna" / f"{number}.png", 100 + 10 * number)
    photograph(root / "bert" / "grey.pgm", 120, (40, 30))
    photograph(root / "bert" / "deep" / "er" / "two.JPG", 250)
    photograph(root / "bert" / "dark.jpg", 10)
    (root / "anna" / "empty.jpg").write_bytes(b"")
    cut = (root / "bert" / "dark.jpg").read_bytes()
    (root / "anna" / "cut.jpg").write_bytes(cut[: len(cut) // 2])
    (root / "notes.txt").write_text("no photograph")
    (root / ".hidden.png").write_bytes(b"x")
    return root


def tree(root):
    """Files but for the lock, which stays behind."""
    files = (path for path in root.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_every_photograph_is_accounted_for(photos, tmp_path):
    before = tree(photos)
    report = crop_tree(photos, tmp_path / "out", Finder(), size=16, workers=3)
    assert report.files(OK) == sorted([*(f"anna/{n}.png" for n in range(8)), "bert/grey.pgm"])
    assert report.files(SEVERAL_FACES) == ["bert/deep/er/two.JPG"]
    assert report.files(NO_FACE) == ["bert/dark.jpg"]
    assert report.files(UNREADABLE) == ["anna/cut.jpg", "anna/empty.jpg"]
    assert report.other_files == [("notes.txt", "Its name does not end as a photograph's does.")]
    why = dict(report.failures)
    assert "empty" in why["anna/empty.jpg"] and "decoded" in why["anna/cut.jpg"]
    assert why["bert/dark.jpg"] == NO_FACE and len(why) == 3
    said = "13 photographs: 9 ok, 1 several faces, 1 no face, 2 unreadable (0 done before); 1 other file"
    assert str(report) == said
    assert tree(photos) == before

    out = tree(tmp_path / "out")
    crops = {name for name in out if not name.startswith("crop-")}
    assert crops == set(report.files(OK) + report.files(SEVERAL_FACES))  # no face: no crop, and never the whole frame
    rows = [json.loads(line) for line in out["crop-manifest.jsonl"].decode().splitlines()]
    assert [row["file"] for row in rows] == sorted(row.file for row in report.rows)


def test_the_crop_is_the_box_in_its_colours(tmp_path):
    image = np.random.default_rng(0).integers(90, 200, (40, 30, 3), dtype=np.uint8)
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), image)
    crop_tree(tmp_path / "in", tmp_path / "out", Finder(), size=20)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "out" / "a.png")), image[4:24, 4:24])


def test_grey_stays_grey(photos, tmp_path):
    crop_tree(photos, tmp_path / "out", Finder(), size=16)
    assert cv2.imread(str(tmp_path / "out" / "bert" / "grey.pgm"), cv2.IMREAD_UNCHANGED).shape == (16, 16)


def test_an_interrupted_run_resumes_to_the_same_tree(photos, tmp_path):
    whole = tmp_path / "whole"
    crop_tree(photos, whole, Finder(), size=16)
    for stop in (0, 1, 5, 9):
        parts, first = tmp_path / f"stop{stop}", Finder(stop_after=stop)
        with pytest.raises(KeyboardInterrupt):
            crop_tree(photos, parts, first, size=16, workers=2)
        written = {name for name in tree(parts) if not name.startswith("crop-")}
        assert all(cv2.imread(str(parts / name)).shape == (16, 16, 3) for name in written)
        report = crop_tree(photos, parts, Finder(), size=16)
        assert len(report.rows) == 14
        assert tree(parts) == tree(whole)


def test_a_second_run_detects_nothing_anew(photos, tmp_path):
    out = tmp_path / "out"
    crop_tree(photos, out, Finder(), size=16)
    again, before = Finder(), tree(out)
    report = crop_tree(photos, out, again, size=16)
    assert again.calls == 0 and report.resumed_count == 13 and tree(out) == before

    photograph(photos / "anna" / "3.png", 200, (50, 30, 3))  # changed
    photograph(photos / "carl" / "new.png", 200)  # new
    (out / "anna" / "5.png").unlink()  # lost
    again = Finder()
    report = crop_tree(photos, out, again, size=16)
    assert again.calls == 3 and len(report.rows) == 15
    assert (out / "anna" / "5.png").is_file() and (out / "carl" / "new.png").is_file()


def test_other_settings_or_foreign_files_are_not_written_over(photos, tmp_path):
    out = tmp_path / "out"
    crop_tree(photos, out, Finder(), size=16)
    before = tree(out)
    with pytest.raises(BadParameterError, match="size"):
        crop_tree(photos, out, Finder(), size=24)
    with pytest.raises(BadParameterError, match="detector"):
        crop_tree(photos, out, YuNetDetector(), size=16)
    assert tree(out) == before
    foreign = tmp_path / "foreign"
    photograph(foreign / "anna" / "0.png", 3)
    with pytest.raises(BadParameterError, match="something else"):
        crop_tree(photos, foreign, Finder(), size=16)
    assert list(tree(foreign)) == ["anna/0.png"]


@pytest.mark.parametrize("out", [".", "anna", "new/deep", "..", "../photos/../photos"])
def test_the_input_is_never_the_output(photos, out):
    before = tree(photos)
    with pytest.raises(BadParameterError, match="lie in one another"):
        crop_tree(photos, photos / out, Finder())
    assert tree(photos) == before


def test_a_link_to_the_input_is_the_input(photos, tmp_path):
    (tmp_path / "link").symlink_to(photos)
    with pytest.raises(BadParameterError, match="lie in one another"):
        crop_tree(photos, tmp_path / "link", Finder())


def test_faults_of_the_caller(photos, tmp_path):
    with pytest.raises(DataMissingError, match="not a folder"):
        crop_tree(tmp_path / "nowhere", tmp_path / "out", Finder())
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataMissingError, match="no photograph"):
        crop_tree(tmp_path / "empty", tmp_path / "out", Finder())
    for wrong in ({"size": 4}, {"margin": -1}, {"workers": 0}):
        with pytest.raises(BadParameterError):
            crop_tree(photos, tmp_path / "out", Finder(), **wrong)
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(FacelabError, match="file is not a folder"):
        crop_tree(photos, tmp_path / "file", Finder())


def test_what_a_kill_leaves_behind_is_mended(photos, tmp_path):
    out, whole = tmp_path / "out", tmp_path / "whole"
    crop_tree(photos, whole, Finder(), size=16)
    crop_tree(photos, out, Finder(), size=16)
    rows = out / "crop-manifest.jsonl"
    rows.write_text(rows.read_text()[:-300])  # the last lines are lost, one is torn
    (out / "anna" / ".7.png-abcd_123.partial").write_bytes(b"half")
    crop_tree(photos, out, Finder(), size=16)
    assert tree(out) == tree(whole)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_killed_at_any_moment_it_resumes_to_the_same_tree(tmp_path):
    photographs = uncropped_orl()[0][:120]
    for number, image in enumerate(photographs):
        path = tmp_path / "in" / f"s{number // 10}" / f"{number % 10}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)
    code = (
        "import sys; from facelab.cropping import *; "
        "print(crop_tree(sys.argv[1], sys.argv[2], YuNetDetector(upscale=2), 64, workers=2))"
    )
    out = tmp_path / "out"
    command = [sys.executable, "-c", code, str(tmp_path / "in"), str(out)]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"})
    waited = time.monotonic()
    while len(list(out.rglob("*.png"))) < 10 and run.poll() is None and time.monotonic() - waited < 60:
        time.sleep(0.005)
    run.send_signal(signal.SIGKILL)
    run.wait()
    begun = len(list(out.rglob("s*/?.png")))
    assert 10 <= begun < 120
    report = crop_tree(tmp_path / "in", out, YuNetDetector(upscale=2), 64)
    assert 0 < report.resumed_count < 120 and len(report.files(OK) + report.files(SEVERAL_FACES)) == 120
    crop_tree(tmp_path / "in", tmp_path / "whole", YuNetDetector(upscale=2), 64, workers=1)
    assert tree(out) == tree(tmp_path / "whole")


def test_real_photographs_are_aligned_alike_by_any_number_of_workers(tmp_path):
    for number, image in enumerate(uncropped_orl()[0][::25]):
        (tmp_path / "in").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "in" / f"{number:02}.png"), image)
    one = crop_tree(tmp_path / "in", tmp_path / "one", YuNetDetector(), 64, workers=1)
    four = crop_tree(tmp_path / "in", tmp_path / "four", YuNetDetector(), 64, workers=4)
    assert one.rows == four.rows and tree(tmp_path / "one") == tree(tmp_path / "four")
    image = cv2.imread(str(tmp_path / "in" / "03.png"))
    expected = cropping.crop_largest_face(image, YuNetDetector(), 64)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "one" / "03.png")), expected)


def test_a_full_disk_stops_with_one_line_and_keeps_what_was_done(photos, tmp_path, monkeypatch):
    import facelab.cropping.tree as module

    written = []

    def full(path, crop, original=module._write):
        if len(written) >= 3:
            raise FacelabError(f"{path} cannot be written (No space left on device).", "Free some space.")
        written.append(path)
        return original(path, crop)

    monkeypatch.setattr(module, "_write", full)
    with pytest.raises(FacelabError, match="No space left"):
        crop_tree(photos, tmp_path / "out", Finder(), size=16, workers=1)
    monkeypatch.undo()
    report = crop_tree(photos, tmp_path / "out", Finder(), size=16)
    assert len(report.files(OK)) == 9


def test_a_photograph_that_lost_its_face_loses_its_crop(photos, tmp_path):
    crop_tree(photos, tmp_path / "out", Finder(), size=16)
    photograph(photos / "anna" / "3.png", 10)
    report = crop_tree(photos, tmp_path / "out", Finder(), size=16)
    assert "anna/3.png" in report.files(NO_FACE)
    assert not (tmp_path / "out" / "anna" / "3.png").exists()
    assert (tmp_path / "out" / "anna" / "4.png").exists()


@pytest.mark.parametrize("text", ["[]", "[" * 100_000, '{"a":' * 100_000, "3", '{"check": 3}'])
def test_a_damaged_line_of_the_manifest_is_done_again(photos, tmp_path, text):
    first = crop_tree(photos, tmp_path / "out", Finder(), size=16)
    (tmp_path / "out" / "crop-manifest.jsonl").write_text(f"{text}\n")
    assert crop_tree(photos, tmp_path / "out", Finder(), size=16).rows == first.rows


@pytest.mark.parametrize("text", ["", "[1]", "{", "[]", "[" * 100_000])
def test_damaged_settings_are_one_line(photos, tmp_path, text):
    crop_tree(photos, tmp_path / "out", Finder(), size=16)
    (tmp_path / "out" / "crop-settings.json").write_text(text)
    with pytest.raises(BadParameterError, match="crop-settings.json cannot be read"):
        crop_tree(photos, tmp_path / "out", Finder(), size=16)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_disk_full_of_rows_is_one_line(tmp_path):
    manifest = Manifest(tmp_path, {})
    with pytest.raises(FacelabError, match="crop-manifest.jsonl cannot be written .No space left"), manifest:
        manifest._stream.close()
        manifest._stream = os.fdopen(os.open("/dev/full", os.O_WRONLY), "w")
        manifest.add(Row("a.png", NO_FACE))
