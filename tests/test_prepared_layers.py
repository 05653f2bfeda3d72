"""What a network computes from its training photographs is computed where the training begins, once, by every way to it."""

import copy

import numpy as np
import pytest
import torch
from tiny import tiny_faces
from trainings import noise

from facelab.augment import Augmentation
from facelab.backbones import airbench, backbone
from facelab.datasets import FaceSet
from facelab.methods import Margin, MoCo, embed_faces
from facelab.training import Plan, fit

VIEWS = Augmentation(flip_p=0.5, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.2))
PLAN = Plan(epochs=1, batch_size=8, lr=1e-3, warmup_epochs=0.5)


@pytest.fixture
def faces() -> FaceSet:
    """A few people; neighbouring pixels are alike, as in photographs."""
    found = tiny_faces()
    images = (noise(len(found), 16).astype(np.float32).cumsum(axis=2) / np.arange(1, 17)[:, None]).astype(np.uint8)
    return FaceSet(images, found.identity, found.names, found.attributes, "smooth@16")


def network():
    torch.manual_seed(0)
    return backbone("airbench", in_channels=3, width=8)


def whitened_by(images: np.ndarray) -> torch.Tensor:
    layer = airbench.Whitening(3)
    layer.fit(VIEWS.preprocess(images))
    return layer.kernels


def test_a_training_begins_with_the_layer_of_its_own_photographs(faces):
    method = Margin(network(), VIEWS, len(faces.people), loss="softmax")
    before = method.backbone.body.whitening.kernels.clone()
    fit(method, faces, PLAN)
    layer = method.backbone.body.whitening
    assert layer.seen == len(faces) and not torch.equal(layer.kernels, before)
    torch.testing.assert_close(layer.kernels, whitened_by(faces.images))
    out = layer(VIEWS.preprocess(faces.images)) - layer.bias[:, None, None]
    out = out.detach()[:, :12].transpose(0, 1).flatten(1)
    second = out @ out.T / out.shape[1]
    assert (second - torch.diag(second.diagonal())).abs().max() < 1e-3, "patches are decorrelated"


def test_of_many_photographs_some_at_even_distances_are_looked_at(faces, monkeypatch):
    monkeypatch.setattr("facelab.methods.base.PATCHES", 10 * 15**2)
    method = Margin(network(), VIEWS, len(faces.people), loss="softmax")
    method.prepare(faces)
    layer, step = method.backbone.body.whitening, -(-len(faces) // 10)
    assert step > 1 and layer.seen <= 10
    torch.testing.assert_close(layer.kernels, whitened_by(faces.images[::step]))


def test_a_network_that_has_learned_keeps_its_layer_when_it_goes_on(faces):
    method = Margin(network(), VIEWS, len(faces.people), loss="softmax")
    fit(method, faces, PLAN)
    kept = method.backbone.body.whitening.kernels.clone()
    others = FaceSet(255 - faces.images, faces.identity, faces.names, faces.attributes, "others@16")
    tuned = Margin(copy.deepcopy(method.backbone), VIEWS, len(others.people), loss="softmax")
    fit(tuned, others, PLAN)
    assert torch.equal(tuned.backbone.body.whitening.kernels, kept)


def test_the_key_encoder_of_moco_has_the_same_layer(faces):
    method = MoCo(network(), VIEWS, queue=16)
    fit(method, faces, PLAN)
    layers = [module for module in method.modules() if isinstance(module, airbench.Whitening)]
    assert len(layers) == 2 and torch.equal(layers[0].kernels, layers[1].kernels) and layers[1].seen == len(faces)


def test_it_is_stored_with_the_network(faces):
    method = Margin(network(), VIEWS, len(faces.people), loss="softmax")
    fit(method, faces, PLAN)
    read = Margin(network(), VIEWS, len(faces.people), loss="softmax")
    read.load_state_dict(method.state_dict())
    np.testing.assert_array_equal(embed_faces(read, faces), embed_faces(method, faces))


def test_other_networks_have_nothing_to_prepare(faces):
    method = Margin(backbone("resnet9", in_channels=3, width=8), VIEWS, len(faces.people), loss="softmax")
    before = copy.deepcopy(method.state_dict())
    method.prepare(faces)
    assert all(torch.equal(before[name], value) for name, value in method.state_dict().items())
