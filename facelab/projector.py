"""Embeddings as files for the projector of TensorBoard, where a reader turns them in three dimensions.

``tensorboard --logdir FOLDER`` shows them under "Projector", faces included. Without TensorBoard: on
https://projector.tensorflow.org choose "Load", then ``vectors.tsv`` and ``metadata.tsv``; they stay in the browser. Faces
are not shown there, since the page takes pictures from the web only.
"""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from facelab.errors import BadParameterError
from facelab.files import atomic_write, write_text
from facelab.plots.faces import sprite

MAX_SHEET = 8192  #: pixels a side of the sheet of faces; the projector refuses more


def export_embeddings(
    folder: Path, embeddings: np.ndarray, table: pd.DataFrame, images: np.ndarray | None = None
) -> Path:
    """Write ``vectors.tsv``, ``metadata.tsv``, ``sprite.png`` (with images) and ``projector_config.pbtxt``.

    The labels get a first column ``row``, by which a point is found again in the notebook. Faces are shrunk until the
    sheet fits ``MAX_SHEET``; it is square, because the projector finds the row of a face by the number of rows.

    Args:
        folder: where to; made if it is missing.
        embeddings: float (N, D).
        table: N rows, the labels to colour and search by; tabs and line breaks in them become spaces.
        images: uint8 (N, S, S, C), grey or RGB; None: points without faces.

    Returns:
        The path of the configuration, which is written last, so that it never names a file that is not there.

    Raises:
        BadParameterError: no embeddings, sizes that differ, an embedding that is not finite, or more faces than a sheet
            holds.
        FacelabError: the folder cannot be written.
    """
    _check(embeddings, table, images)
    configuration = ['tensor_name: "facelab"', 'tensor_path: "vectors.tsv"', 'metadata_path: "metadata.tsv"']
    with atomic_write(folder / "vectors.tsv") as partial:
        np.savetxt(partial, embeddings, fmt="%.6g", delimiter="\t")
    labels = table.reset_index(drop=True).rename_axis("row").reset_index()
    lines = [labels.columns, *labels.itertuples(index=False)]
    write_text(folder / "metadata.tsv", "".join("\t".join(map(_one_line, line)) + "\n" for line in lines))
    if images is not None:
        side = min(images.shape[1], MAX_SHEET // math.ceil(math.sqrt(len(images))))
        with atomic_write(folder / "sprite.png") as partial:
            partial.write_bytes(cv2.imencode(".png", cv2.cvtColor(sprite(images, side), cv2.COLOR_RGB2BGR))[1])
        configuration.append(f'sprite {{ image_path: "sprite.png" single_image_dim: {side} single_image_dim: {side} }}')
    path = folder / "projector_config.pbtxt"
    write_text(path, "embeddings {\n" + "".join(f"  {line}\n" for line in configuration) + "}\n")
    return path


def _one_line(value: object) -> str:
    """A label as one cell of a table; a missing one is empty."""
    return "" if pd.isna(value) else " ".join(str(value).split())


def _check(embeddings: np.ndarray, table: pd.DataFrame, images: np.ndarray | None) -> None:
    if embeddings.ndim != 2 or not embeddings.size:
        raise BadParameterError(f"Embeddings of {embeddings.shape} cannot be shown.", "Give (N, D) with N, D >= 1.")
    if not np.isfinite(embeddings).all():
        raise BadParameterError("Some embeddings are not finite.", "Look for the step where the training broke.")
    if len(table) != len(embeddings) or (images is not None and len(images) != len(embeddings)):
        counts = f"{len(embeddings)} embeddings, {len(table)} rows of labels"
        more = "" if images is None else f", {len(images)} images"
        raise BadParameterError(f"{counts}{more}.", "Give one of each a photograph.")
    if "row" in table:
        raise BadParameterError("The labels have a column 'row'.", "Rename it: the numbers of the rows go there.")
    if images is not None and len(images) > (MAX_SHEET // 8) ** 2:
        raise BadParameterError(f"{len(images)} faces do not fit one sheet.", "Export fewer, or without images.")
