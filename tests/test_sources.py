"""Every layout of every face data set, made up small: what is found, what is rejected, and what is said where nothing is."""

import os
from pathlib import Path

import numpy as np
import photos
import pytest

from facelab.datasets import UNKNOWN, FaceSet, RejectedFilesWarning, load
from facelab.datasets.sources import absolute_name, all_sources, get_source, parse_joined_name
from facelab.errors import BadParameterError, DataMissingError, FacelabError

BY_HAND = [name for name in (source.name for source in all_sources()) if not name.startswith("orl")]


def loaded(name: str, size: int = 16) -> tuple[FaceSet, dict[str, str]]:
    """A set that has rejected files, and these with their reasons; they must be told when decoding and when from the cache."""
    for _ in range(2):
        with pytest.warns(RejectedFilesWarning, match="could not be used, the first") as told:
            faces = load(name, size)
        assert f"{len(faces.rejected_files)} of its files" in str(told[0].message) and faces.rejected_files[
            0
        ].file in str(told[0].message)
        assert told[0].filename == __file__
    return faces, dict(faces.rejected_files)


@pytest.mark.parametrize("name", BY_HAND)
def test_a_missing_set_says_how_to_get_it_and_where_to_put_it(data, name):
    with pytest.raises(DataMissingError) as error:
        load(name)
    message = str(error.value)
    assert name in message and str(data) in message and "FACELAB_DATA/" in message and "\n" not in message


def test_an_unknown_name_lists_those_that_there_are():
    with pytest.raises(BadParameterError, match=r"'lwf'.*folder:PATH|'lwf'.*lfw"):
        load("lwf")


@pytest.mark.parametrize("size", [7, 1025, 64.0, "64", True])
def test_an_impossible_size_is_refused(size):
    with pytest.raises(BadParameterError, match="working size"):
        load("orl", size)


def test_the_pixels_of_a_photograph_are_those_of_its_file(data):
    photos.people(data, ann=2)
    faces = load(f"folder:{data}", 32)  # 40 x 32: the square between rows 4 and 36, not resized
    np.testing.assert_array_equal(faces.images[1], photos.pixels(1)[4:36])
    assert faces.names == ("ann",) and faces.attributes["file"].tolist() == ["ann/0.png", "ann/1.png"]


def test_a_folder_of_people_with_everything_that_can_be_wrong(data):
    tree = data / "my faces"
    photos.people(tree, ann=2)
    photos.write(tree / "Zoë Ünal" / "später \u200c 1.JPG")
    photos.write(tree / "bob" / "2019" / "deep.png")
    (tree / "ann" / "empty.jpg").touch()
    (tree / "ann" / "text.jpg").write_text("no photograph")
    (tree / "ann" / "notes.txt").write_text("no photograph either")
    (tree / "ann" / "cut.png").write_bytes(photos.encoded(photos.pixels(), "PNG")[:-90])
    (tree / "bob" / "link.png").symlink_to(tree / "nowhere.png")
    (tree / "cem" / "inner").mkdir(parents=True)
    photos.write(tree / "stray.png")
    for litter in (
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
        "ann/.DS_Store",
        "ann/Thumbs.db",
        ".hidden/0.png",
        "ann/._0.png",
    ):
        (tree / litter).parent.mkdir(exist_ok=True)
        (tree / litter).write_bytes(b"litter")
    (tree / "README.md").write_text("about")

    faces, rejected = loaded(f"folder:{tree}")
    assert faces.names == ("Zoë Ünal", "ann", "bob")
    assert faces.attributes["file"].tolist() == [
        "Zoë Ünal/später \u200c 1.JPG",
        "ann/0.png",
        "ann/1.png",
        "bob/2019/deep.png",
    ]
    assert faces.identity.tolist() == [0, 1, 1, 2]
    assert list(faces.attributes) == ["file"]
    expected = {
        "ann/empty.jpg": "empty",
        "ann/text.jpg": "cannot be decoded",
        "ann/notes.txt": "does not end as a photograph",
        "ann/cut.png": "cannot be decoded",
        "bob/link.png": "link to nothing",
        "cem/": "holds no photograph",
        "stray.png": "outside any person's folder",
    }
    assert rejected.keys() == expected.keys()
    assert all(reason in rejected[file] for file, reason in expected.items())


def test_a_name_in_two_spellings_of_unicode_is_one_person(data):
    photos.write(data / "Zoe\u0308" / "0.png")
    photos.write(data / "Zo\u00eb" / "1.png")
    if len(list(data.iterdir())) < 2:
        pytest.skip("this file system makes them one folder")
    assert load(f"folder:{data}", 16).names == ("Zo\u00eb",)


@pytest.mark.skipif(os.name == "nt" or os.sys.platform == "darwin", reason="names are text there")
def test_a_name_that_is_no_text_is_rejected_and_not_fatal(data):
    photos.people(data, ann=1)
    Path(os.fsdecode(os.fsencode(data / "ann") + b"/\xff.png")).touch()
    Path(os.fsdecode(os.fsencode(data) + b"/\xfe")).mkdir()
    _, rejected = loaded(f"folder:{data}")
    assert sorted(rejected) == ["\\udcfe", "ann/\\udcff.png"]


def test_an_unreadable_file_is_rejected_and_read_once_it_can_be(data):
    photos.people(data, ann=2)
    (data / "ann" / "1.png").chmod(0)
    if os.access(data / "ann" / "1.png", os.R_OK):
        pytest.skip("this user may read everything")
    _, rejected = loaded(f"folder:{data}")
    assert "cannot be read" in rejected["ann/1.png"]
    (data / "ann" / "1.png").chmod(0o644)
    assert len(load(f"folder:{data}", 16)) == 2


def test_a_file_that_vanishes_while_it_is_read_is_rejected(data, monkeypatch):
    photos.people(data, ann=2)
    source = get_source(f"folder:{data}")
    index = source.index(data)
    (data / "ann" / "0.png").unlink()
    found = {file: photo for _, file, photo in source.read(data, index)}
    assert isinstance(found["ann/0.png"], FileNotFoundError) and isinstance(found["ann/1.png"], bytes)


def test_a_file_too_large_for_a_photograph_is_not_read(data, monkeypatch):
    monkeypatch.setattr("facelab.datasets.decode.MAX_BYTES", 1000)
    photos.people(data, ann=1)
    photos.write(data / "ann" / "large.bmp", height=80, width=80)
    (data / "ann" / "0.png").write_bytes(photos.encoded(np.zeros((16, 16, 3), np.uint8), "PNG"))
    _, rejected = loaded(f"folder:{data}")
    assert list(rejected) == ["ann/large.bmp"] and "larger than" in rejected["ann/large.bmp"]


def test_a_folder_without_any_photograph_is_an_error_that_tells_the_layout(data):
    photos.write(data / "flat.png")
    with pytest.raises(DataMissingError, match=r"no photograph that can be used.*flat\.png.*PERSON/PHOTO"):
        load(f"folder:{data}", 16)


def test_a_folder_that_is_not_there(data):
    with pytest.raises(DataMissingError, match="no folder /no/such/folder"):
        load("folder:/no/such/folder")
    with pytest.raises(BadParameterError, match="A path is empty"):
        load("folder:")


def test_a_plus_in_a_path_is_no_join():
    assert parse_joined_name("folder:/a+b/c") == ["folder:/a+b/c"]
    assert parse_joined_name("folder:/a+b+lfw+folder:x") == ["folder:/a+b", "lfw", "folder:x"]
    assert parse_joined_name("utkface+ffhq+celeba") == ["utkface", "ffhq", "celeba"]


def test_a_folder_with_a_plus_and_the_name_of_a_set_is_taken_for_itself(data, monkeypatch):
    monkeypatch.chdir(data)
    for folder in ("a+orl", "b+orl+lfw", "c", "c+orl"):
        photos.people(data / folder, ann=1)
    assert parse_joined_name("folder:a+orl") == ["folder:a+orl"]
    assert parse_joined_name(f"folder:{data}/a+orl+lfw") == [f"folder:{data}/a+orl", "lfw"]
    assert parse_joined_name("folder:b+orl+lfw+folder:c") == ["folder:b+orl+lfw", "folder:c"]
    assert parse_joined_name("folder:c+lfw") == ["folder:c", "lfw"]
    with pytest.raises(BadParameterError, match=r"folder 'c\+orl' and a folder 'c'.*'folder:c\+orl/'.*'orl\+folder:c'"):
        parse_joined_name("folder:c+orl")
    assert parse_joined_name("folder:c+orl/") == ["folder:c+orl/"]  # as the message says
    assert parse_joined_name("orl+folder:c") == ["orl", "folder:c"]
    assert absolute_name("orl+folder:c") == f"orl+folder:{data}/c"
    assert parse_joined_name(absolute_name("folder:c+orl/")) == [f"folder:{data}/c+orl/"]
    assert load("folder:c+orl/", 16).names == ("ann",)


def test_one_folder_by_two_paths_is_one_data_set(data, monkeypatch):
    monkeypatch.chdir(photos.people(data / "small", ann=1))
    (data / "link").symlink_to(data / "small")
    for other in (".", str(data / "link"), f"{data}/small/", "ann/.."):
        with pytest.raises(BadParameterError, match="twice.*are one folder. Name each once."):
            load(f"folder:{data}/small+folder:{other}", 16)
    photos.people(data / "other", bob=1)
    assert load(f"folder:{data}/small+folder:../other", 16).people.size == 2


def test_an_absolute_name_has_one_spelling_and_keeps_links(data, monkeypatch):
    (data / "here").mkdir()
    (data / "far" / "deep").mkdir(parents=True)
    monkeypatch.chdir(data / "here")
    assert absolute_name("folder:../small") == absolute_name("folder:.././small/") == f"folder:{data}/small"
    (data / "link").symlink_to(data / "far" / "deep")
    assert absolute_name("folder:../link") == f"folder:{data}/link"  # perhaps its folder's name is no text
    assert absolute_name("folder:../link/../x") == f"folder:{data}/far/x"  # where the system goes


@pytest.mark.parametrize(
    "below", ["lfw/lfw-deepfunneled", "lfw/lfw_funneled", "lfw-deepfunneled", "lfw_home/lfw_funneled", "lfw", "lfw/lfw"]
)
def test_lfw_in_each_of_its_plain_layouts(data, below):
    official = photos.pixels(0, 250, 250)
    for number in (1, 2):
        photo = data / below / "None" / f"None_{number:04d}.jpg"
        photos.write(photo, height=250, width=250)
    photos.write(data / below / "Ann_B" / "Ann_B_0001.jpg", seed=1)
    photos.write(data / below / "Ann_B" / "portrait.jpg", seed=1)
    (data / below / "pairs_01.txt").write_text("no photograph")
    faces, rejected = loaded("lfw", 150)
    assert faces.names == ("Ann_B", "None")  # a person may be called None
    assert faces.identity.tolist() == [0, 1, 1]
    assert faces.attributes["image_number"].tolist() == [1, 1, 2]
    assert faces.attributes["images_of_identity"].tolist() == [1, 2, 2]
    assert len(rejected) == 1 and "PERSON_0001.jpg" in next(iter(rejected.values()))
    difference = np.abs(faces.images[1].astype(int) - official[50:200, 50:200])
    assert difference.mean() < 3  # the centre 150 x 150, but for the JPEG


def test_lfw_by_its_index(data):
    for person in ("None", "Ann_B"):
        photos.write(data / "lfw" / "lfw-deepfunneled" / person / f"{person}_0001.jpg", height=112, width=112)
    lines = ["file,identity,image_number,gender,view2_fold"]
    lines += ["lfw-deepfunneled/None/None_0001.jpg,None,1,male,3", "lfw-deepfunneled/Ann_B/Ann_B_0001.jpg,Ann_B,1,,"]
    lines += ["lfw-deepfunneled/Gone/Gone_0001.jpg,Gone,1,male,"]
    (data / "lfw" / "index.csv").write_text("\n".join(lines))
    faces, rejected = loaded("lfw")
    assert [faces.names[person] for person in faces.identity] == ["None", "Ann_B"]
    assert faces.attributes["gender"].isna().tolist() == [False, True]
    assert faces.attributes["view2_fold"].tolist()[0] == 3
    assert list(rejected) == ["lfw-deepfunneled/Gone/Gone_0001.jpg"]
    (data / "lfw" / "index.csv").write_text("file,identity\nx,y")
    with pytest.raises(FacelabError, match="image_number"):
        load("lfw", 16)


def test_names_in_capitals_are_those_of_lfw_and_utkface(data):
    """As a copy by way of another system has them."""
    for person, shots in {"Ann_B": (1, 2), "Cy": (1,)}.items():
        for shot in shots:
            photos.write(data / "lfw" / "lfw" / person / f"{person}_{shot:04}.JPG", height=112, width=112)
    assert len(load("lfw", 16)) == 3
    photos.write(data / "utkface" / "25_0_1_20170116.JPG")
    photos.write(data / "utkface" / "26_1_0_20170117.JPG.chip.jpg")
    assert sorted(load("utkface", 16).attributes["age"]) == [25, 26]


@pytest.mark.parametrize("below", ["utkface/UTKFace", "utkface", "UTKFace", "utkface/crop_part1"])
def test_utkface_by_the_names_of_its_files(data, below):
    good = ["100_0_0_20170112213500903.jpg.chip.jpg", "1_1_4_20170112213500904.jpg"]
    odd = ["24_0_1_20170116220224657 .jpg.chip.jpg", "55_0_0_20170116232725357jpg.chip.jpg"]  # so in the official set
    bad = [
        "39_1_20170116174525125.jpg.chip.jpg",
        "61_3_1_20170109142408075.jpg.chip.jpg",
        "61_1_7_20170109142408075.jpg",
    ]
    for name in good + odd + bad:
        photos.write(data / below / name)
    faces, rejected = loaded("utkface")
    table = faces.attributes.set_index(faces.attributes["file"].str.rpartition("/")[2])
    assert sorted(table.index) == sorted(good + odd)
    assert table.loc[good, ["age", "gender", "race"]].to_numpy().tolist() == [
        [100, "male", "White"],
        [1, "female", "Others"],
    ]
    assert table.loc[odd, "timestamp"].tolist() == ["20170116220224657", "20170116232725357"]
    assert {file.rpartition("/")[2] for file in rejected} == set(bad)
    assert (faces.identity == UNKNOWN).all() and faces.names == () and len(faces.people) == 0


def celeba(root: Path, listed: int = 4) -> None:
    root.mkdir(exist_ok=True)
    names = [f"{number:06d}.jpg" for number in range(1, listed + 1)]
    rows = [f"{name}  {1 if row % 2 else -1} -1  1" for row, name in enumerate(names)]
    (root / "list_attr_celeba.txt").write_text("\n".join([str(listed), "Male Smiling Young ", *rows, ""]))
    (root / "identity_CelebA.txt").write_text(
        "\n".join(f"{name} {person}" for name, person in zip(names, [2880, 7, 2880, 9], strict=True))
    )
    (root / "list_eval_partition.txt").write_text("\n".join(f"{name} {row % 3}" for row, name in enumerate(names)))


def test_celeba_in_the_layout_of_torchvision(data):
    celeba(data / "celeba")
    for number in (1, 2, 3, 9):
        photos.write(data / "celeba" / "img_align_celeba" / f"{number:06d}.jpg", seed=number, height=218, width=178)
    faces, rejected = loaded("celeba", 148)
    assert rejected == {
        "img_align_celeba/000004.jpg": "It is listed but not there.",
        "img_align_celeba/000009.jpg": "It is in none of the lists.",
    }
    assert [faces.names[person] for person in faces.identity] == ["02880", "00007", "02880"]
    table = faces.attributes
    assert table["gender"].tolist() == ["female", "male", "female"] and table["split"].tolist() == [
        "train",
        "val",
        "test",
    ]
    assert table["Young"].tolist() == [True] * 3 and table["Smiling"].tolist() == [False] * 3
    assert table["Young"].dtype == bool
    crop = photos.pixels(2, 218, 178)[35:183, 15:163]
    assert np.abs(faces.images[1].astype(int) - crop).mean() < 3


@pytest.mark.parametrize("name", ["list_attr_celeba.txt", "identity_CelebA.txt", "list_eval_partition.txt"])
def test_celeba_without_one_of_its_lists_names_it(data, name):
    celeba(data / "celeba")
    photos.write(data / "celeba" / "img_align_celeba" / "000001.jpg")
    (data / "celeba" / name).unlink()
    with pytest.raises(FacelabError, match=name):
        load("celeba", 16)


@pytest.mark.parametrize("below", ["ffhq/thumbnails128x128", "thumbnails128x128", "ffhq/images1024x1024"])
def test_ffhq_by_its_numbers(data, below):
    for number in (0, 1001, 59_999, 60_000):
        photos.write(data / below / f"{number // 1000 * 1000:05d}" / f"{number:05d}.png", seed=number, height=32)
    photos.write(data / below / "00000" / "copy.png")
    (data / below / "LICENSE.txt").write_text("terms")
    faces, rejected = loaded("ffhq")
    assert faces.attributes["number"].tolist() == [0, 1001, 59_999, 60_000]
    assert faces.attributes["split"].tolist() == ["train"] * 3 + ["val"]
    assert list(rejected) == [f"{below.rpartition('/')[2]}/00000/copy.png"] and (faces.identity == UNKNOWN).all()


def test_gtav_by_the_ids_in_its_names_or_by_folders(data):
    photos.write(data / "gtav" / "ID01_001.bmp")
    photos.write(data / "gtav" / "Cropped" / "id44_012.bmp")
    photos.write(data / "gtav" / "train" / "carla" / "smile.png")
    photos.write(data / "gtav" / "nobody.png")
    faces, rejected = loaded("gtav")
    people = [faces.names[person] for person in faces.identity]
    shots = faces.attributes["shot"].tolist()
    assert sorted(zip(people, shots, strict=True)) == [("ID01", 1), ("ID44", 12), ("carla", -1)]
    assert list(rejected) == ["nobody.png"]


@pytest.mark.parametrize("below", ["casia-webface", "casia-webface/CASIA-WebFace", "CASIA-WebFace"])
def test_casia_by_its_folders(data, below):
    photos.people(data / below, **{"0000045": 2, "0000099": 1})
    faces = load("casia-webface", 16)
    assert faces.names == ("0000045", "0000099") and faces.identity.tolist() == [0, 0, 1]


def test_vggface2_has_its_two_parts(data):
    photos.people(data / "vggface2" / "train", n000002=2)
    photos.people(data / "vggface2" / "test", n000001=1)
    faces = load("vggface2", 16)
    assert faces.attributes["split"].tolist() == ["train", "train", "test"]
    assert [faces.names[person] for person in faces.identity] == ["n000002", "n000002", "n000001"]
