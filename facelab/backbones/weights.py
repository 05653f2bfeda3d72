"""Weights from a file or from their publishers, loaded safely: tensors only, never code."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
import torchvision

from facelab.backbones.wrapper import Backbone
from facelab.errors import BadParameterError, DataMissingError, one_line
from facelab.files import read_json_object
from facelab.paths import user_path
from facelab.tensor_files import DamagedFileError, load_safetensors, load_tensors

_FACENET = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/"
_TIMM = "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-rsb-weights/"

#: Published weights by name and backbone; "imagenet" are torchvision's first of each network, and timm's ResNet-10-T.
PUBLISHED_WEIGHTS: dict[str, dict[str, str]] = {
    "imagenet": {
        name: torchvision.models.get_model_weights(name)["IMAGENET1K_V1"].url
        for name in ("resnet18", "resnet34", "resnet50", "resnet101", "vgg11_bn", "vgg16")
    }
    | {"resnet10t": _TIMM + "resnet10t_176_c3-f3215ab1.pth"},
    "vicreg": {"resnet50": "https://dl.fbaipublicfiles.com/vicreg/resnet50.pth"},
    "vggface2": {"inception_resnet_v1": _FACENET + "20180402-114759-vggface2.pt"},
    "casia-webface": {"inception_resnet_v1": _FACENET + "20180408-102900-casia-webface.pt"},
}

# torch.hub checks the start of the SHA-256 that a file's name carries; VICReg's has none in its address
_CACHED_AS = {"vicreg": "vicreg_resnet50-c843e76524.pth"}
# Of the published networks; a backbone has none. The last two are those of timm's VGG, whose convolutions are named as ours
_CLASSIFIERS = ("fc.", "classifier.", "logits.", "pre_logits.", "head.fc.")


def load_weights(backbone: Backbone, weights: str | Path) -> Backbone:
    """Give a backbone the weights of a file, or of their publisher by way of torch.hub's cache.

    Understood are the ``state_dict`` of a published network, of a ``Backbone``, and of a module that has one as
    ``backbone``, alone or as "state_dict" or "model" of a checkpoint, or as a ``.safetensors`` file, such as timm's of the
    networks that are ours too. Classifiers on top are left out. Where the weights are for colour and the backbone for grey,
    the first convolution's are summed: as if grey came in three times.

    Args:
        backbone: changed in place.
        weights: a file, or a name in ``PUBLISHED_WEIGHTS``.

    Returns:
        The same backbone.

    Raises:
        DataMissingError: no such file, or it cannot be downloaded.
        BadParameterError: no such weights for this backbone, a file that is not one of tensors, or they do not fit.
        FacelabError: a ``.safetensors`` file, and the package safetensors is not installed.
    """
    if str(weights) in PUBLISHED_WEIGHTS:
        loaded = _published(str(weights), backbone.name)
    else:
        path = user_path(weights)
        loaded = _from_file(path)
        _check_architecture(path, backbone.name)
    state = _body_state(loaded)
    own = backbone.body.state_dict()
    for key, value in state.items():
        if key in own and value.ndim == 4 and value.shape[1] == 3 and own[key].shape[1] == 1:
            state[key] = value.sum(dim=1, keepdim=True)
    _check_fit(own, state, weights)
    backbone.body.load_state_dict(state, strict=False)
    return backbone


def _published(weights: str, name: str) -> dict[str, Any]:
    urls = PUBLISHED_WEIGHTS[weights]
    if name not in urls:
        raise BadParameterError(f"There are no {weights!r} weights for {name}.", f"There are for: {', '.join(urls)}.")
    url = urls[name]
    path = Path(torch.hub.get_dir(), "checkpoints", _CACHED_AS.get(weights, url.rsplit("/", 1)[1]))
    named = torch.hub.HASH_REGEX.search(path.name)
    hashed = named.group(1) if named else ""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), hashed or None, progress=False)
        except (OSError, RuntimeError) as error:  # no network, or the file's hash is another
            raise DataMissingError(
                f"The {weights!r} weights cannot be had from {url} ({one_line(error)}).",
                f"Get the file elsewhere, and give its path as weights or put it at {path}.",
            ) from error
    loaded = _from_file(path)
    if not hashlib.sha256(path.read_bytes()).hexdigest().startswith(hashed):
        raise BadParameterError(
            f"The file of weights {str(path)!r} is damaged: it has another hash than its name says.",
            "Move it away, and call again to download it anew.",
        )
    return loaded


def _from_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise DataMissingError(
            f"There is no file of weights {str(path)!r}.", f"Give a path, or one of: {', '.join(PUBLISHED_WEIGHTS)}."
        )
    try:
        return load_safetensors(path) if path.suffix.lower() == ".safetensors" else load_tensors(path)[0]
    except DamagedFileError as error:
        raise BadParameterError(
            f"The file of weights {str(path)!r} {error}.", "Get it again, or save a state_dict with torch.save."
        ) from error


def _check_architecture(path: Path, name: str) -> None:
    """Raise where timm's ``config.json`` beside the file names another network: some differ from ours in no key and no shape,
    as ``resnetaa50``, which averages where ``resnet50`` strides."""
    try:
        config = read_json_object(path.with_name("config.json"))
    except (OSError, ValueError):
        return
    architecture = config.get("architecture")
    if "pretrained_cfg" in config and isinstance(architecture, str) and architecture != name:
        raise BadParameterError(
            f"The weights {str(path)!r} are of {architecture!r}, as config.json beside them says, and not of {name!r}.",
            "Use the backbone that they are of; where you know that both are one network, move config.json away.",
        )


def _body_state(loaded: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The tensors of the body, under the body's own names."""
    for nested in ("state_dict", "model"):
        if isinstance(loaded.get(nested), dict):
            loaded = loaded[nested]
    state = {str(key): value for key, value in loaded.items() if isinstance(value, torch.Tensor)}
    for prefix in ("module.", "backbone.", "body."):
        inside = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        state = inside or state
    return {key: value for key, value in state.items() if not key.startswith(_CLASSIFIERS)}


def _check_fit(own: dict[str, torch.Tensor], state: dict[str, torch.Tensor], weights: str | Path) -> None:
    """Raise unless the names and shapes are the body's; a count of batches, which old files lack, may be missing."""
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    unknown = [key for key in state if key not in own]
    unlike = [
        f"{key} {tuple(value.shape)} for {tuple(own[key].shape)}"
        for key, value in state.items()
        if key in own and value.shape != own[key].shape
    ]
    mistyped = [  # they would be rounded without a word
        f"{key} {value.dtype}"
        for key, value in state.items()
        if key in own and value.is_floating_point() != own[key].is_floating_point()
    ]
    faults = [("missing", missing), ("unknown", unknown), ("of another shape", unlike), ("of another type", mistyped)]
    told = [
        f"{len(keys)} {fault} ({', '.join(keys[:2])}{', ...' if keys[2:] else ''})" for fault, keys in faults if keys
    ]
    if told:
        raise BadParameterError(
            f"The weights {str(weights)!r} do not fit: {'; '.join(told)}.",
            "Use the backbone, width and stem they are of.",
        )
