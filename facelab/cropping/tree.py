"""Crop the faces of a whole folder tree of person/photo into a second tree of the same structure."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from facelab.cropping.align import crop_face, template_points
from facelab.cropping.boxes import Detector, largest_face
from facelab.cropping.manifest import NO_FACE, NO_STAMP, OK, SEVERAL_FACES, UNREADABLE, Manifest, Row, stamp
from facelab.datasets.decode import decode
from facelab.datasets.trees import walk
from facelab.errors import BadImageError, BadParameterError, DataMissingError, FacelabError
from facelab.files import atomic_write
from facelab.progress import progress_bar


@dataclass(frozen=True)
class CropReport:
    """What became of a folder tree.

    Attributes:
        rows: one for each photograph, sorted by file.
        resumed_count: how many of them an earlier run had done.
    """

    rows: tuple[Row, ...]
    resumed_count: int

    def files(self, status: str) -> list[str]:
        """Names of the photographs with a status of ``manifest``."""
        return [row.file for row in self.rows if row.status == status]

    @property
    def failures(self) -> list[tuple[str, str]]:
        """(file, why) of every photograph without a crop."""
        return [(row.file, row.reason or row.status) for row in self.rows if not row.has_crop]

    def __str__(self) -> str:
        counts = ", ".join(f"{len(self.files(status))} {status}" for status in (OK, SEVERAL_FACES, NO_FACE, UNREADABLE))
        return f"{len(self.rows)} photographs: {counts} ({self.resumed_count} done before)"


def crop_tree(
    in_dir: Path, out_dir: Path, detector: Detector, size: int = 112, margin: float = 0.0, workers: int = 2
) -> CropReport:
    """Crop the largest face of every photograph below ``in_dir`` to the same path below ``out_dir``.

    A photograph without a face gets no crop; it is counted and named. Each crop is written whole or not at all and noted
    at once, so the work may be stopped at any moment and goes on where it was when called again. Nothing below ``in_dir`` is
    touched. The workers are threads: OpenCV and Pillow release Python's lock while they work, and threads need no copies of
    the process and stop together.

    Args:
        in_dir: the photographs, at any depth; a file that is none is named in the report, a hidden one is left out.
        out_dir: a new or empty folder, or one that was begun with the same settings.
        detector: finds the faces.
        size: side of the crops in pixels, 8 to 1024.
        margin: what is added on each side, as a share of the side of the template or box; see ``align`` and ``crop_box``.
        workers: number of threads.

    Raises:
        BadParameterError: one folder lies in the other, ``out_dir`` holds something else, or an impossible size or margin.
        DataMissingError: ``in_dir`` is no folder or holds no photograph.
        FacelabError: ``out_dir`` cannot be written (disk full).
        KeyboardInterrupt: after the photographs under way were finished.
    """
    in_dir, out_dir = Path(in_dir), Path(out_dir)
    template_points("eyes", size, margin)  # refuses an impossible size before anything is written
    if workers < 1:
        raise BadParameterError(f"{workers} workers can do nothing.", "Give 1 or more.")
    found = _look(in_dir, out_dir)
    settings = {"detector": repr(detector), "size": size, "margin": margin, "opencv": cv2.__version__}
    with Manifest(out_dir, settings) as manifest, _one_opencv_thread(), ThreadPoolExecutor(workers) as pool:
        for file, fault in found.items():
            if fault:
                manifest.add(Row(file, UNREADABLE, fault, 0, None, None, NO_STAMP))
        todo = [file for file, fault in found.items() if not fault and not manifest.is_up_to_date(file, in_dir / file)]
        with progress_bar("cropping", len(todo)) as progress:
            for batch in _batches(todo, 16 * workers):  # small, so that Ctrl-C need not wait for long
                for row in pool.map(lambda file: _crop_one(in_dir, out_dir, file, detector, size, margin), batch):
                    if not row.has_crop:
                        _remove(out_dir / row.file)
                    manifest.add(row)
                    progress.advance()
        faults = sum(map(bool, found.values()))
        return CropReport(tuple(manifest.rows[file] for file in sorted(found)), len(found) - faults - len(todo))


def _look(in_dir: Path, out_dir: Path) -> dict[str, str]:
    """Files below ``in_dir``: path -> why it cannot be used, or empty; after a look at how the folders lie to one another."""
    if not in_dir.is_dir():
        raise DataMissingError(f"{in_dir} is no folder.", "Name the folder with the photographs.")
    source, target = in_dir.resolve(), out_dir.resolve()
    if source == target or source in target.parents or target in source.parents:
        raise BadParameterError(f"{out_dir} and {in_dir} lie in one another.", "Name a folder beside it.")
    found = dict(walk(in_dir))
    for file, fault in found.items():
        if not fault and not cv2.haveImageWriter(file):
            found[file] = f"A crop cannot be written as {Path(file).suffix}; convert it to PNG."
    if all(found.values()):
        raise DataMissingError(f"{in_dir} holds no photograph.", "Name the folder above the photographs.")
    return found


def _crop_one(in_dir: Path, out_dir: Path, file: str, detector: Detector, size: int, margin: float) -> Row:
    seen = stamp(in_dir / file)
    try:
        image = decode((in_dir / file).read_bytes(), 1 if file.lower().endswith(".pgm") else 3)
        faces = detector.detect(image)
        face = largest_face(faces)
        if face is None:
            return Row(file, NO_FACE, "", 0, None, None, seen)
        crop = crop_face(image, face, size, margin)
    except OSError as error:  # perhaps only for now: its stamp makes the next run try again
        return Row(file, UNREADABLE, f"It cannot be read ({error.strerror or error}).", 0, None, None, NO_STAMP)
    except (BadImageError, BadParameterError) as error:  # the settings were checked before: it is this photograph
        return Row(file, UNREADABLE, error.problem, 0, None, None, seen)
    _write(out_dir / file, crop)
    box = tuple(round(side, 2) for side in face.box)
    return Row(file, OK if len(faces) == 1 else SEVERAL_FACES, "", len(faces), box, round(face.score, 4), seen)


def _write(path: Path, crop: np.ndarray) -> None:
    pixels = crop if crop.shape[2] == 1 else cv2.cvtColor(crop, cv2.COLOR_RGB2BGR)
    suffix = path.suffix.lower()
    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if suffix in (".jpg", ".jpeg") else []
    with atomic_write(path) as partial:
        partial.write_bytes(cv2.imencode(suffix, pixels, options)[1].tobytes())


def _remove(path: Path) -> None:
    """The crop of an earlier photograph of this name, which is no longer true."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise FacelabError(
            f"{path} cannot be removed ({error.strerror}).", "Check the rights of the folder."
        ) from error


def _batches(files: list[str], length: int) -> Iterator[list[str]]:
    rest = iter(files)
    while batch := list(islice(rest, length)):
        yield batch


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """The workers are the threads; OpenCV's own on top of them would only get in one another's way."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
