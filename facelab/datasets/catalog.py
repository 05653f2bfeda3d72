"""What there is: which data sets are on this machine, how to get the others, and whether what is here is whole."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

from facelab.datasets.faceset import UNKNOWN, RejectedFile, RejectedFilesWarning
from facelab.datasets.loading import load
from facelab.datasets.sources import Source, all_sources, family_forms, get_source, parse_joined_name
from facelab.errors import DataMissingError, FacelabError
from facelab.files import write_text
from facelab.paths import data_root, project_data


@dataclass(frozen=True)
class CatalogEntry:
    """One line of the list of data sets.

    Attributes:
        name: how it is asked for.
        title: its full name.
        path: the folder where it lies; None where it is not on this machine.
        images: photographs that its index lists as usable; not decoded yet, so some may turn out damaged.
        bytes: size on disk of the files that hold them.
        license: licence and terms of use.
        problem: why its index cannot be read; empty where it can.
    """

    name: str
    title: str
    path: Path | None
    images: int
    bytes: int
    license: str
    problem: str = ""

    @property
    def is_present(self) -> bool:
        """Whether it is on this machine."""
        return self.path is not None


@dataclass(frozen=True)
class CheckReport:
    """What a check of one data set found.

    Attributes:
        name, size: what was checked, and at which working size.
        images, people: usable photographs, and the known people on them.
        unknown_images: photographs of unknown people.
        sha256: of the pixels.
        differences: what does not agree with the published counts, in words.
        rejected_files: every file that could not be used, with the reason.
    """

    name: str
    size: int
    images: int
    people: int
    unknown_images: int
    sha256: str
    differences: tuple[str, ...]
    rejected_files: tuple[RejectedFile, ...]

    @property
    def ok(self) -> bool:
        """Nothing was rejected, and the counts are the published ones where these are known."""
        return not self.differences and not self.rejected_files


def list_sources() -> list[CatalogEntry]:
    """Every source by name, with what of it is on this machine. Reads tables and folders, no pixels."""
    return [_entry(source) for source in all_sources()]


def _entry(source: Source) -> CatalogEntry:
    root = None
    try:
        root = source.locate()
        if root is None:
            return CatalogEntry(source.name, source.title, None, 0, 0, source.license)
        index = source.index(root)
    except FacelabError as error:
        return CatalogEntry(source.name, source.title, root, 0, 0, source.license, str(error))
    if "rejected" in index:
        index = index[index["rejected"].fillna("") == ""]
    held = sum(map(_bytes, source.packed_files(root) or (f"{root}{os.sep}{file}" for file in index["file"])))
    return CatalogEntry(source.name, source.title, root, len(index), held, source.license)


def _bytes(path: str | Path) -> int:
    return os.stat(path).st_size if os.path.exists(path) else 0  # a rendering has no file


def info(name: str) -> dict[str, str]:
    """All that is known of a source, as (what, text) in the order to show it.

    Raises:
        BadParameterError: no source has that name.
    """
    source = get_source(name)
    root = source.locate()
    return {
        "Name": source.name,
        "Title": source.title,
        "Facts": source.facts,
        "Licence": source.license,
        "Citation": source.citation,
        "Layout": source.layout,
        "How to get it": source.remedy,
        "On this machine": str(root) if root is not None else f"no (FACELAB_DATA is {data_root()})",
    }


def fetch(name: str) -> Path:
    """Download a source where its terms allow that and it is not here yet; hands back its folder.

    Raises:
        BadParameterError: no source has that name.
        DataMissingError: a person must ask for it, or it cannot be downloaded from here.
    """
    source = get_source(name)
    root = source.locate()
    if root is not None:
        return root
    if source.fetch is None:
        raise DataMissingError(f"The data set {name!r} cannot be downloaded by facelab.", source.instructions)
    return source.fetch()


def check(name: str, size: int = 64) -> CheckReport:
    """Load a data set (decoding it where that was not done) and compare it with what was published.

    A cached copy whose pixels do not have their hash is made again, with a warning, by ``load``.

    Args:
        name: as for ``load``.
        size: working size in pixels.

    Raises:
        BadParameterError, DataMissingError: as for ``load``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RejectedFilesWarning)  # the report lists them all
        faces = load(name, size)
    published = get_source(name).published_counts if len(parse_joined_name(name)) == 1 else {}
    found = {"images": len(faces), "people": len(faces.people)}
    differences = [
        f"{found[what]:,} {what}, published are {count:,}" for what, count in published.items() if found[what] != count
    ]
    return CheckReport(
        name=name,
        size=size,
        images=len(faces),
        people=len(faces.people),
        unknown_images=int((faces.identity == UNKNOWN).sum()),
        sha256=faces.sha256,
        differences=tuple(differences),
        rejected_files=faces.rejected_files,
    )


def sources_page() -> str:
    """The text of ``data/SOURCES.md``, made of the registry: licence, terms and citation of each source, and how to get it."""
    table = ["| name | what | licence and terms | cite |", "|---|---|---|---|"]
    ways = []
    for source in all_sources():
        table.append(f"| `{source.name}` | {source.title}: {source.facts} | {source.license} | {source.citation} |")
        layout = source.layout.replace("]_[", r"]\_[")  # no emphasis
        ways.append(f"- `{source.name}`: {source.remedy}\n  Layout: {layout}.")
    return "\n".join(
        [
            "# Data sets that facelab reads",
            "",
            "Made by `python -m facelab.datasets.catalog`; a test holds it to the code. None of their photographs is here.",
            "`utkface+ffhq` joins two or more. What lies elsewhere is read by its path:",
            "",
            *(f"- `{name}`: {form}" for name, form in family_forms().items()),
            "",
            *table,
            "",
            "## How to get them",
            "",
            "`FACELAB_DATA` is the folder named by the environment variable of that name; `facelab data list` shows it.",
            "",
            *ways,
            "",
        ]
    )


if __name__ == "__main__":
    write_text(project_data("SOURCES.md"), sources_page())
