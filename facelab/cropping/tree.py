"""Crop the faces of a whole folder tree of person/photo into a second tree of the same structure."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from facelab.cropping.align import crop_face, template_points
from facelab.cropping.boxes import Detector, largest_face
from facelab.cropping.crop_files import crop_name, encode_crop
from facelab.cropping.manifest import (
    NO_FACE,
    NO_PHOTOGRAPH,
    NO_STAMP,
    OK,
    ROWS,
    SETTINGS,
    SEVERAL_FACES,
    UNREADABLE,
    Manifest,
    Row,
    is_begun,
    stamp,
)
from facelab.datasets.decode import decode, read_photograph
from facelab.datasets.output_tree import (
    check_apart,
    check_output,
    count_of,
    entries_out_of_sight,
    lies_in,
    other_files,
    remove_file,
    remove_files,
    shadowed_files,
    source_name,
)
from facelab.datasets.trees import NO_SUFFIX, no_usable_photograph, walk
from facelab.errors import BadImageError, BadParameterError, DataMissingError
from facelab.files import atomic_write, lock_folder, sync_tree
from facelab.progress import progress_bar

MAX_WORKERS = 256
_MAX_NAME = 255  # bytes: what file systems allow


@dataclass(frozen=True)
class CropReport:
    """What became of a folder tree.

    Attributes:
        rows: one for each file, sorted.
        resumed_count: how many of them an earlier run had done.
        mended_files: (photograph, ``"missing"`` or ``"damaged"``): what had become of crops of an earlier run, made again now.
        leftover_crops: crops of an earlier run, below the output folder, whose photograph is gone.
        is_pruned: whether these were removed.
        foreign_files: files below the output folder that were never written here.
    """

    rows: tuple[Row, ...]
    resumed_count: int
    mended_files: tuple[tuple[str, str], ...] = ()
    leftover_crops: tuple[str, ...] = ()
    is_pruned: bool = False
    foreign_files: tuple[str, ...] = ()

    def files(self, status: str) -> list[str]:
        """Names of the photographs with a status of ``manifest``."""
        return [row.file for row in self.rows if row.status == status]

    @property
    def failures(self) -> list[tuple[str, str]]:
        """(file, why) of every photograph without a crop."""
        return [(row.file, row.reason or row.status) for row in self._photographs if not row.crop]

    @property
    def other_files(self) -> list[tuple[str, str]]:
        """(file, why) of every file that is no photograph, such as a read-me."""
        return [(row.file, row.reason) for row in self.rows if row.status == NO_PHOTOGRAPH]

    @property
    def _photographs(self) -> list[Row]:
        return [row for row in self.rows if row.status != NO_PHOTOGRAPH]

    def __str__(self) -> str:
        counts = ", ".join(f"{len(self.files(status))} {status}" for status in (OK, SEVERAL_FACES, NO_FACE, UNREADABLE))
        other = f"; {count_of(self.other_files, 'other file')}" if self.other_files else ""
        return f"{count_of(self._photographs, 'photograph')}: {counts} ({self.resumed_count} done before){other}"


def crop_tree(
    in_dir: Path | str,
    out_dir: Path | str,
    detector: Detector,
    size: int = 112,
    margin: float = 0.0,
    workers: int = 2,
    prune: bool = False,
) -> CropReport:
    """Crop the largest face of every photograph below ``in_dir`` to the same path below ``out_dir``.

    A photograph without a face gets no crop; it is counted and named. Where the format of a photograph would lose the crop's
    pixels (GIF), ``.png`` is put behind its name. Each crop is written whole or not at all and noted at once with its
    SHA-256, so the work may be stopped at any moment and goes on where it was when called again; a crop that was lost or
    damaged since is made again. Nothing below ``in_dir`` is touched. The workers are threads: OpenCV and Pillow release
    Python's lock while they work, and threads need no copies of the process and stop together.

    Args:
        in_dir: the photographs, at any depth; a file that is none is named in the report, a hidden one is left out.
        out_dir: a new or empty folder, or one that was begun with the same settings.
        detector: finds the faces.
        size: side of the crops in pixels, 8 to 1024.
        margin: what is added on each side, as a share of the side of the template or box; see ``align`` and ``crop_box``.
        workers: number of threads, 1 to ``MAX_WORKERS``.
        prune: remove crops of an earlier run whose photograph is gone, and folders that are empty then; nothing else. What
            lies behind a folder that cannot be opened or a link that leads nowhere is not gone, and a crop that was changed
            since is somebody's own file.

    Raises:
        BadParameterError: one folder lies in the other, ``out_dir`` holds something else, or an impossible size or margin.
        DataMissingError: ``in_dir`` is not a folder or holds no photograph.
        FacelabError: ``out_dir`` cannot be written (disk full), or another process writes there now.
        KeyboardInterrupt: after the photographs under way were finished.
    """
    in_dir, out_dir = Path(in_dir), Path(out_dir)
    template_points("eyes", size, margin)  # refuses an impossible size before anything is written
    if not 1 <= workers <= MAX_WORKERS:
        raise BadParameterError(f"There are to be {workers} workers.", f"Give 1 to {MAX_WORKERS}.")
    found = _look(in_dir, out_dir)
    hidden = entries_out_of_sight(in_dir, [file for file, fault in found.items() if fault])
    settings = _settings(in_dir, detector, size, margin)
    is_begun(out_dir, settings)  # refused before the lock, which is a file in the folder
    with lock_folder(out_dir, "facelab crop"):
        with Manifest(out_dir, settings) as manifest, _one_opencv_thread(), ThreadPoolExecutor(workers) as pool:
            crops = {file: crop_name(file) for file, fault in found.items() if not fault}
            unused = {file: _unused_row(file, fault) for file, fault in found.items() if fault}
            for row in unused.values():
                _note(manifest, row, crops, hidden)
            done = {file for file in crops if manifest.is_done(file, in_dir / file)}
            mended = {file: fault for file in sorted(done) if (fault := manifest.crop_fault(file))}
            todo = [file for file in crops if file not in done or file in mended]
            crops_of = _in_batches(
                pool, lambda file: _crop_one(in_dir, out_dir, file, detector, size, margin), todo, 16 * workers
            )
            with progress_bar("cropping", len(todo)) as progress:
                for row in crops_of:
                    if row.stamp == NO_STAMP:
                        hidden.add(row.file)
                        unused[row.file] = row
                    _note(manifest, row, crops, hidden)
                    progress.advance()
            leftovers, foreign = _leftovers(manifest, found, hidden, prune)
            rows = tuple(unused.get(file) or manifest.rows[file] for file in sorted(found))
        if todo:
            sync_tree(out_dir)
    return CropReport(rows, len(crops) - len(todo), tuple(mended.items()), leftovers, prune, foreign)


def _look(in_dir: Path, out_dir: Path) -> dict[str, str]:
    """Files below ``in_dir``: path -> why it cannot be used, or empty; after a look at how the folders lie to one another."""
    if not in_dir.is_dir():
        raise DataMissingError(f"{in_dir} is not a folder.", "Name the folder with the photographs.")
    check_output(out_dir)
    found = dict(walk(in_dir))
    usable = [file for file, fault in found.items() if not fault]
    if not usable:
        raise no_usable_photograph(str(in_dir), list(found.items()), "Name the folder above the photographs.")
    check_apart(in_dir, out_dir, usable)
    return found | _name_faults({file: crop_name(file) for file in usable}, out_dir)


def _name_faults(crops: dict[str, str], out_dir: Path) -> dict[str, str]:
    """Photographs whose crops can have no file of their own, and why."""
    long = (file for file, name in crops.items() if len(os.fsencode(os.path.basename(name))) > _MAX_NAME)
    ours = (file for file, name in crops.items() if name.split("/")[0].casefold() in (SETTINGS, ROWS))
    return (
        shadowed_files(crops, out_dir, "crop")
        | dict.fromkeys(long, "Its name is too long to put .png behind it.")
        | dict.fromkeys(
            ours, f"Its crop would be in the way of {SETTINGS} or {ROWS}, which are written beside the crops."
        )
    )


def _settings(in_dir: Path, detector: Detector, size: int, margin: float) -> dict[str, object]:
    """What decides the crops."""
    return {
        "source": source_name(in_dir),
        "detector": repr(detector),
        "size": size,
        "margin": margin,
        "opencv": cv2.__version__,
    }


def _unused_row(file: str, fault: str) -> Row:
    return Row(file, NO_PHOTOGRAPH if fault == NO_SUFFIX else UNREADABLE, fault)


def _crop_one(in_dir: Path, out_dir: Path, file: str, detector: Detector, size: int, margin: float) -> Row:
    seen = stamp(in_dir / file)
    try:
        image = decode(read_photograph(in_dir / file))
        faces = detector.detect(image)
        face = largest_face(faces)
        photo_size = (image.shape[1], image.shape[0])
        if face is None:
            return Row(file, NO_FACE, stamp=seen, photo_size=photo_size)
        crop = crop_face(image, face, size, margin)
    except OSError as error:  # perhaps only for now: its stamp makes the next run try again
        return Row(file, UNREADABLE, f"It cannot be read ({error.strerror or error}).")
    except (BadImageError, BadParameterError) as error:  # the settings were checked before: it is this photograph
        return Row(file, UNREADABLE, error.problem, stamp=seen)
    name = crop_name(file)
    return Row(
        file,
        OK if len(faces) == 1 else SEVERAL_FACES,
        faces=len(faces),
        box=tuple(round(side, 2) for side in face.box),
        score=round(face.score, 4),
        stamp=seen,
        photo_size=photo_size,
        crop=name,
        crop_sha256=_write(out_dir / name, crop),
    )


def _write(path: Path, crop: np.ndarray) -> str:
    """Write a crop; returns the SHA-256 of its file."""
    data = encode_crop(crop, path.name)
    with atomic_write(path, sync=False) as partial:
        partial.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def _note(manifest: Manifest, row: Row, crops: dict[str, str], hidden: set[str]) -> None:
    """Add a row; one without a crop ends the crop of an earlier photograph of this name, which is no longer true.

    Where the photograph only cannot be seen now, the earlier row and its crop stay.
    """
    if not row.crop and manifest.has_crop(row.file):
        if lies_in(row.file, hidden):
            return
        earlier = manifest.rows[row.file].crop
        if earlier == row.file or earlier not in crops:
            remove_file(manifest.folder, earlier)
    manifest.add(row)


def _leftovers(
    manifest: Manifest, found: dict[str, str], hidden: set[str], prune: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Crops whose photograph is gone (with ``prune``, removed), and files that were never written here."""
    gone = {file: row.crop for file, row in manifest.rows.items() if file not in found and not lies_in(file, hidden)}
    needed = {row.crop for file, row in manifest.rows.items() if file not in gone}
    there = other_files(manifest.folder, needed | {SETTINGS, ROWS})
    leftovers = there & {crop for file, crop in gone.items() if manifest.has_crop(file)}
    if prune:
        remove_files(manifest.folder, leftovers)
    for file, crop in gone.items():
        if prune or crop not in leftovers:
            manifest.forget(file)
    return tuple(sorted(leftovers)), tuple(sorted(there - leftovers))


def _in_batches(pool: ThreadPoolExecutor, crop: Callable[[str], Row], files: list[str], length: int) -> Iterator[Row]:
    """As ``pool.map``, but few at a time, so that Ctrl-C need not wait for long."""
    rest = iter(files)
    while batch := list(islice(rest, length)):
        yield from pool.map(crop, batch)


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """The workers are the threads; OpenCV's own on top of them would only get in one another's way."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
