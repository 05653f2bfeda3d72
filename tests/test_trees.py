"""One walk for all trees: links, names, litter, pipes, sizes and folders that are something else, each with one rule."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import photos
import pytest

from facelab.datasets import catalog, load, trees
from facelab.datasets.decode import read_photograph
from facelab.datasets.loading import fingerprint
from facelab.datasets.photo_formats import readable_formats
from facelab.datasets.sources import get_source
from facelab.datasets.split_tree import split_tree
from facelab.datasets.trees import (
    SUFFIXES,
    find_data_folder,
    is_empty,
    no_usable_photograph,
    person_tree,
    sorted_entries,
    walk,
)
from facelab.errors import BadImageError, BadParameterError, DataMissingError

PLAIN_NAMES = os.name == "nt" or sys.platform == "darwin"


@pytest.fixture
def tree(data) -> Path:
    """Two people, and a third one outside the tree."""
    photos.people(data / "store", carl=2)
    return photos.people(data / "tree", ann=1, bob=1)


def used(tree: Path) -> list[str]:
    return [file for file, reason in walk(tree) if not reason]


def named(tree: Path) -> dict[str, str]:
    """What cannot be used, with the reason; the same in a walk over files and in one over people."""
    faults = [(file, reason) for file, reason in walk(tree) if reason]
    table = person_tree(tree)
    people = table[table["rejected"] != ""]
    assert len(dict(faults)) == len(faults)  # each is named once
    assert set(faults) <= set(people[["file", "rejected"]].itertuples(index=False, name=None))
    return dict(faults)


# Links


def test_a_linked_person_and_a_linked_photograph_are_followed(tree):
    (tree / "carl").symlink_to(tree.parent / "store" / "carl")
    (tree / "ann" / "linked.png").symlink_to(tree.parent / "store" / "carl" / "1.png")
    assert used(tree) == ["ann/0.png", "ann/linked.png", "bob/0.png", "carl/0.png", "carl/1.png"] and not named(tree)
    faces = load(f"folder:{tree}", 16)
    assert faces.names == ("ann", "bob", "carl") and faces.identity.tolist() == [0, 0, 1, 2, 2]
    assert split_tree(tree, tree.parent / "split").train_count == 3


@pytest.mark.parametrize(
    ("link", "target", "reason"),
    [
        ("ann/up", "..", "a folder above it"),
        ("ann/deep/here", ".", "a folder above it"),
        ("ann/out", "../..", "a folder above it"),
        ("ann/self", "self", "back to itself"),
        ("ann/self.png", "self.png", "back to itself"),
        ("ann/gone", "../nobody", "a link to nothing"),
        ("gone", "nobody", "a link to nothing"),
        ("zoe", "ann", "a link to ann, which is read in its own place"),
        ("aaa", "ann", "a link to ann, which is read in its own place"),
        ("bob/sister", "../ann", "a link to ann, which is read in its own place"),
    ],
)
def test_a_link_that_leads_in_a_circle_to_nothing_or_to_what_is_read_anyway_is_named(tree, link, target, reason):
    (tree / link).parent.mkdir(exist_ok=True)
    (tree / link).symlink_to(target)
    assert used(tree) == ["ann/0.png", "bob/0.png"]
    assert list(named(tree)) == [link] and reason in named(tree)[link]
    split_tree(tree, tree.parent / "split")


def test_a_circle_through_a_folder_outside_is_left_after_one_turn(tree):
    store = tree.parent / "store"
    (tree / "carl").symlink_to(store / "carl")
    (store / "carl" / "back").symlink_to(tree)
    (store / "carl" / "round").symlink_to(store / "carl")
    (tree / "dora").symlink_to(store / "carl")
    assert used(tree) == ["ann/0.png", "bob/0.png", "carl/0.png", "carl/1.png"]
    faults = named(tree)
    assert list(faults) == ["carl/back", "carl/round", "dora"]
    assert "read already" in faults["dora"]


class WindowsEntry:
    """An entry as Windows has it where every link is a junction: no symbolic link to Python, but a folder, or nothing."""

    def __init__(self, entry: os.DirEntry) -> None:
        self.name, self.path, self.is_dir, self.is_file = entry.name, entry.path, entry.is_dir, entry.is_file
        self._tag = 0xA0000003 if entry.is_symlink() else 0

    def is_symlink(self) -> bool:
        return False

    def stat(self, *, follow_symlinks: bool) -> SimpleNamespace:
        return SimpleNamespace(st_reparse_tag=self._tag)


def test_a_junction_of_windows_is_a_link(tree, monkeypatch):
    for name, target in (("carl", tree.parent / "store" / "carl"), ("bob/back", tree), ("gone", tree / "nothing")):
        (tree / name).symlink_to(target)
    scan = trees._scan
    with monkeypatch.context() as patched:
        patched.setattr(trees, "_scan", lambda folder: list(map(WindowsEntry, scan(folder))))
        patched.setattr(os, "DirEntry", WindowsEntry)
        patched.setattr(os, "name", "nt")
        found = list(walk(str(tree)))
    assert found == [
        ("ann/0.png", ""),
        ("bob/0.png", ""),
        ("bob/back", "It is a link to a folder above it."),
        ("carl/0.png", ""),
        ("carl/1.png", ""),
        ("gone", "It is a link to nothing."),
    ]


def test_a_link_to_another_drive_of_windows_is_followed(tree, monkeypatch):
    (tree / "carl").symlink_to(tree.parent / "store" / "carl")
    common = os.path.commonpath

    def on_drives(paths):
        if len({str(path).startswith(str(tree)) for path in paths}) > 1:
            raise ValueError("Paths don't have the same drive")
        return common(paths)

    monkeypatch.setattr(os.path, "commonpath", on_drives)
    assert used(tree) == ["ann/0.png", "bob/0.png", "carl/0.png", "carl/1.png"]


def test_links_that_fork_at_every_step_are_not_followed_along_every_way(tree):
    """Forty folders, each with two links to the next: more ways than can be gone."""
    steps = [tree.parent / "store" / f"step{number}" for number in range(40)]
    for step, following in zip(steps, [*steps[1:], tree.parent / "store" / "carl"], strict=True):
        step.mkdir()
        (step / "left").symlink_to(following)
        (step / "right").symlink_to(following)
    (tree / "fork").symlink_to(steps[0])
    assert len(used(tree)) == 2 + 2 and len(named(tree)) == 40


def test_a_link_into_a_hidden_folder_of_the_tree_is_followed(tree):
    """As some tools keep things: the walk passes the hidden folder over, so that the link is the only way."""
    (tree.parent / "store").rename(tree / ".store")
    (tree / "carl").symlink_to(".store/carl")
    assert used(tree) == ["ann/0.png", "bob/0.png", "carl/0.png", "carl/1.png"] and not named(tree)


# Names


@pytest.mark.skipif(PLAIN_NAMES, reason="names are text there")
def test_a_folder_whose_path_is_no_text_is_named_and_read_through_a_link(data):
    odd = Path(os.fsdecode(os.fsencode(data) + b"/faces\xff"))
    odd.mkdir()
    photos.people(odd, ann=1)
    with pytest.raises(BadParameterError, match=r"faces.udcff is not text.*name a link to it") as refused:
        load(f"folder:{odd}")
    str(refused.value).encode()
    (data / "link").symlink_to(odd)
    assert load(f"folder:{data / 'link'}", 16).names == ("ann",)
    (data / "people").mkdir()
    (data / "people" / "ann").symlink_to(odd / "ann")
    assert load(f"folder:{data / 'people'}", 16).names == ("ann",)


def test_the_longest_names_that_a_system_allows(data):
    person, photo = "人" * 72, "p" * 248 + ".png"
    tree = data / ("类" * 80)
    photos.write(tree / person / photo)
    photos.write(tree / ("人" * 84) / ("顔" * 83 + ".png"), seed=1)
    for _ in range(2):  # decoded, and from the cache
        faces = load(f"folder:{tree}", 16)
        assert len(faces) == 2 and person in faces.names
    assert catalog.check(f"folder:{tree}", 16).ok


def test_two_spellings_of_one_name_are_one_person_in_a_split(data):
    photos.write(data / "tree" / "Zoe\u0308" / "0.png")
    photos.write(data / "tree" / "Zo\u00eb" / "1.png", seed=1)
    if len(list((data / "tree").iterdir())) < 2:
        pytest.skip("this file system makes them one folder")
    done = split_tree(data / "tree", data / "split", 50)
    assert (done.train_count, done.test_count, done.single_photo_people) == (1, 1, ())


@pytest.fixture
def chain(tree):
    """Makes a chain of folders below ann/, longer than a path may be."""

    def make(name: str, count: int) -> int:
        place = os.open(tree / "ann", os.O_RDONLY)
        for _ in range(count):
            os.mkdir(name, dir_fd=place)
            inner = os.open(name, os.O_RDONLY, dir_fd=place)
            os.close(place)
            place = inner
        return place

    yield make
    subprocess.run(["rm", "-rf", tree], check=True)  # Python's own rmtree is recursive


@pytest.mark.skipif(os.name == "nt", reason="needs openat")
def test_a_tree_deeper_than_pythons_calls(tree, chain):
    place = chain("d", 300)
    os.symlink(tree.parent / "store" / "carl" / "0.png", "x.png", dir_fd=place)
    os.close(place)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(300)  # of 1000, as it is everywhere: a chain of that length takes seconds to remove
    try:
        assert used(tree) == ["ann/0.png", "ann/" + "d/" * 300 + "x.png", "bob/0.png"]
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.skipif(os.name == "nt", reason="needs openat")
def test_a_folder_too_deep_for_a_path_is_named(tree, chain):
    os.close(chain("d" * 200, 25))
    assert used(tree) == ["ann/0.png", "bob/0.png"]
    ((folder, reason),) = named(tree).items()
    assert folder.endswith("d/") and "cannot be opened (File name too long)" in reason


# Litter, and folders that are empty or closed


def test_litter_is_no_content(tmp_path):
    assert is_empty(tmp_path) and is_empty(tmp_path / "not there")
    for name in (
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
        "ehthumbs.db",
        "Picasa.ini",
        "ZbThumbnail.info",
        "Icon\r",
        "x.jpg:Zone.Identifier",
        "Thumbs.db:encryptable",
        "@eaDir/0.jpg/SYNOPHOTO_THUMB_M.jpg",
        "#recycle/x.jpg",
        "$RECYCLE.BIN/S-1/$RX.jpg",
        "System Volume Information/x.jpg",
        "lost+found/x.jpg",
        "._x.jpg",
        ".ipynb_checkpoints/x-checkpoint.jpg",
        "__MACOSX/x.jpg",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"litter")
    assert is_empty(tmp_path) and sorted_entries(tmp_path) == [] and list(walk(tmp_path)) == []
    (tmp_path / "x.txt").touch()
    assert not is_empty(tmp_path)
    with pytest.raises(DataMissingError, match="x.txt cannot be opened"):
        is_empty(tmp_path / "x.txt")


def test_a_data_set_of_litter_is_not_there(data):
    (data / "gtav").mkdir()
    (data / "gtav" / ".DS_Store").write_bytes(b"litter")
    with pytest.raises(DataMissingError, match="'gtav' is not on this machine"):
        load("gtav")


def test_a_person_without_photographs_and_a_folder_named_like_a_photograph(tree):
    (tree / "cem" / "inner").mkdir(parents=True)
    (tree / "ann" / "folder.jpg").mkdir()
    photos.write(tree / "bob" / "more.jpg" / "1.png")
    assert used(tree) == ["ann/0.png", "bob/0.png", "bob/more.jpg/1.png"]
    assert named(tree) == {"ann/folder.jpg/": "It is an empty folder, and no photograph."}
    table = person_tree(tree).set_index("file")["rejected"]
    assert table["cem/"] == "The folder of this person holds no photograph." and table.index.is_unique


@pytest.mark.parametrize("error", [photos.DENIED, FileNotFoundError(2, "No such file")])
def test_a_folder_that_cannot_be_opened_is_named_once(tree, monkeypatch, error):
    photos.write(tree / "bob" / "inner" / "1.png")
    for folder, shown in ((tree / "bob" / "inner", "bob/inner/"), (tree / "ann", "ann/")):
        with monkeypatch.context() as patch:
            photos.close_folder(folder, patch, error)
            assert list(named(tree)) == [shown] and error.strerror in named(tree)[shown]
            assert person_tree(tree)["file"].is_unique


def test_a_tree_that_cannot_be_opened_is_one_line(tree, monkeypatch):
    photos.close_folder(tree, monkeypatch)
    with pytest.raises(DataMissingError, match="tree cannot be opened .Permission denied"):
        load(f"folder:{tree}")
    assert list(walk(tree)) == [("./", "The folder cannot be opened (Permission denied).")]


def test_a_closed_data_set_does_not_hide_the_others_in_the_list(data, monkeypatch):
    (data / "gtav").mkdir()
    photos.close_folder(data / "gtav", monkeypatch)
    entries = {entry.name: entry for entry in catalog.list_sources()}
    assert "gtav cannot be opened" in entries["gtav"].problem and entries["orl"].is_present


def test_a_data_set_that_cannot_be_looked_into_is_one_line(data):
    def refuse(folder: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(folder / "img_align_celeba"))

    (data / "celeba").mkdir()
    with pytest.raises(DataMissingError, match="celeba cannot be opened .Permission denied"):
        find_data_folder("CelebA", "celeba", contains_data=refuse)


@pytest.mark.parametrize("path", ["~nobody-of-this-name/faces", "faces\0", "x" * 5000, ""])
def test_a_path_that_cannot_be_is_refused(data, path):
    with pytest.raises(BadParameterError, match="nobody|NUL|5,000 bytes|A path is empty"):
        load(f"folder:{path}")


def test_a_path_that_leads_nowhere_is_no_folder(data, monkeypatch):
    monkeypatch.chdir(data)
    Path("loop").symlink_to("loop")
    with pytest.raises(DataMissingError, match="no folder"):
        load("folder:loop/people")


# Files that are none, or no photographs


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_and_a_socket_are_named_and_not_waited_for(tree, monkeypatch):
    os.mkfifo(tree / "ann" / "pipe.jpg")
    os.mkfifo(tree / "pipe.jpg")
    (tree / "bob" / "linked.jpg").symlink_to(tree / "ann" / "pipe.jpg")
    (tree / "bob" / "null.jpg").symlink_to("/dev/null")
    monkeypatch.chdir(tree / "ann")  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
    assert used(tree) == ["ann/0.png", "bob/0.png"]
    faults = named(tree)
    assert set(faults) == {"ann/pipe.jpg", "ann/socket.jpg", "pipe.jpg", "bob/linked.jpg", "bob/null.jpg"}
    assert all("pipe, a socket or a device" in reason for reason in faults.values())
    for path in ("pipe.jpg", "."):  # where a table lists it, nobody has looked yet
        with pytest.raises(BadImageError, match="not a file"):
            read_photograph(path)


def test_a_film_of_8_gb_is_named_and_not_read(tree):
    with open(tree / "ann" / "movie.jpg", "wb") as film:
        film.truncate(8 * 2**30)  # takes no room on the disk
    report = catalog.check(f"folder:{tree}", 16)
    assert report.images == 2
    ((file, reason),) = report.rejected_files
    assert file == "ann/movie.jpg" and "larger than 256 MiB" in reason


@pytest.mark.parametrize(
    ("suffix", "form"),
    [(".jfif", "JPEG"), (".jpe", "JPEG"), (".JPG", "JPEG"), (".jpg", "PNG"), (".png", "WEBP"), (".jp2", "JPEG2000")]
    + [(".pnm", "PPM"), (".pbm", "PPM"), (".tif", "TIFF"), (".gif", "GIF"), (".avif", "AVIF"), (".hif", "JPEG")],
)
def test_every_ending_of_a_photograph_is_read_whatever_is_in_it(data, suffix, form):
    """Phones, browsers and people give photographs the wrong names; only the bytes count."""
    if form == "AVIF" and "AVIF" not in photos.writable_formats():
        pytest.skip("this Pillow has no AVIF")
    data.joinpath("ann").mkdir()
    options = {"lossless": True} if form == "WEBP" else {}
    (data / "ann" / f"0{suffix}").write_bytes(photos.encoded(photos.pixels(1), form, **options))
    error = np.abs(load(f"folder:{data}", 32).images[0].astype(int) - photos.pixels(1)[4:36]).mean()
    assert error == 0 if form in ("PNG", "PPM", "TIFF", "WEBP", "JPEG2000") else error < 12  # a GIF has few colours
    assert suffix.lower() in SUFFIXES


def test_a_folder_of_nothing_usable_says_how_many_files_and_why_the_first(data):
    (data / "ann").mkdir()
    for shot in range(3):
        (data / "ann" / f"{shot}.cr2").write_bytes(b"raw")
    with pytest.raises(DataMissingError, match=r"4 were rejected, the first 'ann/0.cr2': Its name does not end as"):
        load(f"folder:{data}")
    assert str(no_usable_photograph("X", [], "Go.")) == "X holds no photograph that can be used. Go."


def test_heic_only_says_how_to_read_it_and_is_read_once_that_is_possible(data, monkeypatch):
    without = tuple(form for form in readable_formats() if form != "HEIF")
    for reader in ("decode", "loading"):
        monkeypatch.setattr(f"facelab.datasets.{reader}.readable_formats", lambda: without)
    (data / "ann").mkdir()
    for shot in range(2):
        (data / "ann" / f"IMG_{shot}.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200))
    with pytest.raises(DataMissingError, match="2 were rejected, the first 'ann/IMG_0.HEIC'.*pip install pillow-heif"):
        load(f"folder:{data}")
    photos.write(data / "ann" / "0.png")
    source = get_source(f"folder:{data}")
    before = fingerprint(source, data, source.index(data))
    monkeypatch.setattr("facelab.datasets.loading.readable_formats", lambda: (*without, "HEIF"))
    assert (
        fingerprint(source, data, source.index(data)) != before
    )  # or the cache would go on to say that it was refused


# The parts of a data set


@pytest.mark.parametrize(
    "parts", [("train", "test"), ("Train", "VAL"), ("validation", "training", "x"), ("test", "valid")]
)
def test_the_parts_of_a_data_set_are_not_taken_for_people(data, parts):
    for part in parts:
        photos.people(data / "set" / part, ann=1)
    (data / "set" / "split.json").write_text("{}")
    first = data / "set" / min(set(parts) - {"x"}, key=lambda part: ("train" not in part.lower(), part))
    for read in (lambda: load(f"folder:{data / 'set'}"), lambda: split_tree(data / "set", data / "out")):
        with pytest.raises(BadParameterError, match=f"holds .* and .*folder:{first} as a data set"):
            read()
    assert not (data / "out").exists()
    assert load(f"folder:{first}", 16).names == ("ann",)
    assert len(used(data / "set")) == len(parts)  # files are files to whoever needs no people


@pytest.mark.parametrize("people", [("train",), ("Test", "ann"), ("trainer", "tester")])
def test_people_with_odd_names_are_people(data, people):
    photos.people(data, **dict.fromkeys(people, 1))
    assert load(f"folder:{data}", 16).names == tuple(sorted(people))
    assert get_source(f"folder:{data}").index(data)["rejected"].eq("").all()


@pytest.mark.parametrize(
    "names",
    [
        ("train", "test"), ("train_set", "test_set"), ("dev", "eval"), ("Training Set", "Test Set"), ("0_train", "1_test"),
        ("gallery", "probe"), ("trainset", "valset"), ("Test-Images", "Train-Images"),
    ],
)  # fmt: skip
def test_parts_of_a_data_set_are_no_people(data, names):
    for name in names:
        photos.write(data / "tree" / name / "0.png")
    first = next((name for name in names if "train" in name.lower()), names[0])
    with pytest.raises(
        BadParameterError, match=f"the parts of a data set, and not people.*: .*tree/{first}, or folder:"
    ):
        person_tree(data / "tree")


@pytest.mark.parametrize("names", [("train",), ("train", "extra"), ("images",), ("Test Set", "docs")])
def test_one_part_with_folders_of_people_is_no_person(data, names):
    photos.people(data / "tree" / names[0], ann=1, bob=1)
    for name in names[1:]:
        photos.people(data / "tree" / name, ann=1)
    with pytest.raises(BadParameterError, match=f"folder:.*tree/{names[0]} as a data set"):
        person_tree(data / "tree")
    assert set(person_tree(data / "tree" / names[0])["identity"]) == {"ann", "bob"}


def test_people_with_names_that_are_nearly_parts_of_a_data_set_are_people(data):
    """Dev and Val are given names, and a person's photographs may lie in folders by year."""
    people = ["Dev", "Val", "Dev Patel", "Trainer", "test1", "test2"]
    photos.people(data, **dict.fromkeys(people, 1))
    photos.write(data / "Dev Patel" / "2019" / "0.png")
    photos.write(data / "ann" / "2019" / "0.png")
    with pytest.raises(BadParameterError, match="Dev and Val and test1"):
        person_tree(data)
    for name in ("test1", "test2"):
        (data / name).rename(data / f"{name} person")
    assert set(person_tree(data)["identity"]) == {*people[:4], "ann", "test1 person", "test2 person"}
