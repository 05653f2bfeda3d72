"""Which columns of a parquet shard hold the photographs and who is on them.

Photographs are a struct of ``bytes`` and ``path``, or plain binary; labels are text, whole numbers, or the numbers of a
``ClassLabel``, whose names stand as JSON in the schema's metadata under "huggingface".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from facelab.datasets.person_labels import USUAL_NAMES_IN_WORDS, label_text, usual_label
from facelab.errors import BadParameterError

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

_USUAL_IMAGES = set(
    ["image", "images", "img", "photo", "photograph", "picture", "face", "jpg", "jpeg", "png", "image_bytes"]
)


@dataclass(frozen=True)
class Columns:
    """Where a shard has what is wanted; as paths of parquet, with a dot before what is inside a struct.

    Attributes:
        image, label: names of the columns; no label where the people are not known.
        photograph: the bytes.
        path: the name that a photograph had as a file, or None.
        names: of a ClassLabel, by number.
    """

    image: str
    label: str
    photograph: str
    path: str | None
    names: list[str] | None


def find_columns(file: pyarrow.parquet.ParquetFile, options: Mapping[str, str]) -> Columns:
    """The columns of photographs and labels.

    Args:
        file: the shard.
        options: the names of some, as they were asked for.

    Raises:
        BadParameterError: which are meant is not clear, or those named are not there or of no such type.
        ValueError: the schema cannot be read.
    """
    schema = file.schema_arrow
    if len(set(schema.names)) < len(schema.names):
        raise ValueError("two of its columns have one name")
    features = _features(schema)
    kinds = {name: _feature_kind(features.get(name)) for name in schema.names}
    images = [name for name in schema.names if _is_image(schema.field(name).type) and kinds[name] in ("", "Image")]
    labels = [name for name in schema.names if _is_label(schema.field(name).type)]
    image = (
        _choose("image", images, options.get("image"), schema) if options.get("image") else _guess_image(images, schema)
    )
    label = options.get("label")
    if label is None:
        label = _guess_label(labels, schema)
    elif label:
        _choose("label", labels, label, schema)
    in_struct = not _is_binary(schema.field(image).type)
    has_path = in_struct and _has_text(schema.field(image).type, "path")
    names = _class_names(features[label]) if label and kinds[label] == "ClassLabel" else None
    return Columns(image, label, f"{image}.bytes" if in_struct else image, f"{image}.path" if has_path else None, names)


def _listed(schema: pyarrow.Schema) -> str:
    told = [f"{field.name!r} ({str(field.type)[:40]})" for field in schema][:20]
    return "Its columns are: " + ", ".join(told) + (", ..." if len(schema) > len(told) else "") + "."


def _choose(what: str, candidates: list[str], name: str, schema: pyarrow.Schema) -> str:
    if name in candidates:
        return name
    fault = "that holds " + ("photographs" if what == "image" else "text or whole numbers")
    there = f"The column {name!r} is none {fault}." if name in schema.names else f"It has no column {name!r}."
    raise BadParameterError(f"{there} {_listed(schema)}", f"Name one {fault}: ?{what}=COLUMN behind the path.")


def _guess_image(candidates: list[str], schema: pyarrow.Schema) -> str:
    usual = [name for name in candidates if name.casefold() in _USUAL_IMAGES]
    found = candidates if len(candidates) == 1 else usual
    if len(found) == 1:
        return found[0]
    problem = (
        "It has no column of photographs"
        if not candidates
        else "Which of its columns holds the photographs is not clear"
    )
    raise BadParameterError(f"{problem}. {_listed(schema)}", "Name it: ?image=COLUMN behind the path.")


def _guess_label(candidates: list[str], schema: pyarrow.Schema) -> str:
    found = usual_label(candidates)
    if len(found) == 1:
        return found[0]
    problem = "Which of its columns says the person is not clear" if found else (
        f"It has no column of whole numbers or text that is called {USUAL_NAMES_IN_WORDS}"
    )  # fmt: skip
    remedy = "Name the one that says the person, ?label=COLUMN behind the path, or write ?label= where none does."
    raise BadParameterError(f"{problem}. {_listed(schema)}", remedy)


def _is_binary(kind: pyarrow.DataType) -> bool:
    from pyarrow import types

    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)


def _is_text(kind: pyarrow.DataType) -> bool:
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _is_image(kind: pyarrow.DataType) -> bool:
    from pyarrow import types

    if not types.is_struct(kind):
        return _is_binary(kind)
    place = kind.get_field_index("bytes")
    return place >= 0 and _is_binary(kind.field(place).type)


def _has_text(kind: pyarrow.DataType, name: str) -> bool:
    place = kind.get_field_index(name)
    return place >= 0 and _is_text(kind.field(place).type)


def _is_label(kind: pyarrow.DataType) -> bool:
    from pyarrow import types

    value = kind.value_type if types.is_dictionary(kind) else kind
    return types.is_integer(value) or _is_text(value)


def _features(schema: pyarrow.Schema) -> dict[str, object]:
    """What the library ``datasets`` has written of the columns; empty where it has not.

    Raises:
        ValueError: it is no JSON of that kind.
    """
    text = (schema.metadata or {}).get(b"huggingface")
    if text is None:
        return {}
    try:
        features = json.loads(text)["info"]["features"]
    except (LookupError, TypeError, RecursionError) as error:
        raise ValueError("its metadata of Hugging Face say no features") from error
    if not isinstance(features, dict):
        raise ValueError("its metadata of Hugging Face say no features")
    return features


def _feature_kind(feature: object) -> str:
    kind = feature.get("_type") if isinstance(feature, dict) else None
    return kind if kind in ("Image", "ClassLabel", "Audio", "Video") else ""


def _class_names(feature: dict[str, object]) -> list[str]:
    names = feature.get("names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("its ClassLabel has no list of names")
    texts = [label_text(name) for name in names]
    if len(set(texts)) < len(texts):
        raise ValueError("its ClassLabel has one name twice")
    return texts
