"""``facelab train --recipe``: what earlier projects ran, each tried for a step; what is typed beside it goes before."""

import inspect
import re
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from commands import call
from tiny import tiny_faces

from facelab import records
from facelab.backbones import backbone
from facelab.commands.train import run as run_module
from facelab.commands.train import task as task_module
from facelab.commands.train.command import train
from facelab.commands.train.recipes import LIST, get_recipe, read_recipes
from facelab.commands.train.run import train_and_measure
from facelab.datasets.sources import all_sources
from facelab.errors import BadParameterError
from facelab.methods.registry import method_options
from facelab.protocols.unseen_people import scene_ids
from facelab.training import loop

RECIPES = read_recipes()
NARROW = 8
SIDES = {"inception_resnet_v1": 75}  #: what a network needs; 32 is enough for the others


@pytest.fixture
def asked(monkeypatch):
    """Settings and plan of the last ``facelab train``, which then does not train."""
    seen = []
    monkeypatch.setattr(run_module, "train_and_measure", lambda *given: seen.append(given[:2]))

    def ask(*words):
        assert call(monkeypatch, "train", *words) == 0
        return seen[-1]

    return ask


def test_every_setting_is_one_of_the_command_and_says_what_decides_a_training():
    decide = {"method", "dataset", "size", "backbone", "augmentation", "epochs", "batch_size", "optimizer", "lr"}
    known = inspect.signature(train).parameters
    for recipe in RECIPES.values():
        assert recipe.source and recipe.what
        assert (
            decide | {"weight_decay", "warmup_epochs"} <= recipe.settings.keys() <= known.keys() - {"param", "recipe"}
        )
        assert recipe.param.keys() <= method_options(recipe.settings["method"]).keys()
    assert LIST not in RECIPES
    assert {recipe.settings["dataset"] for recipe in RECIPES.values()} <= {source.name for source in all_sources()}


#: As the projects' own texts have it.
TOLD = {
    "upc-cnn-mlp": {
        "method": "classifier", "backbone": "resnet18", "epochs": 50, "size": 240, "options": {"hidden": "256,128"},
    },
    "upc-supcon-resnet18": {
        "batch_size": 16, "head": "frozen", "head_epochs": 16, "scene": "person", "options": {"queue": "16"},
    },
    "upc-moco-resnet18": {"batch_size": 16, "epochs": 3000, "options": {"queue": "16"}},
    "upc-moco-resnet101": {"backbone": "resnet101", "batch_size": 16, "options": {"queue": "16"}},
    "upc-moco-inception": {"backbone": "inception_resnet_v1", "weights": "vggface2", "freeze": 0},
    "jones-simclr-cifar10": {
        "method": "simclr", "backbone": "resnet50", "optimizer": "lars", "batch_size": 1024, "epochs": 100,
        "options": {"layers": "3"},
    },
    "jones-simclr-faces": {
        "backbone": "resnet36", "size": 128, "epochs": 30, "batch_size": 1024, "options": {"layers": "3"},
    },
    "jones-ring-cifar10": {"backbone": "resnet50", "epochs": 50, "options": {"loss": "ring"}},
    "jones-asoftmax-cifar10": {"backbone": "resnet50", "epochs": 30, "options": {"loss": "sphereface"}},
    "jones-ring-faces": {"backbone": "resnet50", "size": 100, "epochs": 16, "augmentation": "copies"},
    "jones-asoftmax-faces": {"size": 100, "epochs": 16, "options": {"loss": "sphereface"}},
    "ammai-arcface": {
        "backbone": "resnet34", "size": 160, "optimizer": "adamw", "lr": 0.001, "weight_decay": 0.0, "batch_size": 64,
        "augmentation": "flip", "options": {"loss": "arcface", "dimension": "128"},
    },
    "ammai-center": {"weight_decay": 0.0, "batch_size": 64, "options": {"loss": "center", "dimension": "128"}},
    "ammai-softmax": {"weight_decay": 0.0, "batch_size": 64, "options": {"loss": "softmax", "dimension": "128"}},
    "vcl-resnet10t": {
        "backbone": "resnet10t", "optimizer": "adamw", "lr": 0.001, "weight_decay": 0.01, "batch_size": 128,
        "options": {"temperature": "0.07", "beta": "0.005"},
    },
    "vcl-vgg11": {"backbone": "vgg11_bn", "weight_decay": 0.01, "options": {"temperature": "0.07", "beta": "0.005"}},
    "vcl-vgg11-no-beta": {"backbone": "vgg11_bn", "options": {"temperature": "0.07", "beta": "0.0"}},
}  # fmt: skip


@pytest.mark.parametrize("name", TOLD)
def test_a_recipe_is_what_its_project_told(asked, name):
    settings, plan = asked("--recipe", name)
    found = asdict(settings) | asdict(plan)
    expected = dict(TOLD[name])
    assert expected.pop("options", {}).items() <= found["options"].items()
    assert {key: found[key] for key in expected} == expected and found["recipe"] == name


def test_networks_of_the_upc_project_are_all_there():
    networks = {"resnet18", "resnet50", "resnet101", "vgg16", "inception_resnet_v1"}
    for method in ("supcon", "moco"):
        names = [name for name in RECIPES if name.startswith(f"upc-{method}-")]
        assert {RECIPES[name].settings["backbone"] for name in names} == networks


def test_the_frozen_layers_are_those_up_to_the_tenth_module():
    network = backbone("inception_resnet_v1", width=NARROW)
    first = list(network.body.children())[:10]
    layers = [part for child in first for part in child.modules() if [*part.parameters(recurse=False)]]
    assert get_recipe("upc-moco-inception-frozen").settings["freeze"] == len(layers)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_takes_a_step(tmp_path, monkeypatch, asked, name):
    """Its own method, optimiser, rate, decay, views and heads; on small photographs, narrow, in a small batch."""
    settings, plan = asked("--recipe", name)
    side = SIDES.get(settings.backbone, 32)
    monkeypatch.setattr(task_module, "load", lambda *_: tiny_faces(people=4, shots=5, size=side))
    optimizers, trained, make, fit = [], [], loop.make_optimizer, run_module.fit

    def watched_optimizer(*given):
        optimizers.append(make(*given))
        return optimizers[-1]

    def watched_fit(method, *others, **more):
        before = {key: value.clone() for key, value in method.named_parameters()}
        history = fit(method, *others, **more)
        trained.append(
            (method, {key for key, value in method.named_parameters() if not torch.equal(value, before[key])})
        )
        return history

    monkeypatch.setattr(loop, "make_optimizer", watched_optimizer)
    monkeypatch.setattr(run_module, "fit", watched_fit)
    settings = replace(settings, width=NARROW, size=side, weights=None, people="known", head_epochs=1)
    train_and_measure(settings, replace(plan, epochs=1, batch_size=8, warmup_epochs=0.0), tmp_path, do="train")
    method, moved = trained[0]
    learns = {key for key, value in method.named_parameters() if value.requires_grad}
    memory = {key: optimizers[0].state[method.get_parameter(key)].values() for key in learns}
    reached = {key for key, kept in memory.items() if any(value.ndim and value.any() for value in kept)}
    assert {
        key for key in learns if method.get_parameter(key).ndim > 1
    } <= reached  # by a gradient: VGG-16's is too small to see
    assert {key for key in learns if key.startswith(("head.", "embedding.")) and key.endswith("weight")} & moved
    assert all(key in learns or key.startswith("key_") for key in moved)  # MoCo's key encoder follows
    assert ("backbone.body.conv2d_1a.conv.weight" in learns) == (name in ("upc-supcon-inception", "upc-moco-inception"))
    assert type(optimizers[0]).__name__.lower() == plan.optimizer
    assert optimizers[0].param_groups[0]["weight_decay"] == plan.weight_decay
    assert len(trained) == (2 if settings.head == "frozen" else 1)


def test_what_is_typed_goes_before_the_recipe(asked):
    settings, plan = asked(
        "--recipe", "upc-supcon-resnet18", "--dataset", "orl-wild", "--batch-size", "32", "--head", "none",
        "-p", "queue=64", "--backbone", "resnet10",
    )  # fmt: skip
    assert (settings.dataset, settings.head, settings.backbone, plan.batch_size) == ("orl-wild", "none", "resnet10", 32)
    assert settings.options["queue"] == "64" and settings.options["temperature"] == "0.05"
    assert settings.size == 160 and plan.optimizer == "sgd"


def test_the_line_of_a_run_gives_the_same_run_and_the_record_names_its_recipe(tmp_path, monkeypatch, asked):
    monkeypatch.setattr(task_module, "load", lambda *_: tiny_faces(people=4, shots=10))
    line = "--recipe vcl-resnet10t --dataset tiny --size 16 --width 8 --epochs 1 --batch-size 8 --warmup-epochs 0"
    settings, plan = asked(*line.split())
    train_and_measure(settings, plan, tmp_path)
    record = records.read_record(tmp_path / "record.json")
    assert record.parameters["recipe"] == "vcl-resnet10t" and record.parameters["options"]["beta"] == "0.005"
    assert asked(*record.command.split()[2:]) == (settings, plan)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--recipe upc-moco-resnet5", "'upc-moco-resnet5'. Did you mean 'upc-moco-resnet50'. facelab train --recipe list"),
        ("simclr --recipe ammai-arcface", "'ammai-arcface' is one of margin, not of simclr. Leave the method out"),
        ("--recipe upc-cnn-mlp --bakbone resnet18", "No such option: --bakbone"),
        ("--recipe jones-simclr-faces --epochs 2", "A warm-up of 10.0 epochs in a run of 2. Give fewer"),
        ("--recipe upc-cnn-mlp", "'gtav' is not on this machine.*Or take the recipe to other photographs"),
        ("--recipe upc-cnn-mlp --dataset vggface2", "'vggface2' is not on this machine"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_in_a_line(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.setenv("FACELAB_DATA", str(tmp_path))
    assert call(monkeypatch, "train", *words.split()) in (1, 2)
    heard = " ".join(capsys.readouterr().err.split())
    assert re.search(said, heard), heard
    assert ("Or take the recipe" in heard) == (words == "--recipe upc-cnn-mlp")


def test_the_list_has_every_recipe_with_its_source(monkeypatch, capsys):
    assert call(monkeypatch, "train", "--recipe", "list") == 0
    lines = capsys.readouterr().out.splitlines()
    for name, recipe in RECIPES.items():
        assert any(line.startswith(f"{name} ") and recipe.source in line and recipe.what in line for line in lines)


def test_a_person_is_a_scene_where_that_is_asked_for():
    faces = tiny_faces(people=3, shots=4)
    scenes = scene_ids(faces, "person")
    np.testing.assert_array_equal(scenes[:, None] == scenes, faces.identity[:, None] == faces.identity)
    with pytest.raises(BadParameterError, match="1 photographs of tiny have no 'person'"):
        scene_ids(replace(faces, identity=np.where(np.arange(12) == 5, -1, faces.identity)), "person")
