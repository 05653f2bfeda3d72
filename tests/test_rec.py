"""Records packed as insightface packs them: the same photographs as in a folder, and every fault named."""

import io
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import packed
import pandas as pd
import photos
import pytest
from commands import call
from PIL import Image

from facelab.datasets import RejectedFilesWarning, catalog, load, shards
from facelab.datasets.loading import fingerprint
from facelab.datasets.rec import index, read_index
from facelab.datasets.recordio import Damage, RecordFile
from facelab.datasets.sources import absolute_name, get_source, parse_joined_name
from facelab.errors import BadImageError, BadParameterError, DataMissingError, FacelabError


@pytest.fixture(scope="module")
def orl() -> list[list[bytes]]:
    """The bytes of three photographs of each of five people of ORL: as JPEG, the form in records, and one of them as PNG."""
    root = get_source("orl").locate()
    table = get_source("orl").index(root)
    people = []
    for _, rows in table[:50].groupby("identity"):
        pixels = [np.asarray(Image.open(root / file)) for file in rows["file"][:3]]
        people.append([photos.encoded(picture, "JPEG", quality=95) for picture in pixels])
    people[2][1] = photos.encoded(pixels[1], "PNG")
    return people


def folder_twin(root: Path, people: list[list[bytes]]) -> str:
    for person, photographs in enumerate(people):
        (root / f"p{person}").mkdir(parents=True)
        for shot, photograph in enumerate(photographs):
            (root / f"p{person}" / f"{shot}.jpg").write_bytes(photograph)
    return f"folder:{root}"


def assert_equal(faces, twin) -> None:
    """The same pixels of the same people, whatever these are called."""
    np.testing.assert_array_equal(faces.images, twin.images)
    np.testing.assert_array_equal(faces.identity, twin.identity)
    assert faces.rejected_files == () == twin.rejected_files


def rejected_of(name: str, size: int = 16) -> tuple[list[str], dict[str, str]]:
    with pytest.warns(RejectedFilesWarning):
        faces = load(name, size)
    return faces.attributes["file"].tolist(), dict(faces.rejected_files)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("with_index", [True, False])
def test_records_give_what_their_folder_gives(data, orl, aligned, with_index):
    packed.write_records(data / "set" / "train.rec", packed.insightface_records(orl, aligned), with_index)
    (data / "set" / "property").write_text("5,112,92\n")
    faces = load(f"rec:{data / 'set'}", 32)
    assert_equal(faces, load(folder_twin(data / "twin", orl), 32))
    assert faces.names == tuple(f"{person:07d}" for person in range(5))
    assert faces.attributes["file"].tolist() == [f"record {number}" for number in range(1, 16)]
    report = catalog.check(f"rec:{data / 'set' / 'train.rec'}", 32)
    assert report.ok and (report.images, report.people) == (15, 5) and report.sha256 == faces.sha256


@pytest.mark.parametrize("with_index", [True, False])
@pytest.mark.parametrize("number", ["own", "none"])
def test_records_without_a_header_are_all_photographs(data, orl, with_index, number):
    flat = [(person, photo) for person, photographs in enumerate(orl) for photo in photographs]
    records = {
        n: packed.image_record(n if number == "own" else 0, label, photo) for n, (label, photo) in enumerate(flat)
    }
    packed.write_records(data / "set" / "faces.rec", records, with_index)  # the only one of its folder
    faces = load(f"rec:{data / 'set'}", 32)
    assert_equal(faces, load(folder_twin(data / "twin", orl), 32))
    assert faces.attributes["file"].tolist() == [f"record {n}" for n in range(15)]


def test_a_record_of_several_frames_is_put_together(data, orl):
    """A comment of the JPEG holds the magic number: so the writer cuts the record, and the reader puts the number back."""
    photograph = orl[0][0]
    for shift in range(4):
        comment = (
            b"\xff\xfe"
            + struct.pack(">H", 2 + 24 + shift)
            + b"." * shift
            + packed.MAGIC * 2
            + b"-" * 4
            + packed.MAGIC * 3
        )
        with_magic = photograph[:2] + comment + photograph[2:]
        content = packed.image_record(1, 0, with_magic)
        path = data / f"{shift}.rec"
        packed.write_records(path, {1: content, 2: packed.image_record(2, 0, photograph)})
        with RecordFile(path) as file:
            first, second = file.scan()
            assert file.read(first.offset) == content and first.length == len(content)
            assert first.start == content[:32] and second.offset == first.end
        cuts = (path.read_bytes().count(packed.MAGIC) - 2) if shift == 2 else None
        assert cuts is None or cuts == 5  # frames of the first record, but for its own beginning
        assert len(load(f"rec:{path}", 16)) == 2


def test_a_label_of_several_numbers_begins_with_the_person(data, orl):
    records = {n: packed.image_record(n, (7 - n, 1, 0.25, -3.5), orl[n][0]) for n in range(3)}
    packed.write_records(data / "a.rec", records)
    faces = load(f"rec:{data / 'a.rec'}", 16)
    assert [faces.names[person] for person in faces.identity] == ["0000007", "0000006", "0000005"]


@pytest.mark.parametrize("label", [-1.0, 2.5, float("nan"), float("inf"), 1e30])
def test_a_label_that_is_no_number_of_a_person_is_rejected(data, orl, label):
    packed.write_records(
        data / "a.rec", {0: packed.image_record(0, label, orl[0][0]), 1: packed.image_record(1, 3, orl[0][1])}
    )
    files, rejected = rejected_of(f"rec:{data / 'a.rec'}")
    assert (
        files == ["record 1"]
        and list(rejected) == ["record 0"]
        and "is not the number of a person" in rejected["record 0"]
    )


@pytest.fixture
def packed_set(data, orl) -> tuple[Path, dict[int, int]]:
    path = data / "set" / "train.rec"
    return path, packed.write_records(path, packed.insightface_records(orl))


def overwrite(path: Path, place: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        file.write(content)


@pytest.mark.parametrize("with_index", [True, False])
def test_a_damaged_record_is_named_and_the_others_are_read(packed_set, with_index):
    path, places = packed_set
    if not with_index:
        path.with_suffix(".idx").unlink()
    overwrite(path, places[3], b"\1\2\3\4")  # wrong magic number
    overwrite(path, places[6] + 4, struct.pack("<I", 2**29 - 4))  # longer than the file
    overwrite(path, places[9] + 8, struct.pack("<I", 2**31))  # labels without end
    overwrite(path, places[12] + 200, b"\0" * 400)  # a broken JPEG may be decoded to something; the next one not
    overwrite(path, places[13] + 40, b"no JPEG at all")
    name = f"rec:{path.parent}"
    files, rejected = rejected_of(name)
    place = "record {}".format if with_index else lambda number: f"byte {places[number]}"
    for number, reason in {3: "magic number 0x04030201", 6: "The file ends within it", 9: "2147483648 labels"}.items():
        assert reason in rejected[place(number)]
    assert "cannot be decoded" in rejected["record 13"]
    kept = {f"record {number}" for number in (1, 2, 4, 5, 7, 8, 10, 11, 14, 15)}
    assert kept <= set(files) and len(files) + len(rejected) in (15, 16)
    assert not catalog.check(name, 16).ok


@pytest.mark.parametrize("with_index", [True, False])
def test_a_truncated_file_names_what_is_not_there(packed_set, with_index):
    path, places = packed_set
    if not with_index:
        path.with_suffix(".idx").unlink()
    with path.open("r+b") as file:
        file.truncate(places[14] + 100)
    files, rejected = rejected_of(f"rec:{path}")
    assert files == [f"record {number}" for number in range(1, 14)]
    expected = {"record 14": "The file ends within it.", "record 15": "The file ends before it."}
    if with_index:
        assert expected.items() <= rejected.items()
        assert {f"record {number}" for number in range(14, 21)} <= set(
            rejected
        )  # of the people it does not know what they are
    else:
        assert list(rejected) == [f"byte {places[14]}"] and "The file ends within it." in rejected[f"byte {places[14]}"]


def test_a_record_that_swallows_others_is_not_taken_for_a_photograph(packed_set):
    """Its first photograph would be decoded, and those behind it be lost without a word."""
    path, places = packed_set
    overwrite(path, places[2] + 4, struct.pack("<I", places[5] - places[2] - 8))
    files, rejected = rejected_of(f"rec:{path}")
    assert rejected == {"record 2": "It runs into the next record."} and len(files) == 14
    path.with_suffix(".idx").unlink()
    files, rejected = rejected_of(f"rec:{path}")
    assert rejected["record 2"] == "Its length is wrong: another record begins within it."
    assert "15 photographs; 13 are here" in rejected["record 0"]


def test_records_that_the_index_does_not_list_are_told(packed_set):
    path, places = packed_set
    listing = path.with_suffix(".idx")
    lines = listing.read_text().splitlines(keepends=True)
    listing.write_text("".join(lines[:4] + lines[6:]))
    files, rejected = rejected_of(f"rec:{path}")
    assert len(files) == 13
    assert f"at 1 places, first at byte {places[5]}." in rejected["train.idx"]
    assert "15 photographs; 13 are here" in rejected["record 0"]


def test_photographs_behind_the_end_that_the_header_names_are_told(data, orl):
    records = packed.insightface_records(orl)
    records[99] = packed.image_record(99, 3, orl[0][0])
    packed.write_records(data / "a.rec", records)
    files, rejected = rejected_of(f"rec:{data / 'a.rec'}")
    assert (
        len(files) == 15 and list(rejected) == ["record 99"] and "behind the last photograph" in rejected["record 99"]
    )


def test_a_record_without_a_photograph_is_rejected(data, orl):
    packed.write_records(data / "a.rec", {1: packed.image_record(1, 0, orl[0][0]), 2: packed.image_record(2, 0, b"")})
    assert rejected_of(f"rec:{data / 'a.rec'}")[1] == {"record 2": "It holds no photograph."}


@pytest.mark.parametrize("content", [b"", b"PK\3\4" * 50, packed.MAGIC, packed.MAGIC * 1000, b"\0" * 100_000])
def test_a_file_without_records_is_one_clear_line(data, content):
    (data / "a.rec").write_bytes(content)
    with pytest.raises(DataMissingError, match="holds no photograph that can be used"):
        load(f"rec:{data / 'a.rec'}", 16)


@pytest.mark.parametrize(
    ("line", "problem"),
    [("x\t5", "line 2"), ("2 40", "line 2"), ("2\t-4", "line 2"), ("2", "line 2"), ("1\t44", "number of a line before"),
     ("2\t0", "place of a line before"), ("2\t" + "9" * 40, "line 2"), ("2\t\0", "text")],
)  # fmt: skip
def test_an_index_that_is_none_is_one_clear_line(data, orl, line, problem):
    packed.write_records(data / "a.rec", {1: packed.image_record(1, 0, orl[0][0])})
    (data / "a.idx").write_text(f"1\t0\n{line}\n")
    with pytest.raises(FacelabError, match=problem):
        load(f"rec:{data / 'a.rec'}", 16)


def test_an_index_is_read_in_the_order_of_the_records(data):
    (data / "a.idx").write_text("5\t40\r\n7\t0\r\n6\t20\r\n\r\n")
    numbers, offsets = read_index(data / "a.idx")
    assert numbers.tolist() == [7, 6, 5] and offsets.tolist() == [0, 20, 40]


def test_places_far_behind_the_end_are_rejected(data, orl):
    packed.write_records(data / "a.rec", {1: packed.image_record(1, 0, orl[0][0])})
    with (data / "a.idx").open("a") as file:
        file.write("2\t999999999999999999\n")
    assert rejected_of(f"rec:{data / 'a.rec'}")[1] == {"record 2": "The file ends before it."}


def test_what_is_not_there_says_so(data, orl, monkeypatch):
    monkeypatch.chdir(data)
    (data / "empty").mkdir()
    for name, words in {
        "rec:no/such": "not on this machine.*no/such.*a .rec file",
        "rec:empty": "empty holds no .rec file",
        "rec:": "A path is empty",
        "rec:~nosuchuser/x": "home folder",
        "bin:empty": "not on this machine",
    }.items():
        with pytest.raises(FacelabError, match=words):
            load(name, 16)
    (data / "empty" / "train.idx").write_text("1\t0\n")
    with pytest.raises(DataMissingError, match=r"holds train\.idx, but not the records.*Put train\.rec into it"):
        load("rec:empty", 16)
    with pytest.raises(BadParameterError, match="is an index of records"):
        load("rec:empty/train.idx", 16)
    for name in ("a", "b"):
        packed.write_records(data / "two" / f"{name}.rec", {1: packed.image_record(1, 0, orl[0][0])})
    with pytest.raises(BadParameterError, match=r"2 \.rec files.*two/a\.rec"):
        load("rec:two", 16)
    with pytest.raises(BadParameterError, match="not text"):
        load("rec:\udcff", 16)


def test_a_property_that_differs_or_is_none_is_told(packed_set):
    path, _ = packed_set
    (path.parent / "property").write_text("6,112,112\n15\n")
    report = catalog.check(f"rec:{path.parent}", 16)
    assert report.differences == ("5 people, published are 6",) and report.rejected_files == ()
    (path.parent / "property").write_bytes(b"\xff\xfe6 people")
    assert rejected_of(f"rec:{path.parent}")[1] == {"property": "Its first line is not PEOPLE,HEIGHT,WIDTH."}


def test_joined_names_take_paths_of_files(packed_set, data, orl, monkeypatch):
    path, _ = packed_set
    twin = folder_twin(data / "twin", orl)
    faces = load(f"rec:{path}+{twin}", 16)
    assert len(faces) == 30 and faces.people.size == 10 and faces.names[0] == f"rec:{path}:0000000"
    with pytest.raises(BadParameterError, match="twice.*are one file"):
        load(f"rec:{path}+rec:{path.parent}", 16)
    monkeypatch.chdir(data)
    (data / "a+orl").write_bytes(path.read_bytes())  # no ending: the name of a data set follows the plus
    assert parse_joined_name("rec:a+orl") == ["rec:a+orl"] and len(load("rec:a+orl", 16)) == 15
    (data / "a").write_bytes(path.read_bytes())
    with pytest.raises(BadParameterError, match=r"a file 'a\+orl' and a file 'a'.*Rename.*'orl\+rec:a'"):
        parse_joined_name("rec:a+orl")
    assert absolute_name("rec:set/../a+b.rec") == f"rec:{data}/a+b.rec"


def test_a_change_of_a_packed_file_makes_the_cache_anew(packed_set, orl):
    path, _ = packed_set
    name = f"rec:{path.parent}"
    assert len(load(name, 16)) == 15
    packed.write_records(path, packed.insightface_records(orl[:4]))
    assert len(load(name, 16)) == 12
    source = get_source(name)
    state = fingerprint(source, path, source.index(path))
    (path.parent / "property").write_text("4,112,112")
    assert fingerprint(source, path, source.index(path)) != state


def test_records_are_decoded_in_shards(packed_set, monkeypatch):
    """So that a decode that was stopped goes on, and half a million photographs are decoded by all cores."""
    path, _ = packed_set
    monkeypatch.setattr("facelab.datasets.shards._MOST_PHOTOGRAPHS", 4)
    sizes = []
    source = get_source(f"rec:{path}")
    decode = shards.decode_shard
    monkeypatch.setattr(
        shards, "decode_shard", lambda part, *rest, **more: sizes.append(len(part)) or decode(part, *rest, **more)
    )
    assert source.seekable and len(load(f"rec:{path}", 16)) == 15
    assert sizes == [4, 4, 4, 3]


class CountedFile(io.FileIO):
    """A file that knows how many bytes were read of it."""

    taken = 0

    def readinto(self, buffer) -> int:
        count = super().readinto(buffer)
        self.taken += count
        return count


def test_looking_at_records_reads_no_photograph(data):
    """What an index costs: of 200 records of a megabyte, some hundred bytes each are read."""
    record = packed.frames(packed.image_record(0, 0, b"\1" * 2**20))
    (data / "a.rec").write_bytes(record * 200)
    with RecordFile(data / "a.rec") as file:
        counted = CountedFile(data / "a.rec")
        file._file = io.BufferedReader(counted, 256)
        assert sum(1 for _ in file.scan()) == 200
    assert counted.taken <= 200 * 512


def test_records_beyond_four_gigabytes_are_found_by_the_index(data, orl):
    """The file has a hole, which takes no room on the disk."""
    place = 2**32 + 40
    with (data / "a.rec").open("wb") as file:
        for start in (0, place):
            file.seek(start)
            file.write(packed.frames(packed.image_record(start, 0, orl[0][0])))
    (data / "a.idx").write_text(f"1\t0\n2\t{place}\n")
    files, rejected = rejected_of(f"rec:{data / 'a.rec'}")
    assert files == ["record 1", "record 2"] and list(rejected) == ["a.idx"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("name", ["property", "train.idx"])
def test_a_pipe_beside_the_records_is_not_waited_for(data, orl, name):
    packed.write_records(data / "train.rec", packed.insightface_records(orl), index=False)
    os.mkfifo(data / name)
    assert len(load(f"rec:{data}", 16)) == 15


def test_stray_frames_cannot_multiply(data):
    """Beginnings of records that are none make one damaged place, not a row each."""
    false_start = packed.MAGIC + struct.pack("<I", 2**29 - 1)
    chain = packed.MAGIC + struct.pack("<I", 1 << 29) + (packed.MAGIC + struct.pack("<I", 2 << 29)) * 3000
    (data / "a.rec").write_bytes(false_start * 3000 + chain)
    with RecordFile(data / "a.rec") as file:
        (damage,) = file.scan()
        assert isinstance(damage, Damage) and damage.end == file.size
        with pytest.raises(BadImageError, match="more than 64 parts"):
            file.look(len(false_start) * 3000)


def mutations(content: bytes, seed: int) -> bytes:
    """A file with some bytes changed, taken out or put in, mostly where frames and records begin."""
    rng = np.random.default_rng(seed)
    out = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        heads = [place for place in range(len(out)) if out[place : place + 4] == packed.MAGIC] or [0]
        place = (
            int(rng.choice(heads)) + int(rng.integers(0, 44))
            if rng.random() < 0.7
            else int(rng.integers(len(out) or 1))
        )
        kind = rng.integers(5)
        if kind == 0:
            out[place : place + 1] = bytes([rng.integers(256)])
        elif kind == 1:
            out[place : place + 4] = rng.choice([b"\xff" * 4, b"\0" * 4, packed.MAGIC, b"\0\0\0\x80"])
        elif kind == 2:
            del out[place : place + int(rng.integers(1, 40))]
        elif kind == 3:
            out[place:place] = rng.integers(0, 256, int(rng.integers(1, 40)), np.uint8).tobytes()
        else:
            del out[place:]
    return bytes(out)


@pytest.mark.parametrize("kind", ["train.rec", "train.idx", "property", "rec alone"])
def test_mutated_files_are_read_or_refused_in_one_line(packed_set, kind):
    """A hundred of each kind: an index and each photograph, or one error of ours, and few rows."""
    path, _ = packed_set
    (path.parent / "property").write_text("5,112,92\n")
    if kind == "rec alone":
        path.with_suffix(".idx").unlink()
    target = path if kind == "rec alone" else path.parent / kind
    content = target.read_bytes()
    source = get_source(f"rec:{path.parent}")
    whole = {name: photo for _, name, photo in source.read(path, source.index(path))}
    damaged = 0
    for seed in range(100):
        target.write_bytes(mutations(content, seed))
        try:
            table = source.index(path)
        except FacelabError as error:
            assert "\n" not in str(error)
            damaged += 1
            continue
        assert len(table) <= 100 and (table["rejected"].str.len() < 200).all()
        good = table[table["rejected"] == ""].reset_index(drop=True)
        for _, name, photo in source.read(path, good):
            damaged += photo != whole.get(name)
            assert isinstance(photo, bytes | BadImageError)
        damaged += (table["rejected"] != "").sum()
    assert damaged > 20  # or nothing was tried


def test_half_a_million_records_cost_little(data):
    """Looked at in bounded memory: no photograph is held, and what is kept of each record is the row of a table."""
    photograph = packed.frames(packed.image_record(0, 0, b"\1" * 8))
    heads = bytearray(photograph * 20_000)
    for n in range(20_000):
        struct.pack_into("<IfQQ", heads, n * len(photograph) + 8, 0, n // 10, n, 0)
    (data / "a.rec").write_bytes(heads)
    tracemalloc.start()
    table = index(data / "a.rec")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(table) == 20_000 and table["identity"].nunique() == 2000
    assert isinstance(table, pd.DataFrame) and peak / 20_000 < 800


def test_the_command_checks_records(packed_set, monkeypatch, capsys):
    path, places = packed_set
    assert call(monkeypatch, "data", "check", f"rec:{path.parent}", "--size", "16") == 0
    assert "15 images, 5 people" in capsys.readouterr().out
    overwrite(path, places[4] + 40, b"broken")
    assert call(monkeypatch, "data", "check", f"rec:{path.parent}", "--size", "16") == 1
    assert "not usable: record 4: It cannot be decoded" in " ".join(capsys.readouterr().out.split())
