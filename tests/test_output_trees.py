"""What ``crop`` and ``split`` write: resumed, mended, pruned, and never where or what nobody meant."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path

import cv2
import pytest
from commands import call
from photos import close_folder, encoded, people, pixels, write
from test_crop_files import WholeFrame

from facelab.cropping import HaarDetector, YuNetDetector, crop_tree
from facelab.cropping.manifest import NO_FACE, OK, Manifest
from facelab.datasets import output_tree
from facelab.datasets.output_tree import count_of, remove_files, some_names
from facelab.datasets.split_tree import split_tree
from facelab.errors import BadParameterError, DataMissingError, FacelabError
from facelab.files import lock_folder


class Bright(WholeFrame):
    """Finds the whole frame where the picture is bright."""

    def detect(self, image):
        return super().detect(image) if image.mean() > 30 else []


def crop(root: Path, source: str = "in", out: str = "out", **options):
    return crop_tree(root / source, root / out, Bright(), size=16, **options)


def split(root: Path, source: str = "in", out: str = "out", **options):
    return split_tree(root / source, root / out, **options)


both = pytest.mark.parametrize("make", [crop, split])


def facelab(monkeypatch, *words: object) -> int:
    return call(monkeypatch, *map(str, words))


def content(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    people(tmp_path / "in", ann=4, bo=3, cy=2)
    return tmp_path


def drop_person(root: Path, name: str) -> None:
    for path in (root / "in" / name).iterdir():
        path.unlink()
    (root / "in" / name).rmdir()


# ---- crops whose photograph is gone


def test_crops_of_a_person_who_left_are_named_and_removed_on_request_only(root):
    crop(root)
    drop_person(root, "bo")
    before = content(root / "out")
    for _ in range(2):
        report = crop(root)
        assert report.leftover_crops == ("bo/0.png", "bo/1.png", "bo/2.png") and not report.is_pruned
        assert content(root / "out") == before and len(report.rows) == 6
    (root / "out" / "bo" / "notes.txt").write_text("mine")
    (root / "out" / "ann" / "mine.png").write_bytes(b"mine")
    report = crop(root, prune=True)
    assert report.is_pruned and report.leftover_crops == ("bo/0.png", "bo/1.png", "bo/2.png")
    assert report.foreign_files == ("ann/mine.png", "bo/notes.txt")
    (root / "out" / "bo" / "notes.txt").unlink()
    (root / "out" / "ann" / "mine.png").unlink()
    (root / "out" / "bo").rmdir()
    report = crop(root, prune=True)
    assert report.leftover_crops == report.foreign_files == ()
    crop(root, out="fresh")
    assert content(root / "out") == content(root / "fresh")


def test_folders_that_pruning_empties_go_too(root):
    crop(root)
    drop_person(root, "bo")
    crop(root, prune=True)
    assert sorted(path.name for path in (root / "out").iterdir() if path.is_dir()) == ["ann", "cy"]


def test_renamed_and_faceless_photographs_and_linked_people(root):
    crop(root)
    os.rename(root / "in" / "ann" / "0.png", root / "in" / "ann" / "first.png")
    (root / "in" / "ann" / "1.png").write_bytes(encoded(pixels() // 20, "PNG"))  # dark now
    drop_person(root, "bo")
    (root / "in" / "bo").symlink_to(root / "in" / "cy")
    report = crop(root)
    assert report.leftover_crops == ("ann/0.png", "bo/0.png", "bo/1.png", "bo/2.png")
    assert dict(report.failures).keys() == {"ann/1.png", "bo"} and report.files(NO_FACE) == ["ann/1.png"]
    assert not (root / "out" / "ann" / "1.png").exists() and (root / "out" / "ann" / "first.png").exists()


def test_a_crop_that_the_disk_has_by_another_case_is_no_leftover(root):
    crop(root)
    os.rename(root / "in" / "ann", root / "in" / "Ann")
    (root / "in" / "Ann" / "0.png").unlink()
    (root / "out" / "Ann").symlink_to("ann")  # as on a disk that ignores case: one folder by two names
    report = crop(root, prune=True)
    assert report.leftover_crops == ("ann/0.png",) and report.foreign_files == ("Ann",)
    assert sorted(path.name for path in (root / "out" / "ann").iterdir()) == ["1.png", "2.png", "3.png"]


def test_a_copy_that_the_disk_has_by_another_case_is_not_foreign(root):
    split(root, percent_train=50)
    for part in ("train", "test"):
        (root / "out" / part / "ANN").symlink_to("ann")
        (root / "out" / part / "ann" / "mine.txt").write_text("mine")  # keeps the folder, and with it its name
    os.rename(root / "in" / "ann", root / "in" / "ANN")
    report = split(root, percent_train=50, prune=True)
    foreign = [f"{part}/{name}" for part in ("test", "train") for name in ("ANN", "ann/mine.txt")]
    assert list(report.foreign_files) == foreign


def test_the_crops_of_a_folder_that_cannot_be_opened_now_are_kept(root, monkeypatch):
    crop(root)
    before = content(root / "out")
    close_folder(root / "in" / "bo", monkeypatch)
    report = crop(root, prune=True)
    assert report.leftover_crops == () and dict(report.failures).keys() == {"bo/"}
    monkeypatch.undo()
    assert content(root / "out").keys() == before.keys()
    assert crop(root).resumed_count == 9


def away(root: Path, *names: str) -> None:
    """These people and photographs lie on another disk, and are linked."""
    for name in names:
        (root / "disk" / name).parent.mkdir(parents=True, exist_ok=True)
        os.rename(root / "in" / name, root / "disk" / name)
        (root / "in" / name).symlink_to(root / "disk" / name)


@both
def test_what_was_made_from_a_disk_that_is_away_now_is_kept(root, make):
    away(root, "bo", "ann/1.png")
    make(root)
    before = content(root / "out")
    os.rename(root / "disk", root / "unplugged")
    for prune in (False, True):
        report = make(root, prune=prune)
        named = dict(report.failures if make is crop else report.rejected_files)
        assert named == dict.fromkeys(["ann/1.png", "bo"], "It is a link to nothing.")
        after = content(root / "out")
        assert after.keys() == before.keys()
        assert {name for name in after if after[name] != before[name]} <= {"crop-manifest.jsonl"}  # it names the link
    os.rename(root / "unplugged", root / "disk")
    report = make(root)
    assert report.resumed_count == 9 if make is crop else report.copied_count == 0
    assert content(root / "out") == before
    (root / "in" / "bo").unlink()  # really gone
    (root / "in" / "ann" / "1.png").unlink()
    make(root, prune=True)
    make(root, out="fresh")
    assert content(root / "out") == content(root / "fresh")


def test_a_split_is_brought_up_to_date_around_a_folder_that_cannot_be_opened_now(root, monkeypatch):
    split(root)
    close_folder(root / "in" / "bo", monkeypatch)
    drop_person(root, "cy")
    with pytest.raises(BadParameterError, match="2 of its copies are not in this one .*/cy/.*/cy/"):
        split(root)
    done = split(root, prune=True)
    assert len(done.kept_copies) == 3 and dict(done.rejected_files).keys() == {"bo/"}
    assert [copy.split("/")[1] for copy in done.removed_copies] == ["cy", "cy"]
    assert split(root).kept_copies == done.kept_copies
    monkeypatch.undo()
    assert split(root).copied_count == 0
    split(root, out="fresh")
    assert content(root / "out") == content(root / "fresh")


def test_the_crop_of_a_photograph_that_cannot_be_read_now_is_kept(root, monkeypatch):
    from facelab.cropping import tree

    crop(root)
    before, read = content(root / "out"), tree.read_photograph
    os.utime(root / "in" / "ann" / "1.png")  # so that it is read again

    def refuse(path: Path) -> bytes:
        if path.parent.name == "ann":
            raise OSError(5, "Input/output error", str(path))
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(tree, "read_photograph", refuse)
        report = crop(root, prune=True)
    assert report.failures == [("ann/1.png", "It cannot be read (Input/output error).")]
    assert content(root / "out") == before
    assert crop(root).failures == []


@both
def test_a_crop_that_was_replaced_is_somebodys_own_file(root, make):
    make(root)
    mine = [path for path in (root / "out").rglob("bo/1.png")]
    mine[0].write_bytes(b"mine")
    drop_person(root, "bo")
    report = make(root, prune=True)
    assert report.foreign_files == (mine[0].relative_to(root / "out").as_posix(),)
    assert mine[0].read_bytes() == b"mine" and [path.name for path in (root / "out").rglob("bo/*")] == ["1.png"]


def test_a_replaced_crop_outlives_the_face_of_its_photograph(root):
    crop(root)
    (root / "out" / "ann" / "1.png").write_bytes(b"mine")
    (root / "in" / "ann" / "1.png").write_bytes(encoded(pixels() // 20, "PNG"))  # dark now
    assert crop(root).foreign_files == ("ann/1.png",)
    assert (root / "out" / "ann" / "1.png").read_bytes() == b"mine"


@both
def test_an_output_that_was_begun_from_another_folder_is_refused(root, make):
    make(root)
    before = content(root / "out")
    os.rename(root / "in", root / "others")
    people(root / "in", zoe=2)
    os.rename(root / "in", root / "friends")
    for prune in (False, True):
        with pytest.raises(BadParameterError, match="another folder, 'in'|other source"):
            make(root, source="friends", prune=prune)
    assert content(root / "out") == before


@both
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("target", ["out", ".", "disk"])
def test_a_link_to_an_output_that_holds_nothing_yet_is_seen(root, make, target, there):
    for place in (root / "store" / "disk", root / "store"):
        if there or place.name == "store":
            place.mkdir(parents=True, exist_ok=True)
    (root / "in" / "zoe").symlink_to(root / "store" / target)
    out = "store/disk/new" if target == "disk" else "store/out"
    if there and target == "out":
        (root / out).mkdir()
    with pytest.raises(BadParameterError, match="lie in one another"):
        make(root, out=out)
    assert not content(root / "store")


@both
def test_linked_photographs_are_not_written_over_through_a_link_in_the_output(root, make):
    away(root, "bo")
    folder = root / "out" if make is crop else root / "out" / "train"
    make(root)
    for path in (folder / "bo").iterdir():
        path.unlink()
    (folder / "bo").rmdir()
    (folder / "bo").symlink_to(root / "disk" / "bo")
    before = content(root / "disk")
    with pytest.raises(BadParameterError, match="lie in one another"):
        make(root)
    assert content(root / "disk") == before


def test_people_named_like_our_own_files_are_named(root):
    os.rename(root / "in" / "bo", root / "in" / "crop-manifest.jsonl")
    os.rename(root / "in" / "cy", root / "in" / "Crop-Settings.json")
    report = crop(root)
    assert len(report.files(OK)) == 4 and len(report.failures) == 5
    assert all("in the way of crop-settings.json or crop-manifest.jsonl" in why for _, why in report.failures)
    assert split(root, out="split").rejected_files == ()


@both
def test_on_a_disk_that_ignores_case_two_people_are_not_written_into_one_folder(root, make, monkeypatch):
    monkeypatch.setattr(output_tree, "_ignores_case", lambda folder: True)
    write(root / "in" / "Bo" / "7.png", seed=7)
    for seed, form in enumerate(("NFC", "NFD")):  # one person by two spellings
        write(root / "in" / unicodedata.normalize(form, "rené") / f"{seed}.png", seed=seed)
    report = make(root)
    named = dict(report.failures if make is crop else report.rejected_files)
    what = "crop" if make is crop else "copy"
    why = f"Its {what} would lie in the folder of another person, Bo: the disk ignores case."
    assert named == dict.fromkeys([f"bo/{number}.png" for number in range(3)], why)


def test_another_file_is_named_and_no_failure(root, monkeypatch, capsys):
    drop_person(root, "bo")
    drop_person(root, "cy")
    for path in (root / "in" / "ann").iterdir():
        path.unlink()
    orl_faces(root / "in", ["ann"], shots=1)
    (root / "in" / "readme.md").write_text("mine")
    assert facelab(monkeypatch, "crop", root / "in", root / "out") == 0
    said = capsys.readouterr().out
    assert said.startswith("1 photograph: 1 ok, 0 several faces, 0 no face, 0 unreadable (0 done before); 1 other file")
    assert "no photograph: readme.md: Its name does not end as a photograph's does." in said


def test_a_photograph_that_is_too_long_says_so(root):
    (root / "in" / "ann" / "long.png").write_bytes(encoded(pixels(height=2, width=60_000), "PNG"))
    report = crop_tree(root / "in", root / "out", YuNetDetector())
    why = dict(report.failures)["ann/long.png"]
    assert why.startswith("The photograph has 60000 x 2 pixels, more than ")


def test_nothing_elsewhere_is_removed_through_a_link(root):
    crop(root)
    drop_person(root, "bo")
    (root / "elsewhere").mkdir()
    for path in (root / "out" / "bo").iterdir():
        os.rename(path, root / "elsewhere" / path.name)
    (root / "out" / "bo").rmdir()
    (root / "out" / "bo").symlink_to(root / "elsewhere")
    crop(root, prune=True)
    remove_files(root / "out", ["../elsewhere/0.png"])
    assert len(list((root / "elsewhere").iterdir())) == 3


def test_the_commands_say_what_is_left_over(root, monkeypatch, capsys):
    words = ["crop", root / "in", root / "out", "--detector", "yunet"]
    photograph = cv2.imread(str(next(iter(orl_faces(root / "in", ["ann", "bo"])))))
    assert photograph is not None and facelab(monkeypatch, *words) == 1  # the made-up photographs show no face
    for path in (root / "in" / "bo").glob("orl*.png"):
        path.unlink()
    capsys.readouterr()
    facelab(monkeypatch, *words)
    said = capsys.readouterr().out
    assert "4 crops whose photograph is gone (bo/orl0.png, bo/orl1.png, bo/orl2.png and 1 more): left there" in said
    facelab(monkeypatch, *words, "--prune")
    assert "bo/orl2.png and 1 more): removed" in capsys.readouterr().out
    facelab(monkeypatch, *words)
    assert "is gone" not in capsys.readouterr().out


def orl_faces(folder: Path, names: list[str], shots: int = 4) -> list[Path]:
    """Real photographs, which a detector finds a face in."""
    from facelab.cropping.survey import uncropped_orl

    images, written = uncropped_orl()[0], []
    for person, name in enumerate(names):
        for shot in range(shots):
            written.append(folder / name / f"orl{shot}.png")
            written[-1].parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(written[-1]), images[10 * person + shot])
    return written


def test_a_split_whose_photographs_have_changed_is_brought_up_to_date_on_request(root):
    split(root)
    drop_person(root, "bo")
    write(root / "in" / "ann" / "new.png", seed=77)  # it moves others of ann
    write(root / "in" / "cy" / "0.png", seed=78)  # changed
    before = content(root / "out")
    with pytest.raises(BadParameterError, match=r"other files.* of its copies are not in this one \(.*--prune"):
        split(root)
    assert content(root / "out") == before
    (root / "out" / "train" / "bo" / "mine.txt").write_text("mine")
    done = split(root, prune=True)
    assert len([copy for copy in done.removed_copies if "/bo/" in copy]) == 3 and done.mended_copies == ()
    assert done.foreign_files == ("train/bo/mine.txt",)
    (root / "out" / "train" / "bo" / "mine.txt").unlink()
    (root / "out" / "train" / "bo").rmdir()
    split(root, out="fresh")
    assert content(root / "out") == content(root / "fresh") and not (root / "out" / "test" / "bo").exists()
    assert split(root, prune=True).removed_copies == ()


def test_pruning_a_split_may_be_interrupted_and_touches_no_other_split(root, monkeypatch):
    split(root)
    drop_person(root, "bo")
    write(root / "in" / "dee" / "0.png", seed=5)

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("facelab.datasets.split_copies._copy", stop)
        split(root, prune=True)
    split(root)
    split(root, out="fresh")
    assert content(root / "out") == content(root / "fresh")
    for options, what in (({"seed": 1}, "seed"), ({"percent_train": 50}, "percent_train")):
        with pytest.raises(BadParameterError, match=f"other .*{what}.*Name a new folder"):
            split(root, prune=True, **options)
    drop_person(root, "cy")
    (root / "out" / "manifest.csv").write_text("file,part,sha256\n../../in/ann/0.png,train,0\n")
    with pytest.raises(BadParameterError, match="Name a new folder"):
        split(root, prune=True)


# ---- damage


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    else:
        path.write_bytes(data[:50] + bytes([data[50] ^ 4]) + data[51:])


@both
@pytest.mark.parametrize("how", ["missing", "empty", "one bit"])
def test_a_damaged_file_is_made_again_and_named(root, make, how):
    make(root)
    whole = content(root / "out")
    name = next(name for name in sorted(whole) if name.endswith("/1.png"))
    damage(root / "out" / name, how)
    report = make(root)
    assert content(root / "out") == whole
    mended = report.mended_files if make is crop else report.mended_copies
    assert mended == ((name, "missing" if how == "missing" else "damaged"),)
    report = make(root)
    assert (report.mended_files if make is crop else report.mended_copies) == ()


def test_every_bit_of_the_manifest_counts(root):
    crop(root)
    path = root / "out" / "crop-manifest.jsonl"
    whole, tree = path.read_bytes(), content(root / "out")
    settings = json.loads((root / "out" / "crop-settings.json").read_text())
    rows = Manifest(root / "out", settings).rows
    for bit in range(0, 8 * len(whole), 61):
        broken = bytearray(whole)
        broken[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bytes(broken))
        read = Manifest(root / "out", settings).rows
        assert read.items() <= rows.items() and len(read) >= len(rows) - 2  # a lost line end takes two lines
    assert crop(root).resumed_count in (7, 8)
    assert content(root / "out") == tree


def test_a_manifest_without_hashes_is_of_another_version(root):
    crop(root)
    path = root / "out" / "crop-settings.json"
    settings = json.loads(path.read_text())
    del settings["version"]
    path.write_text(json.dumps(settings))
    with pytest.raises(BadParameterError, match=r"other settings \(version\)"):
        crop(root)


# ---- two at a time


@both
def test_the_files_that_another_process_writes_there_are_left_alone(root, make):
    make(root)
    written_now = root / "out" / "ann" / ".9.png-abcd_123.partial"
    written_now.parent.mkdir(exist_ok=True)
    written_now.write_bytes(b"half")
    command = "facelab crop" if make is crop else "facelab split"
    with lock_folder(root / "out", command), pytest.raises(FacelabError, match=f"in use by another {command}"):
        make(root)
    assert written_now.exists()
    assert make(root).foreign_files == () and not written_now.exists()  # the lock is no file of the tree


@both
def test_a_folder_that_is_refused_gets_no_lock(root, make):
    (root / "mine").mkdir()
    (root / "mine" / "thesis.doc").write_text("mine")
    with pytest.raises(BadParameterError, match="something else|not a split of ours"):
        make(root, out="mine")
    assert os.listdir(root / "mine") == ["thesis.doc"]


# ---- where and what nobody meant


@both
def test_hidden_files_do_not_make_a_folder_full(root, make):
    (root / "out").mkdir()
    (root / "out" / ".DS_Store").write_bytes(b"x")
    make(root)
    assert (root / "out" / ".DS_Store").read_bytes() == b"x"


@both
def test_links_between_input_and_output_are_seen(root, make):
    make(root)
    (root / "in" / "zoe").symlink_to(root / "out")
    with pytest.raises(BadParameterError, match="lie in one another"):
        make(root)
    (root / "in" / "zoe").unlink()
    (root / "away").mkdir()
    os.rename(root / "in" / "cy", root / "away" / "cy")
    (root / "in" / "cy").symlink_to(root / "away" / "cy")  # elsewhere: that is fine
    make(root)
    before = content(root / "in")
    folder = root / "other" if make is crop else root / "other" / "train"
    folder.mkdir(parents=True)
    (folder / "ann").symlink_to(root / "in" / "ann")  # writing there would write over the photographs
    name = "crop-settings.json" if make is crop else "split.json"
    (root / "other" / name).write_bytes((root / "out" / name).read_bytes())
    with pytest.raises(BadParameterError, match="lie in one another"):
        make(root, out="other")
    assert content(root / "in") == before


@both
def test_an_output_that_cannot_be_one_is_one_line(root, make):
    (root / "loop").symlink_to(root / "loop")
    (root / "file").write_text("mine")
    (root / "unplugged").symlink_to(root / "disk" / "away")
    for out in ("loop", "file", "file/below", "unplugged", "unplugged/a/b"):
        with pytest.raises(BadParameterError, match="(file is not a folder|is a link that leads nowhere)[.]"):
            make(root, out=out)
    assert not (root / "disk").exists()
    with pytest.raises(FacelabError):
        make(root, source="file")
    assert (root / "file").read_text() == "mine"


@both
def test_what_cannot_be_photographs_is_named_and_never_waited_for(root, make):
    os.mkfifo(root / "in" / "ann" / "pipe.jpg")
    with open(root / "in" / "ann" / "movie.jpg", "wb") as file:
        file.truncate(8 << 30)
    (root / "in" / "ann" / "nothing.png").symlink_to(root / "nowhere")
    (root / "in" / "ann" / "up").symlink_to(root / "in")
    (root / "in" / "bo" / "linked.png").symlink_to(root / "in" / "ann" / "0.png")
    os.mkdir(os.fsencode(root / "in") + b"/caf\xe9")
    long = "张" * 72 + ".png"
    write(root / "in" / "张" / "x.png")
    os.rename(root / "in" / "张" / "x.png", root / "in" / "张" / long)
    write(root / "in" / "ann" / "y.png", seed=3)
    os.rename(root / "in" / "ann" / "y.png", root / "in" / "ann" / ("n" * 248 + ".png"))
    report = make(root)
    named = dict(report.failures if make is crop else report.rejected_files)
    assert {"ann/pipe.jpg", "ann/movie.jpg", "ann/nothing.png", "ann/up", "caf\\udce9"} <= named.keys()
    assert "MiB" in named["ann/movie.jpg"]
    written = {Path(name).name for name in content(root / "out")}
    assert {"linked.png", long, "n" * 248 + ".png"} <= written


def test_an_input_folder_whose_name_is_no_text(root):
    folder = os.fsencode(root) + b"/caf\xe9"
    os.rename(os.fsencode(root / "in"), folder)
    crop_tree(os.fsdecode(folder), root / "out", Bright(), size=16)
    assert split_tree(os.fsdecode(folder), os.fsdecode(os.fsencode(root) + b"/\xff")).train_count == 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["split", "--train", "0.7"], "0.7 % for training is less than one photograph in a hundred. Did you mean 70?"),
        (["split", "--train", "nan"], "nan % for training."),
        (["crop", "--margin", "20"], "The margin is 20.0. Did you mean 0.2?"),
        (["crop", "--margin", "nan"], "The margin is nan. Give"),
        (["crop", "--padding", "15"], "The padding is 15.0. Did you mean 0.15?"),
        (["crop", "--padding", "inf"], "The padding is inf. Give"),
        (["crop", "--upscale", "200"], "The upscaling is 200.0. Did you mean 2?"),
        (["crop", "--upscale", "nan"], "The upscaling is nan."),
        (["crop", "--size", "0"], "The side of the crop is 0."),
        (["crop", "--workers", "1000"], "There are to be 1000 workers. Give 1 to"),
        (["crop", "--max-side", "0"], "The longest side is 0."),
        (["crop", "--detector", "yunt"], "No detector is called 'yunt'. Did you mean 'yunet'?"),
    ],
)
def test_values_that_nobody_means_are_asked_back(root, monkeypatch, capsys, words, said):
    assert facelab(monkeypatch, words[0], root / "in", root / "out", *words[1:]) != 0
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (root / "out").exists()


@pytest.mark.parametrize("seed", [-1, 1.5, True, 2**32])
def test_a_seed_that_is_none_is_refused(root, seed):
    with pytest.raises(BadParameterError, match=f"seed is {seed}"):
        split(root, seed=seed)


def test_a_data_set_that_is_split_already_is_asked_back(root):
    split(root)
    with pytest.raises(BadParameterError, match="parts of a data set"):
        split(root, source="out", out="again")
    assert not (root / "again").exists()


@both
def test_only_what_nobody_reads_yet_says_how_many_and_why(tmp_path, make):
    for shot in range(3):
        (tmp_path / "in" / "ann" / f"{shot}.doc").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / "ann" / f"{shot}.doc").write_bytes(b"x")
    with pytest.raises(DataMissingError, match="no photograph that can be used; .* the first 'ann/0.doc'"):
        make(tmp_path)
    assert not (tmp_path / "out").exists()


# ---- options of crop that change nothing


@pytest.mark.parametrize("detector", ["yunet", "haar"])
def test_an_option_that_changes_nothing_is_said(tmp_path, monkeypatch, capsys, detector):
    orl_faces(tmp_path / "in", ["ann"], shots=2)
    large = cv2.resize(cv2.imread(str(tmp_path / "in" / "ann" / "orl0.png")), None, fx=10, fy=10)  # 920 x 1120
    cv2.imwrite(str(tmp_path / "in" / "ann" / "large.png"), large)
    name = "--detector", detector

    def run(out: str, *words: str) -> tuple[dict[str, bytes], str]:
        facelab(monkeypatch, "crop", tmp_path / "in", tmp_path / out, *name, *words)
        rows = content(tmp_path / out).items()
        return {file: data for file, data in rows if file.endswith("png")}, capsys.readouterr().out

    plain, said = run("plain")
    assert "changed nothing" not in said
    upscaled, said = run("upscaled", "--upscale", "2")
    assert upscaled["ann/large.png"] == plain["ann/large.png"] and upscaled != plain
    assert "--upscale changed nothing for 1 of 3 photographs: they are shrunk to --max-side" in said
    freed, said = run("freed", "--upscale", "2", "--max-side", "3000")
    assert freed.get("ann/large.png") != plain["ann/large.png"]
    assert "--upscale" not in said and "--max-side changed nothing for 2 of 3" in said
    padded, said = run("padded", "--padding", "0.004")
    assert "--padding changed nothing for 2 of 3 photographs: it is less than a pixel" in said
    assert {file for file in plain if padded.get(file) == plain[file]} >= {
        "ann/orl0.png",
        "ann/orl1.png",
    } & plain.keys()


def test_a_layout_is_what_the_detector_is_given():
    for detector in (YuNetDetector(padding=0.1, upscale=3), HaarDetector(upscale=0.5)):
        framing = detector.framing()
        for height, width in ((10, 700), (333, 250), (2000, 1999)):
            prepared = framing.prepare(pixels(height=height, width=width))
            pad, size = framing.layout(width, height)
            assert (prepared.pad, prepared.picture.shape[1::-1]) == (pad, size)


def test_names_are_cut_to_a_few():
    assert (count_of("a", "crop"), count_of("", "crop"), count_of("ab", "copy", "copies")) == (
        "1 crop",
        "0 crops",
        "2 copies",
    )
    assert some_names(["a"]) == "a" and some_names("abc") == "a, b, c" and some_names("abcde") == "a, b, c and 2 more"


@both
def test_an_input_that_cannot_be_opened_is_one_line(root, make, monkeypatch):
    close_folder(root / "in", monkeypatch)
    with pytest.raises(DataMissingError, match="cannot be opened .Permission denied."):
        make(root)
