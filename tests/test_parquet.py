"""Parquet shards in the layout of the Hugging Face Hub, written by pyarrow: the twin of a folder, and all that can be wrong."""

import json
import random
import sys
from pathlib import Path

import numpy as np
import photos
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import call
from packed import index_and_decode

from facelab.datasets import RejectedFilesWarning, load, orl
from facelab.datasets.sources import absolute_name, get_source, parse_joined_name
from facelab.errors import BadParameterError, DataMissingError, FacelabError

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])  # as datasets.Image stores it


def features(**columns: dict) -> dict[bytes, bytes]:
    """The metadata that the library ``datasets`` writes."""
    return {b"huggingface": json.dumps({"info": {"features": columns}}).encode()}


def photographs(count: int = 4) -> list[bytes]:
    return [photos.encoded(photos.pixels(seed), "PNG") for seed in range(count)]


def write(
    path: Path, labels, images=None, label: str = "label", image: str = "image", metadata=None, **options
) -> Path:
    """A shard with a column of photographs and one of labels."""
    labels = labels if isinstance(labels, pa.Array) else pa.array(labels)
    if images is None:
        images = photographs(len(labels))
    if not isinstance(images, pa.Array):
        rows = [{"bytes": data, "path": f"{row}.png"} for row, data in enumerate(images)]
        images = pa.array(rows, IMAGE)
    table = pa.table({image: images, label: labels})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(metadata), path, **options)
    return path


def class_label(*names: str) -> dict[bytes, bytes]:
    return features(image={"_type": "Image"}, label={"names": list(names), "_type": "ClassLabel"})


def people(faces) -> list[str]:
    return [faces.names[person] if person >= 0 else "" for person in faces.identity]


def rejected(faces) -> dict[str, str]:
    return dict(faces.rejected_files)


def load_with_rejected(name: str):
    with pytest.warns(RejectedFilesWarning):
        faces = load(name, 16)
    return faces, rejected(faces)


@pytest.mark.parametrize("row_group", [7, 1000])
def test_shards_are_the_twin_of_a_folder(data, row_group):
    """ORL's own photographs, by their people's names as a ClassLabel, in three shards."""
    root = orl.locate()
    table = orl.index(root).iloc[:60]
    for file, person in zip(table["file"], table["identity"], strict=True):
        twin = data / "folder" / person / f"{file.replace('/', '_'):>9}".replace(" ", "0")
        twin.parent.mkdir(parents=True, exist_ok=True)
        twin.symlink_to(root / file)
    by_folder = load(f"folder:{data / 'folder'}", 48)
    names = sorted(set(table["identity"]), reverse=True)
    files = [data / "folder" / file for file in by_folder.attributes["file"]]
    for shard in range(3):
        part = files[20 * shard : 20 * shard + 20]
        numbers = pa.array([names.index(file.parent.name) for file in part])
        write(
            data / "hub" / "data" / f"train-{shard:05d}-of-00003.parquet",
            numbers,
            [file.read_bytes() for file in part],
            metadata=class_label(*names),
            row_group_size=row_group,
        )
    (data / "hub" / "README.md").write_text("a card")
    for _ in range(2):  # decoded, and from the cache
        by_shards = load(f"parquet:{data / 'hub'}", 48)
        np.testing.assert_array_equal(by_shards.images, by_folder.images)
        assert by_shards.names == by_folder.names and (by_shards.identity == by_folder.identity).all()
        assert by_shards.sha256 == by_folder.sha256
    assert by_shards.attributes["file"].iloc[21] == "data/train-00001-of-00003.parquet/000001"
    assert set(by_shards.attributes["split"]) == {"train"} and by_shards.attributes["path"].iloc[0] == "0.png"


LABELS = {
    "text": (["bob", "ann", "bob", None], ["bob", "ann", "bob", ""]),
    "whole numbers": ([12, 3, 12, None], ["12", "3", "12", ""]),
    "dictionary": (pa.array(["bob", "ann", "bob", None]).dictionary_encode(), ["bob", "ann", "bob", ""]),
    "large text": (pa.array(["bob", " ann ", "bob", ""], pa.large_string()), ["bob", "ann", "bob", ""]),
    "spelling of Unicode": (["Zoe\u0308", "Zo\u00eb", "Zoe", None], ["Zo\u00eb", "Zo\u00eb", "Zoe", ""]),
}


@pytest.mark.parametrize("kind", LABELS)
def test_each_kind_of_label(data, kind):
    labels, expected = LABELS[kind]
    assert people(load(f"parquet:{write(data / 'a.parquet', labels)}", 16)) == expected


def test_a_class_label_gives_names_and_minus_one_gives_none(data):
    write(data / "a.parquet", [1, 0, -1, 2], metadata=class_label("ann", "bob"))
    faces, faults = load_with_rejected(f"parquet:{data / 'a.parquet'}")
    assert people(faces) == ["bob", "ann", ""]
    assert faults == {"a.parquet/000003": "Its label is 2, and its classes are numbered 0 to 1."}


def test_a_shard_has_its_own_numbers_of_names(data):
    write(data / "a.parquet", [0, 1], metadata=class_label("ann", "bob"))
    write(data / "b.parquet", [0, 1], metadata=class_label("bob", "ann"))
    assert people(load(f"parquet:{data}", 16)) == ["ann", "bob", "bob", "ann"]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_plain_bytes_are_photographs_too(data, kind):
    write(data / "a.parquet", ["ann"] * 4, pa.array(photographs(), kind), image="jpg")
    np.testing.assert_array_equal(load(f"parquet:{data}", 32).images[1], photos.pixels(1)[4:36])


def shard_of(columns: dict[str, pa.Array], path: Path, metadata=None) -> str:
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)
    return f"parquet:{path}"


def struct(count: int = 2) -> pa.Array:
    return pa.array([{"bytes": data, "path": None} for data in photographs(count)], IMAGE)


TEXT, NUMBERS = pa.array(["x", "y"]), pa.array([1, 2])
FOUND = {
    "label before id": ({"image": struct(), "id": TEXT, "label": NUMBERS}, ["1", "2"]),
    "identity before label": ({"image": struct(), "label": NUMBERS, "identity": TEXT}, ["x", "y"]),
    "other spelling": ({"Image": struct(), "Person ID": TEXT}, ["x", "y"]),
    "usual of two images": ({"mask": struct(), "img": struct(), "name": TEXT}, ["x", "y"]),
    "dots in names": ({"image.bytes": NUMBERS, "a.image": struct(), "image": struct(), "person": TEXT}, ["x", "y"]),
    "an only image of any name": ({"portrait": struct(), "class": NUMBERS}, ["1", "2"]),
}


@pytest.mark.parametrize("case", FOUND)
def test_columns_are_found_by_type_and_name(data, case):
    columns, expected = FOUND[case]
    assert people(load(shard_of(columns, data / "a.parquet"), 16)) == expected


REFUSED = {
    "no image": (
        {"label": NUMBERS, "image": TEXT},
        "no column of photographs.*'label' .int64.*'image' .string.*image=COLUMN",
    ),
    "two images": (
        {"left": struct(), "right": struct(), "label": NUMBERS},
        "Which of its columns holds the photographs",
    ),
    "no label": (
        {"image": struct(), "age": NUMBERS},
        r"no column of whole numbers or text.*'age' \(int64\).*label=COLUMN",
    ),
    "two labels": ({"image": struct(), "person": TEXT, "identity": TEXT}, "Which of its columns says the person"),
    "real numbers": ({"image": struct(), "label": pa.array([0.5, 1])}, "no column of whole numbers"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_clear_is_refused_with_the_columns_listed(data, case):
    columns, told = REFUSED[case]
    with pytest.raises(BadParameterError, match=told) as caught:
        load(shard_of(columns, data / "a.parquet"), 16)
    assert "\n" not in str(caught.value) and "a.parquet" in str(caught.value)


def test_columns_are_named_behind_the_path(data):
    columns = {"left": struct(), "a&b=c": struct(), "who?": TEXT, "age": NUMBERS, "label": NUMBERS}
    name = shard_of(columns, data / "a.parquet")
    assert people(load(f"{name}?image=left&label=who%3F", 16)) == ["x", "y"]
    assert people(load(f"{name}?image=a%26b%3Dc", 16)) == ["1", "2"]
    unknown = load(f"{name}?image=left&label=", 16)
    assert people(unknown) == ["", ""] and len(unknown.people) == 0
    with pytest.raises(BadParameterError, match="no column 'wo'.*Its columns are.*'left'"):
        load(f"{name}?image=left&label=wo", 16)
    with pytest.raises(BadParameterError, match="'age' is none that holds photographs"):
        load(f"{name}?image=age", 16)
    with pytest.raises(BadParameterError, match="says twice what its image is"):
        load(f"{name}?image=left&image=left", 16)
    for strange in ("images=left", "image=left&images=left", "images=left&label="):
        with pytest.raises(BadParameterError, match=r"no option 'images'\. Did you mean 'image'\?"):
            load(f"{name}?{strange}", 16)
    with pytest.raises(
        DataMissingError, match=r"b\.parquet\?images=left"
    ):  # no such file: nothing is known of its name
        load(f"parquet:{data / 'b.parquet'}?images=left", 16)


@pytest.mark.parametrize("names", [("正面", "侧面"), ("a.b", "a b")])
def test_each_column_has_a_cache_of_its_own(data, names):
    pictures = photographs(4)
    columns = {name: pa.array(pictures[2 * place :][:2]) for place, name in enumerate(names)}
    name = shard_of(columns | {"label": NUMBERS}, data / "a.parquet")
    first, second = (load(f"{name}?image={column}", 16) for column in names)
    assert first.sha256 != second.sha256


def test_a_path_that_is_there_is_taken_for_itself(data, monkeypatch):
    monkeypatch.chdir(data)
    odd = data / "a?image=no" / "x+orl"
    write(odd / "b.parquet", ["ann"])
    name = "parquet:a?image=no/x+orl"
    assert parse_joined_name(name) == [name] and len(load(name, 16)) == 1
    write(data / "plain.parquet", ["ann", "bob"], label="who")
    chosen = "parquet:plain.parquet?label=who"
    assert parse_joined_name(f"{chosen}+orl") == [chosen, "orl"]
    assert absolute_name(f"orl+{chosen}") == f"orl+parquet:{data}/plain.parquet?label=who"
    assert people(load(absolute_name(chosen), 16)) == ["ann", "bob"]
    photos.people(data / "folder", cem=1)
    assert load(f"{chosen}+folder:folder", 16).people.size == 3
    write(data / "c+orl.parquet", ["dee"])  # a file, and not a folder, has a plus
    assert parse_joined_name("parquet:c+orl.parquet") == ["parquet:c+orl.parquet"]
    with pytest.raises(BadParameterError, match="twice"):
        load(f"{chosen}+parquet:./plain.parquet?label=who", 16)


def test_rows_that_are_wrong_are_listed_and_the_rest_is_read(data):
    good = photographs(2)
    rows = [
        {"bytes": good[0], "path": "0.png"},
        {"bytes": good[1][:-60], "path": "1.png"},
        {"bytes": None, "path": "/home/somebody/2.png"},
        None,
        {"bytes": b"", "path": None},
        {"bytes": b"<html>", "path": None},
        {"bytes": good[1], "path": None},
    ]
    name = f"parquet:{write(data / 'a.parquet', ['ann'] * 7, pa.array(rows, IMAGE), row_group_size=2)}"
    faces, faults = load_with_rejected(name)
    assert faces.attributes["file"].tolist() == ["a.parquet/000000", "a.parquet/000006"]
    expected = ["", "cannot be decoded", "no photograph", "no photograph", "empty", "none of JPEG", ""]
    assert all(reason in faults.get(f"a.parquet/{row:06d}", "") for row, reason in enumerate(expected))
    assert len(faults) == 5


def test_text_that_is_none_is_listed(data):
    raw = pa.array([b"ann", b"\xff\xfe", b"bob", b"x\0y", b"n" * 2000], pa.binary())
    labels = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())  # as a careless writer leaves it
    faces, faults = load_with_rejected(f"parquet:{write(data / 'a.parquet', labels)}")
    assert people(faces) == ["ann", "bob"]
    reasons = [faults[f"a.parquet/{row:06d}"] for row in (1, 3, 4)]
    assert all(
        told in reason for told, reason in zip(("not text", "not text", "2,000 characters"), reasons, strict=True)
    )


def damage_column(path: Path, group: int, column: int) -> None:
    """Overwrite the pages of one column in one row group."""
    chunk = pq.ParquetFile(path).metadata.row_group(group).column(column)
    start = min(place for place in (chunk.dictionary_page_offset, chunk.data_page_offset) if place)
    raw = bytearray(path.read_bytes())
    raw[start : start + chunk.total_compressed_size] = b"\xee" * chunk.total_compressed_size
    path.write_bytes(raw)


def test_a_damaged_row_group_costs_its_own_rows(data):
    path = write(data / "a.parquet", list("aabbcc"), row_group_size=2)
    damage_column(path, 1, 0)  # image.bytes
    faces, faults = load_with_rejected(f"parquet:{path}")
    assert people(faces) == ["a", "a", "c", "c"] and list(faults) == ["a.parquet/000002", "a.parquet/000003"]
    assert all("row group 1 cannot be read" in reason for reason in faults.values())
    damage_column(path, 2, 2)  # label
    faces, faults = load_with_rejected(f"parquet:{path}")
    assert people(faces) == ["a", "a"] and "a.parquet/row group 2" in faults


def test_a_flipped_byte_is_seen_where_pages_have_checksums(data):
    name = f"parquet:{write(data / 'a.parquet', ['ann'] * 4, write_page_checksum=True, row_group_size=2, compression='none')}"
    path = data / "a.parquet"
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"IDAT") + 40] ^= 1
    path.write_bytes(raw)
    faces, faults = load_with_rejected(name)
    assert len(faces) == 2 and all("row group 0 cannot be read" in reason for reason in faults.values())


def test_shards_that_are_none_are_listed(data):
    write(data / "a.parquet", ["ann"])
    whole = (data / "a.parquet").read_bytes()
    (data / "b.parquet").write_bytes(whole[:-20])
    (data / "c.parquet").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 44322\n")
    (data / "d.parquet").touch()
    (data / "e.parquet").symlink_to(data / "nowhere")
    write(data / "f.parquet", ["ann"], label="who")
    write(data / "g.parquet", [0], metadata={b"huggingface": b"{"})
    write(data / "h.parquet", [0], metadata=class_label("ann", "ann"))
    write(data / "i.parquet", [0], metadata=features(label={"_type": "ClassLabel"}))
    (data / ".cache").mkdir()
    (data / ".cache" / "z.parquet").write_text("litter")
    faces, faults = load_with_rejected(f"parquet:{data}")
    assert people(faces) == ["ann"]
    told = ["cannot be read", "git lfs pull", "cannot be read", "cannot be read", "no column 'label'", "cannot be read"]
    told += ["one name twice", "no list of names"]
    assert [name[0] for name in faults] == list("bcdefghi")
    assert all(part in reason for part, reason in zip(told, faults.values(), strict=True)), faults


def test_a_shard_that_lacks_in_a_series_is_told(data):
    write(data / "data" / "train-00000-of-00004.parquet", ["ann"])
    write(data / "data" / "train-00003-of-00004.parquet", ["bob"])
    write(data / "data" / "test-00000-of-00001-0a1b2c3d4e5f.parquet", ["cem"])
    faces, faults = load_with_rejected(f"parquet:{data}")
    assert faces.attributes["split"].tolist() == ["test", "train", "train"]
    assert faults == {"data/train-00001-of-00004.parquet": "It is not there; of 4 shards 2 are not."}
    assert len(load(f"parquet:{data / 'data' / 'train-00000-of-00004.parquet'}", 16)) == 1  # asked for alone


def test_what_is_not_there_or_holds_nothing_is_one_line(data):
    (data / "empty").mkdir()
    (data / "text.parquet").write_text("no parquet")
    write(data / "none" / "a.parquet", pa.array([], pa.string()))
    cases = {
        "nowhere": "There is no .*nowhere",
        "empty": "holds no .parquet file",
        "text.parquet": "holds no photograph",
    }
    for path, told in (cases | {"none": "holds no photograph"}).items():
        with pytest.raises(DataMissingError, match=told) as caught:
            load(f"parquet:{data / path}", 16)
        assert "\n" not in str(caught.value)


def test_without_pyarrow_one_line_says_what_to_install(data, monkeypatch):
    write(data / "a.parquet", ["ann"])
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(FacelabError, match=r"A parquet shard needs pyarrow, .* pip install 'facelab\[exchange\]'"):
        load(f"parquet:{data}", 16)


def test_a_changed_shard_is_decoded_anew(data):
    path = write(data / "a.parquet", ["ann", "bob"])
    before = load(f"parquet:{data}", 16)
    write(path, ["ann", "bob"], photographs(3)[1:])
    after = load(f"parquet:{data}", 16)
    assert after.sha256 != before.sha256
    write(path, ["ann", "ann"], photographs(3)[1:])
    assert len(load(f"parquet:{data}", 16).people) == 1


def test_the_check_command_names_every_fault(data, monkeypatch, capsys):
    write(data / "a.parquet", ["ann", "bob"], [photographs(1)[0], b"text"])
    assert call(monkeypatch, "data", "check", f"parquet:{data}", "--size", "16") == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "1 images, 1 people" in told and "not usable: a.parquet/000001:" in told


def test_one_large_row_group_is_read_in_pieces(data):
    """60 photographs of a megabyte each, in one row group of many pages, take the memory of a few."""
    noise = np.random.default_rng(0).integers(0, 256, 2**20, dtype=np.uint8).tobytes()
    large = [photographs(1)[0] + noise] * 60
    path = write(data / "a.parquet", ["ann"] * 60, large, use_dictionary=False, compression="none", write_batch_size=2)
    source = get_source(f"parquet:{path}")
    table = source.index(path)
    before = most = pa.total_allocated_bytes()
    for _ in source.read(path, table):
        most = max(most, pa.total_allocated_bytes())
    assert path.stat().st_size > 60 * 2**20 and most - before < 40 * 2**20


def test_a_bomb_is_refused_before_it_grows(data):
    zeros = bytes(100 * 2**20)
    path = write(
        data / "a.parquet", ["ann", "bob"], [photographs(1)[0], zeros], compression="zstd", use_dictionary=False
    )
    assert path.stat().st_size < 2**20
    before = pa.default_memory_pool().max_memory()
    with pytest.raises(DataMissingError, match="would grow to .* as no photographs do"):
        load(f"parquet:{path}", 16)
    assert pa.default_memory_pool().max_memory() - before < 2**20


def test_mutated_shards_are_read_or_refused(data):
    path = write(data / "a.parquet", list("aabbcc"), row_group_size=2, metadata=features(image={"_type": "Image"}))
    whole = path.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    source = get_source(f"parquet:{path}")
    wrong = 0
    for seed in range(150):
        draw = random.Random(seed)
        raw = bytearray(whole)
        for _ in range(draw.randint(1, 5)):
            raw[draw.randrange(footer if seed % 2 else 0, len(raw))] = draw.randrange(256)
        path.write_bytes(raw[: draw.randrange(len(raw))] if seed % 15 == 14 else raw)
        try:
            table, faults = index_and_decode(source, path)
        except FacelabError as error:
            assert "\n" not in str(error)
            wrong += 1
        else:
            assert len(table) <= 6
            wrong += len(faults) > 0 or (table["rejected"] == "").sum() < 6
    assert wrong > 50
