"""Methods by name with their options as text, and methods in files: built again, they are what they were."""

import pickle

import numpy as np
import pytest
import torch
from tiny import AUGMENTATION, tiny_faces, tiny_method

from facelab.augment import PRESETS
from facelab.backbones import backbone
from facelab.errors import BadParameterError, FacelabError
from facelab.methods import METHODS, MoCo, embed_faces, load_method, method_options, new_method, save_method
from facelab.methods.storage import SCHEMA
from facelab.tensor_files import load_tensors, save_tensors

FACES = tiny_faces(people=3, shots=4)


def network(**how):
    return backbone("resnet10", 1, **({"width": 8} | how))


def build(name: str, options: dict, seed: int = 0, **how):
    torch.manual_seed(seed)
    return new_method(name, network(**how), AUGMENTATION, options, 3)


@pytest.mark.parametrize("name", METHODS)
def test_each_option_is_read_back_from_its_default_as_text(name):
    known = method_options(name)
    assert known and not {"backbone", "augmentation", "classes", "self"} & set(known)
    texts = {option: str(o.default).strip("()").replace(" ", "") for option, o in known.items()}
    with torch.device("meta"):  # shapes alone: the paper's expander has 150 million weights
        plain, read = build(name, {}), build(name, texts)
    for option, o in known.items():
        if not isinstance(getattr(plain, option, None), torch.Tensor):
            assert getattr(read, option, None) == getattr(plain, option, None) in (o.default, None)
    shapes = [{key: value.shape for key, value in method.state_dict().items()} for method in (plain, read)]
    assert shapes[0] == shapes[1]
    assert METHODS[name].augmentation in PRESETS


@pytest.mark.parametrize(
    ("name", "options", "attribute", "value"),
    [
        ("supcon", {"temperature": "0.07"}, "temperature", 0.07),
        ("supcon", {"temperature": "1"}, "temperature", 1.0),
        ("supcon", {"temperature": 1}, "temperature", 1.0),
        ("moco", {"queue": "256", "groups": " 2 "}, "groups", 2),
        ("moco", {"momentum": "9e-1"}, "momentum", 0.9),
    ],
)
def test_options_arrive_with_their_type(name, options, attribute, value):
    found = getattr(build(name, options), attribute)
    assert found == value and type(found) is type(value)


def test_several_numbers_are_written_with_commas():
    head = build("classifier", {"hidden": "32,16"}).head
    widths = [layer.out_features for layer in head if isinstance(layer, torch.nn.Linear)]
    assert widths == [32, 16, 3]


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("supercon", {}, "classifier, supcon, moco"),
        ("supcon", {"temprature": "0.1"}, "no option 'temprature'.*projection=128, hidden=0, temperature=0.1"),
        ("supcon", {"temperature": "warm"}, "'warm', which is no float.*temperature=0.1"),
        ("supcon", {"temperature": "nan"}, "no float"),
        ("moco", {"queue": "2.5"}, "'2.5', which is no int.*queue=4096"),
        ("moco", {"queue": "True"}, "no int"),
        ("moco", {"queue": "0"}, "Give a queue"),
        ("classifier", {"hidden": "32"}, "hidden=256,128"),
        ("classifier", {"hidden": "32,a"}, "no tuple"),
        ("classifier", {"classes": "7"}, "no option 'classes'"),
        ("supcon", {"backbone": "None"}, "no option 'backbone'"),
    ],
)
def test_a_wrong_option_names_those_that_there_are(name, options, said):
    with pytest.raises(BadParameterError, match=said):
        build(name, options)


OPTIONS = {
    "classifier": {"hidden": "16,8", "label_smoothing": "0.1"},
    "supcon": {"projection": "6", "temperature": "0.3"},
    "moco": {"projection": "6", "queue": "11", "momentum": "0.5", "groups": "2"},
    "simclr": {"projection": "6", "layers": "3", "temperature": "0.5"},
    "vicreg": {"expander": "6,5", "covariance": "4"},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_method_comes_back_from_its_file(tmp_path, name):
    method = build(name, OPTIONS[name], stem="cifar")
    views = method.draw_views(FACES.images, np.random.default_rng(0))
    method.training_step(
        views, torch.from_numpy(FACES.labels()), torch.arange(12)
    )  # moves statistics, queue and pointer
    save_method(method, tmp_path / "m.pt", size=16, classes=3, options=OPTIONS[name], notes={"epochs": [{"loss": 1.5}]})
    torch.manual_seed(7)
    before = torch.get_rng_state()
    stored = load_method(tmp_path / "m.pt")
    assert torch.equal(torch.get_rng_state(), before)
    assert (stored.name, stored.size, stored.classes) == (name, 16, 3)
    assert stored.options == OPTIONS[name] and stored.notes == {"epochs": [{"loss": 1.5}]}
    again = stored.method
    assert type(again) is type(method) and again.augmentation == method.augmentation and not again.training
    assert again.state_dict().keys() == method.state_dict().keys()
    for key, value in method.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key
    for option in OPTIONS[name]:
        if not isinstance(getattr(method, option, None), torch.Tensor):
            assert getattr(again, option, None) == getattr(method, option, None)
    assert (embed_faces(again, FACES) == embed_faces(method, FACES)).all()


def test_a_backbone_can_start_from_the_file(tmp_path):
    method = build("moco", {"queue": "8"})
    save_method(method, tmp_path / "m.pt", size=16, classes=3, options={"queue": "8"})
    started = network(weights=tmp_path / "m.pt")
    for key, value in method.backbone.state_dict().items():
        assert torch.equal(started.state_dict()[key], value), key


class Intruder:
    def __reduce__(self):
        return (print, ("code was run",))


def edited(change):
    """A good file, its content changed."""

    def spoil(path):
        content, _ = load_tensors(path)
        change(content)
        save_tensors(content, path)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), "There is no stored method"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "cannot be read"),
        (lambda path: path.write_bytes(b""), "cannot be read"),
        (lambda path: path.write_text("hello"), "cannot be read"),
        (lambda path: torch.save([1, 2], path), "holds a list"),
        (lambda path: torch.save(torch.zeros(3), path), "holds a Tensor"),
        (lambda path: torch.save(network().state_dict(), path), "not a stored method"),
        (lambda path: path.write_bytes(pickle.dumps(Intruder())), "cannot be read"),
        (edited(lambda content: content.update(schema=SCHEMA + 1)), f"schema {SCHEMA + 1}, later than {SCHEMA}"),
        (edited(lambda content: content.update(method="olfaction")), "No method is called 'olfaction'"),
        (edited(lambda content: content["backbone"].update(width=16)), "size mismatch|not a stored method"),
        (edited(lambda content: content["backbone"].update(colour=1)), "not a stored method"),
        (edited(lambda content: content["state_dict"].popitem()), "not a stored method"),
        (edited(lambda content: content.update(augmentation=None)), "not a stored method"),
        (edited(lambda content: content.update(options=None)), "not a stored method"),
    ],
)
def test_a_file_that_is_none_is_one_clear_error(tmp_path, capsys, spoil, said):
    path = tmp_path / "m.pt"
    save_method(build("supcon", {}), path, size=16, classes=3)
    spoil(path)
    with pytest.raises(FacelabError, match=said) as error:
        load_method(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert "code was run" not in capsys.readouterr().out


def test_only_what_can_be_built_again_is_stored(tmp_path):
    class Other(MoCo):
        pass

    for method in (tiny_method(), Other(network(), AUGMENTATION, queue=8)):
        with pytest.raises(BadParameterError, match="cannot be stored"):
            save_method(method, tmp_path / "m.pt", size=16, classes=3)
    assert not list(tmp_path.iterdir())
