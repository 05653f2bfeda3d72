"""``labs.choose_network``: every training notebook takes any backbone by name, and says at once what cannot be."""

import ast

import numpy as np
import pytest
import torch
from tiny import tiny_faces

from facelab import labs
from facelab.backbones import BACKBONES, backbone
from facelab.errors import BadParameterError
from facelab.experiments.imbalance.designs import get_design
from facelab.experiments.imbalance.parts import Parts
from facelab.experiments.imbalance.runs import new_training
from facelab.labs.parameters import declared_parameters, notebook_sources

TRAINING = [path for path in notebook_sources() if "02" <= path.stem[:2] <= "09"]
PRESET = ("resnet10", 16)


@pytest.mark.parametrize("source", TRAINING, ids=lambda path: path.stem)
def test_a_training_notebook_takes_any_network_by_name(source):
    parameter = declared_parameters(source)["network"]
    assert parameter.default == "" and [parameter.parse(name) for name in BACKBONES] == list(BACKBONES)
    with pytest.raises(BadParameterError, match="network is 'resnet81'. Did you mean 'resnet18'"):
        parameter.parse("resnet81")


@pytest.mark.parametrize("source", TRAINING, ids=lambda path: path.stem)
def test_what_it_trains_is_what_was_chosen(source):
    """Only what is made up to show a mechanism, as the ring of notebook 04, has another network."""
    calls = [node for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    [choice] = [call for call in calls if ast.unparse(call.func) == "labs.choose_network"]
    assert ast.unparse(choice.args[0]) == "network"
    made = [[ast.unparse(argument) for argument in call.args] for call in calls if ast.unparse(call.func) == "backbone"]
    made += [
        [ast.unparse(argument) for argument in call.args[1:]]
        for call in calls
        if ast.unparse(call.func) == "closed_set.new_classifier"
    ]
    assert made and all(arguments[0] == "body" for arguments in made if arguments != ["'resnet10'", "1"])
    assert (["'resnet10'", "1"] in made) == (source.stem == "04_moco")


def test_no_name_is_the_presets_network_and_a_name_is_as_published():
    faces = tiny_faces(size=48)
    state = torch.get_rng_state()
    assert labs.choose_network("", PRESET, faces) == PRESET
    for name in set(BACKBONES) - {"inception_resnet_v1"}:
        assert labs.choose_network(name, PRESET, faces) == (name, None)
    assert torch.equal(torch.get_rng_state(), state)  # weights that are drawn afterwards are what they were


@pytest.mark.parametrize(("name", "side"), [("vgg16", 32), ("inception_resnet_v1", 75), ("resnet9", 8)])
def test_photographs_that_are_too_small_are_refused_and_no_others(name, side):
    assert labs.choose_network(name, PRESET, tiny_faces(size=side)) == (name, None)
    with pytest.raises(
        BadParameterError, match=f"{name} takes photographs of {side} pixels or more, and these have {side - 1}"
    ):
        labs.choose_network(name, PRESET, tiny_faces(size=side - 1))


def test_a_name_that_is_nearly_right():
    with pytest.raises(BadParameterError, match="Did you mean 'vgg16'"):
        labs.choose_network("vgg61", PRESET, tiny_faces())


def test_the_trainings_of_notebook_08_have_the_network_that_they_are_given():
    faces = tiny_faces(people=10, shots=4, size=32)
    faces = faces.subset(np.arange(len(faces)))
    faces.attributes["wears glasses"] = np.where(faces.identity < 5, "yes", "no")
    parts = Parts(faces, {}, faces, faces, "wears glasses")
    chosen, usual = (
        new_training(parts, get_design("orl-glasses"), 0, **network) for network in ({"network": ("resnet10t", 8)}, {})
    )
    assert (chosen.method.backbone.name, chosen.method.backbone.width) == ("resnet10t", 8)
    assert (usual.method.backbone.name, usual.method.backbone.width) == ("resnet10", backbone("resnet10").width)
