"""Any tree of photographs person/photo on this machine: ``load("folder:/path/to/tree")``."""

from __future__ import annotations

from pathlib import Path

from facelab.datasets.sources import Source, read_files, register_family
from facelab.datasets.trees import person_tree


def folder_source(path: str) -> Source:
    """The source of ``folder:PATH``; ``~`` is the home folder, and a relative path starts from the working folder."""
    root = Path(path).expanduser()
    return Source(
        name=f"folder:{path}",
        title=f"Photographs in {root}",
        facts="Counted when it is read",
        license="Yours to know",
        instructions=f"There is no folder {root}: give the path of a folder that holds one folder a person.",
        layout="PATH/PERSON/PHOTO, with .jpg, .png, .pgm, .bmp, .webp, .gif or .tif photographs at any depth",
        citation="",
        locate=lambda: root if path and root.is_dir() else None,
        index=person_tree,
        read=read_files,
    )


register_family("folder", folder_source)
