"""Files for the projector, read back by pandas, Pillow and, where it is installed, TensorBoard itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from facelab import projector
from facelab.errors import BadParameterError
from facelab.projector import export_embeddings


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"person": ["Ann", "Bo\tb", "C\n\r d", None, ""], "glasses": [0, 1, 0, 1, 1]}, index=[3, 1, 4, 1, 5]
    )
    return rng.normal(size=(5, 3)), table, rng.integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)


def test_what_is_written_is_read_back(rows, tmp_path):
    embeddings, table, images = rows
    path = export_embeddings(tmp_path / "new", embeddings, table, images)
    assert path == tmp_path / "new" / "projector_config.pbtxt"
    assert {file.name for file in path.parent.iterdir()} == {
        "vectors.tsv", "metadata.tsv", "sprite.png", "projector_config.pbtxt"
    }  # fmt: skip
    np.testing.assert_allclose(np.loadtxt(path.parent / "vectors.tsv", delimiter="\t"), embeddings, rtol=1e-5)
    lines = (path.parent / "metadata.tsv").read_text(encoding="utf-8").split("\n")
    assert lines == ["row\tperson\tglasses", "0\tAnn\t0", "1\tBo b\t1", "2\tC d\t0", "3\t\t1", "4\t\t1", ""]
    sprite = np.asarray(Image.open(path.parent / "sprite.png"))
    assert sprite.shape == (48, 48, 3)
    for row, image in enumerate(images):
        top, left = 16 * (row // 3), 16 * (row % 3)
        np.testing.assert_array_equal(sprite[top : top + 16, left : left + 16], image)


@pytest.mark.parametrize("limit, side", [(8192, 16), (48, 16), (47, 15), (30, 10)])
def test_faces_are_shrunk_until_the_sheet_fits(rows, tmp_path, monkeypatch, limit, side):
    embeddings, table, images = rows
    monkeypatch.setattr(projector, "MAX_SHEET", limit)
    path = export_embeddings(tmp_path, embeddings, table, images[..., :1])
    assert Image.open(tmp_path / "sprite.png").size == (3 * side, 3 * side)
    assert f"single_image_dim: {side} single_image_dim: {side} " in path.read_text()


@pytest.mark.parametrize("pictures", [True, False])
def test_tensorboard_reads_the_configuration(rows, tmp_path, pictures):
    pytest.importorskip("tensorboard")
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    embeddings, table, images = rows
    path = export_embeddings(tmp_path, embeddings, table, images if pictures else None)
    (found,) = text_format.Parse(path.read_text(), ProjectorConfig()).embeddings
    assert (found.tensor_path, found.metadata_path) == ("vectors.tsv", "metadata.tsv")
    assert (found.sprite.image_path, list(found.sprite.single_image_dim)) == (
        ("sprite.png", [16, 16]) if pictures else ("", [])
    )
    assert (tmp_path / "sprite.png").exists() == pictures


def test_what_does_not_fit_is_refused_before_anything_is_written(rows, tmp_path, monkeypatch):
    embeddings, table, images = rows
    monkeypatch.setattr(projector, "MAX_SHEET", 16)  # two faces a side
    for arguments, message in [
        ((embeddings[:, 0], table), r"\(5,\)"),
        ((embeddings[:0], table[:0]), r"\(0, 3\)"),
        ((embeddings * np.inf, table), "not finite"),
        ((embeddings[:4], table), "4 embeddings, 5 rows of labels"),
        ((embeddings, table, images[:4]), "5 rows of labels, 4 images"),
        ((embeddings, table.assign(row=0)), "'row'"),
        ((embeddings, table, images), "5 faces do not fit"),
    ]:
        with pytest.raises(BadParameterError, match=message):
            export_embeddings(tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()
