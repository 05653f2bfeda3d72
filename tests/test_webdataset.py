"""Webdataset tars, written by tarfile as webdataset's own writer does: the twin of a folder, and all that can be wrong."""

import gzip
import io
import json
import random
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import photos
import pytest
from commands import call
from packed import index_and_decode

from facelab.datasets import RejectedFilesWarning, load, orl
from facelab.datasets.sources import absolute_name, get_source
from facelab.datasets.tar_members import DamagedTarError, TarReader
from facelab.errors import BadParameterError, DataMissingError, FacelabError


def photograph(seed: int = 0) -> bytes:
    return photos.encoded(photos.pixels(seed), "PNG")


def write(path: Path, members, mode: str = "w", form: int = tarfile.USTAR_FORMAT) -> Path:
    """An archive of (name, bytes) or ``TarInfo`` in order; a dict is what webdataset's writer would be given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode, format=form) as archive:
        for member in members.items() if isinstance(members, dict) else members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            name, content = member
            info = tarfile.TarInfo(name)
            content = content if isinstance(content, bytes) else str(content).encode()
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def people(faces) -> list[str]:
    return [faces.names[person] if person >= 0 else "" for person in faces.identity]


def load_with_rejected(path: Path, options: str = ""):
    with pytest.warns(RejectedFilesWarning):
        faces = load(f"webdataset:{path}{options}", 16)
    return faces, dict(faces.rejected_files)


@pytest.mark.parametrize("way", ["json", "cls", "txt", "folder", "number"])
@pytest.mark.parametrize(("ending", "mode"), [(".tar", "w"), (".tar.gz", "w:gz")])
def test_archives_are_the_twin_of_a_folder(data, way, ending, mode):
    """ORL's own photographs, their people said in each of the ways."""
    root = orl.locate()
    table = orl.index(root).iloc[:30]
    samples = []
    for number, (file, person) in enumerate(zip(table["file"], table["identity"], strict=True)):
        twin = data / "folder" / person / f"{number:04d}.pgm"
        twin.parent.mkdir(parents=True, exist_ok=True)
        twin.symlink_to(root / file)
        key = {"folder": f"orl/{person}/{number:04d}", "number": f"{person}_{number:04d}"}.get(way, f"{number:06d}")
        samples.append([(f"{key}.pgm", (root / file).read_bytes())])
        text = {"json": json.dumps({"caption": "a face", "Identity": person}), "cls": person, "txt": f"{person}\n"}.get(
            way
        )
        if text:
            samples[-1].insert(number % 2, (f"{key}.{way}", text))  # before the photograph, or behind it
    for shard in range(3):
        write(data / "wds" / f"orl-{shard:06d}{ending}", sum(samples[10 * shard : 10 * shard + 10], []), mode)
    by_folder = load(f"folder:{data / 'folder'}", 48)
    for _ in range(2):  # decoded, and from the cache
        by_archives = load(f"webdataset:{data / 'wds'}", 48)
        np.testing.assert_array_equal(by_archives.images, by_folder.images)
        assert by_archives.names == by_folder.names and (by_archives.identity == by_folder.identity).all()
        assert by_archives.sha256 == by_folder.sha256
    assert by_archives.attributes["file"].iloc[10].startswith(f"orl-000001{ending}/")


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_those_of_tarfile(tmp_path, form):
    """Long names, names that are no ASCII, empty files, folders, links and an archive without any member."""
    members = [
        ("plain.jpg", b"1"),
        (f"{'d' * 60}/{'e' * 60}/{'f' * 30}.jpg", b"22" * 700),
        ("empty", b""),
        special("folder", tarfile.DIRTYPE),
        special("link.jpg", tarfile.SYMTYPE, "plain.jpg"),
        special("hard.jpg", tarfile.LNKTYPE, "plain.jpg"),
        special("pipe", tarfile.FIFOTYPE),
        ("\u00e9\u00fc.jpg", b"3" * 512),
    ]
    if form != tarfile.USTAR_FORMAT:
        members.append((f"{'x' * 300}.jpg", b"4"))
    for name, mode in (("a.tar", "w"), ("a.tar.gz", "w:gz")):
        path = write(tmp_path / name, members, mode, form)
        reader, ours = TarReader(path), []
        for member in reader:
            ours.append((member.name, b"" if member.fault else reader.content(), bool(member.fault)))
        with tarfile.open(path) as archive:
            theirs = [
                (member.name, archive.extractfile(member).read() if member.isreg() else b"", not member.isreg())
                for member in archive
            ]
        assert ours == theirs and len(ours) == len(members)
        assert list(TarReader(write(tmp_path / f"none{name}", [], mode, form))) == []


def test_contents_need_not_be_read(tmp_path):
    path = write(tmp_path / "a.tar", {"a.jpg": b"1" * 700, "b.jpg": b"2" * 1024, "c.jpg": b"3"})
    reader = TarReader(path)
    assert [reader.content() for member in reader if member.name != "b.jpg"] == [b"1" * 700, b"3"]


CHOSEN = {
    "": ["ann", "bob"],  # identity before label
    "?label=json.label": ["7", "8"],
    "?label=json.who%3F": ["x", "y"],
    "?label=cls": ["1", "0"],
    "?label=txt": ["Ann", "Bob"],
    "?label=key": ["p", "q"],
    "?label=": ["", ""],
}


@pytest.mark.parametrize("option", CHOSEN)
def test_what_says_the_person_is_found_or_chosen(data, option):
    said = ({"label": 7, "identity": "ann", "who?": "x"}, {"identity": "bob", "label": 8, "who?": "y"})
    samples = {}
    for key, fields, number in (("p/0", said[0], 1), ("q/1", said[1], 0)):
        samples |= {f"{key}.jpg": photograph(), f"{key}.json": json.dumps(fields), f"{key}.cls": f"{number}\n"}
        samples |= {f"{key}.txt": fields["identity"].title()}
    path = write(data / "a.tar", samples)
    assert people(load(f"webdataset:{path}{option}", 16)) == CHOSEN[option]
    assert absolute_name(f"webdataset:{path}{option}") == f"webdataset:{path}{option}"


def test_a_choice_that_cannot_be_is_refused(data):
    path = write(data / "a.tar", {"a.jpg": photograph(), "a.json": '{"person": 1, "identity": 1}'})
    with pytest.raises(BadParameterError, match="not clear: they have identity, person.*label=json.identity"):
        load(f"webdataset:{path}", 16)
    with pytest.raises(BadParameterError, match="'face' says no person.*json.FIELD, cls, txt, key"):
        load(f"webdataset:{path}?label=face", 16)
    deep = write(data / "deep.tar", {"ann/2019/0.jpg": photograph(), "bob/2020/0.jpg": photograph()})
    with pytest.raises(BadParameterError, match="Which folder of 'ann/2019' is the person is not clear"):
        load(f"webdataset:{deep}", 16)
    assert people(load(f"webdataset:{deep}?label=", 16)) == ["", ""]


def test_keys_that_name_nobody_leave_the_people_unknown(data):
    write(data / "a.tar", {"000000.jpg": photograph(), "000001.jpg": photograph(1)})
    write(data / "b.tar", {"sample_000000.jpg": photograph(), "sample_000001.jpg": photograph(1)})
    assert people(load(f"webdataset:{data / 'a.tar'}", 16)) == ["", ""]
    assert people(load(f"webdataset:{data / 'b.tar'}", 16)) == ["", ""]


def test_samples_that_are_wrong_are_listed_and_the_rest_is_read(data):
    def sample(key: str, label: object = "ann", image: bytes | None = None) -> dict[str, bytes]:
        text = label if isinstance(label, bytes) else json.dumps({"person": label}).encode()
        return {f"{key}.jpg": photograph() if image is None else image, f"{key}.json": text}

    good = sample("./p/good", None)  # null: not known
    wrong = {
        "list": (sample("list", ["ann"]), "Its json.person is a list"),
        "true": (sample("true", True), "is a bool"),
        "real": (sample("real", 1.5), "is a float"),
        "broken": (sample("broken", b'{"person": '), "Its .json cannot be read"),
        "array": (sample("array", b"[1]"), "Its .json cannot be read"),
        "deep": (sample("deep", b"[" * 100_000), "Its .json cannot be read"),
        "digits": (sample("digits", b'{"person": ' + b"9" * 5000 + b"}"), "Its .json cannot be read"),
        "bytes": (sample("bytes", b'{"person": "\xff"}'), "not UTF-8"),
        "surrogate": (sample("surrogate", b'{"person": "\\ud800"}'), "not text"),
        "long": (sample("long", "n" * 5000), "5,000 characters"),
        "large": (sample("large", b'{"person": "' + b" " * 2**20 + b'"}'), "too large"),
        "other": (sample("other", b'{"who": 1}'), "It has no json.person"),
        "without": ({"without.jpg": photograph()}, "It has no json.person"),
        "text": (sample("text", "ann", b"no photograph"), "cannot be decoded"),
        "empty": (sample("empty", "ann", b""), "empty"),
    }
    members = dict(good)
    for parts, _ in wrong.values():
        members |= parts
    faces, faults = load_with_rejected(write(data / "a.tar", members))
    assert faces.attributes["file"].tolist() == ["a.tar/p/good.jpg"] and people(faces) == [""]
    assert faults.keys() == {f"a.tar/{key}.jpg" for key in wrong}
    assert all(told in faults[f"a.tar/{key}.jpg"] for key, (_, told) in wrong.items()), faults


def test_members_that_are_no_photographs_are_listed_and_never_followed(data):
    (data / "secret.png").write_bytes(photograph())
    members = [
        ("ann/0.png", photograph()),
        ("/etc/1.png", photograph()),
        ("ann/../../2.png", photograph()),
        ("ann\\..\\3.png", photograph()),
        special("ann/4.png", tarfile.SYMTYPE, str(data / "secret.png")),
        special("ann/5.png", tarfile.LNKTYPE, "ann/0.png"),
        special("ann/6.png", tarfile.FIFOTYPE),
        special("ann/7.png", tarfile.DIRTYPE),
        ("ann/0.png", photograph(3)),
        ("ann/8.jpg", photograph()),
        ("ann/8.left.jpg", photograph()),
        ("ann/9.left.jpg", photograph()),
        ("ann/9.right.jpg", photograph()),
        ("ann/._0.png", b"litter"),
        ("__MACOSX/ann/0.png", b"litter"),
        ("__index__/0.png", b"of the library"),
        ("README.md", b"about"),
        ("LICENSE", b"terms"),
    ]
    path = write(data / "a.tar", members)
    faces, faults = load_with_rejected(path, "?label=")
    assert faces.attributes["file"].tolist() == ["a.tar/ann/0.png", "a.tar/ann/8.jpg"]
    np.testing.assert_array_equal(faces.images[0], load(f"folder:{photos.people(data / 'twin', ann=1)}", 16).images[0])
    expected = {
        "/etc/1.png": "leads out", "ann/../../2.png": "leads out", "ann\\..\\3.png": "leads out", "ann/4.png": "a link",
        "ann/5.png": "a link", "ann/6.png": "no file", "ann/7.png": "no file", "ann/0.png": "stands twice",
        "ann/8.left.jpg": "another photograph, .jpg", "ann/9.left.jpg": "not clear", "ann/9.right.jpg": "not clear",
    }  # fmt: skip
    assert faults.keys() == {f"a.tar/{name}" for name in expected}
    assert all(told in faults[f"a.tar/{name}"] for name, told in expected.items()), faults


def test_odd_samples_by_name(data):
    members = [("ann/0.jpg", photograph()), ("stray.jpg", photograph()), ("ann/\udcff.jpg", photograph())]
    faces, faults = load_with_rejected(write(data / "a.tar", members, form=tarfile.GNU_FORMAT))
    assert people(faces) == ["ann"]
    assert "outside any person's folder" in faults["a.tar/stray.jpg"] and "not text" in faults["a.tar/ann/\\udcff.jpg"]
    members = [
        ("x.jpg", photograph()),
        ("x.cls", "1"),
        ("x.cls", "2"),
        ("y.cls", "2"),
        ("z.jpg", photograph()),
        ("z.cls", "3"),
    ]
    faces, faults = load_with_rejected(write(data / "b.tar", members))
    assert people(faces) == ["3"] and "stands twice" in faults["b.tar/x.jpg"]
    assert faults["b.tar/y"] == "It has a .cls and no photograph."
    members = {"ann_0.jpg": photograph(), "bob_1.jpg": photograph(), "nobody.jpg": photograph()}
    faces, faults = load_with_rejected(write(data / "c.tar", members))
    assert people(faces) == ["ann", "bob"] and "does not end in a number" in faults["c.tar/nobody.jpg"]


def samples(count: int = 6) -> dict[str, bytes]:
    return {f"p{row // 2}/{row}.png": photograph(row) for row in range(count)}


def test_a_damaged_archive_costs_what_stands_behind(data):
    whole = write(data / "a.tar", samples()).read_bytes()
    packed = gzip.compress(whole)
    damaged = bytearray(whole)
    damaged[whole.index(b"p1/3.png") + 2] ^= 1  # the header's checksum is wrong
    cases = {
        "cut.tar": (whole[: whole.index(b"p1/3.png") + 600], "is cut off"),
        "cut between.tar": (whole[: whole.index(b"p1/3.png")], "is cut off"),
        "cut.tar.gz": (packed[: len(packed) // 2], "EOFError"),
        "header.tar": (bytes(damaged), "has a damaged header"),
        "two.tar": (whole + whole, "two archives in one file"),
        "crc.tar.gz": (packed[:-6] + b"\0\0" + packed[-4:], "CRC"),
    }
    for name, (content, told) in cases.items():
        (data / name).write_bytes(content)
        faces, faults = load_with_rejected(data / name)
        assert told in faults[name] and "may stand behind is missing" in faults[name], faults
        good = 6 if name in ("two.tar", "crc.tar.gz") else 3
        assert len(faces) in range(1, 6) if name == "cut.tar.gz" else len(faces) == good, name


def test_an_archive_that_is_none_is_listed(data):
    write(data / "a.tar", samples())
    (data / "b.tar").touch()
    (data / "c.tar").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 44322\n")
    (data / "d.tar.gz").write_bytes(b"<html>404</html>" * 100)
    (data / "e.tgz").symlink_to(data / "nowhere")
    faces, faults = load_with_rejected(data)
    assert len(faces) == 6
    told = {"b.tar": "is cut off", "c.tar": "git lfs pull", "d.tar.gz": "damaged header", "e.tgz": "cannot be opened"}
    assert faults.keys() == told.keys() and all(part in faults[name] for name, part in told.items())


def test_what_is_not_there_or_holds_nothing_is_one_line(data):
    (data / "empty").mkdir()
    write(data / "none.tar", {"a.json": "{}"})
    cases = {"nowhere": "There is no .*nowhere", "empty": "holds no .tar file", "none.tar": "holds no photograph"}
    for path, told in cases.items():
        with pytest.raises(DataMissingError, match=told) as caught:
            load(f"webdataset:{data / path}", 16)
        assert "\n" not in str(caught.value)


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = special(name, kind)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def pax(**records: str) -> bytes:
    body = b"".join(b"%d %s=%s\n" % (len(k) + len(v) + 5, k.encode(), v.encode()) for k, v in records.items())
    return header("pax", len(body), tarfile.XHDTYPE) + body.ljust(512, b"\0")


HOSTILE = {
    "a size below zero": header("a.png", -1024),
    "a size below zero by PAX": pax(size="-10240") + header("a.png", 0),
    "a size of no number": pax(size="0x10") + header("a.png", 0),
    "a member larger than everything": header("a.png", 2**60),
    "a name larger than everything": header("x", 2**40, tarfile.GNUTYPE_LONGNAME),
    "a chain of headers": pax(comment="xxxxx") * 1500 + header("a.png", 0),
    "a record that leads nowhere": header("pax", 12, tarfile.XHDTYPE) + b"0 path=x\n".ljust(512, b"\0"),
    "a record behind the end": header("pax", 12, tarfile.XHDTYPE) + b"999 path=x\n".ljust(512, b"\0"),
    "a sparse file": header("a.png", 0, tarfile.GNUTYPE_SPARSE),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_headers_are_one_line(data, case, packed):
    content = HOSTILE[case] + bytes(1024)
    path = data / "a.tar"
    path.write_bytes(gzip.compress(content) if packed else content)
    tracemalloc.start()
    with pytest.raises(DataMissingError, match="holds no photograph") as caught:
        load(f"webdataset:{path}", 16)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "\n" not in str(caught.value) and most < 20 * 2**20


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_bomb_is_refused_before_it_grows(data, kind):
    path = data / "a.tar.gz"
    with gzip.open(path, "wb") as file:
        file.write(header("a.png", 0) + header("b.png", 2**30, kind))
        for _ in range(128):
            file.write(bytes(2**20))
    tracemalloc.start()
    with pytest.raises(
        DamagedTarError, match="would grow to more than 100 times" if kind == b"0" else "header of 1,073"
    ):
        list(TarReader(path))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 5 * 2**20


def test_a_changed_archive_is_decoded_anew(data):
    path = write(data / "a.tar", samples(2))
    before = load(f"webdataset:{data}", 16).sha256
    write(path, {f"p{row // 2}/{row}.png": photograph(row + 1) for row in range(2)})
    assert load(f"webdataset:{data}", 16).sha256 != before


def test_the_check_command_and_a_joined_name(data, monkeypatch, capsys):
    path = write(data / "a+orl.tar", samples(4) | {"p9/9.png": b"text"})
    photos.people(data / "folder", cem=1)
    assert call(monkeypatch, "data", "check", f"webdataset:{path}+folder:{data / 'folder'}", "--size", "16") == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "5 images, 3 people" in told and "a+orl.tar/p9/9.png" in told


@pytest.mark.parametrize("packed", [False, True])
def test_mutated_archives_are_read_or_refused(data, packed):
    members = {}
    for row in range(3):
        members |= {
            f"{'x' * 120}{row}.png": photograph(row),
            f"{'x' * 120}{row}.json": json.dumps({"person": f"p{row}"}),
        }
    path = write(data / "a.tar", members, form=tarfile.PAX_FORMAT)
    whole = path.read_bytes()
    source = get_source(f"webdataset:{path}")
    wrong = 0
    for seed in range(150):
        draw = random.Random(seed)
        raw = bytearray(gzip.compress(whole) if packed and seed % 2 else whole)
        for _ in range(draw.randint(1, 5)):
            place = (
                draw.randrange(len(raw) // 512) * 512 + draw.randrange(160) if seed % 3 else draw.randrange(len(raw))
            )
            raw[min(place, len(raw) - 1)] = draw.randrange(256)
        if seed % 15 == 14:
            del raw[draw.randrange(len(raw)) :]
        path.write_bytes(gzip.compress(raw) if packed and not seed % 2 else raw)
        try:
            table, faults = index_and_decode(source, path)
        except FacelabError as error:
            assert "\n" not in str(error)
            wrong += 1
        else:
            wrong += len(faults) > 0 or (table["rejected"] != "").any()
    assert wrong > 60
