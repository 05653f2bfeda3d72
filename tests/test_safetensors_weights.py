"""Weights in files of safetensors, written by safetensors itself: timm's names, whole methods, and files that are none."""

import copy
import json
import random
import sys
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from facelab.backbones import backbone, load_weights
from facelab.errors import BadParameterError, DataMissingError, FacelabError


def timm_keys(name: str, network: nn.Module) -> dict[str, torch.Tensor]:
    """A network of torchvision's under the names of timm: those of ResNets are equal; VGG's classifier is made of convolutions
    there (``pre_logits``) and a linear ``head.fc``."""
    state = {}
    for key, value in network.state_dict().items():
        if key.startswith("classifier."):
            place, kind = key.removeprefix("classifier.").split(".")
            key = {"0": "pre_logits.fc1", "3": "pre_logits.fc2", "6": "head.fc"}[place] + f".{kind}"
            if kind == "weight" and place != "6":
                value = value.reshape(len(value), -1, *((7, 7) if place == "0" else (1, 1)))
        state[key] = value.contiguous()
    return state


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "vgg11_bn"])
def test_weights_under_the_names_of_timm_are_those_of_torchvision(name, tmp_path):
    torch.manual_seed(0)
    published = torchvision.models.get_model(name, weights=None).eval()
    if name.startswith("vgg"):  # its 100 million weights are dropped, so that fewer do
        published.classifier[0], published.classifier[3] = nn.Linear(512 * 49, 8), nn.Linear(8, 8)
        published.classifier[6] = nn.Linear(8, 4)
    save_file(timm_keys(name, published), tmp_path / "model.safetensors", {"format": "pt"})
    own = backbone(name, weights=tmp_path / "model.safetensors").eval()
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        if name.startswith("vgg"):
            expected = published.features(images).mean(dim=(2, 3))
        else:
            published.fc = nn.Identity()
            expected = published(images)
        torch.testing.assert_close(own(images), expected, rtol=1e-4, atol=1e-4)


def saved(tmp_path: Path, change=lambda state: state, name: str = "resnet10", **given) -> Path:
    """The weights of a small network, changed, as a file."""
    torch.manual_seed(0)
    state = {key: value.contiguous() for key, value in backbone(name, **given).body.state_dict().items()}
    save_file(change(state), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_a_tiered_network_with_its_classifier(tmp_path):
    path = saved(tmp_path, lambda state: state | {"fc.weight": torch.zeros(7, 64)}, "resnet10t", width=8)
    loaded = backbone("resnet10t", width=8, weights=path)
    torch.manual_seed(0)
    for own, written in zip(loaded.parameters(), backbone("resnet10t", width=8).parameters(), strict=True):
        assert torch.equal(own, written)


def test_a_whole_method_gives_its_backbone(tmp_path):
    torch.manual_seed(0)
    whole = nn.ModuleDict({"backbone": backbone("resnet10"), "projector": nn.Linear(4, 4)})
    save_file({key: value.contiguous() for key, value in whole.state_dict().items()}, tmp_path / "model.safetensors")
    loaded = backbone("resnet10", weights=tmp_path / "model.safetensors")
    for own, written in zip(loaded.parameters(), whole["backbone"].parameters(), strict=True):
        assert torch.equal(own, written)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_precisions_become_those_of_the_network(dtype, tmp_path):
    def change(state):
        return {key: value.to(dtype) if value.is_floating_point() else value for key, value in state.items()}

    loaded = backbone("resnet10", weights=saved(tmp_path, change))
    assert loaded.body.conv1.weight.dtype == torch.float32 and loaded.body.conv1.weight.abs().max() > 0


def changed(key: str, value) -> object:
    return lambda state: state | {key: value(state[key])}


FAULTS = {
    "not finite": (
        changed("conv1.weight", lambda w: w.masked_fill(w == w.max(), torch.inf)),
        "'conv1.weight' has values",
    ),
    "quantised": (changed("conv1.weight", lambda w: w.to(torch.int8)), "as torch.int8"),
    "whole numbers": (
        changed("conv1.weight", lambda w: w.to(torch.int64)),
        r"of another type \(conv1.weight torch.int64\)",
    ),
    "eight bits": (changed("conv1.weight", lambda w: w.to(torch.float8_e4m3fn)), "as torch.float8_e4m3fn"),
    "another shape": (changed("conv1.weight", lambda w: w[1:]), "another shape"),
    "empty": (lambda state: {}, "missing"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_tensors_that_are_no_weights_are_named_and_nothing_is_loaded(fault, tmp_path):
    change, told = FAULTS[fault]
    network = backbone("resnet10")
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(BadParameterError, match=told) as caught:
        load_weights(network, saved(tmp_path, change))
    assert "\n" not in str(caught.value) and "model.safetensors" in str(caught.value)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:8a59\nsize 44322\n"


@pytest.mark.parametrize("content", ["empty", "text", "truncated", "pointer", "of torch", "huge header", "longer"])
def test_a_file_that_is_no_safetensors_is_named_in_one_line(content, tmp_path):
    path = saved(tmp_path)
    whole = path.read_bytes()
    torch.save({"weight": torch.zeros(2)}, tmp_path / "weights.pt")
    path.write_bytes(
        {
            "empty": b"",
            "text": b"<html>404</html>",
            "truncated": whole[: len(whole) // 2],
            "pointer": POINTER,
            "of torch": (tmp_path / "weights.pt").read_bytes(),
            "huge header": (2**62).to_bytes(8, "little") + whole[8:],
            "longer": whole + b"\0" * 16,
        }[content]
    )
    with pytest.raises(BadParameterError, match="git lfs pull" if content == "pointer" else "cannot be read") as caught:
        backbone("resnet10", weights=path)
    assert "\n" not in str(caught.value) and "model.safetensors" in str(caught.value)


def test_a_missing_file_and_a_missing_package_are_said(tmp_path, monkeypatch):
    with pytest.raises(DataMissingError, match=r"nowhere\.safetensors"):
        backbone("resnet10", weights="nowhere.safetensors")
    path = saved(tmp_path)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(
        FacelabError, match=r"needs safetensors, which is not installed. pip install 'facelab\[exchange\]'"
    ):
        backbone("resnet10", weights=path)


def test_a_network_of_timm_that_is_another_is_refused_by_its_config(tmp_path):
    path = saved(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"architecture": "resnetaa10", "pretrained_cfg": {"tag": "in1k"}}))
    with pytest.raises(BadParameterError, match="are of 'resnetaa10', as config.json"):
        backbone("resnet10", weights=path)
    for text in (
        '{"architecture": "resnet10", "pretrained_cfg": {}}',
        '{"architecture": "of others"}',
        "no JSON",
        "[1]",
    ):
        config.write_text(text)
        backbone("resnet10", weights=path)


def test_mutated_files_give_weights_or_one_line(tmp_path):
    """A flipped byte of a weight cannot be seen where it stays finite: then the weights are loaded, as the format allows."""
    path = saved(tmp_path, width=8)
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    refused = 0
    for seed in range(100):
        draw = random.Random(seed)
        data = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            data[draw.randrange(header if seed % 4 else len(data))] = draw.randrange(256)
        path.write_bytes(data[: draw.randrange(len(data))] if seed % 10 == 9 else data)
        try:
            backbone("resnet10", width=8, weights=path)
        except FacelabError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 50
