"""CIFAR-10 and CIFAR-100 in their three layouts, made up small: official batches, packed photographs, folders."""

import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import photos
import pytest

from facelab.datasets import RejectedFilesWarning, cifar_batches, load
from facelab.errors import DataMissingError, FacelabError

CLASSES = ("airplane", "frog", "truck")


def official(root: Path, layout: cifar_batches.CifarLayout, rows: int = 3) -> dict[str, np.ndarray]:
    """Batches as the official files are: a row is 1024 red, 1024 green, 1024 blue values."""
    folder = root / layout.folder
    folder.mkdir(parents=True)
    images = {}
    for seed, name in enumerate(layout.files):
        images[name] = np.random.default_rng(seed).integers(0, 256, (rows, 32, 32, 3), dtype=np.uint8)
        content = {"data": images[name].transpose(0, 3, 1, 2).reshape(rows, 3072), layout.labels[0]: [2, 0, 1][:rows]}
        if layout.superlabels:
            content[layout.superlabels[0]] = [1, 0, 0][:rows]
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    meta = {layout.labels[1]: list(CLASSES)} | (
        {layout.superlabels[1]: ["animals", "vehicles"]} if layout.superlabels else {}
    )
    (folder / layout.meta).write_bytes(pickle.dumps(meta))
    return images


@pytest.mark.parametrize(("name", "layout"), [("cifar10", cifar_batches.CIFAR10), ("cifar100", cifar_batches.CIFAR100)])
@pytest.mark.parametrize("below", ["", "named"])
def test_official_batches(data, name, layout, below):
    images = official(data / (name if below else ""), layout)
    faces = load(name, 32)
    np.testing.assert_array_equal(faces.images, np.concatenate([images[file] for file in layout.files]))
    assert faces.names == CLASSES
    assert faces.identity.tolist() == [2, 0, 1] * len(layout.files)
    assert faces.attributes["split"].tolist() == ["train"] * 3 * (len(layout.files) - 1) + ["test"] * 3
    assert faces.attributes["file"].is_unique
    if layout.superlabels:
        assert faces.attributes["superclass"].tolist() == ["vehicles", "animals", "animals"] * 2


def test_a_batch_that_was_cut_is_rejected_by_name(data):
    official(data, cifar_batches.CIFAR10)
    batch = data / "cifar-10-batches-py" / "data_batch_3"
    batch.write_bytes(batch.read_bytes()[:-50])
    with pytest.warns(RejectedFilesWarning, match="data_batch_3"):
        faces = load("cifar10", 32)
    assert len(faces) == 15 and [file for file, _ in faces.rejected_files] == ["cifar-10-batches-py/data_batch_3"]


class Evil:
    """What a hostile file holds: a call that is made while it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path(self.target),))


@pytest.mark.filterwarnings("ignore::facelab.datasets.RejectedFilesWarning")
def test_a_batch_that_would_run_code_is_refused_before_it_does(data, tmp_path):
    official(data, cifar_batches.CIFAR10)
    evil = Evil()
    evil.target = str(tmp_path / "ran")
    (data / "cifar-10-batches-py" / "data_batch_1").write_bytes(pickle.dumps({"data": evil, "labels": [0]}))
    faces = load("cifar10", 32)
    assert "no CIFAR batch needs" in faces.rejected_files[0].reason and not (tmp_path / "ran").exists()
    (data / "cifar-10-batches-py" / "batches.meta").write_bytes(pickle.dumps({"label_names": evil}))
    with pytest.raises(FacelabError, match="cannot be read"):
        load("cifar10", 32)
    assert not (tmp_path / "ran").exists()


def folders(root: Path) -> dict[str, np.ndarray]:
    """train/frog/0.png and its like; the pixels by path."""
    images = {}
    for split, count in (("train", 3), ("test", 1)):
        for name in CLASSES:
            for shot in range(count):
                seed = len(images)
                photos.write(root / split / name / f"{shot}.png", seed=seed, height=32, width=32)
                images[f"{split}/{name}/{shot}.png"] = photos.pixels(seed, 32, 32)
    return images


def check(faces, images: dict[str, np.ndarray]) -> None:
    assert sorted(faces.attributes["file"]) == sorted(images)
    for row, file in enumerate(faces.attributes["file"]):
        split, name, _ = file.split("/")
        np.testing.assert_array_equal(faces.images[row], images[file])
        assert (faces.attributes["split"].iat[row], faces.names[faces.identity[row]]) == (split, name)


def test_folders(data):
    images = folders(data / "cifar10")
    check(load("cifar10", 32), images)


def packed(data: Path, pack: str, prefix: str = "") -> dict[str, np.ndarray]:
    """The same packed, in another order than the index has."""
    images = folders(data / "loose")
    root = data / "cifar100"
    root.mkdir()
    for split in ("train", "test"):
        with tarfile.open(root / f"cifar100_{split}.tar.{pack}", f"w:{pack}") as archive:
            for file in sorted((file for file in images if file.startswith(split)), reverse=True):
                content = (data / "loose" / file).read_bytes()
                member = tarfile.TarInfo(prefix + file)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    rows = [f"{file},0,0,{file.split('/')[0]},{'x' if number == 0 else ''}" for number, file in enumerate(images)]
    (root / "index.csv").write_text("\n".join(["file,label,superclass_label,split,exact_duplicate_of", *rows]))
    classes = [f"{number},{name},0,things" for number, name in enumerate(CLASSES)]
    (root / "classes.csv").write_text("\n".join(["label,class,superclass_label,superclass", *classes]))
    return images


@pytest.mark.parametrize(("pack", "prefix"), [("xz", ""), ("gz", "./")])
def test_packed_photographs(data, pack, prefix):
    images = packed(data, pack, prefix)
    faces = load("cifar100", 32)
    check(faces, images)
    assert set(faces.attributes["superclass"]) == {"things"}
    assert faces.attributes["exact_duplicate_of"].notna().sum() == 1
    assert faces.attributes["file"].tolist() == list(images)  # in the order of the index


def test_a_packed_file_that_was_cut_costs_only_what_it_held(data):
    packed(data, "gz")
    train = data / "cifar100" / "cifar100_train.tar.gz"
    train.write_bytes(train.read_bytes()[: train.stat().st_size // 2])
    with pytest.warns(RejectedFilesWarning):
        faces = load("cifar100", 32)
    lost = {file for file, _ in faces.rejected_files}
    assert lost and all(file.startswith("train/") for file in lost)
    assert len(faces) + len(lost) == 12
    assert all("cifar100_train.tar.gz cannot be read to its end" in reason for _, reason in faces.rejected_files)


def test_a_changed_packed_file_is_decoded_anew(data):
    packed(data, "gz")
    before = load("cifar100", 32).sha256
    test = data / "cifar100" / "cifar100_test.tar.gz"
    test.unlink()
    with pytest.warns(RejectedFilesWarning, match="3 of its files"):
        assert load("cifar100", 32).sha256 != before


def test_packed_photographs_without_an_index_are_not_taken_for_the_set(data):
    packed(data, "gz")
    (data / "cifar100" / "index.csv").unlink()
    with pytest.raises(DataMissingError, match="cifar100"):
        load("cifar100", 32)
