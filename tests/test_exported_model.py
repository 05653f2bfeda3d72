"""What is exported gives the numbers of the method, in torch, onnxruntime and OpenCV, for every network and every method."""

import warnings

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torchvision
from exports import SMALL, as_input, embeddings_of, noise, relative_difference, stored_method
from safetensors import safe_open
from safetensors.torch import load_file

import facelab
from facelab.augment import PLAIN, Augmentation
from facelab.backbones import BACKBONES
from facelab.backbones.registry import _REGISTRY
from facelab.errors import BadParameterError
from facelab.exchange.exported_model import ExportedModel
from facelab.exchange.model_folder import export_model, load_model
from facelab.methods import METHODS


def by_onnxruntime(path, images: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(str(path)).run(["embeddings"], {"images": as_input(images)})[0]


def assert_equal_everywhere(stored, folder, images) -> None:
    expected = embeddings_of(stored, images)
    assert (
        np.std(expected, axis=0).max() > 1e-3 * np.abs(expected).max()
    )  # the photographs do not look all the same to it
    written = export_model(stored, folder)
    loaded = facelab.load_model(folder)
    for model in (written, loaded):
        assert relative_difference(model.embed(images).numpy(), expected) < 1e-6
        with torch.no_grad():
            assert relative_difference(model(torch.from_numpy(as_input(images))).numpy(), expected) < 1e-6
    onnx.checker.check_model(folder / "model.onnx", full_check=True)
    for count in (1, len(images)):
        found = by_onnxruntime(folder / "model.onnx", images[:count])
        assert relative_difference(found, expected[:count]) < 1e-4
        network = cv2.dnn.readNetFromONNX(str(folder / "model.onnx"))
        network.setInput(as_input(images[:count]))
        assert relative_difference(network.forward(), expected[:count]) < 1e-4


@pytest.mark.parametrize("network", BACKBONES)
def test_every_network_gives_the_same_numbers_everywhere(tmp_path, network):
    entry = _REGISTRY[network]
    stem = min(entry.min_sides, key=entry.min_sides.get)
    side = max(entry.min_sides[stem], 33)  # an odd one shows where two libraries round a size differently
    stored = stored_method("supcon", network, 3, side, stem=stem)
    assert_equal_everywhere(stored, tmp_path / "out", noise(3, side, 3))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_gives_the_same_numbers_everywhere(tmp_path, name):
    assert SMALL.keys() == METHODS.keys()
    stored = stored_method(name)
    assert_equal_everywhere(stored, tmp_path / "out", noise(3, 24))


def test_mean_and_deviation_of_each_channel_and_the_side_of_the_views_are_inside(tmp_path):
    views = Augmentation(size=20, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
    stored = stored_method("margin", channels=3, side=48, augmentation=views)
    export_model(stored, tmp_path)
    model = load_model(tmp_path)
    assert (model.size, model.in_channels, model.dimension) == (20, 3, 7)
    images = noise(3, 48, 3)
    assert relative_difference(model.embed(images).numpy(), embeddings_of(stored, images)) < 1e-6
    small = noise(3, 20, 3)
    assert relative_difference(by_onnxruntime(tmp_path / "model.onnx", small), embeddings_of(stored, small)) < 1e-4


def test_crops_of_any_size_are_resized_as_the_preprocessing_of_training_does(tmp_path):
    stored = stored_method("supcon", side=24, augmentation=PLAIN)
    model = export_model(stored, tmp_path)
    images = noise(3, 60)[:, :, :50]
    resized = torch.nn.functional.interpolate(
        torch.from_numpy(as_input(images)), (24, 24), mode="bilinear", antialias=True
    )
    with torch.no_grad():
        expected = stored.method.embed((resized / 255 - 0.5) / 0.5).numpy()
    assert relative_difference(model.embed(images).numpy(), expected) < 1e-5
    as_tensor = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    assert torch.equal(model.embed(as_tensor), model.embed(images))
    read_only = images.copy()
    read_only.flags.writeable = False
    assert torch.equal(model.embed(read_only), model.embed(images))
    many = np.concatenate([images] * 100)
    assert model.embed(many).shape == (300, 64) and model.embed(images[:0]).shape == (0, 64)
    assert relative_difference(model.embed(many)[297:].numpy(), model.embed(images).numpy()) < 1e-5


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (noise(2, 24, 3), "takes 1 .GRAY."),
        (noise(2, 24).astype(np.float32), "uint8"),
        (noise(1, 24)[0], "uint8"),
        ([noise(1, 24)[0]], "np.stack"),
        (None, "np.stack"),
        (np.array([noise(1, 24)[0], noise(1, 20)[0]], dtype=object), "are object"),  # crops of two sizes in one array
        (noise(2, 24).astype(np.uint16), "are uint16"),
        (torch.zeros(2, 24, 24, 1, dtype=torch.uint8), "uint8"),
        (np.array(["a.png"]), "are <U5"),
        (noise(2, 24)[:, :0], "24 x 0 pixels"),
    ],
)
def test_what_are_no_crops_is_one_clear_error(tmp_path, images, said):
    model = export_model(stored_method(), tmp_path)
    with pytest.raises(BadParameterError, match=said):
        model.embed(images)


@pytest.mark.parametrize("name", METHODS)
def test_what_served_the_training_alone_stays_behind(tmp_path, name):
    """Class weights and queues are vectors of the people trained on; and of the rest nobody has a use."""
    stored = stored_method(name)
    export_model(stored, tmp_path)
    names = set(load_file(tmp_path / "model.safetensors"))
    own = set(stored.method.state_dict())
    kept = ("backbone.", "embedding.") if name == "margin" else ("backbone.",)
    assert names == {key for key in own if key.startswith(kept)} and names < own
    assert set(load_model(tmp_path).state_dict()) == {f"method.{key}" for key in names}


def test_a_classifier_goes_with_its_classes_where_their_names_are_given(tmp_path):
    stored, people, images = stored_method(), ["Ann", "Bob", "Cem", "张伟"], noise(5, 24)
    export_model(stored, tmp_path, labels=people)
    model = load_model(tmp_path)
    with torch.no_grad():
        logits = stored.method.head(torch.from_numpy(embeddings_of(stored, images)))
    assert model.labels == tuple(people)
    assert torch.allclose(model.predict(images), logits.softmax(dim=1), atol=1e-6)
    assert relative_difference(model.embed(images).numpy(), embeddings_of(stored, images)) < 1e-6
    plain = export_model(stored, tmp_path / "plain")
    assert plain.labels is None and not (tmp_path / "plain" / "labels.json").exists()
    with pytest.raises(BadParameterError, match="without its classes"):
        plain.predict(images)


@pytest.mark.parametrize(
    ("name", "labels"), [("margin", "abcd"), ("supcon", "abcd"), ("classifier", "abc"), ("classifier", "abca")]
)
def test_labels_are_a_name_for_each_class_of_a_classifier(tmp_path, name, labels):
    with pytest.raises(BadParameterError, match="Only a classifier has labels"):
        export_model(stored_method(name), tmp_path / "out", labels=list(labels))
    assert not (tmp_path / "out").exists()


def test_the_weights_open_without_our_package(tmp_path):
    """torchvision's own ResNet-18 takes them by name, and gives the same numbers."""
    stored = stored_method("supcon", "resnet18", 3, 40, width=64, stem="imagenet")
    export_model(stored, tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}
        state = {key.removeprefix("backbone.body."): file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    network = torchvision.models.resnet18()
    network.fc = torch.nn.Identity()
    network.load_state_dict(state)
    images = noise(2, 40, 3)
    with torch.no_grad():
        found = network.eval()(torch.from_numpy(as_input(images)) / 127.5 - 1).numpy()
    assert relative_difference(found, embeddings_of(stored, images)) < 1e-4


def test_the_onnx_file_says_what_it_takes(tmp_path):
    export_model(stored_method("margin", channels=3), tmp_path, crop="arcface")
    graph = onnx.load(tmp_path / "model.onnx")
    assert {entry.key: entry.value for entry in graph.metadata_props} == {
        "facelab.layout": "NCHW", "facelab.channels": "RGB", "facelab.mean": "0", "facelab.scale": "1", "facelab.side": "24",
        "facelab.crop": "arcface",
    }  # fmt: skip
    assert [entry.version for entry in graph.opset_import] == [17]
    shapes = [[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in graph.graph.input]
    assert shapes == [["batch", 3, 24, 24]]


def test_exporting_warns_of_nothing(tmp_path):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        export_model(stored_method(), tmp_path)
    assert not [str(warning.message) for warning in heard]


def test_no_weight_of_the_given_method_changes(tmp_path):
    stored = stored_method("moco")
    before = {key: value.clone() for key, value in stored.method.state_dict().items()}
    model = export_model(stored, tmp_path)
    assert isinstance(model, ExportedModel) and not model.training
    after = stored.method.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(value, after[key]) for key, value in before.items())
