"""Webdataset tars, ``load("webdataset:/path/to/folder")`` or one of them: members of one key are one sample.

The key is a member's name up to the first dot of its last part, as in ``ann/0001.jpg`` and ``ann/0001.json``. A sample has one
photograph. Its person is said, for the whole set in one way, by the first of these that any sample has: a field of its
``.json`` with a usual name (``identity``, ``person``, ``label``, ...), its ``.cls``, its ``.txt``, or its key: the folder that
it stands in, or what stands before a number at its end. ``webdataset:PATH?label=json.FIELD`` chooses one, as do ``label=cls``,
``label=txt`` and ``label=key``; ``label=`` alone says that the people are not known.

Archives are read from front to back, and never unpacked to disk. Their members need not stand in the order of their keys.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from facelab.datasets.decode import MAX_BYTES, Photograph
from facelab.datasets.packed_paths import find_shards, parse_packed_path, shard_name
from facelab.datasets.person_labels import is_usual_label, label_text, usual_label
from facelab.datasets.sources import Source, register_family, source_by_path
from facelab.datasets.tar_members import DamagedTarError, TarMember, TarReader
from facelab.datasets.trees import NO_TEXT, is_litter, is_photograph, is_text
from facelab.errors import BadParameterError
from facelab.files import is_lfs_pointer, parse_json_object
from facelab.progress import progress_bar

_ENDINGS = (".tar", ".tar.gz", ".tgz")
_LABEL_FILES = ("json", "cls", "txt")
_MOST_LABEL = 2**20  # bytes of a file that says the person
_META = re.compile(r"__[^/]*__(?:$|/)")  # of the library itself
_AGAIN = " again"  # behind the ending of a second photograph of one name; no ending of a photograph ends so
_NUMBERED = re.compile(r"(.+?)[_-]\d+")  # person_0001


class _NoLabel(ValueError):
    """A sample does not say its person; says why, as a sentence."""


@dataclass(slots=True)
class _Sample:
    """What members of one key say.

    Attributes:
        shard: name of the archive.
        key: the name that they share.
        photographs: (name in ``file``, reason why it cannot be used or empty), by the part of the name behind the key.
        labels: what says the person: ``json.FIELD``, ``cls`` or ``txt`` -> the value, or why there is none. ``json`` alone
            stands for a whole file that cannot be read.
    """

    shard: str
    key: str
    photographs: dict[str, tuple[str, str]] = field(default_factory=dict)
    labels: dict[str, object] = field(default_factory=dict)


def webdataset_source(path: str) -> Source:
    """The source of ``webdataset:PATH``.

    Raises:
        BadParameterError: no such path can be, or the option is not one of those that there are.
    """
    root, options = parse_packed_path(path, ("label",))
    label = options.get("label")
    if label and label not in ("cls", "txt", "key") and not label.startswith("json."):
        raise BadParameterError(
            f"{label!r} says no person of a webdataset.", "Write ?label= and json.FIELD, cls, txt, key or nothing."
        )
    return source_by_path(
        name=f"webdataset:{path}",
        title=f"Webdataset tars in {root}",
        instructions=f"There is no {root}: give the path of a .tar or .tar.gz file, or of a folder that holds some.",
        layout="PATH or PATH/**/*.tar, with KEY.jpg and KEY.json, KEY.cls or KEY.txt, or PERSON/PHOTO.jpg",
        locate=lambda: root if os.path.exists(root) else None,
        index=functools.partial(index, label),
        read=read,
        archives=lambda place: find_shards(place, _ENDINGS),
    )


def index(label: str | None, root: Path) -> pd.DataFrame:
    """The photographs of all shards: ``file`` (shard/name in it), ``identity`` and ``rejected``.

    Args:
        label: what says the person, as ``?label=`` has it; None: found as the module says.
        root: an archive, or a folder of them.

    Raises:
        BadParameterError: which field of the ``.json`` files says the person is not clear.
    """
    samples: list[_Sample] = []
    damaged: list[tuple[str, str, str]] = []
    shards = find_shards(root, _ENDINGS)
    with progress_bar(f"Looking through {root}", len(shards), delay=2) as shown:
        for shard in shards:
            here: dict[str, _Sample] = {}
            try:
                _collect(shard, shard_name(root, shard), label, here)
            except DamagedTarError as error:
                damaged.append((shard_name(root, shard), "", f"The archive {error}. What may stand behind is missing."))
            samples += here.values()
            shown.advance()
    with_photograph = [sample for sample in samples if sample.photographs]
    way = _way_of(with_photograph) if label is None else label
    person_of = _person_by(way, with_photograph)
    rows = [
        (f"{sample.shard}/{_printable(sample.key)}", "", f"It has a .{way.partition('.')[0]} and no photograph.")
        for sample in samples
        if not sample.photographs and way in sample.labels
    ]
    for sample in with_photograph:
        try:
            identity, fault = person_of(sample), ""
        except _NoLabel as error:
            identity, fault = "", str(error)
        rows += [(file, identity, reason or fault) for file, reason in _one_photograph(sample)]
    return pd.DataFrame(rows + damaged, columns=["file", "identity", "rejected"])


def read(root: Path, table: pd.DataFrame) -> Iterator[tuple[int, str, Photograph]]:
    """The photographs of the rows of an index, archive by archive."""
    wanted = {name: row for row, name in enumerate(table["file"])}
    damage = ""
    for shard in find_shards(root, _ENDINGS):
        try:
            for member, reader in _members(shard):
                name = f"{shard_name(root, shard)}/{member.name}"
                if name in wanted and not _fault(member):
                    content = reader.content()
                    yield wanted.pop(name), name, content  # not taken out of those wanted before it could be read
        except DamagedTarError as error:
            damage += f"; {shard_name(root, shard)} {error}"
    for name, row in wanted.items():
        yield row, name, OSError(f"no archive holds it{damage}")


def _members(shard: Path) -> Iterator[tuple[TarMember, TarReader]]:
    if is_lfs_pointer(shard):
        raise DamagedTarError("is only the pointer to one that Git LFS has not fetched: git lfs pull")
    reader = TarReader(shard)
    for member in reader:
        yield member._replace(name=member.name.removeprefix("./")), reader


def _collect(shard: Path, name: str, label: str | None, samples: dict[str, _Sample]) -> None:
    """Add what an archive holds to the samples by key; those before a damage are there when it is raised."""
    for member, reader in _members(shard):
        folder, slash, last = member.name.rpartition("/")
        base, dot, ending = last.partition(".")
        parts = member.name.split("/")
        if not base or not dot or _META.match(member.name) or any(is_litter(part) for part in parts if part.strip(".")):
            continue
        ending = ending.lower()
        if not is_photograph(last) and ending not in _LABEL_FILES:
            continue
        key = f"{folder}{slash}{base}"
        sample = samples.setdefault(key, _Sample(name, key))
        if is_photograph(last):
            again = ending in sample.photographs
            fault = "Its name stands twice in the archive." if again else _fault(member)
            place = f"{ending}{_AGAIN}" if again else ending
            sample.photographs[place] = (f"{name}/{_printable(member.name)}", fault)
        elif of_file := [way for way in sample.labels if way.partition(".")[0] == ending]:
            sample.labels |= dict.fromkeys(of_file, _NoLabel(f"Its .{ending} stands twice in the archive."))
        else:
            sample.labels |= _labels(member, reader, ending, label)


def _printable(name: str) -> str:
    return name if is_text(name) else ascii(name)[1:-1]


def _fault(member: TarMember) -> str:
    """Why a member is no photograph that can be read; empty where it may be one."""
    parts = member.name.split("/")
    if not is_text(member.name) or "\0" in member.name:
        return NO_TEXT
    if member.name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:|.*\\", member.name):
        return "Its name leads out of the archive."
    if member.fault:
        return member.fault
    return f"It is larger than {MAX_BYTES // 2**20} MiB, as no photograph is." if member.size > MAX_BYTES else ""


def _labels(member: TarMember, reader: TarReader, ending: str, label: str | None) -> dict[str, object]:
    """What a member says that may be the person: way -> value, or the reason why there is none."""
    if member.fault or member.size > _MOST_LABEL:
        return {ending: _NoLabel(f"Its .{ending} cannot be read. {member.fault or 'It is too large.'}")}
    content = reader.content()
    try:
        if ending != "json":
            return {ending: content.decode("utf-8-sig")}
        fields = parse_json_object(content)
    except ValueError as error:
        why = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)[:120]
        return {ending: _NoLabel(f"Its .{ending} cannot be read ({why}).")}
    said = {f"json.{name}": value for name, value in fields.items()}
    return {way: value for way, value in said.items() if (is_usual_label(way[5:]) if label is None else way == label)}


def _way_of(samples: list[_Sample]) -> str:
    """What says the person: ``json.FIELD``, ``cls``, ``txt`` or ``key``."""
    ways = {way for sample in samples for way in sample.labels}
    return _json_field(ways) or next((way for way in ("cls", "txt") if way in ways), "key")


def _person_by(label: str, samples: list[_Sample]) -> Callable[[_Sample], str]:
    """What gives the name of a sample's person, or raises ``_NoLabel``."""
    if not label:
        return lambda sample: ""
    if label == "key":
        return _people_of_keys([sample.key for sample in samples])

    def person(sample: _Sample) -> str:
        value = sample.labels.get(label, sample.labels.get(label.partition(".")[0]))
        if isinstance(value, _NoLabel):
            raise value
        if label not in sample.labels:
            raise _NoLabel(f"It has no {label}, which says the person of others.")
        try:
            return label_text(value)
        except ValueError as error:
            raise _NoLabel(f"Its {label} {error}.") from error

    return person


def _json_field(ways: set[str]) -> str:
    fields = usual_label(sorted(way.removeprefix("json.") for way in ways if way.startswith("json.")))
    if len(fields) > 1:
        raise BadParameterError(
            f"Which field of the .json files says the person is not clear: they have {', '.join(fields)}.",
            f"Say it behind the path: ?label=json.{fields[0]}",
        )
    return f"json.{fields[0]}" if fields else ""


def _people_of_keys(keys: list[str]) -> Callable[[_Sample], str]:
    """The rule that names the people by these keys; where it cannot be known, they are all not known.

    Raises:
        BadParameterError: the folders are of several levels, and which of them is the person cannot be known.
    """
    folders = [key.split("/")[:-1] for key in keys]
    deep = [place for place in folders if place]
    if deep:
        common = os.path.commonprefix(deep)
        outer = min(len(common), min(map(len, deep)) - 1)  # as train/ before every person
        if further := next((place for place in deep if len(place) > outer + 1), None):
            raise BadParameterError(
                f"Which folder of {'/'.join(further)!r} is the person is not clear.",
                "Write it into a .json or .cls of each sample, or ?label= behind the path where none is.",
            )
        return lambda sample: _folder_of(sample.key)
    people = {key: found[1] for key in keys if (found := _NUMBERED.fullmatch(key))}
    if len(set(people.values())) < 2:  # sample_0001, sample_0002
        return lambda sample: ""

    def before_number(sample: _Sample) -> str:
        if sample.key not in people:
            raise _NoLabel("Its key does not end in a number behind the person, as others do.")
        return _text_of(people[sample.key])

    return before_number


def _folder_of(key: str) -> str:
    folder = key.rpartition("/")[0].rpartition("/")[2]
    if not folder:
        raise _NoLabel("It lies outside any person's folder.")
    return _text_of(folder)


def _text_of(name: str) -> str:
    try:
        return label_text(name)
    except ValueError:
        raise _NoLabel(NO_TEXT) from None


def _one_photograph(sample: _Sample) -> list[tuple[str, str]]:
    """(file, reason) of the photographs of a sample; of several, the one of a plain ending: ``.jpg``, not ``.mask.png``."""
    several = [ending for ending in sample.photographs if not ending.endswith(_AGAIN)]
    plain = [ending for ending in several if "." not in ending]
    chosen = several if len(several) == 1 else plain
    if len(chosen) == 1:
        why = f"Its sample has another photograph, .{chosen[0]}."
    else:
        chosen, why = [], f"Which photograph of its sample is the person's is not clear: .{', .'.join(several)[:200]}."
    return [
        (file, reason or ("" if ending in chosen else why)) for ending, (file, reason) in sample.photographs.items()
    ]


register_family("webdataset", webdataset_source, "tars of webdataset (.tar, .tar.gz): a file or a folder of shards")
