"""The folder of an exported model, in the form of the Hugging Face Hub: written whole, read without running anything.

``model.safetensors``, ``config.json``, ``README.md`` (the card), ``model.onnx``, and ``labels.json`` where a classifier is
handed on with the names of its classes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from facelab.datasets.output_tree import check_output
from facelab.errors import BadParameterError, FacelabError, one_line
from facelab.exchange.exported_model import MODEL_TYPE, SCHEMA, ExportedModel, embedding_state, new_config
from facelab.exchange.model_card import model_card, was_edited
from facelab.exchange.onnx_file import onnx_bytes, onnx_difference
from facelab.extras import needs_extra
from facelab.files import make_folder, read_json_object, sync_path, sync_tree, try_lock_folder
from facelab.methods import StoredMethod, load_method
from facelab.methods.description import BROKEN
from facelab.paths import user_path
from facelab.records import Record
from facelab.tensor_files import DamagedFileError, content_digest, load_safetensors

WEIGHTS, CONFIG, CARD, ONNX, LABELS = "model.safetensors", "config.json", "README.md", "model.onnx", "labels.json"
FILES = (WEIGHTS, CONFIG, CARD, ONNX, LABELS)

_DIGEST = "content_sha256"
_MOST_BYTES = {CONFIG: 2**16, LABELS: 2**27}  # ours has 2 kB; names of a million people take 20 MB
# of model.onnx, as a share of the largest value: usually 1e-6, in very deep networks that have learned little 1e-4
_MOST_DIFFERENCE = 1e-3
_HUB_ID = re.compile(r"([\w.-]+)/([\w.-]+)")
_REVISION = re.compile(r"[0-9a-zA-Z_][\w.-]*")
_REMEDY = "Make one: facelab export RUN DIR."


def export_model(
    stored: StoredMethod | Path,
    folder: Path,
    *,
    crop: str = "dataset",
    labels: Sequence[str] | None = None,
    records: Sequence[Record] = (),
) -> ExportedModel:
    """Write a trained method for others: what embeds a face, and a card. What served the training alone stays behind.

    Args:
        stored: a method, or the path of a ``method.pt``.
        folder: new, empty, or of an earlier export, which is replaced as a whole.
        crop: how the faces of the training were cut out, one of ``exported_model.CROPS``.
        labels: names of a classifier's classes, in their order: personal data, so nowhere unless they are given. With them
            goes the head that tells the classes apart.
        records: of the training and of what was measured, for the card.

    Returns:
        The model that was written.

    Raises:
        BadParameterError: the folder cannot be one, or a parameter does not belong to the method.
        FacelabError: the folder holds something else, it cannot be written, another process writes it now, a package is
            missing, or no stored method is there.
    """
    with needs_extra("Exporting", "exchange"):
        from safetensors.torch import save
    _check_replaceable(folder)
    stored = load_method(stored) if isinstance(stored, Path) else stored
    config = new_config(stored, crop)
    state = embedding_state(stored.method, labels is not None)
    config[_DIGEST] = _content_hash(config, state, labels)
    model = ExportedModel(config, state, labels)
    onnx = onnx_bytes(model)
    difference = onnx_difference(model, onnx)
    if not difference <= _MOST_DIFFERENCE:
        raise FacelabError(
            f"As ONNX the network gives other numbers (by a share of {difference:.1g}), so nothing was written.",
            "Train anew where its weights are no numbers; else tell the makers of facelab.",
        )
    card = model_card(model, records)
    contents = {
        # the format knows one layout of a tensor in memory
        WEIGHTS: save({key: value.contiguous() for key, value in state.items()}, {"format": "pt"}),
        CONFIG: _json_bytes(config),
        CARD: card.encode(errors="backslashreplace"),
        ONNX: onnx,
    }
    if labels is not None:
        contents[LABELS] = _json_bytes(list(labels))
    with _new_folder(folder) as fresh:
        for file, content in contents.items():
            (fresh / file).write_bytes(content)
    return model


def load_model(model: str | os.PathLike[str]) -> ExportedModel:
    """A model of ``facelab export``, in evaluation mode on the CPU. Only safetensors and JSON are read, never code.

    Args:
        model: a folder, or the id of a model of the Hugging Face Hub, ``"someone/faces"``, that was downloaded before: nothing
            is asked of the network.

    Raises:
        FacelabError: there is none, it is damaged, or something else than a model of ``facelab export``.
    """
    folder = _find(model)
    config = _read_config(folder)
    path = _regular(folder / WEIGHTS)
    try:
        state = load_safetensors(path)
        labels = _read_labels(folder) if (folder / LABELS).exists() else None
    except DamagedFileError as error:
        raise FacelabError(f"{path} {error}.", _REMEDY) from error
    except (OSError, ValueError, RecursionError) as error:
        raise FacelabError(f"{folder / LABELS} cannot be read ({one_line(error)}).", _REMEDY) from error
    try:
        exported = ExportedModel(config, state, labels)
        whole = config[_DIGEST] == _content_hash(config, state, labels)
    except BROKEN as error:
        raise FacelabError(f"{folder} is no model of facelab ({one_line(error)}).", _REMEDY) from error
    if not whole:
        raise FacelabError(f"{folder} is damaged: its files are not what was written together.", "Get it again.")
    # safetensors maps the file into memory: what happens to it later must not happen to the weights
    exported.load_state_dict({key: value.clone() for key, value in exported.state_dict().items()}, assign=True)
    return exported


def _content_hash(config: Mapping[str, object], state: Mapping[str, Tensor], labels: Sequence[str] | None) -> str:
    """Of all that decides an embedding, in whatever order the files hold it."""
    text = json.dumps({key: value for key, value in config.items() if key != _DIGEST}, sort_keys=True)
    names = None if labels is None else list(labels)
    return content_digest({"config": text, "labels": names, "weights": dict(sorted(state.items()))})


def _json_bytes(content: object) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _regular(path: Path) -> Path:
    """The path, of a file that is not too large for what it is; a pipe would be waited for."""
    if not path.is_file():
        raise FacelabError(f"{path.parent} has no file {path.name}.", _REMEDY)
    most = _MOST_BYTES.get(path.name)
    if most is not None and path.stat().st_size > most:
        raise FacelabError(f"{path} has {path.stat().st_size:,} bytes, and is none of facelab.", _REMEDY)
    return path


def _read_config(folder: Path) -> dict[str, object]:
    path = folder / CONFIG
    try:
        config = read_json_object(_regular(path))
    except (OSError, ValueError) as error:
        if isinstance(error, FacelabError):
            raise
        raise FacelabError(f"{path} cannot be read ({one_line(error)}).", _REMEDY) from error
    if config.get("model_type") != MODEL_TYPE:
        raise FacelabError(f"{path} describes no model of facelab.", _REMEDY)
    if config.get("schema") != SCHEMA:
        raise FacelabError(
            f"{path} has schema {str(config.get('schema'))[:20]!r} in place of {SCHEMA}.", "Update facelab."
        )
    return config


def _read_labels(folder: Path) -> list[str]:
    labels = json.loads(_regular(folder / LABELS).read_text(encoding="utf-8"))
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise ValueError(f"{LABELS} is no list of names")
    return labels


def _find(model: str | os.PathLike[str]) -> Path:
    if not isinstance(model, str | os.PathLike):
        raise BadParameterError(f"{model!r} names no model.", "Give a folder, or the id of a model of the Hub.")
    folder = user_path(model)
    if folder.is_dir():
        return folder
    hub_id = _HUB_ID.fullmatch(os.fspath(model)) if isinstance(model, str) and not folder.exists() else None
    if hub_id is None:
        raise FacelabError(f"{folder} is no folder of an exported model.", _REMEDY)
    return _snapshot(_hub_cache() / f"models--{hub_id[1]}--{hub_id[2]}", str(model))


def _hub_cache() -> Path:
    """Where huggingface_hub keeps what it has downloaded, by its own variables."""
    cache = os.environ.get("HF_HUB_CACHE")
    if cache:
        return user_path(cache)
    home = os.environ.get("HF_HOME")
    if home:
        return user_path(home) / "hub"
    return user_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface" / "hub"


def _snapshot(cached: Path, hub_id: str) -> Path:
    """The revision that ``main`` is; of a model that was downloaded by revision, the only one."""
    get_it = f"Download it: hf download {hub_id}."
    try:
        main = cached / "refs" / "main"
        revisions = [main.read_text().strip()] if main.is_file() else os.listdir(cached / "snapshots")
    except (OSError, ValueError) as error:
        raise FacelabError(f"There is no folder {hub_id}, and no model of the Hub in {cached}.", get_it) from error
    if len(revisions) != 1 or not _REVISION.fullmatch(revisions[0]):
        raise FacelabError(f"{cached} has {len(revisions)} revisions, and none is main.", "Give the folder of one.")
    folder = cached / "snapshots" / revisions[0]
    if not folder.is_dir():
        raise FacelabError(f"{cached} lacks its revision {revisions[0]}.", get_it)
    return folder


def _check_replaceable(folder: Path) -> None:
    """Refuse a folder that holds anything but an earlier export, left as it was written.

    Raises:
        BadParameterError: it can be no folder.
        FacelabError: it holds something else, or cannot be read.
    """
    check_output(folder)
    if not folder.exists():
        return
    if os.path.samefile(folder, os.curdir):
        raise BadParameterError(
            "The current folder cannot be replaced as a whole.", "Name a folder in it, or beside it."
        )
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        foreign = [
            entry.name for entry in entries if entry.name not in FILES or not entry.is_file(follow_symlinks=False)
        ]
        if not entries:
            return
        if not foreign and not _is_ours(folder):
            foreign = [entries[0].name]
        edited = not foreign and (folder / CARD).is_file() and was_edited((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        raise FacelabError(f"{folder} cannot be read ({one_line(error)}).", "Choose another folder.") from error
    if foreign:
        raise FacelabError(
            f"{folder} holds something else than an exported model: {foreign[0]}.", "Name a new or an empty folder."
        )
    if edited:
        raise FacelabError(f"{folder / CARD} was edited since it was written.", "Move it away, or name another folder.")


def _is_ours(folder: Path) -> bool:
    try:
        return bool(_read_config(folder))
    except FacelabError:
        return False


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """A folder to write to; it takes the place of ``folder`` when the block ends without an error.

    It is made in a hidden folder beside, whose name is always the same: there the next export to ``folder`` finds what a
    killed process left, puts back an earlier export that was moved away, and removes the rest.

    Raises:
        FacelabError: the disk is full or the place cannot be written; ``folder`` is as it was before. Or another process
            exports to it now.
    """
    target = Path(os.path.realpath(folder))
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]  # of names as long as can be, too
    work = target.with_name(f".facelab-export-{digest}")
    fresh, earlier = work / "new", work / "old"
    try:
        make_folder(work, mode=0o700)  # labels are the names of people
        with try_lock_folder(work) as held:
            if not held:
                raise FacelabError(
                    f"{folder} is being written by another facelab export.",
                    "Wait until that one has ended, or name another folder.",
                )
            try:
                _put_back(earlier, target)
                _remove(fresh, earlier)
                fresh.mkdir()
                yield fresh
                sync_tree(fresh)
                try:
                    if target.exists():
                        os.rename(target, earlier)
                    os.rename(fresh, target)
                finally:
                    _put_back(earlier, target)
                sync_path(target.parent)
            finally:
                _remove(fresh, earlier, work)  # the lock, which is in it, last
    except OSError as error:
        raise FacelabError(
            f"{folder} cannot be written ({error.strerror or error}).",
            "Free some space, or check the rights of its place.",
        ) from error


def _put_back(earlier: Path, target: Path) -> None:
    """Give an export that was moved away its place again, where no new one has taken it."""
    if earlier.exists() and not target.exists():
        os.rename(earlier, target)


def _remove(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
