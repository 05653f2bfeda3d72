"""Verification sets in pickles: the same pairs and accuracies as of a folder, and nothing in them is executed."""

import os
import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import packed
import photos
import pytest
from commands import call
from PIL import Image
from sklearn.model_selection import KFold

from facelab.datasets import UNKNOWN, RejectedFilesWarning, catalog, load
from facelab.datasets.plain_pickle import read_plain_pickle
from facelab.datasets.sources import get_source
from facelab.datasets.verification_bin import bin_pairs
from facelab.errors import BadParameterError, DataMissingError, FacelabError
from facelab.evaluation.verification import cosine_scores, lfw_view2


@pytest.fixture(scope="module")
def orl() -> tuple[list[bytes], list[bool]]:
    """The JPEGs of 45 pairs of ORL, and whether both are of one person, in turns."""
    root = get_source("orl").locate()

    def jpeg(person: int, shot: int) -> bytes:
        return photos.encoded(np.asarray(Image.open(root / f"s{person}" / f"{shot}.pgm")), "JPEG")

    people = [(n % 40 + 1, n % 40 + 1 if n % 2 else (n + 7) % 40 + 1) for n in range(45)]
    photographs = [photo for one, other in people for photo in (jpeg(one, 1 + one % 4), jpeg(other, 6))]
    return photographs, [one == other for one, other in people]


def forms() -> list[tuple[str, object]]:
    """The ways in which such a file is written, each (photographs, flags) -> bytes."""
    found = [("Python 2, protocol 0", lambda p, s: packed.python2_pickle(p, s, 0))]
    found += [("Python 2, protocol 2", lambda p, s: packed.python2_pickle(p, s, 2))]
    kinds = {
        "bytes": lambda photo: photo,
        "bytearray": bytearray,
        "array": lambda photo: np.frombuffer(photo, np.uint8),
        "column": lambda photo: np.frombuffer(photo, np.uint8).reshape(-1, 1).copy(),
        "array in Fortran's order": lambda photo: np.asfortranarray(np.frombuffer(photo, np.uint8).reshape(1, -1)),
    }
    for protocol in range(6):
        for name, make in kinds.items():
            found.append(
                (f"{name}, protocol {protocol}", lambda p, s, m=make, n=protocol: pickle.dumps((list(map(m, p)), s), n))
            )
        found.append((f"flags as an array, {protocol}", lambda p, s, n=protocol: pickle.dumps((p, np.array(s)), n)))
        found.append(
            (f"flags as numbers, {protocol}", lambda p, s, n=protocol: pickle.dumps([p, [int(x) for x in s]], n))
        )
    return found


@pytest.mark.parametrize(("name", "write"), [pytest.param(*form, id=form[0]) for form in forms()])
def test_every_form_holds_the_same(data, orl, name, write):
    path = data / "orl.bin"
    path.write_bytes(write(*orl))
    photographs, same = read_plain_pickle(path)
    assert [bytes(photo) for photo in photographs] == orl[0] and [bool(flag) for flag in same] == orl[1]
    source = get_source(f"bin:{path}")
    table = source.index(path)
    assert [photo for _, _, photo in source.read(path, table)] == orl[0] and (table["rejected"] == "").all()


def test_arrays_of_the_older_and_the_newer_numpy_are_read(data, orl):
    """NumPy 2 calls its rooms numpy._core, NumPy 1 numpy.core; in a pickle that is a text like any other."""
    content = pickle.dumps(([np.frombuffer(photo, np.uint8) for photo in orl[0]], orl[1]), 0)
    new, old = b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"
    for wanted, other in ((new, old), (old, new)):
        (data / "orl.bin").write_bytes(content.replace(other, wanted))
        assert wanted in (data / "orl.bin").read_bytes()
        assert [bytes(photo) for photo in read_plain_pickle(data / "orl.bin")[0]] == orl[0]


def test_pairs_and_accuracies_are_those_of_the_folder(data, orl):
    path = data / "orl.bin"
    path.write_bytes(pickle.dumps(orl))
    for number, photograph in enumerate(orl[0]):
        (data / "twin" / "all").mkdir(parents=True, exist_ok=True)
        (data / "twin" / "all" / f"{number:06d}.jpg").write_bytes(photograph)
    faces, twin = load(f"bin:{path}", 32), load(f"folder:{data / 'twin'}", 32)
    np.testing.assert_array_equal(faces.images, twin.images)
    assert (faces.identity == UNKNOWN).all() and faces.attributes["file"].tolist()[:2] == ["000000", "000001"]
    pairs = bin_pairs(faces, path)
    assert pairs.first.tolist() == list(range(0, 90, 2)) and pairs.second.tolist() == list(range(1, 90, 2))
    assert pairs.same.tolist() == orl[1]
    for number, (_, tested) in enumerate(KFold(10, shuffle=False).split(np.arange(45)), start=1):
        assert np.flatnonzero(pairs.fold == number).tolist() == tested.tolist()
    accuracies = [
        lfw_view2(cosine_scores(some.images.reshape(len(some), -1).astype(float), pairs), pairs.same, pairs.fold)
        for some in (faces, twin)
    ]
    assert accuracies[0].folds.tolist() == accuracies[1].folds.tolist() and accuracies[0].mean > 0.6
    shuffled = faces.subset(np.arange(90)[::-1])
    assert bin_pairs(shuffled, path).first.tolist() == list(range(89, 0, -2))


def test_the_command_checks_a_set(data, orl, monkeypatch, capsys):
    (data / "a+b.bin").write_bytes(pickle.dumps(orl))
    monkeypatch.chdir(data)
    assert call(monkeypatch, "data", "check", "bin:a+b.bin", "--size", "16") == 0
    assert "90 images, 0 people, 90 of unknown people" in " ".join(capsys.readouterr().out.split())
    (data / "ann").mkdir()
    (data / "ann" / "0.jpg").write_bytes(orl[0][0])
    assert len(load(f"bin:a+b.bin+folder:{data}", 16)) == 91


def test_a_changed_file_is_read_anew(data, orl):
    path = data / "a.bin"
    path.write_bytes(pickle.dumps(orl))
    before = load(f"bin:{path}", 16).sha256
    path.write_bytes(pickle.dumps((orl[0][::-1], orl[1])))
    assert load(f"bin:{path}", 16).sha256 != before


def test_a_photograph_that_is_none_is_named_and_its_pairs_are_refused(data, orl):
    photographs = list(orl[0])
    photographs[3] = photographs[3][:300]
    photographs[5] = np.zeros((8, 8, 3), np.uint8)
    photographs[7] = 12
    photographs[9] = b""
    photographs[11] = "text"
    path = data / "a.bin"
    path.write_bytes(pickle.dumps((photographs, orl[1])))
    with pytest.warns(RejectedFilesWarning):
        faces = load(f"bin:{path}", 16)
    rejected = dict(faces.rejected_files)
    assert list(rejected) == ["000005", "000007", "000011", "000003", "000009"]
    assert "array of uint8 (8, 8, 3), and no encoded" in rejected["000005"] and "type int" in rejected["000007"]
    assert "cannot be decoded" in rejected["000003"] and "empty" in rejected["000009"]
    assert not catalog.check(f"bin:{path}", 16).ok
    with pytest.raises(DataMissingError, match=r"lacks 5 photographs of the pairs of .*a\.bin \(000003\)"):
        bin_pairs(faces, path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (([b"x"] * 20, [True] * 9), "20 photographs for 9 pairs"),
        (([b"x"] * 20, [True, 2] * 5), "True or False"),
        (([b"x"] * 20, [0.5] * 10), "instruction b'G'"),
        (([b"x"] * 20, b"\1" * 10), "True or False"),
        (([b"x"] * 20, np.ones((2, 5), bool)), "True or False"),
        (([b"x"] * 20, [True] * 10, 3), "two lists"),
        ((b"x" * 20, [True] * 10), "two lists"),
        ([], "two lists"),
        (7, "two lists"),
        ({"images": []}, "instruction"),
        (([np.array([1.5])] * 2, [True]), "an array of 'f8'"),
        (([np.array(["a"])] * 2, [True]), "an array of 'U1'"),
        (([np.array([None])] * 2, [True]), "an array of 'O8'"),
        (([np.array([(1, 2)], [("a", "u1"), ("b", "u1")])] * 2, [True]), "an array of 'V2'"),
    ],
)  # fmt: skip
def test_what_is_no_verification_set_is_one_clear_line(data, content, problem):
    path = data / "a.bin"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(FacelabError, match=problem) as error:
        load(f"bin:{path}", 16)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


@pytest.mark.parametrize(
    "content", [b"", b"\x80", b"PK\3\4" + b"\0" * 200, b"\xff\xd8\xff\xe0JFIF", b"\x80\x04.", b"(((.", b"]a."]
)
def test_what_is_no_pickle_is_one_clear_line(data, content):
    (data / "a.bin").write_bytes(content)
    with pytest.raises(FacelabError, match="cannot be read as a pickle of plain data"):
        load(f"bin:{data / 'a.bin'}", 16)


def test_a_set_of_too_few_pairs_has_no_folds(data, orl):
    (data / "a.bin").write_bytes(pickle.dumps((orl[0][:18], orl[1][:9])))
    with pytest.raises(BadParameterError, match="9 pairs, too few for 10 folds"):
        bin_pairs(load(f"bin:{data / 'a.bin'}", 16), data / "a.bin")


class Evil:
    """Pickled as a call of a function with arguments."""

    def __init__(self, function, *arguments) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def attacks(mark: Path) -> dict[str, bytes]:
    """Pickles that would make the file ``mark``, were they believed, or change what the reader itself stands on."""
    command = f"touch {mark}"
    text = repr(f"open({str(mark)!r}, 'w')").encode()
    found = {
        f"{name}, protocol {protocol}": pickle.dumps(([Evil(function, *arguments)] * 2, [True]), protocol)
        for protocol in range(6)
        for name, function, arguments in (
            ("system", os.system, (command,)),
            ("eval", eval, (f"open({str(mark)!r}, 'w')",)),
            ("exec", exec, (f"open({str(mark)!r}, 'w')",)),
            ("open", open, (str(mark), "w")),
        )
    }
    return found | {
        "instance": b"(S" + repr(command).encode() + b"\nios\nsystem\n.",
        "object": b"(cos\nsystem\nS" + repr(command).encode() + b"\no.",
        "new object": b"\x80\x02cos\nsystem\nX" + struct.pack("<I", len(command)) + command.encode() + b"\x85\x81.",
        "dotted": b"\x80\x04\x8c\x06_codecs\x8c\x17encode.__globals__.open\x93.",
        "dotted NumPy": b"\x80\x04\x8c\x05numpy\x8c\x09f2py.os.x\x93.",
        "extension": b"\x80\x02\x82\x01.",
        "persistent": b"Pfile\n.",
        "globals of a function": b"\x80\x02c_codecs\nencode\nN}X\x08\x00\x00\x00__code__NsS" + text + b"\ns\x86b.",
        "state of a function": b"\x80\x02c_codecs\nencode\nK\x01K\x02\x86b.",
        "a class in an array": b"\x80\x02cnumpy\nndarray\n(K\x01]tb.",
        "an array that is built of nothing": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
        b"K\x00\x85U\x01b\x87R(K\x01K\x00tb.",
        "call of a text": b"\x80\x02U\x06system)R.",
        "call of a machine": b"\x80\x02c_codecs\nencode\n]R.",
        "a newline in a name": b"\x80\x04\x8c\x05os\n\n\n\x8c\x06system\x93.",
        "a name that is none": b"\x80\x04K\x01K\x02\x93.",
    }


def test_a_malicious_pickle_is_refused_in_one_line_and_nothing_is_executed(data, tmp_path):
    mark, path = tmp_path / "mark", data / "a.bin"
    harmless = pickle.dumps(([b"x"] * 2, [True]))
    for name, content in attacks(mark).items():
        path.write_bytes(content)
        with pytest.raises(FacelabError, match="cannot be read as a pickle of plain data") as error:
            read_plain_pickle(path)
        assert "\n" not in str(error.value) and len(error.value.problem) < 250 + len(str(path)), name
        assert not mark.exists(), name
        path.write_bytes(harmless)
        assert read_plain_pickle(path) == [[b"x", b"x"], [True]], name  # what the reader stands on is as it was


def test_the_attacks_are_attacks(tmp_path):
    """Believed, the first of them does what it should not: else the test above would prove nothing."""
    mark = tmp_path / "mark"
    pickle.loads(attacks(mark)["system, protocol 4"])
    assert mark.exists()


HUGE = 2**40
ROOM = {
    "bytes": b"\x80\x05\x8e" + struct.pack("<Q", HUGE),
    "bytes of 4 GB": b"\x80\x03B" + struct.pack("<I", 2**32 - 1),
    "negative length": b"\x80\x02T" + struct.pack("<i", -1),
    "bytearray": b"\x80\x05\x96" + struct.pack("<Q", 2**64 - 1),
    "text": b"\x80\x04\x8d" + struct.pack("<Q", HUGE),
    "frame": b"\x80\x04\x95" + struct.pack("<Q", HUGE) + b"]",
    "number": b"\x80\x02\x8b" + struct.pack("<i", 2**30),
    "digits": b"L" + b"9" * 5_000_000 + b"L\n.",
    "place": b"\x80\x02]r" + struct.pack("<I", 2**32 - 1) + b"j" + struct.pack("<I", 2**31) + b".",
    "array": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n\x8a\x06" + HUGE.to_bytes(6, "little")
    + b"\x85U\x01b\x87R(K\x01\x8a\x06" + HUGE.to_bytes(6, "little")
    + b"\x85cnumpy\ndtype\nU\x02u1K\x00K\x01\x87RK\x00U\x01xtb.",
    "array of bytes": b"\x80\x02c__builtin__\nbytearray\n\x8a\x06" + HUGE.to_bytes(6, "little") + b"\x85R.",
    "kind of array": b"\x80\x02cnumpy\ndtype\nU\x0aV999999999K\x00K\x01\x87R.",
    # one text of a megabyte, made bytes ten thousand times
    "multiplied text": b"\x80\x02](X\x00\x00\x10\x00" + b"a" * 2**20 + b"q\x00U\x06latin1q\x01c_codecs\nencode\nq\x02"
    + b"h\x02h\x00h\x01\x86R" * 10_000 + b"e.",
    "multiplied bytearray": b"\x80\x02](B\x00\x00\x10\x00" + b"a" * 2**20 + b"q\x00c__builtin__\nbytearray\nq\x02"
    + b"h\x02h\x00\x85R" * 10_000 + b"e]\x86.",
    "one photograph many times": b"\x80\x02](U\x01xq\x00" + b"h\x00" * 59_999 + b"e](" + b"\x88" * 30_000 + b"e\x86.",
    "marks": b"(" * 300_000,
    "lists": b"]" * 300_000,
    "nested": b"](" * 60_000 + b"e" * 60_000 + b".",
    "tuples": b")" + b"\x85" * 190_000 + b".",
    "doubling": b"\x80\x02]q\x00" + b"(h\x00h\x00lq\x00" * 30_000 + b".",
}  # fmt: skip


@pytest.mark.parametrize("name", ROOM)
def test_a_pickle_gets_no_more_room_than_its_file_and_its_instructions_need(data, name, monkeypatch):
    monkeypatch.setattr("facelab.datasets.plain_pickle.MAX_STEPS", 200_000)  # a tenth: these take a tenth of the time
    path = data / "a.bin"
    path.write_bytes(ROOM[name])
    tracemalloc.start()
    try:
        with pytest.raises(FacelabError) as error:
            load(f"bin:{path}", 16)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40 * 2**20, f"{peak / 2**20:.0f} MiB"
    assert "\n" not in str(error.value) and len(str(error.value)) < 600


def test_mutated_files_are_read_or_refused_in_one_line(data, orl):
    """A hundred of each protocol: pairs and each photograph, or one error of ours."""
    path = data / "a.bin"
    source = get_source(f"bin:{path}")
    arrays = [np.frombuffer(photo, np.uint8) for photo in orl[0][:4]], np.array(orl[1][:2])
    small = [b"\xff\xd8" + bytes([n]) * 5 for n in range(4)], orl[1][:2]  # where most mutations hit an instruction
    wholes = [pickle.dumps(content, protocol) for content in (arrays, small) for protocol in (0, 2, 4, 5)]
    wholes += [packed.python2_pickle(*small, protocol) for protocol in (0, 2)]
    refused = changed = 0
    for whole in wholes:
        for seed in range(100):
            rng = np.random.default_rng(seed)
            out = bytearray(whole)
            for _ in range(rng.integers(1, 4)):
                place = int(rng.integers(len(out))) if rng.random() < 0.5 else int(rng.integers(min(len(out), 120)))
                kind = rng.integers(4)
                if kind == 0:
                    out[place : place + 1] = bytes([rng.integers(256)])
                elif kind == 1:
                    del out[place : place + int(rng.integers(1, 9))]
                elif kind == 2:
                    out[place:place] = whole[: int(rng.integers(1, 30))]
                else:
                    out[place : place + 4] = b"\xff\xff\xff\x7f"
            path.write_bytes(out)
            try:
                table = source.index(path)
                good = table[table["rejected"] == ""].reset_index(drop=True)
                assert all(isinstance(photo, bytes) for _, _, photo in source.read(path, good))
                changed += 1
            except FacelabError as error:
                assert "\n" not in str(error)
                refused += 1
    assert refused > 200 and changed > 50  # or nothing was tried
