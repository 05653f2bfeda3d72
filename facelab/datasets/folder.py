"""Any tree of photographs person/photo on this machine: ``load("folder:/path/to/tree")``."""

from __future__ import annotations

import os

from facelab.datasets.sources import Source, path_of_family, read_files, register_family, source_by_path
from facelab.datasets.trees import person_tree


def folder_source(path: str) -> Source:
    """The source of ``folder:PATH``; ``~`` is the home folder, and a relative path starts from the working folder.

    Raises:
        BadParameterError: no such path can be, or it is not text and so cannot stand in a record.
    """
    root = path_of_family(path)
    return source_by_path(
        name=f"folder:{path}",
        title=f"Photographs in {root}",
        instructions=f"There is no folder {root}: give the path of a folder that holds one folder a person.",
        layout="PATH/PERSON/PHOTO, with .jpg, .png, .webp, .tif or other photographs at any depth",
        locate=lambda: root if os.path.isdir(root) else None,
        index=person_tree,
        read=read_files,
    )


register_family("folder", folder_source, "any tree of photographs PERSON/PHOTO")
